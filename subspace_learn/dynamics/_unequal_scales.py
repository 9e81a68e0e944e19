"""Warnings for what has a length of its own, beside data that have units."""

from __future__ import annotations

import numpy as np

from .._array import Array, array_namespace, double, to_numpy
from .._base import warn

__all__ = ["warn_of_far_scale", "warn_of_unequal_scales"]

# Squared distances then see less than a hundredth of a percent of the smaller column.
_MOST_UNEQUAL = 100.0
# A length that was given, and one that the data have, by more than this: the unit is doubted.
_FARTHEST = 100.0


def warn_of_unequal_scales(X: Array, what: str, names: np.ndarray | None = None) -> None:
    """Warn where one column spreads so much wider than another that only the first would count."""
    X = double(X)
    xp = array_namespace(X)
    # ends, not deviations: those of a constant .1 are rounding residues, and may vanish
    spread = to_numpy(xp.max(X, axis=0) - xp.min(X, axis=0))
    moving = np.flatnonzero(spread > 0)
    if len(moving) < 2:
        return
    most, least = moving[np.argmax(spread[moving])], moving[np.argmin(spread[moving])]
    ratio = float(spread[most]) / float(spread[least])
    if ratio > _MOST_UNEQUAL:
        wide, narrow = (str(j) if names is None else repr(str(names[j])) for j in (most, least))
        warn(
            f"{what} measures distances over all columns, but column {wide} spreads {ratio:.3g} "
            f"times as wide as column {narrow}, which then hardly counts. Put them on one scale "
            "first, for example by StandardScaler in a Pipeline before it."
        )


def warn_of_far_scale(given: float, of_data: float, what: str) -> None:
    """Warn where a length that was given is far from that of the data."""
    ratio = of_data / given
    if ratio > 0 and not 1 / _FARTHEST <= ratio <= _FARTHEST:
        warn(
            f"{what} is {given:.3g}, but the states have a size of {of_data:.3g}, {ratio:.3g} "
            "times that: the functions are then nearly dependent, or nearly zero. Give a length "
            "in the unit of X, or leave it to the data (the default)."
        )
