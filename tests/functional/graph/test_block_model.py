"""The block model against brute force, its laws, and planted partitions."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import xlogy
from sklearn.metrics import adjusted_rand_score, mutual_info_score

from subspace_learn.functional.graph.block_model import (
    edge_information,
    fit_block_model,
    log_evidence,
    renumbered_clusters,
)


def planted(n=120, K=3, seed=0, inner=0.3, outer=0.03, right=0.8):
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % K
    upper = np.triu(rng.random((n, n)) < np.where(truth[:, None] == truth, inner, outer), 1)
    values = np.where(rng.random(n) < right, truth, rng.integers(0, K, n))
    A = sp.csr_array((upper + upper.T).astype(float))
    return A, sp.csr_array(np.eye(K)[values]), truth


def test_evidence_is_the_log_likelihood_of_one_node_up_to_a_constant():
    A, X, truth = planted(30)
    model = fit_block_model(A, X, truth, 3)
    degree = np.asarray(A.sum(axis=1)).ravel()
    i, R = 4, model.memberships
    wanted = np.zeros(3)
    for k in range(3):
        for j in range(30):
            mean = degree[i] * degree[j] * model.rates[k]
            # log of the Poisson probability, averaged over the cluster of j; log degrees are the
            # same for each k
            wanted[k] += R[j] @ (A[i, j] * np.log(model.rates[k]) - mean)
        wanted[k] += (X[[i]] @ model.log_values[k])[0] + np.log(model.prior[k])
    given = log_evidence(model, A @ R, degree, X)[i]
    np.testing.assert_allclose(given - given[0], wanted - wanted[0], atol=1e-8)


def test_planted_partition_is_kept_and_found_from_a_noisy_start():
    A, X, truth = planted()
    rng = np.random.default_rng(1)
    noisy = np.where(rng.random(120) < 0.4, rng.integers(0, 3, 120), truth)
    for start in (truth, noisy):
        labels = fit_block_model(A, X, start, 3).memberships.argmax(axis=1)
        assert adjusted_rand_score(truth, labels) > 0.95


def test_bound_is_larger_for_the_truth_than_for_chance():
    A, X, truth = planted(seed=2)
    chance = np.random.default_rng(0).permutation(truth)
    at_truth = fit_block_model(A, X, truth, 3, max_iter=1).bound
    assert at_truth > fit_block_model(A, X, chance, 3, max_iter=1).bound


def test_useless_attributes_do_not_mislead():
    A, _, truth = planted(seed=3)
    X = sp.csr_array(np.eye(3)[np.random.default_rng(0).integers(0, 3, 120)])
    labels = fit_block_model(A, X, truth, 3).memberships.argmax(axis=1)
    assert adjusted_rand_score(truth, labels) > 0.95


def test_edges_across_clusters_count_as_evidence_too():
    """A graph of two sides: most edges lead to the other cluster."""
    A, X, truth = planted(100, 2, seed=4, inner=0.02, outer=0.3, right=0.7)
    start = X.toarray().argmax(axis=1)
    labels = fit_block_model(A, X, start, 2).memberships.argmax(axis=1)
    assert adjusted_rand_score(truth, labels) > adjusted_rand_score(truth, start)
    assert adjusted_rand_score(truth, labels) > 0.95


def test_renamed_clusters_and_permuted_nodes_change_nothing_else():
    A, X, truth = planted(60)
    model = fit_block_model(A, X, truth, 3)
    order = np.random.default_rng(5).permutation(60)
    other = fit_block_model(A[order][:, order], X[order], (truth[order] + 1) % 3, 3)
    np.testing.assert_allclose(
        other.memberships[:, [1, 2, 0]], model.memberships[order], atol=1e-10
    )
    assert other.bound == pytest.approx(model.bound)


def test_memberships_are_probabilities():
    A, X, truth = planted(30)
    R = fit_block_model(A, X, truth, 3, max_iter=3).memberships
    np.testing.assert_allclose(R.sum(axis=1), 1)
    assert R.min() >= 0


def test_edge_information_is_the_mutual_information_of_the_two_ends():
    A, _, truth = planted()
    i, j = A.nonzero()
    wanted = mutual_info_score(truth[i], truth[j])
    assert edge_information(A, truth) == pytest.approx(wanted, rel=1e-12)
    assert edge_information(sp.csr_array(3 * A), truth) == pytest.approx(wanted, rel=1e-12)
    assert edge_information(A, np.zeros(120, dtype=int)) == 0
    assert edge_information(sp.csr_array((120, 120)), truth) == 0


def test_edge_information_is_the_profile_likelihood():
    """Differences between partitions are those of the Poisson likelihood at the best rates."""
    A, _, truth = planted()
    degree = np.asarray(A.sum(axis=1)).ravel()
    other = np.where(np.arange(120) % 5 == 0, (truth + 1) % 3, truth)

    def log_likelihood(labels):
        R = np.eye(3)[labels]
        mass = degree @ R
        rates = (R.T @ A @ R) / np.outer(mass, mass)
        mean = np.outer(degree, degree) * rates[labels][:, labels]
        return np.sum(xlogy(A.toarray(), mean) - mean) / 2

    wanted = log_likelihood(truth) - log_likelihood(other)
    given = edge_information(A, truth) - edge_information(A, other)
    assert given * A.sum() / 2 == pytest.approx(wanted, rel=1e-9)


def test_edges_alone_need_no_attributes():
    A, _, truth = planted()
    without = fit_block_model(A, None, truth, 3)
    useless = fit_block_model(A, sp.csr_array(np.ones((120, 1))), truth, 3)
    np.testing.assert_allclose(without.memberships, useless.memberships, atol=1e-12)


def test_scale_of_the_weights_does_not_matter():
    A, X, truth = planted(inner=0.12)
    first, second = (fit_block_model(sp.csr_array(c * A), X, truth, 3) for c in (1.0, 1024.0))
    np.testing.assert_allclose(second.memberships, first.memberships, rtol=1e-9)
    degree = np.asarray(A.sum(axis=1)).ravel()
    np.testing.assert_allclose(
        log_evidence(second, 1024 * (A @ second.memberships), 1024 * degree, X),
        log_evidence(first, A @ first.memberships, degree, X),
        rtol=1e-9,
    )


def test_renumbered_clusters_are_the_same_model():
    A, X, truth = planted()
    model = fit_block_model(A, X, truth, 3)
    names = np.array([2, 0, 1])
    other = renumbered_clusters(model, truth, names[truth])
    direct = fit_block_model(A, X, names[truth], 3)
    for given, wanted in zip(other[:5], direct[:5], strict=True):
        np.testing.assert_allclose(given, wanted, rtol=1e-9, atol=1e-12)


def test_shares_of_clusters_are_counts_plus_one():
    """Memberships of the start are .9 and .1 / K, so that the shares are known."""
    A, X, _ = planted()
    start = np.repeat([0, 1, 2], [20, 40, 60])
    model = fit_block_model(A, X, start, 3, max_iter=1)
    counts = 0.9 * np.array([20, 40, 60]) + 0.1 / 3 * 120
    np.testing.assert_allclose(model.prior, (counts + 1) / 123, rtol=1e-12)
    assert model.prior.sum() == pytest.approx(1, rel=1e-12)


def test_sweeps_end_after_the_warm_up_once_the_bound_stands_still():
    A, X, truth = planted(seed=6)
    rng = np.random.default_rng(0)
    start = np.where(rng.random(120) < 0.6, rng.integers(0, 3, 120), truth)
    at_once = fit_block_model(A, X, start, 3, tol=1e9)
    np.testing.assert_array_equal(
        at_once.memberships, fit_block_model(A, X, start, 3, max_iter=6, tol=0).memberships
    )
    bounds = [fit_block_model(A, X, start, 3, max_iter=k, tol=0).bound for k in range(6, 100)]
    stopped = fit_block_model(A, X, start, 3, tol=1e-6).bound
    still = np.flatnonzero(np.abs(np.diff(bounds)) <= 1e-6 * np.abs(bounds[1:]))[0]
    assert stopped == bounds[still + 1]
    assert bounds[-1] != bounds[still + 1]  # tol = 0 goes on
