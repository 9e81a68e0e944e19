"""Graphs: node features from the spectrum of the Laplacian, and a multigrid solver."""

from ._bootstrap_amg import BootstrapAMG
from ._hierarchy_display import HierarchyDisplay
from ._positional_encoding import SpectralPositionalEncoding

__all__ = ["BootstrapAMG", "HierarchyDisplay", "SpectralPositionalEncoding"]
