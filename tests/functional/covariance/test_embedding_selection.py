"""Order and lag from the signal: known attractors, invariances."""

from __future__ import annotations

import numpy as np
import pytest

from subspace_learn.functional.covariance.embedding_selection import (
    afnn_order_and_lag,
    cao_statistic,
    first_local_maximum,
    first_local_minimum,
    mdop_delays,
    mdop_order_and_lag,
    self_mutual_information,
)


@pytest.fixture(scope="module")
def henon():
    """500 points of the Henon map, whose attractor lies in two dimensions."""
    x = np.zeros(700)
    x[:2] = 0.1
    for t in range(2, 700):
        x[t] = 1 - 1.4 * x[t - 1] ** 2 + 0.3 * x[t - 2]
    return x[200:]


def sine(period, n_times, rng, noise=0.0):
    phase = rng.uniform(0, 2 * np.pi)
    return np.sin(2 * np.pi * np.arange(n_times) / period + phase) + noise * rng.normal(
        size=n_times
    )


def test_mutual_information_of_noise_is_its_bias(rng):
    n_times = 8000
    information = self_mutual_information(rng.normal(size=(1, n_times)), 10)
    bins = round(n_times ** (1 / 3))
    # chi squared of (bins - 1)^2 degrees of freedom over 2 n: mean .0226, deviation .0016
    assert information == pytest.approx((bins - 1) ** 2 / (2 * n_times), abs=0.008)


def test_mutual_information_knows_ranks_only(rng):
    x = np.cumsum(rng.normal(size=(3, 400)), axis=1)
    given = self_mutual_information(np.exp(x / 5), 8)
    np.testing.assert_array_equal(given, self_mutual_information(x, 8))


def test_mutual_information_falls_while_a_noisy_sine_unfolds(rng):
    x = np.stack([sine(40, 2000, rng, noise=0.3) for _ in range(5)])
    curve = self_mutual_information(x, 20).mean(axis=0)
    # a quarter of the period: the circle is widest, the two values tell least of each other
    assert abs(1 + int(np.argmin(curve[:15])) - 10) <= 2


@pytest.mark.parametrize(
    ("curve", "least", "most"),
    [([3, 2, 1, 2, 0], 2, 3), ([4, 3, 2, 1], 3, 0), ([1, 2, 2, 1, 3], 3, 2), ([5.0], 0, 0)],
)
def test_first_extremes(curve, least, most):
    assert first_local_minimum(np.array(curve)) == least
    assert first_local_maximum(np.array(curve)) == most


def test_cao_sees_that_the_henon_map_needs_two_dimensions(henon):
    statistic = cao_statistic(henon[None], 1, 5)
    assert statistic[0] < 0.1
    assert statistic[1:] == pytest.approx(1.0, abs=0.06)  # saturated, as in Cao's figure 1


def test_cao_does_not_see_scale_or_offset(henon):
    given = cao_statistic(1e3 * henon[None] + 5, 1, 3)
    np.testing.assert_allclose(given, cao_statistic(henon[None], 1, 3), rtol=1e-9)


def test_afnn_is_the_first_minimum_then_the_first_maximum(rng):
    x = np.cumsum(rng.normal(size=(4, 1, 300)), axis=2)
    order, lag = afnn_order_and_lag(x, max_lag=12)
    curve = self_mutual_information(x[:, 0], 12).mean(axis=0)
    assert lag == 1 + first_local_minimum(curve)
    # looked for in blocks of 6, 12, ..: the same as in one run over all dimensions
    assert order == 1 + first_local_maximum(cao_statistic(x[:, 0], lag, 300 // (2 * lag) - 1))


def test_mdop_takes_the_delay_that_drives_neighbours_farthest_apart(rng):
    x = sine(39.7, 200, rng, noise=0.05)
    (channel, tau), *_ = mdop_delays(x[None], theiler=10, max_lag=15)
    now = (x - x.mean()) / x.std()
    times = range(15, 200)
    scores = []
    for delay in range(1, 16):
        logs = []
        for t in times:
            others = [s for s in times if abs(s - t) > 10]
            near = min(others, key=lambda s: abs(now[s] - now[t]))
            ratio = abs(now[t - delay] - now[near - delay]) / abs(now[t] - now[near])
            logs.append(np.log(ratio))
        scores.append(np.mean(logs))
    assert (channel, tau) == (0, 1 + int(np.argmax(scores)))


def test_mdop_does_not_know_units_or_the_order_of_channels(rng):
    X = np.stack([sine(40, 300, rng, 0.1), 3 * sine(23, 300, rng, 0.1)])
    wanted = mdop_delays(X, theiler=8)
    assert mdop_delays(1e-6 * X, theiler=8) == wanted
    assert mdop_delays(X[::-1], theiler=8) == [(1 - c, tau) for c, tau in wanted]


def test_flat_trials_ask_for_nothing():
    assert mdop_order_and_lag(np.ones((2, 2, 60))) == (1, 1)


def test_limits_are_kept(rng):
    X = rng.normal(size=(4, 2, 80))
    for rule in (afnn_order_and_lag, mdop_order_and_lag):
        order, lag = rule(X, max_lag=3, max_order=4)
        assert 1 <= order <= 4
        assert 1 <= lag <= 3


def test_most_trials_may_be_left_out(rng):
    X = rng.normal(size=(7, 1, 60))
    assert mdop_order_and_lag(X, max_trials=3) == mdop_order_and_lag(X[[0, 3, 6]])
