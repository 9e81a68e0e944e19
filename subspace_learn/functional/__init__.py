"""The mathematics of each method as pure functions, one module per method."""

__all__ = [
    "augmented_covariance",
    "embedding_selection",
    "federated_client",
    "federated_pca",
    "gbw_normalization",
    "grassmann_classifier",
    "grassmann_pca",
    "grassmann_training",
    "nearest_subspace",
    "positional_encoding",
    "siegel",
    "subspace_detector",
]
