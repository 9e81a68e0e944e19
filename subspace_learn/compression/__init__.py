"""Compression: fewer numbers for a trained model, and what they cost."""

from ._eora_compensator import EoRACompensator

__all__ = ["EoRACompensator"]
