"""Leading eigenpairs by optimisation on the Grassmann manifold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..._array import Array
from ...linalg.krylov import KrylovSpace, RitzPairs, orthonormal_against, ritz_pairs

__all__ = ["scaled_objective", "trust_region_pairs"]


def trust_region_pairs(
    operator: Callable[[Array], Array],
    start: Array,
    *,
    scale: float,
    tol: float,
    max_iter: int,
) -> RitzPairs:
    """Leading eigenpairs of a symmetric operator by a Riemannian trust-region method on Gr(k, n).

    Minimises ``-tr(U^T S U) / 2`` with Euclidean gradient ``-S U`` and Hessian ``-S H``, which
    pymanopt turns into Riemannian ones; then Rayleigh-Ritz within the subspace found.

    Parameters
    ----------
    operator : callable
        Maps a NumPy array (n, k) to S times it.
    start : ndarray of shape (n, k)
        Spans the first point; random columns serve.
    scale : float
        The objective is divided by it, the trace of S for example; 0 counts as 1.
    tol : float
        Stop when the norm of the scaled Riemannian gradient is below this. The angle to the exact
        subspace is then about ``tol * scale / gap``.
    max_iter : int
        Most outer iterations.

    Returns
    -------
    pairs : RitzPairs
        Values descending, vectors (n, k), residual norms, steps taken, whether ``tol`` was reached.

    References
    ----------
    P.-A. Absil, C. G. Baker, K. A. Gallivan, "Trust-region methods on Riemannian manifolds",
    Foundations of Computational Mathematics 7 (2007), section 5.
    """
    n, k = start.shape
    U, gradient_norm, n_iter = orthonormal_against(start, None), 0.0, 0
    if k < n:  # Gr(n, n) is a single point
        U, gradient_norm, n_iter = _minimised(operator, U, scale or 1.0, tol, max_iter)
    values, vectors, residuals = ritz_pairs(KrylovSpace(U, operator(U)), k)
    norms = np.linalg.norm(residuals, axis=0)
    return RitzPairs(values, vectors, norms, n_iter, gradient_norm <= tol)


def scaled_objective(
    operator: Callable[[Array], Array], scale: float
) -> tuple[Callable[..., float], Callable[..., Array], Callable[..., Array]]:
    """Objective ``-tr(U^T S U) / (2 scale)``, its Euclidean gradient and Hessian.

    Parameters
    ----------
    operator : callable
        Maps an array (n, k) to S times it.
    scale : float
        Positive.

    Returns
    -------
    cost, gradient, hessian : callable
        Functions of U, of U, and of U and a direction H.
    """

    def cost(U: Array) -> float:
        return -0.5 * float(np.sum(U * operator(U))) / scale

    def gradient(U: Array) -> Array:
        return -operator(U) / scale

    def hessian(U: Array, H: Array) -> Array:
        return -operator(H) / scale

    return cost, gradient, hessian


def _minimised(
    operator: Callable[[Array], Array], start: Array, scale: float, tol: float, max_iter: int
) -> tuple[Array, float, int]:
    """Run pymanopt; return the point, its gradient norm and the number of iterations."""
    import pymanopt
    from pymanopt.manifolds import Grassmann
    from pymanopt.optimizers import TrustRegions

    manifold = Grassmann(*start.shape)
    on_manifold = pymanopt.function.numpy(manifold)
    cost, gradient, hessian = map(on_manifold, scaled_objective(operator, scale))
    problem = pymanopt.Problem(
        manifold, cost, euclidean_gradient=gradient, euclidean_hessian=hessian
    )
    optimizer = TrustRegions(
        max_iterations=max_iter, min_gradient_norm=tol, max_time=np.inf, verbosity=0
    )
    result = optimizer.run(problem, initial_point=start)
    return result.point, float(result.gradient_norm), int(result.iterations)
