r"""Communities of a graph, with or without attributes, as one probabilistic model.

Node i belongs to cluster :math:`z_i`; edges are Poisson with mean
:math:`d_i d_j \Omega_{z_i z_j}` (degree-corrected), and the values of node i are draws from the
distribution :math:`P_{z_i}`. How much an edge or an attribute says about the clusters is read off
the data: no weight between the two has to be set. An edge of mean weight counts as one edge.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.special import softmax, xlogy

from .graph_laplacian import checked_partition

__all__ = [
    "BlockModel",
    "edge_information",
    "edge_rates",
    "first_memberships",
    "fit_block_model",
    "log_evidence",
    "log_value_rates",
    "renumbered_clusters",
    "value_design_effect",
]

_TINY = 1e-10
_DAMPING = 0.5  # neighbours that change at the same time would otherwise swap for ever
_SURE = 0.9  # weight of the label that a node starts with
_WARM_UP = 5


class BlockModel(NamedTuple):
    """A fitted model."""

    memberships: np.ndarray
    """Probability of each cluster, (n, K)."""
    rates: np.ndarray
    """Omega, (K, K)."""
    log_values: np.ndarray
    """Logarithm of P, (K, m)."""
    prior: np.ndarray
    """Share of each cluster, (K,)."""
    mass: np.ndarray
    """Sum of the degrees of each cluster, (K,)."""
    bound: float
    """Lower bound of the log likelihood, up to a constant of the data."""
    edge_weight: float = 1.0
    """Mean weight of an edge: what counts as one."""
    value_weight: float = 1.0
    """What a value counts as: less than one where the values of a node repeat each other."""


def fit_block_model(
    adjacency: sp.csr_array,
    attributes: sp.csr_array | None,
    labels: np.ndarray,
    n_clusters: int,
    *,
    value_weight: float = 1.0,
    max_iter: int = 100,
    tol: float = 1e-6,
) -> BlockModel:
    """Mean-field variational fit from a partition.

    Parameters
    ----------
    adjacency : csr_array of shape (n, n)
        Symmetric, nonnegative.
    attributes : csr_array of shape (n, m), or None
        Counts, nonnegative. None: the edges alone.
    labels : ndarray of int, shape (n,)
        Start.
    n_clusters : int
        K.
    value_weight : float, default=1
        Power of the likelihood of values, in (0, 1]: 1 / :func:`value_design_effect`.
    max_iter : int, default=100
        Sweeps.
    tol : float, default=1e-6
        Stops when the bound changes by less than this share of itself.

    Returns
    -------
    model : BlockModel
        Of two fits, the one with the larger bound explains the graph and the attributes better:
        this needs no labels.

    Notes
    -----
    A sweep costs O((nnz + n K) K) operations. The values' distributions are pulled towards the
    overall one by a pseudo-count of 1 for each cluster.

    References
    ----------
    B. Karrer, M. E. J. Newman, "Stochastic blockmodels and community structure in networks", Phys.
    Rev. E 83, 2011 (the graph). M. E. J. Newman, A. Clauset, "Structure and inference in annotated
    networks", Nature Communications 7, 2016 (joint with metadata).
    """
    n, degree = len(labels), np.asarray(adjacency.sum(axis=1)).ravel()
    if attributes is None:
        attributes = sp.csr_array((n, 0))
    unit = float(adjacency.data.mean()) if adjacency.nnz else 1.0
    R = first_memberships(labels, n_clusters)
    bound = -np.inf
    for sweep in range(max_iter):
        neighbours = adjacency @ R
        links, mass = R.T @ neighbours / unit, degree @ R / unit
        rates = edge_rates(links, mass)
        values = log_value_rates(attributes, R)
        prior = (R.sum(axis=0) + 1) / (n + n_clusters)
        model = BlockModel(R, rates, values, prior, mass, bound, unit, value_weight)
        evidence = log_evidence(model, neighbours, degree, attributes)
        # each edge stands in the evidence of both of its ends, and the bound counts it once
        twice = np.sum((neighbours @ np.log(rates).T) * R) / unit - mass @ rates @ mass
        new = float(np.sum(evidence * R) - twice / 2 - np.sum(xlogy(R, R)))
        if sweep >= _WARM_UP and abs(new - bound) <= tol * abs(new):
            return model._replace(bound=new)
        bound = new
        R = (1 - _DAMPING) * R + _DAMPING * softmax(evidence, axis=1)
    return model._replace(bound=bound)


def log_evidence(
    model: BlockModel, neighbours: np.ndarray, degree: np.ndarray, attributes: sp.csr_array
) -> np.ndarray:
    """Log probability, up to a constant by node, of what is known of each node in each cluster.

    Parameters
    ----------
    model : BlockModel
        Rates, values, prior, mass and weights are read.
    neighbours : ndarray of shape (n, K)
        Weights of the edges to each cluster.
    degree : ndarray of shape (n,)
        Sums of the weights.
    attributes : csr_array of shape (n, m)
        Counts.

    Returns
    -------
    evidence : ndarray of shape (n, K)
        Its softmax are memberships.
    """
    edges = neighbours @ np.log(model.rates).T - np.outer(degree, model.rates @ model.mass)
    values = attributes @ model.log_values.T
    return edges / model.edge_weight + model.value_weight * values + np.log(model.prior)


def first_memberships(labels: np.ndarray, n_clusters: int) -> np.ndarray:
    """Memberships that nine tenths believe a partition.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        In [0, n_clusters).
    n_clusters : int
        K.

    Returns
    -------
    memberships : ndarray of shape (n, K)
        Rows sum to 1.
    """
    R = np.full((len(labels), n_clusters), (1 - _SURE) / n_clusters)
    R[np.arange(len(labels)), labels] += _SURE
    return R


def edge_rates(links: np.ndarray, mass: np.ndarray) -> np.ndarray:
    """The most likely Omega, links over the products of masses.

    Parameters
    ----------
    links : ndarray of shape (K, K)
        Weight between clusters, each edge from both of its ends.
    mass : ndarray of shape (K,)
        Sums of degrees.

    Returns
    -------
    rates : ndarray of shape (K, K)
        Positive; for two empty clusters 1.
    """
    return (links + _TINY) / (np.outer(mass, mass) + _TINY)


def log_value_rates(attributes: sp.csr_array, memberships: np.ndarray) -> np.ndarray:
    """Logarithm of the distribution of values in each cluster, with a pseudo-count of 1.

    Parameters
    ----------
    attributes : csr_array of shape (n, m)
        Counts.
    memberships : ndarray of shape (n, K)
        Probability of each cluster.

    Returns
    -------
    log_values : ndarray of shape (K, m)
        Pulled towards the overall distribution.
    """
    total = np.asarray(attributes.sum(axis=0)).ravel()
    overall = total / max(total.sum(), _TINY)
    counts = (attributes.T @ memberships).T
    return np.log((counts + overall + _TINY) / (counts.sum(axis=1, keepdims=True) + 1))


def value_design_effect(attributes: sp.csr_array, labels: np.ndarray, n_clusters: int) -> float:
    r"""How many times over the values of a node repeat each other.

    .. math::

       \phi = \frac{\sum_i \sum_s \left(\sum_v x_{iv} g_{vs}\right)^2}
                   {\sum_i \sum_s \sum_v x_{iv} g_{vs}^2}, \qquad
       g_{vs} = \log \frac{P_{z_i v}}{P_{sv}} - \text{its mean in } z_i

    is the variance, inside clusters, of the evidence for one cluster against another, over what it
    would be if the values of a node were drawn one by one. Clusters of n_c nodes weigh
    n_c / (n_c - 1) times as much in the numerator.

    Parameters
    ----------
    attributes : csr_array of shape (n, m)
        Counts, nonnegative.
    labels : ndarray of int, shape (n,)
        In [0, n_clusters).
    n_clusters : int
        K.

    Returns
    -------
    effect : float
        At least 1; 1 for single values, and categories. Words of a text that belong to one topic
        have about 1.5: the likelihood that takes each for a draw of its own is then too sure.

    Notes
    -----
    Costs O((nnz + K m) K).

    References
    ----------
    L. Kish, "Survey sampling", Wiley, 1965, section 8.2 (design effect). D. Bissiri, C. Holmes, S.
    Walker, "A general framework for updating belief distributions", J. R. Stat. Soc. B 78, 2016
    (powers of a likelihood).

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> texts = np.array([[1.0, 1, 0, 0], [2, 0, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]])
    >>> labels = np.array([0, 0, 1, 1])
    >>> round(value_design_effect(sp.csr_array(texts), labels, 2), 2)
    1.33
    >>> round(value_design_effect(sp.csr_array(7 * texts), labels, 2), 2)  # each word seven times
    9.33
    """
    counts = np.bincount(labels, minlength=n_clusters)
    member = sp.csr_array(
        (np.ones(len(labels)), (labels, np.arange(len(labels)))), shape=(n_clusters, len(labels))
    )
    log_values = log_value_rates(attributes, member.T.toarray())
    scores, lengths = attributes @ log_values.T, np.asarray(attributes.sum(axis=1)).ravel()
    totals = (member @ attributes).toarray()
    found = expected = 0.0
    for c in np.flatnonzero(counts > 1):
        odds = log_values[c] - log_values
        mean = odds @ totals[c] / max(totals[c].sum(), _TINY)
        own = labels == c
        evidence = scores[own, c, None] - scores[own] - np.outer(lengths[own], mean)
        found += float(np.sum(evidence**2)) * counts[c] / (counts[c] - 1)
        expected += float(np.sum((odds - mean[:, None]) ** 2 @ totals[c]))
    return float(max(found / expected, 1.0)) if expected > _TINY else 1.0


def edge_information(adjacency: sp.csr_array, labels: np.ndarray) -> float:
    r"""What the cluster of one end of an edge says about that of the other, in nats.

    .. math:: I = \sum_{rs} p_{rs} \log \frac{p_{rs}}{p_r p_s}

    with the share :math:`p_{rs}` of the weight between clusters r and s, and
    :math:`p_r = \sum_s p_{rs}`. Up to a constant of the graph and the factor of its weight this is
    the log likelihood of the degree-corrected block model with the best rates for the partition.

    Parameters
    ----------
    adjacency : sparse or dense matrix of shape (n, n)
        Symmetric, nonnegative.
    labels : array of shape (n,)
        Cluster of each vertex: numbers or words.

    Returns
    -------
    information : float
        At least 0, at most the logarithm of the number of clusters; 0 without edges.

    Raises
    ------
    ValueError
        If there is not one label for each vertex, or one is masked.

    References
    ----------
    B. Karrer, M. E. J. Newman, "Stochastic blockmodels and community structure in networks", Phys.
    Rev. E 83, 2011, equations 25 and 26.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> pairs = sp.csr_array(np.kron(np.eye(2), [[0, 1], [1, 0]]))
    >>> round(edge_information(pairs, np.array([0, 0, 1, 1])), 3)  # log 2
    0.693
    """
    adjacency, labels = checked_partition(adjacency, labels)
    K, total = int(labels.max()) + 1, adjacency.data.sum()
    if total == 0:
        return 0.0
    pairs = np.repeat(labels, np.diff(adjacency.indptr)) * K + labels[adjacency.indices]
    joint = np.bincount(pairs, weights=adjacency.data, minlength=K * K).reshape(K, K) / total
    share = joint.sum(axis=1)
    # negative by rounding alone
    return max(float(xlogy(joint, joint).sum() - 2 * xlogy(share, share).sum()), 0.0)


def renumbered_clusters(model: BlockModel, before: np.ndarray, after: np.ndarray) -> BlockModel:
    """The same model with its clusters numbered as in other labels.

    Parameters
    ----------
    model : BlockModel
        Fitted.
    before : ndarray of int, shape (n,)
        Labels in the numbers of the model.
    after : ndarray of int, shape (n,)
        The same partition in other numbers, from 0 without gaps. Empty clusters come last.

    Returns
    -------
    model : BlockModel
        Of new arrays.
    """
    K = len(model.prior)
    first = [int(before[np.argmax(after == k)]) for k in range(int(after.max()) + 1)]
    order = np.array([*first, *(k for k in range(K) if k not in first)])
    return model._replace(
        memberships=model.memberships[:, order],
        rates=model.rates[np.ix_(order, order)],
        log_values=model.log_values[order],
        prior=model.prior[order],
        mass=model.mass[order],
    )
