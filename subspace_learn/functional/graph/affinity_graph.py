"""Graphs of points: nearest neighbours, or a Gaussian kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

__all__ = ["neighbor_affinity", "neighbor_weights", "rbf_affinity", "symmetric_neighbors"]

_DENSE_BYTES = 4 * 2**30


def symmetric_neighbors(indices: np.ndarray) -> sp.csr_array:
    """Graph in which an edge weighs 1 if both vertices list each other, 1/2 if only one does.

    Parameters
    ----------
    indices : ndarray of int, shape (n, k)
        Neighbours of each vertex, all different; the vertex itself is passed over.

    Returns
    -------
    adjacency : csr_array of shape (n, n)
        Float64, symmetric, sorted indices.

    Examples
    --------
    >>> import numpy as np
    >>> symmetric_neighbors(np.array([[1], [0], [1]])).toarray()
    array([[0. , 1. , 0. ],
           [1. , 0. , 0.5],
           [0. , 0.5, 0. ]])
    """
    from ...kernels.knn_graph import count_links, fill_links

    n = indices.shape[0]
    indices = np.ascontiguousarray(indices, dtype=np.int32)
    indptr = np.zeros(n + 1, dtype=np.int64 if 2 * indices.size >= 2**31 else np.int32)
    count_links(indices, indptr)
    columns = np.empty(indptr[-1], dtype=indptr.dtype)
    weights = np.empty(indptr[-1])
    fill_links(indices, indptr, indptr[:-1].copy(), columns, weights)
    adjacency = sp.csr_array((weights, columns, indptr), shape=(n, n))
    adjacency.sort_indices()
    return adjacency


def neighbor_affinity(X: Any, n_neighbors: int, *, n_jobs: int | None = None) -> sp.csr_array:
    """Symmetric graph of the ``n_neighbors`` nearest other rows of each row of ``X``.

    Parameters
    ----------
    X : array or sparse matrix of shape (n, n_features)
        Points.
    n_neighbors : int
        How many; all others where there are fewer.
    n_jobs : int, default=None
        Threads of the search.

    Returns
    -------
    adjacency : csr_array of shape (n, n)
        Weights 1 and 1/2, see :func:`symmetric_neighbors`.
    """
    from sklearn.neighbors import NearestNeighbors

    n = X.shape[0]
    k = min(n_neighbors, n - 1)
    if k == 0:
        return sp.csr_array((n, n), dtype=np.float64)
    search = NearestNeighbors(n_neighbors=k, n_jobs=n_jobs).fit(X)
    return symmetric_neighbors(search.kneighbors(return_distance=False))


def neighbor_weights(
    X: Any, fitted: Any, n_neighbors: int, *, n_jobs: int | None = None
) -> sp.csr_array:
    """Edges of weight 1 from each row of ``X`` to its nearest rows of ``fitted``.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_new, n_features)
        New points.
    fitted : array or sparse matrix of shape (n, n_features)
        Points of the graph.
    n_neighbors : int
        How many; all where there are fewer.
    n_jobs : int, default=None
        Threads of the search.

    Returns
    -------
    edges : csr_array of shape (n_new, n)
        Float64.
    """
    from sklearn.neighbors import NearestNeighbors

    k = min(n_neighbors, fitted.shape[0])
    search = NearestNeighbors(n_neighbors=k, n_jobs=n_jobs).fit(fitted)
    return sp.csr_array(search.kneighbors_graph(X, mode="connectivity"), dtype=np.float64)


def rbf_affinity(X: Any, Y: Any, gamma: float) -> np.ndarray:
    r"""Gaussian kernel :math:`e^{-\gamma |x - y|^2}` between the rows of ``X`` and ``Y``.

    Parameters
    ----------
    X : array or sparse matrix of shape (n, n_features)
        Points.
    Y : array or sparse matrix of shape (m, n_features)
        Points.
    gamma : float
        Above 0.

    Returns
    -------
    kernel : ndarray of shape (n, m)
        Float64.

    Raises
    ------
    ValueError
        If it would take more than 4 GiB.
    """
    from sklearn.metrics.pairwise import rbf_kernel

    needed = 8 * X.shape[0] * Y.shape[0]
    if needed > _DENSE_BYTES:
        raise ValueError(
            f"affinity='rbf' would fill a dense matrix of {X.shape[0]} x {Y.shape[0]}: "
            f"{needed / 2**30:.1f} GiB, above the limit of {_DENSE_BYTES / 2**30:.0f} GiB. Use "
            "affinity='nearest_neighbors', which keeps a few edges for each point, or give a "
            "sparse adjacency with affinity='precomputed'."
        )
    # in float32 distances lose half of their digits, and weights vanish from 1e-38 on
    X, Y = (block.astype(np.float64, copy=False) for block in (X, Y))
    return rbf_kernel(X, Y, gamma=gamma)
