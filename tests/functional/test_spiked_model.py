"""Spikes: the map there and back, drawn matrices, and the constants of thresholds and shrinkers."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from subspace_learn.functional.optimal_shrinkage import (
    LOSSES,
    hard_threshold,
    hard_threshold_over_median,
    shrunk_spikes,
)
from subspace_learn.functional.spiked_model import (
    detection_threshold,
    population_eigenvalue,
    sample_eigenvalue,
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


@pytest.mark.parametrize("shape", [(1200, 400), (400, 1200)])
def test_eigenvalue_and_cosine_of_a_drawn_spike(shape, rng):
    n, p = shape
    spike, gamma = 12.0, p / n
    values, cosines = [], []
    for _ in range(5):
        X = rng.standard_normal(shape)
        X[:, 0] *= spike**0.5
        _, s, right = np.linalg.svd(X, full_matrices=False)
        values.append(s[0] ** 2 / n)
        cosines.append(right[0, 0] ** 2)
    assert np.mean(values) == pytest.approx(float(sample_eigenvalue(spike, gamma)), rel=0.06)
    assert np.mean(cosines) == pytest.approx(float(squared_cosine(spike, gamma)), abs=0.03)


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
