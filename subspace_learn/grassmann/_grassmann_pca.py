"""GrassmannPCA: the principal subspace of a table, in one pass, in a stream, or merged."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any

from scipy.sparse import issparse
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._array import array_namespace
from .._base import Interval, StrOptions, fit_method, random_seed
from .._checks.table import check_sample_weight
from ..functional.grassmann.grassmann_pca import (
    PrincipalSubspace,
    Request,
    condensed,
    merged,
    principal_subspace,
    resolved_solver,
    streamed,
)
from ..linalg.moments import Moments
from ._subspace_model import SubspaceModel

__all__ = ["GrassmannPCA"]


class GrassmannPCA(SubspaceModel):
    r"""Principal subspace of a table: dense or sparse, weighted, streamed, merged, on CPU or GPU.

    Finds the point U of the Grassmann manifold Gr(k, d) that keeps most of the variance,

    .. math:: \max_{U^T U = I} \operatorname{tr}(U^T S U), \qquad
              S = \sum_i w_i (x_i - \mu)(x_i - \mu)^T,

    which the k leading eigenvectors of S span.

    Parameters
    ----------
    n_components : int, float or None, default=None
        Dimension k of the subspace; a float in (0, 1) asks for the smallest k that explains this
        share of the variance; None keeps every direction with variance above rounding.
    center : bool, default=True
        Whether the mean is subtracted. Without it the subspace passes through the origin and
        ``mean_`` is zero.
    solver : {"auto", "covariance", "svd", "randomized", "trust_region"}, default="auto"
        All reach the same subspace.

        - "covariance": eigenvectors of the d x d covariance, or of the n x n Gram matrix of the
          rows when that is smaller. Directions with standard deviation below about 1e-8 of the
          largest are lost to rounding. One read of X.
        - "svd": thin singular value decomposition of the centred rows, dense X only. Finds
          directions down to 1e-16 of the largest.
        - "randomized": block Krylov from a random start; X is only multiplied with thin blocks.
          Needs an integer ``n_components``.
        - "trust_region": Riemannian trust-region method on Gr(k, d) (pymanopt), NumPy only. Needs
          an integer ``n_components``. Slower than the others; for study, and as a starting
          point for objectives that have no eigenproblem.
        - "auto": "covariance", or "randomized" where a count of flops says that it is cheaper.
    tol : float, default=1e-8
        Iterative solvers stop when the residual of each eigenpair ("randomized"), or the gradient
        of the objective divided by the total variance ("trust_region"), is below ``tol`` relative
        to the largest eigenvalue. The angle to the exact subspace is then about ``tol`` divided by
        the relative gap behind eigenvalue k. At least 20 eps for float32 X with "randomized".
    max_iter : int, default=200
        Most steps of an iterative solver; each reads X twice.
    n_oversamples : int, default=10
        Extra columns of the randomized block; extra directions that low-rank streaming keeps.
    random_state : int, RandomState, Generator or None, default=None
        Starts the iterative solvers.

    Attributes
    ----------
    components_ : array of shape (n_components, n_features)
        Orthonormal rows that span the subspace, by descending variance. The entry of largest
        modulus in each row is positive.
    mean_ : array of shape (n_features,)
        Weighted mean of the rows; zeros if not ``center``.
    explained_variance_ : array of shape (n_components,)
        Variance along each component, divided by ``sum(w) - 1`` (``sum(w)`` if not ``center``).
    explained_variance_ratio_ : array of shape (n_components,)
        The same divided by the total variance; zeros for constant data.
    singular_values_ : array of shape (n_components,)
        Singular values of the centred, weighted rows.
    noise_variance_ : float
        Mean variance of the min(n_samples, n_features) - k directions left out; 0 if there are
        none.
    n_components_ : int
        The dimension k found.
    n_samples_seen_ : int
        Number of rows with positive weight.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if X had them.
    solver_ : str
        The solver that ran.
    statistics_ : {"exact", "low_rank"}
        Whether the full covariance is kept, so that `partial_fit` and `merge` stay exact.
    n_iter_ : int
        Steps of an iterative solver, else 1.

    Raises
    ------
    ValueError
        If X is complex, holds NaN or infinity, has fewer than two rows, or ``n_components``
        exceeds min(n_samples, n_features); if the solver cannot serve the input.

    See Also
    --------
    SubspaceDetector : Novelty detection by the distance to a subspace.
    sklearn.decomposition.PCA : The same subspace without weights, streams or merging.

    Notes
    -----
    "covariance" costs ``n d^2 + 9 d^3`` flops and one read of X; float32 blocks are multiplied in
    float32 and summed in float64, extra memory is a few d x d matrices. A fit with it keeps the
    covariance (8 d^2 bytes), which is what makes `partial_fit` and `merge` exact. Streams over
    more than 2048 features, and fits by another solver, keep n_components + n_oversamples
    directions: mean and total variance stay exact, directions that were ever dropped do not come
    back.

    Attributes are computed when first asked for: `partial_fit` only adds up statistics, so a
    stream costs little more than its products. A row costs d^2, however small the batch.

    Where it fails: the subspace is ill-determined when eigenvalues k and k + 1 are close, whatever
    the solver; one feature on a large scale rules it (scale first); outliers pull it.

    References
    ----------
    A. Edelman, T. A. Arias, S. T. Smith, "The geometry of algorithms with orthogonality
    constraints", SIAM J. Matrix Anal. Appl. 20 (1998), section 2.5 (the manifold).
    T.-A. Nguyen et al., "Federated PCA on Grassmann Manifold for Anomaly Detection in IoT
    Networks", IEEE INFOCOM 2023, arXiv:2212.12121 (the problem, eq. 3).
    C. Musco, C. Musco, "Randomized block Krylov methods for stronger and faster approximate
    singular value decomposition", NeurIPS 2015 ("randomized").
    T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample variance", The
    American Statistician 37 (1983) (`partial_fit`, `merge`).

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from subspace_learn import GrassmannPCA
    >>> X = load_wine().data
    >>> pca = GrassmannPCA(n_components=2).fit(X)
    >>> pca.explained_variance_ratio_.round(4)
    array([0.9981, 0.0017])

    Two halves, merged, are the whole:

    >>> halves = GrassmannPCA(n_components=2).fit(X[:90])
    >>> halves = halves.merge(GrassmannPCA(n_components=2).fit(X[90:]))
    >>> bool(abs(halves.components_ - pca.components_).max() < 1e-10)
    True
    """

    _parameter_constraints: dict = {
        "n_components": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="neither"),
            None,
        ],
        "center": ["boolean"],
        "solver": [StrOptions({"auto", "covariance", "svd", "randomized", "trust_region"})],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "n_oversamples": [Interval(Integral, 0, None, closed="left")],
        # scikit-learn's "random_state" constraint does not know numpy's Generator
        "random_state": "no_validation",
    }

    def __init__(
        self,
        n_components=None,
        *,
        center=True,
        solver="auto",
        tol=1e-8,
        max_iter=200,
        n_oversamples=10,
        random_state=None,
    ):
        self.n_components = n_components
        self.center = center
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.n_oversamples = n_oversamples
        self.random_state = random_state

    @fit_method
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> GrassmannPCA:
        """Find the principal subspace of X.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Rows; NumPy, CuPy, torch, DataFrame, CSR or CSC. float32 stays float32.
        y : None
            Ignored.
        sample_weight : array of shape (n_samples,), default=None
            Frequencies: a row of weight 2 counts as two rows, of weight 0 as none. Their sum must
            exceed 1.

        Returns
        -------
        self : GrassmannPCA
            Fitted.
        """
        X = self._checked(X, reset=True, min_samples=2)
        weights = check_sample_weight(sample_weight, X)
        wanted = self._wanted(X.shape[1], X.shape[0])
        self.solver_ = resolved_solver(self.solver, X.shape, wanted, sparse=issparse(X))
        self._dtype = X.dtype
        self._seed = random_seed(self.random_state)
        self._summary, pairs = condensed(X, weights, self._request(wanted))
        subspace = self._decomposed()
        if pairs is not None:
            subspace = subspace._replace(n_iter=pairs.n_iter, converged=pairs.converged)
        self._store(subspace)
        return self

    @fit_method
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> GrassmannPCA:
        """Add a batch of rows, of any size, to what was seen so far.

        The result does not depend on how rows are cut into batches as long as ``statistics_`` is
        "exact". The subspace itself is computed when it is next asked for; until as many rows as
        ``n_components`` (and at least two) were seen, asking raises ``NotFittedError``.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Rows, one or more, of the array library of the batches before.
        y : None
            Ignored.
        sample_weight : array of shape (n_samples,), default=None
            Frequencies.

        Returns
        -------
        self : GrassmannPCA
            Updated; unchanged if the batch raised an error.
        """
        first = not self.__sklearn_is_fitted__()
        X = self._checked(X, reset=first, method="partial_fit")
        weights = check_sample_weight(sample_weight, X)
        wanted = self._wanted(X.shape[1])
        if first:
            trust_region = self.solver == "trust_region"
            self.solver_ = "trust_region" if trust_region else "covariance"
            self._dtype, self._seed = X.dtype, random_seed(self.random_state)
        request = self._request(wanted)
        batch = streamed(X, weights, request)
        self._summary = batch if first else merged(self._summary, batch, request)
        self._subspace = None
        return self

    @fit_method
    def merge(self, other: GrassmannPCA) -> GrassmannPCA:
        """Add the rows that ``other`` was fitted on, without seeing them.

        Exact when both keep exact statistics (``statistics_``), else of rank n_components +
        n_oversamples.

        Parameters
        ----------
        other : GrassmannPCA
            Fitted on other rows of the same features, with the same ``center``. Not changed.

        Returns
        -------
        self : GrassmannPCA
            Updated; unchanged if an error was raised.

        Raises
        ------
        TypeError
            If ``other`` is not a GrassmannPCA.
        ValueError
            If the two differ in features or in ``center``.
        """
        if not isinstance(other, GrassmannPCA):
            raise TypeError(f"merge needs another GrassmannPCA, but was given {type(other)}.")
        check_is_fitted(self)
        check_is_fitted(other)
        if other.n_features_in_ != self.n_features_in_ or other.center != self.center:
            raise ValueError(
                f"Cannot merge fits of {self.n_features_in_} and {other.n_features_in_} features "
                f"with center={self.center} and center={other.center}: both must agree."
            )
        names = [getattr(e, "feature_names_in_", None) for e in (self, other)]
        if all(n is not None for n in names) and list(names[0]) != list(names[1]):
            raise ValueError(
                "Cannot merge fits whose feature names differ: give both the same columns in the "
                "same order."
            )
        request = self._request(self._wanted(self.n_features_in_))
        self._summary = merged(self._summary, other._summary, request)
        self._subspace = None
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.solver != "svd"
        tags.array_api_support = self.solver != "trust_region"
        return tags

    @property
    def statistics_(self) -> str:
        check_is_fitted(self)
        return "exact" if isinstance(self._summary, Moments) else "low_rank"

    def _wanted(self, n_features: int, n_samples: int | None = None) -> int | float | None:
        """``n_components`` as a Python number, checked against the size of the data."""
        wanted = self.n_components
        if not isinstance(wanted, Integral):
            return wanted
        limit = n_features if n_samples is None else min(n_samples, n_features)
        if wanted > limit:
            sizes = f"n_features={n_features}"
            sizes += "" if n_samples is None else f", n_samples={n_samples}"
            raise ValueError(
                f"n_components={wanted} must be at most {limit} here ({sizes}). Choose a smaller "
                "n_components or give more data."
            )
        return int(wanted)

    def _decomposed(self) -> PrincipalSubspace:
        """The subspace that the kept statistics determine."""
        if self._degrees_of_freedom <= 0:
            raise ValueError(
                f"The sample_weight given so far sum to {self._summary.weight:.3g}; weights are "
                "frequencies and must sum to more than 1. Multiply them by the number of rows."
            )
        return principal_subspace(
            self._summary,
            self._request(self._wanted(self.n_features_in_)),
            eps=float(array_namespace(self._summary.mean).finfo(self._dtype).eps),
        )

    def _request(self, n_components: int | float | None) -> Request:
        """What is asked for, with the solver that was chosen."""
        return Request(
            n_components,
            center=self.center,
            solver=self.solver_,
            tol=self.tol,
            max_iter=self.max_iter,
            n_oversamples=self.n_oversamples,
            seed=self._seed,
        )

    def _store(self, subspace: PrincipalSubspace) -> None:
        """Keep a decomposition until the statistics change; tell if it is not converged."""
        if not subspace.converged:
            warnings.warn(
                f"solver={self.solver_!r} did not reach tol={self.tol} in {subspace.n_iter} steps. "
                "Increase max_iter or n_oversamples, or use solver='covariance'.",
                ConvergenceWarning,
                stacklevel=4,
            )
        self._subspace = subspace

    def _solved(self) -> PrincipalSubspace:
        """The current decomposition, computed now if rows were added since the last."""
        check_is_fitted(self)
        if self._subspace is None:
            needed = max(2, self.n_components if isinstance(self.n_components, Integral) else 2)
            if self._summary.n_samples < needed:
                raise NotFittedError(
                    f"This GrassmannPCA has seen {self._summary.n_samples} row(s), but "
                    f"n_components={self.n_components} needs at least {needed}. Call partial_fit "
                    "with more rows."
                )
            self._store(self._decomposed())
        return self._subspace
