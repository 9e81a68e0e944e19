"""Self-calibration by LSQR: the maps are applied, nothing is formed.

A step costs one ``apply`` and one ``adjoint`` (p m log m with Fourier maps), memory is a few
arrays of the size of the measurements. Balanced columns keep the number of steps near 30 whatever
the size.
"""

from __future__ import annotations

import numpy as np

from ...._array import Array, array_namespace, conj
from ..lsqr import lsqr, smallest_singular_value
from .system import BalancedSystem, Spectrum, random_block

__all__ = ["LsqrSolver"]

# Inverse iteration: the first step only has to find a direction near the answer.
_FIRST_TOL = 1e-4
_MAX_OUTER = 100
# Where singular values are only looked at.
_LOOSE = 1e-2
# The probe for the second singular value cannot tell smaller values from zero.
_ZERO = 1e-6


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
