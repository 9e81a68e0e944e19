"""What the estimators of this family accept as targets: numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d

from .._array import is_array, to_numpy
from .._checks.columns import is_missing, refuse_masked
from .._checks.magnitude import check_magnitude

__all__ = ["check_targets", "numbers"]


def check_targets(
    estimator: Any, y: Any, n_samples: int | None = None, *, allow_nan: bool = False
) -> np.ndarray:
    """Check numbers ``y`` of shape (n_samples,) or (n_samples, n_targets); return them as float64.

    Raises
    ------
    ValueError
        If there are none, they are not numbers, infinite (or NaN unless ``allow_nan``), of another
        shape, or of another number than the rows.
    """
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None. Give "
            "one number, or one row of numbers, for each row of X."
        )
    refuse_masked(y, name=type(estimator).__name__, input_name="y")
    y = numbers(to_numpy(y) if is_array(y) else y, allow_nan=allow_nan)
    targets = check_array(
        y,
        dtype=np.float64,
        ensure_2d=False,
        allow_nd=True,
        ensure_all_finite="allow-nan" if allow_nan else True,
        input_name="y",
        estimator=estimator,
    )
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = column_or_1d(targets, warn=True)
    if targets.ndim not in (1, 2):
        raise ValueError(
            f"y has shape {targets.shape}, but (n_samples,) or (n_samples, n_targets) is needed."
        )
    if n_samples is not None:
        check_consistent_length(np.empty(n_samples), targets)
    known = targets[np.isfinite(targets)]
    check_magnitude(known, name=type(estimator).__name__, input_name="y", smallest=False)
    return targets


def numbers(values: Any, *, allow_nan: bool = False, input_name: str = "y") -> Any:
    """Objects and text as numbers, missing ones as NaN; an error names the row."""
    entries = np.asarray(values)
    if entries.dtype.kind in "mM":
        raise ValueError(
            f"{input_name} holds dates or durations. Turn them into numbers first, such as seconds "
            "since the first."
        )
    if entries.dtype.kind not in "OUS":
        return values
    found = np.empty(entries.shape)
    for place, entry in np.ndenumerate(entries):
        row = place[0] if place else 0
        if is_missing(entry):
            if not allow_nan:
                raise ValueError(
                    f"Input {input_name} contains NaN: the number of row {row} is missing "
                    f"({entry}). Give it, or leave that row out."
                )
            found[place] = np.nan
            continue
        try:
            found[place] = entry
        except (TypeError, ValueError):
            raise ValueError(
                f"{input_name} holds {str(entry)!r} at row {row}, but a number is needed for each "
                "row."
            ) from None
    return found
