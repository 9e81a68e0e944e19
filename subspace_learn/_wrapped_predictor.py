"""Estimators that train another in their own way and then predict as it does."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from sklearn.base import MetaEstimatorMixin, clone
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ._base import SubspaceEstimator, tags_of_wrapped
from ._checks.table import check_samples

__all__ = ["WrappedPredictor"]


def _has(name: str) -> Any:
    """Whether the estimator, fitted or not, has a method or property of this name."""

    def check(self: WrappedPredictor) -> bool:
        return hasattr(getattr(self, "estimator_", None) or self._unfitted(), name)

    return available_if(check)


class WrappedPredictor(MetaEstimatorMixin, SubspaceEstimator):
    """Predicts with ``estimator_``, which a subclass sets in `fit`."""

    estimator: Any
    estimator_: Any

    @abstractmethod
    def _default_estimator(self) -> Any:
        """The estimator that ``estimator=None`` means."""

    def predict(self, X: Any) -> np.ndarray:
        """Predict with the fitted estimator.

        Parameters
        ----------
        X : array, CSR matrix or DataFrame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
            Classes or values.
        """
        return self._answer("predict", X)

    @_has("predict_proba")
    def predict_proba(self, X: Any) -> np.ndarray:
        """Class probabilities of the fitted estimator.

        Parameters
        ----------
        X : array, CSR matrix or DataFrame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Each row sums to 1.
        """
        return self._answer("predict_proba", X)

    @_has("decision_function")
    def decision_function(self, X: Any) -> np.ndarray:
        """Decision values of the fitted estimator.

        Parameters
        ----------
        X : array, CSR matrix or DataFrame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        values : ndarray
            As the estimator gives them.
        """
        return self._answer("decision_function", X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Score of the fitted estimator on the rows given.

        Parameters
        ----------
        X : array, CSR matrix or DataFrame of shape (n_samples, n_features)
            Rows.
        y : array of shape (n_samples,) or (n_samples, n_targets)
            Their targets or classes.
        sample_weight : array of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        score : float
            Accuracy or R^2, as the estimator defines it.
        """
        given = {} if sample_weight is None else {"sample_weight": sample_weight}
        rows = self._rows(X, "score")
        return float(self.estimator_.score(rows, y, **given))

    @property
    def classes_(self) -> np.ndarray:
        """Classes of the fitted estimator."""
        return self.estimator_.classes_

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "estimator_")

    def __sklearn_tags__(self) -> Tags:
        return tags_of_wrapped(super().__sklearn_tags__(), self._unfitted())

    def _unfitted(self) -> Any:
        """A fresh copy of the estimator."""
        return self._default_estimator() if self.estimator is None else clone(self.estimator)

    def _answer(self, method: str, X: Any) -> np.ndarray:
        """What a method of ``estimator_`` says of rows."""
        rows = self._rows(X, method)
        return getattr(self.estimator_, method)(rows)

    def _rows(self, X: Any, method: str) -> Any:
        """Checked rows; DataFrames go through as such, since `fit` handed on their names."""
        check_is_fitted(self)
        host = np.empty(0)  # the estimators of scikit-learn that are wrapped compute there
        checked = check_samples(self, X, reset=False, like=host, method=method, accept_sparse="csr")
        return X if hasattr(X, "columns") else checked
