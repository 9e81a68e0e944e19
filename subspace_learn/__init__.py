"""Spectral and subspace learning in scikit-learn estimator style.

Headline estimators import from here, everything else from its family::

    from subspace_learn import GrassmannPCA
    from subspace_learn.grassmann import SubspaceDetector

Importing this package loads a table of names and nothing else: NumPy, scikit-learn, numba and the
rest come in when a name is first used.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING

if _TYPE_CHECKING:  # what __getattr__ finds, for editors and type checkers
    from ._to_device import ToDevice as ToDevice
    from .covariance import AugmentedCovarianceClassifier as AugmentedCovarianceClassifier
    from .dynamics import KoopmanEDMD as KoopmanEDMD
    from .graph import BootstrapAMG as BootstrapAMG
    from .graph import SpectralAMGClustering as SpectralAMGClustering
    from .graph import SpectralPositionalEncoding as SpectralPositionalEncoding
    from .grassmann import FederatedGrassmannPCA as FederatedGrassmannPCA
    from .grassmann import GrassmannClassifier as GrassmannClassifier
    from .grassmann import GrassmannPCA as GrassmannPCA
    from .grassmann import NearestSubspaceClassifier as NearestSubspaceClassifier
    from .grassmann import SubspaceDetector as SubspaceDetector
    from .inverse import SelfCalibrationLS as SelfCalibrationLS
    from .random_matrix import RandomMatrixFilter as RandomMatrixFilter
    from .sampling import DPPLeastSquares as DPPLeastSquares
    from .sampling import SensitivitySampler as SensitivitySampler
    from .sequence import HiPPOTransformer as HiPPOTransformer
    from .transport import LightSchrodingerBridge as LightSchrodingerBridge

__version__ = "0.1.0.dev0"

# The headline names and the room each lives in. Families list their own names in their __all__.
_HEADLINE = {
    "AugmentedCovarianceClassifier": "covariance",
    "BootstrapAMG": "graph",
    "DPPLeastSquares": "sampling",
    "FederatedGrassmannPCA": "grassmann",
    "GrassmannClassifier": "grassmann",
    "GrassmannPCA": "grassmann",
    "HiPPOTransformer": "sequence",
    "KoopmanEDMD": "dynamics",
    "LightSchrodingerBridge": "transport",
    "NearestSubspaceClassifier": "grassmann",
    "RandomMatrixFilter": "random_matrix",
    "SelfCalibrationLS": "inverse",
    "SensitivitySampler": "sampling",
    "SpectralAMGClustering": "graph",
    "SpectralPositionalEncoding": "graph",
    "SubspaceDetector": "grassmann",
    "ToDevice": "_to_device",
}
_ROOMS = (
    "activations",
    "compression",
    "covariance",
    "datasets",
    "deep",
    "dynamics",
    "functional",
    "geometry",
    "graph",
    "grassmann",
    "inverse",
    "linalg",
    "metrics",
    "quantum",
    "random_matrix",
    "sampling",
    "sequence",
    "transport",
)
# Building blocks: their modules are found by walking the folders, and their names may change.
_PROVISIONAL = ("functional", "linalg")

__all__ = [*_HEADLINE, *_ROOMS, "__version__"]


def __getattr__(name: str) -> object:
    if name in _HEADLINE:
        value = getattr(_import_module(f"{__name__}.{_HEADLINE[name]}"), name)
        globals()[name] = value
        return value
    if name in _ROOMS:
        return _import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
