r"""Known linear maps between a signal and the sensors, applied to many snapshots at once.

A stack holds A_1, ..., A_k of shape (n_sensors, n_atoms); k = 1 means that all snapshots share one
map. ``apply`` takes signals (p, n_atoms) to the sensors (p, n_sensors), ``adjoint`` applies the
conjugate transposes. The structured stacks never form a matrix: one batched transform serves all
snapshots, on the device of the array that comes in.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..._array import Array, array_namespace, conj, double, fft_of, is_complex, move_like
from ...linalg.hadamard import walsh_hadamard

__all__ = [
    "ChosenSnapshots",
    "ConvolutionStack",
    "FourierStack",
    "HadamardStack",
    "LiveSensors",
    "MatrixStack",
    "OperatorStack",
    "SensingStack",
    "TransformedStack",
    "WeightedStack",
    "cosine_basis",
]


class SensingStack(ABC):
    """What the solvers ask of the maps A_1, ..., A_k."""

    shape: tuple[int, int, int]
    """(k, n_sensors, n_atoms)."""
    is_complex: bool = False
    """Whether real signals can give complex measurements."""
    is_fast: bool = True
    """Whether ``apply`` is cheaper than a product with a matrix."""

    def apply(self, x: Array) -> Array:
        """Return ``A_l x_l`` for each l.

        Parameters
        ----------
        x : array of shape (p or 1, n_atoms)
            Signals.

        Returns
        -------
        y : array of shape (p or k, n_sensors)
            What ideal sensors measure.
        """
        return self._apply(x)

    def adjoint(self, y: Array) -> Array:
        """Return ``A_l^H y_l`` for each l.

        Parameters
        ----------
        y : array of shape (p, n_sensors)
            Measurements.

        Returns
        -------
        x : array of shape (p, n_atoms)
            Their images.
        """
        return self._adjoint(y)

    def column_energy(self) -> float:
        """Return the mean squared length of the columns of all maps.

        Returns
        -------
        energy : float
            For operators and after dead sensors were left out an estimate: it only sets a scale.
        """
        return self._column_energy()

    def matrices(self, like: Array) -> Array:
        """Form the matrices.

        Parameters
        ----------
        like : array
            Its library and device are used.

        Returns
        -------
        A : array of shape (k, n_sensors, n_atoms)
            In double precision.
        """
        return self._matrices(like)

    @abstractmethod
    def _apply(self, x: Array) -> Array: ...

    @abstractmethod
    def _adjoint(self, y: Array) -> Array: ...

    @abstractmethod
    def _column_energy(self) -> float: ...

    def _matrices(self, like: Array) -> Array:
        """Columns are the images of unit vectors."""
        xp = array_namespace(like)
        n = self.shape[2]
        unit = move_like(np.eye(n), like)
        columns = [self._apply(xp.broadcast_to(unit[j, :], (self.shape[0], n))) for j in range(n)]
        return xp.stack(columns, axis=-1)


class MatrixStack(SensingStack):
    """Maps given as matrices.

    Parameters
    ----------
    A : array of shape (k, n_sensors, n_atoms)
        In double precision.
    """

    is_fast = False

    def __init__(self, A: Array) -> None:
        self.A = A
        self.shape = tuple(A.shape)
        self.is_complex = is_complex(A)

    def _apply(self, x: Array) -> Array:
        return self._product(self.A, x)

    def _adjoint(self, y: Array) -> Array:
        return self._product(array_namespace(y).matrix_transpose(conj(self.A)), y)

    @staticmethod
    def _product(A: Array, x: Array) -> Array:
        if is_complex(A) != is_complex(x):  # torch multiplies matrices of one dtype only
            A, x = _as_complex(A), _as_complex(x)
        if A.shape[0] == 1:
            return x @ A[0, :, :].T
        return (A @ x[:, :, None])[:, :, 0]

    def _column_energy(self) -> float:
        xp = array_namespace(self.A)
        return float(xp.sum(xp.abs(self.A) ** 2)) / (self.shape[0] * self.shape[2])

    def _matrices(self, like: Array) -> Array:
        return self.A


class _CodedStack(SensingStack):
    """``A_l = Phi[:, :n] diag(codes_l)`` with a fast unitary transform Phi."""

    def __init__(self, codes: Array, n_sensors: int) -> None:
        self.codes, self._codes_conj = codes, conj(codes)
        self.shape = (codes.shape[0], n_sensors, codes.shape[1])
        self.is_complex = is_complex(codes)

    def _column_energy(self) -> float:
        xp = array_namespace(self.codes)
        return float(xp.mean(xp.abs(self.codes) ** 2))

    def _decoded(self, x: Array) -> Array:
        return x * self._codes_conj


class FourierStack(_CodedStack):
    r"""Signals on the first frequencies: ``A_l = F[:, :n] diag(codes_l)``, F the unitary DFT.

    Parameters
    ----------
    codes : array of shape (k, n_atoms)
        Factors of the atoms, such as random signs; one row for each map.
    n_sensors : int
        Length of the transform, at least n_atoms.
    """

    def __init__(self, codes: Array, n_sensors: int) -> None:
        super().__init__(codes, n_sensors)
        self.is_complex = True

    def _apply(self, x: Array) -> Array:
        coded = _as_complex(x * self.codes)
        return fft_of(coded).fft(coded, n=self.shape[1], axis=-1, norm="ortho")

    def _adjoint(self, y: Array) -> Array:
        y = _as_complex(y)
        return self._decoded(fft_of(y).ifft(y, axis=-1, norm="ortho")[:, : self.shape[2]])


class HadamardStack(_CodedStack):
    r"""Signals on Walsh functions: ``A_l = H[:, :n] diag(codes_l)``, H orthogonal and symmetric.

    Parameters
    ----------
    codes : array of shape (k, n_atoms)
        Factors of the atoms, such as random signs.
    n_sensors : int
        A power of two, at least n_atoms.
    """

    def __init__(self, codes: Array, n_sensors: int) -> None:
        super().__init__(codes, n_sensors)

    def _apply(self, x: Array) -> Array:
        return walsh_hadamard(_zero_padded(x * self.codes, self.shape[1])) / self.shape[1] ** 0.5

    def _adjoint(self, y: Array) -> Array:
        return self._decoded((walsh_hadamard(y) / self.shape[1] ** 0.5)[:, : self.shape[2]])


class ConvolutionStack(SensingStack):
    r"""Circular convolution with known kernels: ``A_l x = kernel_l * (x, 0, ..., 0)``.

    Parameters
    ----------
    kernels : array of shape (k, n_sensors)
        Known pulses or codes.
    n_atoms : int
        Length of the signals, at most n_sensors.
    """

    def __init__(self, kernels: Array, n_atoms: int) -> None:
        self.shape = (kernels.shape[0], kernels.shape[1], n_atoms)
        self.is_complex = is_complex(kernels)
        kernels = _as_complex(kernels)
        self.transfer = fft_of(kernels).fft(kernels, axis=-1)

    def _apply(self, x: Array) -> Array:
        return self._filtered(_zero_padded(x, self.shape[1]), self.transfer)

    def _adjoint(self, y: Array) -> Array:
        return self._filtered(y, conj(self.transfer))[:, : self.shape[2]]

    def _filtered(self, x: Array, transfer: Array) -> Array:
        spectrum = _as_complex(x)
        fft = fft_of(spectrum)
        y = fft.ifft(fft.fft(spectrum, axis=-1) * transfer, axis=-1)
        return y if self.is_complex or is_complex(x) else array_namespace(y).real(y)

    def _column_energy(self) -> float:
        xp = array_namespace(self.transfer)
        return float(xp.mean(xp.abs(self.transfer) ** 2))


class OperatorStack(SensingStack):
    """Maps given as SciPy LinearOperators; NumPy only.

    Parameters
    ----------
    operators : sequence of LinearOperator
        Each of shape (n_sensors, n_atoms).
    """

    def __init__(self, operators: Sequence[Any]) -> None:
        self.operators = list(operators)
        self.shape = (len(self.operators), *self.operators[0].shape)
        self.is_complex = any(np.dtype(op.dtype).kind == "c" for op in self.operators)

    def _apply(self, x: Array) -> Array:
        return self._mapped(x, "matvec", "matmat")

    def _adjoint(self, y: Array) -> Array:
        return self._mapped(y, "rmatvec", "rmatmat")

    def _mapped(self, x: Array, vector: str, block: str) -> Array:
        if len(self.operators) == 1:
            return np.asarray(getattr(self.operators[0], block)(np.ascontiguousarray(x.T))).T
        rows = np.broadcast_to(x, (len(self.operators), x.shape[1]))
        pairs = zip(self.operators, rows, strict=True)
        return np.stack([np.asarray(getattr(op, vector)(row)) for op, row in pairs])

    def _column_energy(self) -> float:
        # |A z|^2 has the mean |A|_F^2 over sign vectors z
        signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(8, 1, self.shape[2]))
        energy = [np.mean(np.sum(np.abs(self.apply(z)) ** 2, axis=1)) for z in signs]
        return float(np.mean(energy)) / self.shape[2]


class TransformedStack(SensingStack):
    """The unitary Fourier transform of another stack: ``F A_l``, for circular convolutions.

    Parameters
    ----------
    inner : SensingStack
        Maps to the time domain.
    """

    is_complex = True

    def __init__(self, inner: SensingStack) -> None:
        self.inner = inner
        self.shape = inner.shape
        self.is_fast = inner.is_fast

    def _apply(self, x: Array) -> Array:
        y = _as_complex(self.inner.apply(x))
        return fft_of(y).fft(y, axis=-1, norm="ortho")

    def _adjoint(self, y: Array) -> Array:
        y = _as_complex(y)
        return self.inner.adjoint(fft_of(y).ifft(y, axis=-1, norm="ortho"))

    def _column_energy(self) -> float:
        return self.inner.column_energy()

    def _matrices(self, like: Array) -> Array:
        A = _as_complex(self.inner.matrices(like))
        return fft_of(A).fft(A, axis=1, norm="ortho")


class LiveSensors(SensingStack):
    """A stack without the rows of dead sensors.

    Parameters
    ----------
    inner : SensingStack
        Maps to all sensors.
    live : ndarray of shape (n_sensors,) of bool
        Which to keep.
    """

    def __init__(self, inner: SensingStack, live: np.ndarray) -> None:
        self.inner = inner
        self.kept = np.flatnonzero(live)
        # position of each sensor among the kept; a dead one points to the zero appended to them
        self.place = np.where(live, np.cumsum(live) - 1, len(self.kept))
        self.shape = (inner.shape[0], len(self.kept), inner.shape[2])
        self.is_complex, self.is_fast = inner.is_complex, inner.is_fast

    def _apply(self, x: Array) -> Array:
        y = self.inner.apply(x)
        return array_namespace(y).take(y, move_like(self.kept, y), axis=1)

    def _adjoint(self, y: Array) -> Array:
        xp = array_namespace(y)
        padded = xp.concat([y, xp.zeros_like(y[:, :1])], axis=1)
        return self.inner.adjoint(xp.take(padded, move_like(self.place, y), axis=1))

    def _column_energy(self) -> float:
        return self.inner.column_energy() * len(self.kept) / self.inner.shape[1]

    def _matrices(self, like: Array) -> Array:
        A = self.inner.matrices(like)
        return array_namespace(A).take(A, move_like(self.kept, A), axis=1)


class ChosenSnapshots(SensingStack):
    """A stack of one map for each snapshot, without those of some snapshots.

    Parameters
    ----------
    inner : SensingStack
        Maps of all snapshots.
    chosen : ndarray of shape (n_snapshots,) of bool
        Which to keep.
    """

    def __init__(self, inner: SensingStack, chosen: np.ndarray) -> None:
        self.inner = inner
        self.kept = np.flatnonzero(chosen)
        self.place = np.where(chosen, np.cumsum(chosen) - 1, len(self.kept))
        self.shape = (len(self.kept), *inner.shape[1:])
        self.is_complex, self.is_fast = inner.is_complex, inner.is_fast

    def _apply(self, x: Array) -> Array:
        return self._mapped(x, self.inner.apply)

    def _adjoint(self, y: Array) -> Array:
        return self._mapped(y, self.inner.adjoint)

    def _mapped(self, rows: Array, inner: Any) -> Array:
        xp = array_namespace(rows)
        rows = xp.broadcast_to(rows, (len(self.kept), rows.shape[1]))
        padded = xp.concat([rows, xp.zeros_like(rows[:1, :])], axis=0)
        images = inner(xp.take(padded, move_like(self.place, rows), axis=0))
        return xp.take(images, move_like(self.kept, rows), axis=0)

    def _column_energy(self) -> float:
        return self.inner.column_energy()

    def _matrices(self, like: Array) -> Array:
        A = self.inner.matrices(like)
        return array_namespace(A).take(A, move_like(self.kept, A), axis=0)


class WeightedStack(SensingStack):
    """A stack whose rows are multiplied by numbers: roots of the weights of measurements.

    Parameters
    ----------
    inner : SensingStack
        Maps to the sensors: one, or as many as snapshots.
    roots : array of shape (n_snapshots, n_sensors)
        Zero where nothing was measured.
    """

    def __init__(self, inner: SensingStack, roots: Array) -> None:
        self.inner, self.roots = inner, roots
        self.shape = (roots.shape[0], *inner.shape[1:])
        self.is_complex, self.is_fast = inner.is_complex, inner.is_fast

    def _apply(self, x: Array) -> Array:
        return self.roots * self.inner.apply(x)

    def _adjoint(self, y: Array) -> Array:
        return self.inner.adjoint(self.roots * y)

    def _column_energy(self) -> float:
        return self.inner.column_energy() * float(array_namespace(self.roots).mean(self.roots**2))

    def _matrices(self, like: Array) -> Array:
        return self.roots[:, :, None] * self.inner.matrices(like)


def cosine_basis(n_sensors: int, n_atoms: int) -> np.ndarray:
    """First columns of the orthonormal cosine basis (DCT-II): what is smooth along the sensors.

    Parameters
    ----------
    n_sensors : int
        Length of the columns.
    n_atoms : int
        How many, at most n_sensors.

    Returns
    -------
    A : ndarray of shape (n_sensors, n_atoms)
        Orthonormal columns, the first one constant.

    Examples
    --------
    >>> import numpy as np
    >>> from subspace_learn.inverse import cosine_basis
    >>> A = cosine_basis(8, 3)
    >>> bool(np.allclose(A.T @ A, np.eye(3)))
    True
    """
    angles = np.pi * np.outer(np.arange(n_sensors) + 0.5, np.arange(n_atoms)) / n_sensors
    A = np.cos(angles) * (2.0 / n_sensors) ** 0.5
    A[:, 0] = n_sensors**-0.5
    return A


def _zero_padded(x: Array, length: int) -> Array:
    xp = array_namespace(x)
    if x.shape[1] == length:
        return x
    zeros = xp.zeros_like(x[:, :1])
    return xp.concat([x, xp.broadcast_to(zeros, (x.shape[0], length - x.shape[1]))], axis=1)


def _as_complex(x: Array) -> Array:
    if is_complex(x):
        return x
    xp = array_namespace(x)
    return xp.astype(double(x), xp.complex128)
