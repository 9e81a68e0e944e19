"""Epochs as covariance matrices on manifolds: augmented covariances and their classification."""

from ..functional.covariance.augmented_covariance import augmented_covariances
from ..functional.covariance.spd import (
    NotPositiveDefinite,
    expm,
    invsqrtm,
    logm,
    powm,
    sqrtm,
    symmetric_from_upper,
    upper_vector,
)
from ..functional.covariance.spd_distance import distance, pairwise_distance
from ..functional.covariance.spd_mean import mean_spd
from ..functional.covariance.spd_tangent import (
    exp_map,
    from_tangent_vectors,
    log_map,
    tangent_vectors,
    transport,
    whiten,
)
from ._augmented_covariance_classifier import AugmentedCovarianceClassifier
from ._augmented_covariances import AugmentedCovariances
from ._classifier_displays import OrderLagDisplay, TangentSpaceDisplay
from ._displays import CovarianceDisplay
from ._gbw_normalizer import GBWNormalizer

__all__ = [
    "AugmentedCovarianceClassifier",
    "AugmentedCovariances",
    "CovarianceDisplay",
    "GBWNormalizer",
    "NotPositiveDefinite",
    "OrderLagDisplay",
    "TangentSpaceDisplay",
    "augmented_covariances",
    "distance",
    "exp_map",
    "expm",
    "from_tangent_vectors",
    "invsqrtm",
    "log_map",
    "logm",
    "mean_spd",
    "pairwise_distance",
    "powm",
    "sqrtm",
    "symmetric_from_upper",
    "tangent_vectors",
    "transport",
    "upper_vector",
    "whiten",
]
