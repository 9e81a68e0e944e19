r"""The random walk of a graph as a symmetric operator, with attribute vertices eliminated.

With degrees D of the whole weight, :math:`S = D^{-1/2} (A + B B^T) D^{-1/2}`: A are edges, and
:math:`B B^T` is what the Schur complement leaves of vertices that were eliminated.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

__all__ = ["WalkOperator", "checked_partition", "modularity", "walk_operator"]


class WalkOperator(NamedTuple):
    """Symmetric walk matrix ``edges + factor factor^T``, spectrum in [-1, 1], applied by ``@``."""

    edges: sp.csr_array
    """Normalised adjacency, (n, n)."""
    factor: sp.csr_array | None
    """Normalised factor of the eliminated vertices, (n, m), or None."""
    root_degree: np.ndarray
    """Square roots of the degrees, (n,): on each component a vector of eigenvalue 1, unless degrees
    were shifted; 1 where the degree is 0."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.edges.shape

    def __matmul__(self, block: np.ndarray) -> np.ndarray:
        image = self.edges @ block
        if self.factor is not None:
            image += self.factor @ (self.factor.T @ block)
        return image

    def toarray(self) -> np.ndarray:
        """Form the dense matrix.

        Returns
        -------
        dense : ndarray of shape (n, n)
            A new array.
        """
        dense = self.edges.toarray()
        if self.factor is not None:
            dense += (self.factor @ self.factor.T).toarray()
        return dense


def walk_operator(
    adjacency: sp.csr_array, factor: sp.csr_array | None = None, *, shift: float = 0.0
) -> WalkOperator:
    """Normalise edges and eliminated vertices by the common degrees.

    Parameters
    ----------
    adjacency : csr_array of shape (n, n)
        Symmetric, nonnegative, float64.
    factor : csr_array of shape (n, m), default=None
        B, nonnegative: ``B B^T`` is added to the adjacency, but never formed.
    shift : float, default=0
        Added to each degree. A walk then dies out where degrees are small, so that chains and
        small trees at the rim of a sparse graph have no eigenvalues near the largest any more.

    Returns
    -------
    operator : WalkOperator
        A vertex without any weight keeps its vector: 1 on the diagonal (0 with a shift).

    References
    ----------
    T. Qin, K. Rohe, "Regularized spectral clustering under the degree-corrected stochastic
    blockmodel", NIPS 2013 (there the shift is the mean degree).

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> path = sp.csr_array([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]])
    >>> walk_operator(path).toarray().round(2)
    array([[0.  , 0.71, 0.  ],
           [0.71, 0.  , 0.71],
           [0.  , 0.71, 0.  ]])
    """
    n = adjacency.shape[0]
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    if factor is not None:
        degree = degree + factor @ (factor.T @ np.ones(n))
    degree = degree + shift
    isolated = degree == 0
    root = np.sqrt(np.where(isolated, 1.0, degree))
    edges = _scaled_rows(adjacency, 1 / root)
    edges.data /= root[edges.indices]
    if isolated.any():
        edges = sp.csr_array(edges + sp.diags_array(isolated.astype(np.float64)))
    return WalkOperator(edges, None if factor is None else _scaled_rows(factor, 1 / root), root)


def _scaled_rows(A: sp.csr_array, scale: np.ndarray) -> sp.csr_array:
    """Rows times ``scale``, sharing the pattern."""
    data = A.data * np.repeat(scale, np.diff(A.indptr))
    return sp.csr_array((data, A.indices, A.indptr), shape=A.shape)


def checked_partition(adjacency: Any, labels: Any) -> tuple[sp.csr_array, np.ndarray]:
    """Adjacency in CSR and clusters numbered from 0, of any matrix and any names of clusters.

    Parameters
    ----------
    adjacency : sparse or dense matrix of shape (n, n)
        Symmetric.
    labels : array of shape (n,)
        Numbers or words.

    Returns
    -------
    adjacency : csr_array of shape (n, n)
        As given if it is in CSR already.
    labels : ndarray of int, shape (n,)
        In the order of the sorted names.

    Raises
    ------
    ValueError
        If there is not one label for each vertex, or one is masked.
    """
    if np.ma.is_masked(labels):
        raise ValueError("labels is a masked array. Leave those vertices out, or give them labels.")
    labels = np.asarray(labels)
    if labels.shape != adjacency.shape[:1]:
        raise ValueError(
            f"labels has shape {labels.shape}, but the adjacency {tuple(adjacency.shape)}. Give "
            "one label for each vertex."
        )
    if not (sp.issparse(adjacency) and adjacency.format == "csr"):
        adjacency = sp.csr_array(adjacency)
    return adjacency, np.unique(labels, return_inverse=True)[1]


def modularity(adjacency: sp.csr_array, labels: np.ndarray) -> float:
    r"""Newman's modularity of a partition.

    .. math:: Q = \sum_c \frac{w_{cc}}{w} - \left(\frac{d_c}{w}\right)^2

    with the weight :math:`w_{cc}` inside, degrees :math:`d_c`, and the sum w of all degrees.

    Parameters
    ----------
    adjacency : sparse or dense matrix of shape (n, n)
        Symmetric, nonnegative.
    labels : array of shape (n,)
        Cluster of each vertex: numbers or words.

    Returns
    -------
    modularity : float
        Below 1; 0 for one cluster, or without edges.

    Raises
    ------
    ValueError
        If there is not one label for each vertex, or one is masked.

    References
    ----------
    M. E. J. Newman, M. Girvan, "Finding and evaluating community structure in networks", Phys.
    Rev. E 69, 2004, equation 5.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> pairs = sp.csr_array(np.kron(np.eye(2), [[0, 1], [1, 0]]))
    >>> modularity(pairs, np.array([0, 0, 1, 1]))
    0.5
    """
    adjacency, labels = checked_partition(adjacency, labels)
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    total = degree.sum()
    if total == 0:
        return 0.0
    of_edge = np.repeat(labels, np.diff(adjacency.indptr))
    inside = adjacency.data[of_edge == labels[adjacency.indices]].sum() / total
    return float(inside - np.sum((np.bincount(labels, weights=degree) / total) ** 2))
