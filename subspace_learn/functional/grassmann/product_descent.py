"""Smooth functions of several subspaces at once, minimised by pymanopt: full batch, NumPy only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...linalg.grassmann import exponential

__all__ = ["subspaces_minimising"]

PATIENCE = 10
# Tentative points in a row that are all refused: a trust region has shrunk by 4^20 by then.
_REFUSALS = 20

_EPS = 2.0**-52

Values = Callable[[np.ndarray], tuple[float, np.ndarray]]


class _Stopped(Exception):
    """Raised by the monitor through pymanopt, which knows no other way to stop early."""


def subspaces_minimising(
    values: Values,
    hessian: Callable[[np.ndarray, np.ndarray], np.ndarray],
    start: np.ndarray,
    *,
    solver: str,
    tol: float,
    max_iter: int,
    monitor: Callable[[np.ndarray, float], bool],
) -> tuple[np.ndarray, bool]:
    """Local minimiser on Gr(k, d)^C by Riemannian conjugate gradients or trust regions.

    Parameters
    ----------
    values : callable
        Maps a stack U of shape (C, d, k) to the objective and its Euclidean gradient.
    hessian : callable
        Maps U and a direction H to the derivative of the Euclidean gradient; "trust_region" only.
    start : ndarray of shape (C, d, k)
        First point, C >= 2, k < d: orthonormal columns.
    solver : {"conjugate_gradient", "trust_region"}
        Hestenes-Stiefel directions with an adaptive line search, or truncated Newton steps.
    tol : float
        Stop when the norm of the Riemannian gradient is below this, or when `PATIENCE` iterations
        improve the objective by less than its square: what a gradient of that size is worth near
        the minimum of a smooth function. A minimum at a kink is found by the second rule only.
    max_iter : int
        Most iterations, positive.
    monitor : callable
        Called with each accepted point, the start included, and the objective there; a true result
        stops the descent.

    Returns
    -------
    U : ndarray of shape (C, d, k)
        The last accepted point.
    converged : bool
        Whether ``tol`` was reached, or no step leads further down.

    Notes
    -----
    pymanopt's retraction, C thin SVDs of (d, k) matrices, is replaced by the geodesic of
    :func:`~subspace_learn.linalg.grassmann.exponential`: k x k eigenproblems.

    References
    ----------
    P.-A. Absil, R. Mahony, R. Sepulchre, "Optimization Algorithms on Matrix Manifolds" (2008), ch.
    7 and 8.
    """
    import pymanopt
    from pymanopt.manifolds import Grassmann

    n_subspaces, n_features, subspace_dim = start.shape
    manifold = Grassmann(n_features, subspace_dim, k=n_subspaces)
    manifold.retraction = exponential
    path = _Path(values, monitor, tol**2)
    on_manifold = pymanopt.function.numpy(manifold)
    problem = pymanopt.Problem(
        manifold,
        on_manifold(path.cost),
        euclidean_gradient=on_manifold(path.gradient),
        euclidean_hessian=on_manifold(hessian),
    )
    # pymanopt's conjugate gradients count from 1, and divide by the squared gradient norm.
    with np.errstate(divide="ignore", invalid="ignore"):
        try:
            result = _optimizer(solver, tol, max_iter).run(problem, initial_point=start)
        except _Stopped:
            return path.accepted, path.stalled
    refused = "step_size" in result.stopping_criterion
    return path.accepted, bool(result.gradient_norm <= tol or refused)


def _optimizer(solver: str, tol: float, max_iter: int) -> Any:
    from pymanopt.optimizers import ConjugateGradient, TrustRegions

    known = {"conjugate_gradient": (ConjugateGradient, 1), "trust_region": (TrustRegions, 0)}
    method, offset = known[solver]
    return method(
        max_iterations=max_iter + offset, min_gradient_norm=tol, max_time=np.inf, verbosity=0
    )


class _Path:
    """The points of a descent: each evaluated once, each accepted one shown to the monitor.

    pymanopt asks for costs of tentative points and for gradients of accepted ones.
    """

    def __init__(
        self, values: Values, monitor: Callable[[np.ndarray, float], bool], least: float
    ) -> None:
        self.values, self.monitor, self.least = values, monitor, least
        self.accepted: Any = None
        self.known: list[tuple[np.ndarray, float, np.ndarray]] = []
        self.objective: list[float] = []  # at accepted points
        self.refused = 0
        self.stalled = False

    def evaluated(self, U: np.ndarray) -> tuple[float, np.ndarray]:
        for point, value, gradient in self.known:
            if point is U:
                return value, gradient
        value, gradient = self.values(U)
        # the last accepted point and the last tentative one are all that is ever asked again
        kept = [entry for entry in self.known if entry[0] is self.accepted]
        self.known = [*kept, (U, value, gradient)]
        return value, gradient

    def cost(self, U: np.ndarray) -> float:
        self.refused += 1
        if self.refused > _REFUSALS:
            self.stalled = True
            raise _Stopped
        return self.evaluated(U)[0]

    def gradient(self, U: np.ndarray) -> np.ndarray:
        value, gradient = self.evaluated(U)
        if U is not self.accepted:
            self.accepted, self.refused = U, 0
            self.objective.append(value)
            recent = self.objective[-1 - PATIENCE :]
            least = max(self.least, 4 * _EPS * abs(value))
            self.stalled = len(recent) > PATIENCE and recent[0] - value < least
            if self.monitor(U, value) or self.stalled:
                raise _Stopped
        return gradient
