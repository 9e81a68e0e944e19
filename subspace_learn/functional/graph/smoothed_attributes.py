r"""Attributes smoothed over the graph: what a node says, averaged with what its neighbours say.

With the weights :math:`x_{iw}` of values, scaled by their rarity and to length 1 in each row, and
the leading directions of that table as rows Z, the rows after t steps are

.. math::

   S^t Z, \qquad S = \tilde D^{-1/2} (A + a I) \tilde D^{-1/2},

a walk on which each node counts among its own neighbours, with the mean weight a of an edge.
Nothing is smoothed at t = 0: attributes alone.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from scipy.sparse.linalg import svds
from sklearn.feature_extraction.text import TfidfTransformer

from .graph_laplacian import walk_operator
from .spectral_clustering import diffusion_rows, oriented

__all__ = ["attribute_directions", "smoothed_rows"]

_DIRECTIONS = 100  # what is usual for bags of words
_DENSE_SIDE = 500  # LAPACK takes tables with a side so short, or with few directions to spare
_RTOL = 1e-6  # of the singular values


def attribute_directions(attributes: sp.csr_array, n_directions: int = _DIRECTIONS) -> np.ndarray:
    """Coordinates of the nodes along the leading directions of their weighted values.

    Parameters
    ----------
    attributes : csr_array of shape (n, m)
        Nonnegative weights of values; rows may be empty.
    n_directions : int, default=100
        How many at most.

    Returns
    -------
    rows : ndarray of shape (n, d)
        Left singular vectors times singular values of the table whose entries are multiplied by
        1 + log((1 + n) / (1 + nodes with the value)), each row scaled to length 1 before and
        after; zero for nodes without values. d is ``n_directions`` or the shorter side.

    References
    ----------
    S. Deerwester et al., "Indexing by latent semantic analysis", J. Am. Soc. Inf. Sci. 41, 1990.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> attribute_directions(sp.csr_array([[1.0, 0], [0, 3], [2, 0]])).round(2) + 0.0
    array([[1., 0.],
           [0., 1.],
           [1., 0.]])
    """
    table = sp.csr_array(TfidfTransformer().fit_transform(sp.csr_matrix(attributes)))
    side = min(table.shape)
    d = min(n_directions, side)
    wide = table.shape[0] < table.shape[1]
    if side <= _DENSE_SIDE or 3 * d > side:
        gram = (table @ table.T if wide else table.T @ table).toarray()
        values, vectors = scipy.linalg.eigh(gram, check_finite=False)
        values, vectors = values[: -1 - d : -1], vectors[:, : -1 - d : -1]
        rows = vectors * np.sqrt(np.clip(values, 0, None)) if wide else table @ vectors
    else:
        # a start that depends on no numbering of nodes or values
        start = table @ np.ones(table.shape[1]) if wide else table.T @ np.ones(table.shape[0])
        U, values, _ = svds(table, d, v0=start, tol=_RTOL)
        rows = (U * values)[:, ::-1]
    return diffusion_rows(oriented(rows))


def smoothed_rows(adjacency: sp.csr_array, rows: np.ndarray, n_steps: int) -> np.ndarray:
    """Rows after some steps of the walk on which each node is a neighbour of its own.

    Parameters
    ----------
    adjacency : csr_array of shape (n, n)
        Symmetric, nonnegative, float64.
    rows : ndarray of shape (n, d)
        One for each node.
    n_steps : int
        Steps t; 0 gives ``rows``.

    Returns
    -------
    smoothed : ndarray of shape (n, d)
        Nodes without edges keep their rows.

    References
    ----------
    F. Wu et al., "Simplifying graph convolutional networks", ICML 2019, equation 8 (the walk).
    X. Zhang, H. Liu, Q. Li, X.-M. Wu, "Attributed graph clustering via adaptive graph
    convolution", IJCAI 2019 (K-means on smoothed attributes).

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> pair = sp.csr_array([[0.0, 2, 0], [2, 0, 0], [0, 0, 0]])
    >>> smoothed_rows(pair, np.array([[1.0], [0], [5]]), 1).ravel().round(2)
    array([0.5, 0.5, 5. ])
    """
    loop = float(adjacency.data.mean()) if adjacency.nnz else 1.0
    walk = walk_operator(sp.csr_array(adjacency + loop * sp.eye_array(adjacency.shape[0])))
    for _ in range(n_steps):
        rows = walk @ rows
    return rows
