"""How large and how small numbers may be before their powers leave the range of floats."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from .._array import Array, array_namespace, double, is_complex, real

__all__ = ["check_magnitude", "finite_result", "surely_within", "without_nan"]

_SLACK = 2.0**20  # for sums, weights of rows and the factors of a formula


def check_magnitude(
    X: Array,
    *,
    power: int = 2,
    name: str,
    input_name: str = "X",
    smallest: bool = True,
    like: Any = None,
) -> None:
    """Raise ValueError if the ``power`` of the largest value of ``X`` is no float any more.

    Parameters
    ----------
    X : array or sparse matrix
        Finite.
    power : int, default=2
        Highest power of X that is formed: 1 for linear maps, 2 for covariances, 4 for products of
        covariances.
    name : str
        Who asks, for the message.
    input_name : str, default="X"
        What was given, for the message.
    smallest : bool, default=True
        Whether X may also be too small, in a fit: values that are not all zero while their powers
        are, or keep less than full precision.
    like : dtype, default=None
        Of the computation, if it is not that of X.

    Raises
    ------
    ValueError
        If the largest value is outside the range.
    """
    data = X.data if sp.issparse(X) else X
    if int(np.prod(data.shape)) == 0:
        return
    info = np.finfo(_name_of(data.dtype) if like is None else like)
    lowest, highest = _range(data, info, power, smallest)
    if _within(data, lowest, highest):
        return
    largest = _largest(data)
    if largest > highest:
        raise ValueError(
            f"{input_name} has values as large as {largest:.3g}, but {name} computes with "
            f"{_POWERS.get(power, f'power {power}')}, which {info.dtype} holds up to about "
            f"{highest:.0e} here. Divide {input_name} by a constant."
        )
    if 0 < largest < lowest:
        raise ValueError(
            f"{input_name} has no value larger than {largest:.3g}, but {name} computes with "
            f"{_POWERS.get(power, f'power {power}')}, which vanish in {info.dtype} below about "
            f"{lowest:.0e}. Multiply {input_name} by a constant."
        )


def surely_within(X: Any, *, power: int, smallest: bool, like: Any = None) -> bool:
    """Whether one pass in BLAS shows that X is finite and passes `check_magnitude`.

    Parameters
    ----------
    X : object
        Whatever the user gave.
    power : int
        As in `check_magnitude`.
    smallest : bool
        As in `check_magnitude`.
    like : dtype, default=None
        As in `check_magnitude`.

    Returns
    -------
    within : bool
        False if that is not so, or is not to be had in one pass: X must be a NumPy array of
        float32 or float64 without gaps.
    """
    if type(X) is not np.ndarray or X.dtype.char not in "fd" or X.size == 0:
        return False
    info = np.finfo(X.dtype if like is None else like)
    return _within(X, *_range(X, info, power, smallest))


def finite_result(result: Array, *, name: str, method: str) -> Array:
    """Return ``result``, or raise ValueError if it left the range of floats on the way from X.

    Parameters
    ----------
    result : array
        What was computed from finite X.
    name : str
        Estimator, for the message.
    method : str
        Its method, for the message.

    Returns
    -------
    result : array
        As given.

    Raises
    ------
    ValueError
        If it is infinite or NaN.
    """
    xp = array_namespace(result)
    if not (np.isfinite(_length(result)) or bool(xp.all(xp.isfinite(result)))):
        raise ValueError(
            f"{name}.{method}() leaves the range of {_name_of(result.dtype)}: X is too far from "
            "what was fitted, or too large. Divide X by a constant, before fit too."
        )
    return result


def without_nan(X: Array) -> Array:
    """Zeros in place of NaN: what is missing has no magnitude. Half infinite is not missing.

    Parameters
    ----------
    X : array
        Real or complex.

    Returns
    -------
    X : array
        The input itself if it holds no NaN.
    """
    xp = array_namespace(X)
    missing = xp.isnan(X) & ~xp.isinf(X)
    return xp.where(missing, xp.zeros_like(X), X) if bool(xp.any(missing)) else X


_POWERS = {1: "sums of values", 2: "sums of squares", 4: "sums of fourth powers"}


def _name_of(dtype: Any) -> str:
    return str(dtype).rpartition(".")[2]  # torch.float32


def _range(data: Array, info: Any, power: int, smallest: bool) -> tuple[float, float]:
    """Least and largest size that the largest value may have."""
    highest = (float(info.max) / _SLACK / int(np.prod(data.shape))) ** (1 / power)
    lowest = (float(info.tiny) / float(info.eps)) ** (1 / power) if smallest else 0.0
    return lowest, highest


def _within(data: Array, lowest: float, highest: float) -> bool:
    """Whether the length of the data settles the question already."""
    return lowest * int(np.prod(data.shape)) ** 0.5 < _length(data) < highest


def _length(data: Array) -> float:
    """Root of the sum of squares, one pass in BLAS; NaN if the data are not made for that.

    It lies between the largest value and sqrt(n) times it, and is not finite if a value is not.
    """
    if type(data) is not np.ndarray or not data.flags.forc or data.dtype.char not in "fd":
        return float("nan")
    flat = data.ravel(order="K")
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return float(np.dot(flat, flat)) ** 0.5


def _largest(data: Array) -> float:
    """Largest absolute value; of complex numbers, of the real or imaginary parts."""
    xp = array_namespace(data)
    parts = [real(data), xp.imag(data)] if is_complex(data) else [data]
    ends = [float(abs(end)) for part in map(double, parts) for end in (xp.max(part), xp.min(part))]
    return max(ends)
