"""Features of a kernel for EDMD: the leading eigenvectors of its Gram matrix, found by ARPACK."""

from __future__ import annotations

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh
from scipy.spatial.distance import cdist

from ..._array import Array, array_namespace, device_of, is_numpy, move_like, to_numpy
from ...linalg.eig import with_fixed_signs

__all__ = ["KERNELS", "kernel_features", "kernel_matrix", "mean_distance"]

KERNELS = ("rbf", "laplacian", "lorentzian", "polynomial")


def mean_distance(X: Array) -> float:
    """Mean distance of the rows from their mean: the scale of a kernel when none is given.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        States, of any array library.

    Returns
    -------
    distance : float
        1 for rows that are all equal.
    """
    xp = array_namespace(X)
    if bool(xp.all(X == X[:1, :])):  # the mean of equal numbers is off by rounding: no distance
        return 1.0
    return float(xp.mean(xp.linalg.vector_norm(X - xp.mean(X, axis=0), axis=1)))


def kernel_matrix(
    X: Array, Y: Array, *, kernel: str = "rbf", scale: float = 1.0, degree: int = 5
) -> Array:
    r"""Kernel between rows of X and of Y.

    Parameters
    ----------
    X : array of shape (n, n_features)
        States, float64 of any array library.
    Y : array of shape (m, n_features)
        States, of the same library.
    kernel : {"rbf", "laplacian", "lorentzian", "polynomial"}, default="rbf"
        With r the distance and d the scale: :math:`e^{-r^2/d^2}`, :math:`e^{-r/d}`,
        :math:`1/(1 + r^2/d^2)`, :math:`(1 + x \cdot y / d^2)^p`.
    scale : float, default=1.0
        Length d, in units of X.
    degree : int, default=5
        The power p of "polynomial".

    Returns
    -------
    gram : array of shape (n, m)
        Of float64.
    """
    xp = array_namespace(X, Y)
    if kernel == "polynomial":
        return (1.0 + (X @ Y.T) / scale**2) ** degree
    squares = _squared_distances(X, Y)
    if kernel == "laplacian":
        return xp.exp(-xp.sqrt(squares) / scale)
    squares /= -(scale**2)
    if kernel == "lorentzian":
        return 1.0 / (1.0 - squares)
    # in place where it can be: the matrix is the largest thing in memory
    return np.exp(squares, out=squares) if is_numpy(squares) else xp.exp(squares)


def _squared_distances(X: Array, Y: Array) -> Array:
    if is_numpy(X):
        return cdist(X, Y, "sqeuclidean")
    # Feature by feature: |x|^2 - 2 x.y + |y|^2 would lose the digits of near states.
    zeros = array_namespace(X).zeros
    squares = zeros((X.shape[0], Y.shape[0]), dtype=X.dtype, device=device_of(X))
    for j in range(X.shape[1]):
        squares += (X[:, j][:, None] - Y[:, j][None, :]) ** 2
    return squares


def kernel_features(
    gram: Array, n_components: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Coefficients C such that ``k(x, X) C`` are orthonormal features on the rows of X.

    Parameters
    ----------
    gram : array of shape (n, n)
        Symmetric kernel matrix of X with itself, float64 of any array library.
    n_components : int
        Features wanted.
    rng : numpy.random.Generator
        Starts the Lanczos iteration.

    Returns
    -------
    coefficients : array of shape (n, n_components)
        ``U / s`` for the eigenpairs ``(s, U)``: features of unit length over the rows, the
        coefficient of largest modulus positive.
    eigenvalues : array of shape (n_components,)
        Descending; those below ``n eps`` times the largest are left out with their features.

    Notes
    -----
    A symmetric problem for few pairs (ARPACK; all of them below 200 rows or above a third): the
    non-symmetric M x M problem of kernel EDMD is never formed, only its projection to n_components.
    ARPACK runs on the host; the matrix stays on its device, and single vectors travel.

    References
    ----------
    M. O. Williams, C. W. Rowley, I. G. Kevrekidis, "A kernel-based method for data-driven Koopman
    spectral analysis", J. Comput. Dyn. 2 (2015), section 2.
    """
    n, xp = gram.shape[0], array_namespace(gram)
    if n <= 200 or 3 * n_components > n:
        values, vectors = xp.linalg.eigh(gram)
    else:
        pairs = eigsh(_operator(gram), k=n_components, v0=rng.standard_normal(n))
        values, vectors = (move_like(part, gram) for part in pairs)
    order = xp.argsort(-values)[:n_components]
    values, vectors = xp.take(values, order), with_fixed_signs(xp.take(vectors, order, axis=1).T).T
    large = values > n * xp.finfo(values.dtype).eps * values[0]
    kept = int(xp.sum(xp.astype(large, xp.int64)))
    return vectors[:, :kept] / values[:kept], values[:kept]


def _operator(gram: Array) -> np.ndarray | LinearOperator:
    """What ARPACK multiplies by: the matrix itself in NumPy, else products on its device."""
    if is_numpy(gram):
        return gram

    def product(vector: np.ndarray) -> np.ndarray:
        return to_numpy(gram @ move_like(vector, gram))

    return LinearOperator(gram.shape, matvec=product, dtype=np.float64)
