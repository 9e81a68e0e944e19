"""What an estimator of a covariance can do once it is fitted: matrices and likelihoods."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._array import Array, array_namespace
from .._base import SubspaceEstimator
from .._checks.magnitude import check_magnitude, finite_result
from .._checks.table import check_samples
from ..functional.random_matrix.gaussian_model import (
    GaussianModel,
    covariance_matrix,
    log_densities,
)

__all__ = ["CovarianceModel"]


class CovarianceModel(SubspaceEstimator):
    """Covariance, precision and likelihood of AnalyticShrinkage and RandomMatrixFilter."""

    _dtype: Any

    @abstractmethod
    def _gaussian_model(self) -> GaussianModel:
        """The normal law that was fitted; NotFittedError before."""

    @abstractmethod
    def _when_singular(self) -> str:
        """What to do when the covariance has no inverse."""

    @property
    def covariance_(self) -> Array:
        """Estimated covariance in the units of the data, (n_features, n_features)."""
        return self._as_fitted(covariance_matrix(self._gaussian_model()))

    @property
    def precision_(self) -> Array:
        """Inverse of `covariance_`, (n_features, n_features)."""
        return self._as_fitted(covariance_matrix(self._invertible(), inverse=True))

    def score_samples(self, X: Any) -> Array:
        """Logarithm of the Gaussian density of each row.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Rows, of the array library and on the device of the fit.

        Returns
        -------
        log_density : array of shape (n_samples,)
            Natural logarithms.
        """
        X = self._checked(X, "score_samples")
        with np.errstate(over="ignore", invalid="ignore"):  # said below, in words
            densities = self._as_fitted(log_densities(X, self._invertible()))
        return finite_result(densities, name=type(self).__name__, method="score_samples")

    def score(self, X: Any, y: Any = None) -> float:
        """Mean of `score_samples`: comparable with scikit-learn's covariance estimators.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Rows, best of those that were not fitted.
        y : None
            Ignored.

        Returns
        -------
        score : float
            Mean Gaussian log-likelihood of a row.
        """
        X = self._checked(X, "score")
        scores = log_densities(X, self._invertible())
        return float(array_namespace(scores).mean(scores))

    def _invertible(self) -> GaussianModel:
        """The model, if its variances are positive."""
        model = self._gaussian_model()
        xp = array_namespace(model.leading)
        covers_all = model.components.shape[0] == model.components.shape[1]
        if not (bool(xp.all(model.leading > 0)) and (covers_all or model.rest > 0)):
            raise ValueError(f"The fitted covariance is singular. {self._when_singular()}")
        return model

    def _checked(self, X: Any, method: str) -> Any:
        """Rows like those of the fit."""
        check_is_fitted(self)
        X = check_samples(
            self,
            X,
            reset=False,
            like=self._gaussian_model().mean,
            method=method,
            accept_sparse=("csr", "csc"),
            computed_in=np.float64,
        )
        # densities square what was already squared
        check_magnitude(X, power=4, name=type(self).__name__, smallest=False, like=np.float64)
        return X

    def _as_fitted(self, values: Array) -> Array:
        """Float64 results in the float width of the data of the fit."""
        return array_namespace(values).astype(values, self._dtype, copy=False)
