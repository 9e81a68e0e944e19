"""AnalyticShrinkage: a covariance with each eigenvalue shrunk on its own, without a model."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._array import Array
from .._base import fit_method, warn
from .._checks.magnitude import check_magnitude
from .._checks.table import check_samples
from ..functional.random_matrix.analytic_shrinkage import AnalyticFit, fitted_table
from ..functional.random_matrix.gaussian_model import GaussianModel
from ._covariance_model import CovarianceModel

__all__ = ["AnalyticShrinkage"]


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
        X = check_samples(
            self,
            X,
            reset=True,
            accept_sparse=("csr", "csc"),
            min_samples=2,
        )
        check_magnitude(X, power=4, name=type(self).__name__, smallest=False, like=np.float64)
        self._fit = fitted_table(X, center=self.center)
        self._dtype = X.dtype
        if self._fit.lost.size:
            names = getattr(self, "feature_names_in_", np.arange(X.shape[1]))
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
