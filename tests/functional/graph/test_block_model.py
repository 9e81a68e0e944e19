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
    log_value_rates,
    renumbered_clusters,
    value_design_effect,
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


def drawn_words(repeats, n=400, m=60, K=2, length=20, seed=0):
    """Words of two topics; each draw of a word is written down ``repeats`` times."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % K
    topics = rng.dirichlet(np.full(m, 1.0), K)
    drawn = [rng.multinomial(length, topics[k]) for k in truth]
    return sp.csr_array(repeats * np.array(drawn, dtype=float)), truth


def test_values_drawn_one_by_one_have_no_design_effect():
    effects = [value_design_effect(*drawn_words(1, seed=s), 2) for s in range(5)]
    # a ratio of sums of 400 squares: the standard error is sqrt(2 / 400) = .07
    assert 1 <= np.median(effects) < 1.1


def test_design_effect_grows_with_the_times_that_each_word_is_written():
    X, truth = drawn_words(1)
    twice, thrice, six = (value_design_effect(sp.csr_array(k * X), truth, 2) for k in (2, 3, 6))
    # the pseudo-count of 1 weighs less in more words: not exactly 3 / 2 and 2
    assert thrice / twice == pytest.approx(1.5, rel=0.02)
    assert six / thrice == pytest.approx(2, rel=0.02)
    assert 2 < thrice < 4


def test_texts_that_say_more_or_less_of_their_topic_have_a_design_effect():
    rng = np.random.default_rng(0)
    truth, share = np.arange(400) % 2, rng.choice([0.1, 0.9], 400)
    topics, common = rng.dirichlet(np.ones(60), 2), rng.dirichlet(np.ones(60))
    rates = share[:, None] * topics[truth] + (1 - share)[:, None] * common
    X = sp.csr_array(rng.multinomial(20, rates).astype(float))
    assert value_design_effect(X, truth, 2) > 1.5
    told = 2 * truth + (share > 0.5)  # told the shares, draws are independent again
    assert value_design_effect(X, told, 4) < 1.2


def test_one_value_a_node_has_no_design_effect():
    _, X, truth = planted()
    assert value_design_effect(X, truth, 3) == pytest.approx(1, abs=0.03)  # n / (n - 1) of 40
    assert value_design_effect(sp.csr_array(np.eye(3)[truth]), truth, 3) == 1


def test_design_effect_is_that_of_brute_force():
    X, truth = drawn_words(1, n=30, m=8, length=6, seed=3)
    X = sp.csr_array(X.toarray() + np.outer(np.arange(30) % 3 == 0, np.arange(8) < 3) * 4.0)
    log_values = log_value_rates(X, np.eye(2)[truth])
    found = expected = 0.0
    for c in range(2):
        rows = X.toarray()[truth == c]
        odds = log_values[c] - log_values[1 - c]
        odds = odds - rows.sum(axis=0) @ odds / rows.sum()
        found += np.sum((rows @ odds) ** 2) * 15 / 14
        expected += np.sum(rows @ odds**2)
    assert found > expected
    assert value_design_effect(X, truth, 2) == pytest.approx(found / expected)


def test_half_of_the_value_weight_is_half_of_the_evidence():
    A, X, truth = planted(30)
    model = fit_block_model(A, X, truth, 3)
    degree = np.asarray(A.sum(axis=1)).ravel()
    whole, half, none = (
        log_evidence(model._replace(value_weight=w), A @ model.memberships, degree, X)
        for w in (1.0, 0.5, 0.0)
    )
    np.testing.assert_allclose(half - none, (whole - none) / 2, atol=1e-10)


def test_bound_with_a_value_weight_is_the_bound_of_lighter_values():
    """The power of the likelihood and counts in another unit agree, pseudo-counts aside."""
    A, X, truth = planted(seed=4)
    X = sp.csr_array(1e4 * X)
    powered = fit_block_model(A, X, truth, 3, value_weight=1e-4, max_iter=8)
    lighter = fit_block_model(A, sp.csr_array(1e-4 * X), truth, 3, max_iter=8)
    assert powered.value_weight == 1e-4
    np.testing.assert_allclose(powered.memberships, lighter.memberships, atol=0.03)
