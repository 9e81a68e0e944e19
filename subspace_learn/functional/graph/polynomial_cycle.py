r"""Multigrid cycles whose smoothers are polynomials: sparse products, and nothing else.

A sweep of Gauss-Seidel needs each row after the one before it. Damped Jacobi and Chebyshev
smoothing need products with whole matrices only, which every library of sparse matrices has, on a
GPU too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from ..._array import Array, move_like, sparse_like

__all__ = [
    "SMOOTHERS",
    "PolynomialCycle",
    "PolynomialLevel",
    "apply_cycle",
    "cycle_like",
    "polynomial_cycle",
]

SMOOTHERS = ("chebyshev", "jacobi")
_DEGREE = 2  # products before the coarse correction, and after it
_ROUGH = 4.0  # aggregates of about four leave the upper three quarters of the spectrum to smoothing


class PolynomialLevel(NamedTuple):
    """What a cycle needs of a level."""

    A: Any
    """Matrix, (n, n)."""
    P: Any
    """Prolongator from the next level, (n, n_next)."""
    R: Any
    """Its transpose."""
    inverse_diagonal: Array
    """(n, 1)."""
    radius: float
    """Bound of the spectral radius of the matrix over its diagonal."""


class PolynomialCycle(NamedTuple):
    """Levels in one array library, and how to go through them."""

    levels: tuple[PolynomialLevel, ...]
    """All but the last."""
    coarse: Array
    """Inverse of the last matrix, (n, n); of a diagonal one its inverse diagonal, (n, 1)."""
    visits: tuple[int, ...]
    """How often one cycle comes to each level."""
    smoother: str
    """One of `SMOOTHERS`."""


def polynomial_cycle(
    matrices: Sequence[sp.csr_array],
    prolongators: Sequence[sp.csr_array],
    coarse_factor: np.ndarray,
    visits: tuple[int, ...],
    smoother: str = "chebyshev",
) -> PolynomialCycle:
    r"""What a cycle needs, from the matrices of a hierarchy.

    Parameters
    ----------
    matrices : sequence of csr_array
        Of each level but the last, symmetric positive definite.
    prolongators : sequence of csr_array
        To each of them from the next.
    coarse_factor : ndarray of shape (n, n) or (n,)
        Lower Cholesky factor of the last matrix, or roots of a diagonal one.
    visits : tuple of int
        How often one cycle comes to each level.
    smoother : {"chebyshev", "jacobi"}, default="chebyshev"
        Two steps on each side of the coarse correction: of the Chebyshev polynomial of
        :math:`D^{-1} A` that is small on the upper three quarters of its spectrum, or of
        relaxation damped by 4/3 over its radius.

    Returns
    -------
    cycle : PolynomialCycle
        In NumPy and SciPy; see :func:`cycle_like`.

    Notes
    -----
    The radius is bounded, not estimated, by :math:`\max_i (|A| w)_i / (a_{ii} w_i)`, which holds
    for all positive w; ones and :math:`a_{ii}^{-1/2}` are tried. Both polynomials are then below 1
    in size on the whole spectrum and the same on both sides, so that the cycle is symmetric
    positive definite.

    References
    ----------
    M. Adams, M. Brezina, J. Hu, R. Tuminaro, "Parallel multigrid smoothing: polynomial versus
    Gauss-Seidel", J. Comput. Phys. 188, 2003, section 2.
    """
    if smoother not in SMOOTHERS:
        raise ValueError(f"smoother={smoother!r} is not one of {SMOOTHERS}.")
    levels = []
    for A, P in zip(matrices, prolongators, strict=True):
        diagonal = A.diagonal()
        inverse = (1 / diagonal)[:, None]
        radius = _radius_bound(abs(A), diagonal)
        levels.append(PolynomialLevel(A, P, sp.csr_array(P.T), inverse, radius))
    if coarse_factor.ndim == 1:
        coarse = (1 / coarse_factor**2)[:, None]
    else:
        identity = np.eye(len(coarse_factor), dtype=coarse_factor.dtype)
        coarse = scipy.linalg.cho_solve((coarse_factor, True), identity, check_finite=False)
        coarse = (coarse + coarse.T) / 2
    return PolynomialCycle(tuple(levels), coarse, visits, smoother)


def _radius_bound(size: sp.csr_array, diagonal: np.ndarray) -> float:
    weights = (np.ones_like(diagonal), 1 / np.sqrt(diagonal))
    return min(float(np.max((size @ w) / (diagonal * w))) for w in weights)


def cycle_like(cycle: PolynomialCycle, reference: Array) -> PolynomialCycle:
    """The same cycle in the array library and on the device of ``reference``.

    Parameters
    ----------
    cycle : PolynomialCycle
        In NumPy and SciPy.
    reference : array
        NumPy, CuPy or torch.

    Returns
    -------
    cycle : PolynomialCycle
        Copied once; applications then stay where they are.
    """
    levels = tuple(
        PolynomialLevel(
            sparse_like(level.A, reference),
            sparse_like(level.P, reference),
            sparse_like(level.R, reference),
            move_like(level.inverse_diagonal, reference),
            level.radius,
        )
        for level in cycle.levels
    )
    return cycle._replace(levels=levels, coarse=move_like(cycle.coarse, reference))


def apply_cycle(cycle: PolynomialCycle, B: Array, *, X: Array | None = None) -> Array:
    """Approximate the inverse of the first matrix times B.

    Parameters
    ----------
    cycle : PolynomialCycle
        In the library of B.
    B : array of shape (n, k)
        Right-hand sides, in the precision of the matrices.
    X : array like ``B``, default=None
        Where to start; None means zero. Not changed.

    Returns
    -------
    X : array like ``B``
        From a zero start linear, symmetric and positive definite in B.
    """
    return _improved(cycle, 0, B, X)


def _improved(cycle: PolynomialCycle, depth: int, B: Array, X: Array | None) -> Array:
    if depth == len(cycle.levels):  # solved exactly, wherever from
        diagonal = cycle.coarse.shape[1] == 1 != cycle.coarse.shape[0]
        return cycle.coarse * B if diagonal else cycle.coarse @ B
    level = cycle.levels[depth]
    X = _smoothed(level, cycle.smoother, B, X)
    coarse = level.R @ (B - level.A @ X)
    correction = None
    for _ in range(cycle.visits[depth + 1] // cycle.visits[depth]):
        correction = _improved(cycle, depth + 1, coarse, correction)
    return _smoothed(level, cycle.smoother, B, X + level.P @ correction)


def _smoothed(level: PolynomialLevel, smoother: str, B: Array, X: Array | None) -> Array:
    """Two products' worth of smoothing; the first costs none from zero."""
    if smoother == "jacobi":
        step = 4 / (3 * level.radius)
        for _ in range(_DEGREE):
            residual = B if X is None else B - level.A @ X
            change = step * (level.inverse_diagonal * residual)
            X = change if X is None else X + change
        return X
    middle = level.radius * (1 + 1 / _ROUGH) / 2
    half = level.radius * (1 - 1 / _ROUGH) / 2
    ratio = half / middle
    change = None
    for _ in range(_DEGREE):
        residual = level.inverse_diagonal * (B if X is None else B - level.A @ X)
        if change is None:
            change = residual / middle
        else:  # three-term recurrence of the Chebyshev polynomials
            following = 1 / (2 * middle / half - ratio)
            change = following * ratio * change + (2 * following / half) * residual
            ratio = following
        X = change if X is None else X + change
    return X
