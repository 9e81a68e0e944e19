"""What the estimators of this family accept as targets: numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d

from .._array import is_array, to_numpy
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
    y = to_numpy(y) if is_array(y) else y
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
