"""Attributes of nodes: how columns become values that a node has or has not."""

from __future__ import annotations

from datetime import date, time, timedelta
from numbers import Number
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import validate_data

from .._base import warn
from .._checks.columns import is_missing
from .._checks.table import check_samples
from ..functional.graph.attribute_graph import measurement_knots, measurement_values

__all__ = ["AttributeColumns", "check_attributes"]

_KINDS = {**dict.fromkeys("iuf", "measurement"), **dict.fromkeys("mM", "date"), "c": "complex"}
_UNLIKE = 100.0  # of mean weights of columns: beyond it they are no counts of one kind


class AttributeColumns(NamedTuple):
    """How columns of attributes became values, in fit."""

    kinds: dict[Any, str] | None
    """By column of a DataFrame: "category", "measurement", "weight" or "constant"."""
    known: tuple[np.ndarray | None, ...]
    """By column: sorted categories, knots of a measurement, or None for weights."""
    kept: np.ndarray
    """Values that do not stand alike at all nodes, as a mask."""
    unit: np.ndarray
    """What counts as one: the mean of all weights, 1 for categories and measurements."""

    def said(self) -> list[str]:
        """One line for each column of a DataFrame."""
        if self.kinds is None:
            return []
        told = {
            "category": "a category of {} values",
            "measurement": "a measurement, between {} knots",
            "weight": "weights of a value",
            "constant": "a constant, and left out",
        }
        return [
            f"attribute {name!r} was read as {told[kind].format(0 if k is None else len(k))}"
            for (name, kind), k in zip(self.kinds.items(), self.known, strict=True)
        ]


def check_attributes(
    estimator: Any, X: Any, *, columns: AttributeColumns | None = None, method: str = "fit"
) -> tuple[sp.csr_array, AttributeColumns]:
    """Check node attributes; return values present (n, m), and how columns were read.

    Numbers of an array, a sparse matrix or a sparse column are weights of values, as in a bag of
    words: 0 is absent. Numbers of a DataFrame are measurements, mixtures of two knots. Words,
    categories and booleans become one value for each that occurs; ones unseen in fit are absent.

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
        Float64, without stored zeros and values that all nodes have alike; weights have mean 1.
    columns : AttributeColumns
        How they were read.

    Raises
    ------
    ValueError
        If entries are missing, not finite, complex, dates or negative weights, or there are none,
        or all nodes have the same.
    """
    where = f"{type(estimator).__name__}.{method}()"
    kinds, known = None, ()
    framed = hasattr(X, "columns") and not sp.issparse(X)
    if columns is not None and columns.kinds is not None and not framed:
        raise ValueError(
            f"{where}: fit had attributes in a DataFrame, whose columns were read as "
            f"{', '.join(sorted(set(columns.kinds.values())))}. Give a DataFrame with the same "
            "columns."
        )
    if framed and (columns is None or columns.kinds is not None):
        validate_data(estimator, X, reset=method == "fit", skip_check_array=True)
        given, kinds, known = _from_frame(X, columns, where)
    else:
        table = check_samples(
            estimator, X, reset=method == "fit", accept_sparse="csr", method=method
        )
        given = sp.csr_array(table, dtype=np.float64, copy=True)
    given.eliminate_zeros()
    if given.nnz and given.data.min() < 0:
        raise ValueError(
            f"{where}: attributes hold negative numbers. A number of an array or a sparse column "
            "is the weight of a value that the node has. Give measurements as columns of a "
            "DataFrame, or fit the table without adjacency."
        )
    if columns is None:
        columns = _reading(given, kinds, known, where)
    attributes = sp.csr_array(given @ sp.diags_array(columns.kept / columns.unit))
    attributes.eliminate_zeros()
    return attributes, columns


def _reading(
    given: sp.csr_array, kinds: dict[Any, str] | None, known: tuple[Any, ...], where: str
) -> AttributeColumns:
    """What fit keeps of the attributes; refuses those that say nothing."""
    if given.nnz == 0:
        raise ValueError(
            f"{where}: no node has any attribute: all are 0. Give the adjacency alone, with "
            "affinity='precomputed'."
        )
    n, by_value = given.shape[0], sp.csc_array(given)
    counts = np.diff(by_value.indptr)
    sums = np.asarray(given.sum(axis=0)).ravel()
    kept = np.ones(given.shape[1], dtype=bool)
    for j in np.flatnonzero(counts == n):
        own = by_value.data[by_value.indptr[j] : by_value.indptr[j + 1]]
        kept[j] = own.min() < own.max()
    if not (kept & (counts > 0)).any():
        raise ValueError(
            f"{where}: all nodes have the same attributes, so they tell nothing apart. Give the "
            "adjacency alone, with affinity='precomputed'."
        )
    there = kept & (counts > 0)
    weighted = np.ones(len(kept), dtype=bool)
    if kinds is not None:
        widths = [
            1 if k is None or kind == "constant" else len(k)
            for kind, k in zip(kinds.values(), known, strict=True)
        ]
        weighted = np.repeat([kind == "weight" for kind in kinds.values()], widths)
    there &= weighted
    unit = np.ones(len(kept))
    if there.any():
        means = sums[there] / counts[there]
        unit[weighted] = sums[there].sum() / counts[there].sum()
        if means.max() > _UNLIKE * np.median(means):
            column = int(np.flatnonzero(there)[means.argmax()])
            warn(
                f"{where}: numbers of an array are weights of values, as counts of words, and "
                f"value {column} weighs {means.max() / np.median(means):.3g} times as much as the "
                "median: it will decide alone. Bring the columns to one scale; give measurements "
                "as numeric columns of a DataFrame, whose scale does not matter."
            )
    return AttributeColumns(kinds, known, kept, unit)


def _from_frame(
    X: Any, columns: AttributeColumns | None, where: str
) -> tuple[sp.csr_array, dict[Any, str], tuple[Any, ...]]:
    """One block of values for each column of a DataFrame (pandas or polars)."""
    blocks, kinds, known = [], {}, []
    for place, name in enumerate(X.columns):
        series = X.iloc[:, place] if hasattr(X, "iloc") else X[:, place]
        kind, found = _kind(series), None
        values = series.to_numpy()
        missing = np.array([is_missing(v) for v in values.tolist()])
        if missing.any():
            raise ValueError(
                f"{where}: attribute {name!r} is missing (NaN, NA or None) for "
                f"{int(missing.sum())} nodes, the first at row {int(missing.argmax())}. Fill it "
                "in, for example with a value of its own."
            )
        if kind == "complex":
            raise ValueError(
                f"{where}: attribute {name!r} is complex. Give real and imaginary part as two "
                "columns."
            )
        if kind == "date":
            raise ValueError(
                f"{where}: attribute {name!r} holds dates or durations. Turn it into a number, "
                "such as days since the first, or into a category, such as the year."
            )
        if columns is not None:
            then = tuple(columns.kinds.values())[place] if columns.kinds else "weight"
            if (kind == "category") != (then == "category") and then != "constant":
                raise ValueError(
                    f"{where}: attribute {name!r} was read as a {then} in fit, but now it is a "
                    f"{kind}. Give it the dtype that it had."
                )
            kind, found = then, columns.known[place]
        block, kind, found = _block(values, kind, found, name, where)
        blocks.append(block)
        kinds[name] = kind
        known.append(found)
    if columns is None:
        _warn_of_words(X, kinds, where)
    return sp.csr_array(sp.hstack(blocks)), kinds, tuple(known)


def _kind(series: Any) -> str:
    """How a column is read, by its dtype."""
    dtype = series.dtype
    if str(dtype).startswith("Sparse"):
        return "weight"
    if hasattr(dtype, "is_numeric"):  # polars
        return (
            "measurement" if dtype.is_numeric() else "date" if dtype.is_temporal() else "category"
        )
    if str(dtype) == "object":
        return _kind_of_objects([value for value in series if not is_missing(value)])
    if str(dtype).startswith("period"):
        return "date"
    kind = getattr(dtype, "kind", "O")
    return _KINDS.get(kind, "category")


def _kind_of_objects(values: list[Any]) -> str:
    """How a column of Python objects is read: numbers stay numbers, dates stay dates."""
    if values and all(isinstance(v, date | time | timedelta | np.datetime64) for v in values):
        return "date"
    numeric = all(isinstance(v, Number) and not isinstance(v, bool | np.bool_) for v in values)
    if not values or not numeric:
        return "category"
    return "complex" if any(isinstance(v, complex) for v in values) else "measurement"


def _word(value: Any) -> str:
    """Name of a category: the number 1 is the same whether it was held as an int or a float."""
    whole = isinstance(value, float | np.floating) and float(value).is_integer()
    return str(int(value)) if whole else str(value)


def _block(
    values: np.ndarray, kind: str, known: np.ndarray | None, name: Any, where: str
) -> tuple[sp.csr_array, str, np.ndarray | None]:
    """Values that the nodes have by one column, how it was read, and what it may hold."""
    n = len(values)
    if kind == "weight":
        return sp.csr_array(values.astype(np.float64)[:, None]), kind, None
    if kind == "measurement":
        values = values.astype(np.float64)
        if not np.isfinite(values).all():
            raise ValueError(f"{where}: attribute {name!r} holds infinity. Give finite numbers.")
        known = measurement_knots(values) if known is None else known
        if len(known) > 1:
            return measurement_values(values, known), kind, known
    elif kind == "category":
        words = np.array([_word(value) for value in values.tolist()], dtype=object)
        if known is not None and len(words) and not np.isin(words, known).any():
            warn(
                f"{where}: no value of attribute {name!r} occurred in fit: it has {words[0]!r}, "
                f"there it had {known[0]!r}. Values unseen in fit tell nothing."
            )
        known = np.unique(words) if known is None else known
        if len(known) > 1:
            index = np.searchsorted(known, words).clip(max=len(known) - 1)
            rows = np.flatnonzero(known[index] == words)
            entries = (np.ones(len(rows)), (rows, index[rows]))
            return sp.csr_array(entries, shape=(n, len(known))), kind, known
    return sp.csr_array((n, 1)), "constant", known


def _warn_of_words(X: Any, kinds: dict[Any, str], where: str) -> None:
    """Say so if measurements look like counts of words."""
    measured = [place for place, kind in enumerate(kinds.values()) if kind == "measurement"]
    if len(measured) < 3:
        return
    looks = 0
    for place in measured:
        values = (X.iloc[:, place] if hasattr(X, "iloc") else X[:, place]).to_numpy()
        counts = np.all(values >= 0) and np.all(values == np.round(values.astype(np.float64)))
        looks += bool(counts and np.mean(values == 0) > 0.5)
    if 2 * looks > len(measured):
        warn(
            f"{where}: {looks} of {len(measured)} numeric columns are counts, most of them 0. "
            "Numbers of a DataFrame are read as measurements. If they are words that a node has or "
            "has not, give X.to_numpy() or a sparse matrix; categories in one column of dtype "
            "category."
        )
