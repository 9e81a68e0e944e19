"""What SpectralAMGClustering takes: tables, graphs, attributes; as sparse matrices."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_array, validate_data

from .._checks.graph import check_graph
from .._checks.table import check_samples

__all__ = ["AttributeColumns", "check_adjacency", "check_attributes", "check_edges"]


def check_adjacency(estimator: Any, X: Any, *, name: str = "the graph") -> sp.csr_array:
    """Check a graph to fit: as :func:`check_graph`, and it must have an edge."""
    adjacency = check_graph(X, where=f"{type(estimator).__name__}.fit()", name=name)
    if adjacency.nnz == 0:
        raise ValueError(
            f"{type(estimator).__name__}.fit(): {name} of {adjacency.shape[0]} nodes has no edges, "
            "so there is nothing to cluster by. Give edges, attributes or points."
        )
    return adjacency


def check_edges(
    estimator: Any, X: Any, n_nodes: int, *, method: str, n_new: int | None = None
) -> sp.csr_array:
    """Check edges from new nodes to the fitted ones: shape (n_new, n_nodes), nonnegative."""
    where = f"{type(estimator).__name__}.{method}()"
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
    if n_new is not None and edges.shape[0] != n_new:
        raise ValueError(
            f"{where}: X has {n_new} rows, but adjacency has shape {edges.shape}. Give one row of "
            "edges to the fitted nodes for each row of X."
        )
    if edges.nnz and edges.data.min() < 0:
        raise ValueError(f"{where}: edges have negative weights. Give weights of 0 or more.")
    return edges


class AttributeColumns(NamedTuple):
    """How columns of a table became values: the categories of each, or None for numbers."""

    names: tuple[Any, ...]
    """Of the columns."""
    categories: tuple[np.ndarray | None, ...]
    """Sorted values of each categorical column."""


def check_attributes(
    estimator: Any, X: Any, *, columns: AttributeColumns | None = None, method: str = "fit"
) -> tuple[sp.csr_array, AttributeColumns | None]:
    """Check node attributes; return values present (n, m), and how columns were read.

    Numbers are weights of values, as in a bag of words: 0 is absent. Words, categories and booleans
    of a DataFrame become one value for each that occurs; ones unseen in fit are absent.

    Parameters
    ----------
    estimator : estimator
        Gets ``n_features_in_`` in fit, is compared with later.
    X : array, sparse matrix or DataFrame of shape (n, n_features)
        Attributes.
    columns : AttributeColumns, default=None
        From fit.
    method : str, default="fit"
        Caller.

    Returns
    -------
    attributes : csr_array of shape (n, m)
        Float64, without stored zeros.
    columns : AttributeColumns or None
        None for tables of numbers.

    Raises
    ------
    ValueError
        If values are missing or negative, or there are none.
    """
    where = f"{type(estimator).__name__}.{method}()"
    reset = method == "fit"
    if hasattr(X, "columns") and not hasattr(X, "sparse"):
        validate_data(estimator, X, reset=reset, skip_check_array=True)
        attributes, columns = _from_frame(X, columns, where)
    else:
        if hasattr(X, "columns"):  # pandas, all columns sparse
            validate_data(estimator, X, reset=reset, skip_check_array=True)
            X = X.sparse.to_coo()
            reset = False
        table = check_samples(estimator, X, reset=reset, accept_sparse="csr", method=method)
        attributes = sp.csr_array(table, dtype=np.float64, copy=True)
    attributes.eliminate_zeros()
    if attributes.nnz and attributes.data.min() < 0:
        raise ValueError(
            f"{where}: attributes hold negative numbers. A number is the weight of a value that "
            "the node has; cut other numeric columns into intervals first, for example with "
            "sklearn.preprocessing.KBinsDiscretizer, or fit the table without adjacency."
        )
    if method == "fit" and attributes.nnz == 0:
        raise ValueError(
            f"{where}: no node has any attribute: all are 0. Give the adjacency alone, with "
            "affinity='precomputed'."
        )
    return attributes, columns


def _from_frame(
    X: Any, columns: AttributeColumns | None, where: str
) -> tuple[sp.csr_array, AttributeColumns]:
    """One block of values for each column of a DataFrame (pandas or polars)."""
    blocks, seen = [], []
    for place, name in enumerate(X.columns):
        values = X[name].to_numpy()
        missing = np.array([v is None or v != v for v in values.tolist()])
        if missing.any():
            raise ValueError(
                f"{where}: attribute {name!r} is missing (NaN or None) for {int(missing.sum())} "
                f"nodes, the first at row {int(missing.argmax())}. Fill it in, for example with a "
                "value of its own."
            )
        if values.dtype.kind in "iuf":
            blocks.append(sp.csr_array(values.astype(np.float64)[:, None]))
            seen.append(None)
            continue
        words = np.array([str(value) for value in values.tolist()], dtype=object)
        known = np.unique(words) if columns is None else columns.categories[place]
        if known is None:
            raise ValueError(f"{where}: attribute {name!r} is not numeric, as it was in fit.")
        index = np.searchsorted(known, words).clip(max=len(known) - 1)
        present = known[index] == words
        rows = np.flatnonzero(present)
        ones = np.ones(len(rows))
        shape = (len(words), len(known))
        blocks.append(sp.csr_array((ones, (rows, index[present])), shape=shape))
        seen.append(known)
    return sp.csr_array(sp.hstack(blocks)), AttributeColumns(tuple(X.columns), tuple(seen))
