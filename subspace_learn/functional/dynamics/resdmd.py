"""How far eigenpairs, points and spectral measures of a Koopman matrix can be believed.

Everything works in an orthonormal dictionary, where the data are two matrices: ``projected``, the
part A of the successors inside the dictionary's span, and ``unexplained``, the part C outside.
`subspace_learn.functional.dynamics.edmd.koopman_fit` makes them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.linalg

from ..._array import Array, array_namespace, double, fft_of, is_complex, to_numpy
from .edmd import KoopmanFit, complex_product, koopman_eigenpairs, mode_errors, modes

__all__ = [
    "FILTERS",
    "KoopmanSpectrum",
    "LocalSpectrum",
    "autocorrelation_measure",
    "eigenpair_residuals",
    "koopman_spectrum",
    "local_spectrum",
    "pseudospectrum",
    "sampled_residuals",
    "smoothing_filter",
    "spectral_measure",
    "unit_observable",
    "unit_series",
    "variance_residuals",
]


FILTERS = ("fejer", "cosine", "fourth", "sharpened_cosine", "bump")


class LocalSpectrum(NamedTuple):
    """Points of a grid near the spectrum, with a bound on how far they are from it."""

    points: np.ndarray
    """Grid points that are the least in their neighbourhood, (n_points,)."""
    tau: np.ndarray
    """Smallest residual that the dictionary reaches at each, (n_points,)."""
    error_bound: float
    """Largest of them; NaN if no point passed."""


class KoopmanSpectrum(NamedTuple):
    """Eigenpairs of a Koopman matrix with their residuals, and what becomes of states in them."""

    eigenvalues: np.ndarray
    """By falling modulus, complex, (n_eigenvalues,)."""
    residuals: np.ndarray
    """Relative residual of each, (n_eigenvalues,)."""
    eigenvectors: np.ndarray
    """Coefficients of eigenfunctions of mean square 1, (n_observables, n_eigenvalues)."""
    modes: np.ndarray
    """What each eigenfunction adds to the state, (n_eigenvalues, n_features)."""
    above_axis: np.ndarray
    """Indices of the eigenpairs that give coordinates: of a conjugate pair the upper one."""
    columns: np.ndarray
    """Which of their columns (real, imaginary, real, ...) are not zero for every state."""
    radius: float
    """Largest modulus of an eigenvalue, of those left out too."""
    lost: float
    """Share of the states that all modes together do not give back: above 0 for a defective K."""
    growth: float
    """How many times modes enlarge rounding errors of the eigenfunctions."""


def koopman_spectrum(
    fit: KoopmanFit,
    weight: float,
    *,
    unitary: bool = False,
    observables_are_states: bool = False,
    residual_tol: float | None = None,
) -> KoopmanSpectrum:
    """Eigenpairs of a fitted Koopman matrix, each with its residual, and the modes of the state.

    Parameters
    ----------
    fit : KoopmanFit
        From `koopman_fit`, of at least one direction.
    weight : float
        Sum of the weights of the pairs: eigenfunctions have mean square 1.
    unitary : bool, default=False
        Whether the operator is unitary.
    observables_are_states : bool, default=False
        Whether there is no dictionary, so that nothing has to be read out.
    residual_tol : float, optional
        Eigenpairs with a larger residual are left out.

    Returns
    -------
    spectrum : KoopmanSpectrum
        NumPy, complex128.

    Raises
    ------
    ValueError
        If no eigenpair has a residual below ``residual_tol``.
    """
    values, vectors = koopman_eigenpairs(fit.operator, normal=unitary)
    residuals = eigenpair_residuals(fit.projected, fit.unexplained, values, vectors)
    radius, n_all = float(np.abs(values).max(initial=0.0)), len(values)
    if residual_tol is not None and n_all:
        # the two of a conjugate pair agree to rounding only: neither may lose the other
        kept = np.flatnonzero(residuals <= residual_tol * (1 + 1e-9))
        if len(kept) == 0:
            raise ValueError(
                f"No eigenpair has a residual below residual_tol={residual_tol:g}: the smallest is "
                f"{residuals.min():.3g}. Raise it, or change the dictionary."
            )
        values, vectors, residuals = values[kept], vectors[:, kept], residuals[kept]
    basis = fit.inverse_basis
    states = basis if observables_are_states else basis @ fit.readout
    found, root = modes(vectors, states), np.sqrt(weight)
    lost, growth = mode_errors(vectors, found, states, eps=1.0)
    paired = fit.matrix.dtype.kind != "c"
    above = np.flatnonzero((values.imag >= 0) | (not paired))
    turns = (values[above].imag != 0) | (not paired)
    return KoopmanSpectrum(
        values,
        residuals,
        complex_product(fit.basis, vectors) * root,
        found / root,
        above,
        np.flatnonzero(np.stack([np.ones_like(turns), turns], axis=1)),
        radius,
        lost if len(values) == n_all else 0.0,  # what residual_tol leaves out was asked for
        growth,
    )


def eigenpair_residuals(
    projected: np.ndarray, unexplained: np.ndarray, eigenvalues: np.ndarray, vectors: np.ndarray
) -> np.ndarray:
    r"""Relative residual of each eigenpair, ``|psi(y) v - lambda psi(x) v| / |psi(x) v|``.

    Parameters
    ----------
    projected, unexplained : ndarray of shape (n_components, n_components)
        The successors in the orthonormal dictionary, see `koopman_fit`.
    eigenvalues : ndarray of shape (n_pairs,)
        Any numbers.
    vectors : ndarray of shape (n_components, n_pairs)
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
    outside = np.linalg.norm(complex_product(unexplained, vectors), axis=0)
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
        Infinite where the eigenfunction is zero, to rounding, on all pairs.
    """
    xp = array_namespace(left, right, eigenvalues, coefficients, weights)
    here, ahead = _eigenfunctions((left, right), coefficients, weights)
    gap = xp.linalg.vector_norm(ahead - here * eigenvalues, axis=0)
    size = _not_rounding(xp.linalg.vector_norm(here, axis=0), left, coefficients, weights)
    return _relative(gap, size)


def _relative(gap: Array, size: Array) -> Array:
    """Quotients, infinite where there is nothing to divide by."""
    xp = array_namespace(gap)
    return xp.where(size > 0, gap / xp.where(size > 0, size, 1.0 + size), np.inf + size)


def _not_rounding(size: Array, left: Array, coefficients: Array, weights: Array | None) -> Array:
    """Lengths of eigenfunctions, 0 where they are less than the rounding of the sums they are."""
    xp = array_namespace(left)
    squares = xp.abs(double(left)) ** 2
    squares = squares if weights is None else squares * weights[:, None]
    terms = xp.sqrt(xp.sum(squares, axis=0)) @ xp.abs(coefficients)
    rounding = 4 * float(xp.finfo(left.dtype).eps) * terms
    return xp.where(size > rounding, size, xp.zeros_like(size))


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


def pseudospectrum(projected: np.ndarray, unexplained: np.ndarray, z: np.ndarray) -> np.ndarray:
    r"""Smallest relative residual over the dictionary, at each point of the complex plane.

    .. math:: \tau(z) = \min_g \|(K - z) g\| / \|g\| = \sigma_{\min} [A - z I; C].

    Parameters
    ----------
    projected, unexplained : ndarray of shape (n_components, n_components)
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
    One SVD of 2 n_components x n_components for each point. tau is 1-Lipschitz in z.

    References
    ----------
    M. J. Colbrook, A. Townsend (2024), section 3.3, algorithm 3.
    """
    z = np.asarray(z, dtype=np.complex128)
    eye = np.eye(len(projected))
    outside = np.linalg.qr(unexplained, mode="r")
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
    operator : ndarray of shape (n_components, n_components)
        K in the orthonormal dictionary.
    g : ndarray of shape (n_components,)
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
    One Schur form, then n_components^2 flops for each angle and pole.

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


def unit_observable(inverse_basis: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Coefficients of an observable in the orthonormal dictionary, of length 1.

    Parameters
    ----------
    inverse_basis : ndarray of shape (n_components, n_observables)
        Observables in the orthonormal dictionary, see `koopman_fit`.
    coefficients : ndarray of shape (n_observables,)
        The observable in the dictionary.

    Returns
    -------
    g : ndarray of shape (n_components,)
        For `spectral_measure`.

    Raises
    ------
    ValueError
        If there are not as many coefficients as observables, or the observable is zero on the data
        to rounding, as the difference of two equal columns is.
    """
    if coefficients.shape != inverse_basis.shape[1:]:
        raise ValueError(
            f"observable has shape {coefficients.shape}, but the dictionary has "
            f"{inverse_basis.shape[1]} observables."
        )
    g = inverse_basis @ coefficients
    size = np.linalg.norm(g)
    terms = np.linalg.norm(inverse_basis, axis=0) @ np.abs(coefficients)
    if not size > 8 * np.finfo(np.float64).eps * terms:
        raise ValueError("The observable is zero on the data: it has no spectral measure.")
    return np.asarray(g / size)


def unit_series(g: Array, n_lags: int | None, smoothing: str) -> tuple[Array, int]:
    """A series of mean square 1, and its longest lag.

    Parameters
    ----------
    g : array of shape (n_times,)
        The observable along the trajectory, real or complex, of any array library.
    n_lags : int, optional
        Longest lag; None takes a tenth of the times.
    smoothing : str
        Name of the filter, see `smoothing_filter`.

    Returns
    -------
    g : array of shape (n_times,)
        In double precision.
    n_lags : int
        For `autocorrelation_measure`.

    Raises
    ------
    ValueError
        If g is no finite series, zero, or not longer than ``n_lags``; if there is no such filter.
    """
    xp, shape = array_namespace(g), tuple(g.shape)
    n_lags = max(1, shape[0] // 10) if n_lags is None else int(n_lags)
    if len(shape) != 1 or not bool(xp.all(xp.isfinite(g))) or not (1 <= n_lags < shape[0]):
        raise ValueError(
            f"g must be a finite series longer than n_lags={n_lags}, but has shape {shape}."
        )
    if smoothing not in FILTERS:
        raise ValueError(f"smoothing={smoothing!r} must be one of {FILTERS}.")
    g = double(g)
    size = float(xp.linalg.vector_norm(g)) / shape[0] ** 0.5
    if not size > 0:
        raise ValueError("g is zero at all times: it has no spectral measure.")
    return g / size, n_lags


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
        Infinite, like the deviation, where the eigenfunction is zero, to rounding, on all pairs.
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
    size = xp.linalg.vector_norm(here, axis=0)
    size = _not_rounding(size, left, coefficients, weights)
    gaps = xp.conj(a - here * eigenvalues) * (b - here * eigenvalues)
    mean = xp.sum(xp.real(gaps), axis=0)
    mean = xp.where(mean > 0, mean, xp.zeros_like(mean))
    noise = xp.sum(xp.abs(a - b) ** 2, axis=0) / 2
    return _relative(xp.sqrt(mean), size), _relative(xp.sqrt(noise), size)
