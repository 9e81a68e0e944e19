"""Mean and scatter matrix of a table: in blocks, weighted, sparse, and mergeable."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from .._array import Array, array_namespace, device_of, is_numpy, move_like

__all__ = ["NO_LENGTH", "Moments", "counted", "merged_moments", "row_blocks", "table_moments"]

# Lengths and deviations below this have squares without full precision: they count as zero.
NO_LENGTH = float(np.finfo(np.float64).tiny / np.finfo(np.float64).eps) ** 0.5

# Measured best of 1 to 16 MiB: small enough for the caches, large enough for BLAS.
_BLOCK_BYTES = 1 << 21
# On a GPU the launch of a kernel costs more than the memory does.
_DEVICE_BLOCK_BYTES = 1 << 28
# Centre blocks before their products when |mean|^2 exceeds this multiple of the total variance:
# below it at most 3 bits of the input's precision are lost without, and a copy is saved.
_SHIFT_RATIO = 4.0


class Moments(NamedTuple):
    """Sufficient statistics of the second order for a set of weighted rows."""

    n_samples: int
    """Number of rows with positive weight."""
    weight: float
    """Sum of the weights."""
    mean: Array
    """Weighted mean, (n_features,), float64; zeros when not centred."""
    scatter: Array
    """Sum of w (x - mean)(x - mean)^T, (n_features, n_features), float64."""


def row_blocks(X: Array, *, at_least: int = 256) -> Iterator[slice]:
    """Cut the rows of ``X`` into blocks of a size that suits its device.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Dense or sparse.
    at_least : int, default=256
        Fewest rows of a block (the last may have fewer).

    Yields
    ------
    rows : slice
        Of consecutive rows; together all of them.
    """
    n_rows, n_features = X.shape
    limit = _BLOCK_BYTES if is_numpy(X) else _DEVICE_BLOCK_BYTES
    itemsize = 8 if str(X.dtype).endswith("64") else 4
    step = max(at_least, limit // (n_features * itemsize))
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))


def table_moments(X: Array, weights: Array | None = None, *, center: bool = True) -> Moments:
    """Weighted mean and scatter matrix of the rows of ``X``, in one pass.

    ``mean = sum_i w_i x_i / sum_i w_i`` (0 with ``center=False``),
    ``scatter = sum_i w_i (x_i - mean)(x_i - mean)^T``.

    Parameters
    ----------
    X : array of shape (n_samples, n_features), or CSR/CSC matrix
        Finite floats. Sparse input is never made dense.
    weights : array of shape (n_samples,), optional
        Nonnegative frequencies; None means 1 each.
    center : bool, default=True
        Whether the mean is subtracted.

    Returns
    -------
    moments : Moments
        In float64, in the library and on the device of ``X``.

    Raises
    ------
    ValueError
        If squares of ``X`` overflow float64, or all underflow though rows differ.

    Notes
    -----
    Costs ``n d^2`` flops (half of a general product, BLAS sees the symmetry) and one read of X,
    which is the bound by bytes for d below about 50; for sparse X ``sum_i nnz_i^2``. Extra
    memory: one block of 2 MiB and three d x d matrices. Products of float32 blocks are formed in
    float32 and summed in float64, so that the error does not grow with n.
    """
    sums = _sparse_sums if sp.issparse(X) else _dense_sums
    with np.errstate(over="ignore", invalid="ignore"):  # reported below, once, as an error
        part = sums(X, weights, center)
        if not _is_finite(part) and not str(X.dtype).endswith("64"):
            xp = array_namespace(part.mean)
            wide = X.astype(np.float64) if sp.issparse(X) else xp.astype(X, xp.float64)
            part = sums(wide, weights, center)
    if not sp.issparse(X) and center and _has_underflowed(part, X):
        raise ValueError(
            "The squares of X underflow float64: its rows differ by less than about 1e-162. "
            "Rescale X, for example with sklearn.preprocessing.MaxAbsScaler."
        )
    return _finite(part)


def _has_underflowed(part: Moments, X: Array) -> bool:
    """Whether rows differ and the scatter matrix does not see it."""
    xp = array_namespace(X)
    if float(xp.linalg.trace(part.scatter)) != 0.0 or part.n_samples < X.shape[0]:
        return False
    return bool(xp.any(X != X[:1, :]))


def _finite(moments: Moments) -> Moments:
    """Return ``moments`` or say that the squares were too large."""
    if not _is_finite(moments):
        raise ValueError(
            "The squares of X overflow float64: its largest entries exceed about 1e154. Rescale X, "
            "for example with sklearn.preprocessing.MaxAbsScaler."
        )
    return moments


def _is_finite(moments: Moments) -> bool:
    """Whether no square overflowed: a product of two columns is bounded by their squares."""
    return isfinite(float(array_namespace(moments.scatter).linalg.trace(moments.scatter)))


def counted(weights: Array | None, n_rows: int) -> tuple[int, float]:
    """Count the rows of positive weight, and add up the weights.

    Parameters
    ----------
    weights : array of shape (n_rows,), or None
        Nonnegative; None means 1 each.
    n_rows : int
        Number of rows.

    Returns
    -------
    n_samples : int
        Rows that count.
    weight : float
        Sum of the weights.
    """
    if weights is None:
        return n_rows, float(n_rows)
    xp = array_namespace(weights)
    return int(xp.sum(xp.astype(weights > 0, xp.int64))), float(xp.sum(weights))


def _dense_sums(X: Array, weights: Array | None, center: bool) -> Moments:
    """Moments of a dense table, block by block."""
    xp = array_namespace(X)
    n_samples, weight = counted(weights, X.shape[0])
    shift = _shift(X) if center else None
    scatter, total = 0.0, 0.0
    # twice as many rows as columns at least: else adding up the d x d products costs more than they
    for rows in row_blocks(X, at_least=max(256, 2 * X.shape[1])):
        block = X[rows, :] if shift is None else X[rows, :] - shift
        if weights is None:
            ones = xp.ones(block.shape[0], dtype=X.dtype, device=device_of(X))
            block_sum = ones @ block
        else:
            root = xp.astype(xp.sqrt(weights[rows]), X.dtype)
            block = block * root[:, None]
            block_sum = root @ block
        scatter = scatter + xp.astype(block.T @ block, xp.float64, copy=False)
        total = total + xp.astype(block_sum, xp.float64, copy=False)
    offset = 0.0 if shift is None else xp.astype(shift, xp.float64, copy=False)
    return _centred(n_samples, weight, total / weight, scatter, offset, center)


def _shift(X: Array) -> Array | None:
    """A vector near the mean of ``X``, or None where subtracting it would gain nothing."""
    xp = array_namespace(X)
    sample = X[:: max(1, X.shape[0] // 256), :]  # rows from end to end: tables come sorted
    mean = xp.mean(sample, axis=0)
    centre = float(mean @ mean)
    energy = float(xp.sum(sample * sample)) / sample.shape[0]  # |mean|^2 plus the variance
    return mean if centre > _SHIFT_RATIO * (energy - centre) else None


def _sparse_sums(X: sp.csr_matrix, weights: Array | None, center: bool) -> Moments:
    """Moments of a CSR or CSC table from its stored entries alone."""
    from ..kernels.gram import csr_gram

    n_samples, weight = counted(weights, X.shape[0])
    rows = X.tocsr()
    if not rows.has_sorted_indices:
        rows = rows.sorted_indices()
    w = np.ones(X.shape[0]) if weights is None else weights
    scatter = np.zeros((X.shape[1], X.shape[1]))
    csr_gram(rows.data, rows.indices, rows.indptr, w, scatter)
    scatter = scatter + np.triu(scatter, 1).T
    mean = np.asarray(rows.T @ w).reshape(-1) / weight
    return _centred(n_samples, weight, mean, scatter, 0.0, center)


def _centred(
    n_samples: int, weight: float, mean: Array, scatter: Array, offset: Array | float, center: bool
) -> Moments:
    """Moments about the mean from sums about ``offset``."""
    if not center:
        return Moments(n_samples, weight, 0.0 * mean, scatter)
    scatter = scatter - weight * (mean[:, None] * mean[None, :])
    return Moments(n_samples, weight, mean + offset, scatter)


def merged_moments(a: Moments, b: Moments, *, center: bool = True) -> Moments:
    """Moments of two sets of rows together, from the moments of each.

    ``scatter = scatter_a + scatter_b + w_a w_b / (w_a + w_b) delta delta^T`` with
    ``delta = mean_b - mean_a``: the pairwise update of Chan, Golub and LeVeque (1983).

    Parameters
    ----------
    a, b : Moments
        Of disjoint sets of rows.
    center : bool, default=True
        Whether the two were centred.

    Returns
    -------
    moments : Moments
        In the library and on the device of ``a``.

    Raises
    ------
    ValueError
        If the squared distance of the means overflows float64.

    References
    ----------
    T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample variance: analysis
    and recommendations", The American Statistician 37 (1983), eq. 2.1.
    """
    b_mean, b_scatter = move_like(b.mean, a.mean), move_like(b.scatter, a.scatter)
    weight = a.weight + b.weight
    scatter = a.scatter + b_scatter
    mean = a.mean
    if center:
        delta = b_mean - a.mean
        mean = a.mean + (b.weight / weight) * delta
        with np.errstate(over="ignore", invalid="ignore"):
            spread = (a.weight * b.weight / weight) * (delta[:, None] * delta[None, :])
            scatter = scatter + spread
    return _finite(Moments(a.n_samples + b.n_samples, weight, mean, scatter))
