r"""Self-calibration by elimination: an eigenproblem of the size of the signal, or of the sensors.

With balanced columns the normal matrix is ``M = [[I, -B], [-B^H, G]]``. One signal for all
snapshots: the gains are eliminated, ``H = G - B^H B`` is n x n. Signals of their own: the signals
are eliminated, ``S = I - sum_l B_l G_l^-1 B_l^H`` is m x m. Every question is then answered by
``M^-1`` applied to a few vectors through that small matrix: the constrained minimiser is ``M^-1
(w, 0)``, the smallest singular vectors of T come by inverse iteration. Squares are formed, so a
second singular value below 1e-7 cannot be told from zero.
"""

from __future__ import annotations

from ...._array import Array, array_namespace, conj, device_of, to_numpy
from ..lsqr import smallest_singular_vectors
from .system import BalancedSystem, Spectrum, random_block

__all__ = ["SchurSolver"]

_EPS = 2.0**-52
# Vectors of the inverse iteration: the smallest values, and as many to speed them up.
_N_VALUES, _N_VECTORS = 4, 8
# Where singular values are only looked at, their vectors may be this far off.
_LOOSE = 1e-3


class SchurSolver:
    """Solve by eliminating one of the two blocks of unknowns.

    Parameters
    ----------
    system : BalancedSystem
        What to solve.
    tol : float, default=1e-10
        How far the smallest singular vector may still turn.

    Notes
    -----
    Costs p m n^2 + n^3 flops for one signal, p m^2 n + m^3 for signals of their own (m^2 n when
    they share the map), and p m n numbers of memory for the matrices A_l.
    """

    n_iter = 1
    converged = True

    def __init__(self, system: BalancedSystem, *, tol: float = 1e-10) -> None:
        self.system, self.tol = system, tol
        self._pairs: tuple[Array, Array] | None = None
        A = system.stack.matrices(system.Y) / system.x_scale
        self.A = array_namespace(A).astype(A, system.Y.dtype)
        if system.shared_signal:
            self._eliminate_gains()
        else:
            self._eliminate_signals()

    def constrained(self, w: Array) -> Array:
        """Return ``M^-1 (w, 0)``, a multiple of the constrained minimiser.

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
        block = xp.astype(w, self.system.Y.dtype)[:, None]
        n_signal = self.system.n_unknowns - self.system.n_sensors
        zeros = xp.broadcast_to(xp.zeros_like(block[:1, :]), (n_signal, 1))
        z = self._solve(xp.concat([block, zeros], axis=0))[:, 0]
        # of exact data z is huge: its length carries nothing
        return z / xp.linalg.vector_norm(z)

    def smallest(self) -> Array:
        """Return the right singular vector with the smallest singular value.

        Returns
        -------
        z : array of shape (n_unknowns,)
            Unit length.
        """
        return self._smallest_pairs(self.tol / 10)[1][:, 0]

    def spectrum(self, z: Array) -> Spectrum:
        """Return the smallest singular values, and the number of zeros by the small matrix.

        Parameters
        ----------
        z : array of shape (n_unknowns,)
            Ignored.

        Returns
        -------
        spectrum : Spectrum
            A zero of the small matrix is a zero of T.
        """
        zeros = sum(_zeros(values) for values in self._spectra)
        pairs = self._smallest_pairs(_LOOSE) if self._pairs is None else self._pairs
        values = to_numpy(pairs[0])[:_N_VALUES].copy()
        return Spectrum(values, max(1, zeros, self.system.null_dim_by_counting()))

    def _smallest_pairs(self, tol: float) -> tuple[Array, Array]:
        start = random_block(self.system, min(_N_VECTORS, self.system.n_unknowns))
        self._pairs = smallest_singular_vectors(self._images, self._solve, start, tol=tol)
        return self._pairs

    def _images(self, Z: Array) -> Array:
        """``T Z`` for a block of columns, with the matrices at hand."""
        xp = array_namespace(Z)
        system = self.system
        m, n_columns = system.n_sensors, Z.shape[1]
        X = xp.reshape(Z[m:, :], (system.n_signals, system.n_atoms, n_columns))
        rows = system.Y[:, :, None] * Z[None, :m, :] - self.A @ X
        rows = xp.reshape(rows, (-1, n_columns))
        if system.penalty is None:
            return rows
        weighted = system.penalty[:, :, None] ** 0.5 * X
        return xp.concat([rows, xp.reshape(weighted, (-1, n_columns))], axis=0)

    # --- one signal for all snapshots ------------------------------------------------------------

    def _eliminate_gains(self) -> None:
        system, A = self.system, self.A
        xp = array_namespace(A)
        Y = system.Y
        self.B = xp.sum(conj(Y)[:, :, None] * A, axis=0)
        G = xp.sum(conj(xp.matrix_transpose(A)) @ A, axis=0) * (Y.shape[0] / A.shape[0])
        H = xp.astype(G, self.B.dtype) - conj(self.B.T) @ self.B
        if system.penalty is not None:
            H = H + _diagonal(system.penalty)[0, :, :]
        values, self.V = xp.linalg.eigh(H)
        self._spectra = [to_numpy(values)]
        self.values = _floored(values)
        self._solve = self._solve_for_signal

    def _solve_for_signal(self, R: Array) -> Array:
        xp = array_namespace(R)
        m = self.system.n_sensors
        Rs, Rx = R[:m, :], R[m:, :]
        right = conj(self.V.T) @ (Rx + conj(self.B.T) @ Rs)
        X = self.V @ (right / self.values[:, None])
        return xp.concat([Rs + self.B @ X, X], axis=0)

    # --- a signal for each snapshot --------------------------------------------------------------

    def _eliminate_signals(self) -> None:
        system, A = self.system, self.A
        xp = array_namespace(A)
        Y = system.Y
        G = xp.astype(conj(xp.matrix_transpose(A)) @ A, Y.dtype)
        if system.penalty is not None:
            G = G + _diagonal(system.penalty)
        g, Q = xp.linalg.eigh(G)
        self.g, self.Q = _floored(g, pseudo=True), Q
        half = A @ (Q / self.g[:, None, :] ** 0.5)
        eye = xp.eye(Y.shape[1], dtype=xp.float64, device=device_of(Y))
        if half.shape[0] == 1:  # one projector for all snapshots: an entrywise product does
            P = half[0, :, :] @ conj(half[0, :, :].T)
            S = eye - P * (conj(Y).T @ Y)
        else:
            half = conj(Y)[:, :, None] * half
            rows = xp.reshape(xp.permute_dims(half, (1, 0, 2)), (Y.shape[1], -1))
            S = eye - rows @ conj(rows.T)
        values, self.V = xp.linalg.eigh(S)
        singular = list(to_numpy(g)) * (Y.shape[0] // g.shape[0])
        self._spectra = [to_numpy(values), *singular]
        self.values = _floored(values)
        self._solve = self._solve_for_gains

    def _solve_for_gains(self, R: Array) -> Array:
        xp = array_namespace(R)
        system = self.system
        m, p, n = system.n_sensors, system.n_snapshots, system.n_atoms
        Y = system.Y[:, :, None]
        Rs, Rx = R[:m, :], xp.reshape(R[m:, :], (p, n, -1))
        images = xp.sum(conj(Y) * (self.A @ self._gram_solve(Rx)), axis=0)
        s = self.V @ ((conj(self.V.T) @ (Rs + images)) / self.values[:, None])
        X = self._gram_solve(Rx + conj(xp.matrix_transpose(self.A)) @ (Y * s[None, :, :]))
        return xp.concat([s, xp.reshape(X, (p * n, -1))], axis=0)

    def _gram_solve(self, X: Array) -> Array:
        Qh = conj(array_namespace(X).matrix_transpose(self.Q))
        return self.Q @ ((Qh @ X) / self.g[:, :, None])


def _diagonal(penalty: Array) -> Array:
    """Diagonal matrices of the rows of ``penalty``."""
    xp = array_namespace(penalty)
    eye = xp.eye(penalty.shape[1], dtype=xp.float64, device=device_of(penalty))
    return eye * penalty[:, None, :]


def _zeros(values: object) -> int:
    """Eigenvalues (ascending) that are zero up to the rounding of a matrix of unit scale."""
    import numpy as np

    values = np.asarray(values)
    return int((values <= 10 * len(values) * _EPS * max(values[-1], 1.0)).sum())


def _floored(values: Array, *, pseudo: bool = False) -> Array:
    """Raise values at rounding to a floor, or to infinity where a pseudo-inverse is wanted."""
    xp = array_namespace(values)
    top = xp.max(values, axis=-1, keepdims=True)
    if pseudo:
        return xp.where(values > 1e-13 * top, values, xp.full_like(values, xp.inf))
    floor = _EPS * xp.clip(top, min=1.0)  # columns have unit length: 1 is the scale even of a zero
    return xp.where(values > floor, values, floor)
