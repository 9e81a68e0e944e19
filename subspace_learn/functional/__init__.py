"""The mathematics of each method as pure functions, one module per method."""

__all__ = [
    "federated_client",
    "federated_pca",
    "grassmann_pca",
    "subspace_detector",
]
