"""What a graph may be: one check that turns what users hold into symmetric CSR adjacencies."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from .._array import is_array, to_numpy
from .columns import is_missing, refuse_masked
from .magnitude import check_magnitude
from .named_graph import named_graph

__all__ = ["NamedGraph", "check_graph", "check_graphs", "host_matrix"]


class NamedGraph(NamedTuple):
    """A checked graph and what its vertices are called."""

    adjacency: sp.csr_array
    """Symmetric, nonnegative, (n, n)."""
    names: list[Any] | None
    """Of the vertices, in the order of the rows; None where the input had none."""


def check_graphs(estimator: Any, X: Any, *, method: str = "fit") -> tuple[list[NamedGraph], bool]:
    """Check one graph or a list of graphs for ``estimator``.

    Parameters
    ----------
    estimator : estimator
        Named in error messages.
    X : graph, list of graphs, or array of shape (n_graphs, n, n)
        See :func:`check_graph`. A tuple ``(edge_index, n_nodes)`` is one graph.
    method : str, default="fit"
        Name of the calling method, for error messages.

    Returns
    -------
    graphs : list of NamedGraph
        Adjacencies and names.
    single : bool
        Whether ``X`` was one graph.

    Raises
    ------
    ValueError
        As :func:`check_graph`, naming the graph of a list; or if the list is empty.
    """
    where = f"{type(estimator).__name__}.{method}()"
    stack = getattr(X, "ndim", 0) == 3
    if not stack and not (isinstance(X, list | tuple) and not _is_edge_pair(X)):
        return [check_graph(X, where=where)], True
    if len(X) == 0:
        raise ValueError(f"{where} was given an empty list: at least one graph is required.")
    if not stack and all(_is_row(entry) for entry in X):  # a matrix written as lists
        return [check_graph(np.asarray(X), where=where)], True
    return [check_graph(graph, where=where, name=f"graph {i}") for i, graph in enumerate(X)], False


def check_graph(X: Any, *, where: str, name: str = "the graph") -> NamedGraph:
    """Check one undirected graph.

    Parameters
    ----------
    X : sparse or dense square adjacency, graph object, DataFrame, or edge_index
        networkx graphs are known by ``nodes``, ``edges`` and ``is_directed``, igraph graphs by
        ``vs`` and ``es``; their ``weight`` attribute counts, 1 where there is none. A DataFrame
        with columns source and target (or from and to, src and dst), and weight if it likes, is a
        list of edges, each once in either direction, or all of them in both; others are
        adjacencies, whose columns are brought into the order of the index. ``edge_index`` is an
        integer array of shape (2, n_edges) that lists both directions of each edge, or a pair of it
        and ``n_nodes``; without that its largest index says how many there are. An array of shape
        (2, 2) is an adjacency. Entries given twice add up, as in SciPy.
    where : str
        Caller, for error messages.
    name : str, default="the graph"
        Which graph, for error messages.

    Returns
    -------
    graph : NamedGraph
        Adjacency in float32 or float64, symmetric, nonnegative, without stored zeros; it shares no
        memory with X. Self-loops stay. Names of networkx and igraph graphs and of DataFrames.

    Raises
    ------
    ValueError
        If there are no nodes, it is not square, not symmetric, directed, complex, not numeric,
        masked, or holds NaN, infinity or negative weights; if edges name nodes that are not there,
        or index and columns of a DataFrame name others.
    """
    names = None
    if hasattr(X, "is_directed") or hasattr(X, "columns"):
        X, names = named_graph(X, where=where, name=name)
    if _is_edge_pair(X):
        A = _from_edge_index(X[0], X[1], where, name)
    else:
        A = sp.coo_array(X) if sp.issparse(X) else _from_dense(X, where, name)
    A = _with_float_weights(A, where, name)
    if A.shape[0] == 0 or 0 in A.shape:
        raise ValueError(f"{where}: {name} has no nodes (shape {A.shape}); at least 1 is required.")
    if A.shape[0] != A.shape[1]:
        raise ValueError(
            f"{where} needs a square adjacency, but {name} has shape {A.shape}. For a table of "
            "points build one first, for example with sklearn.neighbors.kneighbors_graph; for a "
            "list of edges give integers of shape (2, n_edges), or a DataFrame with the columns "
            "source and target."
        )
    if not np.isfinite(A.data).all():
        raise ValueError(f"{where}: {name} contains NaN or infinity among its weights.")
    check_magnitude(A, power=1, name=where, input_name=name, like=np.float64)
    if (A.data < 0).any():
        raise ValueError(
            f"{where}: {name} has {int((A.data < 0).sum())} negative weights, and a normalised "
            "Laplacian needs weights of 0 or more. Take absolute values, or similarities."
        )
    return NamedGraph(_symmetric(A, where, name), names)


def _is_row(x: Any) -> bool:
    """Whether ``x`` could be a row of a matrix: numbers in a list, or a 1-D array."""
    if isinstance(x, list | tuple):
        return all(np.isscalar(entry) for entry in x)
    return isinstance(x, np.ndarray) and x.ndim == 1


def _is_edge_pair(X: Any) -> bool:
    """Whether ``X`` is the tuple (edge_index, n_nodes)."""
    return (
        isinstance(X, tuple)
        and len(X) == 2
        and isinstance(X[1], int | np.integer)
        and not isinstance(X[1], bool)
    )


def _from_edge_index(edges: Any, n_nodes: int | None, where: str, name: str) -> sp.coo_array:
    edges = to_numpy(edges) if is_array(edges) else np.asarray(edges)
    if edges.size == 0:
        edges = np.empty((2, 0), dtype=int)
    if edges.ndim != 2 or edges.shape[0] != 2 or edges.dtype.kind not in "iu":
        raise ValueError(
            f"{where}: the edges of {name} have shape {edges.shape} and dtype {edges.dtype}, but "
            "edge_index holds integers of shape (2, n_edges)."
        )
    n_nodes = (int(edges.max()) + 1 if edges.size else 0) if n_nodes is None else int(n_nodes)
    if edges.size and (edges.min() < 0 or edges.max() >= n_nodes):
        raise ValueError(
            f"{where}: the edges of {name} name nodes {edges.min()} to {edges.max()}, but nodes "
            f"are numbered from 0 to n_nodes - 1 = {n_nodes - 1}."
        )
    return sp.coo_array((np.ones(edges.shape[1]), (edges[0], edges[1])), shape=(n_nodes, n_nodes))


def _from_dense(X: Any, where: str, name: str) -> sp.coo_array:
    given = type(X).__name__
    X = host_matrix(X, where=where, name=name)
    if X.ndim == 2 and X.shape[0] == 2 != X.shape[1] and X.dtype.kind in "iu":
        return _from_edge_index(X, None, where, name)
    if X.ndim != 2:
        raise ValueError(
            f"{where}: {name} is a {X.ndim}D array of type {given}. Give a sparse or "
            "dense square adjacency, a networkx or igraph graph, a DataFrame, edge_index of shape "
            "(2, n_edges), (edge_index, n_nodes), or a list of these."
        )
    return sp.coo_array(X)


def host_matrix(X: Any, *, where: str, name: str) -> np.ndarray:
    """Return a dense array of any library, list or DataFrame as numbers that SciPy can hold.

    Float16 becomes float32, bytes come in the order of this machine, and missing entries are NaN.
    Raises ValueError if entries are masked or not numeric.
    """
    refuse_masked(X, name=where, input_name=name)
    X = to_numpy(X) if is_array(X) else np.asarray(X)
    X = X.astype(np.float32) if X.dtype == np.float16 else X
    if X.dtype.kind not in "biufc":
        try:
            if X.dtype.kind == "O":
                X = np.array([np.nan if is_missing(v) else v for v in X.flat]).reshape(X.shape)
            X = X.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where}: the entries of {name} are not numeric: {error}") from error
    return X.astype(X.dtype.newbyteorder("="), copy=False)


def _with_float_weights(A: sp.coo_array, where: str, name: str) -> sp.coo_array:
    """Weights as float32 if they are so already (or float16), else as float64."""
    if A.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {where} was given {name} of {A.dtype}.")
    if A.dtype.kind not in "biuf":
        raise ValueError(f"{where}: the weights of {name} are not numeric but of dtype {A.dtype}.")
    narrow = A.dtype.kind == "f" and A.dtype.itemsize <= 4
    return A.astype(np.float32 if narrow else np.float64)


def _symmetric(A: sp.coo_array, where: str, name: str) -> sp.csr_array:
    """CSR without duplicates and zeros; differences of rounding size are averaged away."""
    A = sp.csr_array(A, copy=True)
    A.sum_duplicates()
    A.eliminate_zeros()
    if max(A.nnz, A.shape[0]) < np.iinfo(np.int32).max:  # graph routines of SciPy want 32 bits
        A.indices, A.indptr = A.indices.astype(np.int32), A.indptr.astype(np.int32)
    difference = abs(A - A.T)
    gap, largest = difference.max() if A.nnz else 0.0, A.data.max(initial=0)
    if gap > 1e2 * np.finfo(A.dtype).eps * largest:
        raise ValueError(
            f"{where}: {name} is not symmetric: {int((difference.data > 0).sum()) // 2} pairs of "
            f"nodes have two weights, up to {gap:.3g} apart. Symmetrise it, for example with (A + "
            "A.T) / 2; edge_index must list both directions of each edge."
        )
    return A if gap == 0 else sp.csr_array((A + A.T) / 2)
