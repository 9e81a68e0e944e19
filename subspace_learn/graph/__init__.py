"""Graphs: clusters, node features from the spectrum of the Laplacian, a multigrid solver."""

from ._bootstrap_amg import BootstrapAMG
from ._cluster_displays import EmbeddingDisplay, SortedAdjacencyDisplay
from ._hierarchy_display import HierarchyDisplay
from ._positional_encoding import SpectralPositionalEncoding
from ._spectral_amg_clustering import SpectralAMGClustering

__all__ = [
    "BootstrapAMG",
    "EmbeddingDisplay",
    "HierarchyDisplay",
    "SortedAdjacencyDisplay",
    "SpectralAMGClustering",
    "SpectralPositionalEncoding",
]
