"""Block Krylov spaces for the leading eigenpairs of a symmetric operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .._array import Array, array_namespace
from .eig import leading_eigenpairs

__all__ = [
    "KrylovSpace",
    "RitzPairs",
    "block_krylov",
    "extended",
    "orthonormal_against",
    "ritz_pairs",
]


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
    max_blocks: int = 8,
) -> RitzPairs:
    """Leading eigenpairs of a symmetric positive semidefinite operator.

    Each step adds the operator's image of the newest block to an orthonormal basis and does
    Rayleigh-Ritz on all of it; after ``max_blocks`` blocks the basis is restarted from the Ritz
    vectors (thick restart), which bounds the memory.

    Parameters
    ----------
    operator : callable
        Maps an array (n, b) to S times it.
    start : array of shape (n, b)
        First block, b >= ``n_pairs``; random columns serve.
    n_pairs : int
        Number of eigenpairs wanted.
    tol : float
        Stop when each residual norm is at most ``tol`` times the largest Ritz value. The largest
        angle to the exact subspace is then about ``tol * lambda_1 / gap``.
    max_iter : int
        Most applications of the operator to a block.
    max_blocks : int, default=8
        Blocks held before a restart.

    Returns
    -------
    pairs : RitzPairs
        Values descending, vectors (n, n_pairs), residual norms, steps taken, whether ``tol`` holds.

    Notes
    -----
    A step costs one application of the operator to b vectors and ``O(n b m)`` flops for a basis of
    m <= b * max_blocks columns; memory ``2 n m``. Convergence depends on the square root of the
    relative gap behind eigenvalue b, where plain subspace iteration depends on the gap itself.

    References
    ----------
    C. Musco, C. Musco, "Randomized block Krylov methods for stronger and faster approximate
    singular value decomposition", NeurIPS 2015, algorithm 2.
    """
    xp = array_namespace(start)
    n, width = start.shape
    capacity = min(width * max_blocks, n)
    block, space = orthonormal_against(start, None), None
    for n_iter in range(1, max_iter + 1):
        image = operator(block)
        space = extended(space, block, image)
        full = space.basis.shape[1] + width > capacity
        if full or n_iter % 2 == 0 or n_iter == max_iter:  # Rayleigh-Ritz costs as much as a step
            values, vectors, residuals = ritz_pairs(space, min(width, space.basis.shape[1]))
            # of products that may be squares themselves: not squared without a scale
            unit = xp.max(xp.abs(residuals[:, :n_pairs]))
            unit = xp.where(unit > 0, unit, xp.ones_like(unit))
            norms = unit * xp.sqrt(xp.sum((residuals[:, :n_pairs] / unit) ** 2, axis=0))
            converged = bool(xp.all(norms <= tol * xp.abs(values[0]))) or space.basis.shape[1] == n
            if converged or n_iter == max_iter:
                break
        block = _next_block(image, space.basis, n)
        if full:  # the new block is orthogonal to all of the old basis, so to what is kept of it
            space = _restarted(vectors, residuals, values)
    return RitzPairs(values[:n_pairs], vectors[:, :n_pairs], norms, n_iter, converged)


def _next_block(image: Array, basis: Array, n: int) -> Array:
    """Orthonormal directions that the newest image adds to the basis."""
    room = min(image.shape[1], n - basis.shape[1])
    return orthonormal_against(image[:, :room], basis)


def _restarted(vectors: Array, residuals: Array, values: Array) -> KrylovSpace:
    """Keep only the Ritz vectors: S v = theta v + residual, so no new product is needed."""
    return KrylovSpace(vectors, residuals + vectors * values[None, :])
