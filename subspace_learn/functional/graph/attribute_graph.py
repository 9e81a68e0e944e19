r"""Attributes as vertices of the graph, eliminated exactly.

Each value that occurs is a vertex joined to the nodes that have it. Among themselves the value
vertices have no edges: their block of the Laplacian is a diagonal :math:`D_v`, and the Schur
complement on the nodes is the Laplacian of :math:`A + C D_v^{-1} C^T`, applied by two sparse
products and never formed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.special import xlogy

__all__ = [
    "AttributedGraph",
    "attribute_edges",
    "attribute_entropy",
    "attributed_graph",
    "measurement_knots",
    "measurement_values",
    "value_block",
]

_MOST_KNOTS = 10


class AttributedGraph(NamedTuple):
    """Edges and eliminated value vertices of a graph, in shares 1 - w and w."""

    adjacency: sp.csr_array
    """(1 - w) A, (n, n)."""
    factor: sp.csr_array
    """:math:`C D_v^{-1/2}`, (n, m)."""
    value_weight: np.ndarray
    """Diagonal of :math:`D_v`, (m,); 1 for values that do not occur."""
    typical_degree: float
    """Mean degree of A: what nodes without edges count as."""


def attributed_graph(
    adjacency: sp.csr_array, attributes: sp.csr_array, weight: float
) -> AttributedGraph:
    """Join nodes by their attributes, so that a walk takes a share ``weight`` of its steps there.

    Parameters
    ----------
    adjacency : csr_array of shape (n, n)
        Symmetric, nonnegative.
    attributes : csr_array of shape (n, m)
        Nonnegative; values present.
    weight : float
        Share w in [0, 1].

    Returns
    -------
    graph : AttributedGraph
        A node of degree d joins its values by w d in all, shared out like its row of
        ``attributes``: hubs and long texts get no more than their share. One without edges counts
        as of mean degree; one without attributes walks along its edges only.
    """
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    typical = float(degree[degree > 0].mean()) if degree.any() else 1.0
    C = attribute_edges(attributes, degree, weight, typical)
    total = np.asarray(C.sum(axis=0)).ravel()
    total = np.where(total > 0, total, 1.0)
    factor = sp.csr_array(C @ sp.diags_array(1 / np.sqrt(total)))
    edges = (1 - weight) * adjacency if weight < 1 else sp.csr_array(adjacency.shape, dtype=float)
    return AttributedGraph(edges, factor, total, typical)


def attribute_edges(
    attributes: sp.csr_array, degree: np.ndarray, weight: float, typical_degree: float
) -> sp.csr_array:
    """Weights C of the edges between nodes and values.

    Parameters
    ----------
    attributes : csr_array of shape (n, m)
        Nonnegative.
    degree : ndarray of shape (n,)
        Along edges of the graph.
    weight : float
        Share w.
    typical_degree : float
        Instead of a degree of 0.

    Returns
    -------
    edges : csr_array of shape (n, m)
        Rows sum to w times the degree, or to 0.
    """
    sums = np.asarray(attributes.sum(axis=1)).ravel()
    degree = np.where(degree > 0, degree, typical_degree)
    scale = weight * degree / np.where(sums > 0, sums, np.inf)
    return sp.csr_array(sp.diags_array(scale) @ attributes)


def measurement_knots(values: np.ndarray) -> np.ndarray:
    """Numbers between which a measurement is interpolated.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Of one attribute, finite.

    Returns
    -------
    knots : ndarray of shape (m,)
        Ascending, all different: each number that occurs if there are few, else quantiles at about
        the cube root of n places, at most 10, so that each stands for many nodes.

    Examples
    --------
    >>> import numpy as np
    >>> measurement_knots(np.array([2.0, 1.0, 1.0]))
    array([1., 2.])
    """
    different = np.unique(values)
    count = min(max(int(np.ceil(len(values) ** (1 / 3))), 2), _MOST_KNOTS)
    if len(different) <= count:
        return different
    shares = np.linspace(0, 1, count)
    return np.unique(np.quantile(values, shares, method="inverted_cdf"))


def measurement_values(values: np.ndarray, knots: np.ndarray) -> sp.csr_array:
    """Write each number as a mixture of the two knots around it, as values that a node has.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Finite.
    knots : ndarray of shape (m,)
        Ascending, at least two.

    Returns
    -------
    mixture : csr_array of shape (n, m)
        Rows sum to 1. Halfway between two knots is half of each; numbers beyond the
        ends count as the ends.

    Examples
    --------
    >>> import numpy as np
    >>> measurement_values(np.array([1.0, 2.5, 9.0]), np.array([1.0, 2.0, 4.0])).toarray()
    array([[1.  , 0.  , 0.  ],
           [0.  , 0.75, 0.25],
           [0.  , 0.  , 1.  ]])
    """
    place = np.interp(values, knots, np.arange(len(knots)))
    left = np.minimum(place.astype(np.int64), len(knots) - 2)
    rows = np.arange(len(values))
    entries = (
        np.concatenate([1 - (place - left), place - left]),
        (
            np.concatenate([rows, rows]),
            np.concatenate([left, left + 1]),
        ),
    )
    return sp.csr_array(sp.coo_array(entries, shape=(len(values), len(knots))))


def value_block(rows: np.ndarray, attributes: sp.csr_array, values: np.ndarray) -> np.ndarray:
    """Append to each row the mean coordinates of the values that the node has.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Coordinates of the nodes.
    attributes : csr_array of shape (n, m)
        Nonnegative.
    values : ndarray of shape (m, d)
        Coordinates of the values.

    Returns
    -------
    blocks : ndarray of shape (n, 2 d)
        The papers give each of several attributes a block of its own, which bags of words with many
        present values do not fit.
    """
    sums = np.asarray(attributes.sum(axis=1)).ravel()
    means = (attributes @ values) / np.where(sums > 0, sums, 1.0)[:, None]
    return np.hstack([rows, means])


def attribute_entropy(codes: np.ndarray, labels: np.ndarray) -> float:
    r"""How mixed the attributes are inside clusters, in bits.

    .. math:: H = \sum_c \frac{n_c}{n} \sum_a \sum_v -p_{cav} \log_2 p_{cav}

    with the share :math:`p_{cav}` of nodes of cluster c whose attribute a has the value v.

    Parameters
    ----------
    codes : array of shape (n, n_attributes) or (n,)
        One value of each categorical attribute for each node: numbers or words. What is missing
        (None, NaN) counts as a value.
    labels : array of shape (n,)
        Clusters.

    Returns
    -------
    entropy : float
        0 if each cluster has one value of each attribute. Clusters of one node are pure, so compare
        partitions of about as many clusters of about the same sizes.

    Raises
    ------
    ValueError
        If there is not one row of codes for each label, or entries are masked.

    References
    ----------
    P. D'Ambra, P. S. Vassilevski, L. Cutillo, "Extending bootstrap AMG for clustering of attributed
    graphs", Applied Mathematics and Computation 447, 2023, 127904 (with modularity, what partitions
    without known truth are judged by).

    Examples
    --------
    >>> import numpy as np
    >>> colour = np.array(["red", "red", "blue", "blue"])
    >>> attribute_entropy(colour, np.array([0, 0, 1, 1]))
    0.0
    >>> attribute_entropy(colour, np.array([0, 1, 0, 1]))
    1.0
    """
    if np.ma.is_masked(codes) or np.ma.is_masked(labels):
        raise ValueError("codes or labels are masked. Give masked nodes a value of their own.")
    codes = np.asarray(codes)
    if codes.ndim not in (1, 2) or len(codes) != len(labels):
        raise ValueError(
            f"codes has shape {codes.shape}, but there are {len(labels)} labels. Give one row of "
            "codes for each label."
        )
    columns = codes.reshape(len(labels), -1).T
    clusters, cluster = np.unique(labels, return_inverse=True)
    total = 0.0
    for column in columns:
        column = column.astype(str) if column.dtype.kind == "O" else column  # None has no order
        values, value = np.unique(column, return_inverse=True)
        counts = np.zeros((len(clusters), len(values)))
        np.add.at(counts, (cluster, value), 1)
        shares = counts / counts.sum(axis=1, keepdims=True)
        total -= float(counts.sum(axis=1) @ xlogy(shares, shares).sum(axis=1))
    return float(total / (np.log(2) * len(labels)) + 0.0)  # never -0
