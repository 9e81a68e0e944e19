"""Means of positive definite matrices: affine-invariant, log-Euclidean, Bures-Wasserstein.

The affine-invariant mean is found by Newton's method, the others in closed form or by their
fixed-point equations.
"""

from __future__ import annotations

from typing import NamedTuple

from sklearn.exceptions import ConvergenceWarning

from ..._array import Array, array_namespace, device_of, real_floats
from ..._warnings import warn
from .spd import (
    NotPositiveDefinite,
    eigenpairs,
    expm,
    in_pieces,
    logm,
    naming_the_matrix,
    not_positive_definite,
    pieces,
    sqrtm,
    threads,
    wide,
    with_null_space,
)
from .spd_newton import riemann_newton

__all__ = [
    "SPDMean",
    "mean_spd",
    "root_pair",
    "unit_weights",
    "wasserstein_barycentre",
]


class SPDMean(NamedTuple):
    """A mean of matrices, and how it was reached."""

    mean: Array
    """The mean, (n, n), in the dtype of the matrices."""
    n_iter: int
    """How often all matrices were decomposed."""
    converged: bool
    """Whether the stopping rule was met."""


def unit_weights(A: Array, sample_weight: Array | None) -> Array:
    """Weights of sum 1 in float64, on the device of ``A``.

    Parameters
    ----------
    A : array of shape (n_matrices, n, n)
        The matrices.
    sample_weight : array of shape (n_matrices,), optional
        Nonnegative, not all zero; None means equal.

    Returns
    -------
    weights : array of shape (n_matrices,)
        Their sum is 1.

    Raises
    ------
    ValueError
        If the shapes do not fit, or the weights are no weights.
    """
    xp = array_namespace(A)
    if A.ndim != 3 or A.shape[0] < 1 or A.shape[1] != A.shape[2]:
        raise ValueError(
            "A mean needs a stack of shape (n_matrices, n, n) with at least one matrix, but the "
            f"shape is {tuple(A.shape)}."
        )
    if sample_weight is None:
        return xp.full(A.shape[0], 1.0 / A.shape[0], dtype=xp.float64, device=device_of(A))
    weights = xp.asarray(sample_weight, dtype=xp.float64, device=device_of(A))
    if tuple(weights.shape) != (A.shape[0],):
        raise ValueError(
            f"sample_weight has shape {tuple(weights.shape)}, but there are {A.shape[0]} matrices: "
            f"give one weight for each, shape ({A.shape[0]},)."
        )
    total = xp.sum(weights)
    if not bool(xp.all(weights >= 0) & (total > 0) & xp.isfinite(total)):
        raise ValueError("sample_weight must be nonnegative and finite, with a positive sum.")
    return weights / total


def mean_spd(
    A: Array,
    metric: str = "riemann",
    *,
    sample_weight: Array | None = None,
    init: Array | None = None,
    tol: float = 1e-8,
    max_iter: int = 50,
    n_jobs: int | None = None,
) -> SPDMean:
    r"""Matrix with the smallest weighted sum of squared distances to the given ones.

    Parameters
    ----------
    A : array of shape (n_matrices, n, n)
        Symmetric positive definite; semidefinite is enough for "euclid" and "wasserstein".
    metric : {"riemann", "logeuclid", "wasserstein", "euclid"}, default="riemann"
        "riemann" is affine invariant.
    sample_weight : array of shape (n_matrices,), optional
        Nonnegative, not all zero; only their ratios matter.
    init : array of shape (n, n), optional
        Where the iteration starts, such as the mean of most of the matrices. None means the
        geometric mean of the arithmetic and the harmonic mean ("riemann"), or the arithmetic mean
        ("wasserstein").
    tol : float, default=1e-8
        "riemann": stop when the mean logarithm ``J = sum_i w_i log(M^{-1/2} A_i M^{-1/2})`` has
        Frobenius norm at most `tol`, or when a last Newton step is expected to bring it there (the
        residual of its linear system plus ``||J||^2`` is at most `tol`). The distance to the mean
        is then at most `tol` too: a relative error, independent of units. "wasserstein": when
        ``||sum_i w_i (G^{1/2} A_i G^{1/2})^{1/2} - G|| <= tol ||G||``.
    max_iter : int, default=50
        Largest number of times that all matrices are decomposed.
    n_jobs : int, optional
        Threads, for NumPy; None means 1. The result does not depend on it.

    Returns
    -------
    result : SPDMean
        ``mean``, ``n_iter``, ``converged``.

    Raises
    ------
    ValueError
        If the shapes or weights do not fit, the metric is not known, or a matrix is not positive
        definite; it is named by its index.

    Warns
    -----
    ConvergenceWarning
        If `tol` was not reached in `max_iter` iterations.

    Notes
    -----
    The Newton iteration for "riemann" is described in
    :mod:`subspace_learn.functional.covariance.spd_newton`. It takes 3 decompositions of each matrix
    to ``tol=1e-8`` on EEG covariances, where the gradient descent of pyRiemann takes 10, and the
    memory of one more stack.

    The Bures-Wasserstein mean iterates ``G <- G^{-1/2} S^2 G^{-1/2}`` with
    ``S = sum_i w_i (G^{1/2} A_i G^{1/2})^{1/2}`` ([1]_). A direction that is null in all matrices
    stays null.

    References
    ----------
    .. [1] P. C. Alvarez-Esteban, E. del Barrio, J. A. Cuesta-Albertos, C. Matran, A fixed-point
       approach to barycenters in Wasserstein space, Journal of Mathematical Analysis and
       Applications 441 (2016) 744-762, theorem 4.2.

    Examples
    --------
    >>> import numpy as np
    >>> A = np.stack([np.diag([1.0, 4.0]), np.diag([4.0, 1.0])])
    >>> mean_spd(A).mean.round(6)
    array([[2., 0.],
           [0., 2.]])
    >>> mean_spd(A, "wasserstein").mean.round(6)
    array([[2.25, 0.  ],
           [0.  , 2.25]])
    """
    A = real_floats(A)
    weights = unit_weights(A, sample_weight)
    if metric not in ("riemann", "logeuclid", "wasserstein", "euclid"):
        raise ValueError(
            f"metric={metric!r} is not known here. Use 'riemann', 'logeuclid', 'wasserstein' or "
            "'euclid'."
        )
    if max_iter < 1:
        raise ValueError(f"max_iter must be at least 1, but is {max_iter}.")
    xp = array_namespace(A)
    if not bool(xp.all(xp.isfinite(A))):
        raise not_positive_definite(A)
    if metric == "riemann":
        mean, n_iter, residual = riemann_newton(
            A, weights, init=init, tol=tol, max_iter=max_iter, n_jobs=n_jobs
        )
    elif metric == "wasserstein":
        mean, n_iter, residual = wasserstein_barycentre(
            A, weights, init=init, tol=tol, max_iter=max_iter, n_jobs=n_jobs
        )
    else:
        parts = in_pieces(logm, A, A.shape[1:], n_jobs) if metric == "logeuclid" else A
        mean = xp.tensordot(weights, wide(parts), axes=([0], [0]))
        mean, n_iter, residual = (expm(mean) if metric == "logeuclid" else mean), 1, 0.0
    converged = residual <= tol
    if not converged:
        warn(
            f"The {metric} mean did not converge: after {n_iter} iterations (max_iter={max_iter}) "
            f"the residual is {residual:.1e}, above tol={tol:.1e}. Raise max_iter or tol; if the "
            "residual does not fall, the matrices are ill-conditioned: use shrinkage.",
            ConvergenceWarning,
        )
    return SPDMean(xp.astype(mean, A.dtype, copy=False), n_iter, converged)


def wasserstein_barycentre(
    A: Array,
    weights: Array,
    *,
    init: Array | None = None,
    tol: float = 1e-8,
    max_iter: int = 50,
    n_jobs: int | None = None,
) -> tuple[Array, int, float]:
    """Bures-Wasserstein mean as :func:`mean_spd`, without a warning if the steps are few.

    Parameters
    ----------
    A : array of shape (n_matrices, n, n)
        Symmetric positive semidefinite.
    weights : array of shape (n_matrices,)
        Nonnegative, of sum 1, float64.
    init : array of shape (n, n), optional
        Start; None means the arithmetic mean.
    tol : float, default=1e-8
        Relative residual of the fixed-point equation to reach; 0 to take exactly `max_iter` steps.
    max_iter : int, default=50
        Largest number of steps.
    n_jobs : int, optional
        Threads, for NumPy.

    Returns
    -------
    mean : array of shape (n, n)
        In float64.
    n_iter : int
        Number of steps.
    residual : float
        Relative residual of the equation before the last step.
    """
    xp, X = array_namespace(A), A
    mean = xp.tensordot(weights, wide(X), axes=([0], [0]))
    start = mean if init is None else wide(init)
    # What is null in the mean is null in all: left out, or rounding there would grow step by step.
    values, vectors = eigenpairs(mean, A, "semidefinite")
    rank = int(xp.sum(xp.astype(with_null_space(values, A) > 0, xp.int64)))
    if rank == 0:
        raise NotPositiveDefinite("All matrices are zero: they have no mean that is positive.")
    basis = vectors[:, values.shape[0] - rank :] if rank < values.shape[0] else None
    if basis is not None:
        rows = xp.matrix_transpose(basis)
        start, X = rows @ start @ basis, rows @ wide(X) @ basis
    G, n_iter, residual = _fixed_point(X, weights, start, tol, max_iter, n_jobs)
    if basis is not None:
        G = basis @ G @ xp.matrix_transpose(basis)
    return G, n_iter, residual


def _fixed_point(
    X: Array, weights: Array, G: Array, tol: float, max_iter: int, n_jobs: int | None
) -> tuple[Array, int, float]:
    """Iterate ``G <- G^{-1/2} S^2 G^{-1/2}``; return G, the steps, the residual of the last."""
    xp = array_namespace(X)
    slices = pieces(X)
    with naming_the_matrix(X), threads(X, n_jobs) as run:
        for n_iter in range(1, max_iter + 1):
            root, inverse_root = root_pair(G)
            sums = run(lambda s: _root_sum(X[s, ...], weights[s], root), slices)  # noqa: B023
            S = sum(sums[1:], sums[0])
            residual = float(xp.linalg.matrix_norm(S - G) / xp.linalg.matrix_norm(G))
            G = inverse_root @ S @ S @ inverse_root
            if residual <= tol or n_iter == max_iter:
                break
    return G, n_iter, residual


def root_pair(G: Array) -> tuple[Array, Array]:
    """Square root of a matrix and the pseudo-inverse of the root: what is null stays null.

    Parameters
    ----------
    G : array of shape (n, n)
        Symmetric positive semidefinite.

    Returns
    -------
    root, inverse_root : arrays of shape (n, n)
        Eigenvalues of G that may be rounding count as 0 in both.
    """
    xp = array_namespace(G)
    values, vectors = eigenpairs(G, definite="semidefinite")
    null = with_null_space(values, G) == 0
    roots = xp.where(null, xp.zeros_like(values), xp.sqrt(values))
    inverse = xp.where(null, xp.zeros_like(values), 1 / xp.where(null, xp.ones_like(roots), roots))
    rows = xp.matrix_transpose(vectors)
    return (vectors * roots) @ rows, (vectors * inverse) @ rows


def _root_sum(X: Array, weights: Array, root: Array) -> Array:
    """Sum of ``w_i (R X_i R)^{1/2}``."""
    xp = array_namespace(X)
    roots = sqrtm(root @ wide(X) @ root)
    return xp.tensordot(weights, roots, axes=([0], [0]))
