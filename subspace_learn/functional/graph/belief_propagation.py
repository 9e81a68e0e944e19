r"""Belief propagation for the block model of a graph whose nodes carry attributes.

The mean-field fit of :mod:`~subspace_learn.functional.graph.block_model` lets a node hear its own
opinion back from its neighbours, and is too sure of itself where the evidence is thin. Here the
message that node i sends to j is its membership by all that it knows except from j,

.. math::

   q_{i \to j}(r) \propto \pi_r P_r(x_i) \, e^{-d_i h_r}
   \prod_{k \in \partial i \setminus j} \Big( \sum_s \Omega_{rs}\, q_{k \to i}(s) \Big)^{a_{ik}},
   \qquad h_r = \sum_s \Omega_{rs} \sum_k d_k q_k(s),

which is exact on trees, and on sparse random graphs as they grow.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
from scipy.special import softmax

from .block_model import BlockModel, edge_rates, first_memberships, log_value_rates

__all__ = ["message_sweep", "propagate_beliefs", "reverse_edges"]

_LEAST = 1e-30  # of the chance of an edge, in float32
_DAMPING = 0.5  # messages sent at the same time would otherwise swap for ever
_ENTRIES = 2**20  # of the adjacency in one piece: bounds the memory of a step


def propagate_beliefs(
    adjacency: sp.csr_array,
    attributes: sp.csr_array,
    labels: np.ndarray,
    n_clusters: int,
    *,
    value_weight: float = 1.0,
    max_iter: int = 60,
    tol: float = 1e-3,
) -> BlockModel:
    """Messages and parameters in turn, from a partition.

    Parameters
    ----------
    adjacency : csr_array of shape (n, n)
        Symmetric, nonnegative; an edge of mean weight counts as one.
    attributes : csr_array of shape (n, m)
        Counts, nonnegative.
    labels : ndarray of int, shape (n,)
        Start.
    n_clusters : int
        K.
    value_weight : float, default=1
        Power of the likelihood of values, in (0, 1].
    max_iter : int, default=60
        Sweeps over all messages.
    tol : float, default=1e-3
        Stops when memberships change by less than this on average, times K.

    Returns
    -------
    model : BlockModel
        Memberships are the beliefs; ``bound`` is NaN: compare fits by that of
        :func:`~subspace_learn.functional.graph.block_model.fit_block_model`.

    Notes
    -----
    A sweep costs O(nnz K^2) operations and two logarithms for each of nnz K messages, which take
    4 nnz K bytes. Rates are the expected edges of each pair of clusters by the beliefs of both ends
    of each edge, over the product of masses (expectation maximisation).

    References
    ----------
    A. Decelle, F. Krzakala, C. Moore, L. Zdeborova, "Asymptotic analysis of the stochastic block
    model for modular networks and its algorithmic applications", Phys. Rev. E 84, 2011, section
    III. M. E. J. Newman, A. Clauset, "Structure and inference in annotated networks", Nature
    Communications 7, 2016, methods.
    """
    n, K = adjacency.shape[0], n_clusters
    unit = float(adjacency.data.mean()) if adjacency.nnz else 1.0
    A = sp.csr_array(adjacency / unit)
    A.sort_indices()
    degree = np.asarray(A.sum(axis=1)).ravel()
    Q = first_memberships(labels, K)
    messages = Q.astype(np.float32)[np.repeat(np.arange(n), np.diff(A.indptr))]
    back = reverse_edges(A)
    mass = degree @ Q
    rates = edge_rates(Q.T @ (A @ Q), mass)
    for _ in range(max_iter):
        log_values = log_value_rates(attributes, Q)
        prior = (Q.sum(axis=0) + 1) / (n + K)
        own = value_weight * (attributes @ log_values.T) + np.log(prior)
        own -= np.outer(degree, rates @ mass)
        new, links = message_sweep(A, own, messages, back, rates)
        change = float(np.abs(new - Q).mean()) * K
        Q = (1 - _DAMPING) * Q + _DAMPING * new
        mass = degree @ Q
        rates = edge_rates((links + links.T) / 2, mass)
        if change < tol:
            break
    return BlockModel(Q, rates, log_values, prior, mass, np.nan, unit, value_weight)


def message_sweep(
    A: sp.csr_array, own: np.ndarray, messages: np.ndarray, back: np.ndarray, rates: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Send all messages once.

    Parameters
    ----------
    A : csr_array of shape (n, n)
        Symmetric, sorted indices; an entry of weight a counts as a edges.
    own : ndarray of shape (n, K)
        Log evidence of each node by itself.
    messages : ndarray of shape (nnz, K)
        From the row to the column of each entry; half of the way to the new ones, in place.
    back : ndarray of int, shape (nnz,)
        From :func:`reverse_edges`.
    rates : ndarray of shape (K, K)
        Omega.

    Returns
    -------
    beliefs : ndarray of shape (n, K)
        Memberships by the messages before.
    links : ndarray of shape (K, K)
        Expected weight between clusters by the messages after.
    """
    beliefs, links = np.empty_like(own), np.zeros(rates.shape)
    for rows, edges in _pieces(A):
        starts = A.indptr[rows.start : rows.stop + 1] - A.indptr[rows.start]
        weight = A.data[edges]
        incoming = messages[back[edges]]
        heard = np.maximum(incoming @ rates.T.astype(messages.dtype), _LEAST)
        said = np.log(heard) * weight[:, None]
        places = np.arange(len(weight))
        shape = (len(starts) - 1, len(weight))
        gather = sp.csr_array((np.ones(len(weight)), places, starts), shape=shape)
        evidence = own[rows] + gather @ said
        sender = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        sent = softmax(evidence[sender] - said, axis=1)
        messages[edges] = (1 - _DAMPING) * messages[edges] + _DAMPING * sent
        outgoing = messages[edges]
        chance = np.maximum(np.einsum("er,er->e", outgoing, heard), _LEAST)
        links += rates * ((outgoing * (weight / chance)[:, None]).T @ incoming)
        beliefs[rows] = softmax(evidence, axis=1)
    return beliefs, links


def reverse_edges(A: sp.csr_array) -> np.ndarray:
    """Place of entry (j, i) for each entry (i, j) of a matrix with a symmetric pattern.

    Parameters
    ----------
    A : csr_array of shape (n, n)
        Sorted indices.

    Returns
    -------
    back : ndarray of int, shape (nnz,)
        Its own inverse.
    """
    numbers = sp.csr_array((np.arange(1, A.nnz + 1), A.indices, A.indptr), shape=A.shape)
    transposed = sp.csr_array(numbers.T)
    transposed.sort_indices()
    return transposed.data - 1


def _pieces(A: sp.csr_array) -> Iterator[tuple[slice, slice]]:
    """Ranges of rows, and of their entries, of about a million entries each."""
    first, n = 0, A.shape[0]
    while first < n:
        last = int(np.searchsorted(A.indptr, A.indptr[first] + _ENTRIES, side="right")) - 1
        last = min(max(last, first + 1), n)
        yield slice(first, last), slice(int(A.indptr[first]), int(A.indptr[last]))
        first = last
