"""Subspaces as points of a Grassmann manifold: principal subspaces, detection, classification."""

from ._displays import DetectorScoreDisplay, RoundsDisplay
from ._federated_pca import FederatedGrassmannPCA
from ._grassmann_classifier import GrassmannClassifier
from ._grassmann_pca import GrassmannPCA
from ._nearest_subspace import NearestSubspaceClassifier
from ._subspace_detector import SubspaceDetector

__all__ = [
    "DetectorScoreDisplay",
    "FederatedGrassmannPCA",
    "GrassmannClassifier",
    "GrassmannPCA",
    "NearestSubspaceClassifier",
    "RoundsDisplay",
    "SubspaceDetector",
]
