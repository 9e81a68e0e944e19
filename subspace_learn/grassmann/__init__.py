"""Subspaces as points of a Grassmann manifold: principal subspaces, detection, classification."""

from ..functional.grassmann.federated_client import FederatedClient, client_update
from ..functional.grassmann.federated_messages import pack_message, unpack_message
from ..functional.grassmann.federated_privacy import (
    PrivacySettings,
    gaussian_delta,
    gaussian_noise_scale,
)
from ..functional.grassmann.federated_rounds import FederationSettings
from ..functional.grassmann.federated_server import FederatedServer
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
    "FederatedClient",
    "FederatedGrassmannPCA",
    "FederatedServer",
    "FederationSettings",
    "GrassmannClassifier",
    "GrassmannPCA",
    "NearestSubspaceClassifier",
    "PrivacySettings",
    "RoundsDisplay",
    "SubspaceDetector",
    "chordal_distance",
    "chordal_mean",
    "client_update",
    "exponential",
    "gaussian_delta",
    "gaussian_noise_scale",
    "geodesic",
    "geodesic_distance",
    "karcher_mean",
    "logarithm",
    "orthonormal_basis",
    "pack_message",
    "parallel_transport",
    "principal_angles",
    "projection_distance",
    "random_point",
    "unpack_message",
]
