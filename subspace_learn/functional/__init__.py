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
    "self_calibration",
    "self_calibration_dense",
    "self_calibration_filter",
    "self_calibration_lsqr",
    "self_calibration_misfit",
    "self_calibration_schur",
    "self_calibration_system",
    "sensing",
    "siegel",
    "subspace_detector",
]
