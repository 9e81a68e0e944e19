"""Self-calibration by the singular value decomposition of the whole matrix: the yardstick.

Costs p m (m + q n)^2 flops and holds the p m x (m + q n) matrix, mostly zeros. For small systems
and for checking the others; no squares are formed, so it is the most accurate.
"""

from __future__ import annotations

from subspace_learn._array import Array, array_namespace, conj, device_of, to_numpy
from subspace_learn.functional.inverse.self_calibration import calibration
from subspace_learn.functional.inverse.self_calibration.schur import with_square
from subspace_learn.functional.inverse.self_calibration.system import BalancedSystem, Spectrum

__all__ = ["DenseSolver", "dense_matrix"]


class DenseSolver:
    """Solve by the SVD of the balanced matrix.

    Parameters
    ----------
    system : BalancedSystem
        What to solve.
    """

    n_iter = 1
    converged = True

    def __init__(self, system: BalancedSystem) -> None:
        self.system = system
        T = with_square(dense_matrix(system))
        _, self.values, Vh = array_namespace(T).linalg.svd(T, full_matrices=False)
        self.vectors = conj(Vh.T)

    def constrained(self, w: Array) -> Array:
        """Return ``(T^H T)^-1 (w, 0)``, a multiple of the constrained minimiser.

        Parameters
        ----------
        w : array of shape (n_sensors,)
            Normalisation in balanced units.

        Returns
        -------
        z : array of shape (n_unknowns,)
            Solution up to a factor.
        """
        xp = array_namespace(w)
        eps = xp.finfo(self.values.dtype).eps
        # the smallest value is rounding for exact data: a floor keeps the quotient finite, and the
        # null vector still outweighs the others by its square
        values = xp.clip(self.values, min=float(eps * self.values[0]))
        m = self.system.n_sensors
        along = conj(self.vectors[:m, :]).T @ xp.astype(w, self.vectors.dtype)
        z = self.vectors @ (along * (values[-1] / values) ** 2)
        return z

    def smallest(self) -> Array:
        """Return the last right singular vector.

        Returns
        -------
        z : array of shape (n_unknowns,)
            Unit length.
        """
        return self.vectors[:, -1]

    def spectrum(self, z: Array) -> Spectrum:
        """Return the four smallest singular values and the number of zeros among all.

        Parameters
        ----------
        z : array of shape (n_unknowns,)
            Ignored: all values are known.

        Returns
        -------
        spectrum : Spectrum
            Zero means below ``n_unknowns eps`` of the largest, and ten times that.
        """
        values = to_numpy(self.values)[::-1]
        floor = 10 * len(values) * 2.0**-52 * values[-1]
        return Spectrum(values[:4].copy(), max(1, int((values <= floor).sum())))


def dense_matrix(system: BalancedSystem) -> Array:
    """Form the balanced matrix T, penalties below.

    Parameters
    ----------
    system : BalancedSystem
        The operator.

    Returns
    -------
    T : array of shape (n_rows, n_unknowns)
        Same products as ``system.image``.
    """
    Y = system.Y
    xp = array_namespace(Y)
    p, m, n, q = system.n_snapshots, system.n_sensors, system.n_atoms, system.n_signals
    here = {"dtype": xp.float64, "device": device_of(Y)}
    gains = xp.reshape(xp.eye(m, **here) * Y[:, :, None], (p * m, m))
    A = xp.broadcast_to(system.stack.matrices(Y) / -system.x_scale, (p, m, n))
    if not system.shared_signal:
        A = xp.eye(p, **here)[:, None, :, None] * A[:, :, None, :]
    T = xp.concat([gains, xp.astype(xp.reshape(A, (p * m, q * n)), gains.dtype)], axis=1)
    if system.penalty is None:
        return T
    weights = xp.reshape(system.penalty, (-1,)) ** 0.5
    rows = xp.concat([xp.zeros((q * n, m), **here), xp.eye(q * n, **here) * weights], axis=1)
    return xp.concat([T, xp.astype(rows, T.dtype)], axis=0)


# Tests ask for the yardstick by name, as for the solvers of the package.
calibration._SOLVERS["dense"] = lambda system, options: DenseSolver(system)
