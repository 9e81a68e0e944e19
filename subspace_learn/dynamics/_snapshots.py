"""From what users give (trajectories in any form, pairs, inputs, weights) to segments of rows."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.validation import check_array

from .._validation import check_groups, check_sample_weight, check_samples

__all__ = ["Segment", "segments_of", "snapshot_segments"]


class Segment(NamedTuple):
    """Rows that follow one another in time, or (with ``successors``) pairs that need not."""

    states: np.ndarray
    successors: np.ndarray | None
    inputs: np.ndarray | None
    weights: np.ndarray | None


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


def _parts(X: Any) -> list[Any] | None:
    """The trajectories of a list or a 3-D array; None for a table."""
    if isinstance(X, list | tuple) and len(X) and all(np.ndim(part) == 2 for part in X):
        return list(X)
    if getattr(X, "ndim", 2) == 3:
        return list(X)
    return None


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
    parts = _parts(X)
    if parts is not None:
        X, counts = _joined(parts)
        if lengths is not None or groups is not None:
            raise ValueError(
                "lengths and groups mark the trajectories of a stacked table, but X is a list of "
                "trajectories (or a 3-D array) already. Leave them out."
            )
        sample_weight, u = _joined_rows(sample_weight), _joined_rows(u)
    table = check_samples(estimator, X, reset=reset, method=method)
    n = len(table)
    successors = None
    if isinstance(y, list) and parts is not None:
        y = np.concatenate(y) if len(y) else y
    if is_pairs(y):
        successors = _checked_successors(estimator, y, table, parts)
    if parts is None:
        counts = _boundaries(n, lengths, groups)
    weights = check_sample_weight(sample_weight, table)
    inputs = None if u is None else _checked_inputs(u, n)
    cuts = [np.arange(0)] if isinstance(counts, list) else counts
    if isinstance(counts, list):
        cuts = np.split(np.arange(n), np.cumsum(counts)[:-1])
    if successors is not None:
        return [Segment(table, successors, inputs, weights)]
    segments = [
        Segment(
            table[rows],
            None,
            None if inputs is None else inputs[rows],
            None if weights is None else weights[rows],
        )
        for rows in cuts
    ]
    return _long_enough(segments, window, estimator)


def _joined(parts: list[Any]) -> tuple[np.ndarray, list[int]]:
    parts = [np.asarray(part) for part in parts]
    widths = sorted({part.shape[1] for part in parts})
    if len(widths) > 1:
        raise ValueError(
            f"Trajectories have unequal numbers of features: {widths}. All must observe the same "
            "quantities in the same order."
        )
    return np.concatenate(parts), [len(part) for part in parts]


def _joined_rows(values: Any) -> Any:
    """Weights or inputs that were given trajectory by trajectory."""
    if isinstance(values, list | tuple) and len(values) and np.ndim(values[0]) > 0:
        return np.concatenate([np.asarray(part) for part in values])
    if getattr(values, "ndim", 1) == 3:
        return np.asarray(values).reshape(-1, values.shape[-1])
    return values


def _checked_successors(estimator: Any, y: Any, table: np.ndarray, parts: Any) -> np.ndarray:
    if parts is None and getattr(y, "ndim", 2) == 3:
        raise ValueError(f"y has shape {y.shape}, but X is a table of shape {table.shape}.")
    if getattr(y, "ndim", 2) == 3:
        y = y.reshape(-1, y.shape[2])
    y = check_array(y, dtype=[np.float64, np.float32], input_name="y", estimator=estimator)
    if y.shape != table.shape:
        raise ValueError(
            f"y has shape {y.shape}, but X has shape {table.shape}: y holds the successor of each "
            "row of X and must have its shape. Leave it out when X is a trajectory."
        )
    return y


def _checked_inputs(u: Any, n: int) -> np.ndarray:
    u = np.asarray(u)
    u = u[:, None] if u.ndim == 1 else u
    u = check_array(u, dtype=np.float64, input_name="u")
    if len(u) != n:
        raise ValueError(
            f"u has {len(u)} rows, but X has {n}. Give one row of inputs for each row of X; the "
            "last of a trajectory is not used."
        )
    return u


def _boundaries(n: int, lengths: Any, groups: Any) -> list[int] | list[np.ndarray]:
    """Lengths of consecutive trajectories."""
    if lengths is not None and groups is not None:
        raise ValueError("Give lengths or groups, not both: each marks where trajectories end.")
    if groups is not None:
        check_groups(groups, n)
        names = np.asarray(groups)
        starts = np.flatnonzero(np.r_[True, names[1:] != names[:-1]])
        return np.diff(np.r_[starts, n]).tolist()
    if lengths is None:
        return [n]
    lengths = np.asarray(lengths)
    if lengths.ndim != 1 or (lengths < 1).any() or lengths.sum() != n:
        raise ValueError(
            f"lengths must be positive and sum to the {n} rows of X, but sum to {lengths.sum()}."
        )
    return [int(length) for length in lengths]


def _long_enough(segments: list[Segment], window: int, estimator: Any) -> list[Segment]:
    """Drop trajectories without a pair, with a warning; an error if none is left."""
    name, needed = type(estimator).__name__, window + 1
    kept = [segment for segment in segments if len(segment.states) >= needed]
    if not kept:
        longest = max(len(segment.states) for segment in segments)
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
