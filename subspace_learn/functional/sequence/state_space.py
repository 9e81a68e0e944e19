r"""Linear state space models :math:`x' = A x + B u,\ y = \Re(C x)` with diagonal A.

How to come by a diagonal A whose model is that of HiPPO (perturb, then diagonalise), and what a
sampled one computes: its kernel, its convolution, its recurrence, its transfer function.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.fft

from ..._array import Array, array_namespace, device_of, double, fft_of
from .approximate_diagonalization import perturb_then_diagonalize
from .hippo import hippo_legs, normal_part

__all__ = [
    "DIAGONAL_KINDS",
    "causal_convolution",
    "conjugate_half",
    "diagonal_init",
    "discretized",
    "ptd_legs",
    "s4d_kernel",
    "s4d_recurrence",
    "transfer_function",
]

DIAGONAL_KINDS = ("legs", "lin", "inv", "real")


def ptd_legs(
    n: int, eps: float = 0.1, *, n_tries: int = 10, rng: np.random.Generator | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Complex modes that stand for the scaled Legendre model: n / 2 of them, with B and C.

    Parameters
    ----------
    n : int
        State size, even.
    eps : float, default=0.1
        2-norm of the perturbation.
    n_tries : int, default=10
        Draws to choose from.
    rng : Generator, default=None
        Source of the perturbation; None is seeded with 0.

    Returns
    -------
    eigenvalues : complex ndarray of shape (n / 2,)
        Positive imaginary parts, ascending.
    B : complex ndarray of shape (n / 2,)
        Input vector in the basis of the eigenvectors.
    C : complex ndarray of shape (n, n / 2)
        Row k reads coefficient k of the memory: :math:`c_k = 2 \Re(C_k x)`.

    Examples
    --------
    >>> eigenvalues, B, C = ptd_legs(16)
    >>> eigenvalues.shape, C.shape
    ((8,), (16, 8))
    """
    A, B = hippo_legs(n)
    found = perturb_then_diagonalize(A, eps, n_tries=n_tries, rng=rng, pairs_only=True)
    inputs = np.linalg.solve(found.eigenvectors, B.astype(np.complex128))
    return conjugate_half(found.eigenvalues, inputs, found.eigenvectors)


def conjugate_half(
    eigenvalues: np.ndarray, B: np.ndarray, C: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""One mode of each conjugate pair of a real model, so that it is :math:`2 \Re \sum_n`.

    Parameters
    ----------
    eigenvalues : complex ndarray of shape (n,)
        Of a real matrix.
    B : complex ndarray of shape (n,)
        Input in the basis of the eigenvectors.
    C : complex ndarray of shape (..., n)
        Outputs in that basis.

    Returns
    -------
    eigenvalues, B, C : complex ndarrays
        Imaginary parts of 0 and above. A real mode has no partner: its B is halved.
    """
    kept = eigenvalues.imag >= 0
    half = np.where(eigenvalues[kept].imag == 0, 0.5, 1.0)
    return eigenvalues[kept], B[kept] * half, C[..., kept]


def diagonal_init(n: int, kind: str = "legs") -> tuple[np.ndarray, np.ndarray]:
    r"""The initial modes of a diagonal state space layer: n / 2 eigenvalues and inputs.

    Parameters
    ----------
    n : int
        State size, even; one mode of each conjugate pair is given.
    kind : {"legs", "lin", "inv", "real"}, default="legs"
        "legs": normal part of the scaled Legendre matrix. "lin": -1/2 + i pi k. "inv":
        -1/2 + i (n / pi) (n / (2k + 1) - 1). "real": -(k + 1).

    Returns
    -------
    eigenvalues : complex ndarray of shape (n / 2,)
        Real parts below 0.
    B : complex ndarray of shape (n / 2,)
        Ones; for "legs" half of the input vector in the basis of the eigenvectors, with which the
        model tends to that of the whole matrix, input by input.

    Raises
    ------
    ValueError
        If n is odd or below 2, or the kind is not known.

    Notes
    -----
    The convergence of "legs" is not uniform in frequency: its transfer function keeps a spike of
    height 2 / pi near frequency n^2 / pi. :func:`ptd_legs` has none.

    References
    ----------
    A. Gu, A. Gupta, K. Goel, C. Re, "On the Parameterization and Initialization of Diagonal State
    Space Models", NeurIPS 2022, section 4.

    Examples
    --------
    >>> diagonal_init(64)[0][:3].imag.round(3)
    array([0.264, 0.906, 1.703])
    """
    if n < 2 or n % 2:
        raise ValueError(f"n={n} must be even and at least 2: modes come in conjugate pairs.")
    if kind not in DIAGONAL_KINDS:
        raise ValueError(f"kind={kind!r} is not known here. Use one of {DIAGONAL_KINDS}.")
    k = np.arange(n // 2)
    if kind == "legs":
        values, vectors = normal_part(n)
        return values[n // 2 :], (vectors.conj().T @ hippo_legs(n)[1])[n // 2 :] / 2
    values = {
        "lin": -0.5 + 1j * np.pi * k,
        "inv": -0.5 + 1j * n / np.pi * (n / (2 * k + 1) - 1),
        "real": -(k + 1.0) + 0j,
    }[kind]
    return values, np.ones(n // 2, dtype=np.complex128)


def discretized(
    eigenvalues: Array, B: Array, dt: Array | float, *, method: str = "zoh"
) -> tuple[Array, Array]:
    r"""A sampled diagonal model: :math:`x_{k+1} = \bar A x_k + \bar B u_k`.

    Parameters
    ----------
    eigenvalues : complex array of shape (..., n_modes)
        Real parts below 0.
    B : complex array of shape (..., n_modes)
        Inputs.
    dt : float or array of shape (..., 1)
        Step, above 0.
    method : {"zoh", "bilinear"}, default="zoh"
        Input held over the step, or the trapezoidal rule.

    Returns
    -------
    A_bar, B_bar : complex arrays of shape (..., n_modes)
        Of modulus below 1 the first.

    Raises
    ------
    ValueError
        If the method is not known.
    """
    if method not in ("zoh", "bilinear"):
        raise ValueError(f"method={method!r} is not known here. Use 'zoh' or 'bilinear'.")
    z = dt * eigenvalues
    xp = array_namespace(z)
    if method == "bilinear":
        return (1 + z / 2) / (1 - z / 2), dt * B / (1 - z / 2)
    near = xp.abs(z) < 1e-2
    away = xp.where(near, xp.ones_like(z), z)
    # (exp(z) - 1) / z: below 1e-2 six terms are exact and the quotient is not
    series = 1 + z / 2 * (1 + z / 3 * (1 + z / 4 * (1 + z / 5 * (1 + z / 6 * (1 + z / 7)))))
    return xp.exp(z), dt * B * xp.where(near, series, (xp.exp(away) - 1) / away)


def s4d_kernel(
    eigenvalues: Array,
    B: Array,
    C: Array,
    dt: Array | float,
    length: int,
    *,
    method: str = "zoh",
) -> Array:
    r"""Convolution kernel of a diagonal model, :math:`K_l = 2 \Re \sum_n C_n \bar B_n \bar A_n^l`.

    Parameters
    ----------
    eigenvalues, B, C : complex arrays of shape (..., n_modes)
        One mode of each conjugate pair; leading axes (channels) broadcast.
    dt : float or array of shape (..., 1)
        Step.
    length : int
        Number of taps, at least 1.
    method : {"zoh", "bilinear"}, default="zoh"
        See :func:`discretized`.

    Returns
    -------
    kernel : array of shape (..., length)
        Real, in double precision.

    Notes
    -----
    The Vandermonde product is split at r of about sqrt(length): :math:`\bar A^{qr + s}` is
    :math:`\bar A^{qr} \bar A^s`, so that 2 sqrt(length) powers of each mode and one real matrix
    product do the work of ``length`` powers.

    Examples
    --------
    >>> import numpy as np
    >>> eigenvalues, B = diagonal_init(32, "lin")
    >>> s4d_kernel(eigenvalues, B, np.ones(16), 0.01, 512).shape
    (512,)
    """
    eigenvalues = double(eigenvalues)
    xp = array_namespace(eigenvalues)
    A_bar, B_bar = discretized(eigenvalues, B, dt, method=method)
    log = dt * eigenvalues
    if method == "bilinear":  # which maps -2 / dt to 0: its powers underflow as they should
        log = xp.log(xp.where(A_bar == 0, xp.full_like(A_bar, 1e-320), A_bar))
    inner = max(1, round(length**0.5))
    outer = -(-length // inner)
    weight = 2 * C * B_bar
    first = _powers(xp, log, outer, inner) * xp.expand_dims(weight, axis=-2)
    second = _powers(xp, log, inner, 1)
    left = xp.concat([xp.real(first), -xp.imag(first)], axis=-1)
    right = xp.concat([xp.real(second), xp.imag(second)], axis=-1)
    kernel = left @ xp.matrix_transpose(right)
    return xp.reshape(kernel, (*kernel.shape[:-2], outer * inner))[..., :length]


def _powers(xp: Any, log: Array, count: int, stride: int) -> Array:
    """``exp(log * stride * k)`` for k below ``count``, shape (..., count, n_modes)."""
    steps = xp.asarray(np.arange(count) * float(stride), dtype=log.dtype, device=device_of(log))
    return xp.exp(xp.expand_dims(steps, axis=-1) * xp.expand_dims(log, axis=-2))


def causal_convolution(u: Array, kernel: Array) -> Array:
    """Output of a sampled model for an input that was 0 before: by FFT of twice the length.

    Parameters
    ----------
    u : array of shape (..., length)
        Input.
    kernel : array of shape (..., length)
        Taps, the first for the present input.

    Returns
    -------
    y : array of shape (..., length)
        ``y[k] = sum_j kernel[j] u[k - j]``.
    """
    length = u.shape[-1]
    fft = fft_of(u)
    size = scipy.fft.next_fast_len(2 * length, real=True)
    product = fft.rfft(u, n=size) * fft.rfft(kernel, n=size)
    return fft.irfft(product, n=size)[..., :length]


def s4d_recurrence(
    eigenvalues: np.ndarray,
    B: np.ndarray,
    C: np.ndarray,
    dt: float,
    u: np.ndarray,
    *,
    method: str = "zoh",
) -> np.ndarray:
    r"""The same output step by step, as one would compute it online.

    Parameters
    ----------
    eigenvalues, B, C : complex ndarrays of shape (n_modes,)
        One mode of each conjugate pair.
    dt : float
        Step.
    u : ndarray of shape (length,)
        Input.
    method : {"zoh", "bilinear"}, default="zoh"
        See :func:`discretized`.

    Returns
    -------
    y : ndarray of shape (length,)
        :math:`y_k = 2 \Re (C x_{k+1})`: the present input counts.
    """
    A_bar, B_bar = discretized(eigenvalues, B, dt, method=method)
    x = np.zeros_like(A_bar)
    y = np.empty(len(u))
    for k, value in enumerate(u):
        x = A_bar * x + B_bar * value
        y[k] = 2 * (C @ x).real
    return y


def transfer_function(
    eigenvalues: np.ndarray, B: np.ndarray, C: np.ndarray, omega: np.ndarray
) -> np.ndarray:
    r"""Frequency response :math:`\sum_n C_n B_n / (i\omega - \lambda_n)` of the whole real model.

    Parameters
    ----------
    eigenvalues, B, C : complex ndarrays of shape (n_modes,)
        One mode of each conjugate pair.
    omega : ndarray
        Angular frequencies.

    Returns
    -------
    G : complex ndarray of the shape of ``omega``
        Both halves of each pair are counted.
    """
    s = 1j * np.asarray(omega)[..., None]
    weight = B * C
    mirrored = weight.conj() / (s - eigenvalues.conj())
    return (weight / (s - eigenvalues) + mirrored).sum(axis=-1)
