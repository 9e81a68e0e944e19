"""Separate pieces of a graph: which of them are clusters, and how many clusters each gets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

__all__ = [
    "GraphPieces",
    "Piece",
    "component_indicators",
    "component_labels",
    "graph_pieces",
    "place_components",
    "substantial_components",
]

_LEAST_VERTICES = 5
_NEGLIGIBLE = 1e-12  # share of the steps of a walk
_LEAST_SHARE = 0.1  # of the mean number of vertices of a cluster


class Piece(NamedTuple):
    """One connected component of the graph that is clustered."""

    vertices: np.ndarray
    """Its rows in that graph."""
    adjacency: sp.csr_array
    """Its edges."""


class GraphPieces(NamedTuple):
    """Connected components of a graph, and the part that each takes in a clustering."""

    components: np.ndarray
    """Component of each vertex, (n,)."""
    n_components: int
    """How many there are."""
    substantial: np.ndarray
    """Vertices of components that can be clusters, (n,)."""
    taking_part: np.ndarray
    """Vertices that are clustered; the others are placed afterwards, component by component."""
    adjacency: sp.csr_array
    """Edges of the vertices that take part."""
    component_of_inner: np.ndarray
    """Component, from 0, of each vertex that takes part."""
    pieces: list[Piece]
    """The components that take part, in the order of ``component_of_inner``."""


def graph_pieces(adjacency: sp.csr_array, n_clusters: int | None) -> GraphPieces:
    """Find the components of a graph, and those that take part in a clustering.

    Parameters
    ----------
    adjacency : csr_array of shape (n, n)
        Symmetric, nonnegative.
    n_clusters : int or None
        K; None means as many as there are substantial components.

    Returns
    -------
    pieces : GraphPieces
        All substantial components take part if there are at most K. If there are more, those with
        at least a tenth of the vertices of a mean cluster are large (all of them, if none has so
        many), and the K heaviest of the large ones take part.

    Notes
    -----
    A partition whose clusters are unions of components cuts no edge. So with at most K components
    each must be a cluster of its own, or several. With more, one of them usually holds nearly all
    of the graph, and the others are what a sparse graph loses at its rim.
    """
    adjacency = _without_negligible_edges(adjacency)
    n_components, components = component_labels(adjacency)
    substantial = substantial_components(adjacency, components)
    size = np.bincount(components)
    if n_clusters is not None and substantial.sum() > n_clusters:
        large = substantial & (size >= _LEAST_SHARE * len(components) / n_clusters)
        substantial_or_large = large if large.any() else substantial
        degree = np.asarray(adjacency.sum(axis=1)).ravel()
        weight = np.where(substantial_or_large, np.bincount(components, weights=degree), -1.0)
        chosen = np.zeros(n_components, dtype=bool)
        chosen[np.argsort(-weight, kind="stable")[:n_clusters]] = True
        chosen &= substantial_or_large
    else:
        chosen, substantial_or_large = substantial, substantial
    taking_part = chosen[components]
    inner, numbers = adjacency, components
    if not taking_part.all():
        inner = sp.csr_array(adjacency[taking_part][:, taking_part])
        numbers = np.unique(components[taking_part], return_inverse=True)[1]
    order = np.argsort(numbers, kind="stable")
    vertices = np.split(order, np.cumsum(np.bincount(numbers))[:-1])
    alone = len(vertices) == 1
    return GraphPieces(
        components,
        n_components,
        substantial_or_large[components],
        taking_part,
        inner,
        numbers,
        [Piece(v, inner if alone else sp.csr_array(inner[v][:, v])) for v in vertices],
    )


def _without_negligible_edges(adjacency: sp.csr_array) -> sp.csr_array:
    """The graph itself, or a copy without edges that rounding loses beside both degrees."""
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    rows = np.repeat(np.arange(len(degree)), np.diff(adjacency.indptr))
    lightest = np.minimum(degree[rows], degree[adjacency.indices])
    kept = adjacency.data >= _NEGLIGIBLE * lightest
    if kept.all():
        return adjacency
    entries = (adjacency.data[kept], (rows[kept], adjacency.indices[kept]))
    return sp.csr_array(sp.coo_array(entries, shape=adjacency.shape))


def substantial_components(adjacency: sp.csr_array, components: np.ndarray) -> np.ndarray:
    """Components that can be clusters: at least five vertices, or a cycle.

    Parameters
    ----------
    adjacency : csr_array of shape (n, n)
        Symmetric.
    components : ndarray of int, shape (n,)
        Of each vertex, from 0.

    Returns
    -------
    substantial : ndarray of bool, shape (n_components,)
        Isolated vertices, single edges and other trees of up to four vertices are not: a sparse
        graph without any structure loses such pieces at its rim. All are if there is nothing else.
    """
    size = np.bincount(components)
    rows = np.repeat(components, np.diff(adjacency.indptr))
    ends = np.bincount(rows, minlength=len(size))
    ends -= np.bincount(components[adjacency.diagonal() != 0], minlength=len(size))  # self-loops
    found = (size >= _LEAST_VERTICES) | (ends // 2 >= size)
    return found if found.any() else np.ones(len(size), dtype=bool)


def component_labels(
    adjacency: sp.csr_array, factor: sp.csr_array | None = None
) -> tuple[int, np.ndarray]:
    """Number of connected components, and the component of each vertex.

    Parameters
    ----------
    adjacency : csr_array of shape (n, n)
        Symmetric.
    factor : csr_array of shape (n, m), default=None
        Its columns are vertices too, joined to the rows where it is not 0; they are not counted.

    Returns
    -------
    n_components : int
        How many.
    labels : ndarray of int, shape (n,)
        From 0.
    """
    graph = adjacency
    if factor is not None:
        graph = sp.block_array([[adjacency, factor], [factor.T, None]], format="csr")
    labels = sp.csgraph.connected_components(graph, directed=False)[1][: adjacency.shape[0]]
    names, labels = np.unique(labels, return_inverse=True)
    return len(names), labels


def component_indicators(root_degree: np.ndarray, components: np.ndarray) -> np.ndarray:
    """Orthonormal vectors of eigenvalue 1: root degrees on one component, 0 elsewhere.

    Parameters
    ----------
    root_degree : ndarray of shape (n,)
        Square roots of the degrees, positive.
    components : ndarray of int, shape (n,)
        Of each vertex, from 0.

    Returns
    -------
    indicators : ndarray of shape (n, n_components)
        Columns in the order of the components.

    Examples
    --------
    >>> import numpy as np
    >>> component_indicators(np.array([3.0, 4.0, 1.0]), np.array([0, 0, 1]))
    array([[0.6, 0. ],
           [0.8, 0. ],
           [0. , 1. ]])
    """
    n, c = len(components), int(components.max()) + 1
    null = np.zeros((n, c))
    null[np.arange(n), components] = root_degree
    return null / np.linalg.norm(null, axis=0)


def place_components(
    labels: np.ndarray,
    components: np.ndarray,
    degree: np.ndarray,
    substantial: np.ndarray,
    n_clusters: int,
) -> np.ndarray:
    """Give components without labels to clusters, each as a whole.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        -1 where a vertex has none; whole components have or have not.
    components : ndarray of int, shape (n,)
        Of each vertex.
    degree : ndarray of shape (n,)
        Weights.
    substantial : ndarray of bool, shape (n,)
        Components that go, heaviest first, to the cluster lightest by then; the others go to the
        most populous cluster.
    n_clusters : int
        Clusters, empty ones included.

    Returns
    -------
    labels : ndarray of int, shape (n,)
        All at least 0.
    """
    labels = labels.copy()
    placed = labels >= 0
    weight = np.bincount(labels[placed], weights=degree[placed], minlength=n_clusters)
    left = np.unique(components[~placed & substantial])
    totals = np.bincount(components, weights=degree)
    for component in left[np.argsort(-totals[left], kind="stable")]:
        lightest = int(np.argmin(weight))
        labels[components == component] = lightest
        weight[lightest] += totals[component]
    if (labels < 0).any():
        labels[labels < 0] = np.bincount(labels[labels >= 0], minlength=n_clusters).argmax()
    return labels
