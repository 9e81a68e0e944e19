r"""Principal subspaces as points of a Grassmann manifold: the mathematics of GrassmannPCA.

For centred rows with scatter matrix S the principal subspace of dimension k is
``argmax over U in Gr(k, d) of tr(U^T S U)``, spanned by the k leading eigenvectors of S (Ky Fan).
A table is condensed to a summary of its second moments, exact (`Moments`) or of low rank
(`LowRankMoments`); summaries of several tables merge into one; the subspace is read from it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from .._array import Array, array_namespace, is_numpy, library_name
from ..linalg.eig import leading_eigenpairs, with_fixed_signs, without_rounding
from ..linalg.krylov import KrylovSpace, RitzPairs, orthonormal_against, ritz_pairs
from ..linalg.lowrank import (
    LowRankMoments,
    centred_table,
    compressed,
    dual_low_rank,
    krylov_low_rank,
    merged_low_rank,
    svd_low_rank,
)
from ..linalg.moments import Moments, merged_moments, row_blocks, table_moments

__all__ = [
    "EXACT_FEATURES",
    "PrincipalSubspace",
    "Summary",
    "condensed",
    "merged",
    "principal_subspace",
    "projection_scores",
    "resolved_solver",
    "squared_residuals",
    "streamed",
    "trust_region_pairs",
]

Summary = Moments | LowRankMoments

# Up to this many features a stream keeps the d x d scatter matrix (32 MiB at the limit).
EXACT_FEATURES = 2048
# Block Krylov needs about this many passes over X on spectra that decay, and a product with a thin
# block runs at about a third of the speed of a square one: both enter the choice of "auto" only.
_KRYLOV_PASSES = 12
_THIN_PENALTY = 3


class PrincipalSubspace(NamedTuple):
    """What is read from a summary, in float64."""

    components: Array
    """Orthonormal rows, (n_components, n_features), signs fixed."""
    eigenvalues: Array
    """Leading eigenvalues of the scatter matrix, (n_components,), descending, nonnegative."""
    total: float
    """Trace of the scatter matrix."""
    n_iter: int = 1
    """Steps of an iterative solver."""
    converged: bool = True
    """Whether an iterative solver reached its tolerance."""


def resolved_solver(
    solver: str, shape: tuple[int, int], n_components: float | None, *, sparse: bool
) -> str:
    """Turn ``solver="auto"`` into a solver by counting flops; check the others against the input.

    Parameters
    ----------
    solver : {"auto", "covariance", "svd", "randomized", "trust_region"}
        As given by the user.
    shape : tuple of int
        Rows and columns of the table.
    n_components : int, float or None
        As given by the user.
    sparse : bool
        Whether the table is sparse.

    Returns
    -------
    solver : str
        Anything but "auto".

    Raises
    ------
    ValueError
        If the solver cannot serve this input.
    """
    short, long = min(shape), max(shape)
    if solver == "auto":
        if not isinstance(n_components, int) or 8 * n_components > short:
            return "covariance"
        exact = short**2 * long + 4 * short**3 // 3
        krylov = _THIN_PENALTY * _KRYLOV_PASSES * 4 * short * long * (n_components + 10)
        return "randomized" if krylov < exact else "covariance"
    if solver in ("randomized", "trust_region") and not isinstance(n_components, int):
        raise ValueError(
            f"solver={solver!r} finds a given number of directions, but n_components="
            f"{n_components!r}. Give an integer, or use solver='covariance' or 'svd'."
        )
    if solver == "svd" and sparse:
        raise ValueError(
            "solver='svd' needs dense X, and sparse X is never made dense here. Use "
            "solver='covariance', 'randomized' or 'auto'."
        )
    return solver


def condensed(
    X: Array,
    weights: Array | None,
    *,
    solver: str,
    n_components: float | None,
    center: bool,
    tol: float,
    max_iter: int,
    n_oversamples: int,
    rng: np.random.Generator,
) -> tuple[Summary, RitzPairs | None]:
    """Condense a table to the statistics from which its principal subspace is read.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        Finite floats.
    weights : array of shape (n_samples,), or None
        Frequencies.
    solver : {"covariance", "svd", "randomized", "trust_region"}
        See :func:`resolved_solver`.
    n_components : int, float or None
        Directions wanted; an int for "randomized" and "trust_region".
    center : bool
        Whether the mean is subtracted.
    tol, max_iter : float, int
        Stopping rule of the iterative solvers.
    n_oversamples : int
        Extra columns of the randomized solver's block.
    rng : numpy.random.Generator
        Source of the starting point.

    Returns
    -------
    summary : Moments or LowRankMoments
        Exact for "covariance" and "trust_region" on tables with n_features <= n_samples, of low
        rank otherwise.
    pairs : RitzPairs or None
        What an iterative solver that ran on X itself tells about its end.
    """
    tall = X.shape[1] <= X.shape[0]
    if solver in ("covariance", "trust_region") and tall:
        return table_moments(X, weights, center=center), None
    table = centred_table(X, weights, center=center)
    if solver == "svd":
        return svd_low_rank(table), None
    if solver == "covariance":
        kept = n_components + n_oversamples if isinstance(n_components, int) else None
        return dual_low_rank(table, kept), None
    if solver == "randomized":
        return krylov_low_rank(
            table, n_components, n_oversamples=n_oversamples, tol=tol, max_iter=max_iter, rng=rng
        )
    total = table.total()
    pairs = trust_region_pairs(
        table.scatter, table.mean, n_components, total, tol=tol, max_iter=max_iter, rng=rng
    )
    root = np.sqrt(np.clip(pairs.values, 0.0, None))
    low = LowRankMoments(table.n_samples, table.weight, table.mean, root, pairs.vectors, total)
    return low, pairs


def streamed(
    X: Array,
    weights: Array | None,
    *,
    n_components: float | None,
    n_oversamples: int,
    center: bool,
) -> Summary:
    """Summary of one batch: exact up to ``EXACT_FEATURES`` columns, of low rank above.

    Parameters
    ----------
    X, weights, n_components, n_oversamples, center
        As in :func:`condensed`.

    Returns
    -------
    summary : Moments or LowRankMoments
        To be merged with that of the batches before.

    Raises
    ------
    ValueError
        If the table is too wide for exact statistics and ``n_components`` is not an integer.
    """
    if X.shape[1] <= EXACT_FEATURES:
        return table_moments(X, weights, center=center)
    rank = _low_rank(n_components, n_oversamples)
    step = max(512, rank)  # rows at a time: the cost of a batch stays linear in its rows
    state: Summary | None = None
    for start in range(0, X.shape[0], step):
        rows = slice(start, start + step)
        part = centred_table(X[rows, :], None if weights is None else weights[rows], center=center)
        if part.weight == 0:
            continue
        low = dual_low_rank(part, rank) if sp.issparse(X) else svd_low_rank(part, rank)
        state = low if state is None else merged_low_rank(state, low, rank, center=center)
    return state


def _low_rank(n_components: float | None, n_oversamples: int) -> int:
    """Rank that low-rank statistics keep."""
    if not isinstance(n_components, int):
        raise ValueError(
            f"n_components={n_components!r} needs the whole spectrum, but only low-rank statistics "
            f"are kept here (X has more than {EXACT_FEATURES} features, or a solver other than "
            "'covariance' made them). Set n_components to an integer."
        )
    return n_components + n_oversamples


def merged(
    a: Summary, b: Summary, *, n_components: float | None, n_oversamples: int, center: bool
) -> Summary:
    """Summary of two sets of rows: exact if both are, else of rank n_components + n_oversamples.

    Parameters
    ----------
    a, b : Moments or LowRankMoments
        Of disjoint sets of rows.
    n_components, n_oversamples, center
        As in :func:`condensed`.

    Returns
    -------
    summary : Moments or LowRankMoments
        Of the union.

    Raises
    ------
    ValueError
        If a low-rank update is needed and ``n_components`` is not an integer.
    """
    if isinstance(a, Moments) and isinstance(b, Moments):
        return merged_moments(a, b, center=center)
    rank = _low_rank(n_components, n_oversamples)
    low_a, low_b = (compressed(s, rank) if isinstance(s, Moments) else s for s in (a, b))
    return merged_low_rank(low_a, low_b, rank, center=center)


def principal_subspace(
    state: Summary,
    n_components: float | None,
    *,
    solver: str = "covariance",
    tol: float = 1e-8,
    max_iter: int = 200,
    rng: np.random.Generator | None = None,
    eps: float = 2.0**-52,
) -> PrincipalSubspace:
    """Read the principal subspace from a summary.

    Parameters
    ----------
    state : Moments or LowRankMoments
        Second moments of the data.
    n_components : int, float or None
        How many directions: a number, the smallest number that explains this share of the total
        variance, or (None) all with variance above rounding.
    solver : str, default="covariance"
        "trust_region" optimises on the Grassmann manifold; any other solves the eigenproblem.
    tol, max_iter, rng
        For "trust_region".
    eps : float, default=2**-52
        Unit of rounding of the data from which the moments were formed.

    Returns
    -------
    subspace : PrincipalSubspace
        Components with fixed signs, eigenvalues, total.

    Raises
    ------
    ValueError
        If there are fewer than ``n_components`` directions.
    """
    if isinstance(state, LowRankMoments):
        values, basis, total = state.singular_values**2, state.basis, state.total
        return _cut(values, basis, total, n_components, _n_directions(state))
    xp = array_namespace(state.scatter)
    total = float(xp.linalg.trace(state.scatter))
    limit = _n_directions(state)
    if solver == "trust_region":
        pairs = trust_region_pairs(
            lambda Q: state.scatter @ Q,
            state.mean,
            _checked_count(n_components, limit),
            total,
            tol=tol,
            max_iter=max_iter,
            rng=rng,
        )
        cut = _cut(pairs.values, pairs.vectors, total, n_components, limit)
        return cut._replace(n_iter=pairs.n_iter, converged=pairs.converged)
    wanted = n_components if isinstance(n_components, int) else limit
    values, vectors = leading_eigenpairs(state.scatter, _checked_count(wanted, limit))
    values = without_rounding(values, state.scatter.shape[0], eps)
    return _cut(values, vectors, total, n_components, limit)


def _n_directions(state: Summary) -> int:
    """Largest number of directions the data allow: min(n_samples, n_features)."""
    return min(state.n_samples, state.mean.shape[0])


def _checked_count(n_components: int, limit: int) -> int:
    if n_components > limit:
        raise ValueError(
            f"n_components={n_components} must be at most min(n_samples, n_features)={limit}. "
            "Give more rows, or a smaller n_components."
        )
    return n_components


def _cut(
    values: Array, vectors: Array, total: float, n_components: float | None, limit: int
) -> PrincipalSubspace:
    """Keep the first ``n_components`` of eigenpairs sorted in descending order."""
    xp = array_namespace(values)
    values = xp.clip(values, min=0.0)
    if n_components is None:
        above = int(xp.sum(xp.astype(values > 0, xp.int64)))
        count = max(1, min(above, limit))
    elif isinstance(n_components, int):
        count = _checked_count(n_components, min(limit, values.shape[0]))
    else:  # one rounding error below the share still counts as reaching it
        reached = xp.cumulative_sum(values) >= (n_components - 1e-12) * total
        first = values.shape[0] - int(xp.sum(xp.astype(reached, xp.int64))) + 1
        count = min(first, values.shape[0], limit)
    return PrincipalSubspace(with_fixed_signs(vectors[:, :count].T), values[:count], total)


def trust_region_pairs(
    operator: Callable[[Array], Array],
    like: Array,
    n_pairs: int,
    total: float,
    *,
    tol: float,
    max_iter: int,
    rng: np.random.Generator,
) -> RitzPairs:
    """Leading eigenpairs by a Riemannian trust-region method on Gr(n_pairs, d).

    Minimises ``-tr(U^T S U) / 2`` with Euclidean gradient ``-S U`` and Hessian ``-S H``, which
    pymanopt turns into Riemannian ones; then Rayleigh-Ritz within the subspace found.

    Parameters
    ----------
    operator : callable
        Maps a NumPy array (d, k) to S times it.
    like : ndarray of shape (d,)
        Gives the ambient dimension and shows the array library.
    n_pairs : int
        Dimension k of the subspace.
    total : float
        Trace of S; the objective is divided by it.
    tol : float
        Stop when the gradient norm of the scaled objective is below this.
    max_iter : int
        Most outer iterations.
    rng : numpy.random.Generator
        Source of the starting point.

    Returns
    -------
    pairs : RitzPairs
        With steps taken and whether ``tol`` was reached.

    Raises
    ------
    ValueError
        If the data are not NumPy arrays: pymanopt's manifolds are written in NumPy.
    """
    if not is_numpy(like):
        raise ValueError(
            f"solver='trust_region' works on NumPy arrays only (pymanopt), but X is from "
            f"{library_name(like)}. Use solver='covariance' or 'randomized', or ToDevice('cpu')."
        )
    start = orthonormal_against(rng.standard_normal((like.shape[0], n_pairs)), None)
    scale = total if total > 0 else 1.0
    U, gradient_norm, n_iter = start, 0.0, 0
    if n_pairs < like.shape[0]:  # Gr(d, d) is a single point
        U, gradient_norm, n_iter = _minimised(operator, start, scale, tol, max_iter)
    values, vectors, residuals = ritz_pairs(KrylovSpace(U, operator(U)), n_pairs)
    norms = np.linalg.norm(residuals, axis=0)
    return RitzPairs(values, vectors, norms, n_iter, gradient_norm <= tol)


def _minimised(
    operator: Callable[[Array], Array], start: Array, scale: float, tol: float, max_iter: int
) -> tuple[Array, float, int]:
    """Run pymanopt; return the point, its gradient norm and the number of iterations."""
    import pymanopt
    from pymanopt.manifolds import Grassmann
    from pymanopt.optimizers import TrustRegions

    manifold = Grassmann(*start.shape)

    @pymanopt.function.numpy(manifold)
    def cost(U: Array) -> float:
        return -0.5 * float(np.sum(U * operator(U))) / scale

    @pymanopt.function.numpy(manifold)
    def gradient(U: Array) -> Array:
        return -operator(U) / scale

    @pymanopt.function.numpy(manifold)
    def hessian(U: Array, H: Array) -> Array:
        return -operator(H) / scale

    problem = pymanopt.Problem(
        manifold, cost, euclidean_gradient=gradient, euclidean_hessian=hessian
    )
    optimizer = TrustRegions(
        max_iterations=max_iter, min_gradient_norm=tol, max_time=np.inf, verbosity=0
    )
    result = optimizer.run(problem, initial_point=start)
    return result.point, float(result.gradient_norm), int(result.iterations)


def projection_scores(X: Array, mean: Array, components: Array) -> Array:
    """Coordinates ``(x - mean) U`` of the rows in the subspace.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        Rows.
    mean : array of shape (n_features,)
        Subtracted before the product (dense X: in blocks, so that a large mean costs no accuracy).
    components : array of shape (n_components, n_features)
        Orthonormal rows.

    Returns
    -------
    scores : array of shape (n_samples, n_components)
        In the precision of ``components``. Costs ``2 n d k`` flops.
    """
    if sp.issparse(X):
        return X @ components.T - (components @ mean)[None, :]
    xp = array_namespace(X)
    return xp.concat([(X[rows, :] - mean) @ components.T for rows in row_blocks(X)], axis=0)


def squared_residuals(X: Array, mean: Array, components: Array) -> Array:
    """Squared distances ``|(I - U U^T)(x - mean)|^2`` of the rows to the subspace.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        Rows.
    mean : array of shape (n_features,)
        Centre of the subspace.
    components : array of shape (n_components, n_features)
        Orthonormal rows, U^T.

    Returns
    -------
    residuals : array of shape (n_samples,)
        Nonnegative. Costs ``4 n d k`` flops for dense X, in blocks.

    Notes
    -----
    Dense rows are projected and subtracted, so a small residual keeps its relative accuracy. For
    sparse rows ``|x - mean|^2 - |U^T (x - mean)|^2`` is used, which is exact to about
    ``eps |x - mean|^2`` only, but costs ``2 nnz k``.
    """
    xp = array_namespace(X)
    if sp.issparse(X):
        energy = np.asarray(X.multiply(X).sum(axis=1)).reshape(-1) - 2 * (X @ mean) + mean @ mean
        scores = projection_scores(X, mean, components)
        return np.clip(energy - np.sum(scores * scores, axis=1), 0.0, None)
    parts = []
    for rows in row_blocks(X):
        block = X[rows, :] - mean
        block = block - (block @ components.T) @ components
        parts.append(xp.sum(block * block, axis=1))
    return xp.concat(parts, axis=0)
