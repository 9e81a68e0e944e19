"""Snapshot pairs compressed to a few rows that have the same inner products.

All that EDMD, its residuals and its pseudospectra ask of lifted data are inner products of columns.
`PairFactors` therefore stands for millions of pairs, adds up over batches and merges; as triangular
factors, not Gram matrices, it keeps all digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg

from ..._array import (
    Array,
    array_namespace,
    device_of,
    is_numpy,
    move_like,
    on_host,
    to_numpy,
)

__all__ = ["PairFactors", "merged_factors", "pair_factors", "row_blocks", "side_by_side"]

# Cholesky-QR2 is as accurate as Householder's QR below a condition of eps^-1/2 = 6.7e7, with room.
_CHOLESKY_LIMIT = 1e7
# Below this condition inner products alone lose two digits at most (condition^2 = 225): the pass
# over an orthonormal basis is left out.
_ONE_PASS_LIMIT = 15.0
# One Gram matrix gives residuals down to eps^1/2 of the largest; above this a QR is taken instead.
_RESIDUAL_LIMIT = 1e4
# Elements of a block: 2 MiB stay in a processor's cache; a GPU wants few and large products.
_BLOCK, _BLOCK_ON_DEVICE = 2**18, 2**23


# Double precision of real and of complex tables.
_WIDE = {False: "float64", True: "complex128"}


class PairFactors(NamedTuple):
    """A few rows with the inner products of all rows of the lifted data, on the host."""

    left: np.ndarray
    """Compressed regressors ``[U, psi(x)]``, (n_rows, n_inputs + n_observables)."""
    right: np.ndarray
    """Successors ``psi(y)`` as far as ``left`` explains them, (n_rows, n_observables)."""
    state: np.ndarray
    """States x as far as ``left`` explains them, (n_rows, n_features)."""
    unexplained: np.ndarray
    """What is left of ``psi(y)``, (n_more_rows, n_observables); no rows if not asked for."""
    n_pairs: int
    """Number of pairs behind them."""
    weight: float
    """Sum of their weights."""

    @property
    def n_inputs(self) -> int:
        """How many of the first columns of ``left`` are inputs."""
        return self.left.shape[1] - self.right.shape[1]


def row_blocks(n_rows: int, n_columns: int, n_elements: int = _BLOCK) -> Iterator[slice]:
    """Slices of about ``n_elements``, by default what stays in the cache between products.

    Parameters
    ----------
    n_rows, n_columns : int
        Shape of the table.
    n_elements : int, default=2**18
        Rows times columns of a block; at least four times as many rows as columns are taken.

    Returns
    -------
    slices : iterator of slice
        That cover all rows.
    """
    size = max(n_elements // max(n_columns, 1), 4 * n_columns, 256)
    return (slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size))


def side_by_side(a: Array, b: Array) -> Array:
    """Columns of a, then of b, in the wider of their number types.

    Parameters
    ----------
    a, b : array of shape (n_rows, n_columns)
        Of one library; one may be complex and the other real.

    Returns
    -------
    both : array
        A new table.
    """
    xp = array_namespace(a, b)
    kind = xp.result_type(a.dtype, b.dtype)
    return xp.concat([xp.astype(a, kind, copy=False), xp.astype(b, kind, copy=False)], axis=1)


def pair_factors(
    left: Array,
    right: Array,
    state: Array | None = None,
    weights: Array | None = None,
    *,
    solver: str = "qr",
    residuals: bool = True,
) -> PairFactors:
    """Compress lifted pairs to at most ``2 n_observables + n_inputs + n_features`` rows.

    Parameters
    ----------
    left : array of shape (n_pairs, n_inputs + n_observables)
        Inputs, then observables of x; any array library, real or complex.
    right : array of shape (n_pairs, n_observables)
        Observables of the successors y.
    state : array of shape (n_pairs, n_features), optional
        States x, for the map back.
    weights : array of shape (n_pairs,), optional
        Nonnegative quadrature weights; None means 1 each.
    solver : {"qr", "gram"}, default="qr"
        "qr": Cholesky-QR2 in blocks, or Householder's QR where the measured condition of the
        columns (scaled to length 1) is above 1e7. "gram": inner products only, one pass; relative
        errors are squared conditions, and residuals have a floor of about 2e-8.
    residuals : bool, default=True
        Whether the part of ``right`` outside the span of ``left`` is kept. Costs a pass.

    Returns
    -------
    factors : PairFactors
        NumPy, float64 or complex128.

    Notes
    -----
    With M pairs and N observables: ``6 M N^2`` flops, ``9 M N^2`` with residuals; ``3 M N^2`` and
    ``6 M N^2`` where the measured condition is below 15, since inner products are accurate then.
    Householder's QR costs ``8 M N^2`` at a fraction of the speed. Extra memory is a block of rows.
    All passes over the pairs are made in their library and on their device; matrices of N columns
    go to the host.

    References
    ----------
    T. Fukaya, Y. Nakatsukasa, Y. Yanagisawa, Y. Yamamoto, "CholeskyQR2: a simple and
    communication-avoiding algorithm for computing a tall-skinny QR factorization", ScalA 2014.
    """
    xp = array_namespace(left, right, state, weights)
    if state is None:
        state = xp.zeros((left.shape[0], 0), dtype=xp.float64, device=device_of(left))
    root = None if weights is None else xp.sqrt(weights)
    weight = float(left.shape[0]) if weights is None else float(xp.sum(weights))
    block = _BLOCK if on_host(left) else _BLOCK_ON_DEVICE
    data = _Blocks(left, right, state, root, xp, block)
    if solver == "gram":
        return PairFactors(*_by_gram(data), left.shape[0], weight)
    factors = _by_cholesky(data, residuals=residuals)
    return PairFactors(*(factors or _by_householder(data)), left.shape[0], weight)


_Factors = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # the arrays of PairFactors


class _Blocks(NamedTuple):
    """The lifted data, read block by block with the weights applied."""

    left: Array
    right: Array
    state: Array
    root: Array | None
    xp: Any
    block: int

    def read(self, *names: str) -> Iterator[tuple[Array, ...]]:
        """Blocks of the tables of these names, in double precision."""
        xp, tables = self.xp, [getattr(self, name) for name in names]
        kinds = [_WIDE[xp.isdtype(table.dtype, "complex floating")] for table in tables]
        width = self.left.shape[1] + self.right.shape[1]
        for rows in row_blocks(self.left.shape[0], width, self.block):
            block = []
            for table, kind in zip(tables, kinds, strict=True):
                values = xp.astype(table[rows, :], getattr(xp, kind), copy=False)
                if self.root is not None:
                    root = xp.astype(self.root[rows], getattr(xp, kind), copy=False)
                    values = values * root[:, None]
                block.append(values)
            yield tuple(block)

    def pairs(self) -> Iterator[tuple[Array, Array]]:
        """Blocks of ``left`` and of ``[right, state]``."""
        if self.state.shape[1] == 0:
            yield from self.read("left", "right")
        else:
            for a, b, x in self.read("left", "right", "state"):
                yield a, side_by_side(b, x)

    def whole(self) -> Iterator[Array]:
        """Blocks of ``[left, right, state]``."""
        return (side_by_side(a, b) for a, b in self.pairs())

    def left_over(self, matrix: Array) -> Iterator[Array]:
        """Blocks of ``right - left @ matrix``."""
        return (b - self.xp.matmul(a, matrix) for a, b in self.read("left", "right"))

    def inner(self, a: Array, b: Array) -> Array:
        """Inner products of the columns of a and b."""
        adjoint = (self.xp.conj(a) if a.dtype == self.xp.complex128 else a).T
        # real with complex: ``@`` need not mix them
        return adjoint @ b if a.dtype == b.dtype else self.xp.matmul(adjoint, b)


def _sum_of(products: Iterator[Array]) -> np.ndarray:
    """Sum on the device, one transfer at the end."""
    total = next(products)
    for product in products:
        total = total + product
    return to_numpy(total)


def _by_cholesky(data: _Blocks, *, residuals: bool) -> _Factors | None:
    """Cholesky-QR2; None where the condition does not allow it."""
    gram = _sum_of(data.inner(a, a) for (a,) in data.read("left"))
    scale = np.sqrt(np.real(np.diagonal(gram)))
    if not (scale > 0).all() or not np.isfinite(scale).all():
        return None
    first = _cholesky(gram / scale[:, None] / scale)
    condition = np.inf if first is None else _condition(first)
    if first is None or condition > _CHOLESKY_LIMIT:
        return None
    if condition <= _ONE_PASS_LIMIT:
        upper, cross = first * scale, _sum_of(data.inner(a, b) for a, b in data.pairs())
        inner = _triangular_solve(upper, cross, adjoint=True)
    else:
        to_basis = move_like(
            _triangular_solve(first, np.eye(len(first))) / scale[:, None], data.left
        )
        gram, cross = _projections(data, to_basis)
        second = _cholesky(gram)
        if second is None:
            return None
        upper, inner = second @ (first * scale), _triangular_solve(second, cross, adjoint=True)
    n = data.right.shape[1]
    inner, state = inner[:, :n], inner[:, n:]
    outer = _unexplained(data, _triangular_solve(upper, inner)) if residuals else inner[:0]
    return upper, inner, state, outer


def _projections(data: _Blocks, to_basis: Array) -> tuple[np.ndarray, np.ndarray]:
    """Inner products of a basis ``left @ to_basis`` with itself and with ``[right, state]``."""
    gram: Array = 0.0
    cross: Array = 0.0
    for a, b in data.pairs():
        q = data.xp.matmul(a, to_basis)
        gram, cross = gram + data.inner(q, q), cross + data.inner(q, b)
    return to_numpy(gram), to_numpy(cross)


def _unexplained(data: _Blocks, matrix: np.ndarray) -> np.ndarray:
    """Triangular factor of what is left of ``right`` after the fit: ``right - left matrix``."""
    on_device = move_like(matrix, data.left)
    gram = _sum_of(data.inner(c, c) for c in data.left_over(on_device))
    scale = np.sqrt(np.real(np.diagonal(gram)))
    scale = np.where(scale > 0, scale, 1.0)
    # Columns of zeros are exact; one on the diagonal keeps the factor regular and is scaled away.
    unit = gram / scale[:, None] / scale
    empty = np.real(np.diagonal(gram)) == 0
    factor = _cholesky(unit + np.diag(empty.astype(float)))
    if factor is not None and _condition(factor) <= _RESIDUAL_LIMIT:
        return factor * np.where(empty, 0.0, scale)
    return _triangular(data.left_over(on_device))


def _by_householder(data: _Blocks) -> _Factors:
    """QR of all columns side by side, block after block: stable for any condition."""
    k, n = data.left.shape[1], data.right.shape[1]
    upper = _triangular(data.whole())
    return upper[:k, :k], upper[:k, k : k + n], upper[:k, k + n :], upper[k : k + n, k : k + n]


def _triangular(blocks: Iterator[Array]) -> np.ndarray:
    upper = _r_factor(next(blocks))
    for block in blocks:
        upper = _r_factor(array_namespace(block).concat([upper, block], axis=0))
    return to_numpy(upper)


def _r_factor(rows: Array) -> Array:
    if is_numpy(rows):  # the standard has no word for "R alone", which is half the work
        return np.linalg.qr(rows, mode="r")
    return array_namespace(rows).linalg.qr(rows)[1]


def _by_gram(data: _Blocks) -> _Factors:
    """From sums of products alone; directions below eps^1/2 are lost."""
    n_left, n_right = data.left.shape[1], data.right.shape[1]
    gram = _sum_of(data.inner(rows, rows) for rows in data.whole())
    left, inverse = _semidefinite_root(gram[:n_left, :n_left])
    cross = inverse @ gram[:n_left, n_left:]
    inner, state = cross[:, :n_right], cross[:, n_right:]
    total = gram[n_left : n_left + n_right, n_left : n_left + n_right]
    outer, _ = _semidefinite_root(total - inner.conj().T @ inner, scale=np.diagonal(total).real)
    return left, inner, state, outer


def _semidefinite_root(
    gram: np.ndarray, scale: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """R with ``R^* R = gram`` and its pseudo-inverse's adjoint, in columns of length one."""
    scale = np.sqrt(np.real(np.diagonal(gram)) if scale is None else scale)
    scale = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(gram / scale[:, None] / scale)
    kept = values > 4 * len(values) * np.finfo(np.float64).eps * max(values[-1], 0.0)
    root, rows = np.sqrt(values[kept])[:, None], vectors[:, kept].conj().T
    if not kept.any():
        return np.zeros((1, len(scale)), gram.dtype), np.zeros((1, len(scale)), gram.dtype)
    return root * rows * scale, rows / root / scale


def _cholesky(gram: np.ndarray) -> np.ndarray | None:
    """Upper triangular R with ``R^* R = gram``, or None if it is not positive definite."""
    try:
        return np.linalg.cholesky(gram).conj().T
    except np.linalg.LinAlgError:
        return None


def _triangular_solve(upper: np.ndarray, right: np.ndarray, *, adjoint: bool = False) -> np.ndarray:
    trans = "C" if adjoint else "N"
    return scipy.linalg.solve_triangular(upper, right, trans=trans, check_finite=False)


def _condition(upper: np.ndarray) -> float:
    """Condition number of a triangular matrix in the 1-norm, estimated by LAPACK in n^2 flops."""
    # gecon on R as its own LU factors (L = I): trcon came to SciPy later than our floor
    (estimate,) = scipy.linalg.get_lapack_funcs(("gecon",), (upper,))
    reciprocal, _ = estimate(np.triu(upper), np.linalg.norm(upper, 1))
    return 1.0 / reciprocal if reciprocal > 0 else np.inf


def merged_factors(a: PairFactors, b: PairFactors, *, solver: str = "qr") -> PairFactors:
    """Factors of two sets of pairs together, from the factors of each.

    Parameters
    ----------
    a, b : PairFactors
        Of disjoint sets of pairs in one dictionary.
    solver : {"qr", "gram"}, default="qr"
        As in `pair_factors`.

    Returns
    -------
    factors : PairFactors
        As if all pairs had been compressed at once, to rounding.
    """
    stacked = [np.vstack(parts) for parts in zip(_rows(a), _rows(b), strict=True)]
    together = pair_factors(*stacked, solver=solver)
    return together._replace(n_pairs=a.n_pairs + b.n_pairs, weight=a.weight + b.weight)


def _rows(factors: PairFactors) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs (left, right, state) with the inner products that ``factors`` stand for."""
    left, right, state, unexplained, *_ = factors
    none = np.zeros((unexplained.shape[0], left.shape[1] + state.shape[1]))
    return (
        np.vstack([left, none[:, : left.shape[1]]]),
        np.vstack([right, unexplained]),
        np.vstack([state, none[:, left.shape[1] :]]),
    )
