r"""Principal subspaces as points of a Grassmann manifold: the mathematics of GrassmannPCA.

For centred rows with scatter matrix S the principal subspace of dimension k is
``argmax over U in Gr(k, d) of tr(U^T S U)``, spanned by the k leading eigenvectors of S (Ky Fan).
A table is condensed to a summary of its second moments, exact (`Moments`) or of low rank
(`LowRankMoments`); summaries of several tables merge into one; the subspace is read from it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from ..._array import Array, array_namespace, is_numpy, library_name
from ...linalg.eig import leading_eigenpairs, with_fixed_signs, without_rounding
from ...linalg.krylov import RitzPairs
from ...linalg.lowrank import (
    LowRankMoments,
    centred_table,
    compressed,
    dual_low_rank,
    krylov_low_rank,
    merged_low_rank,
    svd_low_rank,
)
from ...linalg.moments import Moments, merged_moments, table_moments
from .trust_region import trust_region_pairs

__all__ = [
    "EXACT_FEATURES",
    "PrincipalSubspace",
    "Request",
    "Summary",
    "condensed",
    "merged",
    "principal_subspace",
    "resolved_solver",
    "streamed",
]

Summary = Moments | LowRankMoments

# Up to this many features a stream keeps the d x d scatter matrix (32 MiB at the limit).
EXACT_FEATURES = 2048
# Block Krylov needs about this many passes over X on spectra that decay, and a product with a thin
# block runs at about a third of the speed of a square one: both enter the choice of "auto" only.
_KRYLOV_PASSES = 12
_THIN_PENALTY = 3


class Request(NamedTuple):
    """What is asked of a fit: how many directions, about which centre, found how."""

    n_components: float | None
    """A number (int), a share of the variance (float), or all above rounding (None)."""
    center: bool = True
    """Whether the mean is subtracted."""
    solver: str = "covariance"
    """Anything but "auto": see :func:`resolved_solver`."""
    tol: float = 1e-8
    """Stopping rule of the iterative solvers."""
    max_iter: int = 200
    """Most steps of the iterative solvers."""
    n_oversamples: int = 10
    """Extra columns of the randomized block; extra directions that low-rank summaries keep."""
    seed: np.random.SeedSequence | int | None = None
    """Start of the iterative solvers."""

    def counted(self) -> int:
        """Return the number of directions, where a share or None cannot be served.

        Returns
        -------
        n_components : int
            The number.

        Raises
        ------
        ValueError
            If ``n_components`` is not an integer.
        """
        if not isinstance(self.n_components, int):
            raise ValueError(
                f"n_components={self.n_components!r} needs the whole spectrum, but this solver, or "
                f"a low-rank summary (more than {EXACT_FEATURES} features in a stream, or a fit "
                "that kept no covariance), finds a given number of directions. Give an integer, or "
                "use solver='covariance' or 'svd'."
            )
        return self.n_components

    def rank(self) -> int:
        """Return the number of directions that a low-rank summary keeps.

        Returns
        -------
        rank : int
            ``n_components + n_oversamples``.
        """
        return self.counted() + self.n_oversamples

    def generator(self) -> np.random.Generator:
        """Return a generator in its first state: the same request gives the same answer.

        Returns
        -------
        rng : numpy.random.Generator
            Seeded with ``seed``.
        """
        return np.random.default_rng(self.seed)


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
    if solver in ("randomized", "trust_region"):
        Request(n_components).counted()
    if solver == "svd" and sparse:
        raise ValueError(
            "solver='svd' needs dense X, and sparse X is never made dense here. Use "
            "solver='covariance', 'randomized' or 'auto'."
        )
    return solver


def condensed(
    X: Array, weights: Array | None, request: Request
) -> tuple[Summary, RitzPairs | None]:
    """Condense a table to the statistics from which its principal subspace is read.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        Finite floats.
    weights : array of shape (n_samples,), or None
        Frequencies.
    request : Request
        What is wanted.

    Returns
    -------
    summary : Moments or LowRankMoments
        Exact for "covariance" and "trust_region" on tables with n_features <= n_samples, of low
        rank otherwise.
    pairs : RitzPairs or None
        What an iterative solver that ran on X itself tells about its end.
    """
    solver, center = request.solver, request.center
    if solver in ("covariance", "trust_region") and X.shape[1] <= X.shape[0]:
        return table_moments(X, weights, center=center), None
    table = centred_table(X, weights, center=center)
    if solver == "svd":
        return svd_low_rank(table), None
    if solver == "covariance":
        counted = isinstance(request.n_components, int)
        return dual_low_rank(table, request.rank() if counted else None), None
    if solver == "randomized":
        return krylov_low_rank(
            table,
            request.counted(),
            n_oversamples=request.n_oversamples,
            tol=request.tol,
            max_iter=request.max_iter,
            rng=request.generator(),
        )
    total = table.total()
    pairs = _trust_region(table.scatter, table.mean, total, request)
    root = np.sqrt(np.clip(pairs.values, 0.0, None))
    low = LowRankMoments(table.n_samples, table.weight, table.mean, root, pairs.vectors, total)
    return low, pairs


def _trust_region(
    scatter: Callable[[Array], Array], like: Array, total: float, request: Request
) -> RitzPairs:
    """Leading eigenpairs on the manifold, from a random point of it."""
    if not is_numpy(like):
        raise ValueError(
            f"solver='trust_region' works on NumPy arrays only (pymanopt), but X is from "
            f"{library_name(like)}. Use solver='covariance' or 'randomized', or ToDevice('cpu')."
        )
    start = request.generator().standard_normal((like.shape[0], request.counted()))
    return trust_region_pairs(
        scatter, start, scale=total, tol=request.tol, max_iter=request.max_iter
    )


def streamed(X: Array, weights: Array | None, request: Request) -> Summary:
    """Summary of one batch: exact up to ``EXACT_FEATURES`` columns, of low rank above.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        Finite floats.
    weights : array of shape (n_samples,), or None
        Frequencies.
    request : Request
        What is wanted; the solver does not matter here.

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
        return table_moments(X, weights, center=request.center)
    rank = request.rank()
    step = max(512, rank)  # rows at a time: the cost of a batch stays linear in its rows
    parts = []
    for start in range(0, X.shape[0], step):
        rows = slice(start, min(start + step, X.shape[0]))
        w = None if weights is None else weights[rows]
        if w is None or bool(array_namespace(w).any(w > 0)):
            part = centred_table(X[rows, :], w, center=request.center)
            parts.append((dual_low_rank if sp.issparse(X) else svd_low_rank)(part, rank))
    return reduce(lambda a, b: merged_low_rank(a, b, rank, center=request.center), parts)


def merged(a: Summary, b: Summary, request: Request) -> Summary:
    """Summary of two sets of rows: exact if both are, else of rank n_components + n_oversamples.

    Parameters
    ----------
    a, b : Moments or LowRankMoments
        Of disjoint sets of rows.
    request : Request
        What is wanted; the solver does not matter here.

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
        return merged_moments(a, b, center=request.center)
    rank = request.rank()
    low_a, low_b = (compressed(s, rank) if isinstance(s, Moments) else s for s in (a, b))
    return merged_low_rank(low_a, low_b, rank, center=request.center)


def principal_subspace(
    state: Summary, request: Request, *, eps: float = 2.0**-52
) -> PrincipalSubspace:
    """Read the principal subspace from a summary.

    Parameters
    ----------
    state : Moments or LowRankMoments
        Second moments of the data.
    request : Request
        What is wanted. "trust_region" optimises on the Grassmann manifold, any other solver solves
        the eigenproblem.
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
    limit = _n_directions(state)
    wanted = request.n_components
    if isinstance(state, LowRankMoments):
        return _cut(state.singular_values**2, state.basis, state.total, wanted, limit)
    xp = array_namespace(state.scatter)
    total = float(xp.linalg.trace(state.scatter))
    if request.solver == "trust_region":
        _checked_count(request.counted(), limit)
        pairs = _trust_region(lambda Q: state.scatter @ Q, state.mean, total, request)
        cut = _cut(pairs.values, pairs.vectors, total, wanted, limit)
        return cut._replace(n_iter=pairs.n_iter, converged=pairs.converged)
    count = _checked_count(wanted, limit) if isinstance(wanted, int) else limit
    values, vectors = leading_eigenpairs(state.scatter, count)
    values = without_rounding(values, state.scatter.shape[0], eps)
    return _cut(values, vectors, total, wanted, limit)


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
