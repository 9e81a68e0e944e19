"""What the parameters of SelfCalibrationLS mean for the measurements at hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._array import Array, array_namespace, double, is_array, move_like, to_numpy
from .._base import warn
from ..functional.inverse.self_calibration.calibration import Calibration, resolved_solver
from ..functional.inverse.self_calibration.system import CalibrationOptions
from ..functional.inverse.sensing import SensingStack

__all__ = [
    "calibration_options",
    "check_stack_suits_model",
    "default_atoms",
    "in_width_of",
    "most_atoms",
    "warn_about",
]


# Share of its own measurements that a sensor may leave unexplained: half of their energy.
_NOISY = 0.5**0.5


def most_atoms(model: str, n_snapshots: int, n_sensors: int) -> int:
    """Return how many atoms a named subspace may have: half of what counting unknowns allows."""
    p, m = n_snapshots, n_sensors
    limit = (p - 1) * m // 2 if model == "repeated" else m - -(-2 * (m - 1) // p)
    return max(1, min(m, limit))


def default_atoms(model: str, n_snapshots: int, n_sensors: int) -> int:
    """Return the number of atoms of a named subspace: a quarter of the sensors if data allow."""
    return max(1, min(n_sensors // 4, most_atoms(model, n_snapshots, n_sensors)))


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
    if estimator.loss == "robust" and estimator.model == "blind_deconvolution":
        raise ValueError(
            "loss='robust' does not suit model='blind_deconvolution': one bad measurement spreads "
            "over all frequencies of its row. Use loss='squared', and leave bad rows out."
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
                f"reference={index} is a dead sensor: it measured zero or nothing (NaN) in every "
                "snapshot. Choose another one."
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


def in_width_of(X: Array, *results: Array) -> Any:
    """Cast one result, or a list, to the float width of X: real stays real, complex complex."""
    xp = array_namespace(X)
    single = X.dtype in (xp.float32, xp.complex64)
    complex_width, width = (xp.complex64, xp.float32) if single else (xp.complex128, xp.float64)
    cast = [
        xp.astype(
            a, complex_width if xp.isdtype(a.dtype, "complex floating") else width, copy=False
        )
        for a in results
    ]
    return cast if len(cast) > 1 else cast[0]


def warn_about(found: Calibration, estimator: Any, X: Array) -> None:
    """Tell what the data do not determine, what does not fit, and where LSQR did not end."""
    spectrum, (n_snapshots, n_sensors) = found.spectrum, X.shape
    n_atoms = estimator.n_atoms_
    if spectrum.null_dim > 1:
        warn(
            f"{n_snapshots} snapshots of {n_sensors} sensors do not determine gains and signal: "
            f"the solutions form a space of dimension {spectrum.null_dim} (null_dim_), and the "
            "answer is one of them. Give more snapshots, fewer atoms, or maps that differ more.",
            UserWarning,
        )
    elif found.n_without_gain:
        warn(
            f"{found.n_without_gain} of {n_sensors} sensors (of a filter: frequencies) have no "
            "gain (NaN): the solution expects nothing of them, and any gain would explain what "
            "they measured. If they are many, it is the trivial one, which a sensing allows that "
            "reaches few sensors or frequencies: a constant in blind_deconvolution.",
            UserWarning,
        )
    elif not estimator.gains_determined_:
        warn(f"The gains are not determined: {_why(found, estimator, X.shape)}", UserWarning)
    elif found.converged:
        _warn_about_sensors(found, estimator, X)
    unknown = np.flatnonzero(np.isnan(to_numpy(found.signals)).all(axis=1))
    if len(unknown):
        warn(
            f"{len(unknown)} of {n_snapshots} snapshots, the first at row {unknown[0]}, measured "
            f"fewer sensors than the {n_atoms} atoms of a signal (what the robust loss set aside "
            "not counted): they tell nothing of the gains, and their rows of signal_ are NaN.",
            UserWarning,
        )
    if not found.converged:
        warn(
            f"LSQR did not reach tol={estimator.tol} in {found.n_iter} steps. Increase max_iter or "
            "tol, or use solver='schur'.",
            ConvergenceWarning,
        )


def _why(found: Calibration, estimator: Any, shape: tuple[int, ...]) -> str:
    """What leaves gains undetermined, and what to do."""
    given = f"{shape[0]} snapshots of {shape[1]} sensors with {estimator.n_atoms_} atoms"
    if found.needed_ratio == np.inf:
        return (
            f"{given} leave no equation to spare, so that gains and signals explain whatever was "
            "measured, with a wrong number of atoms too. Give more snapshots, or fewer atoms."
        )
    set_aside = f" {1 - found.kept:.0%} of them were set aside." if found.kept < 1 else ""
    return (
        f"the second singular value is only {estimator.singular_value_ratio_:.3g} times the first "
        f"(singular_value_ratio_), and {given} need {found.needed_ratio:.3g}. Other gains explain "
        "the data as well, so do not use these. Most often the number of atoms is wrong (try "
        "n_atoms='auto' with a named sensing), the noise is above about a tenth of the signal, or "
        f"a few measurements are far off (try loss='robust').{set_aside}"
    )


def _warn_about_sensors(found: Calibration, estimator: Any, X: Array) -> None:
    """Tell which sensors measured mostly something else, where residuals are theirs."""
    is_shrunk = estimator.sparsity > 0.0 or estimator.damp > 0.0
    if is_shrunk or estimator.model == "blind_deconvolution":  # residuals are of frequencies there
        return
    xp, residuals = array_namespace(X), to_numpy(found.sensor_residuals)
    noisy = residuals > _NOISY
    end = (
        "Their gains are noise, and they pull at the others: use loss='robust', or leave them out."
    )
    if found.weights is not None:
        noisy |= np.isnan(residuals) & to_numpy(xp.any((X != 0) & ~xp.isnan(X), axis=0))
        end = "They had no say, and have no gain (NaN) if hardly anything of them was kept."
    if noisy.any():
        names = getattr(estimator, "feature_names_in_", np.arange(len(noisy)))[noisy]
        shown = ", ".join(map(str, names[:5])) + ", ..." * (len(names) > 5)
        warn(
            f"{len(names)} of {len(noisy)} sensors measured little of what the others tell "
            f"(sensor_residuals_ above {_NOISY:.2f}): {shown}. {end}",
            UserWarning,
        )
