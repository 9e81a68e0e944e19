"""KoopmanEDMD: linear models of nonlinear dynamics, with a residual beside each eigenvalue."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any, TypedDict, Unpack

from sklearn.utils.validation import check_is_fitted

from .._base import Interval, StrOptions, fit_method
from .._checks.table import check_like
from ..functional.dynamics.kernel_edmd import KERNELS
from ..functional.dynamics.pair_factors import merged_factors
from ._delay_dictionary import DelayDictionary
from ._koopman_solver import KoopmanSolver, weight_of
from ._lifting import lifted_pairs
from ._snapshots import Segment, snapshot_segments

__all__ = ["KoopmanEDMD"]


class Weights(TypedDict, total=False):
    """What `KoopmanEDMD.fit` and `partial_fit` take as ``**weights``."""

    sample_weight: Any


class KoopmanEDMD(KoopmanSolver):
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
        What each eigenfunction adds to the state.
    continuous_eigenvalues_ : array of shape (n_eigenvalues,)
        ``log(eigenvalue) / time_step``; frequencies above ``pi / time_step`` are aliased.
    singular_values_ : array
        Of the lifted data, observables scaled to length 1. All these arrays are of the library and
        on the device of X.
    rank_ : int
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
        If X and y are of two array libraries, or the dictionary does not take that of X.

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

    What a residual says: in the limit of infinite data, a pair with residual eps lies in the
    eps-pseudospectrum of the operator. It says nothing of eigenvalues that were not found, and no
    algorithm can: for some systems none finds all. With as many observables as pairs residuals
    are 0 and mean nothing: see `held_out_residuals`.

    Where it fails: without 1 among the observables the eigenvalue 1 is missing; a dictionary that
    is not nearly invariant gives eigenvalues with large residuals, and forecasts that decay.

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

    # `fit` takes sample_weight among its keywords (editors and mypy know it by `Weights`): a
    # signature that names it would announce weights that equal repeated rows in any order, which
    # scikit-learn then checks, and rows here are times.
    __metadata_request__fit = {"sample_weight": None}
    __metadata_request__partial_fit = {"sample_weight": None}

    _parameter_constraints: dict = {
        "dictionary": "no_validation",
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
        "random_state": "no_validation",
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
    ):
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
            done there. float32 is lifted as it is and solved for in float64.
        y : array of the shape of X, default=None
            Successor of each row, of the library of X. Labels (1-D) are ignored.
        lengths : array of int, default=None
            Lengths of the trajectories stacked in X; no pair straddles two.
        groups : array of shape (n_samples,), default=None
            The same by names: a trajectory ends where the name changes.
        u : array of shape (n_samples, n_inputs), default=None
            Inputs between each row and the next (EDMD with control). u and weights may be NumPy's
            whatever X is.
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
            If trajectories were too short, there are no more pairs than directions kept, or a
            system fitted as measure-preserving is not.
        """
        segments = self._segments(X, y, lengths, groups, u, weights, reset=True)
        self._begin(segments)
        pairs = lifted_pairs(self.dictionary_, segments, self._window)
        self._factors = self._compressed(pairs)
        self._weight = weight_of(pairs)
        self._solve()
        if self.n_pairs_seen_ <= self.rank_:
            warnings.warn(
                f"{self.n_pairs_seen_} pairs for {self.rank_} directions: the fit passes through "
                "every pair, so residuals_ are near 0 and mean nothing. Use fewer observables, "
                "n_components, more data, or held_out_residuals.",
                UserWarning,
                stacklevel=3,
            )
        return self

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
        batches: repeat the last row of a batch as the first of the next to lose none.

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
        """
        first = not hasattr(self, "_factors")
        segments = self._segments(X, y, lengths, groups, u, weights, reset=first)
        if first:
            self._begin(segments)
        pairs = lifted_pairs(self.dictionary_, segments, self._window)
        batch, weight = self._compressed(pairs), weight_of(pairs)
        if first:
            self._factors, self._weight = batch, weight
        else:
            self._check_inputs_agree(batch)
            self._factors = merged_factors(self._factors, batch, solver=self.solver)
            self._weight = self._weight + weight
        self._solve()
        return self

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
            If the two have other features or observables, or inputs.
        """
        if not isinstance(other, KoopmanEDMD):
            raise TypeError(f"merge needs another KoopmanEDMD, but was given {type(other)}.")
        check_is_fitted(self)
        check_is_fitted(other)
        check_like(other.koopman_matrix_, self.koopman_matrix_, where="merge()")
        if self.n_features_in_ != other.n_features_in_ or not self._same_observables(other):
            raise ValueError(
                "Cannot merge fits with different observables. Fit the dictionary once and give it "
                "to both in a sklearn.frozen.FrozenEstimator."
            )
        self._check_inputs_agree(other._factors)
        self._factors = merged_factors(self._factors, other._factors, solver=self.solver)
        self._weight = self._weight + other._weight
        self._solve()
        return self

    def _segments(
        self, X: Any, y: Any, lengths: Any, groups: Any, u: Any, weights: Weights, *, reset: bool
    ) -> list[Segment]:
        """Checked data, cut where trajectories end."""
        sample_weight = weights.pop("sample_weight", None)
        if weights:
            raise TypeError(
                f"fit() got unexpected keyword arguments {sorted(weights)}: it takes X, y, "
                "lengths, groups, u and sample_weight."
            )
        delays = isinstance(self.dictionary, DelayDictionary)
        self._window = self.dictionary.n_delays * self.dictionary.lag + 1 if delays else 1
        return snapshot_segments(
            self,
            X,
            y,
            lengths=lengths,
            groups=groups,
            sample_weight=sample_weight,
            u=u,
            reset=reset,
            window=self._window,
        )
