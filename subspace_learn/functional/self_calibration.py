r"""Self-calibration: gains of the sensors and the signals behind them, from one linear solve.

Measurements ``y_l = d A_l x_l`` (entrywise gains d, known maps A_l) are linear in (s, x) with s = 1/d.
The solution is the vector (s, x) that the system of
:mod:`subspace_learn.functional.self_calibration_system` maps to nearly zero: with ``method="ls"`` the
best one with ``w^H s = 1``, with ``method="svd"`` the best one of unit length. One complex scalar is
never known: (d, x) and (a d, x / a) give the same measurements.

Formulas are those of Ling and Strohmer (2018), sections 2 and 3; the steps on the true misfit and the
sparse loop are ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .._array import Array, array_namespace, conj, device_of, is_complex, move_like, to_numpy
from ..linalg.lsqr import lsqr
from .self_calibration_dense import DenseSolver
from .self_calibration_lsqr import LsqrSolver
from .self_calibration_schur import SchurSolver
from .self_calibration_system import BalancedSystem, Solver, balanced_system
from .sensing import LiveSensors, SensingStack

__all__ = [
    "Calibration",
    "Request",
    "calibrated",
    "error_after_best_scalar",
    "live_sensors",
    "recovered_signals",
    "resolved_solver",
    "updated_gains",
]

_SPARSE_STEPS = 50
# Elimination up to this order of its eigenproblem, and this many numbers in the matrices A_l.
_SCHUR_ORDER = 1024
_SCHUR_NUMBERS = 2**24
# A map with a fast transform is applied rather than formed from this many unknowns on.
_FAST_UNKNOWNS = 256


class Request(NamedTuple):
    """What is asked of a calibration."""

    method: str = "ls"
    """"ls" or "svd"."""
    solver: str = "schur"
    """"dense", "schur" or "lsqr": see :func:`resolved_solver`."""
    w: Array | None = None
    """Normalisation ``w^H s = 1``, (m,); None with method "svd" means unit mean of ``|s|^2``."""
    gain_basis: Array | None = None
    """B of ``d = B h``, (m, k)."""
    sparsity: float = 0.0
    """Weight of ``sum |x|``, as a share of ``max |A^H y|``."""
    refine: int = 0
    """Alternating steps on the true misfit."""
    damp: float = 0.0
    """Weight of ``|x|``, relative to the columns of the system."""
    tol: float = 1e-10
    """Where iterations stop."""
    max_iter: int = 1000
    """Most steps of one run of LSQR."""


class Calibration(NamedTuple):
    """What a calibration found."""

    gains: Array
    """d, (m,); NaN for dead sensors."""
    signals: Array
    """(q, n): one row for a shared signal, else one for each snapshot."""
    residual_norm: float
    """Norm of ``y_l - d A_l x_l`` over all snapshots."""
    singular_values: np.ndarray
    """The smallest few of the balanced system, ascending."""
    null_dim: int
    """Dimension of the space of solutions; above 1 the answer is one of many."""
    n_iter: int
    """Steps of LSQR, 1 for a direct solver."""
    converged: bool
    """Whether every iteration reached its tolerance."""


def resolved_solver(solver: str, stack: SensingStack, n_snapshots: int, shared_signal: bool) -> str:
    """Turn ``solver="auto"`` into a solver by the size of the problem.

    Parameters
    ----------
    solver : {"auto", "dense", "schur", "lsqr"}
        As given by the user.
    stack : SensingStack
        The maps.
    n_snapshots : int
        Number of rows of measurements.
    shared_signal : bool
        Whether they measure one signal.

    Returns
    -------
    solver : {"dense", "schur", "lsqr"}
        "schur", or "lsqr" where the maps are fast or elimination would be too large.
    """
    if solver != "auto":
        return solver
    k, m, n = stack.shape
    order = n if shared_signal else m
    n_unknowns = m + n * (1 if shared_signal else n_snapshots)
    if stack.is_fast and n_unknowns > _FAST_UNKNOWNS:
        return "lsqr"
    return "schur" if order <= _SCHUR_ORDER and k * m * n <= _SCHUR_NUMBERS else "lsqr"


def live_sensors(Y: Array) -> np.ndarray:
    """Tell which sensors measured anything.

    Parameters
    ----------
    Y : array of shape (p, m)
        Measurements.

    Returns
    -------
    live : ndarray of shape (m,) of bool
        False where all measurements are zero, up to the rounding of a transform of this length.
    """
    size = to_numpy(array_namespace(Y).linalg.vector_norm(Y, axis=0))
    return size > 8 * 2.0**-52 * len(size) ** 0.5 * size.max()


def calibrated(
    Y: Array,
    stack: SensingStack,
    request: Request,
    *,
    shared_signal: bool,
    report: Callable[[str], None] = lambda message: None,
) -> Calibration:
    """Find gains and signals behind measurements.

    Parameters
    ----------
    Y : array of shape (p, m)
        Measurements in double precision, not all zero.
    stack : SensingStack
        The maps A_l: one for all snapshots, or p.
    request : Request
        How.
    shared_signal : bool
        Whether all snapshots measure the same signal.
    report : callable, default does nothing
        Gets a line of text now and then.

    Returns
    -------
    calibration : Calibration
        Gains and signals, with what tells whether to trust them.

    Raises
    ------
    ValueError
        If ``w^H s = 1`` excludes the solution.
    """
    xp = array_namespace(Y)
    live = live_sensors(Y)
    w, basis = request.w, request.gain_basis
    if not live.all():
        kept = move_like(np.flatnonzero(live), Y)
        Y, stack = xp.take(Y, kept, axis=1), LiveSensors(stack, live)
        w = None if w is None else xp.take(w, kept, axis=0)
        basis = None if basis is None else xp.take(basis, kept, axis=0)
    request = request._replace(w=w, gain_basis=basis)
    make = _SOLVERS[request.solver]
    plain = balanced_system(Y, stack, shared_signal=shared_signal)
    solver = make(plain, request)
    penalty = _damping(plain, request.damp)
    z = _solution(solver, request) if penalty is None and not request.sparsity else None
    if z is None:
        z, penalty, steps = _penalised(Y, plain, penalty, make, request, report)
    else:
        steps = 0
    spectrum = solver.spectrum(z)
    report(f"smallest singular values {spectrum.values}, null dimension {spectrum.null_dim}")
    if request.method == "ls" and not (penalty is not None or spectrum.null_dim > 1):
        _check_normalisation(plain, z, spectrum.values, request.tol)
    s, x = plain.unscaled(z)
    s, x = _normalised(s, x, w)
    d, x = _refined(Y, 1.0 / _nonzero(s), x, stack, penalty, request, report)
    if request.refine or basis is not None:
        s, x = _normalised(1.0 / _nonzero(d), x, w)
        d = 1.0 / _nonzero(s)
    misfit = xp.linalg.vector_norm(Y - d * stack.apply(x))
    return Calibration(
        _with_dead(d, live),
        x,
        float(misfit),
        spectrum.values,
        spectrum.null_dim,
        max(solver.n_iter + steps, 1),
        solver.converged,
    )


_SOLVERS: dict[str, Callable[[BalancedSystem, Request], Solver]] = {
    "dense": lambda system, request: DenseSolver(system),
    "schur": lambda system, request: SchurSolver(system, tol=request.tol),
    "lsqr": lambda system, request: LsqrSolver(
        system, tol=request.tol, max_iter=request.max_iter
    ),
}


def _solution(solver: Solver, request: Request) -> Array:
    """Balanced unknowns up to a factor."""
    if request.method == "svd":
        return solver.smallest()
    return solver.constrained(request.w / solver.system.s_scale)


def _check_normalisation(
    system: BalancedSystem, z: Array, values: np.ndarray, tol: float
) -> None:
    """Raise ValueError where the data have a clear solution that ``w^H s = 1`` excludes."""
    xp = array_namespace(z)
    first = float(xp.linalg.vector_norm(system.image(z)) / xp.linalg.vector_norm(z))
    second = float(values[min(1, len(values) - 1)])
    if first > 2 * values[0] + 1e3 * tol and values[0] < 0.5 * second:
        raise ValueError(
            f"The normalisation does not suit these gains: it forces a misfit of {first:.2g} where "
            f"{values[0]:.2g} is possible (balanced system). The mean of 1 / gains, or the weighted "
            "mean given, is nearly zero, as happens with phases all over the circle. Use "
            "method='svd', or reference=<index of a sensor of known gain>."
        )


def _normalised(s: Array, x: Array, w: Array | None) -> tuple[Array, Array]:
    """Fix the scalar: ``w^H s = 1``, else unit mean of ``|s|^2`` and the first s positive."""
    xp = array_namespace(x)
    if w is not None:
        factor = xp.sum(conj(w) * s)
    else:
        first = s[0] / xp.abs(s[0])
        factor = first * xp.mean(xp.abs(s) ** 2) ** 0.5
    return s / factor, x / factor


def _nonzero(values: Array) -> Array:
    """Keep quotients finite: zeros become rounding of the largest."""
    xp = array_namespace(values)
    size = xp.abs(values)
    floor = 2.0**-52 * xp.max(size)
    return xp.where(size > floor, values, xp.full_like(values, float(floor)))


def _with_dead(d: Array, live: np.ndarray) -> Array:
    """Gains of all sensors, NaN where dead."""
    if live.all():
        return d
    xp = array_namespace(d)
    place = move_like(np.where(live, np.cumsum(live) - 1, int(live.sum())), d)
    return xp.take(xp.concat([d, xp.full_like(d[:1], xp.nan)]), place)


# --- penalties --------------------------------------------------------------------------------------


def _damping(system: BalancedSystem, damp: float) -> Array | None:
    """Weights of ``sum r^2 |x|^2`` for ``damp``; None for none."""
    if damp == 0.0:
        return None
    xp = array_namespace(system.Y)
    shape = (system.n_signals, system.n_atoms)
    weights = xp.ones(shape, dtype=xp.float64, device=device_of(system.Y))
    return weights * (damp * system.x_scale) ** 2


def _penalised(
    Y: Array,
    plain: BalancedSystem,
    damping: Array | None,
    make: Callable[[BalancedSystem, Request], Solver],
    request: Request,
    report: Callable[[str], None],
) -> tuple[Array, Array, int]:
    """Solve with penalties: once for ``damp``, reweighted until it settles for ``sparsity``.

    ``lam |x_j|`` is majorised by ``lam |x_j|^2 / (2 |x_j'|)`` at the last iterate x' (iteratively
    reweighted least squares; Daubechies et al. 2010), so each step is the same linear solve.
    """
    xp = array_namespace(Y)
    images = plain.stack.adjoint(xp.astype(Y, plain.Y.dtype))
    if plain.shared_signal:
        images = xp.sum(images, axis=0, keepdims=True)
    lam = request.sparsity * float(xp.max(xp.abs(images)))
    zeros = xp.zeros(images.shape, dtype=xp.float64, device=device_of(Y))
    damping = zeros if damping is None else damping
    # the start: as if every atom had the size of the largest in a plain correlation
    size = xp.full_like(zeros, float(xp.max(xp.abs(images))) / plain.x_scale**2)
    weights, before, n_iter = damping, None, 0
    for step in range(_SPARSE_STEPS if lam > 0.0 else 1):
        if lam > 0.0:
            weights = damping + lam / (size + 1e-6 * xp.max(size))
        system = balanced_system(
            Y, plain.stack, shared_signal=plain.shared_signal, penalty=weights
        )
        solver = make(system, request)
        z = _solution(solver, request)
        n_iter += solver.n_iter
        s, x = _normalised(*plain.unscaled(z), request.w)
        size = xp.abs(x)
        if before is not None:
            change = float(xp.linalg.vector_norm(x - before) / xp.linalg.vector_norm(x))
            report(f"sparse step {step}: signal changed by {change:.2g}")
            if change <= 1e-6:
                break
        before = x
    return z, weights, n_iter


# --- the true misfit ---------------------------------------------------------------------------------


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
        ``sum_l conj(z_l) y_l / sum_l |z_l|^2``, or the nearest in the range of B, each sensor weighted
        by ``sum_l |z_l|^2``.
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
    h = xp.linalg.pinv(weight[:, None] * gain_basis) @ xp.astype(
        (weight * d)[:, None], xp.result_type(d.dtype, gain_basis.dtype)
    )
    return (gain_basis @ h)[:, 0]


def _refined(
    Y: Array,
    d: Array,
    x: Array,
    stack: SensingStack,
    penalty: Array | None,
    request: Request,
    report: Callable[[str], None],
) -> tuple[Array, Array]:
    """Alternate gains and signals on ``|y - d A x|``; with a gain basis at least once."""
    xp = array_namespace(Y)
    n_steps = max(request.refine, 0 if request.gain_basis is None else 1)
    for step in range(n_steps):
        d = updated_gains(Y, stack.apply(x), request.gain_basis)
        x = recovered_signals(
            Y,
            d,
            stack,
            shared_signal=x.shape[0] == 1 and Y.shape[0] > 1,
            penalty=penalty,
            solver=request.solver,
            tol=request.tol,
            max_iter=request.max_iter,
        )
        if step % 10 == 0:
            misfit = float(xp.linalg.vector_norm(Y - d * stack.apply(x)))
            report(f"refining step {step}: misfit {misfit:.6g}")
    return d, x


def recovered_signals(
    Y: Array,
    d: Array,
    stack: SensingStack,
    *,
    shared_signal: bool,
    penalty: Array | None = None,
    solver: str = "schur",
    tol: float = 1e-10,
    max_iter: int = 1000,
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
    shared_signal : bool
        Whether all snapshots measure the same signal.
    penalty : array of shape (q, n), default=None
        Weights of the squared signals.
    solver : {"dense", "schur", "lsqr"}, default="schur"
        "lsqr" applies the maps; the others solve normal equations, with one correction.
    tol : float, default=1e-10
        Of LSQR.
    max_iter : int, default=1000
        Of LSQR.

    Returns
    -------
    x : array of shape (q, n)
        One row for a shared signal, else one for each snapshot; of least norm where many fit.
    """
    xp = array_namespace(Y)
    p, m = Y.shape
    n = stack.shape[2]
    dtype = xp.complex128 if stack.is_complex or is_complex(Y) or is_complex(d) else xp.float64
    Y, d = xp.astype(Y, dtype), xp.astype(d, dtype)
    q = 1 if shared_signal else p
    if solver == "lsqr":
        return _signals_by_lsqr(Y, d, stack, (q, n), penalty, tol=tol, max_iter=max_iter)
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


def _signals_by_lsqr(
    Y: Array,
    d: Array,
    stack: SensingStack,
    shape: tuple[int, int],
    penalty: Array | None,
    *,
    tol: float,
    max_iter: int,
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
        b = xp.concat([b, xp.zeros_like(xp.reshape(rmatvec(xp.concat([b] * 2)), (-1,)))])
    return xp.reshape(lsqr(matvec, rmatvec, b, tol=tol, max_iter=max_iter).x, shape)


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
    >>> error_after_best_scalar(np.array([2j, 4j]), np.array([1.0, 2.0]))
    0.0
    """
    xp = array_namespace(estimate, truth)
    estimate, truth = xp.reshape(estimate, (-1,)), xp.reshape(truth, (-1,))
    factor = xp.sum(conj(estimate) * truth) / xp.sum(xp.abs(estimate) ** 2)
    gap = xp.linalg.vector_norm(factor * estimate - truth)
    return float(gap / xp.linalg.vector_norm(truth))
