"""Preconditioned conjugate gradients for several right-hand sides that share each product."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

__all__ = ["CGResult", "conjugate_gradients"]

Operator = Callable[[np.ndarray], np.ndarray]


class CGResult(NamedTuple):
    """Solutions and the way to them."""

    X: np.ndarray
    """Solutions, (n, k)."""
    residuals: np.ndarray
    """Relative residual norms before the first and after each iteration, (n_iter + 1, k)."""
    converged: np.ndarray
    """Whether each column reached the tolerance, (k,)."""


def conjugate_gradients(
    operator: Operator,
    B: np.ndarray,
    preconditioner: Operator,
    *,
    tol: float = 1e-8,
    max_iter: int = 500,
    X: np.ndarray | None = None,
) -> CGResult:
    """Solve A X = B for symmetric positive definite A, column by column but in common products.

    Parameters
    ----------
    operator : callable
        (n, j) to (n, j), the product with A for any number j of columns.
    B : array of shape (n, k)
        Right-hand sides. If A is singular, in its range.
    preconditioner : callable
        (n, j) to (n, j), symmetric positive definite (on the range of A, and into it).
    tol : float, default=1e-8
        A column is done when ``|b - A x| <= tol |b|``.
    max_iter : int, default=500
        Iterations at most.
    X : array of shape (n, k), default=None
        Where to start; None means zero. Not changed.

    Returns
    -------
    result : CGResult
        A column that is done is left as it is; its residual stays in the table.

    Raises
    ------
    ValueError
        If A or the preconditioner is found not to be positive definite.

    Examples
    --------
    >>> import numpy as np
    >>> A = np.diag([1.0, 2.0, 4.0])
    >>> found = conjugate_gradients(lambda X: A @ X, np.ones((3, 1)), lambda R: R)
    >>> found.X.ravel().round(6)
    array([1.  , 0.5 , 0.25])
    """
    X = np.zeros_like(B) if X is None else X.copy()
    sizes = np.linalg.norm(B, axis=0)
    X[:, sizes == 0] = 0
    sizes = np.where(sizes == 0, 1, sizes)
    R = B - operator(X)
    history = [np.linalg.norm(R, axis=0) / sizes]
    active = np.flatnonzero(history[0] > tol)
    R, P, before = R[:, active], np.zeros((len(B), len(active))), np.ones(len(active))
    while active.size and len(history) <= max_iter:
        Z = preconditioner(R)
        now = _positive(np.einsum("ij,ij->j", R, Z), "preconditioner")
        P = Z + P * (now / before)  # P is zero in the first round
        AP = operator(P)
        step = now / _positive(np.einsum("ij,ij->j", P, AP), "matrix")
        X[:, active] += step * P
        R = R - step * AP
        history.append(history[-1].copy())
        history[-1][active] = np.linalg.norm(R, axis=0) / sizes[active]
        going = history[-1][active] > tol
        active, R, P, before = active[going], R[:, going], P[:, going], now[going]
    return CGResult(X, np.array(history), history[-1] <= tol)


def _positive(energy: np.ndarray, what: str) -> np.ndarray:
    if not (energy > 0).all():
        raise ValueError(
            f"The {what} is not positive definite: conjugate gradients met a direction of energy "
            f"{energy.min():.3g}. To a singular one add a small multiple of the identity."
        )
    return energy
