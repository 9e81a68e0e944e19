"""Subspaces as points of a Grassmann manifold: principal subspaces and detection by residual."""

from ._displays import DetectorScoreDisplay
from ._federated_pca import FederatedGrassmannPCA
from ._grassmann_pca import GrassmannPCA
from ._subspace_detector import SubspaceDetector

__all__ = ["DetectorScoreDisplay", "FederatedGrassmannPCA", "GrassmannPCA", "SubspaceDetector"]
