"""Distances of positive definite matrices.

Metrics: "riemann" (affine invariant), "logeuclid", "wasserstein" (Bures-Wasserstein), "euclid".
float32 matrices are worked on in float64 and the result rounded.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ..._array import Array, array_namespace, real_floats
from .spd import eigenpairs, eigenvalues, in_pieces, logm, sqrtm, wide

__all__ = ["distance", "pairwise_distance"]


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
    A, B = real_floats(A, B)
    if math.prod(A.shape[:-2]) < math.prod(B.shape[:-2]):  # the metrics are symmetric
        A, B = B, A
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
    A, B = real_floats(A, B)
    to_b = _distance_to(B, metric)
    return in_pieces(lambda piece: to_b(piece[:, None, ...]), A, (B.shape[0],), n_jobs)
