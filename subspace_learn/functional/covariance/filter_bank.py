"""Epochs in frequency bands: zero-phase filters, and lagged products in each band.

A Butterworth band-pass of order 2 runs forwards and backwards over each epoch (SciPy's
``sosfiltfilt``), so that no rhythm moves in time. Beyond its ends an epoch is continued by its
first and last value: beside the same stretch cut from a longer filtered recording, that leaves two
thirds of the error of SciPy's mirror images (SSVEP and motor imagery, one second, six bands).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from ..._array import Array, array_namespace, move_like, to_numpy
from .augmented_covariance import LaggedTrials, lagged_trials

__all__ = ["Band", "BandTrials", "band_passed", "band_trials", "block_diagonal", "check_band"]

Band = tuple[float, float]
_ORDER = 2


class BandTrials:
    """The same trials in several bands. Made by `band_trials`.

    Parameters
    ----------
    bands : list of LaggedTrials
        The trials in each band.
    """

    def __init__(self, bands: list[LaggedTrials]) -> None:
        self.bands = bands

    def power(self) -> Array:
        """Variance of each channel in each trial and band.

        Returns
        -------
        power : array of shape (n_trials, n_bands, n_channels)
            Nonnegative.
        """
        powers = [band.power() for band in self.bands]
        return array_namespace(powers[0]).stack(powers, axis=1)

    def divide(self, scale: Array) -> None:
        """Divide the signals of each channel in each band by a constant, once.

        Parameters
        ----------
        scale : array of shape (n_bands, n_channels)
            Positive.
        """
        for b, band in enumerate(self.bands):
            band.divide(scale[b, :])

    def keep_only(self, shifts: Iterable[int]) -> None:
        """Forget the lagged products of all other shifts.

        Parameters
        ----------
        shifts : iterable of int
            Those still needed.
        """
        kept = set(shifts)
        for band in self.bands:
            band.keep_only(kept)


def check_band(band: Band, sfreq: float, n_times: int) -> int:
    """Number of times of one period of the lower edge of a band.

    Parameters
    ----------
    band : (float, float)
        Edges in Hz.
    sfreq : float
        Sampling rate in Hz.
    n_times : int
        Samples of a trial.

    Returns
    -------
    period : int
        Rounded up.

    Raises
    ------
    ValueError
        If the band is not between 0 and half the sampling rate, or the trial does not hold more
        than the period.
    """
    low, high = band
    if not 0 < low < high < sfreq / 2:
        raise ValueError(
            f"The band {low:g} to {high:g} Hz is not possible: a band is (low, high) with low < "
            f"high, above 0 and below {sfreq / 2:g} Hz, half the sampling rate of {sfreq:g} Hz."
        )
    period = math.ceil(sfreq / low)
    if n_times <= period:
        raise ValueError(
            f"{n_times} times at {sfreq:g} Hz are too short for the band {low:g} to {high:g} Hz, "
            f"of whose lower edge one period takes {period} times. Give longer epochs, or a higher "
            "band."
        )
    return period


def band_passed(X: Array, band: Band, sfreq: float) -> Array:
    """Signals in one band, by a filter that shifts nothing in time.

    Parameters
    ----------
    X : array of shape (..., n_times)
        Signals. Their means are taken out first.
    band : (float, float)
        Edges in Hz, where half of the power (a fourth of it after both passes) is left.
    sfreq : float
        Sampling rate in Hz.

    Returns
    -------
    filtered : array of shape (..., n_times)
        In float64, in the library of X; SciPy filters on the host.

    Raises
    ------
    ValueError
        If `check_band` refuses the band.
    """
    from scipy.signal import butter, sosfiltfilt

    period = check_band(band, sfreq, X.shape[-1])
    xp = array_namespace(X)
    X = xp.astype(X, xp.float64, copy=False)
    mean = xp.mean(X, axis=-1, keepdims=True)
    X = X - mean
    # what rounding leaves of a constant such as .1 is no signal
    rounding = 16 * float(xp.finfo(X.dtype).eps) * mean
    still = xp.mean(X * X, axis=-1, keepdims=True) <= rounding * rounding
    X = xp.where(still, xp.zeros_like(X), X)
    sections = butter(_ORDER, band, "bandpass", fs=sfreq, output="sos")
    filtered = sosfiltfilt(sections, to_numpy(X), axis=-1, padtype="constant", padlen=period)
    return move_like(np.ascontiguousarray(filtered), X)


def band_trials(X: Array, bands: Sequence[Band], sfreq: float, floor: float = 0.0) -> BandTrials:
    """Prepare trials in several bands.

    Parameters
    ----------
    X : array of shape (n_trials, n_channels, n_times)
        Signals.
    bands : sequence of (float, float)
        Edges in Hz.
    sfreq : float
        Sampling rate in Hz.
    floor : float, default=0.0
        Added to every variance.

    Returns
    -------
    trials : BandTrials
        With one copy of X for each band.
    """
    eps = float(array_namespace(X).finfo(X.dtype).eps)
    return BandTrials(
        [lagged_trials(band_passed(X, band, sfreq), floor, eps=eps) for band in bands]
    )


def block_diagonal(stacks: Sequence[Array]) -> Array:
    """One matrix from several: the blocks of its diagonal.

    Parameters
    ----------
    stacks : sequence of arrays of shape (n_matrices, n, n)
        The blocks of all matrices.

    Returns
    -------
    matrices : array of shape (n_matrices, n_stacks * n, n_stacks * n)
        Zero outside the blocks.
    """
    xp = array_namespace(*stacks)
    if len(stacks) == 1:
        return stacks[0]
    zero = xp.zeros_like(stacks[0])
    rows = [
        xp.concat([stack if j == k else zero for k in range(len(stacks))], axis=2)
        for j, stack in enumerate(stacks)
    ]
    return xp.concat(rows, axis=1)
