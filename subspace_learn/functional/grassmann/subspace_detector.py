"""Scores of rows against a subspace: residual energy, the combined index, and their thresholds."""

from __future__ import annotations

from ..._array import Array, array_namespace

__all__ = ["combined_index", "hotelling_statistic", "weighted_quantile"]


def weighted_quantile(values: Array, quantile: float, weights: Array | None = None) -> float:
    """Smallest value whose cumulative weight reaches a share ``quantile`` of all weight.

    The inverse of the empirical distribution function: always one of ``values``, and the same
    whether a row has weight 2 or stands there twice.

    Parameters
    ----------
    values : array of shape (n_samples,)
        Finite.
    quantile : float
        Share in [0, 1].
    weights : array of shape (n_samples,), optional
        Nonnegative, not all zero; None means 1 each.

    Returns
    -------
    value : float
        Costs one sort.

    Examples
    --------
    >>> import numpy as np
    >>> weighted_quantile(np.array([3.0, 1.0, 2.0, 4.0]), 0.5)
    2.0
    """
    xp = array_namespace(values)
    order = xp.argsort(values)
    ordered = xp.take(values, order)
    if weights is None:
        share = xp.astype(xp.cumulative_sum(xp.ones_like(values, dtype=xp.float64)), xp.float64)
    else:
        share = xp.cumulative_sum(xp.take(weights, order))
    below = share < quantile * share[-1]
    index = int(xp.sum(xp.astype(below, xp.int64)))
    return float(ordered[min(index, values.shape[0] - 1)])


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
        Their training quantiles, positive.

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
