"""Rows of a table as angles of a circuit: what is refused, and what is told."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._array import Array, array_namespace
from .._base import warn
from ..functional.quantum.feature_map import bytes_of_states, entangled_pairs, feature_map_states

__all__ = ["checked_angles", "states_of"]

_WIDEST = 4 * np.pi
_LARGEST = 1e100  # products of two angles stay floats


def checked_angles(estimator: Any, X: Array, *, warns: bool) -> Array:
    """Rows times ``scale``; ValueError if states of so many qubits do not fit into memory."""
    n_samples, n_qubits = X.shape
    needed = bytes_of_states(n_samples, n_qubits, itemsize=16 if str(X.dtype)[-2:] == "64" else 8)
    if n_qubits > 62 or needed > estimator.max_bytes:
        raise ValueError(
            f"{type(estimator).__name__} simulates one qubit for each column: states of "
            f"{n_samples} rows and {n_qubits} columns need {float(needed):.2g} bytes, but "
            f"max_bytes is {float(estimator.max_bytes):.2g}. Reduce the columns first, say by "
            "PCA(5), or raise max_bytes if that memory is there."
        )
    angles = X * estimator.scale
    xp = array_namespace(X)
    largest = float(xp.max(xp.abs(angles)))
    if not largest < _LARGEST:
        raise ValueError(
            f"{type(estimator).__name__} reads numbers as angles, but the largest is {largest:.3g}."
            " Bring the columns to [0, 2 pi], say by MinMaxScaler((0, 6.28))."
        )
    if warns and largest > _WIDEST:
        digits = float(xp.finfo(X.dtype).eps) * (np.pi + largest) ** 2
        warn(
            f"the largest angle is {largest:.3g}, beyond 4 pi: phases turn around many times and "
            f"near rows look unrelated (rounding alone turns them by {digits:.1g}). Bring the "
            "columns to [0, 2 pi], say by MinMaxScaler((0, 6.28)), or lower scale."
        )
    return angles


def states_of(estimator: Any, angles: Array) -> Array:
    """State vectors of checked angles under the map of an estimator."""
    pairs = entangled_pairs(angles.shape[1], estimator.entanglement)
    how = {"feature_map": estimator.feature_map, "reps": estimator.reps, "pairs": pairs}
    return feature_map_states(angles, **how)
