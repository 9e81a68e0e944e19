r"""The light Schroedinger bridge: a diffusion between two distributions in closed form.

A Schroedinger bridge carries rows x of a source to rows y of a target in unit time by Brownian
motion of variance ``eps`` that is steered as little as possible. Its plan is that of entropic
optimal transport with cost :math:`|x - y|^2 / 2`. The plan is modelled by K Gaussians (Korotin et
al. 2024, section 3): for a row at x, counted from a centre,

.. math:: \pi(y | x) = \sum_k w_k(x) \, N(y; r_k + S_k x, \epsilon S_k), \qquad
   w_k(x) \propto \alpha_k \exp\left(\frac{x^T S_k x + 2 r_k^T x}{2 \epsilon}\right).

``log_weights`` are the logarithms of :math:`\alpha_k`, ``means`` are :math:`r_k`, and the slopes
are kept as factors, :math:`S_k = F_k F_k^T`. At the centre x = 0: the plan of a row there is the
mixture with these weights, these means and covariances :math:`\epsilon S_k`.

What is left of the bridge after time t is a bridge of the same form, see :func:`bridge_after`; the
drift is read off its mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log, pi
from typing import NamedTuple

from ..._array import Array, array_namespace, device_of, double
from ...linalg.moments import row_blocks

__all__ = [
    "LightBridge",
    "bridge_after",
    "bridge_loss",
    "brownian_bridge",
    "conditional_draws",
    "conditional_mean",
    "drift",
    "log_normalizer",
    "log_potential",
    "shares_and_log_sums",
    "slopes",
]


class LightBridge(NamedTuple):
    """A plan between two distributions, as K Gaussians."""

    log_weights: Array
    """Logarithms of the weights of the components for a row at the centre, (K,)."""
    means: Array
    """Where a row at the centre goes, by component, (K, d), in the coordinates of the data."""
    factors: Array
    """Roots of the slopes: (K, d) for diagonal ones, or (K, d, r) with ``S = F F^T``."""
    center: Array
    """The point that rows are counted from, (d,)."""
    eps: float
    """Variance of the Brownian motion at time 1."""


def slopes(bridge: LightBridge) -> Array:
    """Slopes of the components: their diagonals (K, d), or matrices (K, d, d).

    Parameters
    ----------
    bridge : LightBridge
        The plan.

    Returns
    -------
    slopes : array
        ``S_k``: how fast the mean of a component moves with the row.
    """
    F = bridge.factors
    return F * F if F.ndim == 2 else F @ array_namespace(F).matrix_transpose(F)


def conditional_mean(bridge: LightBridge, X: Array) -> Array:
    """Mean of the target given each row: ``sum_k w_k(x) (r_k + S_k x)``.

    Parameters
    ----------
    bridge : LightBridge
        The plan.
    X : array of shape (n_samples, n_features)
        Rows of the source.

    Returns
    -------
    mean : array of shape (n_samples, n_features)
        In float64.

    Notes
    -----
    ``n K d`` multiplications with diagonal slopes, ``n K d r`` with full ones; blocks of rows.
    """
    xp = array_namespace(X)
    parts = []
    for block in _blocks(bridge, X):
        x = double(block) - bridge.center
        terms, turned = _log_terms(bridge, x)
        shares = shares_and_log_sums(terms)[0]
        if turned is None:
            moved = x * (shares @ slopes(bridge))
        else:
            moved = _flat(shares[:, :, None] * turned) @ _stacked(bridge.factors)
        parts.append(shares @ bridge.means + moved)
    return xp.concat(parts) if parts else double(X)


def conditional_draws(bridge: LightBridge, X: Array, uniforms: Array, normals: Array) -> Array:
    """One row of the target drawn for each row, from the plan given that row.

    Parameters
    ----------
    bridge : LightBridge
        The plan.
    X : array of shape (n_samples, n_features)
        Rows of the source.
    uniforms : array of shape (n_samples,)
        Uniform on [0, 1), to choose the components.
    normals : array of shape (n_samples, n_features)
        Standard normal; full factors of rank r use the first r columns.

    Returns
    -------
    draws : array of shape (n_samples, n_features)
        In float64.
    """
    xp, F = array_namespace(X), bridge.factors
    parts, start = [], 0
    for block in _blocks(bridge, X):
        rows = slice(start, start := start + block.shape[0])
        x = double(block) - bridge.center
        shares = shares_and_log_sums(_log_terms(bridge, x)[0])[0]
        passed = xp.cumulative_sum(shares, axis=1)[:, :-1] < uniforms[rows, None]
        chosen = xp.sum(xp.astype(passed, xp.int64), axis=1)
        noise, own = bridge.eps**0.5 * normals[rows, :], xp.take(F, chosen, axis=0)
        if F.ndim == 2:
            moved = own * (own * x + noise)
        else:
            inner = xp.matrix_transpose(own) @ x[:, :, None] + noise[:, : F.shape[2], None]
            moved = (own @ inner)[:, :, 0]
        parts.append(xp.take(bridge.means, chosen, axis=0) + moved)
    return xp.concat(parts) if parts else double(X)


def log_normalizer(bridge: LightBridge, X: Array) -> Array:
    """Logarithm of ``c(x) = sum_k alpha_k exp((x^T S_k x + 2 r_k^T x) / (2 eps))``.

    Parameters
    ----------
    bridge : LightBridge
        The plan.
    X : array of shape (n_samples, n_features)
        Rows of the source.

    Returns
    -------
    log_normalizer : array of shape (n_samples,)
        In float64; 0 at the centre.
    """
    parts = [
        shares_and_log_sums(_log_terms(bridge, double(block) - bridge.center)[0])[1]
        for block in _blocks(bridge, X)
    ]
    return array_namespace(X).concat(parts)


def log_potential(bridge: LightBridge, Y: Array) -> Array:
    """Logarithm of the adjusted potential ``v(y) = sum_k alpha_k N(y; r_k, eps S_k)``.

    It is the density of the target for a row at the centre.

    Parameters
    ----------
    bridge : LightBridge
        The plan.
    Y : array of shape (n_samples, n_features)
        Rows of the target.

    Returns
    -------
    log_potential : array of shape (n_samples,)
        In float64. Where the slopes have no full rank: the density on their range, and what of y
        lies off it is passed over.
    """
    xp = array_namespace(Y)
    whiteners, log_sizes, rank = _whitened(bridge.factors)
    root = bridge.eps**0.5
    offsets = (bridge.means - bridge.center) / root
    constants = bridge.log_weights - log_sizes - 0.5 * rank * log(2 * pi * bridge.eps)
    parts = []
    for block in _blocks(bridge, Y):
        y = (double(block) - bridge.center) / root
        gaps = [
            (y - offsets[k, :]) * whiteners[k, :]
            if whiteners.ndim == 2
            else (y - offsets[k, :]) @ xp.matrix_transpose(whiteners[k, :, :])
            for k in range(whiteners.shape[0])
        ]
        squares = xp.stack([xp.sum(gap * gap, axis=1) for gap in gaps], axis=1)
        parts.append(shares_and_log_sums(constants - 0.5 * squares)[1])
    return xp.concat(parts)


def bridge_loss(
    bridge: LightBridge, X: Array, Y: Array, p: Array | None = None, q: Array | None = None
) -> float:
    r"""Divergence of the plan from the true one, up to a number that the plan cannot change.

    ``mean log c(x) - mean log v(y)`` (eq. 9 of the paper) with the squares of the cost put back,
    :math:`-\overline{|x|^2} / 2 \epsilon - \overline{|y|^2} / 2 \epsilon`, so that it does not
    depend on where the coordinates begin. Minus ``eps`` times it is the dual objective of entropic
    optimal transport: at most :math:`E |x - y|^2 / 2 - \epsilon E[H(y | x)]` of the best plan, H
    the differential entropy.

    Parameters
    ----------
    bridge : LightBridge
        The plan.
    X, Y : array of shape (n_samples, n_features)
        Rows of the source and of the target; their numbers may differ.
    p, q : array, optional
        Weights of the rows, each summing to 1. None means equal ones.

    Returns
    -------
    loss : float
        In nats; smaller is better. Not to be compared between values of ``eps``.
    """
    x, y = double(X) - bridge.center, double(Y) - bridge.center
    return _mean(log_normalizer(bridge, X) - _half_squares(x, bridge.eps), p) - _mean(
        log_potential(bridge, Y) + _half_squares(y, bridge.eps), q
    )


def bridge_after(bridge: LightBridge, t: float) -> LightBridge:
    """Return the bridge that is left from time t on, for a path that is at x then.

    Its plan given a row at ``center + (x - center) / (1 - t)`` is that of the end point given x at
    time t: the noise left is ``eps (1 - t)``, so component k becomes ``S_k (I + tau S_k)^-1`` with
    ``tau = t / (1 - t)``, and its mean ``(I + tau S_k)^-1 r_k``.

    Parameters
    ----------
    bridge : LightBridge
        The whole bridge.
    t : float
        In [0, 1).

    Returns
    -------
    rest : LightBridge
        With the ``eps`` of the whole; its weights do not sum to 1.
    """
    xp, F, tau = array_namespace(bridge.means), bridge.factors, t / (1 - t)
    r = bridge.means - bridge.center
    if F.ndim == 2:
        growth = 1 + tau * (F * F)
        F, left = F / xp.sqrt(growth), r / growth
        log_sizes = 0.5 * xp.sum(xp.log(growth), axis=1)
    else:
        transposed = xp.matrix_transpose(F)
        eye = xp.eye(F.shape[2], dtype=F.dtype, device=device_of(F))
        L = xp.linalg.cholesky(eye + tau * (transposed @ F))
        F = xp.matrix_transpose(xp.linalg.solve(L, transposed))
        left = r - tau * (F @ (xp.matrix_transpose(F) @ r[:, :, None]))[:, :, 0]
        log_sizes = xp.sum(xp.log(xp.linalg.diagonal(L)), axis=1)
    weights = bridge.log_weights - log_sizes - 0.5 * tau / bridge.eps * xp.sum(r * left, axis=1)
    return bridge._replace(log_weights=weights, means=bridge.center + left, factors=F)


def drift(bridge: LightBridge, X: Array, t: float) -> Array:
    """Velocity that steers a path at x at time t: ``(E[y | x at t] - x) / (1 - t)``.

    Parameters
    ----------
    bridge : LightBridge
        The plan.
    X : array of shape (n_samples, n_features)
        Where the paths are at time t.
    t : float
        In [0, 1).

    Returns
    -------
    drift : array of shape (n_samples, n_features)
        In float64, in units of X per unit of time.
    """
    x = double(X) - bridge.center
    ends = conditional_mean(bridge_after(bridge, t), bridge.center + x / (1 - t))
    return (ends - double(X)) / (1 - t)


def brownian_bridge(
    start: Array, end: Array, times: list[float], eps: float, normals: Array
) -> Array:
    """Brownian paths between given ends, at given times.

    Parameters
    ----------
    start, end : array of shape (n_samples, n_features)
        Where the paths are at times 0 and 1.
    times : list of float
        In [0, 1], not falling.
    eps : float
        Variance of the Brownian motion at time 1.
    normals : array of shape (n_samples, n_times, n_features)
        Standard normal.

    Returns
    -------
    paths : array of shape (n_samples, n_times, n_features)
        Exact draws: no steps between the times are needed.
    """
    now, at, path = 0.0, start, []
    for i, t in enumerate(times):
        share = (t - now) / (1 - now) if now < 1 else 1.0
        spread = (eps * share * (1 - t)) ** 0.5
        # a weighted mean, so that at t = 1 it is the end to the last digit
        at = (1 - share) * at + share * end + spread * normals[:, i, :]
        now = t
        path.append(at)
    return array_namespace(start).stack(path, axis=1)


def _blocks(bridge: LightBridge, X: Array) -> Iterator[Array]:
    """Blocks of rows for which a number per row and component (and rank) fits the caches."""
    F = bridge.factors
    width = F.shape[0] if F.ndim == 2 else F.shape[0] * max(F.shape[2], 1)
    wide = array_namespace(X).broadcast_to(X[:, :1], (X.shape[0], width))  # a view
    for rows in row_blocks(wide):
        yield X[rows, :]


def _log_terms(bridge: LightBridge, x: Array) -> tuple[Array, Array | None]:
    """Logarithms of the terms of c at centred rows; with full factors ``F_k^T x`` too."""
    xp, F = array_namespace(x), bridge.factors
    terms = bridge.log_weights + x @ ((bridge.means - bridge.center) / bridge.eps).T
    if F.ndim == 2:
        return terms + (x * x) @ (F * F * (0.5 / bridge.eps)).T, None
    turned = xp.reshape(x @ _stacked(F).T, (x.shape[0], F.shape[0], F.shape[2]))
    return terms + (0.5 / bridge.eps) * xp.sum(turned * turned, axis=2), turned


def _stacked(F: Array) -> Array:
    """Columns of all factors as rows, (K r, d)."""
    xp = array_namespace(F)
    return xp.reshape(xp.matrix_transpose(F), (F.shape[0] * F.shape[2], F.shape[1]))


def _flat(products: Array) -> Array:
    """(n, K, r) as (n, K r)."""
    shape = (products.shape[0], products.shape[1] * products.shape[2])
    return array_namespace(products).reshape(products, shape)


def shares_and_log_sums(terms: Array) -> tuple[Array, Array]:
    """Shares of exponentials in their sum, row by row, and the logarithm of the sum.

    Parameters
    ----------
    terms : array of shape (n_samples, n_components)
        Logarithms.

    Returns
    -------
    shares : array of shape (n_samples, n_components)
        Rows sum to 1.
    log_sums : array of shape (n_samples,)
        ``log sum_k exp(terms_k)``.
    """
    xp = array_namespace(terms)
    highest = xp.max(terms, axis=1, keepdims=True)
    powers = xp.exp(terms - highest)
    total = xp.sum(powers, axis=1, keepdims=True)
    return powers / total, (highest + xp.log(total))[:, 0]


def _whitened(F: Array) -> tuple[Array, Array, int]:
    """Left inverses of the factors, logarithms of their volumes, and their rank."""
    xp = array_namespace(F)
    if F.ndim == 2:
        kept = F > 0
        ones = xp.where(kept, F, xp.ones_like(F))
        inverse = xp.where(kept, 1 / ones, xp.zeros_like(F))
        rank = int(xp.sum(xp.astype(kept[0, :], xp.int64)))
        return inverse, xp.sum(xp.log(ones), axis=1), rank
    Q, R = xp.linalg.qr(F)
    sizes = xp.sum(xp.log(xp.abs(xp.linalg.diagonal(R))), axis=1)
    return xp.linalg.solve(R, xp.matrix_transpose(Q)), sizes, int(F.shape[2])


def _half_squares(x: Array, eps: float) -> Array:
    return array_namespace(x).sum(x * x, axis=1) * (0.5 / eps)


def _mean(values: Array, weights: Array | None) -> float:
    xp = array_namespace(values)
    return float(xp.mean(values) if weights is None else weights @ values)
