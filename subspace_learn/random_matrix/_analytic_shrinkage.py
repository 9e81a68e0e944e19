"""AnalyticShrinkage: a covariance with each eigenvalue shrunk on its own, without a model."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._array import Array
from .._base import fit_method, warn
from .._checks.magnitude import check_magnitude
from .._checks.merging import check_same_columns
from .._checks.table import check_samples
from .._chunk_tasks import adopt_columns
from .._distributed import Chunks
from ..functional.random_matrix.analytic_shrinkage import AnalyticFit, fitted_sums, fitted_table
from ..functional.random_matrix.gaussian_model import GaussianModel
from ..functional.random_matrix.table_spectrum import ColumnSums, column_sums, merged_column_sums
from ._covariance_model import CovarianceModel

__all__ = ["AnalyticShrinkage"]

_Summed = tuple[ColumnSums, Any, Any]  # sums of a chunk, an estimator that saw it, its dtype


def _summed(X: Any, *, estimator: AnalyticShrinkage) -> _Summed:
    """Sums of the columns of a chunk."""
    estimator = clone(estimator)
    X = estimator._checked_rows(X, min_samples=1)
    return column_sums(X, None, center=estimator.center), estimator, X.dtype


def _added(a: _Summed, b: _Summed) -> _Summed:
    """Sums of two chunks."""
    check_same_columns(a[1], b[1])
    return merged_column_sums(a[0], b[0], center=a[1].center), a[1], max(a[2], b[2])


class AnalyticShrinkage(CovarianceModel):
    r"""Covariance by analytic nonlinear shrinkage of the eigenvalues (Ledoit and Wolf 2020).

    Keeps the sample eigenvectors :math:`u_i` and gives each the variance that the population has
    along it, in the limit of many rows and columns:

    .. math:: \hat\Sigma = \sum_i \tilde d(\lambda_i)\, u_i u_i^T.

    Parameters
    ----------
    center : bool, default=True
        Whether the mean is subtracted.

    Attributes
    ----------
    covariance_ : array of shape (n_features, n_features)
        Estimated covariance.
    precision_ : array of shape (n_features, n_features)
        Its inverse.
    mean_ : array of shape (n_features,)
        Mean of the rows; zeros if not ``center``.
    eigenvalues_ : array of shape (n_features,)
        Of the estimated covariance, in the order of the sample eigenvalues, which descend.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names, if X had them.

    Raises
    ------
    ValueError
        If X is complex, holds NaN or infinity, has fewer than two rows (with more
        features than rows: fewer than 13), or rows that do not differ.

    Warns
    -----
    UserWarning
        If columns vary by less than the rounding of the strongest direction.

    See Also
    --------
    RandomMatrixFilter : With a spiked model: fewer numbers to estimate where it holds.
    sklearn.covariance.LedoitWolf : Linear shrinkage: one number for all eigenvalues.

    Notes
    -----
    Costs what one eigenproblem costs, ``9 min(n, p)^3`` flops, the products before it, and
    ``10 min(n, p)^2`` for the densities.

    Directions along which X does not vary although there are rows enough (features that are
    constant or repeat one another) get the smallest of the other variances.

    `fit` takes what Dask holds: covariance sums of its chunks are added up, which gives the fit of
    the table to rounding.

    Where it fails: with few rows; where a handful of eigenvalues is isolated, the kernel smears
    each, and the spiked model of RandomMatrixFilter is closer; with heavy tails.

    References
    ----------
    O. Ledoit, M. Wolf, "Analytical nonlinear shrinkage of large-dimensional covariance matrices",
    Annals of Statistics 48 (2020), section 4.7.

    Examples
    --------
    >>> import numpy as np
    >>> from subspace_learn.random_matrix import AnalyticShrinkage
    >>> X = np.random.default_rng(0).normal(size=(100, 40))
    >>> model = AnalyticShrinkage().fit(X)
    >>> bool(np.linalg.cond(model.covariance_) < np.linalg.cond(np.cov(X.T)) / 5)
    True
    """

    _parameter_constraints: dict = {"center": ["boolean"]}

    _fit: AnalyticFit

    def __init__(self, *, center=True) -> None:
        self.center = center

    @fit_method
    def fit(self, X: Any, y: Any = None) -> AnalyticShrinkage:
        """Estimate the covariance of the rows of X.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Rows; NumPy, CuPy, torch, DataFrame, CSR or CSC. float32 stays float32.
        y : None
            Ignored.

        Returns
        -------
        self : AnalyticShrinkage
            Fitted.
        """
        X = self._checked_rows(X, min_samples=2)
        return self._store(fitted_table(X, center=self.center), X.dtype)

    def _fit_chunks(self, chunks: Chunks) -> None:
        """Fit by the covariance sums of chunks."""
        sums, seen, dtype = chunks.using().total(_summed, _added, estimator=clone(self))
        adopt_columns(self, seen)
        self._store(fitted_sums(sums, center=self.center), dtype)

    def _checked_rows(self, X: Any, *, min_samples: int) -> Any:
        """Rows to learn from."""
        how: dict[str, Any] = {"accept_sparse": ("csr", "csc"), "min_samples": min_samples}
        X = check_samples(self, X, reset=True, **how)
        check_magnitude(X, power=4, name=type(self).__name__, smallest=False, like=np.float64)
        return X

    def _store(self, found: AnalyticFit, dtype: Any) -> AnalyticShrinkage:
        self._fit, self._dtype = found, dtype
        if self._fit.lost.size:
            names = getattr(self, "feature_names_in_", np.arange(self.n_features_in_))
            warn(
                f"{self._fit.lost.size} column(s), the first {names[self._fit.lost[0]]!r}, vary by "
                "less than the rounding of the strongest direction, below 1e-7 of its deviation. "
                "They get the smallest of the other variances, which is too large for them. Bring "
                "the columns of X to one scale."
            )
        return self

    @property
    def mean_(self) -> Array:
        return self._as_fitted(self._gaussian_model().mean)

    @property
    def eigenvalues_(self) -> Array:
        check_is_fitted(self)
        return self._as_fitted(self._fit.eigenvalues)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_fit")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.array_api_support = True
        return tags

    def _gaussian_model(self) -> GaussianModel:
        check_is_fitted(self)
        return self._fit.gaussian

    def _when_singular(self) -> str:
        return "Drop features that are constant or repeat one another."
