"""A warning for what measures distances over columns of unlike units."""

from __future__ import annotations

import numpy as np

from .._array import Array, array_namespace, double, to_numpy
from .._base import warn

__all__ = ["warn_of_unequal_scales"]

# Squared distances then see less than a hundredth of a percent of the smaller column.
_MOST_UNEQUAL = 100.0


def warn_of_unequal_scales(X: Array, what: str, names: np.ndarray | None = None) -> None:
    """Warn where one column spreads so much wider than another that only the first would count."""
    X = double(X)
    xp = array_namespace(X)
    spread = to_numpy(xp.std(X, axis=0))
    # exact: the deviation of a constant .1 is a rounding residue, not a scale
    moving = np.flatnonzero(to_numpy(xp.max(X, axis=0) > xp.min(X, axis=0)))
    if len(moving) < 2:
        return
    most, least = moving[np.argmax(spread[moving])], moving[np.argmin(spread[moving])]
    ratio = spread[most] / spread[least]
    if ratio > _MOST_UNEQUAL:
        wide, narrow = (str(j) if names is None else repr(str(names[j])) for j in (most, least))
        warn(
            f"{what} measures distances over all columns, but column {wide} spreads {ratio:.3g} "
            f"times as wide as column {narrow}, which then hardly counts. Put them on one scale "
            "first, for example by StandardScaler in a Pipeline before it."
        )
