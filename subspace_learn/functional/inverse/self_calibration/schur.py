r"""Self-calibration by elimination: an eigenproblem of the size of the signal, or of the sensors.

With balanced columns the normal matrix is ``M = [[I, -B], [-B^H, G]]``. One signal for all
snapshots: the gains are eliminated, ``H = G - B^H B`` is n x n. Signals of their own: the signals
are eliminated, ``S = I - sum_l B_l G_l^-1 B_l^H`` is m x m. Every question is then answered by
``M^-1`` applied to a few vectors through that small matrix: the constrained minimiser is ``M^-1
(w, 0)``, the smallest singular vectors of T come by inverse iteration. Squares are formed, so a
second singular value below 1e-7 cannot be told from zero.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...._array import Array, array_namespace, device_of, is_complex, to_numpy
from .system import BalancedSystem, Spectrum, random_block

__all__ = ["SchurSolver", "smallest_singular_vectors", "with_square"]

_EPS = 2.0**-52
# Vectors of the inverse iteration: the smallest values, and as many to speed them up.
_N_VALUES, _N_VECTORS = 4, 8
# Where singular values are only looked at, their vectors may be this far off.
_LOOSE = 1e-3

Map = Callable[[Array], Array]


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
        self.xp = array_namespace(A)
        self.A = self.xp.astype(A, system.Y.dtype)
        has_phases = is_complex(self.A)
        self._conj: Map = self.xp.conj if has_phases else lambda values: values
        self.Ah = self._adjoint(self.A)
        if system.shared_signal:
            self._eliminate_gains()
        else:
            self._eliminate_signals()
        self.Vh = self._adjoint(self.V)

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
        xp, system = self.xp, self.system
        block = xp.astype(w, system.Y.dtype)[:, None]
        n_signal = system.n_unknowns - system.n_sensors
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
        xp, system = self.xp, self.system
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
        xp, system, A = self.xp, self.system, self.A
        self.B = xp.sum(system.Y_conj[:, :, None] * A, axis=0)
        self.Bh = self._adjoint(self.B)
        G = xp.sum(self.Ah @ A, axis=0) * (system.n_snapshots / A.shape[0])
        H = xp.astype(G, self.B.dtype) - self.Bh @ self.B
        if system.penalty is not None:
            H = H + _diagonal(system.penalty)[0, :, :]
        values, self.V = xp.linalg.eigh(H)
        self._spectra = [to_numpy(values)]
        self.values = _floored(values)
        self._solve = self._solve_for_signal

    def _solve_for_signal(self, R: Array) -> Array:
        m = self.system.n_sensors
        Rs, Rx = R[:m, :], R[m:, :]
        right = self.Vh @ (Rx + self.Bh @ Rs)
        X = self.V @ (right / self.values[:, None])
        return self.xp.concat([Rs + self.B @ X, X], axis=0)

    # --- a signal for each snapshot --------------------------------------------------------------

    def _eliminate_signals(self) -> None:
        xp, system, A = self.xp, self.system, self.A
        Y = system.Y
        G = xp.astype(self.Ah @ A, Y.dtype)
        if system.penalty is not None:
            G = G + _diagonal(system.penalty)
        g, self.Q = xp.linalg.eigh(G)
        self.Qh = self._adjoint(self.Q)
        self.g = _floored(g, pseudo=True)
        half = A @ (self.Q / self.g[:, None, :] ** 0.5)
        eye = xp.eye(Y.shape[1], dtype=xp.float64, device=device_of(Y))
        if half.shape[0] == 1:  # one projector for all snapshots: an entrywise product does
            P = half[0, :, :] @ self._adjoint(half[0, :, :])
            S = eye - P * (system.Y_conj.T @ Y)
        else:
            half = system.Y_conj[:, :, None] * half
            rows = xp.reshape(xp.permute_dims(half, (1, 0, 2)), (Y.shape[1], -1))
            S = eye - rows @ self._adjoint(rows)
        values, self.V = xp.linalg.eigh(S)
        singular = list(to_numpy(g)) * (Y.shape[0] // g.shape[0])
        self._spectra = [to_numpy(values), *singular]
        self.values = _floored(values)
        self._solve = self._solve_for_gains

    def _solve_for_gains(self, R: Array) -> Array:
        xp, system = self.xp, self.system
        m, p, n = system.n_sensors, system.n_snapshots, system.n_atoms
        Rs, Rx = R[:m, :], xp.reshape(R[m:, :], (p, n, -1))
        images = xp.sum(system.Y_conj[:, :, None] * (self.A @ self._gram_solve(Rx)), axis=0)
        s = self.V @ ((self.Vh @ (Rs + images)) / self.values[:, None])
        X = self._gram_solve(Rx + self.Ah @ (system.Y[:, :, None] * s[None, :, :]))
        return xp.concat([s, xp.reshape(X, (p * n, -1))], axis=0)

    def _adjoint(self, values: Array) -> Array:
        return self.xp.matrix_transpose(self._conj(values))

    def _gram_solve(self, X: Array) -> Array:
        return self.Q @ ((self.Qh @ X) / self.g[:, :, None])


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
    xp, has_phases = array_namespace(start), is_complex(start)
    Z = xp.linalg.qr(start)[0]
    second = float("inf")
    for _ in range(max_iter):
        Q = xp.linalg.qr(solve(Z))[0]
        image = matmat(Q)
        image = image if image.shape[0] >= image.shape[1] else with_square(image)
        _, values, Vh = xp.linalg.svd(image, full_matrices=False)
        V = xp.conj(Vh.T) if has_phases else Vh.T
        values, W = xp.flip(values), Q @ xp.flip(V, axis=1)
        first = W[:, 0]
        turned = float(xp.linalg.vector_norm(first - Z[:, 0] * xp.vecdot(Z[:, 0], first)))
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


def _diagonal(penalty: Array) -> Array:
    """Diagonal matrices of the rows of ``penalty``."""
    xp = array_namespace(penalty)
    eye = xp.eye(penalty.shape[1], dtype=xp.float64, device=device_of(penalty))
    return eye * penalty[:, None, :]


def _zeros(values: np.ndarray) -> int:
    """Eigenvalues (ascending) that are zero up to the rounding of a matrix of unit scale."""
    return int((values <= 10 * len(values) * _EPS * max(values[-1], 1.0)).sum())


def _floored(values: Array, *, pseudo: bool = False) -> Array:
    """Raise values at rounding to a floor, or to infinity where a pseudo-inverse is wanted."""
    xp = array_namespace(values)
    top = xp.max(values, axis=-1, keepdims=True)
    if pseudo:
        return xp.where(values > 1e-13 * top, values, xp.full_like(values, xp.inf))
    floor = _EPS * xp.clip(top, min=1.0)  # columns have unit length: 1 is the scale even of a zero
    return xp.where(values > floor, values, floor)
