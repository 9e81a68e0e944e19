r"""Spectral density of a Hessian from products with it: stochastic Lanczos quadrature.

For a symmetric n x n matrix H that is known by its products, and probes z of random signs,

.. math:: \frac1n \sum_i f(\lambda_i) = \operatorname{E} \frac{z^T f(H) z}{n}
          \approx \frac1n \sum_z \sum_j w_{zj} f(\theta_{zj}),

with nodes and weights of the tridiagonal matrix that m steps of Lanczos make from z: a Gauss
quadrature, exact for polynomials up to degree 2 m - 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh_tridiagonal

__all__ = ["HessianSpectrum", "LanczosRun", "hessian_spectrum", "lanczos", "top_gap"]

HessianProduct = Callable[[np.ndarray], np.ndarray]


class LanczosRun(NamedTuple):
    """Gauss quadrature of the spectral measure of one vector."""

    nodes: np.ndarray
    """Ritz values, ascending, (m,)."""
    weights: np.ndarray
    """Nonnegative, sum 1, (m,)."""
    errors: np.ndarray
    """Residual norm of each Ritz pair: an eigenvalue lies within it, (m,)."""


class HessianSpectrum(NamedTuple):
    """What is known of the spectrum of a matrix of n rows."""

    nodes: np.ndarray
    """Quadrature nodes of all probes, ascending."""
    weights: np.ndarray
    """Their weights, sum 1: the share of eigenvalues near each node."""
    grid: np.ndarray
    """Where the density is given."""
    density: np.ndarray
    """Smoothed by Gaussians; its integral is 1."""
    outliers: np.ndarray
    """Eigenvalues that stand apart from the bulk at its upper end, descending."""
    n: int
    """Rows of the matrix."""

    def trace(self) -> float:
        """Return the estimate of the trace.

        Returns
        -------
        trace : float
            Hutchinson's: the mean of ``z^T H z`` over the probes.
        """
        return self.n * float(self.weights @ self.nodes)


def lanczos(
    hvp: HessianProduct, start: np.ndarray, n_steps: int, *, tol: float = 1e-12
) -> LanczosRun:
    """Lanczos with full reorthogonalisation from one vector.

    Parameters
    ----------
    hvp : callable
        Maps an array (n,) to H times it, (n,).
    start : ndarray of shape (n,)
        Not zero.
    n_steps : int
        Most steps m.
    tol : float, default=1e-12
        Stop when the next vector is below ``tol`` times the largest coefficient: the space is then
        invariant, and the quadrature exact.

    Returns
    -------
    run : LanczosRun
        Of at most m nodes.

    Raises
    ------
    ValueError
        If a product has another shape or is not finite.
    """
    n = start.shape[0]
    basis = np.empty((min(n_steps, n), n))
    basis[0] = start / np.linalg.norm(start)
    diagonal, beside, scale = [], [], 0.0
    for step in range(basis.shape[0]):
        image = np.asarray(hvp(basis[step]), dtype=float)
        if image.shape != (n,) or not np.all(np.isfinite(image)):
            raise ValueError(
                f"hvp returned an array of shape {image.shape}"
                f"{'' if image.shape != (n,) else ' with NaN or infinity'}; needed is ({n},), "
                "finite: the Hessian times the vector given."
            )
        diagonal.append(float(basis[step] @ image))
        known = basis[: step + 1]
        for _ in range(2):  # once is not enough in floating point, twice is
            image = image - known.T @ (known @ image)
        length = float(np.linalg.norm(image))
        scale = max(scale, abs(diagonal[-1]), length)
        if step + 1 == basis.shape[0] or length <= tol * scale:
            break
        beside.append(length)
        basis[step + 1] = image / length
    nodes, vectors = eigh_tridiagonal(np.array(diagonal), np.array(beside))
    return LanczosRun(nodes, vectors[0] ** 2, length * np.abs(vectors[-1]))


def hessian_spectrum(
    hvp: HessianProduct,
    n: int,
    *,
    n_steps: int = 80,
    n_probes: int = 10,
    width: float = 0.01,
    n_grid: int = 1024,
    rng: np.random.Generator | int | None = None,
) -> HessianSpectrum:
    """Spectral density and outliers of a symmetric matrix from products with it.

    Parameters
    ----------
    hvp : callable
        Maps an array (n,) to H times it, (n,).
    n : int
        Rows of H.
    n_steps : int, default=80
        Lanczos steps of a probe, each one product.
    n_probes : int, default=10
        Random sign vectors.
    width : float, default=0.01
        Standard deviation of the smoothing, as a share of the range of the nodes.
    n_grid : int, default=1024
        Points at which the density is given.
    rng : numpy.random.Generator, int or None, default=None
        Draws the probes.

    Returns
    -------
    spectrum : HessianSpectrum
        Nodes, weights, density, outliers.

    Raises
    ------
    ValueError
        If a size is below 1, or a product has another shape or is not finite.

    Notes
    -----
    Costs ``n_steps * n_probes`` products, ``4 n n_steps^2`` flops a probe to keep the basis
    orthogonal, and its memory, ``8 n n_steps`` bytes. With ``n_steps`` at least the number of
    distinct eigenvalues every one is found. The trace has the variance of Hutchinson's estimate.

    References
    ----------
    S. Ubaru, J. Chen, Y. Saad, "Fast estimation of tr(f(A)) via stochastic Lanczos quadrature",
    SIAM J. Matrix Anal. Appl. 38 (2017), algorithm 1.
    B. Ghorbani, S. Krishnan, Y. Xiao, "An investigation into neural net optimization via Hessian
    eigenvalue density", ICML 2019 (Hessians).
    L. Sagun, U. Evci, V. U. Guney, Y. Dauphin, L. Bottou, "Empirical analysis of the Hessian of
    over-parametrized neural networks", arXiv:1706.04454 (bulk and outliers).

    Examples
    --------
    >>> import numpy as np
    >>> from subspace_learn.random_matrix import hessian_spectrum
    >>> H = np.diag(np.r_[np.zeros(95), 0.1, 0.2, 5.0, 6.0, 7.0])
    >>> hessian_spectrum(lambda v: H @ v, 100, rng=0).outliers.round(6)
    array([7., 6., 5.])
    """
    for name, value in (("n", n), ("n_steps", n_steps), ("n_probes", n_probes)):
        if value < 1:
            raise ValueError(f"{name}={value}: needed is at least 1.")
    rng = np.random.default_rng(rng)
    runs = [lanczos(hvp, 2.0 * rng.integers(0, 2, size=n) - 1.0, n_steps) for _ in range(n_probes)]
    nodes = np.concatenate([run.nodes for run in runs])
    weights = np.concatenate([run.weights for run in runs]) / n_probes
    order = np.argsort(nodes)
    nodes, weights = nodes[order], weights[order]
    grid, density = _smoothed(nodes, weights, width, n_grid)
    return HessianSpectrum(nodes, weights, grid, density, _outliers(runs), n)


def _smoothed(
    nodes: np.ndarray, weights: np.ndarray, width: float, n_grid: int
) -> tuple[np.ndarray, np.ndarray]:
    """Sum of Gaussians at the nodes."""
    spread = width * float(nodes[-1] - nodes[0] or abs(nodes[0]) or 1.0)
    grid = np.linspace(nodes[0] - 5 * spread, nodes[-1] + 5 * spread, n_grid)
    density = np.zeros(n_grid)
    for node, weight in zip(nodes, weights, strict=True):
        density += weight * np.exp(-0.5 * ((grid - node) / spread) ** 2)
    return grid, density / (spread * (2 * np.pi) ** 0.5)


def _outliers(runs: list[LanczosRun]) -> np.ndarray:
    """Top eigenvalues before the widest gap, from the probe that knows them best."""
    best = min(runs, key=lambda run: float(run.errors[-1]))
    known = best.errors <= 1e-4 * np.max(np.abs(best.nodes))
    found = best.nodes[::-1]
    n_known = int(np.argmin(np.append(known[::-1], False)))
    return found[: min(top_gap(found), n_known)]


def top_gap(eigenvalues: np.ndarray, factor: float = 2.0) -> int:
    """How many eigenvalues stand apart at the top.

    A rule of thumb, not a law: the bulk of a Hessian follows no known one.

    Parameters
    ----------
    eigenvalues : ndarray of shape (m,)
        Descending.
    factor : float, default=2.0
        The last outlier is at least this many times the next eigenvalue.

    Returns
    -------
    n_outliers : int
        The place of the largest ratio of neighbours among the positive eigenvalues above 1 % of the
        first; 0 if no ratio reaches ``factor``.
    """
    if eigenvalues.size < 2 or eigenvalues[0] <= 0:
        return 0
    floor = 0.01 * eigenvalues[0]
    clipped = np.maximum(eigenvalues, floor / factor)
    ratios = clipped[:-1] / clipped[1:]
    place = int(np.argmax(np.where(clipped[:-1] > floor, ratios, 0.0)))
    return place + 1 if ratios[place] >= factor else 0
