"""Compression: fewer numbers for a trained model, and what they cost."""

from ..functional.compression.eora import eora_factors
from ._eora_compensator import EoRACompensator
from ._intrinsic_dimension import intrinsic_dimension
from ._random_subspace_classifier import RandomSubspaceClassifier

__all__ = ["EoRACompensator", "RandomSubspaceClassifier", "eora_factors", "intrinsic_dimension"]
