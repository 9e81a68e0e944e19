"""Quantiles of a law from its distribution function."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["monotone_inverse"]


def monotone_inverse(
    function: Callable[[np.ndarray], np.ndarray],
    values: np.ndarray,
    low: float,
    high: float,
) -> np.ndarray:
    """Solve ``function(x) = value`` for a nondecreasing function, all values at once.

    Parameters
    ----------
    function : callable
        Maps an array to an array of its shape, nondecreasing.
    values : ndarray
        Wanted values; those outside ``[function(low), function(high)]`` give the nearer end.
    low, high : float
        Where to search.

    Returns
    -------
    x : ndarray
        Of the shape of ``values``, by bisection down to the spacing of floats.

    Examples
    --------
    >>> import numpy as np
    >>> monotone_inverse(np.square, np.array([4.0, 9.0]), 0.0, 5.0)
    array([2., 3.])
    """
    below, above = np.full(values.shape, float(low)), np.full(values.shape, float(high))
    for _ in range(64):  # 2^-64 of the interval: below rounding
        middle = (below + above) / 2
        too_low = function(middle) < values
        below, above = np.where(too_low, middle, below), np.where(too_low, above, middle)
    return (below + above) / 2
