"""SelfCalibrationLS: gains of the sensors and the signals behind them, in one linear solve."""

from __future__ import annotations

from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._array import (
    Array,
    array_namespace,
    double,
    is_complex,
    move_like,
    to_numpy,
)
from .._base import Interval, StrOptions, SubspaceEstimator, fit_method, progress
from .._checks.complex import check_measurements, check_target_is_not_complex
from ..functional.inverse.self_calibration import fourier
from ..functional.inverse.self_calibration.atoms import best_n_atoms
from ..functional.inverse.self_calibration.calibration import (
    Calibration,
    calibrated,
    determined_snapshots,
)
from ..functional.inverse.self_calibration.misfit import weighted_signals
from ..functional.inverse.self_calibration.robust import reweighted
from ..functional.inverse.sensing import SensingStack, TransformedStack
from ._options import (
    calibration_options,
    check_stack_suits_model,
    default_atoms,
    in_width_of,
    most_atoms,
    warn_about,
)
from ._sensing import sensing_stack

__all__ = ["SelfCalibrationLS"]


class SelfCalibrationLS(OneToOneFeatureMixin, TransformerMixin, SubspaceEstimator):
    r"""Calibrate sensors of unknown gains and recover the signal, by linear least squares.

    Rows of X are snapshots, columns are sensors. Sensor i multiplies what it should measure by an
    unknown gain :math:`d_i \neq 0`. What an ideal array would measure is known up to a few numbers:
    :math:`A_l x_l` with a known matrix and an unknown signal,

    .. math:: y_l = d \odot (A_l x_l), \qquad l = 1, \dots, p .

    Divided by d this is linear: :math:`s \odot y_l = A_l x_l` with :math:`s = 1 / d`. The unknown
    (s, x) is the one vector that a large matrix maps to (nearly) zero. It is known up to one
    scalar: (d, x) and (a d, x / a) give the same measurements.

    Parameters
    ----------
    model : {"snapshots", "repeated", "diverse", "blind_deconvolution"}, default="snapshots"
        - "snapshots": y_l = d (A x_l), one matrix, a signal for each snapshot.
        - "repeated": y_l = d (A_l x), one signal seen through several matrices.
        - "diverse": y_l = d (A_l x_l), matrices and signals differ.
        - "blind_deconvolution": y_l = h * (C_l x_l), circular convolution with one unknown filter:
          "diverse" (or "snapshots") after a Fourier transform. ``sensing`` gives C_l.
    sensing : str, array, LinearOperator or list of LinearOperator, default="dct"
        The known A: an array (n_sensors, n_atoms) or a stack (n_snapshots, n_sensors, n_atoms); a
        SciPy LinearOperator or a list of one for each snapshot, ``rmatvec`` the *conjugate*
        transpose; or the name of a subspace: "dct" (calibrated snapshots are smooth: spanned by
        the first ``n_atoms`` cosines), "fourier" or "hadamard". Overruled by ``sensing`` in `fit`.
    n_atoms : int, "auto" or None, default=None
        Number of columns of a named subspace. "auto" tries each number, at the cost of a fit each,
        and takes the one with the largest ``singular_value_ratio_``, measured by what its number of
        equations needs. None takes a quarter of the sensors, less where there are too few snapshots
        to tell signals from gains: a guess, and a warning says when it is wrong.
    method : {"ls", "svd"}, default="ls"
        "ls" minimises the misfit of the linear equations under the normalisation. "svd" minimises
        it relative to the length of (s, x) with balanced columns; it needs no normalisation, so it
        is for gains whose phases lie all over the circle.
    solver : {"auto", "schur", "lsqr"}, default="auto"
        Both reach the same answer. "schur": elimination of gains or signals, an eigenproblem of
        order n_atoms ("repeated") or n_sensors. "lsqr": the maps are only applied, no matrix is
        formed. "auto": "lsqr" for fast operators or large problems, else "schur".
    loss : {"squared", "robust"}, default="squared"
        "robust": Tukey's bisquare of ``|y - d A x|``, by weighting anew what least squares leaves,
        from three starts; up to 150 solves. Single values that are far off then have no say, nor
        have sensors that fit the others hardly ever: their gains are NaN. Not for
        "blind_deconvolution", where one bad value spreads over all frequencies.
    normalization : "mean", array of shape (n_sensors,) or None, default="mean"
        For "ls": "mean" sets the mean of 1 / gains to 1; an array w sets ``sum(conj(w) / gains)``
        to 1. None needs ``reference`` or "svd". With "svd" the mean of ``|1 / gains|^2`` is 1 and
        the first gain is positive.
    reference : int, default=None
        Index of a sensor of known gain: its gain is set to 1, all others are relative to it.
        Takes the place of ``normalization``.
    gain_basis : array of shape (n_sensors, n_parameters), default=None
        B where gains are known to be ``d = B h``. The linear solve does not use it (1 / d is not
        linear in h); the solution is projected by one alternating step on the true misfit, and
        ``refine`` stays in the range of B. It averages noise, it does not lower the number of
        snapshots needed.
    sparsity : float, default=0.0
        Weight of ``sum |x|`` as a share of ``max |A^H (s y)|`` with all sensors brought to one
        strength, in [0, 1), with "ls" only. An outer loop of at most 50 linear solves, each with
        the penalty ``|x_j|^2 / |x_j|`` at the last x (iteratively reweighted least squares).
        Shrinks the signal.
    refine : int, default=0
        Alternating steps on the true misfit ``|y - d A x|``, gains and signals in turn. Gains
        about a tenth in noise; not part of the published method.
    damp : float, default=0.0
        Weight of ``|x|``, relative to the lengths of the columns of the system.
    tol : float, default=1e-10
        Where iterations stop.
    max_iter : int, default=None
        Most steps of one run of LSQR; None means 1000.
    verbose : int, default=0
        Whether to print progress.

    Attributes
    ----------
    gains_ : array of shape (n_sensors,)
        d; NaN for a sensor that measured nothing, that the robust loss set aside, or of which the
        solution expects nothing. For "blind_deconvolution" the transfer function,
        the Fourier transform of ``filter_``.
    signal_ : array of shape (n_atoms,) or (n_snapshots, n_atoms)
        x, one for "repeated", else one for each snapshot; NaN for a snapshot with gaps that
        measured fewer sensors than a signal has atoms.
    filter_ : array of shape (n_sensors,)
        h, for "blind_deconvolution" only. Real if all input is real, unless ``reference`` is set.
    residual_norm_ : float
        ``|y - d A x|`` over all that was measured, in units of X; with a robust loss each square
        has its weight.
    sensor_residuals_ : array of shape (n_sensors,)
        The same for each sensor, as a share of ``|y|``: 0 where the model explains everything; a
        warning names the sensors above 0.71, which is half of the energy.
    measurement_weights_ : array of shape (n_snapshots, n_sensors)
        With ``loss="robust"`` only: how far each measurement had a say, in [0, 1].
    n_atoms_ : int
        Number of columns of the maps.
    singular_values_ : array of shape (4,) or (2,)
        The smallest singular values of the balanced system, ascending: four, or two from "lsqr",
        whose second is an estimate from above. The first measures the noise.
    smallest_singular_gap_ : float
        Second minus first: how far noise may grow before other gains explain the data as well.
    singular_value_ratio_ : float
        Second over first: how far the solution stands out from all other directions. With the right
        maps about 200 at 60 dB, 20 at 40, 7 at 30, 2.5 at 20; with wrong ones seldom above 2.
    gains_determined_ : bool
        Whether that ratio is large enough, 2 or more where equations are few, and some equation is
        left after gains and signals; a warning says if not. Of simulated fits with a wrong number
        of atoms, 1 in 100 passes.
    null_dim_ : int
        Dimension of the space of solutions. 1 is the unknown scalar; above 1 the answer is one of
        many, and a warning says so.
    n_iter_ : int
        Steps of LSQR, 1 for a direct solver.
    solver_ : str
        The solver that ran.
    n_features_in_ : int
        Number of sensors.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if X had them.

    Raises
    ------
    ValueError
        If shapes disagree, X is all zero, all NaN or infinite, an adjoint is wrong, or the
        normalisation excludes the solution (1 / gains of zero mean).

    Warns
    -----
    UserWarning
        If the gains are not determined, if a sensor measured little of what the others tell, or if
        a snapshot measured too few sensors.
    ConvergenceWarning
        If LSQR stopped early.

    See Also
    --------
    FourierSensing : Fast operators.
    check_adjoint : Tests an operator of your own.
    GainDisplay : Estimated and true gains in the complex plane.

    Notes
    -----
    Necessary for one solution: p m >= m + n - 1 ("repeated"), p (m - n) >= m - 1 (the others), m
    sensors, n atoms, p snapshots. Exact then for generic exact data.

    Cost: "lsqr" about 35 steps of p m log m with fast operators, memory of a few copies of X;
    "schur" p m n^2 ("repeated"), p m^2 n + m^3 (the others). Work is done in double precision.

    Where it fails: noise multiplies an unknown (y stands in the matrix), so the answer is biased at
    low signal-to-noise ratio, and the error of 1/d grows with ``1 / |d|^2`` for weak sensors.
    Below about 20 dB compare with ``refine``.

    `score` grows with n_atoms on any data, so that GridSearchCV takes the largest: choose n_atoms
    by ``n_atoms="auto"``. A wrong number of atoms, even by one, gives useless gains and a score of
    1. A subspace that holds a constant (or one frequency) has a trivial solution in
    "blind_deconvolution": the filter that passes that frequency only.

    References
    ----------
    S. Ling, T. Strohmer, "Self-calibration and bilinear inverse problems via linear least squares",
    SIAM J. Imaging Sciences 11 (2018), arXiv:1611.04196 (models, section 2; "ls" and "svd").
    L. Balzano, R. Nowak, "Blind calibration of sensor networks", IPSN 2007 ("snapshots").
    C. C. Paige, M. A. Saunders, "LSQR", ACM Trans. Math. Software 8 (1982) ("lsqr").
    I. Daubechies, R. DeVore, M. Fornasier, C. S. Gunturk, "Iteratively reweighted least squares
    minimization for sparse recovery", Comm. Pure Appl. Math. 63 (2010) (``sparsity``).

    Examples
    --------
    Twelve sensors see smooth fields; nobody knows their gains:

    >>> import numpy as np
    >>> from subspace_learn import SelfCalibrationLS
    >>> rng = np.random.default_rng(0)
    >>> smooth = np.cos(np.pi * np.outer(np.arange(12) + 0.5, np.arange(3)) / 12)
    >>> fields = rng.normal(size=(8, 3)) @ smooth.T
    >>> gains = rng.uniform(0.5, 1.5, size=12)
    >>> model = SelfCalibrationLS(n_atoms=3, reference=0).fit(fields * gains)
    >>> bool(np.allclose(model.gains_, gains / gains[0]))
    True
    >>> bool(np.allclose(model.transform(fields * gains), fields * gains[0]))
    True
    """

    _kind_of_input = "complex_table"
    _parameter_constraints: dict = {
        "model": [StrOptions({"snapshots", "repeated", "diverse", "blind_deconvolution"})],
        "sensing": "no_validation",  # checked against X, with the other shapes
        "n_atoms": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"}), None],
        "method": [StrOptions({"ls", "svd"})],
        "solver": [StrOptions({"auto", "schur", "lsqr"})],
        "loss": [StrOptions({"squared", "robust"})],
        "normalization": [StrOptions({"mean"}), "array-like", None],
        "reference": [Interval(Integral, 0, None, closed="left"), None],
        "gain_basis": ["array-like", None],
        "sparsity": [Interval(Real, 0, 1, closed="left")],
        "refine": [Interval(Integral, 0, None, closed="left")],
        "damp": [Interval(Real, 0, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        model="snapshots",
        *,
        sensing="dct",
        n_atoms=None,
        method="ls",
        solver="auto",
        loss="squared",
        normalization="mean",
        reference=None,
        gain_basis=None,
        sparsity=0.0,
        refine=0,
        damp=0.0,
        tol=1e-10,
        max_iter=None,
        verbose=0,
    ) -> None:
        self.model = model
        self.sensing = sensing
        self.n_atoms = n_atoms
        self.method = method
        self.solver = solver
        self.loss = loss
        self.normalization = normalization
        self.reference = reference
        self.gain_basis = gain_basis
        self.sparsity = sparsity
        self.refine = refine
        self.damp = damp
        self.tol = tol
        self.max_iter = max_iter
        self.verbose = verbose

    _not_finite = {
        "gains_": "NaN: the sensor measured nothing",
        "signal_": "NaN: the snapshot measured fewer sensors than it has atoms",
        "sensor_residuals_": "NaN: the sensor measured nothing",
        "measurement_weights_": "NaN: of a sensor or snapshot that told nothing",
        "recover": "NaN: the snapshot measured fewer sensors than it has atoms",
        "transform": "NaN: what a sensor without a gain measured",
        "inverse_transform": "NaN: what a sensor without a gain will measure",
    }

    @fit_method
    def fit(self, X: Any, y: Any = None, *, sensing: Any = None) -> SelfCalibrationLS:
        """Find the gains of the sensors and the signals behind X.

        Parameters
        ----------
        X : array of shape (n_snapshots, n_sensors)
            Measurements, real or complex; NumPy, CuPy, torch. float32 and complex64 stay. NaN says
            that nothing was measured there (not for "blind_deconvolution").
        y : None
            Ignored; complex values are refused, for they are measurements in the wrong place.
        sensing : str, array, LinearOperator or list of LinearOperator, default=None
            Overrules the parameter of the constructor.

        Returns
        -------
        self : SelfCalibrationLS
            Fitted.
        """
        check_target_is_not_complex(self, y)
        X = check_measurements(self, X, reset=True, allow_nan=True)
        sensing = self.sensing if sensing is None else sensing
        Y, measured = self._measured(X)
        how: Any = {"measured": measured, "report": lambda line: progress(self, line)}
        stack = self._stack(sensing, X, None if self.n_atoms == "auto" else self.n_atoms)
        options = calibration_options(self, Y, stack)
        if self.n_atoms == "auto" and isinstance(sensing, str):
            n_most = most_atoms(self.model, *X.shape)
            n_atoms = best_n_atoms(Y, lambda n: self._stack(sensing, X, n), n_most, options, **how)
            stack = self._stack(sensing, X, n_atoms)
        found = calibrated(Y, stack, options, **how)
        inner = getattr(stack, "inner", stack)  # that of a filter lies behind a Fourier transform
        self._stack_of_fit, self._options = stack, options
        self._real = not (is_complex(X) or inner.is_complex)
        self._n_snapshots, self.n_atoms_ = X.shape[0], stack.shape[2]
        self._store(found, X)
        warn_about(found, self, X)
        return self

    def transform(self, X: Any) -> Array:
        """Calibrate measurements: divide by the gains, or undo the convolution.

        Parameters
        ----------
        X : array of shape (n_snapshots, n_sensors)
            Measurements of the same sensors, any number of snapshots.

        Returns
        -------
        X_calibrated : array of shape (n_snapshots, n_sensors)
            What ideal sensors would have measured, up to the scalar that is never known; NaN for
            sensors without a gain. Of a filter, frequencies that it does not pass stay zero.
        """
        X = self._checked(X, "transform")
        s = fourier.inverse_gains(self.gains_)
        return self._filtered(X, s) if self.model == "blind_deconvolution" else X * s

    def inverse_transform(self, X: Any) -> Array:
        """Measure with these sensors: multiply by the gains, or convolve with the filter.

        Parameters
        ----------
        X : array of shape (n_snapshots, n_sensors)
            Calibrated measurements.

        Returns
        -------
        X_raw : array of shape (n_snapshots, n_sensors)
            Raw ones.
        """
        X = self._checked(X, "inverse_transform")
        if self.model != "blind_deconvolution":
            return X * self.gains_
        return self._filtered(X, self.gains_)

    def recover(self, X: Any, sensing: Any = None) -> Array:
        """Find the signals behind new measurements, the gains being known now.

        Parameters
        ----------
        X : array of shape (n_snapshots, n_sensors)
            Measurements of the same sensors.
        sensing : str, array, LinearOperator or list of LinearOperator, default=None
            How they see the signals; None means as in `fit`, which then needs one map for all
            snapshots, or as many snapshots as in fit.

        Returns
        -------
        signal : array of shape (n_atoms,) or (n_snapshots, n_atoms)
            Least squares on the measurements, in the scale of ``signal_``; dead sensors are left
            out.
        """
        X = self._checked(X, "recover")
        Y, measured = self._measured(X)
        stack = self._new_stack(X, sensing)
        signal = self._signals(Y, measured, stack)
        if self.model == "repeated":
            return in_width_of(X, signal[0, :])
        if measured is not None:
            xp = array_namespace(signal)
            known = move_like(determined_snapshots(measured, stack.shape[2]), X)
            signal = xp.where(known[:, None], signal, xp.full_like(signal, xp.nan))
        return in_width_of(X, signal)

    def score(self, X: Any, y: Any = None, *, sensing: Any = None) -> float:
        """Share of the energy of measurements that gains and best signals explain.

        Parameters
        ----------
        X : array of shape (n_snapshots, n_sensors)
            Measurements.
        y : None
            Ignored.
        sensing : str, array, LinearOperator or list of LinearOperator, default=None
            As for `recover`.

        Returns
        -------
        score : float
            ``1 - |X - d A x|^2 / |X|^2``, at most 1. It grows with n_atoms on any data: no
            guide to n_atoms.
        """
        X = self._checked(X, "score")
        Y, measured = self._measured(X)
        stack = self._new_stack(X, sensing)
        xp = array_namespace(Y)
        gains = double(self.gains_)
        Y = xp.where(xp.isnan(gains), xp.zeros_like(Y), Y)  # nothing is expected of these
        misfit = Y - fourier.known(gains) * stack.apply(self._signals(Y, measured, stack))
        misfit = misfit if measured is None else measured * misfit
        energy = float(xp.linalg.vector_norm(Y)) ** 2
        if energy == 0.0:
            raise ValueError("All measurements are zero: there is no energy to explain.")
        return 1.0 - float(xp.linalg.vector_norm(misfit)) ** 2 / energy

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        tags.input_tags.allow_nan = self.model != "blind_deconvolution"
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    # --- what the methods share ------------------------------------------------------------------

    def _stack(self, sensing: Any, X: Array, n_atoms: int | None) -> SensingStack:
        """The maps to the sensors, or for filters to their frequencies."""
        p, m = X.shape
        stack = sensing_stack(
            sensing,
            n_sensors=m,
            n_atoms=n_atoms,
            default_atoms=default_atoms(self.model, p, m),
            like=X,
        )
        check_stack_suits_model(stack, self.model, p)
        return TransformedStack(stack) if self.model == "blind_deconvolution" else stack

    def _new_stack(self, X: Array, sensing: Any) -> SensingStack:
        """The maps for other snapshots than those of fit."""
        if sensing is not None:
            return self._stack(sensing, X, self.n_atoms_)
        check_stack_suits_model(self._stack_of_fit, self.model, X.shape[0])
        return self._stack_of_fit

    def _measured(self, X: Array) -> tuple[Array, Array | None]:
        """Measurements in double precision, zero for NaN, and where there are any if not all.

        Of filters, their unitary Fourier transform.
        """
        xp = array_namespace(X)
        missing = xp.isnan(X)
        if not bool(xp.any(missing)):
            return fourier.spectra(X) if self.model == "blind_deconvolution" else double(X), None
        if self.model == "blind_deconvolution":
            rows = np.flatnonzero(to_numpy(xp.any(missing, axis=1)))
            raise ValueError(
                f"X contains NaN in {len(rows)} snapshot(s), the first at row {rows[0]}. A filter "
                "mixes all entries of a row, so that a row with gaps tells nothing here: leave "
                "these rows out, or interpolate."
            )
        if bool(xp.all(missing)):
            raise ValueError("X contains nothing but NaN: no sensor measured anything.")
        return double(fourier.known(X)), xp.astype(~missing, xp.float64)

    def _checked(self, X: Any, method: str) -> Array:
        check_is_fitted(self)
        gaps = self.model != "blind_deconvolution"  # a filter would spread them over the row
        X = check_measurements(
            self, X, reset=False, like=self.gains_, method=method, allow_nan=gaps
        )
        if self._real and is_complex(X):
            raise ValueError(
                f"X is complex, but this {type(self).__name__} was fitted on real measurements, "
                "which tell nothing about phases. Fit on complex measurements."
            )
        return X

    def _store(self, found: Calibration, X: Array) -> None:
        """Set the fitted attributes."""
        for name in ("filter_", "measurement_weights_"):  # of an earlier fit with other parameters
            self.__dict__.pop(name, None)
        gains, signals, spectrum = found.gains, found.signals, found.spectrum
        if self.model == "blind_deconvolution":
            if self._real and self.reference is None:
                gains, signals, h = fourier.real_filter(gains, signals)
            else:
                h = fourier.filter_of(gains)
            self.filter_ = in_width_of(X, h)
        signals = signals[0, :] if self.model == "repeated" else signals
        self.gains_, self.signal_, self.sensor_residuals_ = in_width_of(
            X, gains, signals, found.sensor_residuals
        )
        if found.weights is not None:
            self.measurement_weights_ = in_width_of(X, found.weights)
        self.solver_, self.n_iter_ = self._options.solver, found.n_iter
        self.residual_norm_ = found.residual_norm
        self.singular_values_ = move_like(spectrum.values, X)
        first, second = spectrum.values[[0, min(1, len(spectrum.values) - 1)]]
        self.smallest_singular_gap_ = float(second - first)
        self.singular_value_ratio_, self.null_dim_ = spectrum.ratio, spectrum.null_dim
        self.gains_determined_ = found.determined

    def _ideal(self) -> Array:
        """What ideal sensors would have measured in fit, for the displays."""
        stack = getattr(self._stack_of_fit, "inner", self._stack_of_fit)
        shared = self.model == "repeated"
        images = stack.apply(double(self.signal_)[None, :] if shared else double(self.signal_))
        n_snapshots = images.shape[0] if not shared else self._n_snapshots
        return array_namespace(images).broadcast_to(images, (n_snapshots, images.shape[1]))

    def _signals(self, Y: Array, measured: Array | None, stack: SensingStack) -> Array:
        """Signals behind measurements, from the sensors that have a gain."""
        xp = array_namespace(Y)
        d = fourier.known(double(self.gains_))  # of a sensor without a gain nothing is expected
        Y = xp.where(d == 0, xp.zeros_like(Y), Y)
        if self._options.loss == "robust":
            live = xp.broadcast_to(xp.astype(d != 0, xp.float64), Y.shape)
            measured = live if measured is None else live * measured
            fit = partial(weighted_signals, Y, d, stack, self._options)
            has_phases = stack.is_complex or is_complex(Y)
            measured = reweighted(fit, Y, measured, is_complex=has_phases)
        x, _ = weighted_signals(Y, d, stack, self._options, measured)
        real = self.model == "blind_deconvolution" and self._real and self.reference is None
        return xp.real(x) if real else x

    def _filtered(self, X: Array, transfer: Array) -> Array:
        """Filter the rows; real if rows and filter are."""
        rows = fourier.filtered(X, transfer)
        real = not is_complex(X) and not is_complex(self.filter_)
        return in_width_of(X, array_namespace(rows).real(rows) if real else rows)
