"""What ``bands`` asks for: frequency bands, and the signals in each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .._array import Array
from ..functional.covariance.filter_bank import Band, band_passed

__all__ = [
    "GENERIC_BANDS",
    "checked_bands",
    "signals_in",
]

# Where most rhythms of the cortex are, twice as wide as those of the textbooks: delays tell
# frequencies apart inside a band.
GENERIC_BANDS: tuple[Band, ...] = ((5.0, 15.0), (13.0, 27.0))


def checked_bands(bands: Any, sfreq: float | None) -> tuple[Band, ...] | None:
    """Pairs of edges in Hz; None if the epochs stay whole.

    Raises
    ------
    ValueError
        If they are no pairs of numbers, or the sampling rate is not known.
    """
    if bands is None:
        return None
    given = GENERIC_BANDS if isinstance(bands, str) else bands
    try:
        edges = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        edges = np.empty(0)
    if edges.ndim != 2 or edges.shape[1] != 2 or not len(edges):
        raise ValueError(
            f"bands={bands!r} must hold one pair of edges in Hz or more, such as "
            f"{GENERIC_BANDS}, or be None."
        )
    if sfreq is None:
        raise ValueError(
            f"bands={bands!r} is in Hz, which needs the sampling rate: set sfreq, or pass "
            "mne.Epochs."
        )
    return tuple((float(low), float(high)) for low, high in edges)


def signals_in(bands: Any, X: Array, sfreq: float | None) -> Iterator[tuple[Band | None, Array]]:
    """Each band with the signals in it; None with the signals as they are."""
    bands = checked_bands(bands, sfreq)
    if bands is None or sfreq is None:
        yield None, X
    else:
        yield from ((band, band_passed(X, band, sfreq)) for band in bands)
