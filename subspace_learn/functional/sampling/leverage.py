"""How much a row matters in least squares: leverage scores, exact, by Gram matrix, or sketched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..._array import Array, array_namespace, device_of, is_numpy
from ...linalg.moments import NO_LENGTH, row_blocks
from .given_rows import given_rows

__all__ = ["leverage_scores"]

METHODS = ("auto", "gram", "exact", "sketch")
# Smallest over largest eigenvalue of the Gram matrix of columns of unit length. One pass loses
# eps / ratio of relative accuracy: 2e-12 at the first limit. Below it a second pass mends what the
# first lost; below the second limit the rank cannot be read off a Gram matrix.
_ONE_PASS, _TWO_PASSES = 1e-4, 1e-12
# Roundings below which a direction counts as one.
_ROUNDINGS = 8.0
# Buckets of the count sketch for d columns, and columns of the Gaussian that shortens rows.
_BUCKETS_PER_SQUARE, _SHORTENED = 4, 64


def leverage_scores(
    A: Any, *, method: str = "auto", rng: np.random.Generator | None = None
) -> Array:
    r"""Leverage of each row: how far the row alone moves its own least-squares prediction.

    :math:`\tau_i = a_i^T (A^T A)^+ a_i`, in [0, 1], summing to the rank of A.

    Parameters
    ----------
    A : array or sparse matrix of shape (n_samples, n_features)
        Rows; NumPy, CuPy, torch, or SciPy sparse. Any rank.
    method : {"auto", "gram", "exact", "sketch"}, default="auto"
        - "gram": two passes over A through its Gram matrix; raises where the condition number
          (after scaling columns) exceeds 1e6.
        - "exact": QR decomposition in blocks, any rank.
        - "auto": "gram" with one more pass where the condition number asks for it, "exact" beyond.
        - "sketch": from a count sketch with 4 d^2 buckets and, beyond 64 columns, a Gaussian
          projection; NumPy and sparse only. Within some 30 % mostly: for sampling, not for reading.
    rng : Generator, default=None
        Random numbers of "sketch"; None means ``default_rng(0)``.

    Returns
    -------
    scores : array of shape (n_samples,)
        Of the library of A, float64.

    Raises
    ------
    ValueError
        If the method is not known or cannot serve A.

    Notes
    -----
    2 n d^2 flops for "auto" and well-conditioned A. Extra memory: one block of rows.

    References
    ----------
    P. Drineas, M. Magdon-Ismail, M. W. Mahoney, D. P. Woodruff, "Fast approximation of matrix
    coherence and statistical leverage", JMLR 13 (2012).

    Examples
    --------
    >>> import numpy as np
    >>> from subspace_learn.sampling import leverage_scores
    >>> leverage_scores(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0]])).round(3)
    array([0.5, 0.5, 1. ])
    """
    A = given_rows(A)
    if method == "sketch":
        T = whitener(A, method=method, rng=rng)
        if T.shape[1] > _SHORTENED:  # rows of many columns are shortened by a Gaussian map
            rng = np.random.default_rng(0) if rng is None else rng
            T = T @ (rng.standard_normal((T.shape[1], _SHORTENED)) / np.sqrt(_SHORTENED))
        return np.minimum(row_energies(A, T), 1.0)
    xp = array_namespace(A)
    scores = row_energies(A, whitener(A, method=method))
    return xp.clip(scores, 0.0, 1.0)


def whitener(
    A: Any,
    weights: Array | None = None,
    *,
    method: str = "auto",
    rng: np.random.Generator | None = None,
) -> Array:
    """Map T for which the columns of ``diag(weights)^(1/2) A T`` are orthonormal.

    Parameters
    ----------
    A : array or sparse matrix of shape (n_samples, n_features)
        Rows.
    weights : array of shape (n_samples,), default=None
        Nonnegative; None means 1 each.
    method : {"auto", "gram", "exact", "sketch"}, default="auto"
        As in `leverage_scores`.
    rng : Generator, default=None
        Random numbers of "sketch".

    Returns
    -------
    T : array of shape (n_features, rank)
        Of the library of A, float64.
    """
    if method not in METHODS:
        raise ValueError(f"method={method!r} is not known here. Use one of {METHODS}.")
    if method == "sketch":
        return _sketched_whitener(A, weights, rng)
    gram = weighted_gram(A, weights)
    xp = array_namespace(gram)
    lengths = xp.sqrt(xp.linalg.diagonal(gram))
    lengths = xp.where(lengths > NO_LENGTH, lengths, xp.ones_like(lengths))
    values, vectors = xp.linalg.eigh(gram / (lengths[:, None] * lengths[None, :]))
    ratio = float(values[0]) / max(float(values[-1]), np.finfo(float).tiny)
    if method == "gram" and not ratio > _TWO_PASSES:
        raise ValueError(
            f"The condition number of A (columns scaled) is about {max(ratio, 1e-300) ** -0.5:.1e} "
            "or A lacks rank: its Gram matrix cannot tell. Use method='exact' or 'auto'."
        )
    if method == "exact" or not ratio > _TWO_PASSES:
        return _refined(A, weights, _qr_whitener(A, weights, lengths))
    T = vectors / xp.sqrt(values)[None, :] / lengths[:, None]
    return T if ratio > _ONE_PASS else _refined(A, weights, T)


def weighted_gram(A: Any, weights: Array | None = None) -> Array:
    """``A^T diag(weights) A`` in float64, in blocks of rows; sparse rows by their entries alone."""
    if sp.issparse(A):
        from ...kernels.gram import csr_gram

        rows = A.tocsr()
        if not rows.has_sorted_indices:
            rows = rows.sorted_indices()
        gram = np.zeros((A.shape[1], A.shape[1]))
        w = np.ones(A.shape[0]) if weights is None else np.asarray(weights, dtype=np.float64)
        csr_gram(rows.data, rows.indices, rows.indptr, w, gram)
        return gram + np.triu(gram, 1).T
    xp = array_namespace(A)
    gram = xp.zeros((A.shape[1], A.shape[1]), dtype=xp.float64, device=device_of(A))
    for rows in row_blocks(A, at_least=max(256, 2 * A.shape[1])):
        block = _block(A, rows, weights)
        gram = gram + block.T @ block
    return gram


def whitened_blocks(A: Any, T: Array) -> Iterator[tuple[slice, Array]]:
    """Blocks of rows of ``A T`` one after another: where they stand, and the block, dense."""
    A = A.tocsr() if sp.issparse(A) else A
    for rows in row_blocks(A):
        yield rows, np.asarray(A[rows] @ T) if is_numpy(A) else _block(A, rows) @ T


def row_energies(A: Any, T: Array) -> Array:
    """Squared length of each row of ``A T``, without storing ``A T``."""
    xp = array_namespace(T)
    energies = [xp.sum(Z * Z, axis=1) for _, Z in whitened_blocks(A, T)]
    return xp.concat(energies)


def _block(A: Any, rows: slice, weights: Array | None = None) -> Array:
    """A block of rows, dense and float64, times the roots of their weights."""
    if sp.issparse(A):
        block = A[rows].toarray().astype(np.float64)
        return block if weights is None else block * np.sqrt(weights[rows])[:, None]
    xp = array_namespace(A)
    block = xp.astype(A[rows, :], xp.float64, copy=False)
    return block if weights is None else block * xp.sqrt(weights[rows])[:, None]


def _qr_whitener(A: Any, weights: Array | None, lengths: Array) -> Array:
    """T from the triangular factor, built block by block, without directions below rounding."""
    xp = array_namespace(lengths)
    d = A.shape[1]
    factor, n_blocks = None, 0
    A = A.tocsr() if sp.issparse(A) else A
    for rows in row_blocks(A, at_least=max(256, 4 * d)):
        block = _block(A, rows, weights) / lengths[None, :]
        stacked = block if factor is None else xp.concat([factor, block])
        factor, n_blocks = xp.linalg.qr(stacked, mode="reduced")[1], n_blocks + 1
    _, values, vectors = xp.linalg.svd(factor, full_matrices=False)
    eps = float(xp.finfo(xp.float64).eps)
    # columns that depend on others leave up to (columns + blocks)^(1/2) eps; rows do not count
    threshold = float(values[0]) * _ROUNDINGS * eps * (d + n_blocks) ** 0.5
    rank = int(xp.sum(xp.astype(values > threshold, xp.int64)))
    return vectors[:rank, :].T / values[None, :rank] / lengths[:, None]


def _refined(A: Any, weights: Array | None, T: Array) -> Array:
    """T after one more pass, which takes out what rounding did to the first."""
    xp = array_namespace(T)
    if T.shape[1] == 0:
        return T
    gram = xp.zeros((T.shape[1], T.shape[1]), dtype=T.dtype, device=device_of(T))
    A = A.tocsr() if sp.issparse(A) else A
    for rows in row_blocks(A, at_least=max(256, 2 * T.shape[1])):
        Z = _block(A, rows, weights) @ T
        gram = gram + Z.T @ Z
    values, vectors = xp.linalg.eigh(gram)
    return T @ (vectors / xp.sqrt(values)[None, :])


def _sketched_whitener(
    A: Any, weights: Array | None, rng: np.random.Generator | None
) -> np.ndarray:
    """T from a count sketch: every row is added, with a random sign, to one of 4 d^2 sums."""
    if not is_numpy(A):
        raise ValueError("method='sketch' needs NumPy or SciPy sparse rows. Use method='auto'.")
    rng = np.random.default_rng(0) if rng is None else rng
    n, d = A.shape
    n_buckets = _BUCKETS_PER_SQUARE * d * d
    if n <= n_buckets:
        return whitener(A, weights)
    signs = rng.choice([-1.0, 1.0], size=n)
    if weights is not None:
        signs = signs * np.sqrt(weights)
    buckets = rng.integers(n_buckets, size=n)
    return whitener(sp.csr_matrix((signs, (buckets, np.arange(n))), shape=(n_buckets, n)) @ A)
