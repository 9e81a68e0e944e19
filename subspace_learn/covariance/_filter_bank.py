"""Epochs as a whole or in frequency bands: what ``bands`` asks for, and what is done with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from .._array import Array, to_numpy
from ..functional.covariance.augmented_covariance import lagged_trials
from ..functional.covariance.filter_bank import Band, band_passed, band_trials
from ._decision_rules import DecisionRule

__all__ = [
    "GENERIC_BANDS",
    "View",
    "checked_bands",
    "signals_in",
    "trials_in",
    "unit_scale",
]

# Where most rhythms of the cortex are, twice as wide as those of the textbooks: delays tell
# frequencies apart inside a band.
GENERIC_BANDS: tuple[Band, ...] = ((5.0, 15.0), (13.0, 27.0))


class View(NamedTuple):
    """Training trials as a whole or in bands, at unit power, and how classes are told apart."""

    bands: tuple[Band, ...] | None
    trials: Any
    scale: np.ndarray
    rule: DecisionRule

    @property
    def n_parts(self) -> int:
        """How many matrices an epoch becomes."""
        return 1 if self.bands is None else len(self.bands)


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


def trials_in(bands: Any, X: Array, sfreq: float | None, floor: float) -> Any:
    """`LaggedTrials` of whole epochs, or `BandTrials` in checked bands."""
    if bands is None or sfreq is None:
        return lagged_trials(X, floor)
    return band_trials(X, bands, sfreq, floor)


def unit_scale(trials: Any, weight: np.ndarray | None, kinds: np.ndarray) -> np.ndarray:
    """Root mean square of the channels of each kind, (n_channels,) or (n_bands, n_channels)."""
    power = np.average(to_numpy(trials.power()), axis=0, weights=weight)
    scale = np.empty(power.shape)
    for row, result in zip(np.atleast_2d(power), np.atleast_2d(scale), strict=True):
        for kind in np.unique(kinds):
            mean = row[kinds == kind].mean()
            result[kinds == kind] = mean**0.5 if mean > 0 else 1.0
    return scale
