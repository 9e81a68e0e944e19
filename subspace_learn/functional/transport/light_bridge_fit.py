r"""Fit of a light Schroedinger bridge: an exact gradient, K-means centres, quasi-Newton steps.

The loss :math:`\overline{\log c(x)} - \overline{\log v(y)}` (Korotin et al. 2024, eq. 9) is a sum
over components of exponentials of forms that are linear in ``(x x^T, x, 1)`` and ``(y y^T, y, 1)``.
So its value takes one product of these columns with the coefficients of the components, and its
gradient one product back. The authors take 10,000 steps of Adam from random rows; here L-BFGS takes
some fifty from K-means centres.

Coordinates are those in which the solution of one component has slope 1
(see ``light_bridge_start``): the units and the condition of the data are out of the way.
"""

from __future__ import annotations

from math import log, pi
from typing import NamedTuple

import numpy as np
import scipy.optimize

from ..._array import Array, array_namespace, is_numpy, move_like, to_numpy
from ...linalg.moments import column_moments, deviations, row_blocks
from .light_bridge import LightBridge, shares_and_log_sums
from .light_bridge_start import (
    balanced_log_weights,
    gaussian_slope_factor,
    start_clusters,
    variance_within,
)

__all__ = [
    "BridgeFit",
    "Components",
    "fitted_bridge",
    "loss_and_gradient",
]

_FLOOR = 1e-6  # least slope, in units of the start (a single row has no likelihood); 1 / greatest
_WINDOW = 10  # iterations over which the fall of the loss is looked at


class Components(NamedTuple):
    """Parameters in the coordinates of the fit."""

    log_weights: np.ndarray
    """(K,)."""
    means: np.ndarray
    """(K, r)."""
    roots: np.ndarray
    """Standard deviations (K, r), or lower triangular factors (K, r, r)."""


class BridgeFit(NamedTuple):
    """What a fit found."""

    bridge: LightBridge
    """The plan, on the host, in float64; components of large weight first."""
    loss: float
    """Loss in the coordinates of the fit, to compare starts."""
    n_iter: int
    """Iterations of the start that was kept."""
    converged: bool
    """Whether the loss fell by less than ``tol`` before ``max_iter``."""
    n_collapsed: int
    """Components as narrow as they may get, in all directions."""


def loss_and_gradient(
    components: Components, x: Array, y: Array, p: Array, q: Array
) -> tuple[float, Components]:
    """Loss ``mean log c(x) - mean log v(y)`` and its gradient, for ``eps = 1``.

    Parameters
    ----------
    components : Components
        On the host.
    x, y : array of shape (n_samples, r)
        Rows of the source and of the target, each about its mean. Of any library.
    p, q : array of shape (n_samples,)
        Weights that sum to 1.

    Returns
    -------
    loss : float
        In nats.
    gradient : Components
        Derivatives by log-weights, means and roots (lower triangles of factors).

    Notes
    -----
    ``4 n K r`` multiplications with diagonal slopes, ``2 n K r^2`` with full ones, and ``n K``
    exponentials. Columns are formed block by block.
    """
    a, rho, T = components
    r, full = rho.shape[1], T.ndim == 3
    if full:
        inverse = np.linalg.solve(T, np.broadcast_to(np.eye(r), T.shape))
        slope, precision = T @ T.swapaxes(1, 2), inverse.swapaxes(1, 2) @ inverse
        pull = (precision @ rho[:, :, None])[:, :, 0]
        log_sizes = np.log(np.diagonal(T, axis1=1, axis2=2)).sum(axis=1)
    else:
        slope, precision = T * T, 1.0 / (T * T)
        pull, log_sizes = precision * rho, np.log(T).sum(axis=1)
    constants = a - log_sizes - 0.5 * (rho * pull).sum(axis=1) - 0.5 * r * log(2 * pi)
    log_c, (n0, x1, x2) = _moments(x, p, (a, rho, 0.5 * slope))
    log_v, (n1, y1, y2) = _moments(y, q, (constants, pull, -0.5 * precision))
    gap = y1 - n1[:, None] * rho
    if full:
        crossed = rho[:, :, None] * y1[:, None, :]
        weight = n1[:, None, None]
        about = y2 - crossed - crossed.swapaxes(1, 2) + weight * rho[:, :, None] * rho[:, None, :]
        back = inverse.swapaxes(1, 2)
        d_means = x1 - (precision @ gap[:, :, None])[:, :, 0]
        d_roots = np.tril(x2 @ T - precision @ about @ back + weight * back)
    else:
        about = y2 - 2.0 * rho * y1 + n1[:, None] * rho**2
        d_means = x1 - precision * gap
        d_roots = x2 * T - about * precision / T + n1[:, None] / T
    return log_c - log_v, Components(n0 - n1, d_means, d_roots)


def _moments(
    rows: Array, weights: Array, coefficients: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> tuple[float, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Mean of the log of sums of exponentials of quadratic forms, and the moments of each share."""
    xp = array_namespace(rows)
    constant, linear, square = coefficients
    r, full = linear.shape[1], square.ndim == 3
    first, second = np.tril_indices(r)
    if full:  # each product of two columns stands once
        square = square[:, first, second] * np.where(first == second, 1.0, 2.0)
        first, second = move_like(first, rows), move_like(second, rows)
    table = move_like(np.concatenate([square, linear], axis=1).T, rows)
    constant = move_like(constant, rows)
    value, total, sums = 0.0, 0.0, 0.0
    for part in row_blocks(xp.broadcast_to(weights[:, None], (rows.shape[0], max(table.shape)))):
        block = rows[part, :]
        products = (
            xp.take(block, first, axis=1) * xp.take(block, second, axis=1)
            if full
            else block * block
        )
        columns = xp.concat([products, block], axis=1)
        shares, logs = shares_and_log_sums(columns @ table + constant)
        shares = shares * weights[part, None]
        value = value + weights[part] @ logs
        total, sums = total + xp.sum(shares, axis=0), sums + shares.T @ columns
    mass, moments = to_numpy(total), to_numpy(sums)
    n_square = moments.shape[1] - r
    if not full:
        return float(value), (mass, moments[:, n_square:], moments[:, :n_square])
    first, second = np.tril_indices(r)
    squares = np.empty((len(moments), r, r))
    squares[:, first, second] = squares[:, second, first] = moments[:, :n_square]
    return float(value), (mass, moments[:, n_square:], squares)


def fitted_bridge(
    X: np.ndarray,
    Y: np.ndarray,
    p: np.ndarray,
    q: np.ndarray,
    *,
    n_components: int,
    eps: float,
    full: bool,
    init: str,
    n_init: int,
    tol: float,
    max_iter: int,
    rng: np.random.Generator,
    like: Array | None = None,
) -> BridgeFit:
    """Fit the plan between two weighted samples; the best of ``n_init`` starts.

    Parameters
    ----------
    X, Y : ndarray of shape (n_samples, n_features)
        Rows of the source and of the target, distinct ones.
    p, q : ndarray of shape (n_samples,)
        Weights that sum to 1.
    n_components : int
        At most the number of rows of Y.
    eps : float
        Variance of the Brownian motion.
    full : bool
        Whether slopes are matrices.
    init : {"kmeans", "random"}
        Where the means start.
    n_init : int
        Number of starts.
    tol : float
        Least fall of the loss in ten iterations, in nats.
    max_iter : int
        Iterations of a start at most.
    rng : numpy.random.Generator
        Draws the starts.
    like : array, optional
        The loss is computed in the library and on the device of this array; None means NumPy.

    Returns
    -------
    fit : BridgeFit
        The plan, and how it was found.
    """
    root = eps**0.5
    (m0, v0), (m1, v1) = column_moments(X, p), column_moments(Y, q)
    v1 = np.where(deviations(v1, m1, 2.0**-52) > 0, v1, 0.0)
    x, y = (X - m0) / root, (Y - m1) / root
    spreads = (v0 / eps, v1 / eps) if not full else (_scatter(x, p), _scatter(y, q))
    best = None
    for _ in range(n_init):
        centers, labels, shares = start_clusters(y, q, n_components, init, rng)
        within = variance_within(y - centers[labels], q, spreads[1])
        factor, inverse = gaussian_slope_factor(spreads[0], within)
        if full:
            x_in, y_in, means = x @ factor, y @ inverse.T, centers @ inverse.T
            roots = np.tile(np.eye(means.shape[1]), (n_components, 1, 1))
        else:
            x_in, y_in, means = (
                z[:, factor > 0] for z in (x * factor, y * inverse, centers * inverse)
            )
            roots = np.ones_like(means)
        start = Components(balanced_log_weights(x_in, p, means, shares), means, roots)
        found = _minimum(start, [x_in, y_in, p, q], tol=tol, max_iter=max_iter, like=like)
        if best is None or found[1] < best[1][1]:
            best = (factor, found)
    assert best is not None
    factor, (components, loss, n_iter, converged) = best
    bridge = _in_units(factor, components, center=m0, target=m1, eps=eps)
    return BridgeFit(bridge, loss, n_iter, converged, _n_collapsed(components))


def _scatter(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return x.T @ (weights[:, None] * x)


def _minimum(
    start: Components, rows: list[np.ndarray], *, tol: float, max_iter: int, like: Array | None
) -> tuple[Components, float, int, bool]:
    """Components at the minimum, its loss, the iterations, and whether they came to an end."""
    x, y, p, q = (row if like is None or is_numpy(like) else move_like(row, like) for row in rows)
    K, r = start.means.shape
    full = start.roots.ndim == 3
    lower = np.tril_indices(r)
    diagonal = (lower[0] == lower[1]) if full else np.ones(r, dtype=bool)

    def vector(parts: Components, by_log: np.ndarray) -> np.ndarray:
        """One vector; ``by_log`` replaces what stands for the logarithms of the diagonal."""
        roots = parts.roots[:, *lower].copy() if full else parts.roots.copy()
        roots[:, diagonal] = by_log
        return np.concatenate([parts.log_weights, parts.means.ravel(), roots.ravel()])

    def parts(theta: np.ndarray) -> tuple[Components, np.ndarray]:
        flat = theta[K + K * r :].reshape(K, -1).copy()
        sizes = flat[:, diagonal] = np.exp(flat[:, diagonal])
        roots = flat
        if full:
            roots = np.zeros((K, r, r))
            roots[:, *lower] = flat
        return Components(theta[:K], theta[K : K + K * r].reshape(K, r), roots), sizes

    def value(theta: np.ndarray) -> tuple[float, np.ndarray]:
        components, sizes = parts(theta)
        loss, gradient = loss_and_gradient(components, x, y, p, q)
        slope = gradient.roots[:, *lower] if full else gradient.roots
        return loss, vector(gradient, slope[:, diagonal] * sizes)

    history: list[float] = []

    def enough(intermediate_result: scipy.optimize.OptimizeResult) -> None:
        history.append(float(intermediate_result.fun))
        if len(history) > _WINDOW and history[-1 - _WINDOW] - history[-1] < tol:
            raise StopIteration

    # the roots alone have bounds: steps of a line search may try anything
    wide = np.full_like(start.roots, _FLOOR**-0.5)
    free = Components(np.full(K, np.inf), np.full((K, r), np.inf), wide)
    highest = vector(free, np.full((K, r), -0.5 * log(_FLOOR)))
    found = scipy.optimize.minimize(
        value,
        vector(start, np.zeros((K, r))),
        jac=True,
        method="L-BFGS-B",
        bounds=scipy.optimize.Bounds(-highest, highest),
        callback=enough,
        options={"maxiter": max_iter, "maxfun": 20 * max_iter, "ftol": 0.0, "gtol": 1e-10},
    )
    # status 1: out of iterations; 2: no step lowers the loss, as at a minimum that rounding blurs
    slow = len(history) > _WINDOW and history[-1 - _WINDOW] - found.fun < tol
    blurred = found.status == 2 and bool(np.max(np.abs(found.jac)) < max(tol, 1e-6))
    ended = found.status == 0 or slow or blurred
    return parts(found.x)[0], float(found.fun), int(found.nit), ended


def _in_units(
    factor: np.ndarray,
    components: Components,
    *,
    center: np.ndarray,
    target: np.ndarray,
    eps: float,
) -> LightBridge:
    """The plan in the coordinates of the data, components of large weight first."""
    a, means, roots = components
    log_weights = a - a.max() - np.log(np.exp(a - a.max()).sum())
    order = np.argsort(-log_weights, kind="stable")
    if factor.ndim == 2:
        moved, factors = means @ factor.T, factor @ roots
    else:
        moved, factors = np.zeros((2, len(a), len(factor)))
        moved[:, factor > 0] = means * factor[factor > 0]
        factors[:, factor > 0] = roots * factor[factor > 0]
    moved = target + eps**0.5 * moved
    return LightBridge(log_weights[order], moved[order], factors[order], center, eps)


def _n_collapsed(components: Components) -> int:
    """Components that are at the least width allowed in all directions."""
    roots = components.roots
    sizes = np.diagonal(roots, axis1=1, axis2=2) if roots.ndim == 3 else roots
    return int(np.sum(np.all(sizes <= 1.01 * _FLOOR**0.5, axis=1))) if sizes.shape[1] else 0
