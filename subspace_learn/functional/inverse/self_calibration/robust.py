"""Self-calibration that outliers do not decide: measurements are weighted anew until that settles.

Least squares with weights ``(1 - (r / 4.685 sigma)^2)^2`` (Tukey's bisquare) of the last residuals
``r = |y - d A x|``, zero from 4.685 sigma on; sigma is their median, in units of a normal
deviation. Such a loss has local minima. Three starts weigh down what is large for its sensor and
its snapshot, more or less strictly; the fit with the smallest sigma is taken. A loss that only
grows more slowly (Huber's) fails here: y stands in the matrix, and an outlier moves its own column.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...._array import Array, move_like, to_numpy

__all__ = ["bisquare_weights", "gains_by_majority", "reweighted", "starting_weights"]

# 95 % of the efficiency of least squares on normal noise; no weight is zero, lest a sensor vanish
_CUT, _LEAST = 4.685, 1e-16
_STARTS = (2.0, 1.0, 0.5)
_STEPS, _SETTLED = 50, 1e-10
# Sigma falls to this share at most in a step: where all else is explained exactly, it would at once
# take all weight from a sensor that an outlier still moves.
_SLOWLY = 0.3
# A sensor with less than this share of its weights says nothing: its gain would be chance.
_SET_ASIDE = 0.2
# Residuals of sensors so many times larger or smaller than most are compared in units of their own.
_APART = 1e3


def starting_weights(sizes: np.ndarray, cut: float) -> np.ndarray:
    """Weights of measurements by their size alone.

    Parameters
    ----------
    sizes : ndarray of shape (p, m)
        Absolute values; NaN where nothing was measured.
    cut : float
        What is larger than this many times the usual size of its sensor and snapshot gets less
        than full weight.

    Returns
    -------
    weights : ndarray of shape (p, m)
        In (0, 1]; zero where nothing was measured.
    """
    relative = sizes / np.maximum(_median(sizes, axis=0), 1e-300)
    relative = relative / np.maximum(_median(relative, axis=1), 1e-300)
    weights = np.minimum(1.0, cut / np.maximum(relative, 1e-300)) ** 2
    return np.where(np.isnan(sizes), 0.0, np.maximum(weights, _LEAST))


def bisquare_weights(residuals: np.ndarray, sigma: float) -> np.ndarray:
    """Tukey's weights of residuals.

    Parameters
    ----------
    residuals : ndarray of shape (p, m)
        Absolute values; NaN where nothing was measured.
    sigma : float
        Their usual size.

    Returns
    -------
    weights : ndarray of shape (p, m)
        In (0, 1]; zero where nothing was measured.
    """
    distance = np.minimum(residuals / (_CUT * sigma), 1.0)
    return np.where(np.isnan(residuals), 0.0, np.maximum((1.0 - distance**2) ** 2, _LEAST))


def gains_by_majority(
    Y: np.ndarray, images: np.ndarray, gains: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Gains, those of sensors with little weight as most of their measurements say.

    One outlier can take all weight from its sensor, and then decides its gain, which keeps the
    weights where they are. With these gains what is good fits again, and gets its weight back.

    Parameters
    ----------
    Y : ndarray of shape (p, m)
        Measurements.
    images : ndarray of shape (p or 1, m)
        What ideal sensors would have measured.
    gains : ndarray of shape (m,)
        By weighted least squares.
    weights : ndarray of shape (p, m)
        Of the measurements; zero where nothing was measured.

    Returns
    -------
    gains : ndarray of shape (m,)
        Medians of ``y / z`` for these sensors, each weighing ``|z|``; real and imaginary part on
        their own.
    """
    images = np.broadcast_to(images, Y.shape)
    known = (weights > 0.0) & (images != 0)
    gains = gains.copy()
    for sensor in np.flatnonzero(_share_kept(weights, weights == 0.0) < _SET_ASIDE):
        z = images[known[:, sensor], sensor]
        if len(z):
            ratios = Y[known[:, sensor], sensor] / z
            parts = [_weighted_median(part, np.abs(z)) for part in (ratios.real, ratios.imag)]
            gains[sensor] = complex(*parts) if np.iscomplexobj(gains) else parts[0]
    return gains


def reweighted(
    fit: Callable[[Array], tuple[Array, Array]],
    Y: Array,
    measured: Array | None,
    *,
    is_complex: bool,
    report: Callable[[str], None] = lambda message: None,
) -> Array:
    """Find weights that outliers do not have.

    Parameters
    ----------
    fit : callable
        Weights of shape (p, m) -> gains and what they leave unexplained, ``y - d A x``.
    Y : array of shape (p, m)
        Measurements.
    measured : array of shape (p, m), default=None
        1.0 where something was measured, else 0.0; None means everywhere.
    is_complex : bool
        Whether residuals are.
    report : callable, default does nothing
        Gets a line of text for each start.

    Returns
    -------
    weights : array of shape (p, m)
        Of the best of three starts, zero for sensors that fit the others hardly ever. Sizes of
        residuals go through the host once a step.
    """
    gaps = np.zeros(Y.shape, dtype=bool) if measured is None else to_numpy(measured) == 0.0
    sizes = np.where(gaps, np.nan, np.abs(to_numpy(Y)))
    units = _units(sizes)
    floor = 1e-9 * float(np.nanmax(sizes / units))  # exact data leave what the solver leaves
    unit = 1 / 0.8326 if is_complex else 1 / 0.6745  # median of |noise| for unit variance
    best, weights = (np.inf, 0.0), sizes
    for cut in _STARTS:
        new, before, sigma = starting_weights(sizes, cut), None, float(np.nanmedian(sizes / units))
        for _ in range(_STEPS):
            gains, residual = fit(move_like(new, Y))
            left = np.where(gaps, np.nan, np.abs(to_numpy(residual)) / units)
            usual = max(unit * float(np.nanmedian(left)), floor)
            sigma = max(usual, _SLOWLY * sigma)
            new, gains = bisquare_weights(left, sigma), to_numpy(gains)
            if before is not None:
                change = np.linalg.norm(gains - before) / np.linalg.norm(gains)
                if change <= _SETTLED and sigma == usual:
                    break
            before = gains
        report(f"robust start {cut}: usual residual {usual:.3g}")
        rank = (usual, -float(new.sum()))  # exact data tie: then the more is kept, the better
        if rank < best:
            best, weights = rank, new
    weights = np.where(weights > _LEAST, weights, 0.0)
    return move_like(np.where(_share_kept(weights, gaps) < _SET_ASIDE, 0.0, weights), Y)


def _units(sizes: np.ndarray) -> np.ndarray:
    """Factors of sensors that measure in another unit than most: 1 for all of about one size."""
    usual = _median(sizes, axis=0)[0]
    apart = usual / max(float(_median(np.where(usual > 0, usual, np.nan), axis=0)[0]), 1e-300)
    return np.where((apart > 0.0) & ((apart < 1 / _APART) | (apart > _APART)), apart, 1.0)


def _share_kept(weights: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """Mean weight of what each sensor measured."""
    return weights.sum(axis=0) / np.maximum((~gaps).sum(axis=0), 1)


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])


def _median(values: np.ndarray, axis: int) -> np.ndarray:
    """Medians of what is not NaN; zero where all is."""
    empty = np.isnan(values).all(axis=axis, keepdims=True)
    return np.nanmedian(np.where(empty, 0.0, values), axis=axis, keepdims=True)
