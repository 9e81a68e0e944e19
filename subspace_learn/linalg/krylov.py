"""Block Krylov spaces for the leading eigenpairs of a symmetric operator."""

from __future__ import annotations

from collections.abc import Callable
from math import asinh, inf, log
from typing import NamedTuple

from .._array import Array, array_namespace
from .eig import leading_eigenpairs

__all__ = [
    "KrylovSpace",
    "RitzPairs",
    "block_krylov",
    "extended",
    "likely_steps",
    "orthonormal_against",
    "ritz_pairs",
]


# A block that has not seen a direction yet has small residuals all the same.
_FEWEST_STEPS = 4
# Columns of the basis before a restart, over those kept.
_CAPACITY = 8
# Residuals can fall to this multiple of the rounding of one product, but rounding may not exceed
# this share of the eigenvalue.
_ROUNDINGS, _MOST_ROUNDING = 20.0, 1e-5
# A unit of rounding above this is that of float32 or less.
_COARSE = 1e-10


class KrylovSpace(NamedTuple):
    """An orthonormal basis Q of a growing subspace, and the operator's image of it."""

    basis: Array
    """Q, (n, m), orthonormal columns."""
    image: Array
    """S Q, (n, m)."""


class RitzPairs(NamedTuple):
    """Approximate eigenpairs with their residual norms ``|S v - theta v|``."""

    values: Array
    vectors: Array
    residuals: Array
    n_iter: int
    converged: bool


def orthonormal_against(block: Array, basis: Array | None) -> Array:
    """Orthonormal basis of the part of ``block`` orthogonal to the columns of ``basis``.

    Classical Gram-Schmidt, repeated until orthogonality holds to rounding. Directions of the
    block that lie in the span of ``basis`` come out as some unit vectors orthogonal to the others,
    never as noise along the basis.

    Parameters
    ----------
    block : array of shape (n, b)
        Directions to add.
    basis : array of shape (n, m), or None
        Orthonormal columns; None means none yet.

    Returns
    -------
    added : array of shape (n, b)
        Orthonormal columns, orthogonal to ``basis``.
    """
    xp = array_namespace(block)
    if basis is None:
        return xp.linalg.qr(block, mode="reduced")[0]
    for _ in range(3):
        block = block - basis @ (basis.T @ block)
        block, _ = xp.linalg.qr(block, mode="reduced")
        # QR can bring dependent columns back towards the basis: then once more
        if float(xp.max(xp.abs(basis.T @ block))) < 16 * xp.finfo(block.dtype).eps:
            break
    return block


def extended(space: KrylovSpace | None, block: Array, image: Array) -> KrylovSpace:
    """Return a Krylov space with one more block.

    Parameters
    ----------
    space : KrylovSpace or None
        What is there; None means nothing yet.
    block : array of shape (n, b)
        Orthonormal columns, orthogonal to those of ``space``.
    image : array of shape (n, b)
        The operator applied to them.

    Returns
    -------
    space : KrylovSpace
        A new one; the old is unchanged.
    """
    if space is None:
        return KrylovSpace(block, image)
    xp = array_namespace(block)
    return KrylovSpace(
        xp.concat([space.basis, block], axis=1), xp.concat([space.image, image], axis=1)
    )


def ritz_pairs(space: KrylovSpace, n_pairs: int) -> tuple[Array, Array, Array]:
    """Rayleigh-Ritz: best eigenpairs of the operator within the span of ``space.basis``.

    Parameters
    ----------
    space : KrylovSpace
        Of m columns.
    n_pairs : int
        How many, at most m.

    Returns
    -------
    values : array of shape (n_pairs,)
        Ritz values, descending.
    vectors : array of shape (n, n_pairs)
        Ritz vectors, orthonormal.
    residuals : array of shape (n, n_pairs)
        ``S v - theta v``: the next block to add, and the error of each pair.
    """
    projected = space.basis.T @ space.image
    values, rotation = leading_eigenpairs((projected + projected.T) / 2, n_pairs)
    vectors = space.basis @ rotation
    return values, vectors, space.image @ rotation - vectors * values[None, :]


def block_krylov(
    operator: Callable[[Array], Array],
    start: Array,
    n_pairs: int,
    *,
    tol: float,
    max_iter: int,
    n_kept: int | None = None,
    eps: float = 2.0**-52,
) -> RitzPairs:
    """Leading eigenpairs of a symmetric positive semidefinite operator.

    Each step adds the operator's image of the newest block to an orthonormal basis and does
    Rayleigh-Ritz on all of it; a basis of ``8 n_kept`` columns is restarted from ``n_kept`` Ritz
    vectors (thick restart), which bounds the memory.

    Parameters
    ----------
    operator : callable
        Maps an array (n, b) to ``A^T A`` times it, computed as two products.
    start : array of shape (n, b)
        First block; random columns serve. Eigenvalues that are equal more than b times need more
        columns.
    n_pairs : int
        Number of eigenpairs wanted.
    tol : float
        Stop when the residual norm of each pair is at most ``tol`` times its own Ritz value, but
        not before four steps. The largest angle to the exact subspace is then about
        ``tol * lambda_k / gap``.
    max_iter : int
        Most applications of the operator to a block.
    n_kept : int, optional
        Ritz vectors kept at a restart: at least ``n_pairs`` and b, which is the default. More of
        them widen the gap that convergence depends on.
    eps : float, default=2**-52
        Unit of rounding of the two products. It sets how small a residual can become. With one
        above 1e-10 the iteration also ends, not converged, when it makes no progress.

    Returns
    -------
    pairs : RitzPairs
        Values descending, vectors (n, n_pairs), residual norms, steps taken, whether ``tol`` holds.

    Notes
    -----
    A step costs one application of the operator to b vectors and ``O(n m^2)`` flops for a basis of
    m <= 8 n_kept columns; memory ``2 n m``. Convergence depends on the square root of the relative
    gap behind the Ritz vectors kept, where plain subspace iteration depends on the gap itself. The
    number of columns multiplied in all grows with b: a block narrower than ``n_pairs`` is cheapest.

    A residual that is small beside the largest eigenvalue says nothing about a pair whose own
    eigenvalue is smaller than that: one column on a large scale would end the iteration at once.

    References
    ----------
    C. Musco, C. Musco, "Randomized block Krylov methods for stronger and faster approximate
    singular value decomposition", NeurIPS 2015, algorithm 2.
    """
    n, width = start.shape
    kept = max(n_pairs, width, n_kept or 0)
    capacity = min(_CAPACITY * kept, n)
    block, space, gaps = orthonormal_against(start, None), None, []
    for n_iter in range(1, max_iter + 1):
        image = operator(block)
        space = extended(space, block, image)
        size = space.basis.shape[1]
        full = size + width > capacity
        if full or n_iter == max_iter or (n_iter >= _FEWEST_STEPS and size >= n_pairs):
            values, vectors, residuals = ritz_pairs(space, min(kept, size))
            norms = _lengths(residuals[:, :n_pairs])
            gaps.append(_distance_to_goal(norms, values[:n_pairs], tol, eps))
            converged = size == n or (gaps[-1] <= 1.0 and n_iter >= _FEWEST_STEPS)
            stalled = eps > _COARSE and len(gaps) > 4 and gaps[-1] > 0.5 * min(gaps[:-4])
            if converged or stalled or n_iter == max_iter:
                break
        # orthonormal directions that the newest image adds to the basis
        block = orthonormal_against(image[:, : min(image.shape[1], n - size)], space.basis)
        if full:  # the new block is orthogonal to all of the old basis, so to what is kept of it;
            # S v = theta v + residual needs no new product
            space = KrylovSpace(vectors, residuals + vectors * values[None, :])
    return RitzPairs(values[:n_pairs], vectors[:, :n_pairs], norms, n_iter, converged)


def likely_steps(kth: float, behind: float, tol: float) -> float:
    """Steps that :func:`block_krylov` needs, from two eigenvalues.

    Parameters
    ----------
    kth, behind : float
        The last eigenvalue wanted, and the first one that has no column in the block.
    tol : float
        See :func:`block_krylov`.

    Returns
    -------
    n_steps : float
        Chebyshev polynomials reduce the error by ``exp(-2 asinh(sqrt(g)))`` in each step, with the
        relative gap g between the two; infinite where there is none.

    Examples
    --------
    >>> round(likely_steps(4.0, 1.0, 1e-8), 1), round(likely_steps(1.05, 1.0, 1e-8), 1)
    (9.3, 45.1)
    """
    if kth <= max(behind, 0.0):
        return inf
    gap = min((kth - behind) / behind, 1e6) if behind > 0 else 1e6
    return log(2 / max(tol, 1e-16)) / (2 * asinh(gap**0.5)) + 2


def _lengths(columns: Array) -> Array:
    """Norms of columns that may be squares themselves: not squared without a scale."""
    xp = array_namespace(columns)
    unit = xp.max(xp.abs(columns))
    unit = xp.where(unit > 0, unit, xp.ones_like(unit))
    return unit * xp.sqrt(xp.sum((columns / unit) ** 2, axis=0))


def _distance_to_goal(norms: Array, values: Array, tol: float, eps: float) -> float:
    """Largest residual in units of what is allowed: at most 1 when all pairs have converged.

    Two products leave about ``eps sqrt(theta_1 theta_j)``. Where that is much beside theta_j it is
    no excuse.
    """
    xp = array_namespace(values)
    sizes = xp.abs(values)
    rounding = _ROUNDINGS * eps * xp.sqrt(xp.max(sizes)) * xp.sqrt(sizes)
    # a pair of rounding only has converged
    null = _ROUNDINGS * eps**2 * xp.max(sizes)
    allowed = xp.maximum(tol * sizes, xp.minimum(rounding, _MOST_ROUNDING * sizes))
    allowed = xp.where(sizes > null, allowed, xp.max(sizes) * eps * _ROUNDINGS)
    ratio = norms / xp.where(allowed > 0, allowed, xp.ones_like(allowed))
    return float(xp.max(xp.where(norms > 0, ratio, xp.zeros_like(ratio))))
