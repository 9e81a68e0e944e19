"""Graphs: clusters, node features from the spectrum of the Laplacian, a multigrid solver."""

from ..functional.graph.attribute_graph import attribute_entropy
from ..functional.graph.block_model import edge_information
from ..functional.graph.bootstrap_amg import ground_laplacian
from ..functional.graph.bootstrap_amg_solve import remove_component_means
from ..functional.graph.graph_laplacian import modularity
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
    "attribute_entropy",
    "edge_information",
    "ground_laplacian",
    "modularity",
    "remove_component_means",
]
