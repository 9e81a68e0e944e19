"""What the estimators of this family accept as targets: numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d

from .._array import is_array, to_numpy
from .._checks.columns import is_missing, refuse_masked
from .._checks.magnitude import check_magnitude

__all__ = ["check_targets"]


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
    y = _numbers(to_numpy(y) if is_array(y) else y, allow_nan)
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


def _numbers(y: Any, allow_nan: bool) -> Any:
    """Entries of object dtype as numbers, those that are missing as NaN; errors name the row."""
    entries = np.asarray(y)
    if entries.dtype.kind not in "OUS":
        return y
    numbers = np.empty(entries.shape)
    for place, entry in np.ndenumerate(entries):
        row = place[0] if place else 0
        if is_missing(entry):
            if not allow_nan:
                raise ValueError(
                    f"Input y contains NaN: the target of row {row} is missing ({entry}). Give it, "
                    "or leave that row out."
                )
            numbers[place] = np.nan
            continue
        try:
            numbers[place] = entry
        except (TypeError, ValueError):
            raise ValueError(
                f"y holds {str(entry)!r} at row {row}, but a number is needed for each row."
            ) from None
    return numbers
