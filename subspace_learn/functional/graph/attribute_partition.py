"""Clusters of an attributed graph: starts by walks and by smoothed attributes, one judge."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning

from .attribute_graph import AttributedGraph, attributed_graph, value_block
from .belief_propagation import propagate_beliefs
from .block_model import (
    BlockModel,
    fit_block_model,
    renumbered_clusters,
    value_design_effect,
)
from .graph_components import component_labels, substantial_components
from .graph_laplacian import WalkOperator, walk_operator
from .graph_partition import PartitionOptions, n_looked_at
from .smoothed_attributes import attribute_directions, smoothed_rows
from .spectral_clustering import (
    LowVectors,
    canonical_labels,
    cluster_rows,
    diffusion_rows,
    low_vectors,
)
from .vector_selection import EigengapProposal, eigengap_clusters, random_graph_edge, transitivity

__all__ = ["AttributedPartition", "attributed_rows", "partition_attributed"]

WEIGHTS = (0.1, 0.3, 0.5, 0.7)
"""Shares of attribute steps from which the model is started."""
SMOOTHING = (0, 2, 3, 4, 6, 8)
"""Steps by which attributes are smoothed before they start the model: alone, to far over edges."""


class AttributedPartition(NamedTuple):
    """A partition of the nodes of an attributed graph, and what led to it."""

    labels: np.ndarray
    """Cluster of each node, heaviest first, (n,)."""
    rows: np.ndarray
    """Embedding, (n, d) or (n, 2 d)."""
    vectors: np.ndarray
    """Vectors kept, (n, d)."""
    low: LowVectors
    """All vectors found."""
    graph: AttributedGraph
    """With the weight that was kept."""
    weight: float
    """Share of attribute steps."""
    bounds: dict[tuple[float, int], float]
    """Bound of the model by weight and number of vectors; empty if the weight was given."""
    smoothing_trials: list[tuple[int, float]]
    """Steps by which attributes were smoothed before they started the model, and its bound."""
    smoothing: int | None
    """Steps of the start that was kept; None if it was one of the walks."""
    model: BlockModel | None
    """Fit by belief propagation, clusters numbered as in the labels; its bound is that of the
    mean-field fit. None if the weight was given."""
    n_components: int
    """Components of the graph with its value vertices."""
    proposal: EigengapProposal | None
    """If the number of clusters was left to the eigengap."""
    projector: np.ndarray
    """``D^{-1/2} V``, (n, d)."""


def partition_attributed(
    adjacency: sp.csr_array,
    attributes: sp.csr_array,
    options: PartitionOptions,
    *,
    weight: float | str = "auto",
    block: str = "self",
    rng: np.random.Generator,
    progress: Callable[[str], None] | None = None,
) -> AttributedPartition:
    """Cluster the nodes by edges and attributes.

    Parameters
    ----------
    adjacency : csr_array of shape (n, n)
        Symmetric, nonnegative, float64.
    attributes : csr_array of shape (n, m)
        Nonnegative, float64.
    options : PartitionOptions
        With "eigengap" the number of clusters is that of the augmented graph with this share, or
        a half.
    weight : float in (0, 1] or "auto", default="auto"
        A number: labels are those of 2 K vectors with this share of attributes. "auto": rows
        of five shares, from K and 2 K vectors, and attributes smoothed by 0 to 8 steps start the
        model of :mod:`~subspace_learn.functional.graph.block_model`; from the start of the largest
        bound :func:`~subspace_learn.functional.graph.belief_propagation.propagate_beliefs` finds
        the labels. Rows and vectors are those of the best walk.
    block : {"self", "all"}, default="self"
        "all" appends :func:`~subspace_learn.functional.graph.attribute_graph.value_block`.
    rng : numpy.random.Generator
        Of random starts.
    progress : callable, default=None
        Gets lines of text.

    Returns
    -------
    partition : AttributedPartition
        Nodes that neither edges nor attributes join to others end in the most populous cluster.
    """
    proposal = None
    if options.n_clusters == "eigengap":
        proposal = _proposed(adjacency, attributes, options, weight, rng)
        options = options._replace(n_clusters=proposal.n_clusters)
        if progress is not None:
            progress(proposal.reason)
    if weight != "auto":
        tried = _candidates(adjacency, attributes, options, float(weight), block, rng, progress)
        found = next(tried)
    else:
        start, mean_field = _best_start(adjacency, attributes, options, block, rng, progress)
        labels, model = _labels_by_beliefs(start.labels, mean_field, adjacency, attributes)
        found = start._replace(labels=labels, model=model)
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    labels = canonical_labels(found.labels, degree)
    if found.model is not None:
        renumbered = renumbered_clusters(found.model, found.labels, labels)
        found = found._replace(model=renumbered)
    return found._replace(labels=labels, proposal=proposal)


def _candidates(
    adjacency: sp.csr_array,
    attributes: sp.csr_array,
    options: PartitionOptions,
    weight: float,
    block: str,
    rng: np.random.Generator,
    progress: Callable[[str], None] | None,
) -> Iterator[AttributedPartition]:
    """Spectral partitions of the augmented graph with this share: from K vectors, and from 2 K."""
    graph = attributed_graph(adjacency, attributes, weight)
    operator = walk_operator(graph.adjacency, graph.factor)
    n_components, components = component_labels(graph.adjacency, graph.factor)
    K, n = int(options.n_clusters), operator.shape[0]
    if options.n_components != "auto":
        counts = [min(int(options.n_components), n)]
    elif options.assign_labels == "cluster_qr":
        counts = [min(K, n)]
    else:
        counts = sorted({min(K, n), min(2 * K, n)}, reverse=True)
    roomy = n_components < max(counts)  # "block" has an exact vector for each component
    low = low_vectors(
        operator,
        max(counts),
        components,
        # words join all nodes at a distance of two: such a graph is an expander, whatever its edges
        strategy="block" if options.strategy == "block" and roomy else "filter",
        fine=True,
        rng=rng,
        progress=progress,
    )
    V = low.vectors
    known = (np.diff(graph.adjacency.indptr) > 0) | (np.diff(graph.factor.indptr) > 0)
    for d in counts:
        rows = attributed_rows(operator, graph, attributes, V[:, :d], options, block)
        labels = np.full(n, -1)
        labels[known] = cluster_rows(
            rows[known],
            min(K, int(known.sum())),
            method=options.assign_labels,
            n_init=options.n_init,
            seed=int(rng.integers(2**31)),
        )
        labels[~known] = np.bincount(labels[known]).argmax()
        yield AttributedPartition(
            labels=labels,
            rows=rows,
            vectors=V[:, :d],
            low=low,
            graph=graph,
            weight=weight,
            bounds={},
            smoothing_trials=[],
            smoothing=None,
            model=None,
            n_components=n_components,
            proposal=None,
            projector=V[:, :d] / operator.root_degree[:, None],
        )


def _best_start(
    adjacency: sp.csr_array,
    attributes: sp.csr_array,
    options: PartitionOptions,
    block: str,
    rng: np.random.Generator,
    progress: Callable[[str], None] | None,
) -> tuple[AttributedPartition, BlockModel]:
    """The start whose fit has the largest bound, in the embedding of the best walk, and its fit."""
    K, say = int(options.n_clusters), progress or (lambda line: None)
    smoothed = _smoothed_labels(adjacency, attributes, options, int(rng.integers(2**31)))
    effect = value_design_effect(attributes, smoothed[0], K)
    say(f"values of a node repeat each other {effect:.3g} times")
    fit = partial(fit_block_model, adjacency, attributes, n_clusters=K, value_weight=1 / effect)
    bounds: dict[tuple[float, int], float] = {}

    def fitted(walk: AttributedPartition) -> tuple[AttributedPartition, BlockModel]:
        model, d = fit(walk.labels), walk.vectors.shape[1]
        bounds[walk.weight, d] = model.bound
        say(f"attribute share {walk.weight}, {d} vectors: bound {model.bound:.6g}")
        return walk, model

    walks = (
        walk
        for share in WEIGHTS
        for walk in _candidates(adjacency, attributes, options, share, block, rng, progress)
    )
    start, best_fit = max(map(fitted, walks), key=lambda found: found[1].bound)
    smoothing_trials = []
    for n_steps, labels in smoothed.items():
        model = fit(labels)
        smoothing_trials.append((n_steps, model.bound))
        say(f"attributes smoothed by {n_steps} steps: bound {model.bound:.6g}")
        if model.bound > best_fit.bound:
            start, best_fit = start._replace(labels=labels, smoothing=n_steps), model
    return start._replace(bounds=bounds, smoothing_trials=smoothing_trials), best_fit


def _smoothed_labels(
    adjacency: sp.csr_array, attributes: sp.csr_array, options: PartitionOptions, seed: int
) -> dict[int, np.ndarray]:
    """Clusters of the attributes by steps of smoothing."""
    rows, found, done = attribute_directions(attributes), {}, 0
    for n_steps in SMOOTHING:
        rows, done = smoothed_rows(adjacency, rows, n_steps - done), n_steps
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # few values: fewer clusters
            found[n_steps] = cluster_rows(
                diffusion_rows(rows),
                int(options.n_clusters),
                method=options.assign_labels,
                n_init=options.n_init,
                seed=seed,
            )
    return found


def _labels_by_beliefs(
    start: np.ndarray,
    mean_field: BlockModel,
    adjacency: sp.csr_array,
    attributes: sp.csr_array,
) -> tuple[np.ndarray, BlockModel]:
    """Labels by belief propagation, or by the mean field if beliefs leave more clusters empty."""
    model = propagate_beliefs(
        adjacency, attributes, start, len(mean_field.prior), value_weight=mean_field.value_weight
    )
    labels, others = (m.memberships.argmax(axis=1) for m in (model, mean_field))
    if len(np.unique(labels)) < len(np.unique(others)):
        return others, mean_field
    return labels, model._replace(bound=mean_field.bound)


def _proposed(
    adjacency: sp.csr_array,
    attributes: sp.csr_array,
    options: PartitionOptions,
    weight: float | str,
    rng: np.random.Generator,
) -> EigengapProposal:
    share = 0.5 if weight == "auto" else float(weight)
    graph = attributed_graph(adjacency, attributes, share)
    operator = walk_operator(graph.adjacency, graph.factor)
    components = component_labels(graph.adjacency, graph.factor)[1]
    # nodes that share a value are joined, so that a component with one is no tree
    with_values = np.bincount(components, weights=np.diff(graph.factor.indptr)) > 0
    pieces = substantial_components(adjacency, components) | with_values
    pieces &= np.bincount(components) > 1
    n_pieces, n = max(int(pieces.sum()), 1), operator.shape[0]
    if n_pieces >= n_looked_at(n, 0):
        return EigengapProposal(n_pieces, 0.0, np.zeros(n_pieces), n_pieces)
    # isolated nodes have eigenvalues of 0 too, which belong to no piece
    k = n_looked_at(n, len(pieces))
    low = low_vectors(operator, k, components, strategy="filter", fine=True, rng=rng)
    values = (1 - low.values)[len(pieces) - n_pieces :]
    edge = 1 - (1 - share) * (1 - random_graph_edge(adjacency))
    closed = transitivity(adjacency)
    return eigengap_clusters(values, n_components=n_pieces, edge=edge, closed=closed)


def attributed_rows(
    operator: WalkOperator,
    graph: AttributedGraph,
    attributes: sp.csr_array,
    V: np.ndarray,
    options: PartitionOptions,
    block: str,
) -> np.ndarray:
    """Embedding of the nodes, with the block of their values if it is asked for.

    Parameters
    ----------
    operator : WalkOperator
        Walk with eliminated values.
    graph : AttributedGraph
        What it was made of.
    attributes : csr_array of shape (n, m)
        Nonnegative.
    V : ndarray of shape (n, d)
        Vectors.
    options : PartitionOptions
        ``row_normalize`` is read.
    block : {"self", "all"}
        See :func:`partition_attributed`.

    Returns
    -------
    rows : ndarray of shape (n, d) or (n, 2 d)
        See :func:`~subspace_learn.functional.graph.spectral_clustering.diffusion_rows`.
    """
    rows = diffusion_rows(operator @ V, row_normalize=options.row_normalize)
    if block == "self":
        return rows
    values = (graph.factor.T @ rows) / np.sqrt(graph.value_weight)[:, None]
    return value_block(rows, attributes, values)
