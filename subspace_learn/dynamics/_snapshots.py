"""From what users give (trajectories in any form, pairs, inputs, weights) to segments of rows."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from .._array import Array, array_namespace, device_of, double, is_array, move_like, to_numpy
from .._checks.table import check_groups, check_sample_weight, check_samples, check_table

__all__ = [
    "Segment",
    "checked_inputs",
    "consecutive",
    "is_pairs",
    "segments_of",
    "snapshot_segments",
    "stacked",
]


class Segment(NamedTuple):
    """Rows that follow one another in time, or (with ``successors``) pairs that need not."""

    states: Array
    successors: Array | None
    inputs: Array | None
    weights: Array | None


def is_pairs(y: Any) -> bool:
    """Whether y holds successors; labels (1-D, or None) pass by, as in scikit-learn's transformers.

    A single column beside several features is what scikit-learn makes of labels that were asked
    for in two dimensions; it is not of X's shape and therefore an error further on.
    """
    if y is None:
        return False
    if isinstance(y, list | tuple):
        return len(y) > 0 and np.ndim(y[0]) > 0
    return (y.ndim if hasattr(y, "ndim") else np.asarray(y).ndim) != 1


def stacked(X: Any) -> tuple[Any, list[int] | None]:
    """One table and the lengths of the trajectories in it; no lengths if X is a table already."""
    if getattr(X, "ndim", 2) == 3:
        n, times, width = X.shape
        return _reshaped(X, (n * times, width)), [times] * n
    if not (isinstance(X, list | tuple) and len(X) and all(np.ndim(part) == 2 for part in X)):
        return X, None
    parts = [part if is_array(part) else np.asarray(part) for part in X]
    widths = sorted({part.shape[1] for part in parts})
    if len(widths) > 1:
        raise ValueError(
            f"Trajectories have unequal numbers of features: {widths}. All must observe the same "
            "quantities in the same order."
        )
    return array_namespace(*parts).concat(parts, axis=0), [part.shape[0] for part in parts]


def consecutive(lengths: list[int]) -> list[slice]:
    """Slices of the given lengths, one after the other."""
    ends = np.cumsum(lengths).tolist()
    return [slice(end - length, end) for end, length in zip(ends, lengths, strict=True)]


def _reshaped(X: Array, shape: tuple[int, ...]) -> Array:
    X = X if is_array(X) else np.asarray(X)
    return array_namespace(X).reshape(X, shape)


def snapshot_segments(
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    lengths: Any = None,
    groups: Any = None,
    sample_weight: Any = None,
    u: Any = None,
    reset: bool,
    method: str = "fit",
    window: int = 1,
) -> list[Segment]:
    """Check everything and cut it where trajectories end.

    Raises ValueError where shapes disagree, a value is not finite, or no trajectory is long enough
    to hold a pair.
    """
    X, counts = stacked(X)
    if counts is not None:
        if lengths is not None or groups is not None:
            raise ValueError(
                "lengths and groups mark the trajectories of a stacked table, but X is a list of "
                "trajectories (or a 3-D array) already. Leave them out."
            )
        y, u, sample_weight = _joined_rows(y), _joined_rows(u), _joined_rows(sample_weight)
    like = None if reset else estimator.koopman_matrix_
    table = check_samples(estimator, X, reset=reset, like=like, method=method)
    successors = _checked_successors(estimator, y, table) if is_pairs(y) else None
    if counts is None:
        counts = _boundaries(table.shape[0], lengths, groups)
    weights = check_sample_weight(sample_weight, table)
    inputs = None if u is None else checked_inputs(estimator, u, table)
    if successors is not None:
        return [Segment(table, successors, inputs, weights)]
    segments = [
        Segment(
            table[rows, :],
            None,
            None if inputs is None else inputs[rows, :],
            None if weights is None else weights[rows],
        )
        for rows in consecutive(counts)
    ]
    return _long_enough(segments, window, estimator)


def _joined_rows(values: Any) -> Any:
    """Successors, weights or inputs that were given trajectory by trajectory."""
    if isinstance(values, list | tuple) and len(values) and np.ndim(values[0]) > 0:
        parts = [part if is_array(part) else np.asarray(part) for part in values]
        return array_namespace(*parts).concat(parts, axis=0)
    if getattr(values, "ndim", 1) == 3:
        return _reshaped(values, (-1, values.shape[-1]))
    return values


def _checked_successors(estimator: Any, y: Any, table: Array) -> Array:
    if getattr(y, "ndim", 2) == 3:
        raise ValueError(f"y has shape {y.shape}, but X is a table of shape {table.shape}.")
    y = y if is_array(y) or hasattr(y, "shape") else np.asarray(y)
    array_namespace(table, y if is_array(y) else np.empty(0))  # refuses two libraries in one call
    y = check_table(y, estimator=estimator, input_name="y")
    if device_of(y) != device_of(table):
        raise ValueError(
            f"y is on device {device_of(y)}, but X is on {device_of(table)}. Move one of them, for "
            "example with ToDevice."
        )
    if y.shape != table.shape:
        raise ValueError(
            f"y has shape {tuple(y.shape)}, but X has shape {tuple(table.shape)}: y holds the "
            "successor of each row of X and must have its shape. Leave it out when X is a "
            "trajectory."
        )
    return y


def checked_inputs(estimator: Any, u: Any, table: Array) -> Array:
    """Inputs beside the rows of ``table``, in its library and on its device."""
    u = u if is_array(u) else np.asarray(u)
    u = check_table(u[:, None] if u.ndim == 1 else u, estimator=estimator, input_name="u")
    if u.shape[0] != table.shape[0]:
        raise ValueError(
            f"u has {u.shape[0]} rows, but X has {table.shape[0]}. Give one row of inputs for each "
            "row of X; the last of a trajectory is not used."
        )
    return move_like(double(u), table)


def _boundaries(n: int, lengths: Any, groups: Any) -> list[int]:
    """Lengths of consecutive trajectories."""
    if lengths is not None and groups is not None:
        raise ValueError("Give lengths or groups, not both: each marks where trajectories end.")
    if groups is not None:
        check_groups(groups, n)
        names = to_numpy(groups) if is_array(groups) else np.asarray(groups)
        starts = np.flatnonzero(np.r_[True, names[1:] != names[:-1]])
        return np.diff(np.r_[starts, n]).tolist()
    if lengths is None:
        return [n]
    lengths = to_numpy(lengths) if is_array(lengths) else np.asarray(lengths)
    if lengths.ndim != 1 or (lengths < 1).any() or lengths.sum() != n:
        raise ValueError(
            f"lengths must be positive and sum to the {n} rows of X, but sum to {lengths.sum()}."
        )
    return [int(length) for length in lengths]


def _long_enough(segments: list[Segment], window: int, estimator: Any) -> list[Segment]:
    """Drop trajectories without a pair, with a warning; an error if none is left."""
    name, needed = type(estimator).__name__, window + 1
    kept = [segment for segment in segments if segment.states.shape[0] >= needed]
    if not kept:
        longest = max(segment.states.shape[0] for segment in segments)
        raise ValueError(
            f"{name} needs at least {needed} consecutive times to make a pair, but the longest "
            f"trajectory has n_samples = {longest}. Give longer trajectories, or pairs by y."
        )
    if len(kept) < len(segments):
        warnings.warn(
            f"{len(segments) - len(kept)} of {len(segments)} trajectories are shorter than "
            f"{needed} times and were skipped.",
            UserWarning,
            stacklevel=4,
        )
    return kept


def segments_of(estimator: Any, X: Any, y: Any, window: int, **more: Any) -> list[Segment]:
    """Segments of new data for a fitted estimator."""
    return snapshot_segments(estimator, X, y, reset=False, window=window, **more)
