"""Stacks of matrices by domain: the rows of a group, and results put back in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .._array import Array, array_namespace, device_of, move_like, real_floats, to_numpy
from .._base import warn
from .._checks.epochs import warn_of_unequal_channels
from .._checks.table import check_groups
from ..functional.covariance.gbw_normalization import forgotten_directions

__all__ = [
    "EVERYTHING",
    "Batch",
    "batch_of",
    "by_group",
    "given_matrix",
    "joined",
    "rows_of",
    "warn_of_scales",
]

EVERYTHING = "\0all"  # name of all matrices together; no group has it. Files can hold a string


class Batch(NamedTuple):
    """Matrices, their weights, and which of them belong to each group."""

    X: Array
    weights: Array | None
    rows: dict[Any, np.ndarray]


def batch_of(X: Array, weights: Array | None, groups: Any) -> Batch:
    """Batch of checked matrices and weights; no group at all for None. Rows of weight 0 go."""
    names, rows = (np.array([]), []) if groups is None else check_groups(groups, X.shape[0])
    if weights is not None:
        kept = to_numpy(weights) > 0
        X, weights = rows_of(X, weights, np.flatnonzero(kept))
        place = np.cumsum(kept) - 1
        rows = [place[index[kept[index]]] for index in rows]
    named = zip(names.tolist(), rows, strict=True)
    return Batch(X, weights, {name: index for name, index in named if len(index)})


def joined(first: Batch, second: Batch) -> Batch:
    """Both batches as one, the groups of the first before new ones."""
    xp, n = array_namespace(first.X), first.X.shape[0]
    dtype = xp.result_type(first.X.dtype, second.X.dtype)
    X = xp.concat([xp.astype(batch.X, dtype, copy=False) for batch in (first, second)])
    weights = None
    if first.weights is not None or second.weights is not None:
        weights = xp.concat(
            [
                xp.ones(batch.X.shape[0], dtype=xp.float64, device=device_of(X))
                if batch.weights is None
                else batch.weights
                for batch in (first, second)
            ]
        )
    rows = dict(first.rows)
    for name, index in second.rows.items():
        rows[name] = np.concatenate([rows.get(name, index[:0]), index + n])
    return Batch(X, weights, rows)


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
        If it is not of the size of the matrices of X, not symmetric, masked or complex.
    """
    xp, matrix = array_namespace(X), real_floats(matrix)
    if tuple(matrix.shape) != tuple(X.shape[1:]):
        raise ValueError(
            f"{name} has shape {tuple(matrix.shape)}, but the matrices of X are "
            f"{X.shape[1]} x {X.shape[2]}."
        )
    eps, host = float(array_namespace(matrix).finfo(matrix.dtype).eps), to_numpy(matrix)
    if np.abs(host - host.T).max() > 1e3 * eps * np.abs(host).max():
        raise ValueError(f"{name} is not symmetric. Give ({name} + {name}.T) / 2 if that is meant.")
    return xp.astype(move_like(matrix, X), xp.float64, copy=False)


def warn_of_scales(X: Array, metric_parameter: Array | None, theta: float) -> None:
    """Warn of rows so small that they count as null, or as nothing under a power."""
    xp = array_namespace(X)
    mean = xp.mean(xp.astype(X, xp.float64, copy=False), axis=0)
    power = to_numpy(xp.linalg.diagonal(mean))
    if metric_parameter is None or theta != 1:
        warn_of_unequal_channels(
            power,
            np.full(len(power), power.mean() ** 0.5 if power.any() else 1.0),
            [f"row {k}" for k in range(len(power))],
            "Without metric_parameter='mean' and theta=1 the small ones weigh nothing.",
        )
    n_lost = 0 if metric_parameter is None else forgotten_directions(mean)
    if n_lost:
        k = int(np.where(power > 0, power, np.inf).argmin())
        warn(
            f"{n_lost} directions count as null only because rows of X differ in scale: the root "
            f"mean square of row {k} is {power[k] ** 0.5:.3g}, the largest "
            f"{power.max() ** 0.5:.3g}. Bring all channels to one unit."
        )
