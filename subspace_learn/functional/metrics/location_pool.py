"""Pools of maps: one distribution over cells out of several, with weights by likelihood."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from ..._array import Array, array_namespace, device_of, double, to_numpy

__all__ = [
    "LARGEST_WEIGHT",
    "PoolWeights",
    "equal_weights",
    "linear_pool",
    "linear_pool_weights",
    "log_pool",
    "log_pool_weights",
    "log_total",
]

LARGEST_WEIGHT = 100.0  # of a map in a log-linear pool: beyond it the likelihood has no maximum
_BLOCK = 1 << 20  # scores held in float64 at a time


class PoolWeights(NamedTuple):
    """What a fit of the weights of a pool finds."""

    weights: np.ndarray
    """Of shape (n_maps,), none negative."""
    log_likelihood: float
    """Mean log-probability of the true cells."""
    n_iter: int
    """Iterations that it took."""
    converged: bool
    """Whether they were enough."""


def log_total(scores: Array) -> Array:
    """Logarithm of the sum of the exponentials of each row, as a column in float64.

    Parameters
    ----------
    scores : array of shape (n_samples, n_cells)
        No row may be minus infinity throughout.

    Returns
    -------
    total : array of shape (n_samples, 1)
        Finite.
    """
    xp = array_namespace(scores)
    top = xp.max(scores, axis=1, keepdims=True)
    return double(top) + xp.log(xp.sum(xp.exp(double(scores) - double(top)), axis=1, keepdims=True))


def log_pool(maps: Sequence[Array], weights: np.ndarray, floor: float) -> Array:
    r"""Log-linear pool: :math:`\log q(c) = \sum_m w_m \log p_m(c) - \log Z`.

    Parameters
    ----------
    maps : sequence of array of shape (n_samples, n_cells)
        Log-scores of each map.
    weights : ndarray of shape (n_maps,)
        Weight of each map.
    floor : float
        No probability counts as less than ``floor / n_cells``, so that no map can rule out a cell.

    Returns
    -------
    log_proba : array of shape (n_samples, n_cells)
        In float64; their exponentials sum to 1 in each row.
    """
    blocks = [_pooled(parts, weights) for _, parts in _floored_blocks(maps, floor)]
    return array_namespace(*maps).concat(blocks)


def linear_pool(maps: Sequence[Array], weights: np.ndarray, floor: float) -> Array:
    r"""Linear pool: :math:`q(c) = \sum_m w_m p_m(c)`.

    Parameters
    ----------
    maps : sequence of array of shape (n_samples, n_cells)
        Log-scores of each map.
    weights : ndarray of shape (n_maps,)
        Weight of each map.
    floor : float
        No probability counts as less than ``floor / n_cells``, so that no map can rule out a cell.

    Returns
    -------
    log_proba : array of shape (n_samples, n_cells)
        In float64; their exponentials sum to 1 in each row.
    """
    xp = array_namespace(*maps)
    blocks = []
    for _, parts in _floored_blocks(maps, floor):
        q = sum(float(w) * xp.exp(part) for w, part in zip(weights, parts, strict=True))
        blocks.append(xp.log(q / xp.sum(q, axis=1, keepdims=True)))
    return xp.concat(blocks)


def equal_weights(
    pooled: Array, true: np.ndarray, sample_weight: np.ndarray, weights: np.ndarray
) -> PoolWeights:
    """Weights that were given, with the likelihood of the pool that they make.

    Parameters
    ----------
    pooled : array of shape (n_samples, n_cells)
        Log-probabilities of the pool.
    true : ndarray of shape (n_samples,)
        Column of the true cell.
    sample_weight : ndarray of shape (n_samples,)
        Weight of each row, not all zero.
    weights : ndarray of shape (n_maps,)
        Weight of each map.

    Returns
    -------
    fit : PoolWeights
        After no iteration.
    """
    likelihood = np.average(to_numpy(_at(pooled, true)), weights=sample_weight)
    return PoolWeights(weights, float(likelihood), 0, True)


def log_pool_weights(
    maps: Sequence[Array],
    true: np.ndarray,
    sample_weight: np.ndarray,
    *,
    floor: float,
    tol: float,
    max_iter: int,
) -> PoolWeights:
    r"""Weights of a log-linear pool that make the true cells most likely.

    Maximises the mean of :math:`\sum_m w_m \log p_m(t_i) - \log Z_i(w)` over weights in
    [0, `LARGEST_WEIGHT`] by L-BFGS. It is concave, and its gradient is the mean log-probability at
    the true cell less that expected under the pool.

    Parameters
    ----------
    maps : sequence of array of shape (n_samples, n_cells)
        Log-scores of each map.
    true : ndarray of shape (n_samples,)
        Column of the true cell.
    sample_weight : ndarray of shape (n_samples,)
        Weight of each row, not all zero.
    floor : float
        As in `log_pool`.
    tol : float
        Largest gradient at the end.
    max_iter : int
        Largest number of iterations.

    Returns
    -------
    fit : PoolWeights
        With ``weights`` of shape (n_maps,).
    """
    xp = array_namespace(*maps)
    share = sample_weight / sample_weight.sum()
    totals = [log_total(x) for x in maps]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = 0.0, np.zeros(len(weights))
        for rows, parts in _floored_blocks(maps, floor, totals):
            q = _pooled(parts, weights)
            weight = xp.asarray(share[rows], device=device_of(q))
            value -= float(xp.sum(weight * _at(q, true[rows])))
            q = xp.exp(q)
            for m, part in enumerate(parts):
                gap = xp.sum(q * part, axis=1) - _at(part, true[rows])
                gradient[m] += float(xp.sum(weight * gap))
        return value, gradient

    found = minimize(
        loss,
        np.zeros(len(maps)),  # a map that says nothing keeps a weight of 0
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, LARGEST_WEIGHT)] * len(maps),
        options={"maxiter": max_iter, "gtol": tol, "ftol": 1e-14},
    )
    return PoolWeights(found.x, -float(found.fun), int(found.nit), bool(found.success))


def linear_pool_weights(
    maps: Sequence[Array],
    true: np.ndarray,
    sample_weight: np.ndarray,
    *,
    floor: float,
    tol: float,
    max_iter: int,
) -> PoolWeights:
    """Weights of a linear pool, on the simplex, that make the true cells most likely.

    By expectation-maximisation: a map's new weight is its mean share in the probability of the true
    cells.

    Parameters
    ----------
    maps : sequence of array of shape (n_samples, n_cells)
        Log-scores of each map.
    true : ndarray of shape (n_samples,)
        Column of the true cell.
    sample_weight : ndarray of shape (n_samples,)
        Weight of each row, not all zero.
    floor : float
        As in `log_pool`.
    tol : float
        Largest excess over 1 of the factor by which a weight would still grow.
    max_iter : int
        Largest number of iterations.

    Returns
    -------
    fit : PoolWeights
        Its weights add up to 1.
    """
    at_true = np.concatenate(
        [
            np.stack([to_numpy(_at(part, true[rows])) for part in parts], axis=1)
            for rows, parts in _floored_blocks(maps, floor)
        ]
    )
    share = sample_weight / sample_weight.sum()
    unit = at_true.max(axis=1, keepdims=True)
    p = np.exp(at_true - unit)
    weights = np.full(len(maps), 1.0 / len(maps))
    growth, n_iter = np.full(len(maps), np.inf), 0
    # the conditions of Karush, Kuhn and Tucker: no map's factor is above 1 at the maximum
    while growth.max() > 1.0 + tol and n_iter < max_iter:
        growth, n_iter = (share / (p @ weights)) @ p, n_iter + 1
        weights = weights * growth
    likelihood = float(share @ (np.log(p @ weights) + unit[:, 0]))
    return PoolWeights(weights / weights.sum(), likelihood, n_iter, growth.max() <= 1.0 + tol)


def _pooled(parts: list[Array], weights: np.ndarray) -> Array:
    """Weighted sum of log-probabilities, normalised."""
    q = sum(float(w) * part for w, part in zip(weights, parts, strict=True))
    return q - log_total(q)


def _at(values: Array, columns: np.ndarray) -> Array:
    """One entry of each row."""
    xp = array_namespace(values)
    columns = xp.asarray(columns, device=device_of(values))
    return xp.take_along_axis(values, columns[:, None], axis=1)[:, 0]


def _floored_blocks(
    maps: Sequence[Array], floor: float, totals: Sequence[Array] | None = None
) -> Iterator[tuple[slice, list[Array]]]:
    """Rows, and each map's log-probabilities there in float64, none below the floor."""
    xp = array_namespace(*maps)
    n_samples, n_cells = maps[0].shape
    lowest = float(np.log(floor / n_cells))
    step = max(1, _BLOCK // (n_cells * len(maps)))
    totals = [log_total(x) for x in maps] if totals is None else totals
    for start in range(0, n_samples, step):
        rows = slice(start, min(start + step, n_samples))
        yield (
            rows,
            [
                xp.clip(double(x[rows, :]) - total[rows, :], lowest, None)
                for x, total in zip(maps, totals, strict=True)
            ],
        )
