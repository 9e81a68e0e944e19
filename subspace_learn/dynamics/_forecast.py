"""A fitted Koopman model applied to data: observables, forecasts, states and coordinates."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._array import (
    Array,
    array_namespace,
    device_of,
    double,
    is_array,
    is_complex,
    move_like,
    real,
    to_numpy,
)
from .._base import warn, warn_of_other_rows
from ..functional.dynamics.edmd import real_columns
from ..functional.dynamics.resdmd import KoopmanSpectrum
from ._koopman_fit import KoopmanModel
from ._lifting import LiftedPairs, lifted, lifted_pairs, states_of
from ._snapshots import (
    checked_inputs,
    checked_states,
    consecutive,
    in_order,
    joined_trajectories,
    snapshot_segments,
    warn_of_uneven_steps,
)

__all__ = [
    "coordinates",
    "histories",
    "inputs_of_rows",
    "lifted_pairs_of",
    "lifted_rows",
    "one_step_ahead",
    "refuse_infinite_steps",
    "states_from_coordinates",
    "trajectories",
    "warn_of_growth",
]


def lifted_rows(
    estimator: Any, model: KoopmanModel, X: Any, method: str, u: Any = None
) -> tuple[Any, Array, Array]:
    """X with trajectories joined, the same checked, and its observables; u stands beside it."""
    if hasattr(X, "iloc"):
        warn_of_other_rows({"X": X, "u": u})
    X, counts = joined_trajectories(X, estimator)
    table = checked_states(estimator, X, like=model.matrix, method=method)
    if model.window > 1:  # a row then stands for several
        warn_of_uneven_steps(X, counts or [table.shape[0]])
    if counts is None:
        return X, table, lifted(model.dictionary, table)
    pieces = [lifted(model.dictionary, table[rows, :]) for rows in consecutive(counts)]
    return X, table, array_namespace(table).concat(pieces, axis=0)


def lifted_pairs_of(
    estimator: Any, model: KoopmanModel, X: Any, y: Any, u: Any = None
) -> LiftedPairs:
    """Checked pairs of new data, lifted."""
    if hasattr(X, "iloc"):
        warn_of_other_rows({"X": X, "y": y, "u": u})
    names, window = model.input_names, model.window
    segments = snapshot_segments(
        estimator, X, y, u=u, input_names=names, like=model.matrix, window=window
    )
    return lifted_pairs(model.dictionary, segments, window)


def one_step_ahead(
    model: KoopmanModel, rows: Array, inputs: Array | None, dtype: Any
) -> tuple[Array, Array]:
    """Observables one step later, and the states that belong to them; perhaps not finite."""
    xp = array_namespace(rows)
    with np.errstate(over="ignore", invalid="ignore"):  # callers say it in words
        ahead = double(rows) @ model.matrix
        if inputs is not None:
            # real inputs beside complex observables: ``@`` would not mix them in every library
            ahead = ahead + xp.matmul(inputs, model.input_matrix)
        if model.by_inverse:
            states = states_of(model.dictionary, real(ahead))
        else:
            states = real(ahead if model.readout is None else ahead @ model.readout)
        return ahead, xp.astype(states, dtype, copy=False)


def trajectories(
    model: KoopmanModel, history: Array, n_steps: int, u: Any = None, *, relift: bool = False
) -> Array:
    """Forecasts (n_starts, n_steps, n_features) from checked histories; perhaps not finite."""
    xp, (n, _, width) = array_namespace(history), history.shape
    inputs = _inputs_of_steps(model, u, n, n_steps)
    rows = _last_observables(model, history)
    path = xp.empty((n, n_steps, width), dtype=history.dtype, device=device_of(history))
    for step in range(n_steps):
        now = None if inputs is None else inputs[:, step, :]
        rows, path[:, step, :] = one_step_ahead(model, rows, now, history.dtype)
        if relift:
            if not bool(xp.all(xp.isfinite(path[:, step, :]))):
                path[:, step:, :] = float("nan")
                break
            history = xp.concat([history[:, 1:, :], path[:, step : step + 1, :]], axis=1)
            rows = _last_observables(model, history)
    return path


def refuse_infinite_steps(path: Array, radius: float) -> Array:
    """Return a forecast, or raise ValueError and name the step that left the range of floats."""
    xp = array_namespace(path)
    finite = to_numpy(xp.all(xp.all(xp.isfinite(path), axis=2), axis=0))
    if not finite.all():
        raise ValueError(
            f"simulate() leaves the range of {path.dtype} in step {int(finite.argmin()) + 1} of "
            f"{len(finite)}; the largest |eigenvalue| is {radius:.6g}. Forecast fewer steps, or "
            "change the dictionary."
        )
    return path


def warn_of_growth(radius: float, n_steps: int) -> None:
    """Warn where a linear forecast grows more than twofold."""
    growth = n_steps * np.log(radius) if radius > 0 else -np.inf
    if growth > np.log(2.0):
        warn(
            f"An unstable mode, |eigenvalue| = {radius:.6g}, grows by a factor of "
            f"{np.exp(min(growth, 700.0)):.3g} over {n_steps} steps. Forecast fewer steps, set "
            "relift=True, or fit with method='measure_preserving' if the system is."
        )


def inputs_of_rows(estimator: Any, model: KoopmanModel, u: Any, rows: Array) -> Array | None:
    """Checked inputs beside ``rows``; None if there are none and none are needed."""
    _check_inputs_are_given(model, u)
    if u is None:
        return None
    u, n_inputs = checked_inputs(estimator, u, rows, model.input_names), model.input_matrix.shape[0]
    if u.shape[1] != n_inputs:
        raise ValueError(f"u has {u.shape[1]} columns, but the model has {n_inputs} inputs.")
    return u


def coordinates(spectrum: KoopmanSpectrum, eigenvectors: Array, rows: Array, dtype: Any) -> Array:
    """Real and imaginary parts of eigenfunctions, of a conjugate pair those of the upper one."""
    xp, rows = array_namespace(rows), double(rows)
    above, columns = (move_like(i, rows) for i in (spectrum.above_axis, spectrum.columns))
    vectors = xp.take(eigenvectors, above, axis=1)
    with np.errstate(over="ignore", invalid="ignore"):  # callers say it in words
        if is_complex(rows):
            Z = xp.take(real_columns(rows @ vectors), columns, axis=1)
        else:
            Z = rows @ xp.take(real_columns(vectors), columns, axis=1)
        return xp.astype(Z, dtype, copy=False)


def states_from_coordinates(
    spectrum: KoopmanSpectrum, modes: Array, Z: Array, *, paired: bool
) -> Array:
    """Sum of modes, weighted by coordinates."""
    xp = array_namespace(Z)
    above, columns = (move_like(i, Z) for i in (spectrum.above_axis, spectrum.columns))
    modes = xp.take(modes, above, axis=0)
    if paired:
        # A pair was stored once: its partner adds the conjugate, which the real part doubles.
        twice = 1.0 + (spectrum.eigenvalues.imag[spectrum.above_axis] > 0)
        modes = modes * xp.astype(move_like(twice, Z), modes.dtype)[:, None]
    back = xp.take(real_columns(xp.conj(modes).T).T, columns, axis=0)
    return xp.astype(double(Z) @ back, Z.dtype, copy=False)


def _inputs_of_steps(model: KoopmanModel, u: Any, n_starts: int, n_steps: int) -> Array | None:
    """Checked inputs (n_starts, n_steps, n_inputs) of a forecast; None if there are none."""
    _check_inputs_are_given(model, u)
    if u is None:
        return None
    shape = (n_starts, n_steps, model.input_matrix.shape[0])
    if isinstance(u, list | tuple) and hasattr(u[0], "columns"):  # a data frame for each start
        u = np.stack([in_order(part, model.input_names, "u", "u of the fit") for part in u])
    u = in_order(u, model.input_names, "u", "u of the fit")
    u = move_like(double(u if is_array(u) else np.asarray(u)), model.matrix)
    xp = array_namespace(u)
    u = u[:, None] if u.ndim == 1 else u
    u = xp.broadcast_to(u, (n_starts, *u.shape)) if u.ndim == 2 else u
    if u.shape != shape or not bool(xp.all(xp.isfinite(u))):
        raise ValueError(
            f"u has shape {tuple(u.shape)}, but (n_starts, n_steps, n_inputs) = {shape} is needed "
            f"(or {shape[1:]} for all), finite."
        )
    return u


def _check_inputs_are_given(model: KoopmanModel, u: Any) -> None:
    n_inputs = model.input_matrix.shape[0]
    if (u is None) != (n_inputs == 0):
        raise ValueError(
            f"The model was fitted with {n_inputs} inputs, but u is "
            f"{'missing' if u is None else 'given'}. Give u in fit and in prediction, or in "
            "neither."
        )


def histories(estimator: Any, model: KoopmanModel, X0: Any) -> Array:
    """First states as (n_starts, window, n_features)."""
    X0, counts = joined_trajectories(X0, estimator, model.window)
    X0 = checked_states(estimator, X0, like=model.matrix, method="simulate")
    times = counts[0] if counts else 1
    if times < model.window or len(set(counts or [1])) > 1:
        raise ValueError(
            f"X0 holds {times} time(s) of {X0.shape[1]} features for each start, but "
            f"{model.window} of {estimator.n_features_in_} are needed, as many for each: give X0 "
            f"of shape (n_starts, {model.window}, {estimator.n_features_in_})."
        )
    X0 = array_namespace(X0).reshape(X0, (-1, times, X0.shape[1]))
    return X0[:, times - model.window :, :]


def _last_observables(model: KoopmanModel, history: Array) -> Array:
    """Observables at the last time of each history."""
    if model.window == 1:
        return lifted(model.dictionary, history[:, 0, :])
    ends = [lifted(model.dictionary, history[i, :, :]) for i in range(history.shape[0])]
    return array_namespace(history).concat(ends, axis=0)
