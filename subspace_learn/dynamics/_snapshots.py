"""From what users give (trajectories in any form, pairs, inputs, weights) to segments of rows."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from .._array import Array, array_namespace, device_of, double, is_array, move_like, to_numpy
from .._base import warn
from .._checks.table import check_groups, check_sample_weight, check_samples, check_table

__all__ = [
    "Segment",
    "checked_inputs",
    "checked_states",
    "column_names",
    "consecutive",
    "in_order",
    "is_pairs",
    "joined_trajectories",
    "snapshot_segments",
    "warn_of_uneven_steps",
]

# Steps of a time axis that differ by less from the usual one are months, or jitter.
_UNEVEN = 0.1


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


def snapshot_segments(
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    lengths: Any = None,
    groups: Any = None,
    sample_weight: Any = None,
    u: Any = None,
    input_names: list | None = None,
    like: Array | None = None,
    method: str = "fit",
    window: int = 1,
) -> list[Segment]:
    """Check everything and cut it where trajectories end; ``like`` is None in a first fit.

    Raises ValueError where shapes disagree, a value is not finite, or no trajectory is long enough
    to hold a pair.
    """
    X, counts = joined_trajectories(X, estimator)
    if counts is not None:
        if lengths is not None or groups is not None:
            raise ValueError(
                "lengths and groups mark the trajectories of a stacked table, but X is a list of "
                "trajectories (or a 3-D array) already. Leave them out."
            )
        y, u = _joined_rows(y, "y"), _joined_rows(u, "u")
        sample_weight = _joined_rows(sample_weight, "sample_weight")
    table = checked_states(estimator, X, like=like, method=method)
    paired = is_pairs(y)
    if counts is None:
        counts = _boundaries(table.shape[0], lengths, groups)
    if not paired:
        warn_of_uneven_steps(X, counts)
    weights = None if sample_weight is None else check_sample_weight(sample_weight, table)
    inputs = None if u is None else checked_inputs(estimator, u, table, input_names)
    if paired:
        y = in_order(y, column_names(X), "y", "X")
        return [Segment(table, _checked_successors(estimator, y, table), inputs, weights)]
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


def checked_states(estimator: Any, X: Any, *, like: Array | None, method: str) -> Array:
    """A table of states; squares are formed in double precision whatever its width."""
    return check_samples(
        estimator, X, reset=like is None, like=like, method=method, computed_in=np.float64
    )


def joined_trajectories(X: Any, estimator: Any, window: int = 0) -> tuple[Any, list[int] | None]:
    """One table and the lengths of the trajectories in it; no lengths if X is a table already."""
    _refuse_recordings(X, estimator)
    if getattr(X, "ndim", 2) == 3:
        n, times, width = X.shape
        _warn_if_times_are_few(n, times, width, window)
        return _reshaped(X, (n * times, width)), [times] * n
    if not (isinstance(X, list | tuple) and len(X) and all(np.ndim(part) == 2 for part in X)):
        return X, None
    parts = [part if hasattr(part, "shape") else np.asarray(part) for part in X]
    counts, widths = [p.shape[0] for p in parts], sorted({p.shape[1] for p in parts})
    if len(widths) > 1:
        raise ValueError(
            f"Trajectories have unequal numbers of features: {widths}. All must observe the same "
            "quantities in the same order."
        )
    if len(set(counts)) == 1:
        _warn_if_times_are_few(len(parts), counts[0], widths[0], window)
    return _stacked_tables(parts, "trajectory"), counts


def _stacked_tables(parts: list[Any], what: str) -> Any:
    """Tables one below the other; data frames by the names of their columns."""
    names = column_names(parts[0])
    if names is None or any(type(part) is not type(parts[0]) for part in parts):
        parts = [part if is_array(part) else np.asarray(part) for part in parts]
        return array_namespace(*parts).concat(parts, axis=0)
    first = f"{what} 0"
    parts = [in_order(part, names, f"{what} {i}", first) for i, part in enumerate(parts)]
    return import_module(type(parts[0]).__module__.partition(".")[0]).concat(parts)


def column_names(table: Any) -> list | None:
    """Names of the columns of a data frame, or of the first of a list of them; else None."""
    if isinstance(table, list | tuple) and len(table):
        table = table[0]
    columns = getattr(table, "columns", None)
    return None if columns is None else list(columns)


def in_order(table: Any, names: list | None, what: str, other: str) -> Any:
    """Columns of a data frame in the order of ``names``; an error if they are others."""
    own = column_names(table)
    if own is None or names is None or own == names:
        return table
    if set(own) != set(names) or not len(own) == len(names) == len(set(own)):
        raise ValueError(
            f"{what} has the columns {own[:9]}, but {other} has {names[:9]}: which belongs to "
            f"which cannot be told. Give them the same names, or give {what} as an array whose "
            f"columns stand in the order of those of {other}."
        )
    return table[names]


def consecutive(lengths: list[int]) -> list[slice]:
    """Slices of the given lengths, one after the other."""
    ends = np.cumsum(lengths).tolist()
    return [slice(end - length, end) for end, length in zip(ends, lengths, strict=True)]


def _reshaped(X: Array, shape: tuple[int, ...]) -> Array:
    X = X if is_array(X) else np.asarray(X)
    return array_namespace(X).reshape(X, shape)


def _refuse_recordings(X: Any, estimator: Any) -> None:
    """An MNE recording does not say by itself which of its parts are trajectories."""
    first = X[0] if isinstance(X, list | tuple) and len(X) else X
    if type(first).__module__.partition(".")[0] != "mne":
        return
    epochs = hasattr(first, "events")
    call = "np.swapaxes(X.get_data(), 1, 2)" if epochs else "X.get_data().T"
    raise TypeError(
        f"{type(estimator).__name__} was given {'a list of ' if first is not X else ''}MNE "
        f"{type(first).__name__}, but needs tables whose rows are times. Give {call}, with "
        "time_step=1 / X.info['sfreq'] for eigenvalues in radians per second."
    )


def _warn_if_times_are_few(n: int, times: int, width: int, window: int) -> None:
    """Stacks of epochs are mostly (n_epochs, n_channels, n_times): channels are no times."""
    if 2 < times < width and times != window:
        warn(
            f"{n} trajectories of {times} times and {width} features were given: fewer times than "
            "features. If these are epochs of shape (n_epochs, n_channels, n_times), such as "
            "epochs.get_data() of MNE gives, their channels were read as times: give "
            "np.swapaxes(X, 1, 2)."
        )


def warn_of_uneven_steps(X: Any, counts: list[int]) -> None:
    """Rows are taken as equally spaced; the index of a pandas frame may say that they are not."""
    if not hasattr(X, "iloc"):
        return
    index = X.index.get_level_values(-1)  # of (subject, time) the time
    is_time = hasattr(index, "asi8")  # dates, durations, periods
    if not (is_time or index.dtype.kind in "iuf"):
        return
    stamps = np.asarray(index.asi8 if is_time else index.to_numpy())
    stamps = stamps if stamps.dtype.kind == "f" else stamps.astype(np.int64)
    steps = np.concatenate([np.diff(stamps[rows]) for rows in consecutive(counts)])
    usual = np.median(steps) if len(steps) else 1
    uneven = ~(np.abs(steps - usual) <= _UNEVEN * np.abs(usual))
    if usual > 0 and not uneven.any():
        return
    longest = f", the longest {steps.max() / usual:.3g} times as long" if usual > 0 else ""
    warn(
        f"The index of X says that {int(uneven.sum())} of {len(steps)} steps between rows are not "
        f"the usual one ({int(np.sum(steps <= 0))} go back or stand still{longest}). Rows are "
        "taken as equally spaced in time, so that pairs across a gap move every eigenvalue. Name "
        "the pieces without gaps by groups or lengths, resample, split by TimeSeriesSplit, or drop "
        "the index if it is no time."
    )


def _joined_rows(values: Any, what: str) -> Any:
    """Successors, weights or inputs that were given trajectory by trajectory."""
    if isinstance(values, list | tuple) and len(values) and np.ndim(values[0]) > 0:
        return _stacked_tables(list(values), f"{what} of trajectory")
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


def checked_inputs(estimator: Any, u: Any, table: Array, names: list | None = None) -> Array:
    """Inputs beside the rows of ``table``, in its library and on its device.

    ``names`` are those of the columns of u in the fit, whose order is kept.
    """
    u = in_order(_joined_rows(u, "u"), names, "u", "u of the fit")
    if not hasattr(u, "columns"):
        u = u if is_array(u) else np.asarray(u)
        u = u[:, None] if u.ndim == 1 else u
    u = check_table(u, estimator=estimator, input_name="u")
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
    whole = lengths.ndim == 1 and (lengths == np.round(lengths)).all()
    if not whole or (lengths < 1).any() or lengths.sum() != n:
        raise ValueError(
            f"lengths must be positive whole numbers that sum to the {n} rows of X, but sum to "
            f"{lengths.sum()}: {lengths.tolist()[:9]}."
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
        warn(
            f"{len(segments) - len(kept)} of {len(segments)} trajectories are shorter than "
            f"{needed} times and were skipped."
        )
    return kept
