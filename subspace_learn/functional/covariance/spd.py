r"""Symmetric positive definite matrices: functions of them, vectors of their entries, distances.

All functions take stacks (..., n, n) and keep library, device and float width. float32 matrices
are decomposed in float64 and the result rounded: an eigenvalue is exact to ``eps ||A||``, so in
float32 those below 1e-7 of the largest would be lost, and EEG covariances have many.

Nothing here repairs a matrix that is not positive definite: it is named in a ValueError.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np

from ..._array import Array, array_namespace, device_of
from .spd_batches import in_pieces
from .spd_checks import eigenpairs, eigenvalues, wide

__all__ = [
    "distance",
    "distance_euclid",
    "distance_logeuclid",
    "distance_riemann",
    "distance_wasserstein",
    "expm",
    "invsqrtm",
    "logm",
    "pairwise_distance",
    "powm",
    "sqrtm",
    "symmetric_from_upper",
    "upper_vector",
]


def _spectral(A: Array, function: Callable[[Array], Array], definite: str = "definite") -> Array:
    """Return ``U f(lambda) U^T`` for ``A = U diag(lambda) U^T``, in the dtype of ``A``."""
    xp = array_namespace(A)
    values, vectors = eigenpairs(A, definite=definite)
    result = (vectors * function(values)[..., None, :]) @ xp.matrix_transpose(vectors)
    return xp.astype(result, A.dtype, copy=False)


def sqrtm(A: Array) -> Array:
    """Square root of positive semidefinite matrices.

    Parameters
    ----------
    A : array of shape (..., n, n)
        Symmetric positive semidefinite.

    Returns
    -------
    root : array of shape (..., n, n)
        The symmetric positive semidefinite R with ``R R = A``.

    Raises
    ------
    ValueError
        If an eigenvalue is negative by more than rounding.

    Examples
    --------
    >>> import numpy as np
    >>> sqrtm(np.diag([4.0, 0.0]))
    array([[2., 0.],
           [0., 0.]])
    """
    return _spectral(A, array_namespace(A).sqrt, "semidefinite")


def invsqrtm(A: Array) -> Array:
    """Inverse of the square root of positive definite matrices.

    Parameters
    ----------
    A : array of shape (..., n, n)
        Symmetric positive definite.

    Returns
    -------
    root : array of shape (..., n, n)
        The symmetric positive definite R with ``R A R = I``.

    Raises
    ------
    ValueError
        If a matrix is not positive definite.
    """
    xp = array_namespace(A)
    return _spectral(A, lambda values: 1 / xp.sqrt(values))


def powm(A: Array, alpha: float) -> Array:
    """Real power of positive definite matrices.

    Parameters
    ----------
    A : array of shape (..., n, n)
        Symmetric positive definite; semidefinite is enough for ``alpha`` > 0.
    alpha : float
        Exponent.

    Returns
    -------
    power : array of shape (..., n, n)
        Matrices with the eigenvalues to the power ``alpha``.

    Raises
    ------
    ValueError
        If an eigenvalue does not allow it.
    """
    return _spectral(A, lambda values: values**alpha, "semidefinite" if alpha > 0 else "definite")


def logm(A: Array) -> Array:
    """Principal logarithm of positive definite matrices.

    Parameters
    ----------
    A : array of shape (..., n, n)
        Symmetric positive definite.

    Returns
    -------
    logarithm : array of shape (..., n, n)
        Symmetric.

    Raises
    ------
    ValueError
        If a matrix is not positive definite.

    Examples
    --------
    >>> import numpy as np
    >>> logm(np.diag([1.0, np.e]))
    array([[0., 0.],
           [0., 1.]])
    """
    return _spectral(A, array_namespace(A).log)


def expm(S: Array) -> Array:
    """Exponential of symmetric matrices.

    Parameters
    ----------
    S : array of shape (..., n, n)
        Symmetric; only the lower triangle is read.

    Returns
    -------
    exponential : array of shape (..., n, n)
        Symmetric positive definite.
    """
    return _spectral(S, array_namespace(S).exp, "any")


def upper_vector(S: Array) -> Array:
    r"""Entries of symmetric matrices as vectors of the same norm.

    Row by row of the upper triangle, off-diagonal entries times :math:`\sqrt 2`.

    Parameters
    ----------
    S : array of shape (..., n, n)
        Symmetric; only the upper triangle is read.

    Returns
    -------
    v : array of shape (..., n (n + 1) / 2)
        The order and factors of pyRiemann's ``upper``.

    See Also
    --------
    symmetric_from_upper : The inverse.

    Examples
    --------
    >>> import numpy as np
    >>> upper_vector(np.asarray([[1.0, 2.0], [2.0, 3.0]]))
    array([1.        , 2.82842712, 3.        ])
    """
    xp = array_namespace(S)
    n = S.shape[-1]
    index, factor = _upper_places(n)
    flat = xp.reshape(S, (*S.shape[:-2], n * n))
    chosen = xp.take(flat, xp.asarray(index, device=device_of(S)), axis=-1)
    return chosen * xp.asarray(factor, dtype=S.dtype, device=device_of(S))


@cache
def _upper_places(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of the upper triangle in the flat matrix, and the factor of each."""
    rows, columns = np.triu_indices(n)
    return rows * n + columns, np.where(rows == columns, 1.0, 2**0.5)


@cache
def _full_places(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Place in the upper vector of each entry of the flat matrix, and the factor of each."""
    place = np.zeros((n, n), dtype=np.int64)
    place[np.triu_indices(n)] = np.arange(n * (n + 1) // 2)
    place = np.maximum(place, place.T)
    return place.ravel(), np.where(np.eye(n, dtype=bool), 1.0, 0.5**0.5).ravel()


def symmetric_from_upper(v: Array) -> Array:
    """Symmetric matrices from the vectors of :func:`upper_vector`.

    Parameters
    ----------
    v : array of shape (..., n (n + 1) / 2)
        Row-major upper triangles, off-diagonal entries times sqrt(2).

    Returns
    -------
    S : array of shape (..., n, n)
        Symmetric.

    Raises
    ------
    ValueError
        If the length is not n (n + 1) / 2 for any n.
    """
    xp = array_namespace(v)
    n = int(((8 * v.shape[-1] + 1) ** 0.5 - 1) / 2 + 0.5)
    if n * (n + 1) // 2 != v.shape[-1]:
        raise ValueError(
            f"The vectors have {v.shape[-1]} entries, which is n (n + 1) / 2 for no n; a symmetric "
            f"matrix with {n} rows has {n * (n + 1) // 2} entries."
        )
    index, factor = _full_places(n)
    flat = xp.take(v, xp.asarray(index, device=device_of(v)), axis=-1)
    flat = flat * xp.asarray(factor, dtype=v.dtype, device=device_of(v))
    return xp.reshape(flat, (*v.shape[:-1], n, n))


def distance_euclid(A: Array, B: Array) -> Array:
    """Frobenius norm of ``A - B``.

    Parameters
    ----------
    A, B : arrays of shape (..., n, n)
        Symmetric; leading axes broadcast.

    Returns
    -------
    d : array of shape (...)
        Distances.
    """
    return _euclid_to(B)(A)


def distance_logeuclid(A: Array, B: Array) -> Array:
    """Frobenius norm of ``log A - log B``.

    Parameters
    ----------
    A, B : arrays of shape (..., n, n)
        Symmetric positive definite; leading axes broadcast.

    Returns
    -------
    d : array of shape (...)
        Distances.

    Raises
    ------
    ValueError
        If a matrix is not positive definite.
    """
    return _logeuclid_to(B)(A)


def distance_riemann(A: Array, B: Array) -> Array:
    r"""Affine-invariant distance :math:`(\sum_i \log^2 \lambda_i(A^{-1} B))^{1/2}`.

    Parameters
    ----------
    A, B : arrays of shape (..., n, n)
        Symmetric positive definite; leading axes broadcast.

    Returns
    -------
    d : array of shape (...)
        Distances.

    Raises
    ------
    ValueError
        If a matrix is not positive definite.

    Notes
    -----
    One eigendecomposition for each matrix of the smaller stack, then eigenvalues alone (less than
    half the cost) of each whitened pair.
    """
    A, B = (A, B) if _count(A) >= _count(B) else (B, A)
    return _riemann_to(B)(A)


def distance_wasserstein(A: Array, B: Array) -> Array:
    r"""Bures-Wasserstein distance.

    .. math:: d^2 = \mathrm{tr} A + \mathrm{tr} B
                    - 2\, \mathrm{tr} (B^{1/2} A B^{1/2})^{1/2}

    Parameters
    ----------
    A, B : arrays of shape (..., n, n)
        Symmetric positive semidefinite; leading axes broadcast.

    Returns
    -------
    d : array of shape (...)
        Distances; below ``sqrt(eps (tr A + tr B))`` they are rounding.

    Raises
    ------
    ValueError
        If an eigenvalue is negative by more than rounding.
    """
    A, B = (A, B) if _count(A) >= _count(B) else (B, A)
    return _wasserstein_to(B)(A)


def _count(A: Array) -> int:
    return math.prod(A.shape[:-2])


def _euclid_to(B: Array) -> Callable[[Array], Array]:
    return lambda A: array_namespace(A, B).linalg.matrix_norm(A - B)


def _logeuclid_to(B: Array) -> Callable[[Array], Array]:
    log_b = logm(B)
    return lambda A: array_namespace(A).linalg.matrix_norm(logm(A) - log_b)


def _riemann_to(B: Array) -> Callable[[Array], Array]:
    xp = array_namespace(B)
    values, vectors = eigenpairs(B)
    W = xp.matrix_transpose(vectors / xp.sqrt(values)[..., None, :])

    def to_b(A: Array) -> Array:
        logs = xp.log(eigenvalues(W @ wide(A) @ xp.matrix_transpose(W), A))
        return xp.astype(xp.sqrt(xp.sum(logs**2, axis=-1)), A.dtype, copy=False)

    return to_b


def _wasserstein_to(B: Array) -> Callable[[Array], Array]:
    xp = array_namespace(B)
    root, trace = sqrtm(wide(B)), xp.linalg.trace(wide(B))

    def to_b(A: Array) -> Array:
        spectrum = eigenvalues(root @ wide(A) @ root, A, "semidefinite")
        squared = xp.linalg.trace(wide(A)) + trace - 2 * xp.sum(xp.sqrt(spectrum), axis=-1)
        squared = xp.where(squared > 0, squared, xp.zeros_like(squared))
        return xp.astype(xp.sqrt(squared), A.dtype, copy=False)

    return to_b


_DISTANCES_TO = {
    "euclid": _euclid_to,
    "logeuclid": _logeuclid_to,
    "riemann": _riemann_to,
    "wasserstein": _wasserstein_to,
}


def _distance_to(B: Array, metric: str) -> Callable[[Array], Array]:
    """Distances to ``B``, which is decomposed once, as a function of a stack that broadcasts."""
    if metric not in _DISTANCES_TO:
        raise ValueError(
            f"metric={metric!r} is not known here. Use one of {sorted(_DISTANCES_TO)}."
        )
    return _DISTANCES_TO[metric](B)


def distance(A: Array, B: Array, metric: str = "riemann") -> Array:
    """Distance of each pair of matrices under a metric.

    Parameters
    ----------
    A, B : arrays of shape (..., n, n)
        Symmetric positive definite; leading axes broadcast.
    metric : {"riemann", "logeuclid", "wasserstein", "euclid"}, default="riemann"
        Name of the metric.

    Returns
    -------
    d : array of shape (...)
        Distances, not squared.

    Raises
    ------
    ValueError
        If the metric is not known, or a matrix is not positive definite.
    """
    A, B = (A, B) if _count(A) >= _count(B) else (B, A)  # the metrics are symmetric
    return _distance_to(B, metric)(A)


def pairwise_distance(
    A: Array, B: Array, metric: str = "riemann", *, n_jobs: int | None = None
) -> Array:
    """Distance of each matrix of a stack to each matrix of another, such as class means.

    Parameters
    ----------
    A : array of shape (n_matrices, n, n)
        Symmetric positive definite.
    B : array of shape (n_others, n, n)
        Symmetric positive definite, few: each is decomposed once.
    metric : {"riemann", "logeuclid", "wasserstein", "euclid"}, default="riemann"
        Name of the metric.
    n_jobs : int, optional
        Threads, for NumPy; None means 1.

    Returns
    -------
    d : array of shape (n_matrices, n_others)
        Distances, not squared.
    """
    to_b = _distance_to(B, metric)
    return in_pieces(lambda piece: to_b(piece[:, None, ...]), A, (B.shape[0],), n_jobs)
