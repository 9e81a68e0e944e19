"""Sequences: memories of fixed size for series of any length."""

from ._hippo_transformer import HiPPOTransformer

__all__ = ["HiPPOTransformer"]
