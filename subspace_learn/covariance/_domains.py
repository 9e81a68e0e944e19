"""Stacks of matrices by domain: the rows of a group, and results put back in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._array import Array, array_namespace, is_array, move_like
from .._checks.table import check_groups

__all__ = ["EVERYTHING", "by_group", "given_matrix", "rows_of"]

EVERYTHING = "\0all"  # name of all matrices together; no group has it. Files can hold a string


def rows_of(X: Array, weights: Array | None, index: Any) -> tuple[Array, Array | None]:
    """Matrices and weights of a group; all of them for None."""
    if index is None:
        return X, weights
    xp = array_namespace(X)
    index = move_like(index, X)
    part = xp.take(X, index, axis=0)
    return part, None if weights is None else xp.take(weights, index, axis=0)


def by_group(function: Callable[[Array, Any], Array], X: Array, groups: Any) -> Array:
    """Apply ``function(part, name)`` to each group and put the results back in order."""
    if groups is None:
        return function(X, EVERYTHING)
    xp = array_namespace(X)
    names, rows = check_groups(groups, X.shape[0])
    parts = [
        function(rows_of(X, None, index)[0], name)
        for name, index in zip(names.tolist(), rows, strict=True)
    ]
    order = move_like(np.argsort(np.concatenate(rows)), X)
    return xp.take(xp.concat(parts, axis=0), order, axis=0)


def given_matrix(matrix: Any, X: Array, name: str) -> Array:
    """Return a matrix that is the parameter ``name``, in float64 beside ``X``.

    Raises
    ------
    ValueError
        If it is not of the size of the matrices of X.
    """
    xp = array_namespace(X)
    matrix = matrix if is_array(matrix) else np.asarray(matrix, dtype=np.float64)
    if tuple(matrix.shape) != tuple(X.shape[1:]):
        raise ValueError(
            f"{name} has shape {tuple(matrix.shape)}, but the matrices of X are "
            f"{X.shape[1]} x {X.shape[2]}."
        )
    return xp.astype(move_like(matrix, X), xp.float64, copy=False)
