"""The mathematics of each method as pure functions, one module per method."""

__all__ = ["grassmann_pca", "subspace_detector"]
