r"""Self-calibration: gains of the sensors and the signals behind them, from one linear solve.

Measurements ``y_l = d A_l x_l`` (entrywise gains d, known maps A_l) are linear in (s, x) with s =
1/d. The solution is the vector (s, x) that the system of
:mod:`subspace_learn.functional.inverse.self_calibration.system` maps to nearly zero: with
``method="ls"`` the best one with ``w^H s = 1``, with ``method="svd"`` the best one of unit length.
One complex scalar is never known: (d, x) and (a d, x / a) give the same measurements.

Formulas are those of Ling and Strohmer (2018), sections 2 and 3; the steps on the true misfit and
the sparse loop are ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ...._array import (
    Array,
    array_namespace,
    is_complex,
    move_like,
    to_numpy,
)
from ..sensing import ChosenSnapshots, LiveSensors, SensingStack, WeightedStack
from .fourier import known
from .lsqr import LsqrSolver
from .misfit import refined
from .penalties import penalised
from .robust import gains_by_majority, reweighted
from .schur import SchurSolver
from .system import (
    BalancedSystem,
    CalibrationOptions,
    Solver,
    Spectrum,
    normalised,
    solution,
)

__all__ = [
    "KEPT",
    "Calibration",
    "calibrated",
    "determined_snapshots",
    "live_sensors",
    "needed_ratio",
    "resolved_solver",
]

# A model that explains less than this share of the measurements is not the model of the others.
KEPT = 0.7
# A measurement with less weight is set aside.
_SOME_WEIGHT = 0.01
# Elimination up to this order of its eigenproblem, and this many numbers in the matrices A_l.
_SCHUR_ORDER = 1024
_SCHUR_NUMBERS = 2**24
# A map with a fast transform is applied rather than formed from this many unknowns on.
_FAST_UNKNOWNS = 256


class Calibration(NamedTuple):
    """What a calibration found."""

    gains: Array
    """d, (m,); NaN for dead sensors."""
    signals: Array
    """(q, n): one row for a shared signal, else one for each snapshot."""
    spectrum: Spectrum
    """Small end of the singular values: whether the data determine the gains."""
    needed_ratio: float
    """How far the singular values must be apart: see `needed_ratio`."""
    n_iter: int
    """Steps of LSQR, 1 for a direct solver."""
    converged: bool
    """Whether every iteration reached its tolerance."""
    residual_norm: float = 0.0
    """Norm of ``y_l - d A_l x_l`` over what was measured, with its weights."""
    sensor_residuals: Array | None = None
    """The same for each sensor, relative to what it measured, (m,)."""
    weights: Array | None = None
    """(p, m); None unless the loss is robust."""
    n_without_gain: int = 0
    """Sensors of which the solution expects nothing, so that any gain would do."""
    kept: float = 1.0
    """Share of the measurements that the robust loss did not set aside."""

    @property
    def determined(self) -> bool:
        """Whether the data tell this solution from all others, noise considered."""
        apart = self.spectrum.null_dim == 1 and self.spectrum.ratio >= self.needed_ratio < math.inf
        is_trivial = self.n_without_gain > self.gains.shape[0] / 2
        return apart and self.kept >= KEPT and not is_trivial


def resolved_solver(solver: str, stack: SensingStack, n_snapshots: int, shared_signal: bool) -> str:
    """Turn ``solver="auto"`` into a solver by the size of the problem.

    Parameters
    ----------
    solver : {"auto", "schur", "lsqr"}
        As given by the user.
    stack : SensingStack
        The maps.
    n_snapshots : int
        Number of rows of measurements.
    shared_signal : bool
        Whether they measure one signal.

    Returns
    -------
    solver : {"schur", "lsqr"}
        "schur", or "lsqr" where the maps are fast or elimination would be too large.
    """
    if solver != "auto":
        return solver
    k, m, n = stack.shape
    order = n if shared_signal else m
    n_unknowns = m + n * (1 if shared_signal else n_snapshots)
    # signals of their own behind one map are eliminated together, at the price of one
    one_map = k == 1 and not shared_signal and order <= _SCHUR_ORDER // 2
    if stack.is_fast and n_unknowns > _FAST_UNKNOWNS and not one_map:
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


def determined_snapshots(measured: Array, n_atoms: int) -> np.ndarray:
    """Tell which snapshots measured as many sensors as their signals have atoms.

    Parameters
    ----------
    measured : array of shape (p, m)
        1.0 where something was measured, else 0.0; or weights between.
    n_atoms : int
        Length of a signal.

    Returns
    -------
    determined : ndarray of shape (p,) of bool
        True also where all sensors were measured.
    """
    counts = np.sum(to_numpy(measured) > _SOME_WEIGHT, axis=1)
    return counts >= min(n_atoms, measured.shape[1])


def calibrated(
    Y: Array,
    stack: SensingStack,
    options: CalibrationOptions,
    *,
    measured: Array | None = None,
    report: Callable[[str], None] = lambda message: None,
) -> Calibration:
    """Find gains and signals behind measurements.

    Parameters
    ----------
    Y : array of shape (p, m)
        Measurements in double precision; zero where nothing was measured.
    stack : SensingStack
        The maps A_l: one for all snapshots, or p.
    options : CalibrationOptions
        How.
    measured : array of shape (p, m), default=None
        1.0 where something was measured, else 0.0; None means everywhere.
    report : callable, default does nothing
        Gets a line of text now and then.

    Returns
    -------
    calibration : Calibration
        Gains and signals, with what tells whether to trust them.

    Raises
    ------
    ValueError
        If all measurements are zero, or ``w^H s = 1`` excludes the solution.
    """
    if options.loss == "squared":
        return _weighted(Y, stack, options, measured, report)
    weights = _robust_weights(Y, stack, options, measured, report)
    kept = to_numpy(weights) if measured is None else to_numpy(weights)[to_numpy(measured) > 0.0]
    found = _weighted(Y, stack, options, weights, report)
    return found._replace(weights=weights, kept=float(kept.mean()))


def _weighted(
    Y: Array,
    stack: SensingStack,
    options: CalibrationOptions,
    weights: Array | None,
    report: Callable[[str], None],
    *,
    check: bool = True,
) -> Calibration:
    """Calibrate what has weights: without dead sensors and snapshots that tell nothing."""
    xp = array_namespace(Y)
    told = np.ones(Y.shape[0], dtype=bool)
    if weights is not None:
        Y = xp.where(weights > 0.0, Y, xp.zeros_like(Y))
        if not options.shared_signal:
            told = determined_snapshots(weights, stack.shape[2])
            if options.loss == "robust" and not told.any():
                told[:] = True  # too many atoms: the share that is kept tells
            Y, stack, weights = _of_snapshots(Y, stack, weights, told)
    live = live_sensors(Y)
    if not live.any():
        raise ValueError(
            "All measurements are zero: there is nothing to calibrate. Give snapshots with a "
            "signal."
        )
    if not live.all():
        Y, stack, options, weights = _of_live_sensors(Y, stack, options, weights, live)
    found = _least_squares(Y, stack, options, weights, report, check=check)
    gains = known(found.gains) if found.n_without_gain else found.gains
    residual = Y - gains * stack.apply(found.signals)
    if weights is not None:
        residual, Y = weights**0.5 * residual, weights**0.5 * Y
    sizes = xp.linalg.vector_norm(residual, axis=0)
    return found._replace(
        gains=_with_dead(found.gains, live),
        signals=found.signals if told.all() else _with_dead(found.signals.T, told).T,
        residual_norm=float(xp.linalg.vector_norm(sizes)),
        sensor_residuals=_with_dead(sizes / xp.linalg.vector_norm(Y, axis=0), live),
    )


def _least_squares(
    Y: Array,
    stack: SensingStack,
    options: CalibrationOptions,
    weights: Array | None,
    report: Callable[[str], None],
    *,
    check: bool,
) -> Calibration:
    """Calibrate sensors that all measured something, each measurement with its weight."""
    xp = array_namespace(Y)
    n_measured = None
    if weights is not None:
        roots = weights**0.5
        Y, stack = roots * Y, WeightedStack(stack, roots)
        n_measured = int(xp.sum(xp.astype(weights > 0.0, xp.int64)))
    make, w = _SOLVERS[options.solver], options.normalization
    plain = BalancedSystem(Y, stack, shared_signal=options.shared_signal, n_measured=n_measured)
    solver = make(plain, options)
    penalty, steps = None, 0
    if not options.damp and not options.sparsity:
        z = solution(solver, plain, options)
    else:
        z, penalty, steps = penalised(Y, plain, make, options, report)
    spectrum = solver.spectrum(z)
    report(f"smallest singular values {spectrum.values}, null dimension {spectrum.null_dim}")
    if check and options.method == "ls" and penalty is None and spectrum.null_dim == 1:
        if int(xp.sum(xp.astype(w != 0, xp.int64))) > 1:  # a reference sensor excludes nothing
            _check_normalisation(plain, z, spectrum.values, options.tol)
    s, x = normalised(*plain.unscaled(z), w)
    # of a sensor whose ideal measurement is zero any gain explains what it measured
    expected = xp.abs(z[: plain.n_sensors])
    unknown = expected <= max(options.tol, 1e-12) * xp.max(expected)
    d = 1.0 / _nonzero(xp, s)
    n_steps = max(options.refine, 0 if options.gain_basis is None else 1)
    if n_steps:
        d, x = refined(Y, x, stack, n_steps, options, penalty=penalty, report=report)
        s, x = normalised(1.0 / _nonzero(xp, d), x, w)
        d = 1.0 / _nonzero(xp, s)
    n_iter = max(solver.n_iter + steps, 1)
    d = xp.where(unknown, xp.full_like(d, xp.nan), d)
    n_without_gain = int(xp.sum(xp.astype(unknown, xp.int64)))
    excess = plain.n_measured if weights is None else float(xp.sum(weights))
    excess -= plain.n_signals * plain.n_atoms
    needed = needed_ratio(excess, plain.n_sensors, is_complex=plain.Y.dtype == xp.complex128)
    found = Calibration(d, x, spectrum, needed, n_iter, solver.converged)
    return found._replace(n_without_gain=n_without_gain)


def needed_ratio(excess: float, n_sensors: int, *, is_complex: bool) -> float:
    """Ratio of the two smallest singular values above which the gains are determined.

    Two directions that hold nothing but noise have a ratio too, the larger the fewer equations
    there are. This bound was set on simulated arrays: wrong numbers of atoms stay below it in
    about 19 cases of 20.

    Parameters
    ----------
    excess : float
        Equations that are left after the signals.
    n_sensors : int
        Number of gains.
    is_complex : bool
        Whether each equation counts twice.

    Returns
    -------
    ratio : float
        At least 2; infinity where no equation is left after signals and gains.
    """
    if 1 < n_sensors and excess <= n_sensors - 1:  # the gains would explain whatever was measured
        return math.inf
    equations_per_gain = excess * (2 if is_complex else 1) / max(n_sensors - 1, 1)
    return max(2.0, 1.6 + 4.0 / max(equations_per_gain, 1e-3))


def _robust_weights(
    Y: Array,
    stack: SensingStack,
    options: CalibrationOptions,
    measured: Array | None,
    report: Callable[[str], None],
) -> Array:
    """Weights that outliers do not have; zero for sensors that hardly ever fit the others."""

    def fit(weights: Array) -> tuple[Array, Array]:
        found = _weighted(Y, stack, options, weights, quiet, check=False)
        gains, images = known(found.gains), stack.apply(known(found.signals))
        parts = map(to_numpy, (Y, images, gains, weights))
        gains = move_like(gains_by_majority(*parts), gains)
        return gains, Y - gains * images

    def quiet(message: str) -> None:
        """The steps in between are not worth a line each."""

    has_phases = stack.is_complex or is_complex(Y)
    return reweighted(fit, Y, measured, is_complex=has_phases, report=report)


def _of_snapshots(
    Y: Array, stack: SensingStack, measured: Array, told: np.ndarray
) -> tuple[Array, SensingStack, Array]:
    """The problem without the snapshots that tell nothing of the gains."""
    if not told.any():
        raise ValueError(
            f"No snapshot measured as many as n_atoms={stack.shape[2]} sensors: each could have "
            "any gains. Give fewer atoms, or snapshots with fewer gaps (NaN)."
        )
    if told.all():
        return Y, stack, measured
    xp, kept = array_namespace(Y), move_like(np.flatnonzero(told), Y)
    stack = stack if stack.shape[0] == 1 else ChosenSnapshots(stack, told)
    return xp.take(Y, kept, axis=0), stack, xp.take(measured, kept, axis=0)


def _of_live_sensors(
    Y: Array,
    stack: SensingStack,
    options: CalibrationOptions,
    measured: Array | None,
    live: np.ndarray,
) -> tuple[Array, LiveSensors, CalibrationOptions, Array | None]:
    """The problem without the sensors that measured nothing."""
    xp, kept = array_namespace(Y), move_like(np.flatnonzero(live), Y)
    w, basis = (
        None if values is None else xp.take(values, kept, axis=0)
        for values in (options.normalization, options.gain_basis)
    )
    options = options._replace(normalization=w, gain_basis=basis)
    measured = None if measured is None else xp.take(measured, kept, axis=1)
    return xp.take(Y, kept, axis=1), LiveSensors(stack, live), options, measured


_SOLVERS: dict[str, Callable[[BalancedSystem, CalibrationOptions], Solver]] = {
    "schur": lambda system, options: SchurSolver(system, tol=options.tol),
    "lsqr": lambda system, options: LsqrSolver(system, tol=options.tol, max_iter=options.max_iter),
}


def _check_normalisation(system: BalancedSystem, z: Array, values: np.ndarray, tol: float) -> None:
    """Raise ValueError where the data have a clear solution that ``w^H s = 1`` excludes."""
    xp = array_namespace(z)
    first = float(xp.linalg.vector_norm(system.image(z)) / xp.linalg.vector_norm(z))
    second = float(values[min(1, len(values) - 1)])
    fits = values[0] < min(0.1, 0.5 * second)  # else the data have no clear solution to exclude
    if fits and first > 2 * values[0] + 1e3 * tol:
        raise ValueError(
            f"The normalisation does not suit these gains: it forces a misfit of {first:.2g} where "
            f"{values[0]:.2g} is possible (balanced system). The mean of 1 / gains, or the "
            "weighted mean given, is nearly zero, as happens with phases all over the circle. Use "
            "method='svd', or reference=<index of a sensor of known gain>."
        )


def _nonzero(xp: Any, values: Array) -> Array:
    """Keep quotients finite: zeros become rounding of the largest."""
    size = xp.abs(values)
    floor = 2.0**-52 * xp.max(size)
    return xp.where(size > floor, values, xp.full_like(values, float(floor)))


def _with_dead(values: Array, live: np.ndarray) -> Array:
    """Numbers of all sensors (last axis), NaN where dead."""
    if live.all():
        return values
    xp = array_namespace(values)
    place = move_like(np.where(live, np.cumsum(live) - 1, int(live.sum())), values)
    dead = xp.full_like(values[..., :1], xp.nan)
    return xp.take(xp.concat([values, dead], axis=-1), place, axis=-1)
