"""Known maps from signals to sensors as users give them: names, matrices, LinearOperators."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from .._array import (
    Array,
    array_namespace,
    double,
    is_array,
    is_complex,
    is_numpy,
    library_name,
    move_like,
)
from ..functional.inverse.sensing import (
    ConvolutionStack,
    FourierStack,
    HadamardStack,
    MatrixStack,
    OperatorStack,
    SensingStack,
    cosine_basis,
)

__all__ = [
    "ConvolutionSensing",
    "FourierSensing",
    "HadamardSensing",
    "check_adjoint",
    "sensing_stack",
]

NAMES = ("dct", "fourier", "hadamard")


class _FastSensing(LinearOperator):
    """A LinearOperator that also takes arrays of other libraries, on their device."""

    def __init__(self, parameters: Array, n_sensors: int, n_atoms: int) -> None:
        self.parameters = double(parameters)
        stack = self._stack(self.parameters[None, :], n_sensors, n_atoms)
        super().__init__(np.complex128 if stack.is_complex else np.float64, (n_sensors, n_atoms))

    @staticmethod
    def _stack(parameters: Array, n_sensors: int, n_atoms: int) -> SensingStack:
        raise NotImplementedError

    @classmethod
    def stacked(cls, operators: list[_FastSensing], like: Array) -> SensingStack:
        """Join operators of this class: one batched transform for all.

        Parameters
        ----------
        operators : list of operators of this class
            Of one shape.
        like : array
            Library and device to work in.

        Returns
        -------
        stack : SensingStack
            Its maps, in this order.
        """
        rows = [move_like(operator.parameters, like) for operator in operators]
        xp = array_namespace(*rows)
        if any(is_complex(row) for row in rows):
            rows = [xp.astype(row, xp.complex128) for row in rows]
        return cls._stack(xp.stack(rows), *operators[0].shape)

    def matvec(self, x: Array) -> Array:
        """Return ``A x``.

        Parameters
        ----------
        x : array of shape (n_atoms,) or (n_atoms, 1)
            Signal; of any array library.

        Returns
        -------
        y : array of shape (n_sensors,) or (n_sensors, 1)
            What ideal sensors measure.
        """
        if is_array(x) and not is_numpy(x):
            return self.stacked([self], x).apply(double(x)[None, :])[0, :]
        return super().matvec(x)

    def rmatvec(self, x: Array) -> Array:
        """Return ``A^H x``.

        Parameters
        ----------
        x : array of shape (n_sensors,) or (n_sensors, 1)
            Measurements; of any array library.

        Returns
        -------
        y : array of shape (n_atoms,) or (n_atoms, 1)
            Their image.
        """
        if is_array(x) and not is_numpy(x):
            return self.stacked([self], x).adjoint(double(x)[None, :])[0, :]
        return super().rmatvec(x)

    def _matvec(self, x: np.ndarray) -> np.ndarray:
        return self._matmat(x.reshape(-1, 1))[:, 0]

    def _rmatvec(self, x: np.ndarray) -> np.ndarray:
        return self._rmatmat(x.reshape(-1, 1))[:, 0]

    def _matmat(self, X: np.ndarray) -> np.ndarray:
        return self.stacked([self], np.empty(0)).apply(double(X.T)).T

    def _rmatmat(self, X: np.ndarray) -> np.ndarray:
        return self.stacked([self], np.empty(0)).adjoint(double(X.T)).T


class FourierSensing(_FastSensing):
    r"""First columns of the unitary Fourier matrix, each atom multiplied by a known code.

    ``A = F[:, :n_atoms] diag(codes)``, with ``F_{jk} = exp(-2 pi i j k / m) / sqrt(m)``; a SciPy
    LinearOperator whose products cost ``m log m`` and that also takes CuPy and torch arrays.

    Parameters
    ----------
    n_sensors : int
        Length m of the transform.
    n_atoms : int
        Number of frequencies, at most n_sensors.
    codes : array of shape (n_atoms,), default=None
        Factors of the atoms, such as random signs; None means ones.

    See Also
    --------
    SelfCalibrationLS : Takes one such operator, or a list of one for each snapshot.
    check_adjoint : Tests an operator of your own.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.linalg import dft
    >>> from subspace_learn.inverse import FourierSensing
    >>> A = FourierSensing(8, 3)
    >>> bool(np.allclose(A @ np.eye(3), dft(8, scale="sqrtn")[:, :3]))
    True
    """

    def __init__(self, n_sensors: int, n_atoms: int, *, codes: Array | None = None) -> None:
        super().__init__(_codes(codes, n_sensors, n_atoms), n_sensors, n_atoms)

    @staticmethod
    def _stack(parameters: Array, n_sensors: int, n_atoms: int) -> SensingStack:
        return FourierStack(parameters, n_sensors)


class HadamardSensing(_FastSensing):
    r"""First Walsh functions, each atom multiplied by a known code: real and orthogonal.

    ``A = H[:, :n_atoms] diag(codes)`` with ``H = scipy.linalg.hadamard(m) / sqrt(m)``, applied in
    ``m log m`` additions.

    Parameters
    ----------
    n_sensors : int
        A power of two.
    n_atoms : int
        Number of functions, at most n_sensors.
    codes : array of shape (n_atoms,), default=None
        Factors of the atoms, such as random signs; None means ones.

    Raises
    ------
    ValueError
        If n_sensors is no power of two.

    See Also
    --------
    SelfCalibrationLS : Takes one such operator, or a list of one for each snapshot.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.linalg import hadamard
    >>> from subspace_learn.inverse import HadamardSensing
    >>> A = HadamardSensing(4, 2)
    >>> bool(np.allclose(A @ np.eye(2), hadamard(4)[:, :2] / 2))
    True
    """

    def __init__(self, n_sensors: int, n_atoms: int, *, codes: Array | None = None) -> None:
        if n_sensors < 1 or n_sensors & (n_sensors - 1):
            raise ValueError(
                f"n_sensors={n_sensors} is no power of two, which Walsh functions need. Use "
                "FourierSensing, or a matrix."
            )
        super().__init__(_codes(codes, n_sensors, n_atoms), n_sensors, n_atoms)

    @staticmethod
    def _stack(parameters: Array, n_sensors: int, n_atoms: int) -> SensingStack:
        return HadamardStack(parameters, n_sensors)


class ConvolutionSensing(_FastSensing):
    r"""Circular convolution with a known kernel: pulses, codes, point-spread functions.

    ``A x = kernel * (x, 0, ..., 0)``, of the length of the kernel.

    Parameters
    ----------
    kernel : array of shape (n_sensors,)
        Real or complex.
    n_atoms : int, default=None
        Length of the signals; None means that of the kernel.

    See Also
    --------
    SelfCalibrationLS : Its model "blind_deconvolution" finds a second, unknown kernel.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.linalg import circulant
    >>> from subspace_learn.inverse import ConvolutionSensing
    >>> kernel = np.array([1.0, 2.0, 0.0, -1.0])
    >>> A = ConvolutionSensing(kernel, 2)
    >>> bool(np.allclose(A @ np.eye(2), circulant(kernel)[:, :2]))
    True
    """

    def __init__(self, kernel: Array, n_atoms: int | None = None) -> None:
        kernel = _vector(kernel, "kernel")
        n_sensors = kernel.shape[0]
        n_atoms = n_sensors if n_atoms is None else n_atoms
        _check_size(n_sensors, n_atoms)
        super().__init__(kernel, n_sensors, n_atoms)

    @staticmethod
    def _stack(parameters: Array, n_sensors: int, n_atoms: int) -> SensingStack:
        return ConvolutionStack(parameters, n_atoms)


def _codes(codes: Array | None, n_sensors: int, n_atoms: int) -> Array:
    _check_size(n_sensors, n_atoms)
    codes = np.ones(n_atoms) if codes is None else _vector(codes, "codes")
    if codes.shape[0] != n_atoms:
        raise ValueError(
            f"codes has {codes.shape[0]} entries, but n_atoms={n_atoms} needs as many."
        )
    return codes


def _vector(values: Any, name: str) -> Array:
    values = values if is_array(values) else np.asarray(values)
    if values.ndim != 1 or values.shape[0] == 0:
        raise ValueError(f"{name} has shape {tuple(values.shape)}, but a vector is needed.")
    return double(values)


def _check_size(n_sensors: int, n_atoms: int) -> None:
    if not 1 <= n_atoms <= n_sensors:
        raise ValueError(
            f"n_atoms={n_atoms} must lie between 1 and n_sensors={n_sensors} for this operator."
        )


def check_adjoint(
    operator: Any, *, n_trials: int = 3, tol: float = 1e-8, random_state: int = 0
) -> float:
    r"""Test that ``rmatvec`` is the conjugate transpose of ``matvec``.

    Compares :math:`\langle A u, v \rangle` with :math:`\langle u, A^H v \rangle` on random complex
    vectors. Iterative solvers do not notice a wrong adjoint, they only answer wrongly.

    Parameters
    ----------
    operator : LinearOperator
        With ``shape``, ``matvec`` and ``rmatvec``; matrices are taken too.
    n_trials : int, default=3
        Pairs of vectors.
    tol : float, default=1e-8
        Largest difference allowed, relative to ``|A u| |v| + |u| |A^H v|``.
    random_state : int, default=0
        Of the vectors.

    Returns
    -------
    difference : float
        The largest one found.

    Raises
    ------
    ValueError
        If it exceeds ``tol``. The message says so when ``rmatvec`` is the plain transpose.

    Examples
    --------
    >>> import numpy as np
    >>> from subspace_learn.inverse import FourierSensing, check_adjoint
    >>> check_adjoint(FourierSensing(64, 16)) < 1e-14
    True
    """
    operator = aslinearoperator(operator)
    rng = np.random.default_rng(random_state)
    m, n = operator.shape
    worst = 0.0
    for _ in range(n_trials):
        u = rng.standard_normal(n) + 1j * rng.standard_normal(n)
        v = rng.standard_normal(m) + 1j * rng.standard_normal(m)
        Au, Av = operator.matvec(u), operator.rmatvec(v)
        size = np.linalg.norm(Au) * np.linalg.norm(v) + np.linalg.norm(u) * np.linalg.norm(Av)
        worst = max(worst, float(abs(np.vdot(v, Au) - np.vdot(Av, u)) / max(size, 1e-300)))
    if worst > tol:
        plain = np.vdot(v, Au) - np.vdot(np.conj(operator.rmatvec(np.conj(v))), u)
        hint = " It is the transpose: conjugate it." if abs(plain) <= tol * size else ""
        raise ValueError(
            f"The adjoint of this operator of shape {operator.shape} is wrong: <A u, v> and "
            f"<u, A^H v> differ by {worst:.2g} of their size.{hint} Let rmatvec return the "
            "conjugate transpose applied to its argument, and try check_adjoint(operator)."
        )
    return worst


def sensing_stack(
    sensing: Any, *, n_sensors: int, n_atoms: int | None, default_atoms: int, like: Array
) -> SensingStack:
    """Turn what a user gave as ``sensing`` into the maps that the solvers apply.

    Parameters
    ----------
    sensing : str, array, LinearOperator, or list of either
        See `SelfCalibrationLS`.
    n_sensors : int
        Number of columns of the measurements.
    n_atoms : int or None
        As given by the user.
    default_atoms : int
        For names, where ``n_atoms`` is None.
    like : array
        Measurements: library and device to work in.

    Returns
    -------
    stack : SensingStack
        One map, or several.

    Raises
    ------
    ValueError
        If shapes disagree, numbers are not finite, or an adjoint is wrong.
    """
    if isinstance(sensing, str):
        return _named(sensing, n_sensors, default_atoms if n_atoms is None else n_atoms, like)
    operators = sensing if isinstance(sensing, list | tuple) else [sensing]
    if operators and all(hasattr(op, "matvec") for op in operators):
        shapes = {tuple(op.shape) for op in operators}
        if len(shapes) > 1:
            raise ValueError(f"The operators differ in shape: {sorted(shapes)}. All must agree.")
        _check_shape(operators[0].shape, n_sensors, n_atoms)
        return _operators(list(operators), like)
    A = sensing if is_array(sensing) else np.asarray(sensing)
    if A.ndim not in (2, 3) or (is_numpy(A) and A.dtype.kind not in "biufc"):
        raise ValueError(
            f"sensing has shape {tuple(A.shape)} and dtype {A.dtype}, but needs to be a name "
            f"({', '.join(NAMES)}), a matrix (n_sensors, n_atoms), a stack (n_snapshots, "
            "n_sensors, n_atoms), a LinearOperator, or a list of LinearOperators."
        )
    _check_shape(A.shape[-2:], n_sensors, n_atoms)
    A = double(move_like(A, like))
    xp = array_namespace(A)
    if not bool(xp.all(xp.isfinite(A))):
        raise ValueError("sensing contains NaN or infinity: give finite numbers.")
    return MatrixStack(A if A.ndim == 3 else A[None, :, :])


def _named(name: str, n_sensors: int, n_atoms: int, like: Array) -> SensingStack:
    if name not in NAMES:
        raise ValueError(
            f"sensing={name!r} is not known. Use one of {', '.join(NAMES)}, or an array."
        )
    _check_size(n_sensors, n_atoms)
    if name == "dct":
        return MatrixStack(move_like(cosine_basis(n_sensors, n_atoms), like)[None, :, :])
    fast = FourierSensing if name == "fourier" else HadamardSensing
    return fast.stacked([fast(n_sensors, n_atoms)], like)


def _operators(operators: list[Any], like: Array) -> SensingStack:
    kinds = {type(op) for op in operators}
    kind = kinds.pop()
    if not kinds and issubclass(kind, _FastSensing):
        return kind.stacked(operators, like)
    if not is_numpy(like):
        raise ValueError(
            f"LinearOperators of SciPy work on NumPy arrays, but X is from {library_name(like)}. "
            "Use FourierSensing, HadamardSensing, ConvolutionSensing or a matrix, or "
            "ToDevice('cpu')."
        )
    for operator in operators:
        check_adjoint(operator, n_trials=1)
    return OperatorStack([aslinearoperator(op) for op in operators])


def _check_shape(shape: tuple[int, ...], n_sensors: int, n_atoms: int | None) -> None:
    if shape[0] != n_sensors:
        raise ValueError(
            f"sensing maps to {shape[0]} sensors, but X has {n_sensors} columns. Both must agree: "
            "rows of X are snapshots, columns are sensors."
        )
    if n_atoms is not None and shape[1] != n_atoms:
        raise ValueError(
            f"n_atoms={n_atoms} was given, but sensing has {shape[1]} atoms. Leave n_atoms out, "
            "it is for sensing given by name."
        )
