"""The mathematics of each method as pure functions, one module per method."""

__all__ = [
    "continuous_design",
    "dpp",
    "dpp_least_squares",
    "federated_client",
    "federated_pca",
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
    "subspace_detector",
]
