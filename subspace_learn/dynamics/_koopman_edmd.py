"""KoopmanEDMD: linear models of nonlinear dynamics, with a residual beside each eigenvalue."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, TypedDict, Unpack

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._array import Array, array_namespace, double, is_array, is_complex, move_like, to_numpy
from .._base import (
    RANDOM_STATE,
    HasMethods,
    Interval,
    StrOptions,
    SubspaceEstimator,
    as_container,
    fit_method,
)
from .._checks.magnitude import finite_result
from .._checks.merging import check_mergeable
from .._checks.table import check_like, check_scores, rows_of
from ..functional.dynamics import resdmd
from ..functional.dynamics.edmd import complex_product, explained_variance
from ..functional.dynamics.kernel_edmd import KERNELS
from . import _forecast
from ._koopman_chunks import fit_chunks, rows_before
from ._koopman_fit import (
    Training,
    merged,
    solved,
    trained_on,
    warn_if_modes_lose,
    warn_if_pairs_are_few,
)
from ._lifting import supports_arrays
from ._snapshots import is_pairs

__all__ = ["KoopmanEDMD"]


class Weights(TypedDict, total=False):
    """What `KoopmanEDMD.fit` and `partial_fit` take as ``**weights``."""

    sample_weight: Any


class KoopmanEDMD(ClassNamePrefixFeaturesOutMixin, TransformerMixin, SubspaceEstimator):
    r"""Koopman operator of a dynamical system from data, with a residual for each eigenvalue.

    The Koopman operator moves observables in time, :math:`(\mathcal K g)(x) = g(F(x))`, and is
    linear though F is not. On a dictionary :math:`\psi` of observables EDMD fits

    .. math:: \psi(x_{t+1}) \approx \psi(x_t) K + u_t B, \qquad K v = \lambda v,

    and each eigenpair has the relative residual
    :math:`\|\psi(y) v - \lambda \psi(x) v\| / \|\psi(x) v\|`, which says whether the eigenvalue
    belongs to the system or to the choice of dictionary.

    Parameters
    ----------
    dictionary : transformer, default=None
        Observables: any scikit-learn transformer or Pipeline (``PolynomialFeatures``,
        ``RBFSampler``, ``Nystroem``, ``SplineTransformer``), real or complex, or one of ours. None
        takes the state itself (DMD). CuPy and torch arrays need ours, a ``FunctionTransformer``
        of a function that takes them, or what scikit-learn lists under array API support.
    method : {"edmd", "measure_preserving", "kernel"}, default="edmd"
        - "edmd": least squares.
        - "measure_preserving": the nearest unitary operator (mpEDMD), for systems that preserve
          the measure of the data. All eigenvalues lie on the unit circle, which is no proof that
          they are right; the residuals are.
        - "kernel": the dictionary is made of the ``n_components`` leading features of a kernel
          (``dictionary`` must be None).
    n_components : int, default=None
        Most directions of the lifted data to keep, or features of the kernel; None keeps all above
        ``rcond`` (kernel: a quarter of the pairs, at most 100).
    alpha : float, default=0.0
        Ridge penalty, relative to the mean squared length of the observables, which are scaled to
        length 1 first. It moves every eigenvalue.
    rcond : float, default=None
        Singular values below this share of the largest are dropped, observables scaled to length
        1. None: 1e-12, and 1e-6 for float32.
    solver : {"qr", "gram"}, default="qr"
        "qr" keeps all digits. "gram" reads the data once and is faster; errors grow with the square
        of the condition and residuals have a floor of about 2e-8.
    kernel : {"rbf", "laplacian", "lorentzian", "polynomial"}, default="rbf"
        For ``method="kernel"``.
    gamma : float or "mean_distance", default="mean_distance"
        Inverse squared length of the kernel, as in scikit-learn: "rbf" is
        :math:`e^{-\gamma r^2}`. "mean_distance" takes the mean distance of states from their mean
        for the length.
    time_step : float, default=1.0
        Time between rows, in the unit that continuous eigenvalues shall have.
    residual_tol : float, default=None
        Eigenpairs with a larger residual are left out of ``eigenvalues_``, ``modes_`` and
        `transform`; predictions use the whole matrix. None reports all.
    reconstruction : {"auto", "least_squares", "inverse"}, default="auto"
        From observables to states: least squares on the training states, or the dictionary's own
        ``inverse_transform``. "auto": the identity without a dictionary, else least squares.
    random_state : int, RandomState, Generator or None, default=None
        Starts ARPACK for ``method="kernel"``.

    Attributes
    ----------
    koopman_matrix_ : array of shape (n_observables, n_observables)
        K, for rows: the next observables are ``psi @ K``.
    eigenvalues_ : array of shape (n_eigenvalues,)
        By falling modulus, complex.
    residuals_ : array of shape (n_eigenvalues,)
        Relative residual of each eigenpair on the training pairs.
    eigenvectors_ : array of shape (n_observables, n_eigenvalues)
        Coefficients of eigenfunctions, of mean square 1 over the training states.
    modes_ : array of shape (n_eigenvalues, n_features)
        What each eigenfunction adds to the state. Where eigenvectors coincide (a trend, a Jordan
        block) no modes give the states back: `fit` then warns of the error.
    continuous_eigenvalues_ : array of shape (n_eigenvalues,)
        ``log(eigenvalue) / time_step``; frequencies above ``pi / time_step`` are aliased. The real
        part of an eigenvalue 0 is minus infinity: what it stands for is gone after one step.
    singular_values_ : array
        Of the lifted data, observables scaled to length 1 before inputs are taken out. All these
        arrays are of the library and on the device of X.
    n_components_ : int
        Directions kept.
    input_matrix_ : array of shape (n_inputs, n_observables)
        B; no rows without inputs.
    dictionary_ : transformer or None
        Fitted.
    n_pairs_seen_ : int
        Pairs behind the fit.
    n_features_in_ : int
        Number of features of a state.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if X had them.

    Raises
    ------
    ValueError
        If no trajectory holds a pair, shapes disagree, observables are not finite (they are
        named), or all are zero.
    TypeError
        If X and y are of two array libraries, the dictionary does not take that of X, or X is a
        recording of MNE.

    See Also
    --------
    FourierDictionary : Observables of angles.
    RBFDictionary : Observables around centres.
    DelayDictionary : Observables of the recent past.

    Notes
    -----
    With M pairs and N observables a fit costs about ``9 M N^2 + 25 N^3`` flops (Cholesky-QR2 in
    blocks; ``6 M N^2`` by inner products where the measured condition is below 15, Householder's QR
    where it is above 1e7). Beyond the lifted data it needs one block of rows; `partial_fit` never
    holds more than a batch. Problems of N columns are solved on the host, whatever library X is of:
    the array API has no eigenvalues of non-symmetric matrices. ARPACK for ``method="kernel"`` runs
    there too, with its products where the data are.

    `fit` takes what Dask holds. Chunks of one array or frame are consecutive in time, and each gets
    the last rows of the one before, so that no pair is lost; blocks of a list are trajectories of
    their own. The result is exact, that of one fit to rounding, where the dictionary does not
    depend on the data; one that does is fitted on the first chunk that holds a pair. ``lengths``
    and ``groups`` are refused there.

    What a residual says: in the limit of infinite data, a pair with residual eps lies in the
    eps-pseudospectrum of the operator. It says nothing of eigenvalues that were not found, and no
    algorithm can: for some systems none finds all. With as many observables as pairs residuals
    are 0 and mean nothing: see `held_out_residuals`.

    Rows are taken as equally spaced in time. The index of a pandas frame (dates, durations or
    numbers) is read, and a warning counts the uneven steps. Arrays have no such index:
    pairs across a gap, or those that ``KFold`` makes when it leaves out a fold in the middle or
    shuffles rows, cannot be seen there. Use ``TimeSeriesSplit``, pairs by y, or ``groups``.

    Where it fails: without 1 among the observables the eigenvalue 1 is missing; a dictionary that
    is not nearly invariant gives eigenvalues with large residuals, and forecasts that decay. One
    channel has no rhythm without delays, and in noise needs many of them and ``n_components``.

    References
    ----------
    M. O. Williams, I. G. Kevrekidis, C. W. Rowley, "A data-driven approximation of the Koopman
    operator", J. Nonlinear Sci. 25 (2015) (EDMD).
    M. J. Colbrook, A. Townsend, "Rigorous data-driven computation of spectral properties of Koopman
    operators for dynamical systems", Comm. Pure Appl. Math. 77 (2024), arXiv:2111.14889
    (residuals).
    M. J. Colbrook, "The mpEDMD algorithm", SIAM J. Numer. Anal. 61 (2023).
    M. J. Colbrook, I. Mezic, A. Stepanenko, "Limits and powers of Koopman learning", 2024,
    arXiv:2407.06312 (`local_spectrum`, and what cannot be done).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import PolynomialFeatures
    >>> from subspace_learn import KoopmanEDMD
    >>> X = np.random.default_rng(0).uniform(-1, 1, size=(200, 1))
    >>> model = KoopmanEDMD(PolynomialFeatures(2)).fit(X, 0.5 * X)
    >>> model.eigenvalues_.real.round(6)
    array([1.  , 0.5 , 0.25])
    >>> bool(model.residuals_.max() < 1e-12)
    True
    >>> model.simulate([[1.0]], n_steps=3).round(6)
    array([[[0.5  ],
            [0.25 ],
            [0.125]]])
    """

    _not_finite = {"continuous_eigenvalues_": "-inf is the logarithm of an eigenvalue 0"}

    # `fit` takes sample_weight among its keywords (editors and mypy know it by `Weights`): a
    # signature that names it would announce weights that equal repeated rows in any order, which
    # scikit-learn then checks, and rows here are times.
    __metadata_request__fit = {"sample_weight": None}
    __metadata_request__partial_fit = {"sample_weight": None}

    _parameter_constraints: dict = {
        "dictionary": [HasMethods(["fit", "transform"]), HasMethods(["fit", "embed"]), None],
        "method": [StrOptions({"edmd", "measure_preserving", "kernel"})],
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "rcond": [Interval(Real, 0, 1, closed="left"), None],
        "solver": [StrOptions({"qr", "gram"})],
        "kernel": [StrOptions(set(KERNELS))],
        "gamma": [Interval(Real, 0, None, closed="neither"), StrOptions({"mean_distance"})],
        "time_step": [Interval(Real, 0, None, closed="neither")],
        "residual_tol": [Interval(Real, 0, None, closed="neither"), None],
        "reconstruction": [StrOptions({"auto", "least_squares", "inverse"})],
        "random_state": RANDOM_STATE,
    }

    def __init__(
        self,
        dictionary=None,
        *,
        method="edmd",
        n_components=None,
        alpha=0.0,
        rcond=None,
        solver="qr",
        kernel="rbf",
        gamma="mean_distance",
        time_step=1.0,
        residual_tol=None,
        reconstruction="auto",
        random_state=None,
    ) -> None:
        self.dictionary = dictionary
        self.method = method
        self.n_components = n_components
        self.alpha = alpha
        self.rcond = rcond
        self.solver = solver
        self.kernel = kernel
        self.gamma = gamma
        self.time_step = time_step
        self.residual_tol = residual_tol
        self.reconstruction = reconstruction
        self.random_state = random_state

    @fit_method
    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        lengths: Any = None,
        groups: Any = None,
        u: Any = None,
        **weights: Unpack[Weights],
    ) -> KoopmanEDMD:
        """Fit the Koopman matrix and its eigenpairs.

        Parameters
        ----------
        X : array of shape (n_samples, n_features), list of such, or 3-D array
            One trajectory (rows are times), several, or, with y, states in any order. A 3-D array
            is (n_trajectories, n_times, n_features). NumPy, CuPy or torch: all work on the pairs is
            done there. float32 is lifted as it is and solved for in float64. Data frames of a list
            are put in the order of the columns of the first.
        y : array of the shape of X, default=None
            Successor of each row, of the library of X; a data frame is put in the order of the
            columns of X. Labels (1-D) are ignored.
        lengths : array of int, default=None
            Lengths of the trajectories stacked in X; no pair straddles two.
        groups : array of shape (n_samples,), default=None
            The same by names: a trajectory ends where the name changes.
        u : array of shape (n_samples, n_inputs), default=None
            Inputs between each row and the next (EDMD with control). u and weights may be NumPy's
            whatever X is. Names of the columns of a data frame are kept: later ones are put in
            their order.
        **weights : dict
            ``sample_weight``, array of shape (n_samples,): quadrature weights of the pairs that
            begin in each row, nonnegative.

        Returns
        -------
        self : KoopmanEDMD
            Fitted.

        Warns
        -----
        UserWarning
            If trajectories were too short or have fewer times than features; steps of a time index
            are uneven; there are no more pairs than directions kept; modes do not give the states
            back to 1e-6; inputs nearly determine a state, so that K has a standard deviation above
            0.5 in observables of one size; or a system fitted as measure-preserving is not.
        """
        more = {"lengths": lengths, "groups": groups, "u": u, **weights}
        return warn_if_pairs_are_few(self._store(trained_on(self, X, y, **more)))

    _fit_chunks, _rows_before = fit_chunks, rows_before

    @fit_method
    def partial_fit(
        self,
        X: Any,
        y: Any = None,
        *,
        lengths: Any = None,
        groups: Any = None,
        u: Any = None,
        **weights: Unpack[Weights],
    ) -> KoopmanEDMD:
        """Add pairs to what was seen so far, in memory that does not grow.

        The dictionary (kernel features too) is fitted on the first batch. Pairs never straddle two
        batches: batches of trajectories are one `fit` on the list of them. Repeat the last row of
        a batch (with a `DelayDictionary` the last ``window``) as the first of the next to lose no
        pair. Pairs given by y may be cut in any way, single rows included. A batch in which all
        observables are zero adds its pairs and no direction.

        Parameters
        ----------
        X : array of shape (n_samples, n_features), list of such, or 3-D array
            As for `fit`.
        y : array of the shape of X, default=None
            Successor of each row. Labels (1-D) are ignored.
        lengths : array of int, default=None
            Lengths of the trajectories stacked in X.
        groups : array of shape (n_samples,), default=None
            The same by names.
        u : array of shape (n_samples, n_inputs), default=None
            Inputs, of the same width in every batch.
        **weights : dict
            ``sample_weight`` as for `fit`.

        Returns
        -------
        self : KoopmanEDMD
            Updated; unchanged if the batch raised an error. With solver "qr" the result is that of
            one fit on all pairs to rounding, residuals included; with "gram" residuals have a floor
            of about 2e-8.

        Raises
        ------
        ValueError
            As in `fit`; if columns, the number of inputs, ``time_step`` or the dictionary are not
            those of the first batch.
        """
        before = getattr(self, "_training", None)
        more = {"lengths": lengths, "groups": groups, "u": u, **weights}
        return self._store(trained_on(self, X, y, before, **more), may_be_zero=True)

    @fit_method
    def merge(self, other: KoopmanEDMD) -> KoopmanEDMD:
        """Add the pairs that ``other`` was fitted on, without seeing them.

        Parameters
        ----------
        other : KoopmanEDMD
            Fitted on other pairs with the same observables. Not changed.

        Returns
        -------
        self : KoopmanEDMD
            Updated; unchanged if an error was raised.

        Raises
        ------
        TypeError
            If ``other`` is not a KoopmanEDMD.
        ValueError
            If the two have other columns or another order of them, other observables or inputs, or
            another ``time_step``.
        """
        check_mergeable(self, other)
        ours, theirs = self._training, other._training
        check_like(theirs.examples, ours.examples, where="merge()")
        return self._store(merged(ours, theirs, self.solver))

    # --- use -----------------------------------------------------------------------------------

    def transform(self, X: Any) -> Array:
        """Coordinates of states in eigenfunctions, as real numbers.

        Parameters
        ----------
        X : array of shape (n_samples, n_features), or list of trajectories
            States. With a `DelayDictionary` X is one trajectory (or a list), and the first
            ``window - 1`` rows of each give no row.

        Returns
        -------
        Z : array of shape (n_samples, n_coordinates)
            Real eigenvalues give one column; a conjugate pair gives two, the real and imaginary
            part of the eigenfunction of the one above the axis. `eigenfunctions` has complex ones.
            A data frame that ``set_output`` asks for has the index of the rows that are left.
        """
        check_is_fitted(self)
        X, table, rows = _forecast.lifted_rows(self, self._model, X, "transform")
        Z = _forecast.coordinates(self._model.spectrum, self.eigenvectors_, rows, table.dtype)
        finite_result(Z, name="KoopmanEDMD", method="transform")
        if self._model.window > 1 and hasattr(X, "iloc"):  # the first rows of a frame gave none
            return as_container(self, Z, rows_of(X, np.arange(X.shape[0] - Z.shape[0], X.shape[0])))
        return Z

    def inverse_transform(self, X: Any) -> Array:
        """States from coordinates: the sum of modes, weighted.

        Parameters
        ----------
        X : array of shape (n_samples, n_coordinates)
            What `transform` returns.

        Returns
        -------
        states : array of shape (n_samples, n_features)
            Exact where the states lie in the span of the observables, no eigenpair was left out,
            and eigenvectors are independent.

        Warns
        -----
        UserWarning
            If modes lose more than 1e-6 of the states (1e-3 in float32), as for a trend: then
            `predict` and `simulate` are exact and this method is not.
        """
        check_is_fitted(self)
        n, like = self._n_features_out, self.koopman_matrix_
        Z = check_scores(self, X, n_features=n, like=like, method="inverse_transform")
        warn_if_modes_lose(self._model.spectrum, array_namespace(Z).finfo(Z.dtype))
        states = _forecast.states_from_coordinates(
            self._model.spectrum, self.modes_, Z, paired=not is_complex(like)
        )
        return finite_result(states, name="KoopmanEDMD", method="inverse_transform")

    def eigenfunctions(self, X: Any) -> Array:
        """Eigenfunctions at states.

        Parameters
        ----------
        X : array of shape (n_samples, n_features), or list of trajectories
            States, as for `transform`.

        Returns
        -------
        values : array of shape (n_samples, n_eigenvalues)
            Complex; mean square 1 over the training states.
        """
        check_is_fitted(self)
        _, _, rows = _forecast.lifted_rows(self, self._model, X, "eigenfunctions")
        values = complex_product(rows, self.eigenvectors_)
        return finite_result(values, name="KoopmanEDMD", method="eigenfunctions")

    def predict(self, X: Any, u: Any = None) -> Array:
        """State one time step later, for each row.

        Parameters
        ----------
        X : array of shape (n_samples, n_features), or list of trajectories
            States, as for `transform`.
        u : array of shape (n_samples, n_inputs), or list of such, default=None
            Inputs; needed if the model was fitted with them.

        Returns
        -------
        Y : array of shape (n_samples, n_features)
            In the float width of X.
        """
        check_is_fitted(self)
        _, table, rows = _forecast.lifted_rows(self, self._model, X, "predict", u)
        inputs = _forecast.inputs_of_rows(self, self._model, u, rows)
        _, states = _forecast.one_step_ahead(self._model, rows, inputs, table.dtype)
        return finite_result(states, name="KoopmanEDMD", method="predict")

    def simulate(self, X0: Any, n_steps: int, u: Any = None, *, relift: bool = False) -> Array:
        """Forecast trajectories from their first state.

        Parameters
        ----------
        X0 : array of shape (n_starts, n_features) or (n_starts, window, n_features)
            First states; with a `DelayDictionary` the last ``window`` states of each.
        n_steps : int
            How many steps to go.
        u : array of shape (n_steps, n_inputs) or (n_starts, n_steps, n_inputs), default=None
            Inputs during each step.
        relift : bool, default=False
            Whether the observables are evaluated anew from the predicted state at each step. More
            accurate where the dictionary is not invariant; the forecast is then no longer linear,
            and eigenvalues say nothing of its growth.

        Returns
        -------
        trajectories : array of shape (n_starts, n_steps, n_features)
            X0 itself is not repeated.

        Raises
        ------
        ValueError
            If a forecast leaves the range of floats: the step is named.

        Warns
        -----
        UserWarning
            If an eigenvalue outside the unit circle grows more than twofold in ``n_steps``.
        """
        check_is_fitted(self)
        if not isinstance(n_steps, Integral) or n_steps < 1:
            raise ValueError(f"n_steps={n_steps!r} must be a whole number, at least 1.")
        radius = self._model.spectrum.radius
        if not relift:
            _forecast.warn_of_growth(radius, int(n_steps))
        history = _forecast.histories(self, self._model, X0)
        path = _forecast.trajectories(self._model, history, int(n_steps), u, relift=relift)
        return _forecast.refuse_infinite_steps(path, radius)

    def score(self, X: Any, y: Any = None, u: Any = None) -> float:
        """Coefficient of determination R^2 of one-step predictions, weighted by variance.

        Parameters
        ----------
        X : array, or list of trajectories
            As for `fit`.
        y : array of the shape of X, default=None
            Successors; None (or labels) takes each next row of X.
        u : array of shape (n_samples, n_inputs), default=None
            Inputs.

        Returns
        -------
        score : float
            1 is perfect, 0 as good as the mean.
        """
        check_is_fitted(self)
        pairs = _forecast.lifted_pairs_of(self, self._model, X, y, u)
        inputs = _forecast.inputs_of_rows(self, self._model, pairs.inputs, pairs.left)
        truth = double(pairs.successors)
        _, states = _forecast.one_step_ahead(self._model, pairs.left, inputs, truth.dtype)
        return explained_variance(truth, finite_result(states, name="KoopmanEDMD", method="score"))

    # --- how far to believe it -------------------------------------------------------------------

    def verified(self, eps: float) -> Array:
        """Eigenpairs with residual below ``eps``.

        Parameters
        ----------
        eps : float
            Largest residual accepted.

        Returns
        -------
        indices : array of int
            Into ``eigenvalues_``. What is known of these: in the limit of infinite data each lies
            in the eps-pseudospectrum of the Koopman operator. That is not the same as being within
            eps of a true eigenvalue unless the operator is normal, and those left out may be
            part of the spectrum all the same.

        Raises
        ------
        ValueError
            If ``eps`` is not positive.
        """
        check_is_fitted(self)
        if not eps > 0:
            raise ValueError(f"eps={eps} must be positive: it is a relative residual.")
        return array_namespace(self.residuals_).nonzero(self.residuals_ < eps)[0]

    def held_out_residuals(self, X: Any, y: Any = None) -> Array:
        """Residuals of the eigenpairs on data they were not fitted on.

        Parameters
        ----------
        X : array, or list of trajectories
            As for `fit`.
        y : array of the shape of X, default=None
            Successors; None (or labels) takes each next row of X.

        Returns
        -------
        residuals : array of shape (n_eigenvalues,)
            In-sample residuals (``residuals_``) fall to 0 when there are as many observables as
            pairs; these do not. Inputs are not taken into account.

        Raises
        ------
        ValueError
            If the model was fitted with inputs: their effect would count as residual.
        """
        self._refuse_inputs("held_out_residuals")
        pairs = _forecast.lifted_pairs_of(self, self._model, X, y)
        return resdmd.sampled_residuals(
            pairs.left, pairs.right, self.eigenvalues_, self.eigenvectors_, pairs.weights
        )

    def pseudospectrum(self, z: Any) -> Array:
        """Smallest relative residual that any function of the dictionary reaches at ``z``.

        Parameters
        ----------
        z : array of complex, any shape
            Points of the plane, in any array library; lists are NumPy's.

        Returns
        -------
        tau : array of the shape of z
            The pseudospectrum of level eps is where it is below eps. Bounds the true value from
            above as the data grow, so no point is shown that is not there. Small matrices on the
            host, whatever library the data are in; tau goes to the library of z.
        """
        check_is_fitted(self)
        edmd = self._model.edmd
        tau = resdmd.pseudospectrum(edmd.projected, edmd.unexplained, _on_host(z))
        return move_like(tau, z) if is_array(z) else tau

    def local_spectrum(self, grid: Any, cut: float = 1.0, c: float = 5.0) -> resdmd.LocalSpectrum:
        """Spectrum by local minima of the pseudospectrum on a grid, with its error bound.

        Parameters
        ----------
        grid : array of complex
            Points, such as ``x + 1j * y`` with a step of 0.05 over a square around the circle.
        cut : float, default=1.0
            Points with a larger residual are passed over.
        c : float, default=5.0
            Radius of a neighbourhood in units of the residual.

        Returns
        -------
        spectrum : LocalSpectrum
            ``points``, ``tau`` and ``error_bound``. Converges where the eigenvalues of EDMD do
            not.

        Raises
        ------
        ValueError
            If ``cut`` or ``c`` is not positive.
        """
        if not (cut > 0 and c > 0):
            raise ValueError(f"cut={cut} and c={c} must be positive.")
        tau = _on_host(self.pseudospectrum(grid))
        found = resdmd.local_spectrum(_on_host(grid), tau, cut=cut, c=c)
        if not is_array(grid):
            return found
        return found._replace(points=move_like(found.points, grid), tau=move_like(found.tau, grid))

    def spectral_measure(
        self, theta: Any, order: int = 2, epsilon: float = 0.1, *, observable: Any = None
    ) -> Array:
        """Smoothed spectral measure of an observable, from the matrices.

        Only for measure-preserving systems: their spectrum lies on the unit circle.

        Parameters
        ----------
        theta : array of shape (n_angles,)
            Angles in radians per time step.
        order : int, default=2
            Order of the smoothing kernel.
        epsilon : float, default=0.1
            Its width in radians.
        observable : array of shape (n_observables,), default=None
            Coefficients in the dictionary; None takes the first feature of the state.

        Returns
        -------
        density : array of shape (n_angles,)
            Per radian; integrates to 1 (the observable is normalised). Of the library of theta.

        Raises
        ------
        ValueError
            If the observable is zero or of the wrong length, or a parameter is out of range.
        """
        check_is_fitted(self)
        if order < 1 or not epsilon > 0:
            raise ValueError(f"order={order} must be at least 1 and epsilon={epsilon} positive.")
        edmd = self._model.edmd
        if observable is None:
            first = np.eye(1, len(edmd.matrix))[0]
            observable = first if self._model.readout is None else edmd.readout[:, 0]
        g = resdmd.unit_observable(edmd.inverse_basis, _on_host(observable))
        density = resdmd.spectral_measure(
            edmd.operator, g, _on_host(theta), order=order, epsilon=epsilon
        )
        return move_like(density, theta) if is_array(theta) else density

    def autocorrelation_measure(
        self, g: Any, theta: Any, *, n_lags: int | None = None, smoothing: str = "bump"
    ) -> Array:
        """Smoothed spectral measure of an observable along one long trajectory.

        Needs no matrices, and no fit: it is the answer of the data alone, to hold against
        `spectral_measure`.

        Parameters
        ----------
        g : array of shape (n_times,)
            Values of the observable at successive times, real or complex.
        theta : array of shape (n_angles,)
            Angles in radians per time step.
        n_lags : int, default=None
            Longest lag; None takes a tenth of the times.
        smoothing : {"fejer", "cosine", "fourth", "sharpened_cosine", "bump"}, default="bump"
            Filter of the autocorrelations.

        Returns
        -------
        density : array of shape (n_angles,)
            Per radian; integrates to 1 (the observable is normalised).

        Raises
        ------
        ValueError
            If g is not a finite series, or ``n_lags`` is not below its length.
        """
        g, n_lags = resdmd.unit_series(g if is_array(g) else np.asarray(g), n_lags, smoothing)
        density = resdmd.autocorrelation_measure(
            g, _on_host(theta), n_lags=n_lags, smoothing=smoothing
        )
        return move_like(density, theta) if is_array(theta) else density

    def variance_residual(self, X: Any, y: Any, y_second: Any) -> tuple[Array, Array]:
        """Tell model error from noise, by two independent next states of each state.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            States.
        y, y_second : array of shape (n_samples, n_features)
            Two successors of each, drawn independently.

        Returns
        -------
        residuals : array of shape (n_eigenvalues,)
            Of the mean dynamics: what is left when noise is taken out.
        deviations : array of shape (n_eigenvalues,)
            Relative standard deviation of the eigenfunctions one step ahead.

        Raises
        ------
        ValueError
            If the successors do not have the shape of X.
        """
        self._refuse_inputs("variance_residual")
        if not (is_pairs(y) and is_pairs(y_second)):
            raise ValueError("variance_residual needs two successors of each row, of X's shape.")
        left, first, *_ = _forecast.lifted_pairs_of(self, self._model, X, y)
        _, second, *_ = _forecast.lifted_pairs_of(self, self._model, X, y_second)
        return resdmd.variance_residuals(left, first, second, self.eigenvalues_, self.eigenvectors_)

    # --- parts ----------------------------------------------------------------------------------

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.array_api_support = supports_arrays(self.dictionary)
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self) -> int:
        return len(self._model.spectrum.columns)

    def _store(self, training: Training, *, may_be_zero: bool = False) -> KoopmanEDMD:
        """Solve, and bind fitted arrays, of the library and on the device of the data."""
        model = solved(self, training, may_be_zero=may_be_zero)
        edmd, spectrum, examples = model.edmd, model.spectrum, training.examples
        step = training.settings["time_step"]  # not as it was set since
        with np.errstate(divide="ignore"):  # a nilpotent part has eigenvalues 0
            rates = np.log(np.abs(spectrum.eigenvalues)) / step
        rates = rates + 1j * (np.angle(spectrum.eigenvalues) / step)
        arrays = [*spectrum[:4], rates, edmd.singular_values]
        if not isinstance(examples, np.ndarray):
            arrays = [move_like(array, examples) for array in arrays]
        self._training, self._model = training, model
        self.dictionary_ = training.dictionary
        self.koopman_matrix_, self.input_matrix_ = model.matrix, model.input_matrix
        self.eigenvalues_, self.residuals_, self.eigenvectors_, self.modes_ = arrays[:4]
        self.continuous_eigenvalues_, self.singular_values_ = arrays[4:]
        self.n_components_ = edmd.basis.shape[1]
        self.n_pairs_seen_ = training.factors.n_pairs
        return self

    def _refuse_inputs(self, method: str) -> None:
        check_is_fitted(self)
        if self.input_matrix_.shape[0]:
            raise ValueError(f"{method} does not know the inputs u of this model.")


def _on_host(values: Any) -> np.ndarray:
    """Points, angles or coefficients: few numbers, of any library or a list."""
    return to_numpy(values) if is_array(values) else np.asarray(values)
