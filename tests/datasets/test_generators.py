"""Generators: their laws against closed forms, the same data for the same seed, no global state.

A tolerance of six standard errors, of data whose seed is fixed, tells a wrong law from a right one.
"""

from __future__ import annotations

import random

import numpy as np
import pytest

from subspace_learn.datasets import (
    make_noniid_clients,
    make_spiked_samples,
    make_subspace_outliers,
)

MAKERS = {
    "spiked": lambda seed: make_spiked_samples(30, 6, random_state=seed),
    "outliers": lambda seed: make_subspace_outliers(30, 5, 6, 2, random_state=seed)[0],
    "clients": lambda seed: make_noniid_clients(2, 20, 6, 2, random_state=seed)[0],
}


def assert_gaussian(X, mean, covariance):
    """Check the first two moments of Gaussian rows.

    Over n rows Var(mean_i) = C_ii / n and Var(C_ij) = (C_ii C_jj + C_ij^2) / n.
    """
    n = len(X)
    variances = np.diag(covariance)
    assert (np.abs(X.mean(axis=0) - mean) <= 6 * np.sqrt(variances / n) + 1e-12).all()
    centred = X - mean
    spread = np.sqrt((np.outer(variances, variances) + covariance**2) / n)
    assert (np.abs(centred.T @ centred / n - covariance) <= 6 * spread + 1e-12).all()


@pytest.fixture(params=MAKERS)
def make(request):
    return MAKERS[request.param]


def test_same_seed_gives_the_same_data(make):
    np.testing.assert_array_equal(make(3), make(3))
    np.testing.assert_array_equal(make(np.random.default_rng(3)), make(np.random.default_rng(3)))
    legacy = np.random.RandomState
    np.testing.assert_array_equal(make(legacy(3)), make(legacy(3)))
    np.testing.assert_array_equal(make(3), make(np.random.default_rng(3)))


def test_other_seeds_give_other_data(make):
    rng = np.random.default_rng(3)
    drawn = [make(4), make(rng), make(rng), make(None), make(None)]
    for i, X in enumerate(drawn):
        assert np.isfinite(X).all()
        for Y in drawn[:i]:
            assert not np.allclose(X, Y)


@pytest.mark.parametrize("seed", [None, 3])
def test_global_random_state_is_untouched(make, seed):
    before = np.random.get_state(), random.getstate()  # noqa: NPY002
    make(seed)
    after = np.random.get_state(), random.getstate()  # noqa: NPY002
    np.testing.assert_array_equal(before[0][1], after[0][1])
    assert before[0][2:] == after[0][2:]
    assert before[1] == after[1]


def test_spiked_samples_have_the_stated_covariance():
    spikes, mean = (10.0, 3.0, 0.0), np.arange(8.0)
    X, U = make_spiked_samples(
        20_000, 8, spikes=spikes, noise_variance=0.5, mean=mean, random_state=0, return_basis=True
    )
    np.testing.assert_allclose(U.T @ U, np.eye(3), atol=1e-14)
    assert_gaussian(X, mean, U @ np.diag(spikes) @ U.T + 0.5 * np.eye(8))


def test_spiked_samples_without_noise_lie_in_the_subspace():
    X, U = make_spiked_samples(50, 8, noise_variance=0.0, random_state=1, return_basis=True)
    np.testing.assert_allclose(X @ U @ U.T, X, atol=1e-13)
    assert np.linalg.matrix_rank(X) == 3


def test_basis_comes_with_the_same_samples():
    np.testing.assert_array_equal(
        make_spiked_samples(9, 5, random_state=2),
        make_spiked_samples(9, 5, random_state=2, return_basis=True)[0],
    )


def test_samples_without_spikes_are_white():
    X = make_spiked_samples(20_000, 4, spikes=(), noise_variance=2.0, mean=-1.0, random_state=0)
    assert_gaussian(X, -np.ones(4), 2.0 * np.eye(4))


def test_basis_has_no_preferred_direction():
    # E[u u^T] = I / n for a uniform direction; Var(u_i^2) = 2 (n-1) / (n^2 (n+2)).
    n, draws = 4, 3000
    rng = np.random.default_rng(0)
    directions = np.stack(
        [
            make_spiked_samples(1, n, spikes=(1.0,), random_state=rng, return_basis=True)[1][:, 0]
            for _ in range(draws)
        ]
    )
    bound = 6 * np.sqrt(2 * (n - 1) / (n**2 * (n + 2)) / draws)
    np.testing.assert_allclose((directions**2).mean(axis=0), 1 / n, atol=bound)


def test_outliers_without_noise_are_orthogonal_to_the_normals():
    X, y = make_subspace_outliers(60, 40, 10, 3, noise=0.0, random_state=0)
    assert (np.sum(y == 1), np.sum(y == -1)) == (60, 40)
    assert np.linalg.matrix_rank(X[y == 1]) == 3
    np.testing.assert_allclose(X[y == 1] @ X[y == -1].T, 0, atol=1e-12)


def test_outliers_and_normals_have_the_same_expected_norm():
    n, k = 10, 3
    X, y = make_subspace_outliers(20_000, 20_000, n, k, noise=0.0, random_state=1)
    squared = np.sum(X**2, axis=1)
    # chi-square with k degrees of freedom; k / (n - k) times chi-square with n - k
    assert abs(squared[y == 1].mean() - k) < 6 * np.sqrt(2 * k / 20_000)
    assert abs(squared[y == -1].mean() - k) < 6 * k * np.sqrt(2 / (n - k) / 20_000)


def test_noise_of_outlier_data_is_white():
    clean, y = make_subspace_outliers(15_000, 5_000, 6, 2, noise=0.0, random_state=2)
    noisy, same = make_subspace_outliers(15_000, 5_000, 6, 2, noise=0.3, random_state=2)
    np.testing.assert_array_equal(y, same)
    assert_gaussian(noisy - clean, np.zeros(6), 0.09 * np.eye(6))


def test_outliers_are_shuffled_among_the_normals():
    y = make_subspace_outliers(500, 500, 4, 1, random_state=3)[1]
    # First half of a random order: hypergeometric, standard deviation of the sum sqrt(1000) / 2.
    assert abs(y[:500].sum()) < 6 * np.sqrt(1000) / 2


def test_equal_clients_follow_one_law():
    X, groups, U = make_noniid_clients(
        3, 20_000, 8, 2, heterogeneity=0.0, random_state=0, return_basis=True
    )
    np.testing.assert_allclose(U.T @ U, np.eye(2), atol=1e-14)
    covariance = U @ np.diag([10.0, 5.0]) @ U.T + 0.1 * np.eye(8)
    for client in range(3):
        assert_gaussian(X[groups == client], np.zeros(8), covariance)


def test_what_is_a_clients_own_is_a_mean_and_directions_off_the_shared_ones():
    h, k = 0.7, 2
    args = {"n_clients": 3, "rows_per_client": 20_000, "n_features": 8, "n_components": k}
    same, _ = make_noniid_clients(**args, heterogeneity=0.0, random_state=1)
    X, groups, U = make_noniid_clients(**args, heterogeneity=h, random_state=1, return_basis=True)
    means, spans = [], []
    for client in range(3):
        own = (X - same)[groups == client] / h  # mean_c + own directions times standard normals
        singular, V = np.linalg.svd(own - own.mean(axis=0), full_matrices=False)[1:]
        assert singular[k] < 1e-9 * singular[0]
        np.testing.assert_allclose(V[:k] @ U, 0, atol=1e-10)
        scores = (own - own.mean(axis=0)) @ V[:k].T
        np.testing.assert_allclose(np.cov(scores.T), np.eye(k), atol=6 * np.sqrt(2 / 20_000))
        means.append(own.mean(axis=0))
        spans.append(V[:k])
    for i in range(3):
        for j in range(i):
            assert np.linalg.norm(means[i] - means[j]) > 0.5
            assert np.linalg.svd(spans[i] @ spans[j].T)[1].min() < 0.99


def test_shared_directions_dominate_within_each_client():
    X, groups, U = make_noniid_clients(
        4, 5_000, 12, 3, heterogeneity=1.0, random_state=2, return_basis=True
    )
    for client in range(4):
        rows = X[groups == client]
        V = np.linalg.eigh(np.cov(rows.T))[1][:, -3:]
        # Smallest shared variance 5.1 against 1.1: the gap makes sin(angle) about
        # sqrt(5.1 * 1.1 * n_features / 5000) / 4 = 0.03.
        assert np.linalg.svd(U.T @ V)[1].min() > 0.99


@pytest.mark.parametrize("rows", [[3, 1, 2], np.array([3, 1, 2])], ids=["list", "array"])
def test_clients_may_have_different_sizes(rows):
    X, groups = make_noniid_clients(3, rows, 4, 2, random_state=0)
    assert groups.tolist() == [0, 0, 0, 1, 2, 2]
    assert X.shape == (6, 4)


@pytest.mark.parametrize(
    ("maker", "wrong", "message"),
    [
        (make_spiked_samples, {"n_samples": 0}, "n_samples=0"),
        (make_spiked_samples, {"n_samples": 2.5}, "n_samples=2.5"),
        (make_spiked_samples, {"noise_variance": -1.0}, "noise_variance=-1.0"),
        (make_spiked_samples, {"spikes": (1.0, -1.0)}, "spikes="),
        (make_spiked_samples, {"spikes": (np.inf,)}, "spikes="),
        (make_spiked_samples, {"n_features": 2}, "3 spikes do not fit into 2"),
        (make_spiked_samples, {"mean": [0.0, 1.0]}, r"shape \(2,\).*\(20,\)"),
        (make_subspace_outliers, {"n_features": 3}, "n_features=3.*at least 4"),
        (make_subspace_outliers, {"n_outliers": -1}, "n_outliers=-1"),
        (make_subspace_outliers, {"noise": float("nan")}, "noise=nan"),
        (make_noniid_clients, {"n_features": 5}, "n_features=5.*at least 6"),
        (make_noniid_clients, {"rows_per_client": [1, 2]}, "2 entries for 5 clients"),
        (make_noniid_clients, {"rows_per_client": 0}, "rows_per_client=0"),
        (make_noniid_clients, {"heterogeneity": -0.1}, "heterogeneity=-0.1"),
    ],
)
def test_unfit_parameter_is_named_with_what_is_needed(maker, wrong, message):
    with pytest.raises(ValueError, match=message):
        maker(**wrong)
