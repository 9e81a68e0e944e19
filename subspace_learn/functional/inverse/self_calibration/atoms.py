"""How many atoms a subspace has: the number with which the gains are determined best."""

from __future__ import annotations

from collections.abc import Callable

from ...._array import Array
from ..sensing import SensingStack
from .calibration import KEPT, calibrated, determined_snapshots
from .system import CalibrationOptions

__all__ = ["best_n_atoms"]


def best_n_atoms(
    Y: Array,
    stack_of: Callable[[int], SensingStack],
    n_most: int,
    options: CalibrationOptions,
    *,
    measured: Array | None = None,
    report: Callable[[str], None] = lambda message: None,
) -> int:
    """Find the number of atoms with which the gains are determined best.

    Parameters
    ----------
    Y : array of shape (p, m)
        Measurements in double precision; zero where nothing was measured.
    stack_of : callable
        Number of atoms -> maps.
    n_most : int
        Numbers from 1 to this are tried, each at the cost of a calibration.
    options : CalibrationOptions
        Whether the signal is shared, and the loss.
    measured : array of shape (p, m), default=None
        1.0 where something was measured, else 0.0.
    report : callable, default does nothing
        Gets a line for each number.

    Returns
    -------
    n_atoms : int
        That of the largest ratio of the second singular value to the first, measured by the ratio
        that is needed.
    """
    # the spectrum does not depend on the normalisation; a few digits of the vectors suffice
    loose = CalibrationOptions(
        method="svd",
        solver=options.solver,
        shared_signal=options.shared_signal,
        loss=options.loss,
        tol=max(options.tol, 1e-4),
        max_iter=options.max_iter,
    )
    best, margin = 1, 0.0
    for n_atoms in range(1, n_most + 1):
        if measured is not None and not determined_snapshots(measured, n_atoms).any():
            break
        found = calibrated(Y, stack_of(n_atoms), loose, measured=measured)
        ratio = found.spectrum.ratio if found.kept >= KEPT else 1.0
        report(f"n_atoms={n_atoms}: singular values apart by a factor of {ratio:.3g}")
        if ratio / found.needed_ratio > margin:
            best, margin = n_atoms, ratio / found.needed_ratio
    return best
