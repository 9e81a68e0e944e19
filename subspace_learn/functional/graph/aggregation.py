"""Algebraic multigrid by compatible weighted matching: hierarchies that keep one smooth vector."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from .polynomial_cycle import PolynomialCycle, apply_cycle, polynomial_cycle

__all__ = [
    "Hierarchy",
    "Level",
    "build_hierarchy",
    "galerkin",
    "matching_prolongator",
    "structure_colours",
    "v_cycle",
]

_SWEEPS = 2  # pairwise sweeps composed into one level
_STALLED = 2 / 3  # a sweep that leaves a larger share of the vertices lets leftovers join pairs
_GRID = {4: 2.0**14, 8: 2.0**30}  # affinities are rounded to 1 / this, by bytes of a number
_W_SHARE = 0.4  # a W-cycle visits a level twice if it has at most this share of the one above
_LEAST_CAP = 1.5  # below it, a graph of many small components could not keep to the cap


class Level(NamedTuple):
    """One level of a hierarchy."""

    A: sp.csr_array
    """Matrix of the level, (n, n), sorted indices."""
    P: sp.csr_array | None
    """Prolongator from the next level, (n, n_next), exactly one stored entry per row; the entry is
    0 in rows that no other row is coupled to, which relaxation alone solves. None on the last."""


class Hierarchy(NamedTuple):
    """Matrices and prolongators of one multigrid solver, and the factor of its last level."""

    levels: tuple[Level, ...]
    """From the given matrix to the coarsest."""
    coarse_factor: np.ndarray
    """Lower Cholesky factor of the last matrix, (n, n); of a large diagonal one its roots, (n,)."""

    cycle: str = "V"
    """ "V" or "W": how :func:`v_cycle` goes through the levels."""
    polynomial: PolynomialCycle | None = None
    """Smoothing by products alone; None is Gauss-Seidel."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """Rows of each level."""
        return tuple(level.A.shape[0] for level in self.levels)

    @property
    def nonzeros(self) -> tuple[int, ...]:
        """Stored entries of each level."""
        return tuple(level.A.nnz for level in self.levels)

    @property
    def operator_complexity(self) -> float:
        """Stored entries of all levels over those of the first."""
        return sum(self.nonzeros) / self.nonzeros[0]

    @property
    def visits(self) -> tuple[int, ...]:
        """How often one cycle comes to each level."""
        counts = [1]
        for above, below in pairwise(self.levels):
            # the last level is solved exactly: once is enough
            twice = self.cycle == "W" and below.P is not None
            twice = twice and below.A.nnz <= _W_SHARE * above.A.nnz
            counts.append(counts[-1] * (2 if twice else 1))
        return tuple(counts)


def structure_colours(A: sp.csr_array, *, n_rounds: int = 2) -> np.ndarray:
    """Numbers of vertices that depend on the graph around each, not on how vertices are numbered.

    Parameters
    ----------
    A : csr_array of shape (n, n)
        Its pattern is the graph.
    n_rounds : int, default=2
        How far each vertex looks (Weisfeiler-Lehman rounds, the first from the degrees).

    Returns
    -------
    colours : ndarray of int64, shape (n,)
        Hashes. A permutation of the vertices permutes them, exactly.
    """
    colour = np.diff(A.indptr).astype(np.uint64)
    pattern = sp.csr_array((np.ones(A.nnz, np.uint64), A.indices, A.indptr), shape=A.shape)
    for _ in range(n_rounds):
        mixed = colour * np.uint64(0x9E3779B97F4A7C15)  # sums and products wrap modulo 2^64
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
        colour = np.uint64(3) * mixed + pattern @ mixed
    return (colour >> np.uint64(1)).astype(np.int64)


def matching_prolongator(
    A: sp.csr_array, w: np.ndarray, *, drop_uncoupled: bool = False
) -> tuple[sp.csr_array, np.ndarray]:
    r"""Prolongator of pairs (i, j) that one unknown represents well, and w on the coarse level.

    Pairs come from a matching of large weight, where edge (i, j) weighs

    .. math:: c_{ij} = 1 - 2 a_{ij} w_i w_j / (a_{ii} w_i^2 + a_{jj} w_j^2).

    The column of a pair has the entries :math:`(w_i, w_j) / \sqrt{w_i^2 + w_j^2}`.

    Parameters
    ----------
    A : csr_array of shape (n, n)
        Symmetric, positive diagonal.
    w : array of shape (n,)
        Smooth vector. Entries below eps of the largest count as that much.
    drop_uncoupled : bool, default=False
        Whether rows without entries off the diagonal are left out: their entry is 0.

    Returns
    -------
    P : csr_array of shape (n, n_coarse)
        Orthonormal columns, one stored entry per row; ``P @ P.T @ w = w`` on the rows kept.
    coarse_w : ndarray of shape (n_coarse,)
        ``P.T @ w``, positive.

    Notes
    -----
    The matching is that of greedy choice by :math:`c_{ij}`, so its weight is at least half the
    largest for any increasing function of c above 0, the paper's logarithm among them. Vertices
    left over join the aggregate of their best neighbour if the pairs alone leave more than two
    thirds of the vertices (a hub absorbs one neighbour per matching and would stall the
    coarsening); otherwise each is a column of its own. Coupled vertices of a stalled sweep then
    all share a column with another.

    Numbering: c is rounded (to 2^-30, or 2^-14 in float32), ties fall to `structure_colours`, then
    to the larger number. Where no tie gets that far, the pairs do not depend on how the vertices
    are numbered.
    """
    from ...kernels.matching import join_leftovers, pair_affinity, suitor_matching

    n = A.shape[0]
    largest = np.abs(w).max()
    w = w / largest if largest > 0 else np.ones_like(w)
    floor = np.finfo(w.dtype).eps
    w = np.where(np.abs(w) < floor, np.copysign(floor, w), w)
    affinity = np.empty(A.nnz)
    pair_affinity(A.indptr, A.indices, A.data, A.diagonal(), w, _GRID[A.dtype.itemsize], affinity)
    colours = structure_colours(A)
    suitor, best = np.empty(n, dtype=np.int64), np.empty(n)
    suitor_matching(A.indptr, A.indices, affinity, colours, suitor, best)

    vertices = np.arange(n)
    matched = suitor >= 0
    head = np.where(matched, np.minimum(vertices, suitor), vertices)  # of each aggregate
    coupled = np.diff(A.indptr) > 1 if drop_uncoupled else np.ones(n, dtype=bool)
    if n - matched.sum() / 2 - (~coupled).sum() > _STALLED * coupled.sum():
        join_leftovers(A.indptr, A.indices, affinity, colours, matched, head)
    leads = (head == vertices) & coupled
    aggregate = np.where(coupled, (np.cumsum(leads) - 1)[head], 0)
    n_coarse = int(leads.sum())
    kept = np.where(coupled, w, 0)
    norms = np.sqrt(np.bincount(aggregate, weights=kept**2, minlength=n_coarse))[:n_coarse]
    weight = kept / norms[aggregate] if n_coarse else kept
    index = A.indices.dtype
    P = sp.csr_array(
        (weight.astype(A.dtype), aggregate.astype(index), np.arange(n + 1, dtype=index)),
        shape=(n, n_coarse),
    )
    return P, (norms * largest).astype(A.dtype)


def galerkin(A: sp.csr_array, P: sp.csr_array) -> sp.csr_array:
    """Coarse matrix P^T A P of a prolongator with one stored entry per row.

    Parameters
    ----------
    A : csr_array of shape (n, n)
        Float32 or float64.
    P : csr_array of shape (n, n_coarse)
        One stored entry in each row; a row of weight 0 is left out.

    Returns
    -------
    coarse : csr_array of shape (n_coarse, n_coarse)
        Sorted indices. Never more entries than A. Costs one visit of each entry of A.
    """
    from ...kernels.galerkin import galerkin_product

    n_coarse = P.shape[1]
    by_column = P.tocsc()
    indptr = np.empty(n_coarse + 1, dtype=A.indptr.dtype)
    indices, data = np.empty_like(A.indices), np.empty_like(A.data)
    place = np.empty(n_coarse, dtype=np.int64)
    filled = galerkin_product(
        A.indptr,
        A.indices,
        A.data,
        P.indices,
        P.data,
        by_column.indices,
        by_column.indptr,
        place,
        indptr,
        indices,
        data,
    )
    coarse = sp.csr_array(
        (data[:filled].copy(), indices[:filled].copy(), indptr), shape=(n_coarse, n_coarse)
    )
    coarse.sort_indices()
    return coarse


def build_hierarchy(
    A: sp.csr_array,
    w: np.ndarray,
    *,
    max_coarse: int = 100,
    max_levels: int = 40,
    max_operator_complexity: float = 3.0,
    cycle: str = "V",
    smoother: str = "gauss_seidel",
) -> Hierarchy:
    """Hierarchy of matrices whose prolongators all keep the smooth vector w.

    Each level composes two sweeps of `matching_prolongator` (aggregates of about four), and more
    where entries would otherwise exceed the cap or levels run out.

    Parameters
    ----------
    A : csr_array of shape (n, n)
        Symmetric positive definite, float32 or float64, all entries of the diagonal stored.
    w : array of shape (n,)
        Smooth vector; ones for a graph Laplacian.
    max_coarse : int, default=100
        Levels end at this many rows or fewer, which are solved exactly.
    max_levels : int, default=40
        At least 2.
    max_operator_complexity : float, default=3.0
        Bound of the entries of all levels over those of ``A``; at least 1.5.
    cycle : {"V", "W"}, default="V"
        "W" improves each level twice, coming from a level with at least 2.5 times its entries, so
        that a cycle stays O(entries of A). On grids and other graphs of low dimension its rate
        hardly grows with their size, as that of "V" does; on expanders there is no difference.
    smoother : {"gauss_seidel", "chebyshev", "jacobi"}, default="gauss_seidel"
        One sweep of Gauss-Seidel on each side, or two steps of what
        :func:`~subspace_learn.functional.graph.polynomial_cycle.polynomial_cycle` offers.

    Returns
    -------
    hierarchy : Hierarchy
        With matrices in the dtype of ``A``.

    Raises
    ------
    ValueError
        If ``A`` is found not to be positive definite (by its diagonal, or on the last level), or a
        bound is below its least value.

    Notes
    -----
    The cap: a level is accepted once its entries are at most half of what is left of it, so that
    what follows fits too; on graphs that fill in when coarsened (expanders) the first levels are
    then of full size and the later ones far apart, and the cycle is weaker. Time and memory O(nnz).
    """
    if max_operator_complexity < _LEAST_CAP or max_levels < 2 or max_coarse < 1:
        raise ValueError(
            f"max_operator_complexity={max_operator_complexity}, max_levels={max_levels} and "
            f"max_coarse={max_coarse} must be at least {_LEAST_CAP}, 2 and 1."
        )
    diagonal = A.diagonal()
    if not (diagonal > 0).all():
        row = int(np.argmin(diagonal > 0))
        raise ValueError(
            f"The matrix is not positive definite: diagonal entry {row} is {diagonal[row]:.3g}."
        )
    w = np.asarray(w, dtype=A.dtype)
    levels: list[Level] = []
    left = (max_operator_complexity - 1) * A.nnz
    while A.shape[0] > max_coarse:
        last = len(levels) == max_levels - 2
        P, coarse, w = _next_level(A, w, left / 2, max_coarse, last)
        if P is None:
            break
        levels.append(Level(A, P))
        left -= coarse.nnz
        A = coarse
    levels.append(Level(A, None))
    found = Hierarchy(tuple(levels), _factor(A, max_coarse), cycle)
    if smoother == "gauss_seidel":
        return found
    matrices, prolongators = zip(*levels[:-1], strict=True) if levels[:-1] else ((), ())
    return found._replace(
        polynomial=polynomial_cycle(
            matrices, prolongators, found.coarse_factor, found.visits, smoother
        )
    )


def _next_level(
    A: sp.csr_array, w: np.ndarray, max_nonzeros: float, max_coarse: int, last: bool
) -> tuple[sp.csr_array | None, sp.csr_array, np.ndarray]:
    """Prolongator of as many sweeps as it takes (None: A is diagonal), coarse matrix and vector."""
    P, w = matching_prolongator(A, w, drop_uncoupled=True)
    if P.shape[1] == 0:
        return None, A, w
    coarse = galerkin(A, P)
    n_sweeps = 1
    while coarse.nnz > max_nonzeros or (
        coarse.shape[0] > max_coarse and (last or n_sweeps < _SWEEPS)
    ):
        Q, w = matching_prolongator(coarse, w)
        if Q.shape[1] == coarse.shape[0]:
            break  # nothing is coupled any more
        coarse = galerkin(coarse, Q)
        entries = (P.data * Q.data[P.indices], Q.indices[P.indices], P.indptr)
        P = sp.csr_array(entries, shape=(A.shape[0], len(w)))
        n_sweeps += 1
    return P, coarse, w


def _factor(A: sp.csr_array, max_coarse: int) -> np.ndarray:
    """Cholesky factor of the last level."""
    if A.shape[0] > max_coarse:
        return np.sqrt(A.diagonal())
    try:
        return scipy.linalg.cholesky(A.toarray(), lower=True, check_finite=False)
    except np.linalg.LinAlgError as error:
        raise ValueError(
            "The matrix is not positive definite: the last level of its hierarchy has no Cholesky "
            f"factor ({error}). Ground a graph Laplacian first; to another singular matrix add a "
            "small multiple of the identity."
        ) from error


def v_cycle(hierarchy: Hierarchy, B: np.ndarray, *, X: np.ndarray | None = None) -> np.ndarray:
    """Approximate A^-1 B: one forward Gauss-Seidel sweep down, one backward sweep up each level.

    With the smoothers of the hierarchy in place of the sweeps, if it has others.

    Parameters
    ----------
    hierarchy : Hierarchy
        From :func:`build_hierarchy`, which also says whether the cycle is a "V" or a "W".
    B : array of shape (n, k) or (n,)
        Right-hand sides; an entry of A is read once for all of them.
    X : array like ``B``, default=None
        Where to start; None means zero. Not changed.

    Returns
    -------
    X : ndarray like ``B``
        Linear, symmetric and positive definite in B from a zero start.
    """
    if hierarchy.polynomial is not None:
        if B.ndim == 2:
            return apply_cycle(hierarchy.polynomial, B, X=X)
        start = None if X is None else X[:, None]
        return apply_cycle(hierarchy.polynomial, B[:, None], X=start)[:, 0]
    dtype = hierarchy.levels[0].A.dtype
    right = np.ascontiguousarray(B, dtype=dtype)
    right = right.reshape(len(right), -1)
    if X is None:
        left = np.zeros_like(right)
    else:
        left = np.array(X, dtype=dtype, order="C").reshape(right.shape)
    _cycle(hierarchy, hierarchy.visits, 0, left, right)
    return left.reshape(np.shape(B))


def _cycle(
    hierarchy: Hierarchy, visits: tuple[int, ...], depth: int, X: np.ndarray, B: np.ndarray
) -> None:
    """Improve X in place from level ``depth`` downwards."""
    from ...kernels.galerkin import prolong_add, restrict_residual
    from ...kernels.relaxation import gauss_seidel

    A, P = hierarchy.levels[depth]
    if P is None:
        X[:] = _solve_coarse(hierarchy.coarse_factor, B)
        return
    matrix = (A.indptr, A.indices, A.data)
    gauss_seidel(*matrix, X, B, False)
    coarse = np.zeros((P.shape[1], X.shape[1]), dtype=X.dtype)
    restrict_residual(*matrix, X, B, P.indices, P.data, coarse)
    correction = np.zeros_like(coarse)
    for _ in range(visits[depth + 1] // visits[depth]):
        _cycle(hierarchy, visits, depth + 1, correction, coarse)
    prolong_add(P.indices, P.data, correction, X)
    gauss_seidel(*matrix, X, B, True)


def _solve_coarse(factor: np.ndarray, B: np.ndarray) -> np.ndarray:
    if factor.ndim == 1:
        return B / factor[:, None] ** 2
    return scipy.linalg.cho_solve((factor, True), B, check_finite=False)
