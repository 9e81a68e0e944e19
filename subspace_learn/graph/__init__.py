"""Graphs: node features from the spectrum of the Laplacian."""

from ._positional_encoding import SpectralPositionalEncoding

__all__ = ["SpectralPositionalEncoding"]
