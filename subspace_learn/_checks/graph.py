"""What a graph may be: one check that turns what users hold into symmetric CSR adjacencies."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from .._array import is_array, to_numpy
from .columns import is_missing, refuse_masked
from .magnitude import check_magnitude

__all__ = [
    "NamedGraph",
    "aligned_frame",
    "check_graph",
    "check_graphs",
    "host_matrix",
    "places_of",
    "refuse_graph",
]

_ENDS = (("source", "target"), ("from", "to"), ("src", "dst"))  # columns of a list of edges


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
    if all(hasattr(X, word) for word in ("nodes", "edges", "is_directed")):
        A, names = _from_networkx(X, where, name)
    elif all(hasattr(X, word) for word in ("vs", "es", "is_directed")):
        A, names = _from_igraph(X, where, name)
    elif _is_edge_pair(X):
        A = _from_edge_index(X[0], X[1], where, name)
    elif _columns_of_ends(X) is not None:
        A, names = _from_list_of_edges(X, where, name)
    elif sp.issparse(X):
        A = sp.coo_array(X)
    elif hasattr(X, "columns") and not is_array(X):
        A, names = aligned_frame(X, where=where, name=name)
    else:
        A = _from_dense(X, where, name)
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


def refuse_graph(X: Any, *, where: str, cure: str) -> None:
    """Raise ValueError if ``X`` is a graph or a list of edges, where a table is asked for."""
    if hasattr(X, "edges") or hasattr(X, "es"):
        what = f"a graph ({type(X).__module__.partition('.')[0]})"
    elif _is_edge_pair(X):
        what = "the edges of a graph"
    elif _columns_of_ends(X) is not None:
        what = f"a list of edges (columns {list(_columns_of_ends(X))})"
    else:
        return
    raise ValueError(f"{where} was given {what}, but a table of points was expected. {cure}")


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


def _columns_of_ends(X: Any) -> tuple[str, str] | None:
    """Names of the columns of a DataFrame that hold the two ends of each edge."""
    if is_array(X) or sp.issparse(X) or not hasattr(X, "columns"):
        return None
    columns = set(map(str, X.columns))
    # an adjacency of two vertices that are called source and target is no list of edges
    square = len(X) == len(columns) and set(map(str, getattr(X, "index", ()))) == columns
    return None if square else next((ends for ends in _ENDS if columns >= set(ends)), None)


def _refuse_directed(X: Any, where: str, name: str, cure: str) -> None:
    if X.is_directed():
        raise ValueError(
            f"{where}: {name} is directed, and only undirected graphs have a symmetric Laplacian. "
            f"Give {cure}."
        )


def _from_networkx(X: Any, where: str, name: str) -> tuple[sp.coo_array, list[Any]]:
    _refuse_directed(X, where, name, "graph.to_undirected()")
    names = list(X.nodes)
    edges = [(a, b, 1 if w is None else w) for a, b, w in X.edges(data="weight")]
    return _from_edges(names, edges, where, name), names


def _from_igraph(X: Any, where: str, name: str) -> tuple[sp.coo_array, list[Any] | None]:
    _refuse_directed(X, where, name, "graph.as_undirected(combine_edges='sum')")
    named, weighted = "name" in X.vs.attributes(), "weight" in X.es.attributes()
    names = list(X.vs["name"]) if named else list(range(X.vcount()))
    weights = X.es["weight"] if weighted else [1] * X.ecount()
    ends = ((names[a], names[b]) for a, b in X.get_edgelist())
    edges = [(a, b, w) for (a, b), w in zip(ends, weights, strict=True)]
    return _from_edges(names, edges, where, name), names


def _from_list_of_edges(X: Any, where: str, name: str) -> tuple[sp.coo_array, list[Any]]:
    """A DataFrame with one row for each edge; vertices in the order of their names."""
    first, second = _columns_of_ends(X)
    others = [str(c) for c in X.columns if str(c) not in (first, second, "weight")]
    weighted = "weight" in X.columns
    if others and not weighted:
        raise ValueError(
            f"{where}: {name} is a list of edges with the columns {first!r}, {second!r} and "
            f"{others}, none of which is called 'weight'. Rename the one that holds the weights, "
            "or drop them: then each edge weighs 1."
        )
    ends = [X[column].to_list() for column in (first, second)]
    for column, values in zip((first, second), ends, strict=True):
        missing = [row for row, value in enumerate(values) if is_missing(value)]
        if missing:
            raise ValueError(
                f"{where}: {name} has {len(missing)} edges without an entry in {column!r}, the "
                f"first in row {missing[0]}. Drop these rows."
            )
    weights = X["weight"].to_list() if weighted else [1] * len(ends[0])
    found = set(ends[0]) | set(ends[1])
    try:
        names = sorted(found)
    except TypeError:  # numbers and words
        names = sorted(found, key=lambda value: (type(value).__name__, str(value)))
    A = _from_edges(names, list(zip(*ends, weights, strict=True)), where, name, mirrored=False)
    there = sp.csr_array(A)
    if abs(there - there.T).max() == 0 and np.any(A.coords[0] != A.coords[1]):
        return A, names  # each edge stands in it in both directions
    mirror = sp.coo_array(there.T - sp.diags_array(there.diagonal()))
    return sp.coo_array(there + mirror), names


def _from_edges(
    names: list[Any], edges: list[Any], where: str, name: str, *, mirrored: bool = True
) -> sp.coo_array:
    """Entries of the edges (a, b, weight), with their mirror images if ``mirrored``."""
    index = {vertex: i for i, vertex in enumerate(names)}
    if len(index) < len(names):
        twice = next(vertex for vertex in names if names.count(vertex) > 1)
        raise ValueError(f"{where}: {name} has several vertices of the name {twice!r}.")
    for a, b, w in edges:
        number = np.isscalar(w) or hasattr(w, "__float__") or is_missing(w)
        if isinstance(w, str | bytes) or not number:
            raise ValueError(
                f"{where}: the weight of the edge from {a!r} to {b!r} in {name} is {w!r}, not "
                "numeric. Give numbers of 0 or more: larger ones for closer vertices."
            )
    rows, columns, weights = zip(*edges, strict=True) if edges else ((), (), ())
    w = np.array([np.nan if is_missing(value) else value for value in weights])
    w = w.astype(np.float64) if w.dtype.kind == "O" else w
    i = np.array([index[a] for a in rows], dtype=int)
    j = np.array([index[b] for b in columns], dtype=int)
    if mirrored:
        other = i != j  # a self-loop counts once
        i, j = np.concatenate([i, j[other]]), np.concatenate([j, i[other]])
        w = np.concatenate([w, w[other]])
    return sp.coo_array((w, (i, j)), shape=(len(index),) * 2)


def _from_edge_index(edges: Any, n_nodes: int | None, where: str, name: str) -> sp.coo_array:
    edges = to_numpy(edges) if is_array(edges) else np.asarray(edges)
    if edges.size == 0:
        edges = np.empty((2, 0), dtype=int)
    if edges.ndim != 2 or edges.shape[0] != 2 or edges.dtype.kind not in "iu":
        raise ValueError(
            f"{where}: the edges of {name} have shape {edges.shape} and dtype {edges.dtype}, but "
            "edge_index holds integers of shape (2, n_edges)."
        )
    n_nodes = int(edges.max(initial=-1)) + 1 if n_nodes is None else int(n_nodes)
    if edges.size and (edges.min() < 0 or edges.max() >= n_nodes):
        raise ValueError(
            f"{where}: the edges of {name} name nodes {edges.min()} to {edges.max()}, but nodes "
            f"are numbered from 0 to n_nodes - 1 = {n_nodes - 1}."
        )
    return sp.coo_array((np.ones(edges.shape[1]), (edges[0], edges[1])), shape=(n_nodes, n_nodes))


def aligned_frame(X: Any, *, where: str, name: str) -> tuple[sp.coo_array, list[Any] | None]:
    """Return the entries of a square DataFrame, columns in the order of its index, and the names.

    Raises ValueError if index and columns name other vertices. Counting from 0 is no name.
    """
    columns, n = list(X.columns), len(X)
    names = list(X.index) if hasattr(X, "index") else list(range(n))
    if names == list(range(n)) and len(columns) == n:
        names = columns
    if columns == list(range(n)) or list(map(str, names)) == list(map(str, columns)):
        order = None
    elif len(columns) != n:  # said below, as of every form that is not square
        return sp.coo_array(host_matrix(X, where=where, name=name)), None
    else:
        order = places_of(names, columns, where=where, whose=f"the columns of {name}")
    sparse = hasattr(X, "sparse") and all(hasattr(dtype, "fill_value") for dtype in X.dtypes)
    A = sp.csr_array(X.sparse.to_coo() if sparse else host_matrix(X, where=where, name=name))
    return sp.coo_array(A if order is None else A[:, order]), names


def places_of(names: list[Any], given: list[Any], *, where: str, whose: str) -> list[int]:
    """Return where in ``given`` each of the names stands; ValueError unless both hold the same."""
    place = {entry: i for i, entry in enumerate(given)}
    known = set(names)
    strange = [entry for entry in given if entry not in known]
    lacking = [entry for entry in names if entry not in place]
    if strange or lacking or len(given) > len(place):
        which = (
            f"{len(strange)} of them name nothing there, such as {strange[0]!r}"
            if strange
            else f"{len(lacking)} vertices are not among them, such as {lacking[0]!r}"
            if lacking
            else "some stand twice"
        )
        raise ValueError(
            f"{where}: {whose} must be the names of the vertices, each once, in any order, but "
            f"{which}. Set them to these names; or give numbers without names (to_numpy()), in the "
            "order of the vertices."
        )
    return [place[entry] for entry in names]


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
