"""Chunks of labelled rows: what each says of its classes, and how that adds up."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone

from .._array import Array, array_namespace
from .._checks.merging import check_same_columns
from ..functional.grassmann.nearest_subspace import (
    ColumnStatistics,
    column_statistics,
    merged_statistics,
    row_energy,
)

__all__ = ["SeenClasses", "added_classes", "class_energies", "classes_of_chunk"]


class SeenClasses(NamedTuple):
    """What chunks say before any subspace is known."""

    estimator: Any
    """A clone that has seen the columns."""
    dtype: Any
    """Of the rows."""
    rows: ColumnStatistics
    """Of all rows."""
    labels: np.ndarray
    """Class labels, sorted."""
    counts: list[int]
    """Rows of each class."""
    of_class: list[ColumnStatistics]
    """Statistics of the rows of each class."""


def classes_of_chunk(
    X: Any, *, estimator: Any, y: Any, sample_weight: Any = None
) -> SeenClasses | None:
    """Columns and classes of one chunk; None if no row of it counts."""
    if _counts_nothing(sample_weight):
        return None
    estimator = clone(estimator)
    table = estimator._table(X, y, sample_weight, reset=True, method="partial_fit")
    labels, codes = np.unique(table.labels, return_inverse=True)
    rows = [np.flatnonzero(codes == c) for c in range(len(labels))]
    return SeenClasses(
        estimator,
        table.X.dtype,
        column_statistics(table.X, table.weights),
        labels,
        [len(members) for members in rows],
        [
            column_statistics(
                table.X[members], None if table.weights is None else table.weights[members]
            )
            for members in rows
        ],
    )


def _counts_nothing(sample_weight: Any) -> bool:
    return sample_weight is not None and not bool((sample_weight != 0).any())


def added_classes(a: SeenClasses, b: SeenClasses) -> SeenClasses:
    """What two chunks say together."""
    check_same_columns(a.estimator, b.estimator)
    labels = np.unique(np.concatenate([a.labels, b.labels]))
    counts, of_class = [], []
    for label in labels:
        parts = [
            (seen.counts[i], seen.of_class[i])
            for seen in (a, b)
            for i in np.flatnonzero(seen.labels == label)
        ]
        counts.append(sum(count for count, _ in parts))
        first, *others = (statistics for _, statistics in parts)
        of_class.append(merged_statistics(first, *others) if others else first)
    rows = merged_statistics(a.rows, b.rows)
    return SeenClasses(a.estimator, max(a.dtype, b.dtype), rows, labels, counts, of_class)


def class_energies(X: Any, *, estimator: Any, y: Any, sample_weight: Any = None) -> Array | None:
    """Second moments of each class, of rows as a fitted origin makes them comparable."""
    if _counts_nothing(sample_weight):
        return None
    table = copy.copy(estimator)._table(X, y, sample_weight, reset=True, method="partial_fit")
    codes = np.searchsorted(estimator.classes_, table.labels)
    rows = estimator._comparable(table.X, codes)
    members = [np.flatnonzero(codes == c) for c in range(len(estimator.classes_))]
    energies = [
        row_energy(rows[m], None if table.weights is None else table.weights[m]) for m in members
    ]
    return array_namespace(energies[0]).stack(energies)
