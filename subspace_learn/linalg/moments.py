"""Mean and scatter matrix of a table: in blocks, weighted, sparse, and mergeable."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from .._array import Array, array_namespace, device_of, is_numpy, move_like

__all__ = [
    "NO_LENGTH",
    "Moments",
    "column_mean",
    "column_moments",
    "counted",
    "deviations",
    "merged_moments",
    "row_blocks",
    "table_moments",
]

# Lengths and deviations below this have squares without full precision: they count as zero.
NO_LENGTH = float(np.finfo(np.float64).tiny / np.finfo(np.float64).eps) ** 0.5

# Measured best of 1 to 16 MiB: small enough for the caches, large enough for BLAS.
_BLOCK_BYTES = 1 << 21
# On a GPU the launch of a kernel costs more than the memory does.
_DEVICE_BLOCK_BYTES = 1 << 28
# Centre blocks before their products when mean^2 exceeds this multiple of a column's variance:
# below it at most 2 of 24 bits, or 10 of 53, are lost without, and a copy is saved.
_SHIFT_RATIO = {"float32": 4.0, "float64": 1024.0}
# Rows from which a shift is made.
_SHIFT_ROWS = 128
# Sparse columns whose variance is below this share of their mean square are summed once more.
_CANCELLED = 1e-6
# A stored number is off by half an eps, one that was computed from others by a few: a spread of
# less than 4 eps of the mean lies in the last two bits.
_ROUNDED = 4.0


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
    eps: float = 2.0**-52
    """Unit of rounding in which the products were formed."""


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


def table_moments(
    X: Array,
    weights: Array | None = None,
    *,
    center: bool = True,
    wide: bool = False,
    about: Array | None = None,
) -> Moments:
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
    wide : bool, default=False
        Whether products of float32 rows are formed in float64.
    about : array of shape (n_features,), optional
        A vector near the mean, subtracted before the products: the mean of earlier rows, say. It
        changes rounding only. None looks for one among the rows.

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
    float32 (but for ``wide``) and summed in float64, so that the error does not grow with n.

    A column of equal values has its exact value as mean and exact zeros in ``scatter``, whatever
    the value, n and the weights: rows are counted from one of themselves.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # reported below, once, as an error
        part = _sums(X, weights, center, wide, about)
        trace = _trace(part)
        if not isfinite(trace):
            part = _sums(X, weights, center, True, None)
            trace = _trace(part)
    if trace == 0.0 and center and _has_underflowed(part, X):
        raise ValueError(
            "The squares of X underflow float64: its rows differ by less than about 1e-162. "
            "Rescale X, for example with sklearn.preprocessing.MaxAbsScaler."
        )
    _refuse_overflow(trace)
    return part


def _sums(
    X: Array, weights: Array | None, center: bool, wide: bool, about: Array | None
) -> Moments:
    if sp.issparse(X):
        return _sparse_sums(X, weights, center)
    return _dense_sums(X, weights, center, wide, about)


def _has_underflowed(part: Moments, X: Array) -> bool:
    """Whether rows differ and a scatter matrix of zeros does not see it."""
    if sp.issparse(X) or part.n_samples < X.shape[0]:
        return False
    return bool(array_namespace(X).any(X != X[:1, :]))


def _trace(moments: Moments) -> float:
    """Finite where no square overflowed: a product of two columns is bounded by their squares."""
    return float(array_namespace(moments.scatter).linalg.trace(moments.scatter))


def _refuse_overflow(trace: float) -> None:
    """Say that the squares were too large."""
    if not isfinite(trace):
        raise ValueError(
            "The squares of X overflow float64: its largest entries exceed about 1e154. Rescale X, "
            "for example with sklearn.preprocessing.MaxAbsScaler."
        )


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


def _dense_sums(
    X: Array, weights: Array | None, center: bool, wide: bool, about: Array | None
) -> Moments:
    """Moments of a dense table, block by block."""
    xp = array_namespace(X)
    n_samples, weight = counted(weights, X.shape[0])
    dtype = xp.float64 if wide else X.dtype
    shift = _shift(X, weights) if about is None else about
    shift = None if shift is None else xp.astype(shift, dtype, copy=False)
    scatter, total = 0.0, 0.0
    # twice as many rows as columns at least: else adding up the d x d products costs more than they
    for rows in row_blocks(X, at_least=max(256, 2 * X.shape[1])):
        block = xp.astype(X[rows, :], dtype, copy=False)
        block = block if shift is None else block - shift
        if weights is None:
            block_sum = xp.ones(block.shape[0], dtype=dtype, device=device_of(X)) @ block
        else:
            root = xp.astype(xp.sqrt(weights[rows]), dtype)
            block = block * root[:, None]
            block_sum = root @ block
        scatter = scatter + xp.astype(block.T @ block, xp.float64, copy=False)
        total = total + xp.astype(block_sum, xp.float64, copy=False)
    offset = None if shift is None else xp.astype(shift, xp.float64, copy=False)
    moments = _moments_from_sums(n_samples, weight, total, scatter, offset, center)
    return moments._replace(eps=float(xp.finfo(dtype).eps))


def _shift(X: Array, weights: Array | None) -> Array | None:
    """A vector near the mean, a constant column's value exactly; None where it gains nothing."""
    xp = array_namespace(X)
    if weights is None:  # rows from end to end: tables come sorted
        sample = X[:: max(1, X.shape[0] // _SHIFT_ROWS), :]
    else:
        counting = xp.nonzero(weights > 0)[0]
        sample = xp.take(X, counting[:: max(1, counting.shape[0] // _SHIFT_ROWS)], axis=0)
    gap = sample - sample[:1, :]
    mean_gap = xp.mean(gap, axis=0)
    mean = sample[0, :] + mean_gap
    variance = xp.mean(gap * gap, axis=0) - mean_gap * mean_gap
    ratio = _SHIFT_RATIO["float64" if str(X.dtype).endswith("64") else "float32"]
    return mean if bool(xp.any(mean * mean > ratio * variance)) else None


def _sparse_sums(X: sp.csr_matrix, weights: Array | None, center: bool) -> Moments:
    """Moments of a CSR or CSC table from its stored entries alone, in float64 always."""
    from ..kernels.gram import csr_gram

    n_samples, weight = counted(weights, X.shape[0])
    rows = X.tocsr()
    if not rows.has_sorted_indices:
        rows = rows.sorted_indices()
    w = np.ones(X.shape[0]) if weights is None else weights
    scatter = np.zeros((X.shape[1], X.shape[1]))
    csr_gram(rows.data, rows.indices, rows.indptr, w, scatter)
    scatter = scatter + np.triu(scatter, 1).T
    total = np.asarray(rows.T @ w).reshape(-1)
    moments = _moments_from_sums(n_samples, weight, total, scatter, None, center)
    return _with_nearly_constant_columns(moments, X, w) if center else moments


def _with_nearly_constant_columns(moments: Moments, X: sp.csr_matrix, w: np.ndarray) -> Moments:
    """Sum sparse columns that lie far from zero once more, about one of their values.

    Such a column stores nearly all its entries: written out it takes no more memory.
    """
    mean, scatter, weight = moments.mean, moments.scatter, moments.weight
    far = np.flatnonzero(np.diag(scatter) < _CANCELLED * weight * mean**2)
    if not len(far):
        return moments
    mean, scatter = mean.copy(), scatter.copy()
    columns = X.tocsc()[:, far].toarray().astype(np.float64)
    first = columns[np.argmax(w > 0)]
    gap = columns - first
    mean_gap = (w @ gap) / weight
    gap -= mean_gap
    mean[far] = first + mean_gap
    scatter[far, :] = (X.T @ (w[:, None] * gap)).T  # the weighted gaps sum to 0: no mean of X
    scatter[:, far] = scatter[far, :].T
    scatter[np.ix_(far, far)] = gap.T @ (w[:, None] * gap)
    return moments._replace(mean=mean, scatter=scatter)


def _moments_from_sums(
    n_samples: int, weight: float, total: Array, scatter: Array, offset: Array | None, center: bool
) -> Moments:
    """Moments about the mean, or about 0, from sums about ``offset``."""
    mean = total / weight
    if center:
        scatter = scatter - total[:, None] * mean[None, :]
        return Moments(n_samples, weight, mean if offset is None else mean + offset, scatter)
    if offset is not None:  # what is common to all rows enters in float64
        crossed = total[:, None] * offset[None, :]
        scatter = scatter + (crossed + crossed.T) + weight * (offset[:, None] * offset[None, :])
    return Moments(n_samples, weight, 0.0 * mean, scatter)


def column_moments(X: Array, weights: Array | None = None) -> tuple[Array, Array]:
    """Weighted mean and variance of each column: exact for columns of equal values.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Finite floats, dense.
    weights : array of shape (n_samples,), optional
        Nonnegative frequencies, not all 0; None means 1 each.

    Returns
    -------
    mean : array of shape (n_features,)
        In float64. The value itself where all values (of positive weight) are equal.
    variance : array of shape (n_features,)
        ``sum_i w_i (x_i - mean)^2 / sum_i w_i`` in float64; exactly 0 where all values are equal.

    See Also
    --------
    deviations : Their square roots, with 0 for what is rounding only.

    Notes
    -----
    Values are counted from one of themselves. A plain sum of n equal values is off by up to n eps:
    ``numpy.std`` of a column of 0.1 is about 1e-17, not 0. Costs two reads of X, in blocks.

    Examples
    --------
    >>> import numpy as np
    >>> mean, variance = column_moments(np.full((1001, 1), 0.1))
    >>> print(mean, variance)
    [0.1] [0.]
    """
    weight = counted(weights, X.shape[0])[1]
    first = _first_counting_row(X, weights)
    mean_gap = _summed_powers(X, weights, first, 1) / weight
    # two steps: the first row is exact for equal values, the mean of the gaps for all others
    return first + mean_gap, _summed_powers(X, weights, (first, mean_gap), 2) / weight


def column_mean(X: Array, weights: Array | None = None) -> Array:
    """Weighted mean of each column: the first part of :func:`column_moments`, in one read.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Finite floats, dense.
    weights : array of shape (n_samples,), optional
        Nonnegative frequencies, not all 0; None means 1 each.

    Returns
    -------
    mean : array of shape (n_features,)
        In float64. The value itself where all values (of positive weight) are equal.
    """
    first = _first_counting_row(X, weights)
    return first + _summed_powers(X, weights, first, 1) / counted(weights, X.shape[0])[1]


def _first_counting_row(X: Array, weights: Array | None) -> Array:
    """The first row of positive weight, in float64."""
    xp = array_namespace(X)
    index = 0 if weights is None else int(xp.argmax(xp.astype(weights > 0, xp.int64)))
    return xp.astype(X[index, :], xp.float64)


def _summed_powers(
    X: Array, weights: Array | None, about: Array | tuple[Array, Array], power: int
) -> Array:
    """Sum of ``w (x - about)^power`` for each column, in float64, block by block."""
    xp, total = array_namespace(X), 0.0
    for rows in row_blocks(X):
        gap = xp.astype(X[rows, :], xp.float64, copy=False)
        for shift in about if isinstance(about, tuple) else (about,):
            gap = gap - shift
        gap = gap * gap if power == 2 else gap
        total = total + (xp.sum(gap, axis=0) if weights is None else weights[rows] @ gap)
    return total


def deviations(variance: Array, mean: Array, eps: float) -> Array:
    """Standard deviations, with an exact 0 for columns that are constant to rounding.

    Parameters
    ----------
    variance, mean : array of shape (n_features,)
        Moments of the columns that are exact for equal values: of :func:`column_moments`, of
        :func:`table_moments`, or of merged batches of these.
    eps : float
        Unit of rounding of the data, ``xp.finfo(X.dtype).eps``.

    Returns
    -------
    deviations : array of shape (n_features,)
        ``sqrt(variance)``, or 0 where that is at most ``4 eps |mean|``. The bound does not grow
        with the number of rows, so that time stamps keep their differences.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.3, 1.7e9], [0.1 * 3, 1.7e9 + 0.2], [0.3, 1.7e9 + 0.4]])
    >>> mean, variance = column_moments(X)
    >>> deviations(variance, mean, np.finfo(X.dtype).eps).round(3)
    array([0.   , 0.163])
    """
    xp = array_namespace(variance)
    found = xp.sqrt(xp.clip(variance, min=0.0))
    floor = xp.clip(_ROUNDED * float(eps) * xp.abs(mean), min=NO_LENGTH)
    return xp.where(found > floor, found, xp.zeros_like(found))


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
            scatter = scatter + (a.weight * b.weight / weight * delta)[:, None] * delta[None, :]
    merged = Moments(a.n_samples + b.n_samples, weight, mean, scatter, max(a.eps, b.eps))
    _refuse_overflow(_trace(merged))
    return merged
