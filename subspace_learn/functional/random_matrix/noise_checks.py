"""Is what is left over white noise? Four ways in which it often is not, and what to do about each.

The laws of random matrices are about independent entries of one variance with tails like those of
a Gaussian. What is left of a table when the spikes are taken out is looked at in samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..._array import Array, array_namespace, to_numpy
from ...linalg.lowrank import CentredTable

__all__ = ["Residuals", "findings", "residual_statistics"]

# A departure counts when it is both beyond its sampling error and large enough to move the edge:
# variances that differ by 22 % (coefficient of variation squared), kurtosis 5, correlation 0.1.
_SPREAD, _EXCESS, _CORRELATION = 0.05, 2.0, 0.1
_DEVIATIONS = 6.0
# Entries looked at, in stretches of neighbouring rows: a quarter of a million tell all this well.
_SAMPLE, _FEWEST_ROWS, _STRETCHES = 1 << 18, 64, 8


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


def residual_statistics(table: CentredTable, components: Array) -> Residuals:
    """Take the spikes out of a table and measure what is left.

    Parameters
    ----------
    table : CentredTable
        Dense, features divided by their scale, rows weighted as they were for the covariance.
    components : array of shape (n_spikes, n_features)
        Orthonormal rows.

    Returns
    -------
    residuals : Residuals
        Of at most about 2^18 entries, in eight stretches of rows; all of a smaller table.
    """
    xp = array_namespace(components)
    n_features = table.X.shape[1]
    # A direction takes a share of each feature's variance with it.
    left = 1 - xp.sum(components * components, axis=0)
    kept = left > 0.1
    left = xp.where(kept, left, xp.ones_like(left))
    parts = [
        part - (part @ components.T) @ components
        for part in (_rows(table, rows) for rows in _stretches(table.X.shape))
    ]
    powers = [part * part for part in parts]
    product = sum(float(xp.sum(part[1:, :] * part[:-1, :])) for part in parts)
    lengths = xp.concat([xp.sum(power, axis=1) for power in powers])
    squares = sum(xp.sum(power, axis=0) for power in powers)
    n_samples = lengths.shape[0]
    variances = xp.where(kept & (squares > 0), squares / left, xp.zeros_like(left)) / n_samples
    scale = xp.where(variances > 0, variances * left, xp.ones_like(left))
    fourth = sum(
        float(xp.sum(xp.where(variances > 0, _squared(power / scale), 0.0 * power)))
        for power in powers
    )
    by_feature, by_row = to_numpy(variances), to_numpy(lengths)
    n_counted = int(np.sum(by_feature > 0))
    return Residuals(
        n_samples,
        n_features,
        components.shape[0],
        _squared_variation(by_feature[by_feature > 0]),
        _squared_variation(by_row),
        fourth / max(n_counted * n_samples, 1),
        product / max(float(np.sum(by_row)), np.finfo(float).tiny),
    )


def _stretches(shape: tuple[int, int]) -> Iterator[slice]:
    """Evenly placed stretches of neighbouring rows; one of all rows if they are few."""
    n_rows, n_features = shape
    wanted = max(_FEWEST_ROWS, _SAMPLE // n_features)
    if n_rows <= wanted:
        yield slice(0, n_rows)
        return
    length = wanted // _STRETCHES
    for i in range(_STRETCHES):
        start = (n_rows - length) * i // (_STRETCHES - 1)
        yield slice(start, start + length)


def _rows(table: CentredTable, rows: slice) -> Array:
    """Some of the centred, weighted rows."""
    root = None if table.root is None else table.root[rows]
    return table._replace(X=table.X[rows, :], root=root).rows()


def _squared(x: Array) -> Array:
    """Square by a product, several times faster than by a power."""
    return x * x


def _squared_variation(values: np.ndarray) -> float:
    """Squared coefficient of variation; 0 for no values."""
    mean = float(np.mean(values)) if values.size else 0.0
    return float(np.var(values)) / mean**2 if mean > 0 else 0.0


def findings(
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
    findings : list of str
        One sentence for each departure, with the remedy.
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
