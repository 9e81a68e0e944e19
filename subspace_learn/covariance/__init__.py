"""Epochs as covariance matrices on manifolds: augmented covariances and their classification."""

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
    "OrderLagDisplay",
    "TangentSpaceDisplay",
]
