"""Spikes: the map there and back, drawn matrices, and the constants of thresholds and shrinkers."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.sparse.linalg import svds

from subspace_learn.functional.random_matrix.spiked_model import (
    LOSSES,
    detection_threshold,
    hard_threshold,
    hard_threshold_over_median,
    population_eigenvalue,
    sample_eigenvalue,
    shrunk_spikes,
    squared_cosine,
)


@pytest.mark.parametrize("gamma", [0.1, 1.0, 3.0])
def test_inverse_undoes_the_map_above_the_threshold(gamma):
    spikes = detection_threshold(gamma) * np.array([1.01, 2.0, 50.0])
    np.testing.assert_allclose(
        population_eigenvalue(sample_eigenvalue(spikes, gamma), gamma), spikes, rtol=1e-6
    )


def test_spikes_below_the_threshold_leave_no_trace():
    gamma = 0.5
    edge = (1 + gamma**0.5) ** 2
    np.testing.assert_allclose(sample_eigenvalue([1.0, 1.5, 1 + gamma**0.5], gamma), edge)
    np.testing.assert_array_equal(squared_cosine([1.0, 1.5, 1 + gamma**0.5], gamma), 0)
    np.testing.assert_array_equal(population_eigenvalue([0.3, edge], gamma), 1)


@pytest.mark.parametrize("shape", [(1600, 160), (400, 400), (300, 600)])
def test_eigenvalue_of_drawn_spikes_is_the_limit_within_3_percent(shape, rng):
    """One draw has a relative standard deviation of about sqrt(2 / n): test the mean."""
    n, p = shape
    spike, gamma = 12.0, p / n
    n_draws = -(-20_000 // n)  # n_draws n = 20,000: the mean has a standard deviation of 1 %
    values, cosines = [], []
    for _ in range(n_draws):
        X = rng.standard_normal(shape)
        X[:, 0] *= spike**0.5
        value, direction = leading_pair(X)
        values.append(value / n)
        cosines.append(direction[0] ** 2)
    limit = float(sample_eigenvalue(spike, gamma))
    # the variance of the eigenvalue is 2 spike^2 (1 - gamma / (spike - 1)^2) / n (Paul 2007)
    spread = spike * (2 / n * (1 - gamma / (spike - 1) ** 2)) ** 0.5
    assert 3 * spread / n_draws**0.5 < 0.03 * limit
    assert np.mean(values) == pytest.approx(limit, rel=0.03)
    # an empirical standard deviation of k draws strays by 1 / sqrt(2 k) of itself: four of these
    assert np.std(values, ddof=1) == pytest.approx(spread, rel=4 / (2 * n_draws) ** 0.5)
    assert np.mean(cosines) == pytest.approx(float(squared_cosine(spike, gamma)), abs=0.01)


def leading_pair(X):
    """Largest eigenvalue of ``X.T @ X``, and its vector."""
    _, singular, right = svds(X, k=1, random_state=0)
    return singular[0] ** 2, right[0]


@pytest.mark.slow
def test_eigenvalue_of_one_large_draw_is_the_limit_within_3_percent(rng):
    # one draw of 40,000 rows has a standard deviation of .7 %: four of these
    X = rng.standard_normal((40_000, 400), dtype=np.float32)
    X[:, 0] *= 12.0**0.5
    assert leading_pair(X)[0] / 40_000 == pytest.approx(
        float(sample_eigenvalue(12.0, 0.01)), rel=0.03
    )


@pytest.mark.parametrize(
    ("beta", "threshold"), [(0.1, 1.58165), (0.25, 1.75803), (0.5, 1.97860), (1.0, 2.30940)]
)
def test_hard_thresholds_are_those_of_gavish_and_donoho(beta, threshold):
    assert hard_threshold(beta) == pytest.approx(threshold, abs=1e-5)


def test_threshold_over_the_median_and_its_range():
    assert hard_threshold_over_median(1.0) == pytest.approx(2.8584, abs=1e-4)
    with pytest.raises(ValueError, match="beta=2"):
        hard_threshold(2.0)


@pytest.mark.parametrize("loss", LOSSES)
def test_shrinker_is_the_minimum_of_its_loss(loss):
    """In the plane of true and sample direction the loss is a function of one number: minimise."""
    spike, c2 = 7.0, 0.8
    truth = np.diag([spike, 1.0])
    v = np.array([c2**0.5, (1 - c2) ** 0.5])

    def risk(value):
        estimate = np.eye(2) + (value - 1) * np.outer(v, v)
        if loss == "frobenius":
            return np.linalg.norm(estimate - truth)
        if loss == "operator":
            return np.linalg.norm(estimate - truth, 2)
        ratio = np.linalg.solve(truth, estimate)
        return np.trace(ratio) - np.log(np.linalg.det(ratio))

    best = minimize_scalar(risk, bounds=(1, 20), method="bounded", options={"xatol": 1e-9}).x
    assert shrunk_spikes(np.array([spike]), np.array([c2]), loss)[0] == pytest.approx(
        best, rel=1e-4
    )


def test_unknown_loss_is_refused():
    with pytest.raises(ValueError, match="frobenius, operator, stein"):
        shrunk_spikes(np.ones(1), np.ones(1), "nuclear")
