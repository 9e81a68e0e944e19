"""Rows and labels of vertices that were not there in fit, from their edges to those that were."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from .attribute_graph import AttributedGraph, attribute_edges, value_block
from .block_model import BlockModel, log_evidence

__all__ = [
    "attributed_new_rows",
    "cluster_centers",
    "model_labels",
    "nearest_center",
    "new_rows",
]


def new_rows(
    edges: sp.csr_array, projector: np.ndarray, *, row_normalize: bool, shift: float = 0.0
) -> np.ndarray:
    r"""Embedding of new vertices, :math:`d_x^{-1/2} \sum_j w_{xj} d_j^{-1/2} v_j`.

    The Nystroem extension of the vectors times their eigenvalues: what a fitted vertex with these
    edges has.

    Parameters
    ----------
    edges : csr_array of shape (n_new, n)
        Weights to fitted vertices.
    projector : ndarray of shape (n, d)
        :math:`D^{-1/2} V`.
    row_normalize : bool
        Whether rows are scaled to length 1.
    shift : float, default=0
        Added to the degrees.

    Returns
    -------
    rows : ndarray of shape (n_new, d)
        Zeros without edges.
    """
    degree = np.asarray(edges.sum(axis=1)).ravel() + shift
    image = (edges @ projector) / np.sqrt(np.where(degree > 0, degree, 1.0))[:, None]
    return _rows_by_themselves(image, row_normalize)


def attributed_new_rows(
    edges: sp.csr_array,
    attributes: sp.csr_array,
    graph: AttributedGraph,
    weight: float,
    projector: np.ndarray,
    values: np.ndarray | None,
    *,
    row_normalize: bool,
) -> np.ndarray:
    """Embedding of new nodes by edges and attributes, as :func:`new_rows`.

    Parameters
    ----------
    edges : csr_array of shape (n_new, n)
        Weights to fitted nodes.
    attributes : csr_array of shape (n_new, m)
        Values of the new nodes.
    graph : AttributedGraph
        Fitted.
    weight : float
        Share of attribute steps.
    projector : ndarray of shape (n, d)
        :math:`D^{-1/2} V`.
    values : ndarray of shape (m, d), or None
        Coordinates of the values, if rows get their block.
    row_normalize : bool
        Whether rows are scaled to length 1.

    Returns
    -------
    rows : ndarray of shape (n_new, d) or (n_new, 2 d)
        Zeros for nodes of which nothing is known.
    """
    degree = np.asarray(edges.sum(axis=1)).ravel()
    to_values = attribute_edges(attributes, degree, weight, graph.typical_degree)
    half = to_values @ sp.diags_array(1 / np.sqrt(graph.value_weight))
    image = (1 - weight) * (edges @ projector) + half @ (graph.factor.T @ projector)
    whole = (1 - weight) * degree + np.asarray(to_values.sum(axis=1)).ravel()
    image /= np.sqrt(np.where(whole > 0, whole, 1.0))[:, None]
    rows = _rows_by_themselves(image, row_normalize)
    return rows if values is None else value_block(rows, attributes, values)


def _rows_by_themselves(image: np.ndarray, row_normalize: bool) -> np.ndarray:
    """Unit rows, each judged to be zero or not without a look at the others."""
    if not row_normalize:
        return image
    lengths = np.linalg.norm(image, axis=1, keepdims=True)
    return image / np.where(lengths > 0, lengths, 1.0)


def cluster_centers(rows: np.ndarray, labels: np.ndarray, n_clusters: int) -> np.ndarray:
    """Mean row of each cluster, over the vertices that have a row.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Embedding; rows of zeros are left out.
    labels : ndarray of int, shape (n,)
        From 0.
    n_clusters : int
        K.

    Returns
    -------
    centers : ndarray of shape (K, d)
        NaN for clusters without a row.
    """
    known = np.any(rows != 0, axis=1)
    members = sp.csr_array(
        (np.ones(known.sum()), (labels[known], np.flatnonzero(known))),
        shape=(n_clusters, len(labels)),
    )
    counts = np.bincount(labels[known], minlength=n_clusters)
    with np.errstate(invalid="ignore"):
        return (members @ rows) / np.where(counts > 0, counts, np.nan)[:, None]


def nearest_center(rows: np.ndarray, centers: np.ndarray, default: int) -> np.ndarray:
    """Cluster of each row.

    Parameters
    ----------
    rows : ndarray of shape (n_new, d)
        Embedding.
    centers : ndarray of shape (K, d)
        Rows of NaN are nobody's.
    default : int
        For rows of zeros.

    Returns
    -------
    labels : ndarray of int32, shape (n_new,)
        In [0, K).
    """
    known = np.isfinite(centers).all(axis=1)
    offsets = np.where(known, np.sum(np.where(known[:, None], centers, 0) ** 2, axis=1), np.inf)
    distance = offsets - 2 * rows @ np.where(known[:, None], centers, 0).T
    labels = distance.argmin(axis=1).astype(np.int32)
    labels[~np.any(rows != 0, axis=1)] = default
    return labels


def model_labels(
    model: BlockModel, edges: sp.csr_array, attributes: sp.csr_array | None
) -> np.ndarray:
    """Most probable cluster of new nodes under a fitted block model.

    Parameters
    ----------
    model : BlockModel
        Fitted.
    edges : csr_array of shape (n_new, n)
        Weights to fitted nodes.
    attributes : csr_array of shape (n_new, m), or None
        Values, if the model has any.

    Returns
    -------
    labels : ndarray of int32, shape (n_new,)
        In [0, K). Edges to vertices without memberships say nothing.
    """
    if attributes is None:
        attributes = sp.csr_array((edges.shape[0], 0))
    neighbours = edges @ model.memberships
    evidence = log_evidence(model, neighbours, neighbours.sum(axis=1), attributes)
    return evidence.argmax(axis=1).astype(np.int32)
