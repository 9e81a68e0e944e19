"""The mathematics of each method as pure functions, one module per method."""

__all__ = [
    "augmented_covariance",
    "edmd",
    "embedding_selection",
    "federated_client",
    "federated_pca",
    "gbw_normalization",
    "grassmann_classifier",
    "grassmann_pca",
    "grassmann_training",
    "kernel_edmd",
    "nearest_subspace",
    "pair_factors",
    "resdmd",
    "siegel",
    "subspace_detector",
]
