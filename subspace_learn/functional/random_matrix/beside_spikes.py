r"""What a table holds beside its spikes: whether it is white noise, and how much of it to keep.

First what is left of rows when the spikes are taken out, then the gains of all directions. Rows are
a signal and white noise of variance :math:`\sigma^2`. Along the eigenvector of a sample eigenvalue
:math:`\lambda` the best linear estimate keeps a share of the deviation from the mean, its gain.
With :math:`c = p / n`, and the density :math:`\tilde f` of the sample spectrum and its Hilbert
transform :math:`\tilde H`,

.. math:: a = 1 - c - \pi c \lambda \tilde H, \qquad b = \pi c \lambda \tilde f,

rows that were not fitted have the variance :math:`d = \lambda / (a^2 + b^2)` along it, and the gain
is Wiener's, :math:`1 - \sigma^2 / d`. The eigenvectors of fitted rows lean towards their own noise;
the part :math:`2 a - 1 + c` of :math:`\sigma^2` is noise there, and the gain is
:math:`1 - (2 a - 1 + c)\, \sigma^2 / \lambda`, for an isolated eigenvalue the optimal shrinkage of
its singular value. As :math:`c \to 0` both are :math:`1 - \sigma^2 / \lambda`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.optimize import isotonic_regression

from ..._array import Array, array_namespace, to_numpy
from ...linalg.lowrank import CentredTable
from .gaussian_model import coordinates_of, rows_of_coordinates
from .noise_laws import TableSize

__all__ = [
    "DirectionGains",
    "Residuals",
    "RowFilter",
    "departures",
    "direction_gains",
    "filtered_rows",
    "residual_statistics",
    "spectral_density",
    "stretches_of_rows",
]

# A departure counts when it is both beyond its sampling error and large enough to move the edge:
# variances that differ by 22 % (coefficient of variation squared), kurtosis 5, correlation 0.1.
_SPREAD, _EXCESS, _CORRELATION = 0.05, 2.0, 0.1
_DEVIATIONS = 6.0
# Entries looked at, in stretches of neighbouring rows: a quarter of a million tell all this well.
_SAMPLE, _FEWEST_ROWS, _STRETCHES = 1 << 18, 64, 8
# Share of Ledoit and Wolf's bandwidth. Theirs reaches 38 % to either side at n = 200, and carries a
# bulk over to its spikes. What less smoothing leaves of noise, monotone regression removes.
_BANDWIDTH = 0.4
_FAINT = 0.05  # smaller gains cost less than 5 % of the error along their direction if taken for 0
_BLOCK = 512  # rows of the kernel matrix at a time


class Residuals(NamedTuple):
    """Statistics of a table without its spikes."""

    n_samples: int
    n_features: int
    n_spikes: int
    feature_spread: float
    """Squared coefficient of variation of the variances of features."""
    sample_spread: float
    """Squared coefficient of variation of the squared lengths of rows."""
    kurtosis: float
    """Mean fourth power over the squared mean square, of entries scaled by feature: 3 if normal."""
    correlation: float
    """Of neighbouring rows: sum of their products over the sum of squares."""


def departures(
    residuals: Residuals, *, scales_matter: bool = True, tails_matter: bool = True
) -> list[str]:
    """Say in words what is not as the laws suppose.

    Parameters
    ----------
    residuals : Residuals
        Of a table.
    scales_matter, tails_matter : bool, default=True
        Whether scales and tails of features move the edge; one by permutation allows for both.

    Returns
    -------
    departures : list of str
        One sentence for each, with the remedy.
    """
    n, p = residuals.n_samples, max(residuals.n_features - residuals.n_spikes, 1)
    found = []
    # Of m values that vary by chance alone the spread strays by about sqrt(8 / m) of itself.
    entry = max(residuals.kurtosis - 1, 2.0)
    by_chance = entry / n * (1 + _DEVIATIONS * (8 / p) ** 0.5)
    if residuals.feature_spread > by_chance + _SPREAD and scales_matter:
        found.append(
            f"the variances of the features differ (by {residuals.feature_spread**0.5:.0%} of "
            "their mean): try standardize='features', or 'both' with edge='permutation'"
        )
    by_chance = entry / p * (1 + _DEVIATIONS * (8 / n) ** 0.5)
    unequal_rows = residuals.sample_spread > by_chance + _SPREAD
    if unequal_rows:
        found.append(
            f"the lengths of the rows differ (squared, by {residuals.sample_spread**0.5:.0%} of "
            "their mean): try standardize='samples', or 'both' with edge='permutation'"
        )
    heavy = residuals.kurtosis > 3 + _EXCESS + _DEVIATIONS * (24 / (n * p)) ** 0.5
    if heavy and tails_matter and not unequal_rows:
        found.append(
            f"the entries have heavy tails (kurtosis {residuals.kurtosis:.1f}, a Gaussian has 3): "
            "try standardize='both'"
        )
    if residuals.correlation > _CORRELATION + _DEVIATIONS / (n * p) ** 0.5:
        found.append(
            f"neighbouring rows are correlated ({residuals.correlation:.2f}): rows that repeat one "
            "another in time, or are sorted, count for fewer than they are"
        )
    return found


def residual_statistics(stretches: list[Array], components: Array) -> Residuals:
    """Take the spikes out of centred rows and measure what is left.

    Parameters
    ----------
    stretches : list of array of shape (n_rows, n_features)
        Stretches of neighbouring rows, not weighted: the laws know the weights.
    components : array of shape (n_components, n_features)
        Orthonormal rows.

    Returns
    -------
    residuals : Residuals
        Of all stretches together.
    """
    xp = array_namespace(components)
    # A direction takes a share of each feature's variance with it.
    left = 1 - xp.sum(components * components, axis=0)
    kept = left > 0.1
    left = xp.where(kept, left, xp.ones_like(left))
    parts = [part - (part @ components.T) @ components for part in stretches]
    powers = [part * part for part in parts]
    product = sum(float(xp.sum(part[1:, :] * part[:-1, :])) for part in parts)
    lengths = xp.concat([xp.sum(power, axis=1) for power in powers])
    squares = sum(xp.sum(power, axis=0) for power in powers)
    n_samples = lengths.shape[0]
    variances = xp.where(kept & (squares > 0), squares / left, xp.zeros_like(left)) / n_samples
    scale = xp.where(variances > 0, variances * left, xp.ones_like(left))
    ratios = (power / scale for power in powers)
    fourth = sum(float(xp.sum(xp.where(variances > 0, r * r, 0.0 * r))) for r in ratios)
    by_feature, by_row = to_numpy(variances), to_numpy(lengths)
    n_counted = int(np.sum(by_feature > 0))
    return Residuals(
        n_samples,
        components.shape[1],
        components.shape[0],
        _squared_variation(by_feature[by_feature > 0]),
        _squared_variation(by_row),
        fourth / max(n_counted * n_samples, 1),
        product / max(float(np.sum(by_row)), np.finfo(float).tiny),
    )


def stretches_of_rows(table: CentredTable, *, equal: bool) -> list[Array]:
    """Centred rows that count, in evenly placed stretches of neighbours.

    Parameters
    ----------
    table : CentredTable
        Dense.
    equal : bool
        Whether rows are brought to one length.

    Returns
    -------
    stretches : list of array of shape (n_rows, n_features)
        A quarter of a million entries in all, and 64 rows at least.
    """
    xp, parts = array_namespace(table.mean), []
    for rows in _stretches(*table.X.shape):
        part = table.X[rows, :] - table.mean
        if table.root is not None:
            part = part[table.root[rows] > 0]
        if equal:
            part = part / xp.sqrt(xp.sum(part * part, axis=1))[:, None]
        parts.append(part)
    return parts


def _stretches(n_rows: int, n_features: int) -> Iterator[slice]:
    n_looked_at = max(_FEWEST_ROWS, _SAMPLE // n_features)
    if n_rows <= n_looked_at:
        yield slice(0, n_rows)
        return
    length = n_looked_at // _STRETCHES
    for i in range(_STRETCHES):
        start = (n_rows - length) * i // (_STRETCHES - 1)
        yield slice(start, start + length)


def _squared_variation(values: np.ndarray) -> float:
    """Squared coefficient of variation; 0 for no values."""
    mean = float(np.mean(values)) if values.size else 0.0
    return float(np.var(values / mean)) if mean > 0 else 0.0


class DirectionGains(NamedTuple):
    """Shares of the deviation from the mean that are kept."""

    leading: np.ndarray
    """Along each sample eigenvector, in [0, 1], not increasing."""
    rest: float
    """Along directions in which no fitted row varies for want of rows."""


class RowFilter(NamedTuple):
    """A linear map of rows that leaves the mean where it is."""

    mean: Array
    """(n_features,), float64."""
    scale: Array | None
    """Features are divided by it first, (n_features,); None for 1."""
    directions: Array
    """Orthonormal rows in the space of divided features, (n_directions, n_features)."""
    gains: Array
    """Factor along each of them, (n_directions,)."""
    rest: float
    """Factor along all other directions."""


def direction_gains(
    eigenvalues: np.ndarray, size: TableSize, variance: float, *, fitted_rows: bool
) -> DirectionGains:
    """Gains with the least squared error in the limit of many rows and columns.

    Parameters
    ----------
    eigenvalues : ndarray of shape (min(n_samples, n_features),)
        All sample eigenvalues but those that are zero for want of rows, descending, nonnegative.
    size : TableSize
        Of the table.
    variance : float
        Of the noise; 0 keeps everything.
    fitted_rows : bool
        Whether the rows of the fit are to be filtered, or others like them.

    Returns
    -------
    gains : DirectionGains
        Below .05 they are taken for 0.

    References
    ----------
    O. Ledoit, S. Peche, "Eigenvectors of some large sample covariance matrix ensembles",
    Probability Theory and Related Fields 151 (2011) (other rows: the variance d).
    M. Gavish, D. L. Donoho, "Optimal shrinkage of singular values", IEEE Transactions on
    Information Theory 63 (2017), eq. 7 (fitted rows, isolated eigenvalues of white noise).
    E. J. Candes, C. A. Sing-Long, J. D. Trzasko, "Unbiased risk estimates for singular value
    thresholding and spectral estimators", IEEE Transactions on Signal Processing 61 (2013),
    section IV (fitted rows: the divergence, of which ``2 a - 1 + c`` is the share of a direction).
    """
    n_positive = int(np.sum(eigenvalues > 0))
    if variance <= 0:
        return DirectionGains((eigenvalues > 0).astype(float), 0.0)
    n, c = size.n_samples, size.aspect()
    ascending = eigenvalues[:n_positive][::-1] / size.unit
    density, hilbert = spectral_density(ascending, n, bandwidth=_BANDWIDTH)
    share = n_positive / n  # of eigenvalues that are 0 the sums are known
    real = 1 - share * (1 + np.pi * ascending * hilbert)
    rest = 0.0
    if fitted_rows:
        raw = 1 - (2 * real - 1 + c) * variance / ascending
        # an error of the gain costs its square times the eigenvalue
        gains = isotonic_regression(raw, weights=ascending).x
    else:
        along = ascending / (real**2 + (share * np.pi * ascending * density) ** 2)
        gains = 1 - variance / isotonic_regression(along).x
        n_rest = size.n_features - eigenvalues.shape[0]
        if n_rest > 0:
            # the limit of d at eigenvalue 0, which is isolated and needs no smoothing
            off = n_positive / n_rest / float(np.mean(1 / ascending))
            rest = float(_not_faint(min(1 - variance / off, float(gains[0]))))
    leading = np.zeros_like(eigenvalues)
    leading[:n_positive] = _not_faint(gains[::-1])
    return DirectionGains(leading, rest)


def _not_faint(gains: np.ndarray | float) -> np.ndarray:
    """Zero what is below 5 %, and hold the rest to [0, 1]."""
    return np.where(np.asarray(gains) < _FAINT, 0.0, np.minimum(gains, 1.0))


def filtered_rows(X: Array, filter_: RowFilter) -> Array:
    """Rows with each direction multiplied by its gain, at ``4 p r`` flops a row.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        Rows.
    filter_ : RowFilter
        Of rows like these.

    Returns
    -------
    rows : array of shape (n_samples, n_features)
        Dense, in the float width of X; infinite or NaN where its range is left.
    """
    mean, scale, directions = filter_.mean, filter_.scale, filter_.directions
    xp = array_namespace(directions)
    scores = coordinates_of(X, mean, scale, directions)
    gains = xp.astype(filter_.gains - filter_.rest, scores.dtype)
    rows = rows_of_coordinates(scores * gains, mean, scale, directions)
    if filter_.rest == 0:
        return rows
    dense = xp.asarray(X.toarray()) if sp.issparse(X) else X
    return rows + filter_.rest * (dense - xp.astype(mean, dense.dtype))


def spectral_density(
    positive: np.ndarray, n_samples: float, *, bandwidth: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Density of the positive eigenvalues, and its Hilbert transform, at those eigenvalues.

    Parameters
    ----------
    positive : ndarray of shape (m,)
        Positive eigenvalues, ascending.
    n_samples : float
        Degrees of freedom; the bandwidth of the Epanechnikov kernel at eigenvalue x is
        ``x * n_samples ** (-1/3)``.
    bandwidth : float, default=1.0
        Multiplies it.

    Returns
    -------
    density : ndarray of shape (m,)
        Kernel estimate.
    hilbert : ndarray of shape (m,)
        Its Hilbert transform, in closed form.
    """
    density, hilbert = np.empty_like(positive), np.empty_like(positive)
    width = positive * (bandwidth * n_samples ** (-1 / 3))
    share = 1 / (width * positive.shape[0])  # sums over the kernels are products with it
    height = 3 / 4 / 5**0.5
    for start in range(0, positive.shape[0], _BLOCK):
        rows = slice(start, start + _BLOCK)
        x = (positive[rows, None] - positive[None, :]) / width[None, :]
        density[rows] = np.maximum(1 - x * x / 5, 0.0) @ (height * share)
        hilbert[rows] = _kernel_transform(x) @ (share / np.pi)
    return density, hilbert


def _kernel_transform(x: np.ndarray) -> np.ndarray:
    """Hilbert transform of the Epanechnikov kernel of variance 1, times pi.

    Far from the kernel the closed form is a difference of numbers that grow with x; there the
    series in its moments, ``-(1 / x + 1 / x^3 + ...)``, keeps the digits.
    """
    root, far = 5**0.5, np.abs(x) > 100
    near = np.where(far, 0.0, x)
    bump = 1 - near * near / 5
    # the logarithm has a pole where the factor before it is zero
    pole = np.abs(near) == root
    ratio = np.where(pole, 1.0, (root - near) / np.where(pole, 1.0, root + near))
    found = np.asarray(-3 / 10 * near + 3 / 4 / root * bump * np.log(np.abs(ratio)))
    if np.any(far):
        inverse = 1 / x[far]
        square = inverse * inverse
        found[far] = -inverse * (1 + square * (1 + square * (15 / 7 + square * 125 / 21)))
    return found
