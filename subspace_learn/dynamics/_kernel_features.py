"""Features of a kernel as a dictionary: what ``method="kernel"`` of KoopmanEDMD lifts by."""

from __future__ import annotations

from typing import Any

from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags

from .._array import Array, double
from .._base import SubspaceEstimator
from ..functional.dynamics.kernel_edmd import kernel_features, kernel_matrix, mean_distance
from ._unequal_scales import warn_of_far_scale, warn_of_unequal_scales

__all__ = ["KernelFeatures"]

# The Gram matrix of more rows than this would take above 1.1 GB.
_MOST_KERNEL_ROWS = 12000


class KernelFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, SubspaceEstimator):
    """Leading features of a kernel, orthonormal on the rows they were found on."""

    def __init__(self, n_components=None, *, kernel="rbf", gamma="mean_distance", rng=None) -> None:
        self.n_components = n_components
        self.kernel = kernel
        self.gamma = gamma
        self.rng = rng

    def fit(self, X: Array, y: Any = None) -> KernelFeatures:
        """Find the features."""
        n = X.shape[0]
        if n > _MOST_KERNEL_ROWS:
            raise ValueError(
                f"method='kernel' was given {n} states; their Gram matrix would take "
                f"{n**2 * 8 / 2**30:.1f} GiB (at most {_MOST_KERNEL_ROWS} states). Take "
                "method='edmd' with dictionary=sklearn.kernel_approximation.Nystroem()."
            )
        self.centers_ = double(X)
        warn_of_unequal_scales(self.centers_, "method='kernel'")
        distance = mean_distance(self.centers_)
        self.scale_ = distance if self.gamma == "mean_distance" else self.gamma**-0.5
        warn_of_far_scale(self.scale_, distance, "gamma ** -0.5 of method='kernel'")
        n_features = self.n_components or max(1, min(100, n // 4))

        self.coefficients_, self.eigenvalues_ = kernel_features(
            self._gram(self.centers_), min(n_features, n), self.rng
        )
        return self

    def transform(self, X: Array) -> Array:
        """Evaluate the features."""
        return self._gram(double(X)) @ self.coefficients_

    def _gram(self, X: Array) -> Array:
        return kernel_matrix(X, self.centers_, kernel=self.kernel, scale=self.scale_)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        return tags

    @property
    def _n_features_out(self) -> int:
        return self.coefficients_.shape[1]
