"""Clusters of an attributed graph: spectral starts at several weights, one model that judges."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from .attribute_graph import AttributedGraph, attributed_graph, value_block
from .block_model import BlockModel, fit_block_model
from .graph_laplacian import WalkOperator, component_labels, walk_operator
from .graph_partition import PartitionOptions, place_components
from .spectral_clustering import (
    LowVectors,
    canonical_labels,
    cluster_rows,
    diffusion_rows,
    low_vectors,
    oriented,
)

__all__ = ["AttributedPartition", "attributed_rows", "partition_attributed"]

WEIGHTS = (0.1, 0.3, 0.5, 0.7, 1.0)
"""Shares of attribute steps from which the model is started: near the graph to attributes alone."""


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
    model: BlockModel | None
    """The model kept, clusters numbered as in the labels; None if the weight was given."""
    n_components: int
    """Components of the graph with its value vertices."""
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
        ``n_clusters`` is a number here.
    weight : float in (0, 1] or "auto", default="auto"
        A number: labels are those of the rows of the augmented graph with this share. "auto": rows
        of five shares, from K and 2 K vectors, start the model of
        :mod:`~subspace_learn.functional.block_model`, and the fit of largest bound is kept.
    block : {"self", "all"}, default="self"
        "all" appends :func:`~subspace_learn.functional.attribute_graph.value_block`.
    rng : numpy.random.Generator
        Of random starts.
    progress : callable, default=None
        Gets lines of text.

    Returns
    -------
    partition : AttributedPartition
        Nodes that neither edges nor attributes join to others end in the most populous cluster.
    """
    K = int(options.n_clusters)
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    best: AttributedPartition | None = None
    bounds: dict[tuple[float, int], float] = {}
    for w in WEIGHTS if weight == "auto" else (float(weight),):
        graph = attributed_graph(adjacency, attributes, w)
        operator = walk_operator(graph.adjacency, graph.factor)
        n_components, components = component_labels(graph.adjacency, graph.factor)
        counts = _vector_counts(options, K, operator.shape[0], several=weight == "auto")
        low = low_vectors(
            operator,
            components,
            max(counts),
            strategy=_strategy(options.strategy, operator, n_components, max(counts)),
            rng=rng,
            progress=progress,
        )
        V = oriented(low.vectors)
        alone = _nothing_known(operator)
        for d in counts:
            rows = attributed_rows(operator, graph, attributes, V[:, :d], options, block)
            labels = np.full(len(degree), -1)
            seed = int(rng.integers(2**31))
            labels[~alone] = cluster_rows(
                rows[~alone], K, method=options.assign_labels, n_init=options.n_init, seed=seed
            )
            none_large = np.zeros(len(labels), dtype=bool)
            labels = place_components(labels, components, degree, none_large, K)
            model = None
            if weight == "auto":
                model = fit_block_model(adjacency, attributes, labels, K)
                labels = model.memberships.argmax(axis=1)
                bounds[w, d] = model.bound
                if progress is not None:
                    progress(f"attribute share {w}, {d} vectors: bound {model.bound:.6g}")
            if best is None or (model is not None and model.bound > best.model.bound):
                projector = V[:, :d] / operator.root_degree[:, None]
                best = AttributedPartition(
                    labels, rows, V[:, :d], low, graph, w, bounds, model, n_components, projector
                )
    return _renumbered(best, degree)


def _vector_counts(options: PartitionOptions, K: int, n: int, *, several: bool) -> list[int]:
    if options.n_vectors != "auto":
        return [min(int(options.n_vectors), n)]
    if options.assign_labels == "cluster_qr":
        return [min(K, n)]
    return sorted({min(K, n), min(2 * K, n)}) if several else [min(2 * K, n)]


def _strategy(strategy: str, operator: WalkOperator, n_components: int, n_vectors: int) -> str:
    """Words join all nodes at a distance of two: such a graph is an expander, whatever its edges.

    The block strategy needs an exact vector for each component, so it must have room for them.
    """
    if strategy == "block" and n_components < n_vectors:
        return "block"
    return "filter"


def _nothing_known(operator: WalkOperator) -> np.ndarray:
    """Mask of nodes without edges and attributes: they alone have a step to themselves."""
    joined = np.diff(operator.factor.indptr) > 0
    return ~joined & (operator.edges.diagonal() == 1) & (np.diff(operator.edges.indptr) == 1)


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
        See :func:`~subspace_learn.functional.spectral_clustering.diffusion_rows`.
    """
    rows = diffusion_rows(operator @ V, row_normalize=options.row_normalize)
    if block == "self":
        return rows
    values = (graph.factor.T @ rows) / np.sqrt(graph.value_weight)[:, None]
    return value_block(rows, attributes, values)


def _renumbered(found: AttributedPartition, degree: np.ndarray) -> AttributedPartition:
    """Clusters in their final order, in labels and model alike."""
    labels = canonical_labels(found.labels, degree)
    if found.model is None:
        return found._replace(labels=labels)
    K = found.model.memberships.shape[1]
    first = [found.labels[np.argmax(labels == k)] for k in range(int(labels.max()) + 1)]
    order = np.array([*first, *(k for k in range(K) if k not in first)])
    model = found.model
    model = model._replace(
        memberships=model.memberships[:, order],
        rates=model.rates[np.ix_(order, order)],
        log_values=model.log_values[order],
        prior=model.prior[order],
        mass=model.mass[order],
    )
    return found._replace(labels=labels, model=model)
