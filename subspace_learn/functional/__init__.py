"""The mathematics of each method as pure functions, one module per method."""

__all__ = [
    "augmented_covariance",
    "continuous_design",
    "dpp",
    "dpp_least_squares",
    "embedding_selection",
    "federated_client",
    "federated_pca",
    "gbw_normalization",
    "grassmann_classifier",
    "grassmann_pca",
    "grassmann_training",
    "leverage",
    "lewis_weights",
    "lp_sensitivity",
    "nearest_subspace",
    "product_bases",
    "row_sampling",
    "row_stream",
    "siegel",
    "subspace_detector",
]
