"""What every estimator that fits an affine principal subspace can do once it is fitted."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._array import Array, array_namespace
from .._base import SubspaceEstimator
from .._checks.table import check_samples, check_scores
from ..functional.grassmann.grassmann_pca import (
    PrincipalSubspace,
    Summary,
)
from ..linalg.projection import projection_scores, squared_residuals

__all__ = ["SubspaceModel"]


class SubspaceModel(ClassNamePrefixFeaturesOutMixin, TransformerMixin, SubspaceEstimator):
    """Transforms, scores and attributes read from a summary of second moments.

    A subclass sets ``_summary`` (what was seen) and ``_dtype`` (float width of the data), has a
    parameter ``center``, and says in `_solved` which subspace the summary determines.
    """

    _summary: Summary

    @abstractmethod
    def _solved(self) -> PrincipalSubspace:
        """The principal subspace that is fitted."""

    def transform(self, X: Any) -> Array:
        """Coordinates of the rows of X in the subspace.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Rows, of the array library and on the device of the fit.

        Returns
        -------
        X_new : array of shape (n_samples, n_components)
            ``(X - mean_) @ components_.T``.
        """
        X = self._checked(X, method="transform")
        return projection_scores(X, self._in(X, self._centre()), self._in(X, self.components_))

    def inverse_transform(self, X: Any) -> Array:
        """Points of the input space with the given coordinates in the subspace.

        Parameters
        ----------
        X : array of shape (n_samples, n_components)
            Coordinates, as `transform` returns them.

        Returns
        -------
        X_original : array of shape (n_samples, n_features)
            ``X @ components_ + mean_``: for transformed rows their projections onto the subspace.
        """
        components = self.components_
        X = check_scores(
            self, X, n_features=components.shape[0], like=components, method="inverse_transform"
        )
        return X @ self._in(X, components) + self._in(X, self._centre())

    def squared_residual(self, X: Any) -> Array:
        """Squared distance of each row to the subspace.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        residuals : array of shape (n_samples,)
            ``|(I - U U^T)(x - mean_)|^2``, nonnegative. For sparse X accurate to about
            ``eps |x - mean_|^2``.
        """
        X = self._checked(X, method="squared_residual")
        return squared_residuals(X, self._in(X, self._centre()), self._in(X, self.components_))

    def score_samples(self, X: Any) -> Array:
        """Negative squared distance of each row to the subspace: larger is more normal.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        scores : array of shape (n_samples,)
            At most 0.
        """
        X = self._checked(X, method="score_samples")
        return -squared_residuals(X, self._in(X, self._centre()), self._in(X, self.components_))

    def score(self, X: Any, y: Any = None) -> float:
        """Mean of `score_samples`.

        It grows with ``n_components`` on any data, new data included: it compares fits of one
        dimension, it does not choose the dimension.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Rows.
        y : None
            Ignored.

        Returns
        -------
        score : float
            Negative mean squared residual.
        """
        scores = self.score_samples(X)
        return float(array_namespace(scores).mean(scores))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_summary")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.array_api_support = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _checked(
        self, X: Any, *, reset: bool = False, method: str = "fit", min_samples: int = 1
    ) -> Any:
        """Validate rows; against the fitted ones unless ``reset``."""
        if not reset:
            check_is_fitted(self)
        return check_samples(
            self,
            X,
            reset=reset,
            like=None if reset else self._summary.mean,
            method=method,
            accept_sparse=("csr", "csc"),
            min_samples=min_samples,
        )

    def _centre(self) -> Array:
        """The point of the subspace that checked rows are measured from."""
        return self._given(self._summary.mean)

    def _in(self, X: Any, fitted: Array) -> Array:
        """A fitted array in the float width of ``X``."""
        return array_namespace(fitted).astype(fitted, X.dtype, copy=False)

    def _given(self, values: Array) -> Array:
        """Float64 results in the float width of the data of the fit."""
        return array_namespace(values).astype(values, self._dtype, copy=False)

    @property
    def _n_features_out(self) -> int:
        return self.n_components_

    @property
    def _degrees_of_freedom(self) -> float:
        return self._summary.weight - (1.0 if self.center else 0.0)

    @property
    def components_(self) -> Array:
        return self._given(self._solved().components)

    @property
    def mean_(self) -> Array:
        check_is_fitted(self)
        return self._given(self._summary.mean)

    @property
    def explained_variance_(self) -> Array:
        return self._given(self._solved().eigenvalues / self._degrees_of_freedom)

    @property
    def explained_variance_ratio_(self) -> Array:
        subspace = self._solved()
        return self._given(subspace.eigenvalues / (subspace.total or 1.0))

    @property
    def singular_values_(self) -> Array:
        subspace = self._solved()
        return self._given(array_namespace(subspace.eigenvalues).sqrt(subspace.eigenvalues))

    @property
    def noise_variance_(self) -> float:
        subspace = self._solved()
        left_out = min(self.n_samples_seen_, self.n_features_in_) - self.n_components_
        if left_out <= 0:
            return 0.0
        kept = float(array_namespace(subspace.eigenvalues).sum(subspace.eigenvalues))
        return max(subspace.total - kept, 0.0) / left_out / self._degrees_of_freedom

    @property
    def n_components_(self) -> int:
        return int(self._solved().components.shape[0])

    @property
    def n_samples_seen_(self) -> int:
        check_is_fitted(self)
        return self._summary.n_samples

    @property
    def n_iter_(self) -> int:
        return self._solved().n_iter
