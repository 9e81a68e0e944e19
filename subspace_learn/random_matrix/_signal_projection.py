"""Coordinates along the kept directions, back to the input space, and both at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._array import Array, array_namespace
from .._checks.magnitude import finite_result
from .._checks.table import check_scores
from ..linalg.projection import projection_scores
from ._covariance_model import CovarianceModel

__all__ = ["SignalProjection"]


class SignalProjection(ClassNamePrefixFeaturesOutMixin, TransformerMixin, CovarianceModel):
    """Transforms with ``components_``, ``mean_`` and ``scale_``, which a subclass sets."""

    components_: Array
    mean_: Array
    scale_: Array | None

    def transform(self, X: Any) -> Array:
        """Coordinates of the rows of X along the kept directions.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Rows, of the array library and on the device of the fit.

        Returns
        -------
        X_new : array of shape (n_samples, n_components)
            ``((X - mean_) / scale_) @ components_.T``.
        """
        X = self._checked(X, method="transform")
        with np.errstate(over="ignore", invalid="ignore"):  # said below, in words
            mean, analysis, _ = self._maps(X)
            scores = projection_scores(X, mean, analysis)
        return finite_result(scores, name=type(self).__name__, method="transform")

    def inverse_transform(self, X: Any) -> Array:
        """Points of the input space with the given coordinates.

        Parameters
        ----------
        X : array of shape (n_samples, n_components)
            Coordinates, as `transform` returns them.

        Returns
        -------
        X_original : array of shape (n_samples, n_features)
            ``(X @ components_) * scale_ + mean_``.
        """
        check_is_fitted(self)
        X = check_scores(
            self,
            X,
            n_features=self.components_.shape[0],
            like=self.components_,
            method="inverse_transform",
        )
        with np.errstate(over="ignore", invalid="ignore"):  # said below, in words
            mean, _, synthesis = self._maps(X)
            rows = X @ synthesis + mean
        return finite_result(rows, name=type(self).__name__, method="inverse_transform")

    def filter(self, X: Any) -> Array:
        """Project rows onto the kept directions, in the input space.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        filtered : array of shape (n_samples, n_features)
            Dense; filtering again changes nothing.
        """
        X = self._checked(X, method="filter")
        with np.errstate(over="ignore", invalid="ignore"):  # said below, in words
            mean, analysis, synthesis = self._maps(X)
            rows = projection_scores(X, mean, analysis) @ synthesis + mean
        return finite_result(rows, name=type(self).__name__, method="filter")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self) -> int:
        return self.components_.shape[0]

    def _maps(self, X: Any) -> tuple[Array, Array, Array]:
        """Mean, and the rows that analyse and synthesise, in the float width of ``X``."""
        xp, scale = array_namespace(self.components_), self.scale_
        analysis = self.components_ if scale is None else self.components_ / scale
        synthesis = self.components_ if scale is None else self.components_ * scale
        return tuple(xp.astype(a, X.dtype, copy=False) for a in (self.mean_, analysis, synthesis))
