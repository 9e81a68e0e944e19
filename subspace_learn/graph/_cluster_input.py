"""What SpectralAMGClustering takes: points that become a graph, graphs, edges of new vertices."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_array

from .._base import warn
from .._checks.columns import refuse_masked
from .._checks.graph import NamedGraph
from .._checks.named_graph import places_of, refuse_graph
from .._checks.table import check_samples
from ..functional.graph.affinity_graph import neighbor_affinity, rbf_affinity

__all__ = [
    "NEXT_TO_NOTHING",
    "check_edges",
    "graph_in_order_of",
    "graph_of_points",
    "rbf_gamma",
]

NEXT_TO_NOTHING = 1e-12
"""Share of the largest weight below which the weight of a kernel is none."""
_OTHER_UNIT = 1e3  # between the medians of weights of one unit there is less
_PRECOMPUTED = "To cluster its vertices, set affinity='precomputed'."


def graph_of_points(estimator: Any, X: Any) -> tuple[NamedGraph, Any]:
    """Check a table; return the graph that its affinity makes of it, in float64, and the points."""
    where = f"{type(estimator).__name__}.fit()"
    refuse_graph(X, where=where, cure=_PRECOMPUTED)
    names = list(X.index) if hasattr(X, "iloc") else None
    X = check_samples(estimator, X, reset=True, accept_sparse="csr", min_samples=2)
    n = X.shape[0]
    if X.shape[1] == n > 2 and abs(X - X.T).max() == 0:
        warn(
            f"{where}: X is square ({n} x {n}) and symmetric, as an adjacency is, but was read as "
            f"a table of {n} points, since affinity={estimator.affinity!r}. {_PRECOMPUTED}"
        )
    if estimator.affinity == "nearest_neighbors":
        graph = neighbor_affinity(X, estimator.n_neighbors, n_jobs=estimator.n_jobs)
        return NamedGraph(graph, names), X.copy()
    gamma = rbf_gamma(estimator.gamma, X.shape[1])
    kernel = rbf_affinity(X, X, gamma)
    np.fill_diagonal(kernel, 0)  # a point is no neighbour of its own
    total = kernel.sum(axis=1)
    alone = total <= NEXT_TO_NOTHING * total.max()
    if alone.any():
        kernel[alone], kernel[:, alone] = 0, 0
        n_alone = int(alone.sum())
        end = "clusters mean nothing" if n_alone == n else "they join the most populous cluster"
        warn(
            f"{where}: with gamma={gamma:.3g}, {n_alone} of {n} points have weight 0 to all "
            f"others, or below 1e-12 of what others have, since exp(-gamma |x - y|^2) vanishes: "
            f"{end}. Lower gamma, bring the columns to one scale, or use "
            "affinity='nearest_neighbors'."
        )
    return NamedGraph(sp.csr_array(np.maximum(kernel, kernel.T)), names), X.copy()


def rbf_gamma(gamma: float | None, n_features: int) -> float:
    """Scale of the Gaussian kernel."""
    return 1 / n_features if gamma is None else float(gamma)


def check_edges(
    estimator: Any,
    X: Any,
    n_nodes: int,
    *,
    method: str,
    names: Any = None,
    attributes: Any = None,
) -> sp.csr_array:
    """Check edges from new nodes to the fitted ones: shape (n_new, n_nodes), nonnegative.

    Columns of a DataFrame are brought into the order of ``names``, those of the fitted nodes, and
    its rows into that of the DataFrame ``attributes``.
    """
    where = f"{type(estimator).__name__}.{method}()"
    refuse_graph(X, where=where, cure=f"Give weights of edges, of shape (n_new, {n_nodes}).")
    refuse_masked(X, name=where, input_name="the edges")
    if hasattr(X, "columns"):
        if names is not None and list(X.columns) != list(range(n_nodes)):
            order = places_of(
                list(names),
                list(X.columns),
                where=where,
                whose="the columns of the edges",
                whose_names="the fitted vertices",
            )
            X = X.iloc[:, order] if hasattr(X, "iloc") else X[:, order]
        if hasattr(X, "iloc") and hasattr(attributes, "iloc") and len(X) == len(attributes):
            rows = places_of(
                list(attributes.index),
                list(X.index),
                where=where,
                whose="the index of the edges",
                whose_names="that of X",
            )
            X = X.iloc[rows]
    edges = check_array(
        X,
        accept_sparse="csr",
        dtype=[np.float64, np.float32],
        estimator=estimator,
        input_name="the edges",
    )
    edges = sp.csr_array(edges, dtype=np.float64)
    if edges.shape[1] != n_nodes:
        raise ValueError(
            f"{where}: X has {edges.shape[1]} features, but {type(estimator).__name__} is "
            f"expecting {n_nodes} features as input: one weight of an edge to each fitted node."
        )
    if attributes is not None and edges.shape[0] != attributes.shape[0]:
        raise ValueError(
            f"{where}: X has {attributes.shape[0]} rows, but adjacency has shape {edges.shape}. "
            "Give one row of edges to the fitted nodes for each row of X."
        )
    if edges.nnz and edges.data.min() < 0:
        raise ValueError(f"{where}: edges have negative weights. Give weights of 0 or more.")
    _warn_of_another_unit(edges.data, estimator.affinity_matrix_.data, where)
    return edges


def _warn_of_another_unit(given: np.ndarray, fitted: np.ndarray, where: str) -> None:
    """Say so if typical weights of new edges are far from those of the fitted graph."""
    if not (given.any() and fitted.any()):
        return
    ratio = np.median(given[given > 0]) / np.median(fitted[fitted > 0])
    if not 1 / _OTHER_UNIT < ratio < _OTHER_UNIT:
        warn(
            f"{where}: the median weight of these edges is {ratio:.3g} times that of the fitted "
            "graph, whose unit decides how much an edge says. Are they in another unit? Multiply "
            "them by a constant."
        )


def graph_in_order_of(X: Any, graph: NamedGraph, *, where: str) -> NamedGraph:
    """Bring the vertices of a graph into the order of the rows of the attributes ``X``."""
    n, index = graph.adjacency.shape[0], getattr(X, "index", None)
    if X.shape[0] != n:
        raise ValueError(
            f"X has attributes of {X.shape[0]} nodes, but adjacency has shape "
            f"{graph.adjacency.shape}. Give one row of attributes for each node, in the same order."
        )
    counted = list(range(n))
    if index is None or not hasattr(X, "iloc"):
        if graph.names is not None and graph.names != counted and set(graph.names) == set(counted):
            warn(
                f"{where}: the vertices of adjacency are numbered 0 to {n - 1} in another order, "
                f"{str(graph.names[:4])[1:-1]}, ..., and X has no names: rows were matched by "
                "position, row 0 with the first vertex. If row i belongs to vertex i, give X as a "
                "pandas DataFrame."
            )
        return graph
    names = list(index)
    numbered = all(isinstance(name, int | np.integer) for name in names)
    if graph.names is None or (graph.names == counted and not numbered):
        if names != counted and sorted(map(str, names)) == sorted(map(str, counted)):
            warn(
                f"{where}: the index of X holds 0 to {n - 1} in another order, and adjacency has "
                "no names: rows were matched by position. If they are names, give the graph as a "
                "DataFrame or networkx graph; else X.reset_index(drop=True)."
            )
        return NamedGraph(graph.adjacency, names)
    order = places_of(
        names,
        graph.names,
        where=where,
        whose="the vertices of adjacency",
        whose_names="the index of X",
    )
    if order == counted:
        return NamedGraph(graph.adjacency, names)
    return NamedGraph(sp.csr_array(graph.adjacency[order][:, order]), names)
