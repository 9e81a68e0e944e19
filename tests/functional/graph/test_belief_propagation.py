"""Belief propagation: exact on trees, and better than the mean field where evidence is thin."""

from itertools import product

import networkx as nx
import numpy as np
import scipy.sparse as sp
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from subspace_learn.functional.graph import belief_propagation
from subspace_learn.functional.graph.belief_propagation import (
    message_sweep,
    propagate_beliefs,
    reverse_edges,
)
from subspace_learn.functional.graph.block_model import fit_block_model


def weak_blocks(seed, n=400, K=3, inner=0.04, outer=0.0125, right=0.4):
    """Blocks near the limit of what can be found, and one attribute that is often wrong."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % K
    upper = np.triu(rng.random((n, n)) < np.where(truth[:, None] == truth, inner, outer), 1)
    values = np.where(rng.random(n) < right, truth, rng.integers(0, K, n))
    return sp.csr_array((upper + upper.T).astype(float)), sp.csr_array(np.eye(K)[values]), truth


def test_beliefs_on_a_tree_are_the_exact_marginals(rng):
    n, K = 9, 2
    A = sp.csr_array(nx.to_scipy_sparse_array(nx.random_labeled_tree(n, seed=3), dtype=float))
    A.sort_indices()
    own, rates = rng.standard_normal((n, K)), np.array([[2.0, 0.3], [0.3, 1.0]])
    messages = np.full((A.nnz, K), 0.5)
    for _ in range(60):
        beliefs, links = message_sweep(A, own, messages, reverse_edges(A), rates)
    i, j, _ = sp.find(sp.triu(A))
    chances, marginals, pairs = [], np.zeros((n, K)), np.zeros((K, K))
    for labels in product(range(K), repeat=n):
        z = np.array(labels)
        chance = np.exp(own[np.arange(n), z].sum()) * np.prod(rates[z[i], z[j]])
        chances.append(chance)
        marginals[np.arange(n), z] += chance
        np.add.at(pairs, (z[i], z[j]), chance)
        np.add.at(pairs, (z[j], z[i]), chance)
    np.testing.assert_allclose(beliefs, marginals / sum(chances), atol=1e-10)
    np.testing.assert_allclose(links, pairs / sum(chances), atol=1e-10)


def test_reverse_edges_are_the_transposed_places():
    A = weak_blocks(0)[0]
    rows = np.repeat(np.arange(A.shape[0]), np.diff(A.indptr))
    back = reverse_edges(A)
    np.testing.assert_array_equal(A.indices[back], rows)
    np.testing.assert_array_equal(back[back], np.arange(A.nnz))


def test_pieces_give_nearly_what_the_whole_gives(monkeypatch):
    """Messages of earlier pieces are heard one sweep sooner, which the fixed point does not see."""
    A, X, truth = weak_blocks(1, inner=0.06, right=0.7)
    whole = propagate_beliefs(A, X, truth, 3, tol=1e-7, max_iter=400)
    monkeypatch.setattr(belief_propagation, "_ENTRIES", 300)
    pieces = propagate_beliefs(A, X, truth, 3, tol=1e-7, max_iter=400)
    np.testing.assert_allclose(pieces.memberships, whole.memberships, atol=1e-3)


def test_scale_of_the_weights_does_not_matter():
    A, X, truth = weak_blocks(2)
    first = propagate_beliefs(A, X, truth, 3)
    second = propagate_beliefs(sp.csr_array(1024 * A), X, truth, 3)
    np.testing.assert_allclose(second.memberships, first.memberships, rtol=1e-12)


def test_permuted_nodes_permute_the_beliefs(rng):
    A, X, truth = weak_blocks(3)
    order = rng.permutation(len(truth))
    first = propagate_beliefs(A, X, truth, 3)
    second = propagate_beliefs(A[order][:, order], X[order], truth[order], 3)
    # sums over neighbours in another order, in messages of float32
    np.testing.assert_allclose(second.memberships, first.memberships[order], atol=1e-3)


def test_where_evidence_is_thin_it_beats_the_mean_field_and_the_attribute():
    scores = []
    for seed in range(4):
        A, X, truth = weak_blocks(seed)
        given = X.argmax(axis=1)
        fits = (fit_block_model(A, X, given, 3), propagate_beliefs(A, X, given, 3))
        labels = (given, *(fit.memberships.argmax(axis=1) for fit in fits))
        scores.append([normalized_mutual_info_score(truth, found) for found in labels])
    attribute, mean_field, beliefs = np.mean(scores, axis=0)
    assert beliefs > mean_field + 0.02
    assert beliefs > attribute + 0.1


def test_planted_partition_is_found_without_edges_or_without_attributes():
    A, X, truth = weak_blocks(5, inner=0.1, right=0.9)
    rng = np.random.default_rng(0)
    noisy = np.where(rng.random(len(truth)) < 0.4, rng.integers(0, 3, len(truth)), truth)
    edges = propagate_beliefs(A, sp.csr_array((len(truth), 0)), noisy, 3)
    assert adjusted_rand_score(truth, edges.memberships.argmax(axis=1)) > 0.9
    values = propagate_beliefs(sp.csr_array(A.shape), X, noisy, 3)
    np.testing.assert_array_equal(
        adjusted_rand_score(X.argmax(axis=1), values.memberships.argmax(axis=1)), 1.0
    )
