"""Subspaces as points of a Grassmann manifold: principal subspaces, detection, classification."""

from ..functional.grassmann.federated_client import client_update
from ..functional.grassmann.federated_pca import FederatedServer, FederationSettings
from ..functional.grassmann.grassmann_mean import chordal_mean, karcher_mean
from ..linalg.grassmann import (
    chordal_distance,
    exponential,
    geodesic,
    geodesic_distance,
    logarithm,
    orthonormal_basis,
    parallel_transport,
    principal_angles,
    projection_distance,
    random_point,
)
from ._displays import DetectorScoreDisplay, RoundsDisplay
from ._federated_pca import FederatedGrassmannPCA
from ._grassmann_classifier import GrassmannClassifier
from ._grassmann_pca import GrassmannPCA
from ._nearest_subspace import NearestSubspaceClassifier
from ._subspace_detector import SubspaceDetector

__all__ = [
    "DetectorScoreDisplay",
    "FederatedGrassmannPCA",
    "FederatedServer",
    "FederationSettings",
    "GrassmannClassifier",
    "GrassmannPCA",
    "NearestSubspaceClassifier",
    "RoundsDisplay",
    "SubspaceDetector",
    "chordal_distance",
    "chordal_mean",
    "client_update",
    "exponential",
    "geodesic",
    "geodesic_distance",
    "karcher_mean",
    "logarithm",
    "orthonormal_basis",
    "parallel_transport",
    "principal_angles",
    "projection_distance",
    "random_point",
]
