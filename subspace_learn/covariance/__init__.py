"""Epochs as covariance matrices on manifolds: augmented covariances and their classification."""

from ._augmented_covariance_classifier import AugmentedCovarianceClassifier
from ._augmented_covariances import AugmentedCovariances

__all__ = ["AugmentedCovarianceClassifier", "AugmentedCovariances"]
