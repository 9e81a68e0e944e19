"""GrassmannPCA: the principal subspace of a table, in one pass, in a stream, or merged."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._array import Array, array_namespace
from .._base import RANDOM_STATE, Interval, StrOptions, fit_method, random_seed, warn
from .._checks.merging import check_mergeable
from .._checks.table import check_sample_weight, check_samples
from .._chunk_tasks import add_up
from .._distributed import Chunks
from ..functional.grassmann.grassmann_pca import (
    PCASettings,
    PrincipalSubspace,
    SecondMoments,
    batch_moments,
    fitted_subspace,
    is_resolved,
    merged_batches,
    principal_subspace,
)
from ..functional.grassmann.probabilistic_pca import moments_of_model
from ..linalg.moments import Moments, counted
from ._subspace_model import SubspaceModel, as_count

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
    solver : {"auto", "covariance", "svd", "randomized"}, default="auto"
        All reach the same subspace.

        - "covariance": eigenvectors of the d x d covariance, or of the n x n Gram matrix of the
          rows when that is smaller. Directions with standard deviation below about 1e-8 of the
          largest are lost to rounding. One read of X.
        - "svd": thin singular value decomposition of the centred rows, dense X only. Finds
          directions down to 1e-16 of the largest.
        - "randomized": block Krylov from a random start; X is only multiplied with thin blocks.
          Needs an integer ``n_components``.
        - "auto": "covariance", or "randomized" where a count of flops, and the spectrum of some
          200 rows, say that it is cheaper. If "randomized" does not converge "covariance" takes
          over, and for an integer ``n_components`` "svd" where rounding hides what is asked for.
    tol : float, default=1e-8
        "randomized" stops when the residual of each eigenpair is below ``tol`` relative to its own
        eigenvalue. The angle to the exact subspace is then about ``tol`` divided by the relative
        gap behind eigenvalue k. At least 20 eps for float32 X.
    max_iter : int, default=200
        Most steps of "randomized"; each reads X twice.
    n_oversamples : int, default=10
        Extra directions that "randomized" keeps at a restart, and that low-rank streaming keeps.
    keep_statistics : bool, default=False
        Whether `fit` keeps the second moments of X (8 d^2 bytes, or n_components + n_oversamples
        directions), which `partial_fit` and `merge` need afterwards. `partial_fit` always does.
        Without, a fitted model is about as large as its components.
    random_state : int, RandomState, Generator or None, default=None
        Starts "randomized".

    Attributes
    ----------
    components_ : array of shape (n_components, n_features)
        Orthonormal rows that span the subspace, by descending variance. The entry of largest
        modulus in each row is positive (the first of them, where several are equal).
    mean_ : array of shape (n_features,)
        Weighted mean of the rows; zeros if not ``center``.
    explained_variance_ : array of shape (n_components,)
        Variance along each component, divided by ``sum(w) - 1`` (``sum(w)`` if not ``center``).
    explained_variance_ratio_ : array of shape (n_components,)
        The same divided by the total variance; zeros for constant data.
    singular_values_ : array of shape (n_components,)
        Singular values of the centred, weighted rows.
    noise_variance_ : float
        Mean variance of the min(n_samples, n_features) - k directions left out, where rows are
        counted by their weights; 0 if there are none.
    n_components_ : int
        The dimension k found.
    n_samples_seen_ : int or float
        Number of rows, each counted by its weight.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if X had them.
    solver_ : str
        The solver that ran.
    statistics_ : {"exact", "low_rank", "none"}
        Whether the full covariance is kept, so that `partial_fit` and `merge` stay exact; some of
        its directions; or nothing (see ``keep_statistics``).
    n_iter_ : int
        Steps of "randomized", else 1.

    Raises
    ------
    ValueError
        If X is complex, holds NaN or infinity, has fewer than two rows, or ``n_components``
        exceeds min(n_samples, n_features); if the solver cannot serve the input.

    Warns
    -----
    ConvergenceWarning
        If ``solver="randomized"`` did not reach ``tol``.
    UserWarning
        If float32 batches of a stream do not determine a direction that is asked for.

    See Also
    --------
    SubspaceDetector : Novelty detection by the distance to a subspace.
    sklearn.decomposition.PCA : The same subspace without weights, streams or merging.

    Notes
    -----
    "covariance" costs ``n d^2 + 9 d^3`` flops and one read of X; float32 blocks are multiplied in
    float32 and summed in float64, and once more in float64 where an eigenvalue that is asked for
    is too small for float32. Extra memory is a few d x d matrices; "randomized" copies dense X.
    Streams of up to 2048 features keep the covariance (8 d^2 bytes), which makes `partial_fit` and
    `merge` exact. Wider ones, and fits by another solver, keep n_components + n_oversamples
    directions: mean and total variance stay exact, directions that were ever dropped do not come
    back.

    `fit` takes arrays and frames of Dask, and lists of delayed blocks: moments of chunks are added
    up, and the result is that of the table to rounding wherever streams are exact ("covariance",
    up to 2048 features); float32 rows keep the digits of a float32 stream. `transform` and the like
    are lazy then.

    Attributes are computed when first asked for: `partial_fit` only adds up statistics, so a
    stream costs little more than its products. A row costs d^2, however small the batch.

    `score` is the mean log-likelihood of probabilistic PCA, so that a grid search over
    ``n_components`` finds the rank; `reconstruction_error` is the squared distance of a row to the
    subspace.

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
    M. E. Tipping, C. M. Bishop, "Mixtures of probabilistic principal component analysers", Neural
    Computation 11 (1999) (`score`).

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from subspace_learn import GrassmannPCA
    >>> X = load_wine().data
    >>> pca = GrassmannPCA(n_components=2).fit(X)
    >>> pca.explained_variance_ratio_.round(4)
    array([0.9981, 0.0017])

    Two halves, merged, are the whole:

    >>> halves = GrassmannPCA(n_components=2).partial_fit(X[:90])
    >>> halves = halves.merge(GrassmannPCA(n_components=2).partial_fit(X[90:]))
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
        "solver": [StrOptions({"auto", "covariance", "svd", "randomized"})],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "n_oversamples": [Interval(Integral, 0, None, closed="left")],
        "keep_statistics": ["boolean"],
        "random_state": RANDOM_STATE,
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
        keep_statistics=False,
        random_state=None,
    ) -> None:
        self.n_components = n_components
        self.center = center
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.n_oversamples = n_oversamples
        self.keep_statistics = keep_statistics
        self.random_state = random_state

    @fit_method
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> GrassmannPCA:
        """Find the principal subspace of X.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Rows; NumPy, CuPy, torch, DataFrame, CSR or CSC, or chunks of rows held by Dask.
            float32 stays float32.
        y : None
            Ignored.
        sample_weight : array of shape (n_samples,), default=None
            Frequencies: a row of weight 2 counts as two rows, of weight 0 as none. Their sum must
            exceed 1, and not be below ``n_components``.

        Returns
        -------
        self : GrassmannPCA
            Fitted.
        """
        X = self._table(X, reset=True, min_samples=2)
        weights = check_sample_weight(sample_weight, X)
        n_samples = X.shape[0] if weights is None else float(array_namespace(X).sum(weights))
        seed = random_seed(self.random_state)
        settings = self._settings(X.shape[1], n_samples, seed=seed)
        subspace, moments = fitted_subspace(X, weights, settings, keep_moments=self.keep_statistics)
        self._dtype, self._fitted_settings, self.solver_ = X.dtype, settings, subspace.solver
        self._moments: SecondMoments | None = moments if self.keep_statistics else None
        self._subspace: PrincipalSubspace | None = subspace
        if not subspace.converged:
            warn(
                f"solver='randomized' did not reach tol={self.tol} in {subspace.n_iter} steps. "
                "Increase max_iter or n_oversamples, or use solver='covariance'.",
                ConvergenceWarning,
            )
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

        Raises
        ------
        ValueError
            If the rows before were fitted with another ``center``.

        Warns
        -----
        UserWarning
            If a fit before kept no statistics, so that the directions it left out are not known.
        """
        first = not self.__sklearn_is_fitted__()
        X = self._table(X, reset=first, method="partial_fit")
        weights = check_sample_weight(sample_weight, X, may_be_empty=True)
        if counted(weights, X.shape[0])[0] == 0:  # nothing to add
            return self
        if first:
            settings = self._settings(X.shape[1], seed=random_seed(self.random_state))
            moments = batch_moments(X, weights, settings)
            self._dtype, self.solver_ = X.dtype, "covariance"
        else:
            settings = self._settings(X.shape[1], seed=self._fitted_settings.seed)
            if settings.center != self._fitted_settings.center:
                raise ValueError(
                    f"center={self.center}, but the rows so far were fitted with "
                    f"center={not self.center}. Set it back, or start again with fit."
                )
            known = self._known_moments()
            about = known.mean if self.center else None
            batch = batch_moments(X, weights, settings, about=about)
            moments = merged_batches(known, batch, settings)
        self._moments, self._fitted_settings, self._subspace = moments, settings, None
        return self

    @fit_method
    def merge(self, other: GrassmannPCA) -> GrassmannPCA:
        """Add the rows that ``other`` was fitted on, without seeing them.

        Exact when both keep exact statistics (``statistics_``), else of rank n_components +
        n_oversamples.

        Parameters
        ----------
        other : GrassmannPCA
            Fitted on other rows of the same features, with the same ``center``. Not changed. Both
            must have kept their statistics: by `partial_fit`, or ``keep_statistics=True``.

        Returns
        -------
        self : GrassmannPCA
            Updated; unchanged if an error was raised.

        Raises
        ------
        TypeError
            If ``other`` is not a GrassmannPCA.
        ValueError
            If the two differ in features or in ``center``, or one kept no statistics.
        """
        check_is_fitted(self)
        ours = self._fitted_settings
        check_mergeable(
            self,
            other,
            same={"center": (ours.center, getattr(other, "_fitted_settings", ours).center)},
        )
        if self._moments is None or other._moments is None:
            raise ValueError(
                "merge needs the second moments of the rows of both, but fit kept none. Set "
                "keep_statistics=True before fit, or fit with partial_fit."
            )
        self._moments = merged_batches(self._moments, other._moments, ours)
        self._subspace = None
        return self

    def _fit_chunks(self, chunks: Chunks) -> None:
        """Fit by the moments of chunks."""
        if self.solver in ("svd", "randomized"):
            raise ValueError(
                f"solver={self.solver!r} needs all rows at once, but X comes in chunks, whose "
                "moments are added up. Use solver='auto' or 'covariance'."
            )
        add_up(self, chunks.using("sample_weight"))
        self._after_chunks()

    def _after_chunks(self) -> None:
        """What `fit` does once all rows were added."""
        self._settings(self.n_features_in_, self._known_moments().weight, seed=None)
        self._principal_subspace()
        if not self.keep_statistics:
            self._moments = None

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_subspace")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.solver != "svd"
        return tags

    @property
    def n_samples_seen_(self) -> int | float:
        check_is_fitted(self)
        return as_count(self._seen().weight)

    @property
    def mean_(self) -> Array:
        check_is_fitted(self)
        return self._in_fitted_width(self._seen().mean)

    @property
    def statistics_(self) -> str:
        check_is_fitted(self)
        if self._moments is None:
            return "none"
        return "exact" if isinstance(self._moments, Moments) else "low_rank"

    def _table(self, X: Any, *, reset: bool, method: str = "fit", min_samples: int = 1) -> Any:
        """Validate rows; against the fitted ones unless ``reset``."""
        fitted = None if reset else self._seen().mean
        return check_samples(
            self,
            X,
            reset=reset,
            like=fitted,
            method=method,
            accept_sparse=("csr", "csc"),
            min_samples=min_samples,
        )

    def _checked(self, X: Any, *, method: str) -> Any:
        check_is_fitted(self)
        return self._table(X, reset=False, method=method)

    def _settings(
        self, n_features: int, n_samples: float | None = None, *, seed: int | None
    ) -> PCASettings:
        """What is asked for, checked against the size of the data."""
        if n_samples is not None and n_samples <= self.center:
            raise ValueError(
                f"sample_weight sums to {n_samples:.3g}; weights are frequencies and must sum to "
                "more than 1. Multiply them by the number of rows."
            )
        k = self.n_components
        if isinstance(k, Integral):
            k, limit = int(k), n_features
            sizes = f"n_features={n_features}"
            if n_samples is not None:
                limit, sizes = min(int(n_samples + 1e-6), limit), f"{sizes}, {n_samples=:g}"
            if k > max(limit, 1):
                raise ValueError(
                    f"n_components={k} must be at most {limit} here ({sizes}). Choose a smaller "
                    "n_components or give more data."
                )
        return PCASettings(
            k,
            center=self.center,
            solver=self.solver,
            tol=self.tol,
            max_iter=self.max_iter,
            n_oversamples=self.n_oversamples,
            seed=seed,
        )

    def _seen(self) -> SecondMoments | PrincipalSubspace:
        """What has mean and weight of the rows so far; no subspace is computed for it."""
        return self._known_moments() if self._subspace is None else self._subspace

    def _known_moments(self) -> SecondMoments:
        """What a stream goes on from: the statistics, or what the fitted model says of them."""
        if self._moments is not None:
            return self._moments
        found = self._principal_subspace()
        if found.left_out > 0:
            share = found.left_out / found.total
            warn(
                "partial_fit goes on from a fit that kept no statistics: the directions it left "
                f"out, with {share:.1e} of the variance, count as noise of one variance. Set "
                "keep_statistics=True before fit, or begin with partial_fit, to be exact."
            )
        return moments_of_model(found)

    def _principal_subspace(self) -> PrincipalSubspace:
        """The current subspace, computed now if rows were added since the last."""
        check_is_fitted(self)
        if self._subspace is None:
            self._subspace = self._decomposed(self._known_moments(), self._fitted_settings)
        return self._subspace

    def _decomposed(self, moments: SecondMoments, settings: PCASettings) -> PrincipalSubspace:
        """The subspace that the statistics of a stream determine."""
        k = settings.n_components
        needed = max(2, k if isinstance(k, int) else 2)
        if moments.weight < needed - 1e-6:
            raise NotFittedError(
                f"This GrassmannPCA has seen {as_count(moments.weight)} row(s), but "
                f"n_components={k} needs at least {needed}. Call partial_fit with more rows."
            )
        eps = float(array_namespace(moments.mean).finfo(self._dtype).eps)
        found = principal_subspace(moments, settings, eps=eps)
        coarse = isinstance(moments, Moments) and moments.eps > 2.0**-52
        if coarse and not is_resolved(found, moments, settings):
            share = float(found.eigenvalues[-1]) / (found.total or 1.0)
            warn(
                f"Direction {k} has {share:.1e} of the variance: too little for products in "
                "float32. Give the batches in float64, or choose a smaller n_components.",
            )
        return found
