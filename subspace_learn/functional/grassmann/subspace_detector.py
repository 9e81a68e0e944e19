"""Scores of rows against a subspace: residual energy, the combined index, and their thresholds."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor

import numpy as np
from scipy.sparse import issparse

from ..._array import Array, array_namespace, double, move_like, to_numpy
from ...linalg.moments import row_blocks

__all__ = [
    "combined_index",
    "fold_places",
    "fold_shares",
    "held_out_weights",
    "hotelling_statistic",
    "places_in_line",
    "predictive_quantile",
]


def predictive_quantile(values: Array, quantile: float, weights: Array | None = None) -> float:
    """Value below which the next one like these lies with probability ``quantile``.

    One more value falls into each of the n + 1 gaps between n values with the same probability. The
    quantile stands at position ``quantile (n + 1)`` of the sorted values, between two of them by
    linear interpolation.

    Parameters
    ----------
    values : array of shape (n_samples,)
        Finite.
    quantile : float
        In (0, 1).
    weights : array of shape (n_samples,), optional
        Frequencies, not all zero: a value of weight 2 counts as two. None means 1 each.

    Returns
    -------
    value : float
        The largest of ``values`` where ``quantile`` is above ``n / (n + 1)``. Costs one sort.

    Examples
    --------
    >>> import numpy as np
    >>> predictive_quantile(np.array([3.0, 1.0, 2.0]), 0.5)
    2.0
    """
    xp = array_namespace(values)
    order = xp.argsort(values)
    ordered = xp.take(values, order)
    ones = xp.ones_like(values, dtype=xp.float64)
    reached = xp.cumulative_sum(ones if weights is None else xp.take(weights, order))
    position = quantile * (float(reached[-1]) + 1)
    lower = floor(position)

    def at(place: int) -> float:
        before = int(xp.sum(xp.astype(reached < place, xp.int64)))
        return float(ordered[min(before, values.shape[0] - 1)])

    return at(lower) + (position - lower) * (at(lower + 1) - at(lower))


def held_out_weights(
    X: Array, n_folds: int, weights: Array | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cut rows into folds, the same for the same rows in any order.

    Rows are sorted along a fixed direction and dealt out in turn. A row of weight 2 is dealt out
    as two rows are, so that parts of its weight lie in two folds.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        Rows.
    n_folds : int
        At least 2.
    weights : array of shape (n_samples,), optional
        Frequencies; None means 1 each.

    Yields
    ------
    held : ndarray of shape (n_samples,)
        Weight of each row that lies in the fold.
    kept : ndarray of shape (n_samples,)
        Weight of each row that lies in the others.
    """
    order = np.argsort(fold_places(X), kind="stable")
    weight = np.ones(X.shape[0]) if weights is None else to_numpy(weights).astype(np.float64)
    starts, ends = places_in_line(order, weight)
    for fold in range(n_folds):
        yield fold_shares(starts, ends, weight, fold, n_folds)


def fold_places(X: Array) -> np.ndarray:
    """Coordinate of each row along which rows are sorted before they are dealt out.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        Rows.

    Returns
    -------
    places : ndarray of shape (n_samples,)
        Products with a fixed random direction, in float64.
    """
    direction = np.random.default_rng(0).normal(size=X.shape[1])
    if issparse(X):
        return X @ direction
    along = move_like(direction, X)  # in double precision: float32 falls as its float64 copy does
    products = [double(X[rows, :]) @ along for rows in row_blocks(X)]
    return to_numpy(array_namespace(X).concat(products))


def places_in_line(order: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each row begins and ends when rows stand in line, each as long as its weight.

    Parameters
    ----------
    order : ndarray of int, shape (n_samples,)
        Row numbers in the order in which rows stand.
    weight : ndarray of shape (n_samples,)
        Frequencies.

    Returns
    -------
    starts, ends : ndarray of shape (n_samples,)
        Of each row.
    """
    line = np.cumsum(weight[order])
    starts, ends = np.empty_like(line), np.empty_like(line)
    ends[order] = line
    starts[order[1:]] = line[:-1]
    starts[order[:1]] = 0.0
    return starts, ends


def fold_shares(
    starts: np.ndarray, ends: np.ndarray, weight: np.ndarray, fold: int, n_folds: int
) -> tuple[np.ndarray, np.ndarray]:
    """Weight of rows that lies in a fold, and in the others: the line is dealt out unit by unit.

    Parameters
    ----------
    starts, ends : ndarray of shape (n_samples,)
        Places of the rows in line.
    weight : ndarray of shape (n_samples,)
        Frequencies.
    fold : int
        Which, from 0.
    n_folds : int
        How many.

    Returns
    -------
    held, kept : ndarray of shape (n_samples,)
        They add up to the weight.
    """

    def within(places: np.ndarray) -> np.ndarray:
        """How much of [0, place) lies in the unit intervals number fold, fold + n_folds, ..."""
        rounds = np.floor(places / n_folds)
        return rounds + np.clip(places - n_folds * rounds - fold, 0, 1)

    held = within(ends) - within(starts)
    kept = weight - held
    kept[kept < 1e-9 * weight] = 0.0  # rounding of the ends
    held[held < 1e-9 * weight] = 0.0
    return held, kept


def hotelling_statistic(scores: Array, variances: Array) -> Array:
    """Squared Mahalanobis length of coordinates in a subspace: ``sum_j t_j^2 / variance_j``.

    Parameters
    ----------
    scores : array of shape (n_samples, n_components)
        Centred coordinates.
    variances : array of shape (n_components,)
        Their variances in training; directions below eps times the largest are left out, since no
        spread was seen along them to measure by.

    Returns
    -------
    statistic : array of shape (n_samples,)
        Hotelling's T^2, nonnegative.
    """
    xp = array_namespace(scores)
    floor = xp.finfo(variances.dtype).eps * xp.max(variances)
    spread = variances > floor
    ones = xp.ones_like(variances)
    inverse = xp.where(spread, ones / xp.where(spread, variances, ones), xp.zeros_like(ones))
    return xp.sum(scores * scores * inverse[None, :], axis=1)


def combined_index(
    residuals: Array, statistic: Array, residual_limit: float, statistic_limit: float
) -> Array:
    """Combined index ``residual / residual_limit + T^2 / statistic_limit``.

    A row is far off the subspace, or far out within it, or both.

    Parameters
    ----------
    residuals : array of shape (n_samples,)
        Squared distances to the subspace.
    statistic : array of shape (n_samples,)
        Hotelling's T^2 within it.
    residual_limit, statistic_limit : float
        What normal rows rarely exceed, positive.

    Returns
    -------
    index : array of shape (n_samples,)
        About 1 where one of the two is at its limit and the other small.

    References
    ----------
    H. H. Yue, S. J. Qin, "Reconstruction-based fault identification using a combined index",
    Industrial & Engineering Chemistry Research 40 (2001), eq. 20.
    """
    return residuals / residual_limit + statistic / statistic_limit
