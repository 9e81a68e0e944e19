"""What the parameters of SelfCalibrationLS mean for the measurements at hand."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._array import Array, array_namespace, double, is_array, is_complex, move_like
from ..functional.inverse.self_calibration.calibration import Calibration, resolved_solver
from ..functional.inverse.self_calibration.system import CalibrationOptions
from ..functional.inverse.sensing import SensingStack

__all__ = [
    "calibration_options",
    "check_stack_suits_model",
    "default_atoms",
    "in_width_of",
    "warn_about",
]


def default_atoms(model: str, n_snapshots: int, n_sensors: int) -> int:
    """Return the number of atoms of a named subspace: a quarter of the sensors if data allow."""
    p, m = n_snapshots, n_sensors
    # twice the number of snapshots that counting unknowns asks for, where there are so many
    limit = (p - 1) * m // 2 if model == "repeated" else m - -(-2 * (m - 1) // p)
    return max(1, min(m // 4, limit))


def check_stack_suits_model(stack: SensingStack, model: str, n_snapshots: int) -> None:
    """Raise ValueError unless the number of maps suits the model and the snapshots."""
    n_maps = stack.shape[0]
    if n_maps == 1:
        return
    if model == "snapshots":
        raise ValueError(
            f"model='snapshots' has one matrix for all snapshots, but sensing holds {n_maps}. Use "
            "model='diverse', or 'repeated' if the signal is the same in all."
        )
    if n_maps != n_snapshots:
        raise ValueError(
            f"sensing holds {n_maps} maps, but X has {n_snapshots} snapshots. Give one map for "
            "each row of X, or one for all; for other rows than in fit, give their own sensing."
        )


def calibration_options(estimator: Any, Y: Array, stack: SensingStack) -> CalibrationOptions:
    """Turn the parameters of an estimator into options, checked against the measurements.

    Raises
    ------
    ValueError
        If parameters exclude one another, or disagree with the number of sensors.
    """
    m = Y.shape[1]
    if estimator.sparsity and estimator.method == "svd":
        raise ValueError(
            "sparsity needs method='ls': without a normalisation the size of x is free. Set a "
            "reference sensor if the mean of 1 / gains may vanish."
        )
    basis = estimator.gain_basis
    if basis is not None:
        basis = _finite(basis, "gain_basis", Y)
        if basis.ndim != 2 or basis.shape[0] != m:
            raise ValueError(
                f"gain_basis has shape {tuple(basis.shape)}, but needs one row for each of the {m} "
                "sensors: (n_sensors, n_parameters)."
            )
    shared_signal = estimator.model == "repeated"
    return CalibrationOptions(
        method=estimator.method,
        solver=resolved_solver(estimator.solver, stack, Y.shape[0], shared_signal),
        shared_signal=shared_signal,
        normalization=_normalisation(estimator, Y),
        gain_basis=basis,
        loss=estimator.loss,
        sparsity=float(estimator.sparsity),
        refine=int(estimator.refine),
        damp=float(estimator.damp),
        tol=float(estimator.tol),
        max_iter=1000 if estimator.max_iter is None else int(estimator.max_iter),
    )


def _normalisation(estimator: Any, Y: Array) -> Array | None:
    """The vector w of ``w^H s = 1``; None for unit length."""
    xp = array_namespace(Y)
    m = Y.shape[1]
    index, given = estimator.reference, estimator.normalization
    if not bool(xp.any(Y != 0)):
        return None  # `calibrated` says that there is nothing to calibrate
    if index is not None:
        if index >= m:
            raise ValueError(f"reference={index} is not one of the {m} sensors 0 to {m - 1}.")
        if not bool(xp.any(Y[:, int(index)] != 0)):
            raise ValueError(
                f"reference={index} is a dead sensor: it measured zero in every snapshot. Choose "
                "another one."
            )
        return move_like(np.eye(1, m, int(index))[0], Y)
    if estimator.method == "svd":
        return None
    if given is None:
        raise ValueError(
            "method='ls' needs a normalization or a reference sensor, but both are None. Give one, "
            "or use method='svd'."
        )
    if isinstance(given, str):  # "mean": over the sensors that measured anything
        live = xp.any(Y != 0, axis=0)
        w = xp.astype(live, xp.float64)
        return w / xp.clip(xp.sum(w), min=1.0)
    w = _finite(given, "normalization", Y)
    if w.shape != (m,) or not bool(xp.any(w != 0)):
        raise ValueError(
            f"normalization has shape {tuple(w.shape)}, but needs one weight for each of the {m} "
            "sensors, not all zero."
        )
    return w


def _finite(values: Any, name: str, like: Array) -> Array:
    values = values if is_array(values) else np.asarray(values)
    values = double(move_like(values, like))
    xp = array_namespace(values)
    if not bool(xp.all(xp.isfinite(values))):
        raise ValueError(f"{name} contains NaN or infinity: give finite numbers.")
    return values


def in_width_of(values: Array, X: Array) -> Array:
    """Cast a result to the float width of the input: real stays real, complex stays complex."""
    xp = array_namespace(X)
    single = X.dtype in (xp.float32, xp.complex64)
    if is_complex(values):
        return xp.astype(values, xp.complex64 if single else xp.complex128)
    return xp.astype(values, xp.float32 if single else xp.float64)


def warn_about(found: Calibration, shape: tuple[int, ...], tol: float) -> None:
    """Tell when the data do not determine the gains, or LSQR did not end."""
    if found.spectrum.null_dim > 1:
        warnings.warn(
            f"{shape[0]} snapshots of {shape[1]} sensors do not determine gains and signal: the "
            f"solutions form a space of dimension {found.spectrum.null_dim} (null_dim_), and the answer is "
            "one of them. Give more snapshots, fewer atoms, or maps that differ more.",
            UserWarning,
            stacklevel=5,
        )
    if not found.converged:
        warnings.warn(
            f"LSQR did not reach tol={tol} in {found.n_iter} steps. Increase max_iter or tol, or "
            "use solver='schur'.",
            ConvergenceWarning,
            stacklevel=5,
        )
