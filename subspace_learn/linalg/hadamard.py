"""The Walsh-Hadamard transform: products with signs in n log n additions."""

from __future__ import annotations

from .._array import Array, array_namespace

__all__ = ["walsh_hadamard"]


def walsh_hadamard(x: Array) -> Array:
    """Product of each row with the Hadamard matrix of Sylvester, entries of 1 and -1.

    Divided by the root of n it is orthonormal and its own inverse.

    Parameters
    ----------
    x : array of shape (..., n)
        N a power of two; real or complex.

    Returns
    -------
    y : array of shape (..., n)
        ``x @ scipy.linalg.hadamard(n)``, in n log2(n) additions a row.

    Raises
    ------
    ValueError
        If n is no power of two.
    """
    xp = array_namespace(x)
    shape, n = x.shape, x.shape[-1]
    if n < 1 or n & (n - 1):
        raise ValueError(f"The last axis has length {n}, which is no power of two.")
    half = 1
    while half < n:
        x = xp.reshape(x, (*shape[:-1], n // (2 * half), 2, half))
        first, second = x[..., 0, :], x[..., 1, :]
        x = xp.reshape(xp.stack([first + second, first - second], axis=-2), shape)
        half *= 2
    return x
