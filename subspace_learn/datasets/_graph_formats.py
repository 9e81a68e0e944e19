"""The formats that public graphs come in, each read into adjacency, attributes and labels.

Every reader takes ``{file name: path}`` of the originals and gives the parts it finds, by name.
"""

from __future__ import annotations

import collections
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
import scipy.sparse as sp

__all__ = ["geom_gcn", "gml", "matrix_market", "nettack", "one_hot", "planetoid", "undirected"]


def one_hot(codes: np.ndarray) -> tuple[sp.csr_array, list[str]]:
    """Indicators of each value of each column, and their names ``a<column>=<value>``."""
    indicators, names = [], []
    for column, values in enumerate(codes.T):
        for value in np.unique(values):
            indicators.append(values == value)
            names.append(f"a{column}={value}")
    return sp.csr_array(np.column_stack(indicators).astype(np.float32)), names


def undirected(rows: np.ndarray, columns: np.ndarray, n_nodes: int) -> sp.csr_array:
    """Adjacency of the graph with these edges: both directions, merged, no self-loops, ones."""
    keep = rows != columns
    rows, columns = rows[keep], columns[keep]
    pairs = np.unique(np.concatenate([rows * n_nodes + columns, columns * n_nodes + rows]))
    ones = np.ones(len(pairs), dtype=np.float32)
    return sp.csr_array((ones, np.divmod(pairs, n_nodes)), shape=(n_nodes, n_nodes))


def planetoid(originals: Mapping[str, Path]) -> dict[str, Any]:
    """Put allx, tx (and ally, ty) into node order: row i of tx is node ``test_index[i]``."""
    files = {name.removeprefix("ind.cora."): path for name, path in originals.items()}
    allx, ally, tx, ty, graph = (
        _safe_unpickle(files[part]) for part in ("allx", "ally", "tx", "ty", "graph")
    )
    test_index = np.loadtxt(files["test.index"], dtype=np.int64)
    order = np.argsort(np.concatenate([np.arange(len(ally)), test_index]))
    edges = np.array([(node, other) for node, others in graph.items() for other in others])
    return {
        "adjacency": undirected(edges[:, 0], edges[:, 1], len(order)),
        "attributes": sp.vstack([_old_csr(allx), _old_csr(tx)], format="csr")[order],
        "labels": np.vstack([ally, ty])[order].argmax(axis=1).astype(np.int16),
    }


def geom_gcn(originals: Mapping[str, Path]) -> dict[str, Any]:
    """Read Geom-GCN's two tables: directed links, and per node its words as 0/1 and its class."""
    edges = np.loadtxt(originals["out1_graph_edges.txt"], dtype=np.int64, skiprows=1)
    nodes = np.loadtxt(
        originals["out1_node_feature_label.txt"], dtype=str, skiprows=1, delimiter="\t"
    )
    nodes = nodes[np.argsort(nodes[:, 0].astype(np.int64))]
    words = np.array([text.split(",") for text in nodes[:, 1]]).astype(np.float32)
    return {
        "adjacency": undirected(edges[:, 0], edges[:, 1], len(nodes)),
        "attributes": sp.csr_array(words),
        "labels": nodes[:, 2].astype(np.int16),
    }


def nettack(originals: Mapping[str, Path]) -> dict[str, Any]:
    """Read nettack's archive: a directed CSR adjacency in parts, and labels."""
    with np.load(originals["polblogs.npz"], allow_pickle=False) as archive:
        parts = [archive[f"adj_{part}"] for part in ("data", "indices", "indptr")]
        labels = archive["labels"]
    rows, columns = sp.csr_array(tuple(parts), shape=(len(labels),) * 2).nonzero()
    adjacency = undirected(rows.astype(np.int64), columns.astype(np.int64), len(labels))
    return {"adjacency": adjacency, "labels": labels.astype(np.int16)}


def gml(originals: Mapping[str, Path]) -> dict[str, Any]:
    """M. Newman's files: nodes carry an id and a ``value``, a number or a one-letter word."""
    [path] = originals.values()
    text = path.read_text(encoding="utf-8")
    nodes = re.findall(r'\bid\s+(\d+)\s+label\s+"[^"]*"\s+value\s+"?(\w+)', text)
    edges = np.array(re.findall(r"\bsource\s+(\d+)\s+target\s+(\d+)", text)).astype(np.int64)
    ids = np.array([int(node) for node, _ in nodes])
    values = np.array([value for _, value in nodes])[np.argsort(ids)]
    # Words are numbered in sorted order; numbers stay as they are.
    labels = values if values[0].isdigit() else np.unique(values, return_inverse=True)[1]
    return {
        "adjacency": undirected(edges[:, 0], edges[:, 1], len(nodes)),
        "labels": labels.astype(np.int16),
    }


def matrix_market(originals: Mapping[str, Path]) -> dict[str, Any]:
    """Read a Matrix Market graph and a table of integer codes; the first column may be a label."""
    [graph] = [path for name, path in originals.items() if name.endswith(".mtx")]
    [table] = [path for name, path in originals.items() if name.endswith(".txt")]
    codes = np.loadtxt(table, dtype=np.int16, ndmin=2)
    matrix = sp.coo_array(scipy.io.mmread(graph))
    rows, columns = matrix.row.astype(np.int64), matrix.col.astype(np.int64)
    return {
        "adjacency": undirected(rows, columns, len(codes)),
        "attributes": one_hot(codes)[0],
        "labels": codes[:, 0],
        "metadata": codes,
    }


class _OldMatrix:
    """Stands for the SciPy matrix of an old pickle, whose class and layout SciPy may change."""

    shape: tuple[int, int]

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.parts = tuple(state[part] for part in ("data", "indices", "indptr"))
        self.shape = state["_shape"]


class _PlanetoidUnpickler(pickle.Unpickler):
    """Builds arrays, a dict of lists and old CSR matrices; any other name in a pickle raises."""

    _allowed = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        # NumPy's own name for it moved between versions; an array tells where it is.
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("scipy.sparse.csr", "csr_matrix"): _OldMatrix,
        ("collections", "defaultdict"): collections.defaultdict,
        ("__builtin__", "list"): list,  # Python 2's name
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._allowed[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"{module}.{name} is not allowed in a Planetoid file."
            ) from None


def _safe_unpickle(path: Path) -> Any:
    with path.open("rb") as file:
        return _PlanetoidUnpickler(file, encoding="latin1").load()


def _old_csr(matrix: _OldMatrix) -> sp.csr_array:
    return sp.csr_array(matrix.parts, shape=matrix.shape)
