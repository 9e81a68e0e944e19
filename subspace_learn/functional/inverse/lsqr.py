"""Least squares and extreme singular values of an operator that is only ever applied.

SciPy's ``lsqr`` takes NumPy arrays only; this one takes
those of every library, complex ones included, and its adjoint is the conjugate transpose.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..._array import Array, array_namespace, conj, is_complex

__all__ = [
    "LeastSquares",
    "lsqr",
    "smallest_singular_value",
    "smallest_singular_vectors",
    "with_square",
]

_EPS = 2.0**-52

Map = Callable[[Array], Array]


class LeastSquares(NamedTuple):
    """Where LSQR stopped."""

    x: Array
    """Solution, (n,)."""
    residual_norm: float
    """Norm of ``b - A x``."""
    n_iter: int
    """Steps; each applies A and its adjoint once."""
    converged: bool
    """Whether one of the two tests was met."""


def lsqr(
    matvec: Map, rmatvec: Map, b: Array, *, tol: float = 1e-10, max_iter: int = 1000
) -> LeastSquares:
    """Least squares solution of ``A x = b`` by the method of Paige and Saunders.

    Parameters
    ----------
    matvec : callable
        ``x -> A x`` for vectors of length n.
    rmatvec : callable
        ``y -> A^H y``, the conjugate transpose, for vectors of length m.
    b : array of shape (m,)
        Right side, of floats.
    tol : float, default=1e-10
        Stops when ``|r| <= tol |b|`` (or its rounding), the equations hold, or when
        ``|A^H r| <= tol |A| |r|``, the residual is orthogonal to the columns. The norm of A is the
        Frobenius norm of its bidiagonal form so far.
    max_iter : int, default=1000
        Most steps.

    Returns
    -------
    result : LeastSquares
        The solution of least norm, and how it was reached.

    References
    ----------
    C. C. Paige, M. A. Saunders, "LSQR: an algorithm for sparse linear equations and sparse least
    squares", ACM Trans. Math. Software 8 (1982), section 4 and 6.

    Examples
    --------
    >>> import numpy as np
    >>> A = np.array([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
    >>> lsqr(lambda x: A @ x, lambda y: A.T @ y, np.array([1.0, 4.0, 3.0])).x.round(6)
    array([1., 2.])
    """
    xp = array_namespace(b)
    b_norm = _norm(xp, b)
    if b_norm == 0.0:
        return LeastSquares(xp.zeros_like(rmatvec(b)), 0.0, 0, True)
    u = b / b_norm
    v = rmatvec(u)
    alpha = _norm(xp, v)
    if alpha == 0.0:
        return LeastSquares(xp.zeros_like(v), b_norm, 0, True)
    v = v / alpha
    w, x = v, xp.zeros_like(v)
    rho_bar, phi_bar, a_norm2 = alpha, b_norm, alpha**2
    for n_iter in range(1, max_iter + 1):
        u = matvec(v) - alpha * u
        beta = _norm(xp, u)
        u = u / beta if beta > 0.0 else u
        v = rmatvec(u) - beta * v
        alpha = _norm(xp, v)
        v = v / alpha if alpha > 0.0 else v
        # rotate the next column of the bidiagonal matrix into triangular form
        rho = float(np.hypot(rho_bar, beta))
        c, s = rho_bar / rho, beta / rho
        theta, rho_bar = s * alpha, -c * alpha
        phi, phi_bar = c * phi_bar, s * phi_bar
        x = x + (phi / rho) * w
        w = v - (theta / rho) * w
        a_norm2 += alpha**2 + beta**2
        a_norm = a_norm2**0.5
        gradient = alpha * abs(c)  # |A^H r| / |r|
        small = phi_bar <= tol * b_norm + 4 * _EPS * a_norm * _norm(xp, x)
        if small or gradient <= tol * a_norm:
            return LeastSquares(x, phi_bar, n_iter, True)
    return LeastSquares(x, phi_bar, max_iter, False)


def smallest_singular_value(
    matvec: Map,
    rmatvec: Map,
    start: Array,
    *,
    apart_from: Array | None = None,
    max_iter: int = 100,
) -> float:
    """Estimate the smallest singular value of A from above, by the Lanczos process on ``A^H A``.

    Parameters
    ----------
    matvec : callable
        ``x -> A x``.
    rmatvec : callable
        ``y -> A^H y``.
    start : array of shape (n,)
        A random vector: a direction without a part in it is not found.
    apart_from : array of shape (n,), default=None
        A unit vector: only directions orthogonal to it are looked at.
    max_iter : int, default=100
        Most steps. Vectors are not kept orthogonal: copies of values already found do no harm.

    Returns
    -------
    value : float
        ``min |A x| / |x|`` over a Krylov space, good to 1e-8 of the norm: never below the smallest
        singular value, and above it by about one percent when that is well apart from the others.
    """
    xp = array_namespace(start)
    diagonal: list[float] = []
    beside: list[float] = []
    w, v, before_v = start, xp.zeros_like(start), xp.zeros_like(start)
    found = float("inf")
    for n_iter in range(1, min(max_iter, start.shape[0]) + 1):
        # twice: where little is left of w, the first time leaves rounding along the vector
        for _ in range(0 if apart_from is None else 2):
            w = w - apart_from * xp.vecdot(apart_from, w)
        beta = _norm(xp, w)
        if diagonal:
            if beta <= 1e-12 * max(diagonal):  # few singular values are distinct: nothing is left
                break
            beside.append(beta)
        before_v, v = v, w / beta
        w = rmatvec(matvec(v))
        alpha = xp.vecdot(v, w)
        diagonal.append(float(xp.real(alpha) if is_complex(w) else alpha))
        w = w - diagonal[-1] * v
        if beside:
            w = w - beta * before_v
        if n_iter % 8 == 0:
            before, found = found, _smallest_root(diagonal, beside)
            if found > 0.99 * before:
                return found
    return _smallest_root(diagonal, beside)


def _smallest_root(diagonal: list[float], beside: list[float]) -> float:
    """Root of the smallest eigenvalue of a tridiagonal matrix."""
    T = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
    return float(max(np.linalg.eigvalsh(T)[0], 0.0)) ** 0.5


def smallest_singular_vectors(
    matmat: Map, solve: Map, start: Array, *, tol: float = 1e-12, max_iter: int = 200
) -> tuple[Array, Array]:
    """Smallest singular values of T and their right vectors, by block inverse iteration.

    Parameters
    ----------
    matmat : callable
        ``Z -> T Z`` for blocks of columns.
    solve : callable
        ``Z -> (T^H T)^-1 Z``; near rounding a multiple of the null vectors is as good.
    start : array of shape (n, k)
        Random block; k at least the number of values wanted.
    tol : float, default=1e-12
        Stops when the first vector turns by less, and the second value changes by less than 1e-4.
    max_iter : int, default=200
        Most steps.

    Returns
    -------
    values : array of shape (k,)
        Ascending; taken from T itself, so that they are good to rounding and not to its root.
    vectors : array of shape (n, k)
        Orthonormal columns.
    """
    xp = array_namespace(start)
    Z = xp.linalg.qr(start)[0]
    second = float("inf")
    for _ in range(max_iter):
        Q = xp.linalg.qr(solve(Z))[0]
        _, values, Vh = xp.linalg.svd(with_square(matmat(Q)), full_matrices=False)
        values, W = xp.flip(values), Q @ xp.flip(conj(Vh.T), axis=1)
        first = W[:, 0]
        turned = _norm(xp, first - Z[:, 0] * xp.sum(conj(Z[:, 0]) * first))
        Z, before = W, second
        second = float(values[min(1, values.shape[0] - 1)])
        settled = abs(before - second) <= 1e-4 * second or second < 1e-12
        if turned <= tol and settled:
            break
    return values, Z


def with_square(image: Array) -> Array:
    """Append zero rows to a wide matrix, so that its thin SVD has every right vector.

    Parameters
    ----------
    image : array of shape (m, n)
        Any matrix.

    Returns
    -------
    image : array of shape (max(m, n), n)
        The same singular values, further zeros, and right vectors.
    """
    xp = array_namespace(image)
    missing = image.shape[1] - image.shape[0]
    return xp.concat([image, *[xp.zeros_like(image[:1, :])] * missing], axis=0)


def _norm(xp: Any, x: Array) -> float:
    """Length of a vector, by the product that costs a third of NumPy's norm at 500 entries."""
    return float(abs(xp.vecdot(x, x))) ** 0.5
