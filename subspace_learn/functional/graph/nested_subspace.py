r"""Lowest eigenvectors of a graph Laplacian, from coarse graphs to the given one.

On graphs with a geometry (meshes, neighbours of points) the low eigenvectors are smooth: those of a
graph a hundred times smaller, interpolated, are nearly right. Each finer graph corrects the whole
block by a few steps of LOBPCG, preconditioned by the multigrid cycle below it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse as sp

__all__ = ["GridLevel", "aggregation_levels", "coarsening_growth", "nested_eigenpairs"]

_COARSEST = 400  # dense eigenvalue problem
_LEAST_COARSENING = 0.7  # of the rows; beyond it, coarsening has stalled
_MAX_COMPLEXITY = 3.0
_SMOOTHING = 2  # Jacobi steps before, and after, the coarse correction
_COARSE_STEPS = 4
_NOTHING_LEFT = 1e-6
_DEPENDENT = 1e-10  # directions of the trial space below this share of the largest are dropped


class GridLevel(NamedTuple):
    """One graph of the nest: the pencil ``(laplacian - factor factor^T, mass)``."""

    laplacian: sp.csr_array
    """(n, n)."""
    factor: sp.csr_array | None
    """(n, m), or None."""
    mass: sp.csr_array | None
    """(n, n); None is the identity."""
    diagonal: np.ndarray
    """Of the whole operator, positive, (n,)."""
    radius: float
    """Bound of the spectral radius of the operator over its diagonal."""
    prolongation: sp.csr_array | None
    """To this graph from the next coarser one, (n, n_coarse); None on the coarsest."""

    def apply(self, block: np.ndarray) -> np.ndarray:
        """The operator times ``block``.

        Parameters
        ----------
        block : ndarray of shape (n, b)
            Vectors.

        Returns
        -------
        image : ndarray of shape (n, b)
            May be ``block`` itself where nothing is to be done.
        """
        image = self.laplacian @ block
        if self.factor is not None:
            image -= self.factor @ (self.factor.T @ block)
        return image

    def weigh(self, block: np.ndarray) -> np.ndarray:
        """The mass times ``block``.

        Parameters
        ----------
        block : ndarray of shape (n, b)
            Vectors.

        Returns
        -------
        image : ndarray of shape (n, b)
            May be ``block`` itself where nothing is to be done.
        """
        return block if self.mass is None else self.mass @ block


def coarsening_growth(A: sp.csr_array) -> float:
    """Mean number of neighbours after one aggregation of neighbourhoods, over that before.

    Parameters
    ----------
    A : csr_array of shape (n, n)
        Symmetric.

    Returns
    -------
    growth : float
        Below 2 on meshes, trees and graphs of neighbours in the plane: these stay sparse on all
        levels. 5 to 20 on expanders such as random graphs, whose coarse graphs fill in.
    """
    members = _aggregates(A)
    if members.shape[1] == 0:
        return np.inf
    coarse = sp.csr_array(members.T @ A @ members)
    return float((coarse.nnz / coarse.shape[0]) / max(A.nnz / A.shape[0], 1e-300))


def _aggregates(A: sp.csr_array) -> sp.csr_array:
    """Membership (n, n_aggregates) of disjoint neighbourhoods; isolated vertices are in none."""
    from pyamg.aggregation import standard_aggregation

    # the kernel below wants 32 bit integers and the old matrix type
    pattern = sp.csr_matrix(
        (np.ones(A.nnz), A.indices.astype(np.int32), A.indptr.astype(np.int32)), shape=A.shape
    )
    return sp.csr_array(standard_aggregation(pattern)[0], dtype=np.float64)


def aggregation_levels(
    laplacian: sp.csr_array, factor: sp.csr_array | None, smooth: np.ndarray
) -> list[GridLevel]:
    """Graphs from the given one to one of at most 400 vertices, by smoothed aggregation.

    Parameters
    ----------
    laplacian : csr_array of shape (n, n)
        Symmetric, such as ``I - S``.
    factor : csr_array of shape (n, m) or None
        ``factor factor^T`` is subtracted from it.
    smooth : ndarray of shape (n,)
        Positive vector that the operator takes to (nearly) 0.

    Returns
    -------
    levels : list of GridLevel
        Finest first.

    References
    ----------
    P. Vanek, J. Mandel, M. Brezina, "Algebraic multigrid by smoothed aggregation for second and
    fourth order elliptic problems", Computing 56, 1996.
    """
    levels: list[GridLevel] = []
    mass, nonzeros, finest = None, 0, laplacian.nnz
    while True:
        n = laplacian.shape[0]
        nonzeros += laplacian.nnz
        diagonal, radius = _diagonal_and_radius(laplacian, factor, smooth)
        level = GridLevel(laplacian, factor, mass, diagonal, radius, None)
        if n <= _COARSEST:
            break
        members = _aggregates(laplacian)
        if members.shape[1] > _LEAST_COARSENING * n or members.shape[1] == 0:
            break
        lengths = np.sqrt(members.T @ smooth**2)
        tentative = sp.csr_array(sp.diags_array(smooth) @ members @ sp.diags_array(1 / lengths))
        damped = sp.diags_array(-4 / (3 * radius) / diagonal) @ laplacian
        P = sp.csr_array(tentative + damped @ tentative)
        if factor is not None:  # smoothing by the edges alone keeps the prolongation sparse
            P = tentative
        R = sp.csr_array(P.T)
        coarse = sp.csr_array(R @ sp.csr_array(laplacian @ P))
        if nonzeros + coarse.nnz > _MAX_COMPLEXITY * finest:
            break
        levels.append(level._replace(prolongation=P))
        mass = sp.csr_array(R @ P if mass is None else R @ sp.csr_array(mass @ P))
        laplacian, smooth = coarse, lengths
        factor = None if factor is None else sp.csr_array(R @ factor)
    levels.append(level)
    return levels


def _diagonal_and_radius(
    laplacian: sp.csr_array, factor: sp.csr_array | None, smooth: np.ndarray
) -> tuple[np.ndarray, float]:
    """Diagonal, and a bound of the radius: a row sum norm with the positive weights ``smooth``."""
    diagonal = laplacian.diagonal()
    sums = abs(laplacian) @ smooth
    if factor is not None:
        diagonal = diagonal - np.asarray(factor.power(2).sum(axis=1)).ravel()
        sums += factor @ (factor.T @ smooth)
    diagonal = np.where(diagonal > 0, diagonal, 1.0)  # an isolated vertex: nothing to solve
    return diagonal, float(np.max(sums / (diagonal * smooth), initial=1.0))


def _cycle(levels: list[GridLevel], inverse: np.ndarray, i: int, b: np.ndarray) -> np.ndarray:
    """One symmetric V-cycle for several right sides, from 0."""
    level = levels[i]
    if level.prolongation is None:
        return inverse @ b
    step = (4 / (3 * level.radius) / level.diagonal)[:, None]
    x = step * b
    for _ in range(_SMOOTHING - 1):
        x += step * (b - level.apply(x))
    residual = b - level.apply(x)
    x += level.prolongation @ _cycle(levels, inverse, i + 1, level.prolongation.T @ residual)
    for _ in range(_SMOOTHING):
        x += step * (b - level.apply(x))
    return x


class NestedPairs(NamedTuple):
    """Eigenpairs found, and how."""

    values: np.ndarray
    """Ascending, (d,)."""
    vectors: np.ndarray
    """Orthonormal, (n, d)."""
    changes: list[float]
    """Largest relative change of a wanted value in each step on the finest graph."""
    levels: list[GridLevel]
    """Finest first."""


def nested_eigenpairs(
    laplacian: sp.csr_array,
    null: np.ndarray,
    n_pairs: int,
    *,
    factor: sp.csr_array | None = None,
    rtol: float = 0.05,
    max_steps: int = 20,
    rng: np.random.Generator,
    progress: Any = None,
) -> NestedPairs:
    """Smallest eigenpairs of ``laplacian - factor factor^T``, whose null space is known.

    Parameters
    ----------
    laplacian : csr_array of shape (n, n)
        Symmetric; with ``factor`` positive semidefinite.
    null : ndarray of shape (n, c)
        Orthonormal basis of the null space; the sum of its absolute columns is positive.
    n_pairs : int
        How many, those of the null space included.
    factor : csr_array of shape (n, m), default=None
        See :class:`~subspace_learn.graph.SpectralAMGClustering`, attributes.
    rtol : float, default=0.05
        Stops when a step lowers no value but the last by more than this share of it.
    max_steps : int, default=20
        Steps on the finest graph.
    rng : numpy.random.Generator
        Fills the block where coarse graphs are too small for it.
    progress : callable, default=None
        Gets a line of text for each level.

    Returns
    -------
    found : NestedPairs
        Ritz values are upper bounds of the eigenvalues of their rank.

    Notes
    -----
    Each step costs one V-cycle and one Rayleigh-Ritz problem of three blocks: O(nnz b + n b^2).

    References
    ----------
    A. V. Knyazev, "Toward the optimal preconditioned eigensolver: locally optimal block
    preconditioned conjugate gradient method", SIAM J. Sci. Comput. 23, 2001.
    """
    n, c = null.shape
    levels = aggregation_levels(laplacian, factor, np.abs(null).sum(axis=1))
    b = min(n_pairs + max(3, n_pairs // 4), n)
    X, inverse = _coarsest(levels[-1], b, rng)
    changes: list[float] = []
    values = np.zeros(0)
    for i in range(len(levels) - 1, -1, -1):
        level = levels[i]
        if i < len(levels) - 1:
            X = level.prolongation @ X
        if X.shape[1] < b:
            X = np.hstack([X, rng.standard_normal((X.shape[0], b - X.shape[1]))])
        known = null if i == 0 else None
        steps = max_steps if i == 0 else _COARSE_STEPS
        n_watched = max(n_pairs - 1 - (c if i == 0 else 0), 1)
        width = b - c if i == 0 else b
        values, X, seen = _improved(levels, inverse, i, X, width, known, n_watched, steps, rtol)
        if progress is not None:
            progress(f"{level.laplacian.shape[0]} vertices: {len(seen)} steps")
        changes = seen
    values = np.concatenate([np.zeros(c), values])[:n_pairs]
    return NestedPairs(values, np.hstack([null, X])[:, :n_pairs], changes, levels)


def _coarsest(
    level: GridLevel, b: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray | sp.dia_array]:
    """Lowest vectors of the coarsest graph and its pseudo-inverse; if large, only relaxation."""
    n = level.laplacian.shape[0]
    if n > 4 * _COARSEST:
        return rng.standard_normal((n, b)), sp.diags_array(1 / (level.radius * level.diagonal))
    dense = level.laplacian.toarray()
    if level.factor is not None:
        dense -= (level.factor @ level.factor.T).toarray()
    mass = np.eye(n) if level.mass is None else level.mass.toarray()
    _, vectors = scipy.linalg.eigh(dense, mass, check_finite=False)
    values, basis = scipy.linalg.eigh(dense, check_finite=False)
    kept = values > n * np.finfo(float).eps * values[-1]
    return vectors[:, :b], (basis[:, kept] / values[kept]) @ basis[:, kept].T


def _improved(
    levels: list[GridLevel],
    inverse: Any,
    i: int,
    X: np.ndarray,
    width: int,
    known: np.ndarray | None,
    n_watched: int,
    steps: int,
    rtol: float,
) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """LOBPCG on level i, orthogonal to ``known``: values, vectors, largest changes by step."""
    level = levels[i]
    if width <= 0:
        return np.zeros(0), X[:, :0], []
    values, X, _ = _ritz(level, [_without(X, known)], width)
    previous = np.zeros((X.shape[0], 0))
    seen: list[float] = []
    for _ in range(steps):
        residual = level.apply(X) - level.weigh(X) * values
        direction = _without(_cycle(levels, inverse, i, residual), known)
        new, X, previous = _ritz(level, [X, direction, previous], width)
        size = min(len(new), len(values), n_watched)
        floor = np.finfo(float).eps * level.radius
        drop = (values[:size] - new[:size]) / np.maximum(values[:size], floor)
        seen.append(float(np.max(np.where(values[:size] > 10 * floor, drop, 0), initial=0.0)))
        values = new
        if seen[-1] <= rtol:
            break
    return values, X, seen


def _without(X: np.ndarray, known: np.ndarray | None) -> np.ndarray:
    """X orthogonal to ``known``; columns of which only rounding is left become 0."""
    if known is None:
        return X
    left = X - known @ (known.T @ X)
    left -= known @ (known.T @ left)
    left[:, np.linalg.norm(left, axis=0) < _NOTHING_LEFT * np.linalg.norm(X, axis=0)] = 0
    return left


def _ritz(
    level: GridLevel, blocks: list[np.ndarray], width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lowest Ritz pairs in the span of the blocks, and their part outside the first block.

    The Gram matrix is scaled to a unit diagonal, and dependent directions are dropped.
    """
    Z = np.hstack(blocks)
    gram = Z.T @ level.weigh(Z)
    scale = 1 / np.sqrt(np.maximum(np.diag(gram), np.finfo(float).tiny))
    sizes, mix = scipy.linalg.eigh(gram * scale * scale[:, None], check_finite=False)
    kept = sizes > _DEPENDENT * sizes[-1]
    basis = scale[:, None] * mix[:, kept] / np.sqrt(sizes[kept])
    image = basis.T @ (Z.T @ level.apply(Z)) @ basis
    values, mix = scipy.linalg.eigh((image + image.T) / 2, check_finite=False)
    coordinates = basis @ mix[:, :width]
    new_part = coordinates.copy()
    new_part[: blocks[0].shape[1]] = 0
    return values[:width], Z @ coordinates, Z @ new_part
