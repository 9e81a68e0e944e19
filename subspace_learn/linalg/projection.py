"""Rows and an affine subspace: their coordinates in it, and how far they are from it."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from .._array import Array, array_namespace
from .moments import row_blocks

__all__ = ["projection_scores", "squared_residuals"]


def projection_scores(X: Array, mean: Array, components: Array) -> Array:
    """Coordinates ``(x - mean) U`` of the rows in the subspace.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        Rows.
    mean : array of shape (n_features,)
        Subtracted before the product (dense X: in blocks, so that a large mean costs no accuracy).
    components : array of shape (n_components, n_features)
        Orthonormal rows.

    Returns
    -------
    scores : array of shape (n_samples, n_components)
        In the precision of ``components``. Costs ``2 n d k`` flops.
    """
    if sp.issparse(X):
        return X @ components.T - (components @ mean)[None, :]
    xp, dtype, parts = array_namespace(X), components.dtype, []
    for rows in row_blocks(X):
        parts.append((xp.astype(X[rows, :], dtype, copy=False) - mean) @ components.T)
    return xp.concat(parts, axis=0)


def squared_residuals(X: Array, mean: Array, components: Array) -> Array:
    """Squared distances ``|(I - U U^T)(x - mean)|^2`` of the rows to the subspace.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        Rows.
    mean : array of shape (n_features,)
        Centre of the subspace.
    components : array of shape (n_components, n_features)
        Orthonormal rows, U^T.

    Returns
    -------
    residuals : array of shape (n_samples,)
        Nonnegative, in the precision of ``components``. Costs ``4 n d k`` flops for dense X, in
        blocks.

    Notes
    -----
    Dense rows are projected and subtracted, so a small residual keeps its relative accuracy. For
    sparse rows ``|x - mean|^2 - |U^T (x - mean)|^2`` is used, which is exact to about
    ``eps |x - mean|^2`` only, but costs ``2 nnz k``.
    """
    xp = array_namespace(X)
    if sp.issparse(X):
        energy = np.asarray(X.multiply(X).sum(axis=1)).reshape(-1) - 2 * (X @ mean) + mean @ mean
        X = X.tocsr()
        for rows in row_blocks(X):  # n x k coordinates may be far larger than X
            scores = projection_scores(X[rows, :], mean, components)
            energy[rows] -= np.sum(scores * scores, axis=1)
        return np.clip(energy, 0.0, None)
    parts = []
    for rows in row_blocks(X):
        block = xp.astype(X[rows, :], components.dtype, copy=False) - mean
        block = block - (block @ components.T) @ components
        parts.append(xp.sum(block * block, axis=1))
    return xp.concat(parts, axis=0)
