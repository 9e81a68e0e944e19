"""What every estimator that fits an affine principal subspace can do once it is fitted."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags

from .._array import Array, array_namespace
from .._base import SubspaceEstimator
from .._checks.table import check_scores
from ..functional.grassmann.grassmann_pca import PrincipalSubspace
from ..functional.grassmann.probabilistic_pca import log_likelihood
from ..linalg.projection import projection_scores, squared_residuals

__all__ = ["SubspaceModel", "as_count"]


class SubspaceModel(ClassNamePrefixFeaturesOutMixin, TransformerMixin, SubspaceEstimator):
    """Transforms, scores and attributes read from a fitted `PrincipalSubspace`.

    A subclass sets ``_dtype`` (float width of the data) and says in `_principal_subspace` which
    subspace is fitted. Its rows are those that `_checked` returns.
    """

    _dtype: Any

    @abstractmethod
    def _principal_subspace(self) -> PrincipalSubspace:
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
        return projection_scores(X, *self._affine_subspace(X))

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
        mean, components = self._affine_subspace(X)
        return X @ components + mean

    def reconstruction_error(self, X: Any) -> Array:
        """Squared distance of each row to the subspace: larger is less normal.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        errors : array of shape (n_samples,)
            ``|(I - U U^T)(x - mean_)|^2``, nonnegative. For sparse X accurate to about
            ``eps |x - mean_|^2``. On any rows it falls as ``n_components`` grows: it compares fits
            of one dimension, and does not choose the dimension.
        """
        X = self._checked(X, method="reconstruction_error")
        subspace = self._principal_subspace()
        # in float64: a residual of float32 rows is small beside them
        return self._in_fitted_width(squared_residuals(X, subspace.mean, subspace.components))

    def score_samples(self, X: Any) -> Array:
        """Log-likelihood of each row under probabilistic PCA: larger is more normal.

        The model is a Gaussian with the variances ``explained_variance_`` along the components and
        ``noise_variance_`` in all other directions.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        log_likelihood : array of shape (n_samples,)
            In nats; equal to that of `sklearn.decomposition.PCA`.

        Raises
        ------
        ValueError
            If the components leave no variance: the model has no density then. Use a smaller
            ``n_components``, or `reconstruction_error`.
        """
        X = self._checked(X, method="score_samples")
        subspace = self._principal_subspace()
        where = subspace.mean, subspace.components
        scores, residuals = projection_scores(X, *where), squared_residuals(X, *where)
        return self._in_fitted_width(log_likelihood(scores, residuals, subspace))

    def score(self, X: Any, y: Any = None) -> float:
        """Mean of `score_samples`: on rows that were not fitted it is largest for the true rank.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Rows.
        y : None
            Ignored.

        Returns
        -------
        score : float
            Mean log-likelihood in nats.
        """
        scores = self.score_samples(X)
        return float(array_namespace(scores).mean(scores))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.array_api_support = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @abstractmethod
    def _checked(self, X: Any, *, method: str) -> Any:
        """Rows that were checked against the fitted ones."""

    def _affine_subspace(self, X: Array) -> tuple[Array, Array]:
        """Mean and components in the float width of ``X``."""
        subspace = self._principal_subspace()
        xp = array_namespace(subspace.components)
        return (
            xp.astype(subspace.mean, X.dtype, copy=False),
            xp.astype(subspace.components, X.dtype, copy=False),
        )

    def _in_fitted_width(self, values: Array) -> Array:
        """Float64 results in the float width of the data of the fit."""
        return array_namespace(values).astype(values, self._dtype, copy=False)

    @property
    def _n_features_out(self) -> int:
        return self.n_components_

    @property
    def components_(self) -> Array:
        return self._in_fitted_width(self._principal_subspace().components)

    @property
    def mean_(self) -> Array:
        return self._in_fitted_width(self._principal_subspace().mean)

    @property
    def explained_variance_(self) -> Array:
        subspace = self._principal_subspace()
        return self._in_fitted_width(subspace.eigenvalues / subspace.degrees_of_freedom)

    @property
    def explained_variance_ratio_(self) -> Array:
        subspace = self._principal_subspace()
        return self._in_fitted_width(subspace.eigenvalues / (subspace.total or 1.0))

    @property
    def singular_values_(self) -> Array:
        subspace = self._principal_subspace()
        return self._in_fitted_width(subspace.eigenvalues**0.5)

    @property
    def noise_variance_(self) -> float:
        return self._principal_subspace().noise_variance

    @property
    def n_components_(self) -> int:
        return int(self._principal_subspace().components.shape[0])

    @property
    def n_samples_seen_(self) -> int | float:
        return as_count(self._principal_subspace().weight)

    @property
    def n_iter_(self) -> int:
        return self._principal_subspace().n_iter


def as_count(weight: float) -> int | float:
    """A sum of weights as a number of rows: an int where it is one."""
    return int(weight) if weight == int(weight) else weight
