"""How far eigenpairs, points and spectral measures of a Koopman matrix can be believed.

Everything works in an orthonormal dictionary, where the data are two matrices: ``projected``, the
part A of the successors inside the dictionary's span, and ``complement``, the part C outside.
`subspace_learn.functional.dynamics.edmd.koopman_fit` makes them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.linalg

from ..._array import Array, array_namespace, fft_of, is_complex, to_numpy
from .edmd import complex_product

__all__ = [
    "LocalSpectrum",
    "autocorrelation_measure",
    "eigenpair_residuals",
    "local_spectrum",
    "pseudospectrum",
    "sampled_residuals",
    "smoothing_filter",
    "spectral_measure",
    "variance_residuals",
]


class LocalSpectrum(NamedTuple):
    """Points of a grid near the spectrum, with a bound on how far they are from it."""

    points: np.ndarray
    """Grid points that are the least in their neighbourhood, (n_points,)."""
    tau: np.ndarray
    """Smallest residual that the dictionary reaches at each, (n_points,)."""
    error_bound: float
    """Largest of them; NaN if no point passed."""


def eigenpair_residuals(
    projected: np.ndarray, complement: np.ndarray, eigenvalues: np.ndarray, vectors: np.ndarray
) -> np.ndarray:
    r"""Relative residual of each eigenpair, ``|psi(y) v - lambda psi(x) v| / |psi(x) v|``.

    Parameters
    ----------
    projected, complement : ndarray of shape (rank, rank)
        The successors in the orthonormal dictionary, see `koopman_fit`.
    eigenvalues : ndarray of shape (n_pairs,)
        Any numbers.
    vectors : ndarray of shape (rank, n_pairs)
        Any columns but zero, in the orthonormal dictionary.

    Returns
    -------
    residuals : ndarray of shape (n_pairs,)
        By norms, not by the quadratic form, which loses half the digits.

    References
    ----------
    M. J. Colbrook, A. Townsend, "Rigorous data-driven computation of spectral properties of Koopman
    operators for dynamical systems", Comm. Pure Appl. Math. 77 (2024), section 3.1.
    """
    inside = np.linalg.norm(complex_product(projected, vectors) - vectors * eigenvalues, axis=0)
    outside = np.linalg.norm(complex_product(complement, vectors), axis=0)
    return np.hypot(inside, outside) / np.linalg.norm(vectors, axis=0)


def sampled_residuals(
    left: Array,
    right: Array,
    eigenvalues: Array,
    coefficients: Array,
    weights: Array | None = None,
) -> Array:
    """Residuals of eigenpairs on pairs they may not have been fitted on.

    Parameters
    ----------
    left, right : array of shape (n_pairs, n_observables)
        Lifted x and y, of any array library.
    eigenvalues : array of shape (n_eigenvalues,)
        Of the Koopman matrix, of the same library as all.
    coefficients : array of shape (n_observables, n_eigenvalues)
        Eigenvectors in the dictionary.
    weights : array of shape (n_pairs,), optional
        Quadrature weights.

    Returns
    -------
    residuals : array of shape (n_eigenvalues,)
        Infinite where the eigenfunction is zero on all pairs.
    """
    xp = array_namespace(left, right, eigenvalues, coefficients, weights)
    here, ahead = _eigenfunctions((left, right), coefficients, weights)
    gap = xp.linalg.vector_norm(ahead - here * eigenvalues, axis=0)
    size = xp.linalg.vector_norm(here, axis=0)
    empty = size == 0
    return xp.where(empty, xp.full_like(gap, np.inf), gap / (size + xp.astype(empty, size.dtype)))


def _eigenfunctions(
    tables: tuple[Array, ...], coefficients: Array, weights: Array | None
) -> list[Array]:
    """Eigenfunctions on tables of lifted states, rows scaled by the roots of the weights."""
    values = [complex_product(table, coefficients) for table in tables]
    if weights is None:
        return values
    xp = array_namespace(weights)
    root = xp.astype(xp.sqrt(weights), coefficients.dtype)[:, None]
    return [root * value for value in values]


def pseudospectrum(projected: np.ndarray, complement: np.ndarray, z: np.ndarray) -> np.ndarray:
    r"""Smallest relative residual over the dictionary, at each point of the complex plane.

    .. math:: \tau(z) = \min_g \|(K - z) g\| / \|g\| = \sigma_{\min} [A - z I; C].

    Parameters
    ----------
    projected, complement : ndarray of shape (rank, rank)
        The successors in the orthonormal dictionary.
    z : array of any shape
        Complex points.

    Returns
    -------
    tau : ndarray of the shape of z
        At least its limit for a larger dictionary: points are never too near the spectrum, but for
        the error of finite data.

    Notes
    -----
    One SVD of 2 rank x rank for each point. tau is 1-Lipschitz in z.

    References
    ----------
    M. J. Colbrook, A. Townsend (2024), section 3.3, algorithm 3.
    """
    z = np.asarray(z, dtype=np.complex128)
    eye = np.eye(len(projected))
    outside = np.linalg.qr(complement, mode="r")
    tau = [
        np.linalg.svd(np.vstack([projected - point * eye, outside]), compute_uv=False)[-1]
        for point in z.reshape(-1)
    ]
    return np.array(tau, dtype=np.float64).reshape(z.shape)


def local_spectrum(
    grid: np.ndarray, tau: np.ndarray, *, cut: float = 1.0, c: float = 5.0
) -> LocalSpectrum:
    """Local minima of tau on a grid: what approximates the spectrum where eigenvalues do not.

    For each z with ``tau(z) < cut`` the least value in the ball ``|z' - z| < c tau(z)`` is kept.

    Parameters
    ----------
    grid : array of complex
        Points, any shape.
    tau : array of the shape of grid
        From `pseudospectrum`.
    cut : float, default=1.0
        Points above it are passed over.
    c : float, default=5.0
        Radius of the ball in units of tau.

    Returns
    -------
    spectrum : LocalSpectrum
        Each point lies in the pseudospectrum of level ``error_bound``.

    References
    ----------
    M. J. Colbrook, I. Mezic, A. Stepanenko, "Limits and powers of Koopman learning", 2024,
    arXiv:2407.06312 (the local minimisation of the authors' code).
    """
    points, values = np.asarray(grid).reshape(-1), np.asarray(tau).reshape(-1)
    chosen = np.zeros(len(points), dtype=bool)
    for j in np.flatnonzero(values < cut):
        near = np.abs(points - points[j]) < c * values[j]
        near[j] = True
        chosen |= near & (values <= values[near].min())
    bound = float(values[chosen].max()) if chosen.any() else float("nan")
    return LocalSpectrum(points[chosen], values[chosen], bound)


def spectral_measure(
    operator: np.ndarray, g: np.ndarray, theta: np.ndarray, *, order: int = 2, epsilon: float = 0.1
) -> np.ndarray:
    r"""Smoothed spectral measure of an observable of a measure-preserving system, from matrices.

    Parameters
    ----------
    operator : ndarray of shape (rank, rank)
        K in the orthonormal dictionary.
    g : ndarray of shape (rank,)
        The observable in the orthonormal dictionary.
    theta : ndarray of shape (n_angles,)
        Angles in radians.
    order : int, default=2
        Order m of the rational kernel: the error is :math:`O(\epsilon^m)` for smooth densities.
    epsilon : float, default=0.1
        Width of the kernel in radians.

    Returns
    -------
    density : ndarray of shape (n_angles,)
        Per radian; its integral over the circle is ``|g|^2``. Above order 1 it may be negative.

    Notes
    -----
    The Herglotz function :math:`F(z) = \langle (K + z)(K - z)^{-1} g, g \rangle` is evaluated
    outside the circle at :math:`e^{i \theta + \epsilon \bar a_j}`, where a polluted K, being a
    contraction, has no poles; :math:`a_j = 1 - i (2 j / (m + 1) - 1)`, and weights with
    :math:`\sum \alpha_j a_j^k = 0` for 0 < k < m cancel m - 1 terms of the error.
    One Schur form, then rank^2 flops for each angle and pole.

    References
    ----------
    M. J. Colbrook, A. Townsend (2024), section 5 (high-order kernels; poles here on e^{a epsilon}
    instead of 1 + a epsilon, which changes terms of the order of the error).
    """
    poles = 1.0 - 1j * (2.0 * np.arange(1, order + 1) / (order + 1) - 1.0)
    unit = np.zeros(order)
    unit[0] = 1.0
    alpha = np.linalg.solve(np.vander(poles, increasing=True).T, unit)
    triangle, vectors = scipy.linalg.schur(operator, output="complex")
    b, eye = vectors.conj().T @ g, np.eye(len(g))
    size = float(np.real(np.vdot(b, b)))
    density = np.zeros(len(theta))
    for k, angle in enumerate(np.asarray(theta, dtype=np.float64)):
        for a, share in zip(poles, alpha, strict=True):
            z = np.exp(1j * angle + epsilon * np.conj(a))
            solved = scipy.linalg.solve_triangular(triangle - z * eye, b, check_finite=False)
            density[k] -= np.real(np.conj(share) * (size + 2 * z * np.vdot(b, solved)))
    return density / (2 * np.pi)


def smoothing_filter(x: np.ndarray, name: str = "bump") -> np.ndarray:
    """Weights of autocorrelations, by their lag as a share of the longest.

    Parameters
    ----------
    x : ndarray
        Lags in [-1, 1].
    name : {"fejer", "cosine", "fourth", "sharpened_cosine", "bump"}, default="bump"
        From order 1 to infinite order; the sharper, the less smoothing and the more ringing.

    Returns
    -------
    weights : ndarray
        1 at lag 0, 0 at lag 1.

    References
    ----------
    M. J. Colbrook, "The mpEDMD algorithm", SIAM J. Numer. Anal. 61 (2023), and the authors' code.
    """
    r = np.minimum(np.abs(x), 1.0)
    if name == "fejer":
        return 1 - r
    cosine = (1 + np.cos(np.pi * r)) / 2
    if name == "cosine":
        return cosine
    if name == "fourth":
        return 1 - r**4 * (-20 * r**3 + 70 * r**2 - 84 * r + 35)
    if name == "sharpened_cosine":
        return cosine**4 * (35 - 84 * cosine + 70 * cosine**2 - 20 * cosine**3)
    inside = (r > 0) & (r < 1)
    s = np.where(inside, r, 0.5)
    with np.errstate(over="ignore", under="ignore"):
        bump = np.exp(-2 / (1 - s) * np.exp(-0.1095504651 / s**4))
    return np.where(inside, bump, np.where(r < 1, 1.0, 0.0))


def autocorrelation_measure(
    g: Array, theta: np.ndarray, *, n_lags: int, smoothing: str = "bump"
) -> np.ndarray:
    r"""Smoothed spectral measure of an observable from one long trajectory of an ergodic system.

    .. math:: \nu(\theta) = \frac{1}{2 \pi} \sum_{|j| \le n} \varphi(j / n) a_j e^{-i j \theta},
              \qquad a_j = \langle K^j g, g \rangle.

    Parameters
    ----------
    g : array of shape (n_times,)
        The observable along the trajectory, real or complex, of any array library.
    theta : ndarray of shape (n_angles,)
        Angles in radians, on the host.
    n_lags : int
        Longest lag n.
    smoothing : str, default="bump"
        Name of the filter, see `smoothing_filter`.

    Returns
    -------
    density : ndarray of shape (n_angles,)
        Per radian; its integral is the mean of ``|g|^2``.

    References
    ----------
    M. J. Colbrook, A. Townsend (2024), section 4 (filters of autocorrelations).
    """
    n = g.shape[0]
    size = 2 ** int(np.ceil(np.log2(n + n_lags + 1)))
    fft, xp = fft_of(g), array_namespace(g)
    if is_complex(g):
        spectrum = fft.fft(g, n=size)
        sums = fft.ifft(spectrum * xp.conj(spectrum))
    else:
        spectrum = fft.rfft(g, n=size)
        sums = fft.irfft(spectrum * xp.conj(spectrum), n=size)
    sums = to_numpy(sums[: n_lags + 1])
    lags = np.arange(n_lags + 1)
    terms = smoothing_filter(lags / n_lags, smoothing) * sums / (n - lags)
    waves = np.exp(-1j * np.asarray(theta)[:, None] * lags[None, 1:])
    return (np.real(terms[0]) + 2 * np.real(waves @ terms[1:])) / (2 * np.pi)


def variance_residuals(
    left: Array,
    first: Array,
    second: Array,
    eigenvalues: Array,
    coefficients: Array,
    weights: Array | None = None,
) -> tuple[Array, Array]:
    """Residual of the mean dynamics and standard deviation of noise, from two next states.

    Parameters
    ----------
    left, first, second : array of shape (n_pairs, n_observables)
        Lifted x and two independently drawn successors of each.
    eigenvalues : array of shape (n_eigenvalues,)
        Of the Koopman matrix.
    coefficients : array of shape (n_observables, n_eigenvalues)
        Eigenvectors in the dictionary.
    weights : array of shape (n_pairs,), optional
        Quadrature weights.

    Returns
    -------
    residuals : array of shape (n_eigenvalues,)
        Of the mean (stochastic Koopman) operator; an estimate below 0 before the root gives 0.
    deviations : array of shape (n_eigenvalues,)
        Relative standard deviation that noise adds. The plain residual squared is about the sum of
        both squares.

    References
    ----------
    M. J. Colbrook, Q. Li, R. V. Raut, A. Townsend, "Beyond expectations: residual dynamic mode
    decomposition and variance for stochastic dynamical systems", Nonlinear Dyn. 112 (2024).
    """
    xp = array_namespace(left, first, second, eigenvalues, coefficients, weights)
    here, a, b = _eigenfunctions((left, first, second), coefficients, weights)
    size = xp.sum(xp.abs(here) ** 2, axis=0)
    size = xp.where(size > 0, size, xp.full_like(size, np.inf))
    gaps = xp.conj(a - here * eigenvalues) * (b - here * eigenvalues)
    mean = xp.sum(xp.real(gaps), axis=0)
    noise = xp.sum(xp.abs(a - b) ** 2, axis=0) / 2
    return xp.sqrt(xp.where(mean > 0, mean, xp.zeros_like(mean)) / size), xp.sqrt(noise / size)
