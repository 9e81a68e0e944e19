r"""Fit of a light Schroedinger bridge: an exact gradient, K-means centres, quasi-Newton steps.

The loss :math:`\overline{\log c(x)} - \overline{\log v(y)}` (Korotin et al. 2024, eq. 9) is a sum
over components of exponentials of forms that are linear in ``(x x^T, x, 1)`` and ``(y y^T, y, 1)``.
So its value takes one product of these columns with the coefficients of the components, and its
gradient one product back. The authors take 10,000 steps of Adam from random rows; here L-BFGS takes
some fifty from K-means centres.

Coordinates are those in which the solution of one component has slope 1
(:func:`gaussian_slope_factor`): the units and the condition of the data are out of the way.
"""

from __future__ import annotations

from math import ceil, log, log2, pi
from typing import NamedTuple

import numpy as np
import scipy.optimize

from ..._array import Array, array_namespace, is_numpy, move_like, to_numpy
from ...linalg.moments import column_moments, deviations, row_blocks
from .light_bridge import LightBridge, _exponentials

__all__ = [
    "BridgeFit",
    "Components",
    "distinct_rows",
    "fitted_bridge",
    "gaussian_slope_factor",
    "loss_and_gradient",
]

_FLOOR = 1e-6  # least slope, in units of the start (a single row has no likelihood); 1 / greatest
_RANK = 1e-10  # directions with a smaller share of the variance of the target are not there
_SPREAD = 1e-3  # of the target, put beside that of its clusters
_BALANCED_ROWS, _BALANCED_STEPS = 2000, 20
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


def distinct_rows(X: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows without repetitions, in lexicographic order, with the sums of their weights.

    What follows depends neither on the order of rows nor on whether a row is repeated or weighted.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Finite.
    weights : ndarray of shape (n_samples,)
        Nonnegative; rows of weight 0 are left out.

    Returns
    -------
    rows : ndarray of shape (n_distinct, n_features)
        In float64.
    shares : ndarray of shape (n_distinct,)
        Sums to 1.
    """
    X, weights = X[weights > 0].astype(np.float64), weights[weights > 0]
    order = np.lexsort(X.T[::-1])
    X, weights = X[order], weights[order]
    starts = np.flatnonzero(np.r_[True, np.any(X[1:] != X[:-1], axis=1)])
    sums = np.add.reduceat(weights, starts)
    return X[starts], sums / sums.sum()


def gaussian_slope_factor(
    source: np.ndarray, target: np.ndarray, eps: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Factor of the slope of the bridge between two Gaussians, and its left inverse.

    The slope ``S = B B^T`` solves ``S S0 S + eps S = S1``: the mean of y given x is
    ``m1 + S (x - m0)``, its covariance ``eps S``. With ``S1 = P P^T`` and
    ``P^T S0 P = U diag(m) U^T`` it is ``B = P U diag(2 / (eps + sqrt(eps^2 + 4 m)))^(1/2)``: no
    inverse, so the source may be flat.

    Parameters
    ----------
    source, target : ndarray of shape (d,) or (d, d)
        Variances of independent columns, or covariance matrices. Directions without variance of the
        target get no slope.
    eps : float, default=1.0
        Variance of the Brownian motion.

    Returns
    -------
    factor : ndarray of shape (d,) or (d, r)
        B, with 0 for columns, or without directions, that the target does not have.
    inverse : ndarray of shape (d,) or (r, d)
        ``B^+``.
    """
    scale = np.sqrt(target if target.ndim == 1 else np.diag(target))
    inverse_scale = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    if target.ndim == 1:
        z = 2.0 / (eps + np.sqrt(eps**2 + 4.0 * source * target))
        return scale * np.sqrt(z), inverse_scale / np.sqrt(z)
    values, V = np.linalg.eigh(target * inverse_scale * inverse_scale[:, None])
    kept = values > _RANK * max(values[-1], 0.0)
    values, V = values[kept], V[:, kept]
    P = scale[:, None] * V * np.sqrt(values)
    m, U = np.linalg.eigh(P.T @ source @ P)
    z = 2.0 / (eps + np.sqrt(eps**2 + 4.0 * np.maximum(m, 0.0)))
    inverse = (U / np.sqrt(z)).T @ (V / np.sqrt(values)).T * inverse_scale
    return P @ U * np.sqrt(z), inverse


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
    for part in row_blocks(xp.broadcast_to(rows[:, :1], (rows.shape[0], max(table.shape)))):
        block = rows[part, :]
        products = (
            xp.take(block, first, axis=1) * xp.take(block, second, axis=1)
            if full
            else block * block
        )
        columns = xp.concat([products, block], axis=1)
        shares, logs = _exponentials(columns @ table + constant)
        shares = shares * weights[part, None]
        value = value + weights[part] @ logs
        total, sums = total + xp.sum(shares, axis=0), sums + shares.T @ columns
    total, sums = to_numpy(total), to_numpy(sums)
    n_square = sums.shape[1] - r
    if not full:
        return float(value), (total, sums[:, n_square:], sums[:, :n_square])
    first, second = np.tril_indices(r)
    squares = np.empty((len(sums), r, r))
    squares[:, first, second] = squares[:, second, first] = sums[:, :n_square]
    return float(value), (total, sums[:, n_square:], squares)


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
        centers, labels, shares = _clusters(y, q, n_components, init, rng)
        within = _within(y - centers[labels], q, spreads[1])
        factor, inverse = gaussian_slope_factor(spreads[0], within)
        if full:
            x_in, y_in, means = x @ factor, y @ inverse.T, centers @ inverse.T
            roots = np.tile(np.eye(means.shape[1]), (n_components, 1, 1))
        else:
            x_in, y_in, means = (
                z[:, factor > 0] for z in (x * factor, y * inverse, centers * inverse)
            )
            roots = np.ones_like(means)
        start = Components(_balanced(x_in, p, means, shares), means, roots)
        found = _minimum(start, [x_in, y_in, p, q], tol=tol, max_iter=max_iter, like=like)
        if best is None or found[1] < best[1][1]:
            best = (factor, found)
    assert best is not None
    factor, (components, loss, n_iter, converged) = best
    bridge = _in_units(factor, components, center=m0, target=m1, eps=eps)
    return BridgeFit(bridge, loss, n_iter, converged, _n_collapsed(components))


def _scatter(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return x.T @ (weights[:, None] * x)


def _within(gaps: np.ndarray, q: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Variance inside clusters, nowhere nothing unless the target has none there."""
    within = q @ gaps**2 if spread.ndim == 1 else _scatter(gaps, q)
    return np.where(spread != 0, within + _SPREAD * spread, 0.0)


def _clusters(
    y: np.ndarray, q: np.ndarray, n_components: int, init: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the means start, the nearest of them for each row, and the shares of the rows."""
    from sklearn.cluster import KMeans

    scale = np.abs(y).max(initial=0.0) or 1.0  # K-means squares what may be large or small
    model = KMeans(n_components, n_init=1, random_state=int(rng.integers(2**31)))
    if init == "random":
        chosen = np.sort(rng.choice(len(y), n_components, replace=False, p=q))
        model.set_params(init=y[chosen] / scale, max_iter=1)
    model.fit(y / scale, sample_weight=q * len(q))
    labels = model.labels_
    shares = np.bincount(labels, weights=q, minlength=n_components)
    centers = model.cluster_centers_ * scale if init == "kmeans" else y[chosen]
    return centers, labels, np.maximum(shares, 0.1 / n_components / len(q))


def _balanced(x: np.ndarray, p: np.ndarray, means: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Log-weights by which each component takes its share of the source; slopes are 1.

    Without them the outermost components take all rows where ``eps`` is small, and those that are
    left with none never come back. Sinkhorn's iteration between rows and components, with a noise
    that is halved from the spread of the exponents down to 1. On some 2000 rows.
    """
    some = slice(None, None, len(x) // _BALANCED_ROWS + 1)
    p = p[some] / p[some].sum()
    terms = x[some] @ means.T
    spread = float(np.max(p @ (terms - p @ terms) ** 2)) ** 0.5
    log_weights = np.zeros(len(means))
    for halvings in range(max(0, ceil(log2(max(spread, 1.0)))), -1, -1):
        for _ in range(_BALANCED_STEPS):
            powers = terms * 2.0**-halvings + log_weights
            powers = np.exp(powers - powers.max(axis=1, keepdims=True))
            taken = p @ (powers / powers.sum(axis=1, keepdims=True))
            log_weights = log_weights + np.log(shares) - np.log(np.maximum(taken, 1e-12))
        log_weights = log_weights * (2.0 if halvings else 1.0)
    return log_weights - log_weights.max()


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
