r"""The true misfit of self-calibration: gains for given signals, signals for given gains.

The linear system of :mod:`subspace_learn.functional.inverse.self_calibration.system` weighs the
misfit of sensor i by ``1 / d_i``. Here stands ``sum_l |y_l - d A_l x_l|^2`` itself: each of d and x
has a closed form when the other is known.
"""

from __future__ import annotations

from collections.abc import Callable

from ...._array import Array, array_namespace, conj, device_of, is_complex
from ..sensing import SensingStack, WeightedStack
from .lsqr import lsqr
from .system import CalibrationOptions

__all__ = [
    "error_after_best_scalar",
    "recovered_signals",
    "refined",
    "updated_gains",
    "weighted_signals",
]


def refined(
    Y: Array,
    x: Array,
    stack: SensingStack,
    n_steps: int,
    options: CalibrationOptions,
    *,
    penalty: Array | None = None,
    report: Callable[[str], None] = lambda message: None,
) -> tuple[Array, Array]:
    """Alternate gains and signals; no step raises the misfit (penalties included).

    Parameters
    ----------
    Y : array of shape (p, m)
        Measurements.
    x : array of shape (q, n)
        Signals to start from.
    stack : SensingStack
        The maps.
    n_steps : int
        How often, at least once.
    options : CalibrationOptions
        As for `recovered_signals`, and the basis of the gains.
    penalty : array of shape (q, n), default=None
        Weights of the squared signals.
    report : callable, default does nothing
        Gets a line of text now and then.

    Returns
    -------
    d : array of shape (m,)
        Gains.
    x : array of shape (q, n)
        The best signals for these gains.
    """
    xp = array_namespace(Y)
    for step in range(n_steps):
        d = updated_gains(Y, stack.apply(x), options.gain_basis)
        x = recovered_signals(Y, d, stack, options, penalty=penalty)
        if step % 10 == 0:
            misfit = float(xp.linalg.vector_norm(Y - d * stack.apply(x)))
            report(f"refining step {step}: misfit {misfit:.6g}")
    return d, x


def updated_gains(Y: Array, images: Array, gain_basis: Array | None = None) -> Array:
    r"""Gains that minimise ``sum_l |y_l - d z_l|^2`` for known ideal measurements z.

    Parameters
    ----------
    Y : array of shape (p, m)
        Measurements.
    images : array of shape (p or 1, m)
        ``z_l = A_l x_l``.
    gain_basis : array of shape (m, k), default=None
        B, where ``d = B h`` is known.

    Returns
    -------
    d : array of shape (m,)
        ``sum_l conj(z_l) y_l / sum_l |z_l|^2``, or the nearest in the range of B, each sensor
        weighted by ``sum_l |z_l|^2``.
    """
    xp = array_namespace(Y)
    images = xp.broadcast_to(images, Y.shape)
    energy = xp.sum(xp.abs(images) ** 2, axis=0)
    energy = xp.where(energy > 0.0, energy, xp.full_like(energy, xp.inf))
    d = xp.sum(conj(images) * Y, axis=0) / energy
    if gain_basis is None:
        return d
    energy = xp.where(energy < xp.inf, energy, xp.zeros_like(energy))
    weight = (energy / xp.max(energy)) ** 0.5
    dtype = xp.result_type(d.dtype, gain_basis.dtype)
    B, right = xp.astype(gain_basis, dtype), xp.astype((weight * d)[:, None], dtype)
    return (B @ (xp.linalg.pinv(weight[:, None] * B) @ right))[:, 0]


def recovered_signals(
    Y: Array,
    d: Array,
    stack: SensingStack,
    options: CalibrationOptions,
    *,
    penalty: Array | None = None,
) -> Array:
    """Signals behind measurements of sensors with known gains: ``argmin |y_l - d A_l x_l|``.

    Parameters
    ----------
    Y : array of shape (p, m)
        Measurements.
    d : array of shape (m,)
        Gains, finite.
    stack : SensingStack
        The maps.
    options : CalibrationOptions
        Whether they share one signal; "lsqr" applies the maps, any other solver takes normal
        equations, with one correction.
    penalty : array of shape (q, n), default=None
        Weights of the squared signals.

    Returns
    -------
    x : array of shape (q, n)
        One row for a shared signal, else one for each snapshot; of least norm where many fit.
    """
    xp = array_namespace(Y)
    p, n = Y.shape[0], stack.shape[2]
    dtype = xp.complex128 if stack.is_complex or is_complex(Y) or is_complex(d) else xp.float64
    Y, d = xp.astype(Y, dtype), xp.astype(d, dtype)
    shared_signal = options.shared_signal
    q = 1 if shared_signal else p
    if options.solver == "lsqr":
        return _signals_by_lsqr(Y, d, stack, (q, n), penalty, options)
    A = xp.astype(d[:, None] * stack.matrices(Y), dtype)
    Ah = conj(xp.matrix_transpose(A))
    G = Ah @ A
    if shared_signal:
        G = xp.sum(G, axis=0, keepdims=True) * (p / A.shape[0])
    weights = xp.zeros((1, n), dtype=xp.float64, device=device_of(Y))
    if penalty is not None:
        weights = penalty
        G = G + xp.eye(n, dtype=xp.float64, device=device_of(Y)) * weights[:, None, :]
    g, Q = xp.linalg.eigh(G)
    # directions without energy get no signal: the solution of least norm
    g = xp.where(g > 1e-13 * xp.max(g, axis=-1, keepdims=True), g, xp.full_like(g, xp.inf))
    x = xp.zeros((q, n, 1), dtype=dtype, device=device_of(Y))
    for _ in range(2):  # the second pass mends what squaring the condition number lost
        step = Ah @ (Y[:, :, None] - A @ x)
        if shared_signal:
            step = xp.sum(step, axis=0, keepdims=True)
        step = step - weights[:, :, None] * x
        x = x + Q @ ((conj(xp.matrix_transpose(Q)) @ step) / g[:, :, None])
    return x[:, :, 0]


def weighted_signals(
    Y: Array,
    d: Array,
    stack: SensingStack,
    options: CalibrationOptions,
    weights: Array | None = None,
) -> tuple[Array, Array]:
    """Signals behind measurements with weights, and what they leave unexplained.

    Parameters
    ----------
    Y : array of shape (p, m)
        Measurements; zero where nothing was measured.
    d : array of shape (m,)
        Gains; zero for sensors that have none.
    stack : SensingStack
        The maps.
    options : CalibrationOptions
        As for `recovered_signals`.
    weights : array of shape (p, m), default=None
        Of the squared misfits; None means ones.

    Returns
    -------
    x : array of shape (q, n)
        Signals.
    residual : array of shape (p, m)
        ``y - d A x``.
    """
    rows, maps = Y, stack
    if weights is not None:
        rows, maps = weights**0.5 * Y, WeightedStack(stack, weights**0.5)
    x = recovered_signals(rows, d, maps, options)
    return x, Y - d * stack.apply(x)


def _signals_by_lsqr(
    Y: Array,
    d: Array,
    stack: SensingStack,
    shape: tuple[int, int],
    penalty: Array | None,
    options: CalibrationOptions,
) -> Array:
    xp = array_namespace(Y)
    roots = None if penalty is None else penalty**0.5

    def matvec(x: Array) -> Array:
        x = xp.reshape(x, shape)
        rows = [xp.reshape(xp.broadcast_to(d * stack.apply(x), Y.shape), (-1,))]
        if roots is not None:
            rows.append(xp.reshape(roots * x, (-1,)))
        return xp.concat(rows)

    def rmatvec(r: Array) -> Array:
        R = xp.reshape(r[: Y.shape[0] * Y.shape[1]], Y.shape)
        x = stack.adjoint(conj(d) * R)
        if shape[0] == 1:
            x = xp.sum(x, axis=0, keepdims=True)
        if roots is not None:
            x = x + roots * xp.reshape(r[Y.shape[0] * Y.shape[1] :], shape)
        return xp.reshape(x, (-1,))

    b = xp.reshape(Y, (-1,))
    if roots is not None:
        b = xp.concat([b, xp.zeros((shape[0] * shape[1],), dtype=b.dtype, device=device_of(b))])
    found = lsqr(matvec, rmatvec, b, tol=options.tol, max_iter=options.max_iter)
    return xp.reshape(found.x, shape)


def error_after_best_scalar(estimate: Array, truth: Array) -> float:
    """Relative error of an estimate that is known up to one scalar.

    Parameters
    ----------
    estimate, truth : array
        Of one shape.

    Returns
    -------
    error : float
        ``min over a of |a estimate - truth| / |truth|``.

    Examples
    --------
    >>> import numpy as np
    >>> from subspace_learn.inverse import error_after_best_scalar
    >>> error_after_best_scalar(np.array([2j, 4j]), np.array([1.0, 2.0]))
    0.0
    """
    xp = array_namespace(estimate, truth)
    estimate, truth = xp.reshape(estimate, (-1,)), xp.reshape(truth, (-1,))
    factor = xp.sum(conj(estimate) * truth) / xp.sum(xp.abs(estimate) ** 2)
    gap = xp.linalg.vector_norm(factor * estimate - truth)
    return float(gap / xp.linalg.vector_norm(truth))
