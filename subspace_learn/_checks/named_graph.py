"""Graphs whose vertices have names: networkx, igraph, DataFrames; and matching by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from .columns import is_missing

__all__ = ["aligned_frame", "named_graph", "places_of", "refuse_graph"]

_ENDS = (("source", "target"), ("from", "to"), ("src", "dst"))  # columns of a list of edges


def named_graph(X: Any, *, where: str, name: str) -> tuple[Any, list[Any] | None]:
    """Return the adjacency of a graph object or DataFrame, not checked yet, and the names.

    See :func:`subspace_learn._checks.graph.check_graph` for what it may be.
    """
    if all(hasattr(X, word) for word in ("nodes", "edges", "is_directed")):
        return _from_networkx(X, where, name)
    if all(hasattr(X, word) for word in ("vs", "es", "is_directed")):
        return _from_igraph(X, where, name)
    if not hasattr(X, "columns"):  # a graph of an unknown library
        return X, None
    if (ends := _columns_of_ends(X)) is not None:
        return _from_list_of_edges(X, ends, where, name)
    return aligned_frame(X, where=where, name=name)


def refuse_graph(X: Any, *, where: str, cure: str) -> None:
    """Raise ValueError if ``X`` is a graph or a list of edges, and no table."""
    if hasattr(X, "edges") or hasattr(X, "es"):
        what = f"a graph ({type(X).__module__.partition('.')[0]})"
    elif isinstance(X, tuple) and len(X) == 2 and np.ndim(X[1]) == 0:
        what = "the edges of a graph"
    elif (ends := _columns_of_ends(X)) is not None:
        what = f"a list of edges (columns {list(ends)})"
    else:
        return
    raise ValueError(f"{where} was given {what}, not a table. {cure}")


def _columns_of_ends(X: Any) -> tuple[str, str] | None:
    """Names of the columns of a DataFrame that hold the two ends of each edge."""
    if not hasattr(X, "columns"):
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


def _from_list_of_edges(
    X: Any, columns: tuple[str, str], where: str, name: str
) -> tuple[sp.coo_array, list[Any]]:
    """A DataFrame with one row for each edge; vertices in the order of their names."""
    first, second = columns
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
    spelt = {str(vertex): vertex for vertex in found}
    if len(spelt) < len(found):  # a table read from files of two kinds
        twin = next(vertex for vertex in found if spelt[str(vertex)] != vertex)
        raise ValueError(
            f"{where}: {name} names {twin!r} and {spelt[str(twin)]!r}, which would be two "
            f"vertices. Give the columns {first!r} and {second!r} one dtype."
        )
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
    w = w.astype(np.float64) if w.dtype.kind in "Obiu" else w
    i = np.array([index[a] for a in rows], dtype=int)
    j = np.array([index[b] for b in columns], dtype=int)
    if mirrored:
        other = i != j  # a self-loop counts once
        i, j = np.concatenate([i, j[other]]), np.concatenate([j, i[other]])
        w = np.concatenate([w, w[other]])
    return sp.coo_array((w, (i, j)), shape=(len(index),) * 2)


def aligned_frame(X: Any, *, where: str, name: str) -> tuple[Any, list[Any] | None]:
    """Return a square DataFrame as a matrix, columns in the order of its index, and the names.

    Raises ValueError if index and columns name other vertices. Counting from 0 is no name.
    """
    columns, n = list(X.columns), len(X)
    names = list(X.index) if hasattr(X, "index") else list(range(n))
    if names == list(range(n)) and len(columns) == n:
        names = columns
    if columns == list(range(n)) or list(map(str, names)) == list(map(str, columns)):
        order = None
    elif len(columns) != n:  # said below, as of every form that is not square
        return X.to_numpy(), None
    else:
        order = places_of(
            names, columns, where=where, whose=f"the columns of {name}", whose_names="its index"
        )
    sparse = columns and all(hasattr(dtype, "fill_value") for dtype in X.dtypes)
    A = sp.csr_array(X.sparse.to_coo()) if sparse else X.to_numpy()
    return (A if order is None else A[:, order]), names


def places_of(
    names: list[Any], given: list[Any], *, where: str, whose: str, whose_names: str
) -> list[int]:
    """Return where in ``given`` each of the names stands; ValueError unless both hold the same."""
    place, known = {entry: i for i, entry in enumerate(given)}, set(names)
    strange = [entry for entry in given if entry not in known]
    lacking = [entry for entry in names if entry not in place]
    if strange or lacking or len(given) > len(place) or len(names) > len(known):
        which = "some stand twice"
        if strange:
            which = f"{len(strange)} of the former are not among the latter, such as {strange[0]!r}"
        elif lacking:
            which = f"{len(lacking)} of the latter are not among the former, such as {lacking[0]!r}"
        raise ValueError(
            f"{where}: {whose} and {whose_names} must hold the same names, each once, in any "
            f"order, but {which}. Give both the same names; or give numbers without names "
            "(to_numpy()), in one order."
        )
    return [place[entry] for entry in names]
