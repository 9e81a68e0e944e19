"""From a weighted graph to a partition: components, vectors, rows, labels."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from .block_model import BlockModel, edge_information, fit_block_model, renumbered_clusters
from .graph_components import (
    GraphPieces,
    Piece,
    component_indicators,
    graph_pieces,
    place_components,
)
from .graph_laplacian import WalkOperator, walk_operator
from .spectral_clustering import (
    HierarchySummary,
    LowVectors,
    canonical_labels,
    diffusion_rows,
    labels_by_piece,
    low_vectors,
)
from .vector_selection import (
    MANY_ROWS,
    EigengapProposal,
    VectorChoice,
    WalkVectors,
    eigengap_clusters,
    random_graph_edge,
    transitivity,
    vectors_for_clusters,
)

__all__ = ["GraphPartition", "PartitionOptions", "n_looked_at", "partition_graph"]

_MOST_PROPOSED = 30  # eigenvalues that the eigengap is looked for among, in large graphs
_SMALL_GRAPH = 600  # LAPACK finds all of them: a quarter is looked at
_DENSE_BYTES = 4 * 2**30

Solver = Callable[..., LowVectors]


class PartitionOptions(NamedTuple):
    """Parameters of :class:`~subspace_learn.graph.SpectralAMGClustering` that the steps read."""

    n_clusters: int | str = 8
    n_components: int | str = "auto"
    strategy: str = "auto"
    row_normalize: bool = True
    assign_labels: str = "kmeans"
    n_init: int = 10


class GraphPartition(NamedTuple):
    """A partition of the vertices, and what led to it."""

    labels: np.ndarray
    """Cluster of each vertex, heaviest cluster first, (n,)."""
    rows: np.ndarray
    """Embedding, (n, d); zeros for vertices that took no part."""
    vectors: np.ndarray
    """Vectors kept, (n, d), orthonormal, before weights and normalisation."""
    low: LowVectors
    """All vectors found, on the vertices that took part."""
    choice: VectorChoice
    """Number of vectors, and shift of the degrees."""
    model: BlockModel | None
    """The block model that vertices were moved by, clusters numbered as in the labels, with no
    memberships in small components; None after a clear gap, or if it explains the edges no better.
    """
    pieces: GraphPieces
    """Connected components of the graph, and the part that each took."""
    proposal: EigengapProposal | None
    """If the number of clusters was left to the eigengap."""
    projector: np.ndarray
    """``D^{-1/2} V``, (n, d), degrees shifted: edges of a new vertex times it give its row before
    normalisation."""


def partition_graph(
    adjacency: sp.csr_array,
    options: PartitionOptions,
    *,
    rng: np.random.Generator,
    solver: Solver | None = None,
    progress: Callable[[str], None] | None = None,
) -> GraphPartition:
    """Spectral clustering of a weighted graph of any number of components.

    Parameters
    ----------
    adjacency : csr_array of shape (n, n)
        Symmetric, nonnegative, float64, with at least one edge.
    options : PartitionOptions
        Parameters.
    rng : numpy.random.Generator
        Of random starts.
    solver : callable, default=None
        As :func:`~subspace_learn.functional.graph.bootstrap_vectors.bootstrap_vectors`; None is
        :func:`~subspace_learn.functional.graph.spectral_clustering.low_vectors` with the strategy
        of the options.
    progress : callable, default=None
        Gets lines of text.

    Returns
    -------
    partition : GraphPartition
        With as many clusters as asked for.

    Notes
    -----
    Which components take part says
    :func:`~subspace_learn.functional.graph.graph_components.graph_pieces`. No cluster reaches over
    two of those; with as many clusters as components, these are the clusters, and nothing has to be
    solved. Components that take no part join a cluster as a whole: the lightest one if they are
    large, the most populous one if they are small, the best guess without evidence.

    Which vectors are kept says
    :func:`~subspace_learn.functional.graph.vector_selection.vectors_for_clusters`. After trials,
    and where degrees are uneven, the degree-corrected block model moves vertices if the partition
    then says more of the edges.
    """
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    asked_for = None if options.n_clusters == "eigengap" else int(options.n_clusters)
    parts = graph_pieces(adjacency, asked_for)
    pieces, inner = parts.pieces, parts.adjacency
    operator = walk_operator(inner)
    say = progress or (lambda line: None)
    solve = partial(
        low_vectors,
        components=parts.component_of_inner,
        strategy=options.strategy,
        rng=rng,
        progress=progress,
    )
    if solver is not None:
        solve = partial(solver, adjacency=inner, components=parts.component_of_inner)
    low, proposal, K = None, None, asked_for
    if asked_for is None:
        low, proposal = _proposed(inner, operator, len(pieces), solve)
        K = proposal.n_clusters
        say(proposal.reason)
    K = min(K, inner.shape[0])
    labels_of = partial(
        labels_by_piece, pieces=pieces, n_clusters=K, method=options.assign_labels, rng=rng
    )
    kept = _kept_vectors(solve, labels_of, operator, parts, K, options, low)
    V = kept.low.vectors[:, : kept.choice.n_components]
    rows = diffusion_rows(kept.operator @ V, row_normalize=options.row_normalize)
    say(f"labels from {kept.choice.n_components} vectors")
    own, model = _final_labels(kept, rows, inner, pieces, partial(labels_of, rows, options.n_init))
    labels = np.full(len(degree), -1)
    labels[parts.taking_part] = own
    if not parts.taking_part.all():
        count = asked_for or K
        labels = place_components(labels, parts.components, degree, parts.substantial, count)
    final = canonical_labels(labels, degree)
    if model is not None:
        model = renumbered_clusters(model, labels, final)
        model = model._replace(memberships=_of_all(model.memberships, parts.taking_part))
    projector = V / kept.operator.root_degree[:, None]
    rows, V, projector = (_of_all(block, parts.taking_part) for block in (rows, V, projector))
    return GraphPartition(final, rows, V, kept.low, kept.choice, model, parts, proposal, projector)


def n_looked_at(n: int, n_components: int) -> int:
    """How many eigenvalues the eigengap is looked for among.

    Parameters
    ----------
    n : int
        Vertices.
    n_components : int
        Separate pieces.

    Returns
    -------
    n_values : int
        30, of up to 600 vertices a quarter of all; and always some more than there are pieces.
    """
    least = n // 4 if n <= _SMALL_GRAPH else 0
    return min(max(_MOST_PROPOSED, least, n_components + 10), n)


def _proposed(
    inner: sp.csr_array, operator: WalkOperator, n_pieces: int, solve: Callable[..., LowVectors]
) -> tuple[LowVectors | None, EigengapProposal]:
    """Number of clusters by pieces and gaps; by pieces alone if they are too many to look at."""
    if n_pieces > _MOST_PROPOSED:
        return None, EigengapProposal(n_pieces, 0.0, np.zeros(n_pieces), n_pieces)
    low = solve(operator, n_looked_at(inner.shape[0], n_pieces), fine=True)
    return low, eigengap_clusters(
        1 - low.values,
        n_components=n_pieces,
        edge=random_graph_edge(inner),
        closed=transitivity(inner),
    )


def _kept_vectors(
    solve: Callable[..., LowVectors],
    labels_of: Callable[..., np.ndarray],
    operator: WalkOperator,
    parts: GraphPieces,
    K: int,
    options: PartitionOptions,
    low: LowVectors | None,
) -> WalkVectors:
    """As many vectors as the user asks for; those of the components; or the best choice."""
    n, n_pieces = parts.adjacency.shape[0], len(parts.pieces)
    d = options.n_components
    if d == "auto" and n_pieces == K > 1:
        if 8 * n * K > _DENSE_BYTES:
            raise ValueError(
                f"{K} clusters of {n} vertices need an embedding of {8 * n * K / 2**30:.1f} GiB, "
                f"above the limit of {_DENSE_BYTES / 2**30:.0f} GiB. The clusters are connected "
                "components: scipy.sparse.csgraph.connected_components finds them."
            )
        indicators = component_indicators(operator.root_degree, parts.component_of_inner)
        alone = HierarchySummary((n,), (operator.edges.nnz,))
        exact = LowVectors(np.ones(K), indicators, "components", np.zeros(0), alone, np.nan)
        return WalkVectors(exact, operator, VectorChoice(K, 0.0, {}), False)
    if d == "auto" and options.assign_labels != "cluster_qr":
        return vectors_for_clusters(
            solve,
            labels_of,
            operator,
            parts.adjacency,
            K,
            low=low,
            row_normalize=options.row_normalize,
            shifts=options.strategy in ("auto", "filter"),
            n_pieces=n_pieces,
            n_init=options.n_init,
        )
    # a pivoted QR of K vectors is what cluster_qr is
    k = min(K if d == "auto" else int(d), n)
    if low is None or low.vectors.shape[1] < k:
        low = solve(operator, k, fine=True)
    return WalkVectors(low, operator, VectorChoice(min(k, low.vectors.shape[1]), 0.0, {}), False)


def _final_labels(
    kept: WalkVectors,
    rows: np.ndarray,
    inner: sp.csr_array,
    pieces: list[Piece],
    labels_again: Callable[[], np.ndarray],
) -> tuple[np.ndarray, BlockModel | None]:
    """Labels of the rows, moved by the block model where that says more of the edges."""
    labels = kept.labels
    if labels is None:
        labels = labels_again()
    elif len(rows) > MANY_ROWS:  # the trial started K-means once
        labels = max(labels, labels_again(), key=partial(edge_information, inner))
    K = int(labels.max()) + 1
    if not kept.may_move or K == 1:
        return labels, None
    model = fit_block_model(inner, None, labels, K)
    chances = model.memberships
    if len(pieces) > 1:  # no vertex leaves its component
        own = np.zeros(chances.shape, dtype=bool)
        for piece in pieces:
            own[np.ix_(piece.vertices, np.unique(labels[piece.vertices]))] = True
        chances = np.where(own, chances, -1)
    moved = chances.argmax(axis=1)
    all_there = len(np.unique(moved)) == len(np.unique(labels))
    if all_there and edge_information(inner, moved) >= edge_information(inner, labels):
        return moved, model
    return labels, None


def _of_all(rows: np.ndarray, taking_part: np.ndarray) -> np.ndarray:
    """Rows of all vertices; zeros for those that took no part."""
    if taking_part.all():
        return rows
    full = np.zeros((len(taking_part), rows.shape[1]))
    full[taking_part] = rows
    return full
