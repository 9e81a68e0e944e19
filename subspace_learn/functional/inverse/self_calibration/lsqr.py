"""Self-calibration by LSQR: the maps are applied, nothing is formed.

A step costs one ``apply`` and one ``adjoint`` (p m log m with Fourier maps), memory is a few
arrays of the size of the measurements. Balanced columns keep the number of steps near 30 whatever
the size. SciPy's ``lsqr`` takes NumPy arrays only; this one takes those of every library, complex
ones included, and its adjoint is the conjugate transpose.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ...._array import Array, array_namespace, conj, is_complex
from .system import BalancedSystem, Spectrum, random_block

__all__ = ["LeastSquares", "LsqrSolver", "lsqr", "smallest_singular_value"]

_EPS = 2.0**-52

# Inverse iteration: the first step only has to find a direction near the answer.
_FIRST_TOL = 1e-4
_MAX_OUTER = 100
# Where singular values are only looked at.
_LOOSE = 1e-2
# The probe for the second singular value cannot tell smaller values from zero.
_ZERO = 1e-6

Map = Callable[[Array], Array]


class LsqrSolver:
    """Solve by LSQR on the balanced system with one row appended.

    Parameters
    ----------
    system : BalancedSystem
        What to solve.
    tol : float, default=1e-10
        Of LSQR.
    max_iter : int, default=1000
        Most steps of one run of LSQR.
    """

    def __init__(self, system: BalancedSystem, *, tol: float = 1e-10, max_iter: int = 1000) -> None:
        self.system, self.tol, self.max_iter = system, tol, max_iter
        self.n_iter = 0
        self.converged = True

    def constrained(self, w: Array) -> Array:
        """Return a multiple of the minimiser of ``|T z|`` over ``w^H s = 1``.

        Parameters
        ----------
        w : array of shape (n_sensors,)
            Normalisation in balanced units.

        Returns
        -------
        z : array of shape (n_unknowns,)
            Solution up to a factor. That of ``|T z|^2 + |w^H s - 1|^2`` has the same direction, so
            the row is appended and the factor left to the caller.
        """
        xp = array_namespace(w)
        unit = xp.astype(w / xp.linalg.vector_norm(w), self.system.Y.dtype)
        n_signal = self.system.n_unknowns - self.system.n_sensors
        row = xp.concat([unit, xp.broadcast_to(xp.zeros_like(unit[:1]), (n_signal,))])
        return self._bordered(row, self.tol)

    def smallest(self) -> Array:
        """Return the right singular vector of the smallest singular value, by inverse iteration.

        Each step is the constrained problem with the last vector as its normalisation, which is
        well conditioned where the normal equations would not be.

        Returns
        -------
        z : array of shape (n_unknowns,)
            Unit length.
        """
        xp = array_namespace(self.system.Y)
        z = random_block(self.system, 1)[:, 0]
        z = z / xp.linalg.vector_norm(z)
        for outer in range(_MAX_OUTER):
            new = self._bordered(z, _FIRST_TOL if outer == 0 else self.tol)
            new = new / xp.linalg.vector_norm(new)
            overlap = xp.sum(conj(z) * new)
            turned = float(xp.linalg.vector_norm(new - z * overlap))
            z = new
            if turned <= 100 * self.tol:
                return z
        self.converged = False
        return z

    def spectrum(self, z: Array) -> Spectrum:
        """Return the two smallest singular values, the first by one inverse iteration from z.

        Parameters
        ----------
        z : array of shape (n_unknowns,)
            The solution. Under a normalisation it is not quite the first singular vector.

        Returns
        -------
        spectrum : Spectrum
            The second value is found to about one percent; of the dimension of the space of
            solutions only "more than one", or what counting equations says, can be told.
        """
        xp = array_namespace(z)
        system = self.system
        counted = self.n_iter, self.converged  # looking costs steps, but none of the solution
        z = self._bordered(z / xp.linalg.vector_norm(z), _LOOSE)
        self.n_iter, self.converged = counted
        z = z / xp.linalg.vector_norm(z)
        first = float(xp.linalg.vector_norm(system.image(z)))
        second = smallest_singular_value(
            system.image, system.adjoint, random_block(system, 2)[:, 1], apart_from=z
        )
        null_dim = system.null_dim_by_counting()
        if second <= _ZERO and first <= _ZERO:
            null_dim = max(null_dim, 2)
        return Spectrum(np.sort([first, second]), null_dim)

    def _bordered(self, row: Array, tol: float) -> Array:
        """Minimise ``|T z|^2 + |row^H z - 1|^2``."""
        xp = array_namespace(row)
        image, adjoint = self.system.image, self.system.adjoint

        def matvec(z: Array) -> Array:
            return xp.concat([image(z), xp.reshape(xp.vecdot(row, z), (1,))])

        def rmatvec(r: Array) -> Array:
            return adjoint(r[:-1]) + row * r[-1]

        zeros = xp.zeros_like(matvec(row)[:-1])
        b = xp.concat([zeros, xp.ones_like(row[:1])])
        found = lsqr(matvec, rmatvec, b, tol=tol, max_iter=self.max_iter)
        self.n_iter += found.n_iter
        self.converged = self.converged and found.converged
        return found.x


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


def _norm(xp: Any, x: Array) -> float:
    """Length of a vector, by the product that costs a third of NumPy's norm at 500 entries."""
    return float(abs(xp.vecdot(x, x))) ** 0.5
