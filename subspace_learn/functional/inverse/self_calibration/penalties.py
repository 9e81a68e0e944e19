"""Self-calibration with a penalty on the signal: ``damp`` or ``sparsity``."""

from __future__ import annotations

from collections.abc import Callable

from ...._array import Array, array_namespace, device_of
from .system import BalancedSystem, CalibrationOptions, Solver, normalised, solution

__all__ = ["penalised"]

_SPARSE_STEPS = 50


def penalised(
    Y: Array,
    plain: BalancedSystem,
    make: Callable[[BalancedSystem, CalibrationOptions], Solver],
    options: CalibrationOptions,
    report: Callable[[str], None],
) -> tuple[Array, Array, int]:
    """Solve with penalties: once for ``damp``, reweighted until it settles for ``sparsity``.

    ``lam |x_j|`` is majorised by ``lam |x_j|^2 / (2 |x_j'|)`` at the last iterate x' (iteratively
    reweighted least squares; Daubechies et al. 2010), so each step is the same linear solve.

    Parameters
    ----------
    Y : array of shape (p, m)
        Measurements.
    plain : BalancedSystem
        The system without penalties.
    make : callable
        System and options -> solver.
    options : CalibrationOptions
        With ``damp`` or ``sparsity``.
    report : callable
        Gets a line of text for each step.

    Returns
    -------
    z : array of shape (n_unknowns,)
        Balanced unknowns up to a factor.
    penalty : array of shape (q, n)
        The last weights of the squared signals.
    n_iter : int
        Steps of LSQR.

    Raises
    ------
    ValueError
        If ``sparsity`` leaves no signal.
    """
    xp = array_namespace(Y)
    # strengths of sensors say nothing of the signal: each is brought to one, under w^H s = 1
    s = 1.0 / plain.s_scale
    if options.normalization is not None:
        s = s / xp.sum(xp.abs(options.normalization) * s)
    images = plain.stack.adjoint(xp.astype(Y * s, plain.Y.dtype))
    if plain.shared_signal:
        images = xp.sum(images, axis=0, keepdims=True)
    lam = options.sparsity * float(xp.max(xp.abs(images)))
    zeros = xp.zeros(images.shape, dtype=xp.float64, device=device_of(Y))
    damping = zeros + (options.damp * plain.x_scale) ** 2
    # the start: as if every atom had the size of the largest in a plain correlation
    size = xp.full_like(zeros, float(xp.max(xp.abs(images))) / plain.x_scale**2)
    weights, before, n_iter = damping, None, 0
    for step in range(_SPARSE_STEPS if lam > 0.0 else 1):
        if lam > 0.0:
            weights = damping + lam / (size + 1e-6 * xp.max(size))
        system = BalancedSystem(Y, plain.stack, shared_signal=plain.shared_signal, penalty=weights)
        solver = make(system, options)
        z = solution(solver, system, options)
        n_iter += solver.n_iter
        x = normalised(*plain.unscaled(z), options.normalization)[1]
        size = xp.abs(x)
        if before is not None:
            length = float(xp.linalg.vector_norm(x))
            if length == 0.0:
                raise ValueError(
                    f"sparsity={options.sparsity:.3g} leaves no signal at all. Lower it."
                )
            change = float(xp.linalg.vector_norm(x - before)) / length
            report(f"sparse step {step}: signal changed by {change:.2g}")
            if change <= 1e-6:
                break
        before = x
    return z, weights, n_iter
