"""Features of a kernel for EDMD: the leading eigenvectors of its Gram matrix, found by ARPACK."""

from __future__ import annotations

import numpy as np
from scipy.sparse.linalg import eigsh
from scipy.spatial.distance import cdist

__all__ = ["KERNELS", "kernel_features", "kernel_matrix", "mean_distance"]

KERNELS = ("rbf", "laplacian", "lorentzian", "polynomial")


def mean_distance(X: np.ndarray) -> float:
    """Mean distance of the rows from their mean: the scale of a kernel when none is given.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        States.

    Returns
    -------
    distance : float
        1 for rows that are all equal.
    """
    distance = float(np.mean(np.linalg.norm(X - X.mean(axis=0), axis=1)))
    return distance if distance > 0 else 1.0


def kernel_matrix(
    X: np.ndarray, Y: np.ndarray, *, kernel: str = "rbf", scale: float = 1.0, degree: int = 5
) -> np.ndarray:
    r"""Kernel between rows of X and of Y.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
        States.
    Y : ndarray of shape (m, n_features)
        States.
    kernel : {"rbf", "laplacian", "lorentzian", "polynomial"}, default="rbf"
        With r the distance and d the scale: :math:`e^{-r^2/d^2}`, :math:`e^{-r/d}`,
        :math:`1/(1 + r^2/d^2)`, :math:`(1 + x \cdot y / d^2)^p`.
    scale : float, default=1.0
        Length d, in units of X.
    degree : int, default=5
        The power p of "polynomial".

    Returns
    -------
    gram : ndarray of shape (n, m)
        Of float64.
    """
    if kernel == "polynomial":
        return (1.0 + (X @ Y.T) / scale**2) ** degree
    if kernel == "laplacian":
        return np.exp(-cdist(X, Y) / scale)
    squares = cdist(X, Y, "sqeuclidean")
    squares /= -(scale**2)
    return np.exp(squares, out=squares) if kernel == "rbf" else 1.0 / (1.0 - squares)


def kernel_features(
    gram: np.ndarray, n_components: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients C such that ``k(x, X) C`` are orthonormal features on the rows of X.

    Parameters
    ----------
    gram : ndarray of shape (n, n)
        Symmetric kernel matrix of X with itself.
    n_components : int
        Features wanted.
    rng : numpy.random.Generator
        Starts the Lanczos iteration.

    Returns
    -------
    coefficients : ndarray of shape (n, rank)
        ``U / s`` for the eigenpairs ``(s, U)``: features of unit length over the rows.
    eigenvalues : ndarray of shape (rank,)
        Descending; those below ``n eps`` times the largest are left out with their features.

    Notes
    -----
    A symmetric problem for few pairs (ARPACK; all of them below 200 rows or above a third): the
    non-symmetric M x M problem of kernel EDMD is never formed, only its rank x rank projection.

    References
    ----------
    M. O. Williams, C. W. Rowley, I. G. Kevrekidis, "A kernel-based method for data-driven Koopman
    spectral analysis", J. Comput. Dyn. 2 (2015), section 2.
    """
    n = len(gram)
    if n <= 200 or 3 * n_components > n:
        values, vectors = np.linalg.eigh(gram)
    else:
        values, vectors = eigsh(gram, k=n_components, v0=rng.standard_normal(n))
    order = np.argsort(-values)[:n_components]
    values, vectors = values[order], vectors[:, order]
    kept = values > n * np.finfo(np.float64).eps * values[0]
    return vectors[:, kept] / values[kept], values[kept]
