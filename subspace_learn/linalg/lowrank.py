"""Low-rank summaries of tables that are too wide for a scatter matrix, and how they are found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from .._array import Array, array_namespace, device_of, move_like
from .eig import leading_eigenpairs
from .krylov import RitzPairs, block_krylov
from .moments import Moments, column_mean, counted, row_blocks

__all__ = [
    "CentredTable",
    "LowRankMoments",
    "centred_table",
    "compressed",
    "dual_basis",
    "dual_low_rank",
    "krylov_low_rank",
    "merged_low_rank",
    "row_gram",
    "svd_low_rank",
]


# Fewest columns of a block of a wide table whose rows are multiplied with one another.
_COLUMNS = 512


# Fewest columns of a block of the randomized solver: wide enough for the processor, and for
# eigenvalues that are equal a few times.
_BLOCK = 8


class LowRankMoments(NamedTuple):
    """Second-order statistics with the scatter matrix kept to a rank: V diag(s^2) V^T."""

    n_samples: int
    """Number of rows with positive weight."""
    weight: float
    """Sum of the weights."""
    mean: Array
    """Exact weighted mean, (n_features,), float64; zeros when not centred."""
    singular_values: Array
    """Leading singular values of the centred, weighted rows, (rank,), descending."""
    basis: Array
    """Their right singular vectors, (n_features, rank)."""
    total: float
    """Exact trace of the full scatter matrix."""
    floor: float = 0.0
    """Share of the largest squared singular value below which others are rounding only."""


class CentredTable(NamedTuple):
    """A table centred and weighted without a copy: W^(1/2) (X - 1 m^T)."""

    X: Array
    """Dense or sparse, (n_samples, n_features), any float width; never changed."""
    root: Array | None
    """Square roots of the weights, (n_samples,), float64; None for weights of 1."""
    mean: Array
    """(n_features,), float64."""
    n_samples: int
    """Number of rows with positive weight."""
    weight: float
    """Sum of the weights."""

    def rows(self) -> Array:
        """Write the table out in float64 (dense X only).

        Returns
        -------
        rows : array of shape (n_samples, n_features)
            ``W^(1/2) (X - 1 m^T)``.
        """
        xp = array_namespace(self.X)
        return self._weighted(xp.astype(self.X, xp.float64, copy=False) - self.mean)

    def product(self, Q: Array) -> Array:
        """Multiply the table with Q: in float64, the large product in the precision of X.

        Parameters
        ----------
        Q : array of shape (n_features, b)
            Columns.

        Returns
        -------
        product : array of shape (n_samples, b)
            The table times Q.
        """
        return self._weighted(_mixed_product(self.X, Q) - (self.mean @ Q)[None, :])

    def adjoint(self, P: Array) -> Array:
        """Multiply the transposed table with P, as `product` does.

        Parameters
        ----------
        P : array of shape (n_samples, b)
            Columns.

        Returns
        -------
        product : array of shape (n_features, b)
            The transposed table times P.
        """
        xp = array_namespace(P)
        weighted = self._weighted(P)
        column_sums = xp.sum(weighted, axis=0)
        return _mixed_product(self.X.T, weighted) - self.mean[:, None] * column_sums[None, :]

    def scatter(self, Q: Array) -> Array:
        """Multiply the scatter matrix with Q: the operator whose eigenvectors are wanted.

        Parameters
        ----------
        Q : array of shape (n_features, b)
            Columns.

        Returns
        -------
        product : array of shape (n_features, b)
            The scatter matrix times Q.
        """
        return self.adjoint(self.product(Q))

    def total(self) -> float:
        """Trace of the scatter matrix; for sparse X exact to ``eps |x|^2``.

        Returns
        -------
        total : float
            Sum of ``w |x - m|^2``.
        """
        xp = array_namespace(self.X)
        if sp.issparse(self.X):
            energy = np.asarray(self.X.power(2).sum(axis=1), dtype=np.float64).reshape(-1)
            parts = [energy - 2 * (self.X @ self.mean) + self.mean @ self.mean]
        else:
            parts = []
            for rows in row_blocks(self.X):
                block = xp.astype(self.X[rows, :], xp.float64, copy=False) - self.mean
                parts.append(xp.sum(block * block, axis=1))
        squares = xp.concat(parts)[:, None]
        return float(xp.sum(self._weighted(self._weighted(squares))))

    def _weighted(self, rows: Array) -> Array:
        """Rows times the square roots of their weights."""
        return rows if self.root is None else self.root[:, None] * rows


def _mixed_product(A: Any, Q: Array) -> Array:
    """``A @ Q`` for a thin Q, computed in the precision of A, given in float64.

    Dense: as ``(Q^T A^T)^T``, which OpenBLAS does in half the time of ``A @ Q`` for 20 columns.
    """
    xp = array_namespace(Q)
    Q = xp.astype(Q, A.dtype, copy=False)
    product = A @ Q if sp.issparse(A) else (Q.T @ A.T).T
    return xp.astype(product, xp.float64, copy=False)


def centred_table(X: Array, weights: Array | None = None, *, center: bool = True) -> CentredTable:
    """Wrap ``X`` with its weighted mean; see `CentredTable`.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        Finite floats.
    weights : array of shape (n_samples,), optional
        Nonnegative frequencies; None means 1 each.
    center : bool, default=True
        Whether the mean is subtracted.

    Returns
    -------
    table : CentredTable
        Holds a reference to ``X``.
    """
    n_samples, weight = counted(weights, X.shape[0])
    root = None if weights is None else array_namespace(weights).sqrt(weights)
    if sp.issparse(X):
        share = np.full(X.shape[0], 1.0) if weights is None else weights
        mean = np.asarray(X.T.astype(np.float64) @ share).reshape(-1) / weight
    else:
        mean = column_mean(X, weights)
    return CentredTable(X, root, mean if center else 0.0 * mean, n_samples, weight)


def svd_low_rank(table: CentredTable, rank: int | None = None) -> LowRankMoments:
    """Low-rank moments of a dense table by a thin singular value decomposition.

    Parameters
    ----------
    table : CentredTable
        Dense.
    rank : int, optional
        Directions to keep; None keeps all min(n_samples, n_features).

    Returns
    -------
    moments : LowRankMoments
        The leading singular values and directions.

    Notes
    -----
    Backward stable: singular values down to eps times the largest are found, where a Gram matrix
    loses those below sqrt(eps). Costs ``O(n d min(n, d))`` flops and two float64 copies of X.
    """
    rows = table.rows()
    singular_values, basis = _truncated_svd(rows, rank)
    xp = array_namespace(rows)
    total = float(xp.sum(rows * rows))
    floor = _solver_floor(rows.shape) ** 2
    return LowRankMoments(
        table.n_samples, table.weight, table.mean, singular_values, basis, total, floor
    )


def _solver_floor(shape: tuple[int, ...]) -> float:
    """Rounding of an eigensolver (an SVD), relative to the largest eigenvalue (singular value)."""
    return 4 * max(shape) ** 0.5 * 2.0**-52


def _truncated_svd(rows: Array, rank: int | None) -> tuple[Array, Array]:
    """Leading singular values and right singular vectors (as columns) of ``rows``."""
    xp = array_namespace(rows)
    _, singular_values, right = xp.linalg.svd(rows, full_matrices=False)
    kept = min(rank or singular_values.shape[0], singular_values.shape[0])
    return singular_values[:kept], right[:kept, :].T


def dual_low_rank(table: CentredTable, rank: int | None = None) -> LowRankMoments:
    """Low-rank moments of a wide table through the n x n Gram matrix of its rows.

    Parameters
    ----------
    table : CentredTable
        Dense or sparse.
    rank : int, optional
        Directions to keep; None keeps all min(n_samples, n_features).

    Returns
    -------
    moments : LowRankMoments
        The leading singular values and directions.

    Notes
    -----
    ``K u = s^2 u`` gives ``v = A^T u / s`` for the centred, weighted rows A. Singular values below
    sqrt(eps) times the largest are lost; their directions come out as some orthonormal completion.
    Costs ``n^2 d + 9 n^3`` flops; sparse X is never made dense, only the n x n matrix is.
    """
    gram = row_gram(table)
    values, left = leading_eigenpairs(gram, rank)
    xp = array_namespace(values)
    floor = _solver_floor(table.X.shape)
    values = xp.where(values > floor * values[0], values, xp.zeros_like(values))
    basis = dual_basis(table, values, left)
    total = float(xp.linalg.trace(gram))
    return LowRankMoments(
        table.n_samples, table.weight, table.mean, xp.sqrt(values), basis, total, floor
    )


def dual_basis(table: CentredTable, values: Array, left: Array) -> Array:
    """Right singular vectors of a table from the eigenvectors of its Gram matrix.

    Parameters
    ----------
    table : CentredTable
        Dense or sparse.
    values : array of shape (rank,)
        Eigenvalues of the Gram matrix, descending, rounding set to 0.
    left : array of shape (n_samples, rank)
        Their eigenvectors.

    Returns
    -------
    basis : array of shape (n_features, rank)
        Orthonormal columns; where an eigenvalue is 0, some completion.
    """
    xp = array_namespace(values)
    scale = xp.where(values > 0, xp.sqrt(values), xp.ones_like(values))
    # Householder QR: well-determined leading columns stay (up to sign), lost ones are completed.
    return xp.linalg.qr(table.adjoint(left) / scale[None, :], mode="reduced")[0]


def row_gram(table: CentredTable) -> Array:
    """Gram matrix of the centred, weighted rows.

    Parameters
    ----------
    table : CentredTable
        Dense or sparse.

    Returns
    -------
    gram : array of shape (n_samples, n_samples)
        In float64.
    """
    X, root = table.X, table.root
    if not sp.issparse(X):
        xp, gram = array_namespace(X), 0.0
        step = max(2 * X.shape[0], _COLUMNS)  # else adding up the n x n products costs too much
        for start in range(0, X.shape[1], step):
            columns = slice(start, min(start + step, X.shape[1]))
            rows = xp.astype(X[:, columns], xp.float64, copy=False) - table.mean[columns]
            rows = rows if root is None else root[:, None] * rows
            gram = gram + rows @ rows.T
        return gram
    X = X.astype(np.float64)
    gram = (X @ X.T).toarray()
    cross = X @ table.mean
    gram += table.mean @ table.mean - cross[:, None] - cross[None, :]
    return gram if root is None else root[:, None] * gram * root[None, :]


def krylov_low_rank(
    table: CentredTable,
    rank: int,
    *,
    n_oversamples: int,
    tol: float,
    max_iter: int,
    rng: np.random.Generator,
) -> tuple[LowRankMoments, RitzPairs]:
    """Low-rank moments by block Krylov from a random start: X is only multiplied with thin blocks.

    Parameters
    ----------
    table : CentredTable
        Dense or sparse.
    rank : int
        Directions wanted.
    n_oversamples : int
        Extra directions kept at a restart: they widen the gap that convergence depends on.
    tol, max_iter : float, int
        See :func:`~subspace_learn.linalg.krylov.block_krylov`. For float32 X the tolerance is not
        taken below 20 eps of float32.
    rng : numpy.random.Generator
        Source of the starting block.

    Returns
    -------
    moments : LowRankMoments
        The summary.
    pairs : RitzPairs
        With residual norms, number of steps, and whether the tolerance was reached.

    Notes
    -----
    Dense rows are centred in a copy of the precision of X: a mean that is taken off the product
    costs as many digits as it exceeds the deviation by. Where products in float32 are too coarse
    for the smallest eigenvalue wanted, the iteration goes on in float64.
    """
    xp = array_namespace(table.mean)
    # many narrow steps multiply fewer columns in all than few wide ones
    width = min(max(_BLOCK, (rank + 1) // 2), *table.X.shape)
    start = xp.asarray(rng.standard_normal((table.X.shape[1], width)), device=device_of(table.mean))
    eps = float(xp.finfo(table.X.dtype).eps)
    settings = {
        "tol": max(tol, 20 * eps if eps > 2.0**-52 else 0.0),
        "max_iter": max_iter,
        "n_kept": min(rank + n_oversamples, *table.X.shape),
    }
    scatter, total = _scatter_operator(table, wide=False)
    pairs = block_krylov(scatter, start, rank, eps=eps, **settings)
    if eps > 2.0**-52 and not pairs.converged and pairs.n_iter < max_iter:
        settings["max_iter"] -= pairs.n_iter
        finer = block_krylov(
            _scatter_operator(table, wide=True)[0], pairs.vectors, rank, **settings
        )
        pairs = finer._replace(n_iter=finer.n_iter + pairs.n_iter)
    elif eps > 2.0**-52:
        pairs = _refined_in_float64(table, pairs)
    values = xp.sqrt(xp.clip(pairs.values, min=0.0))
    floor = _solver_floor(table.X.shape) ** 2
    moments = LowRankMoments(
        table.n_samples, table.weight, table.mean, values, pairs.vectors, total, floor
    )
    return moments, pairs


def _refined_in_float64(table: CentredTable, pairs: RitzPairs) -> RitzPairs:
    """One step of subspace iteration in float64 from pairs of float32 products.

    The values are Rayleigh quotients, right to the square of the angle. What is left out, the total
    without them, would else carry the rounding of float32.
    """
    xp, X = array_namespace(table.mean), table.X
    gram: Any = 0.0
    image: Any = 0.0
    if sp.issparse(X):
        wide = table._replace(X=X.astype(np.float64))
        scores = wide.product(pairs.vectors)
        gram, image = scores.T @ scores, wide.adjoint(scores)
    else:
        for rows in row_blocks(X):
            root = None if table.root is None else table.root[rows]
            block = table._replace(X=X[rows, :], root=root).rows()
            scores = block @ pairs.vectors
            gram, image = gram + scores.T @ scores, image + block.T @ scores
    values, rotation = leading_eigenpairs(gram)
    vectors = xp.linalg.qr(image @ rotation, mode="reduced")[0]
    return pairs._replace(values=values, vectors=vectors)


def _scatter_operator(table: CentredTable, *, wide: bool) -> tuple[Callable[[Array], Array], float]:
    """Products with the scatter matrix, in the precision of X or in float64, and its trace."""
    if sp.issparse(table.X):
        table = table._replace(X=table.X.astype(np.float64)) if wide else table
        return table.scatter, table.total()
    xp = array_namespace(table.X)
    dtype = xp.float64 if wide else table.X.dtype
    blocks, total = [], 0.0
    for rows in row_blocks(table.X):
        block = xp.astype(table.X[rows, :], xp.float64, copy=False) - table.mean
        block = block if table.root is None else table.root[rows, None] * block
        total = total + xp.sum(block * block)
        blocks.append(xp.astype(block, dtype, copy=False))

    def scatter(Q: Array) -> Array:
        Q = xp.astype(Q, dtype, copy=False)
        image: Any = 0.0
        for block in blocks:  # both products of a block while it is in the cache
            # OpenBLAS does (Q^T A^T)^T in half the time of A Q for 20 columns
            part = (Q.T @ block.T) @ block
            image = image + xp.astype(part, xp.float64, copy=False)
        return image.T

    return scatter, float(total)


def compressed(moments: Moments, rank: int) -> LowRankMoments:
    """Low-rank moments from exact ones (the way back does not exist).

    Parameters
    ----------
    moments : Moments
        With the full scatter matrix.
    rank : int
        Directions to keep.

    Returns
    -------
    low : LowRankMoments
        Mean, weight and total exact.
    """
    xp = array_namespace(moments.scatter)
    values, basis = leading_eigenpairs(moments.scatter, min(rank, moments.scatter.shape[0]))
    root = xp.sqrt(xp.clip(values, min=0.0))
    total = float(xp.linalg.trace(moments.scatter))
    floor = _solver_floor(moments.scatter.shape)
    return LowRankMoments(
        moments.n_samples, moments.weight, moments.mean, root, basis, total, floor
    )


def merged_low_rank(
    a: LowRankMoments, b: LowRankMoments, rank: int, *, center: bool = True
) -> LowRankMoments:
    """Low-rank moments of two sets of rows together.

    The scatter of the union is that of the stacked rows
    ``[diag(s_a) V_a^T; diag(s_b) V_b^T; sqrt(w_a w_b / (w_a + w_b)) (m_b - m_a)^T]``, of which the
    leading ``rank`` singular directions are kept. Mean, weight and total stay exact; what a
    truncation has dropped is lost.

    Parameters
    ----------
    a, b : LowRankMoments
        Of disjoint sets of rows.
    rank : int
        Directions to keep.
    center : bool, default=True
        Whether the two were centred.

    Returns
    -------
    moments : LowRankMoments
        In the library and on the device of ``a``. Costs ``O(d (r_a + r_b)^2)`` flops.

    References
    ----------
    D. A. Ross, J. Lim, R.-S. Lin, M.-H. Yang, "Incremental learning for robust visual tracking",
    International Journal of Computer Vision 77 (2008), section 3.1.
    """
    xp = array_namespace(a.basis)
    b_mean, b_values, b_basis = (
        move_like(part, a.basis) for part in (b.mean, b.singular_values, b.basis)
    )
    weight = a.weight + b.weight
    stacked = [a.singular_values[:, None] * a.basis.T, b_values[:, None] * b_basis.T]
    mean, total = a.mean, a.total + b.total
    if center:
        delta = b_mean - a.mean
        factor = a.weight * b.weight / weight
        stacked.append((factor**0.5 * delta)[None, :])
        mean = a.mean + (b.weight / weight) * delta
        total += factor * float(xp.sum(delta * delta))
    singular_values, basis = _truncated_svd(xp.concat(stacked, axis=0), rank)
    return LowRankMoments(
        a.n_samples + b.n_samples,
        weight,
        mean,
        singular_values,
        basis,
        total,
        max(a.floor, b.floor, _solver_floor(basis.shape) ** 2),
    )
