"""Snapshot pairs compressed to a few rows that have the same inner products.

All that EDMD, its residuals and its pseudospectra ask of lifted data are inner products of columns.
`PairFactors` therefore stands for millions of pairs, adds up over batches and merges; as triangular
factors, not Gram matrices, it keeps all digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import scipy.linalg

from .._array import Array, array_namespace, device_of, to_numpy

__all__ = ["PairFactors", "merged_factors", "pair_factors", "row_blocks"]

# Cholesky-QR2 is as accurate as Householder's QR below a condition of eps^-1/2 = 6.7e7, with room.
_CHOLESKY_LIMIT = 1e7
# One Gram matrix gives residuals down to eps^1/2 of the largest; above this a QR is taken instead.
_RESIDUAL_LIMIT = 1e4


class PairFactors(NamedTuple):
    """A few rows with the inner products of all rows of the lifted data."""

    left: np.ndarray
    """Compressed regressors ``[U, psi(x)]``, (n_rows, n_inputs + n_observables)."""
    right: np.ndarray
    """Compressed successors ``psi(y)``, (n_rows, n_observables)."""
    state: np.ndarray
    """Compressed states x, as far as ``left`` explains them, (n_rows, n_features)."""
    n_pairs: int
    """Number of pairs behind them."""


def row_blocks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Slices of about 1 MiB of float64, which stays in the cache between products.

    Parameters
    ----------
    n_rows, n_columns : int
        Shape of the table.

    Returns
    -------
    slices : iterator of slice
        That cover all rows.
    """
    size = max(2**17 // max(n_columns, 1), 4 * n_columns, 256)
    return (slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size))


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
        Whether the part of ``right`` outside the span of ``left`` is kept. Costs a third pass.

    Returns
    -------
    factors : PairFactors
        NumPy, float64 or complex128.

    Notes
    -----
    With M pairs and N observables: ``6 M N^2`` flops, ``9 M N^2`` with residuals. Householder's QR
    costs ``8 M N^2`` at a fraction of the speed. Extra memory is a block of rows.

    References
    ----------
    T. Fukaya, Y. Nakatsukasa, Y. Yanagisawa, Y. Yamamoto, "CholeskyQR2: a simple and
    communication-avoiding algorithm for computing a tall-skinny QR factorization", ScalA 2014.
    """
    xp = array_namespace(left, right, state)
    if state is None:
        state = xp.zeros((left.shape[0], 0), dtype=xp.float64, device=device_of(left))
    root = None if weights is None else xp.sqrt(weights)
    data = _Blocks(left, right, state, root)
    if solver == "gram":
        return PairFactors(*_by_gram(data), left.shape[0])
    rows = _by_cholesky(data, residuals=residuals)
    return PairFactors(*(rows or _by_householder(data)), left.shape[0])


class _Blocks(NamedTuple):
    """The lifted data, read block by block with the weights applied."""

    left: Array
    right: Array
    state: Array
    root: Array | None

    def __call__(self) -> Iterator[tuple[Array, Array]]:
        """Blocks of ``left`` and of ``[right, state]``, in double precision."""
        width = self.left.shape[1] + self.right.shape[1]
        for rows in row_blocks(self.left.shape[0], width):
            scale = None if self.root is None else self.root[rows]
            a = _double(self.left[rows, :], scale)
            b = _double(self.right[rows, :], scale)
            if self.state.shape[1]:
                xp = array_namespace(b)
                x = _double(self.state[rows, :], scale)
                b = xp.concat([b, xp.astype(x, b.dtype, copy=False)], axis=1)
            yield a, b


def _double(rows: Array, scale: Array | None) -> Array:
    xp = array_namespace(rows)
    complex_ = xp.isdtype(rows.dtype, "complex floating")
    rows = xp.astype(rows, xp.complex128 if complex_ else xp.float64, copy=False)
    return rows if scale is None else rows * xp.astype(scale, rows.dtype, copy=False)[:, None]


def _adjoint(rows: Array) -> Array:
    xp = array_namespace(rows)
    return xp.conj(rows).T if xp.isdtype(rows.dtype, "complex floating") else rows.T


def _sum_of(products: Iterator[Array]) -> np.ndarray:
    """Sum on the device, one transfer at the end."""
    total = next(products)
    for product in products:
        total = total + product
    return to_numpy(total)


def _like(matrix: np.ndarray, rows: Array) -> Array:
    return array_namespace(rows).asarray(matrix, device=device_of(rows))


def _by_cholesky(
    data: _Blocks, *, residuals: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Cholesky-QR2; None where the condition does not allow it."""
    gram = _sum_of(_adjoint(a) @ a for a, _ in data())
    scale = np.sqrt(np.real(np.diagonal(gram)))
    if not (scale > 0).all() or not np.isfinite(scale).all():
        return None
    first = _cholesky(gram / scale[:, None] / scale)
    if first is None or _condition(first) > _CHOLESKY_LIMIT:
        return None
    to_basis = _like(_inverse(first) / scale[:, None], data.left)
    width = data.right.shape[1] + data.state.shape[1]
    gram, cross = np.zeros_like(gram), np.zeros((len(gram), width))
    for a, b in data():
        q = a @ to_basis
        gram = gram + to_numpy(_adjoint(q) @ q)
        cross = cross + to_numpy(_adjoint(q) @ b)
    second = _cholesky(gram)
    if second is None:
        return None
    upper = second @ (first * scale)
    inner = scipy.linalg.solve_triangular(second, cross, trans="C", check_finite=False)
    n = data.right.shape[1]
    inner, state = inner[:, :n], inner[:, n:]
    if not residuals:
        return upper, inner, state
    outer = _outside(data, _solved(upper, inner), n)
    padding = np.zeros((outer.shape[0], upper.shape[1]), dtype=upper.dtype)
    nothing = np.zeros((outer.shape[0], state.shape[1]), dtype=state.dtype)
    return np.vstack([upper, padding]), np.vstack([inner, outer]), np.vstack([state, nothing])


def _solved(upper: np.ndarray, inner: np.ndarray) -> np.ndarray:
    return scipy.linalg.solve_triangular(upper, inner, check_finite=False)


def _outside(data: _Blocks, matrix: np.ndarray, n: int) -> np.ndarray:
    """Triangular factor of what is left of ``right`` after the fit: ``right - left matrix``."""
    on_device = _like(matrix, data.left)

    def left_over() -> Iterator[Array]:
        return (b[:, :n] - a @ on_device for a, b in data())

    gram = _sum_of(_adjoint(c) @ c for c in left_over())
    scale = np.sqrt(np.real(np.diagonal(gram)))
    scale = np.where(scale > 0, scale, 1.0)
    # Columns of zeros are exact; one on the diagonal keeps the factor regular and is scaled away.
    unit = gram / scale[:, None] / scale
    empty = np.real(np.diagonal(gram)) == 0
    factor = _cholesky(unit + np.diag(empty.astype(float)))
    if factor is not None and _condition(factor) <= _RESIDUAL_LIMIT:
        return factor * np.where(empty, 0.0, scale)
    return _triangular(to_numpy(c) for c in left_over())


def _by_householder(data: _Blocks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """QR of all columns side by side, block after block: stable for any condition."""
    n_left, n_right = data.left.shape[1], data.right.shape[1]
    upper = _triangular(np.hstack([to_numpy(a), to_numpy(b)]) for a, b in data())
    return (
        upper[:, :n_left],
        upper[:, n_left : n_left + n_right],
        upper[:, n_left + n_right :],
    )


def _triangular(blocks: Iterator[np.ndarray]) -> np.ndarray:
    upper = next(blocks)
    for block in blocks:
        upper = _r_factor(np.vstack([upper, block]))
    return _r_factor(upper)


def _r_factor(rows: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.qr(rows, mode="r"))


def _by_gram(data: _Blocks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """From sums of products alone; directions below eps^1/2 are lost."""
    n_left, n_right = data.left.shape[1], data.right.shape[1]

    def both() -> Iterator[Array]:
        for a, b in data():
            xp = array_namespace(a, b)
            kind = xp.result_type(a.dtype, b.dtype)
            yield xp.concat(
                [xp.astype(a, kind, copy=False), xp.astype(b, kind, copy=False)], axis=1
            )

    gram = _sum_of(_adjoint(rows) @ rows for rows in both())
    left, inverse = _semidefinite_root(gram[:n_left, :n_left])
    cross = inverse @ gram[:n_left, n_left:]
    inner, state = cross[:, :n_right], cross[:, n_right:]
    total = gram[n_left : n_left + n_right, n_left : n_left + n_right]
    outer, _ = _semidefinite_root(total - inner.conj().T @ inner, scale=np.diagonal(total).real)
    padding = np.zeros((outer.shape[0], n_left))
    nothing = np.zeros((outer.shape[0], state.shape[1]))
    return np.vstack([left, padding]), np.vstack([inner, outer]), np.vstack([state, nothing])


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


def _condition(upper: np.ndarray) -> float:
    """Condition number of a triangular matrix in the 1-norm, estimated by LAPACK in n^2 flops."""
    # gecon on R as its own LU factors (L = I): trcon came to SciPy later than our floor
    (estimate,) = scipy.linalg.get_lapack_funcs(("gecon",), (upper,))
    reciprocal, _ = estimate(np.triu(upper), np.linalg.norm(upper, 1))
    return 1.0 / reciprocal if reciprocal > 0 else np.inf


def _inverse(upper: np.ndarray) -> np.ndarray:
    return scipy.linalg.solve_triangular(upper, np.eye(len(upper)), check_finite=False)


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
    stacked = [np.vstack(parts) for parts in zip(a[:3], b[:3], strict=True)]
    together = pair_factors(stacked[0], stacked[1], stacked[2], solver=solver)
    return together._replace(n_pairs=a.n_pairs + b.n_pairs)
