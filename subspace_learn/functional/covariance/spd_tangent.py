r"""Tangent spaces of positive definite matrices: maps to and from, vectors, parallel transport.

Metrics: "riemann" (affine invariant), "logeuclid", "wasserstein" (Bures-Wasserstein), "euclid".
float32 matrices are worked on in float64 and the result rounded, as in
:mod:`subspace_learn.functional.covariance.spd`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..._array import Array, array_namespace, device_of, namespace_and_floats, real_floats
from .spd import (
    eigenpairs,
    eigenvalues,
    expm,
    in_pieces,
    invsqrtm,
    logm,
    sqrtm,
    symmetric_from_upper,
    upper_vector,
    wide,
)

__all__ = [
    "exp_map",
    "from_tangent_vectors",
    "log_map",
    "tangent_vectors",
    "transport",
    "whiten",
]

METRICS = ("riemann", "logeuclid", "wasserstein", "euclid")


def _check_metric(metric: str) -> None:
    if metric not in METRICS:
        raise ValueError(f"metric={metric!r} is not known here. Use one of {sorted(METRICS)}.")


def whiten(A: Array, M: Array) -> Array:
    """Return ``M^{-1/2} A M^{-1/2}``: the matrices seen from M, which becomes the identity.

    Parameters
    ----------
    A : array of shape (..., n, n)
        Symmetric.
    M : array of shape (n, n)
        Symmetric positive definite.

    Returns
    -------
    B : array of shape (..., n, n)
        In the dtype of ``A``.
    """
    A, W = real_floats(A), invsqrtm(wide(real_floats(M)))
    return _narrow(W @ wide(A) @ W, A)


def log_map(A: Array, M: Array, metric: str = "riemann") -> Array:
    r"""Tangent vector at M that points to A: its length is their distance.

    Parameters
    ----------
    A : array of shape (..., n, n)
        Symmetric positive definite.
    M : array of shape (n, n)
        Symmetric positive definite.
    metric : {"riemann", "logeuclid", "wasserstein", "euclid"}, default="riemann"
        Name of the metric.

    Returns
    -------
    V : array of shape (..., n, n)
        Symmetric.

    Raises
    ------
    ValueError
        If the metric is not known, or a matrix is not positive definite.

    See Also
    --------
    exp_map : The inverse.

    Notes
    -----
    - riemann: ``M^{1/2} log(M^{-1/2} A M^{-1/2}) M^{1/2}``
    - logeuclid: ``D exp(log M)[log A - log M]``
    - wasserstein: ``(MA)^{1/2} + (AM)^{1/2} - 2 M``
    - euclid: ``A - M``

    pyRiemann's ``log_map_riemann`` leaves the outer ``M^{1/2}`` out unless ``C12=True``.
    """
    _check_metric(metric)
    A, M = real_floats(A, M)
    a, m = wide(A), wide(M)
    if metric == "euclid":
        return A - M
    if metric == "logeuclid":
        return _narrow(_differential_exp(logm(m), logm(a) - logm(m)), A)
    root, inverse_root = _both_roots(m)
    if metric == "riemann":
        return _narrow(root @ logm(inverse_root @ a @ inverse_root) @ root, A)
    half = inverse_root @ sqrtm(root @ a @ root) @ root
    return _narrow(half + array_namespace(a).matrix_transpose(half) - 2 * m, A)


def exp_map(V: Array, M: Array, metric: str = "riemann") -> Array:
    r"""Point that is reached from M along V in unit time.

    Parameters
    ----------
    V : array of shape (..., n, n)
        Symmetric.
    M : array of shape (n, n)
        Symmetric positive definite.
    metric : {"riemann", "logeuclid", "wasserstein", "euclid"}, default="riemann"
        Name of the metric.

    Returns
    -------
    A : array of shape (..., n, n)
        Symmetric; positive definite under "riemann" and "logeuclid".

    Raises
    ------
    ValueError
        If the metric is not known or M not positive definite.

    See Also
    --------
    log_map : The inverse.

    Notes
    -----
    Under "wasserstein" the map is ``(I + L) M (I + L)`` with ``M L + L M = V``, a geodesic only
    while ``I + L`` is positive definite: space ends at the singular matrices. Beyond, the result
    is still positive semidefinite and silently wrong as the end of a geodesic; the caller checks.
    """
    _check_metric(metric)
    xp, V, M = namespace_and_floats(V, M)
    v, m = wide(V), wide(M)
    if metric == "euclid":
        return M + V
    if metric == "logeuclid":
        return _narrow(expm(logm(m) + _differential_log(m, v)), V)
    if metric == "riemann":
        root, inverse_root = _both_roots(m)
        return _narrow(root @ expm(inverse_root @ v @ inverse_root) @ root, V)
    values, vectors = eigenpairs(m)
    rows = xp.matrix_transpose(vectors)
    L = (rows @ v @ vectors) / (values[:, None] + values[None, :])
    return _narrow(m + v + vectors @ (L @ (values[:, None] * L)) @ rows, V)


def _coordinates(M: Array, metric: str, xp: Any) -> Callable[[Array], Array]:
    """Map of matrices (m, n, n) to symmetric matrices of their normal coordinates at ``M``."""
    if metric == "euclid":
        return lambda a: a - M
    if metric == "logeuclid":
        log_m = logm(M)
        return lambda a: logm(a) - log_m
    if metric == "riemann":
        W = invsqrtm(M)
        return lambda a: logm(W @ a @ W)
    values, vectors = eigenpairs(M)
    rows, roots = xp.matrix_transpose(vectors), xp.sqrt(values)
    scale = 1 / xp.sqrt(2 * (values[:, None] + values[None, :]))
    diagonal = 2 * values * xp.eye(M.shape[-1], dtype=M.dtype, device=device_of(M))

    def wasserstein(a: Array) -> Array:
        half = sqrtm(roots[:, None] * (rows @ a @ vectors) * roots)
        half = half * roots / roots[:, None]
        V = half + xp.matrix_transpose(half) - diagonal
        return vectors @ (V * scale) @ rows

    return wasserstein


def tangent_vectors(
    A: Array, M: Array, metric: str = "riemann", n_jobs: int | None = None
) -> Array:
    r"""Coordinates of matrices in the tangent space at M, as rows of a table.

    Normal coordinates: the norm of a row is the distance of its matrix to M, and the inner product
    of rows that of tangent vectors. So any linear classifier on them uses the metric.

    Parameters
    ----------
    A : array of shape (n_matrices, n, n)
        Symmetric positive definite.
    M : array of shape (n, n)
        Reference, such as a mean.
    metric : {"riemann", "logeuclid", "wasserstein", "euclid"}, default="riemann"
        Name of the metric.
    n_jobs : int, optional
        Threads, for NumPy; None means 1.

    Returns
    -------
    T : array of shape (n_matrices, n (n + 1) / 2)
        In the dtype of ``A``.

    Raises
    ------
    ValueError
        If the metric is not known, or a matrix is not positive definite; it is named.

    See Also
    --------
    from_tangent_vectors : The inverse.
    upper_vector : Order of the entries.

    Notes
    -----
    With :func:`~subspace_learn.functional.covariance.spd.upper_vector` written "upper":

    - riemann: ``upper(log(M^{-1/2} A M^{-1/2}))``, pyRiemann's ``tangent_space``;
    - logeuclid: ``upper(log A - log M)``;
    - wasserstein: ``upper(U S U^T)`` with ``S_jk = (U^T Log_M(A) U)_jk / (2 (s_j + s_k))^{1/2}``
      and ``M = U diag(s) U^T``;
    - euclid: ``upper(A - M)``.

    For "logeuclid" and "wasserstein" pyRiemann takes the entries of the tangent vector itself,
    whose norm is not the distance; the two differ by a linear map of the table.

    Examples
    --------
    >>> import numpy as np
    >>> A = np.stack([np.diag([np.e, 1.0]), np.eye(2)])
    >>> tangent_vectors(A, np.eye(2))
    array([[1., 0., 0.],
           [0., 0., 0.]])
    """
    _check_metric(metric)
    xp, A, M = namespace_and_floats(A, M)
    n = A.shape[-1]
    coordinates = _coordinates(xp.astype(M, xp.float64, copy=False), metric, xp)

    def rows(piece: Array) -> Array:
        vectors = upper_vector(coordinates(xp.astype(piece, xp.float64, copy=False)))
        return xp.astype(vectors, A.dtype, copy=False)

    return in_pieces(rows, A, (n * (n + 1) // 2,), n_jobs)


def from_tangent_vectors(T: Array, M: Array, metric: str = "riemann") -> Array:
    """Matrices with the given coordinates at M: the inverse of :func:`tangent_vectors`.

    Parameters
    ----------
    T : array of shape (..., n (n + 1) / 2)
        Coordinates.
    M : array of shape (n, n)
        Symmetric positive definite.
    metric : {"riemann", "logeuclid", "wasserstein", "euclid"}, default="riemann"
        Name of the metric.

    Returns
    -------
    A : array of shape (..., n, n)
        Symmetric; positive definite under "riemann" and "logeuclid".
    """
    _check_metric(metric)
    xp, T, M = namespace_and_floats(T, M)
    S, m = wide(symmetric_from_upper(T)), wide(M)
    if metric == "euclid":
        return _narrow(m + S, T)
    if metric == "logeuclid":
        return _narrow(expm(logm(m) + S), T)
    if metric == "riemann":
        root = sqrtm(m)
        return _narrow(root @ expm(S) @ root, T)
    values, vectors = eigenpairs(m)
    rows = xp.matrix_transpose(vectors)
    scale = xp.sqrt(2 * (values[:, None] + values[None, :]))
    return _narrow(exp_map(vectors @ ((rows @ S @ vectors) * scale) @ rows, m, metric), T)


def transport(V: Array, A: Array, B: Array, metric: str = "riemann") -> Array:
    r"""Parallel transport of tangent vectors from A to B along their geodesic.

    Parameters
    ----------
    V : array of shape (..., n, n)
        Symmetric: tangent vectors at A.
    A, B : arrays of shape (n, n)
        Symmetric positive definite.
    metric : {"riemann", "logeuclid", "wasserstein", "euclid"}, default="riemann"
        Name of the metric. "wasserstein" has a closed form only where A and B commute, for
        example when one of them is a multiple of the identity.

    Returns
    -------
    W : array of shape (..., n, n)
        Tangent vectors at B, with the inner products they had at A.

    Raises
    ------
    ValueError
        If the metric is not known, a matrix is not positive definite, or A and B do not commute
        under "wasserstein".

    Notes
    -----
    riemann: ``E V E^T`` with ``E = (B A^{-1})^{1/2}``. logeuclid: ``D exp(log B)[D log(A)[V]]``.
    wasserstein: ``U [((b_j + b_k) / (a_j + a_k))^{1/2} (U^T V U)_jk] U^T`` with the common
    eigenvectors U.
    """
    _check_metric(metric)
    xp, V, A, B = namespace_and_floats(V, A, B)
    v, a, b = wide(V), wide(A), wide(B)
    if metric == "euclid":
        return V
    if metric == "logeuclid":
        return _narrow(_differential_exp(logm(b), _differential_log(a, v)), V)
    if metric == "riemann":
        root, inverse_root = _both_roots(a)
        E = root @ sqrtm(inverse_root @ b @ inverse_root) @ inverse_root
        return _narrow(E @ v @ xp.matrix_transpose(E), V)
    vectors, of_a, of_b = _common_eigenvectors(a, b)
    factor = xp.sqrt((of_b[:, None] + of_b[None, :]) / (of_a[:, None] + of_a[None, :]))
    rows = xp.matrix_transpose(vectors)
    return _narrow(vectors @ (factor * (rows @ v @ vectors)) @ rows, V)


def _common_eigenvectors(A: Array, B: Array) -> tuple[Array, Array, Array]:
    """Eigenvectors of both matrices, and the eigenvalues of each."""
    xp = array_namespace(A, B)
    eps = float(xp.finfo(A.dtype).eps)
    defect = float(xp.linalg.matrix_norm(A @ B - B @ A))
    scale = float(xp.linalg.matrix_norm(A) * xp.linalg.matrix_norm(B))
    if defect > 100 * A.shape[-1] * eps * scale:
        raise ValueError(
            "Under metric='wasserstein' parallel transport has a closed form only between "
            f"matrices that commute, but ||AB - BA|| is {defect / scale:.1e} of ||A|| ||B||. Go by "
            "way of the identity (a path, not the geodesic), or use metric='riemann'."
        )
    # A generic combination separates the eigenvectors that either matrix alone leaves open.
    mixed = A / xp.linalg.matrix_norm(A) + 0.6180339887 * B / xp.linalg.matrix_norm(B)
    vectors = xp.linalg.eigh(mixed)[1]
    rows = xp.matrix_transpose(vectors)
    eigenvalues(A), eigenvalues(B)  # they raise the error
    return (
        vectors,
        xp.linalg.diagonal(rows @ A @ vectors),
        xp.linalg.diagonal(rows @ B @ vectors),
    )


def _narrow(X: Array, like: Array) -> Array:
    """Return ``X`` in the dtype of ``like``."""
    return array_namespace(X).astype(X, like.dtype, copy=False)


def _both_roots(M: Array) -> tuple[Array, Array]:
    """``M^{1/2}`` and ``M^{-1/2}`` from one decomposition."""
    xp = array_namespace(M)
    values, vectors = eigenpairs(M)
    rows, roots = xp.matrix_transpose(vectors), xp.sqrt(values)
    return (vectors * roots) @ rows, (vectors / roots) @ rows


def _divided_exp(logs: Array) -> Array:
    """First divided differences of exp at the ``logs`` of eigenvalues.

    ``(e^a - e^b) / (a - b) = e^{(a + b) / 2} sinh(h) / h`` with ``h = (a - b) / 2``: no
    cancellation, however close a and b are.
    """
    xp = array_namespace(logs)
    half = (logs[:, None] - logs[None, :]) / 2
    same = half == 0
    ratio = xp.sinh(half) / xp.where(same, xp.ones_like(half), half)
    centre = xp.exp((logs[:, None] + logs[None, :]) / 2)
    return centre * xp.where(same, xp.ones_like(half), ratio)


def _differential_exp(S: Array, V: Array) -> Array:
    """Differential of the matrix exponential at S in direction V (Daleckii-Krein)."""
    xp = array_namespace(S)
    logs, vectors = eigenpairs(S, definite="any")
    rows = xp.matrix_transpose(vectors)
    return vectors @ (_divided_exp(logs) * (rows @ V @ vectors)) @ rows


def _differential_log(M: Array, V: Array) -> Array:
    """Differential of the matrix logarithm at M in direction V: inverse of that of exp."""
    xp = array_namespace(M)
    values, vectors = eigenpairs(M)
    rows = xp.matrix_transpose(vectors)
    return vectors @ ((rows @ V @ vectors) / _divided_exp(xp.log(values))) @ rows
