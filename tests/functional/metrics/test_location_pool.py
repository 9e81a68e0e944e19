"""Pools beside their definition, and weights beside a general solver."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp

from subspace_learn.functional.metrics.location_pool import (
    linear_pool,
    linear_pool_weights,
    log_pool,
    log_pool_weights,
    log_total,
)

FLOOR = 1e-6
HOW = {"floor": FLOOR, "tol": 1e-9, "max_iter": 100_000}


@pytest.fixture
def maps(rng):
    """Three maps of 60 rows over 7 cells, of unequal worth, not normalised."""
    true = rng.integers(7, size=60)
    hint = np.eye(7)[true]
    maps = [s * hint + rng.normal(size=(60, 7)) + 5.0 for s in (2.0, 0.8, 0.1)]
    return maps, true, rng.uniform(0.2, 3.0, size=60)


def normalised(scores):
    return scores - logsumexp(scores, axis=1, keepdims=True)


def test_total_is_that_of_scipy(rng, xp):
    scores = rng.normal(scale=300.0, size=(5, 8))
    scores[:, 2] = -np.inf
    given = xp.numpy(log_total(xp.asarray(scores)))
    np.testing.assert_allclose(given, logsumexp(scores, axis=1, keepdims=True), rtol=1e-14)


def test_log_pool_is_the_normalised_product(maps, xp):
    parts, weights = maps[0], np.array([0.9, 0.0, 1.7])
    given = log_pool([xp.asarray(part) for part in parts], weights, FLOOR)
    assert xp.owns(given)
    wanted = normalised(sum(w * normalised(p) for w, p in zip(weights, parts, strict=True)))
    np.testing.assert_allclose(xp.numpy(given), wanted, atol=1e-12)


def test_linear_pool_is_the_mixture(maps, xp):
    parts, weights = maps[0], np.array([0.5, 0.2, 0.3])
    given = linear_pool([xp.asarray(part) for part in parts], weights, FLOOR)
    wanted = sum(w * np.exp(normalised(p)) for w, p in zip(weights, parts, strict=True))
    np.testing.assert_allclose(np.exp(xp.numpy(given)), wanted, atol=1e-12)


@pytest.mark.parametrize("pool", [log_pool, linear_pool])
def test_a_flat_map_in_a_pool_of_one_changes_nothing(pool, maps):
    part, flat = maps[0][0], np.zeros((60, 7))
    weights = np.array([1.0, 0.7]) if pool is log_pool else np.array([1.0, 0.0])
    np.testing.assert_allclose(pool([part, flat], weights, FLOOR), normalised(part), atol=1e-12)


def test_a_cell_that_one_map_rules_out_keeps_the_floor():
    sure, other = np.array([[0.0, -np.inf]]), np.log([[0.02, 0.98]])
    given = np.exp(log_pool([sure, other], np.ones(2), 0.01))[0]
    wanted = np.array([1.0 * 0.02, 0.005 * 0.98])
    np.testing.assert_allclose(given, wanted / wanted.sum(), rtol=1e-12)


def test_log_weights_are_those_of_a_general_solver(maps):
    parts, true, share = maps
    logs = np.stack([normalised(part) for part in parts], axis=1)

    def loss(weights):
        q = normalised(np.einsum("m,imc->ic", weights, logs))
        return -np.average(q[np.arange(60), true], weights=share)

    wanted = minimize(
        loss, np.ones(3), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-14}
    )
    fit = log_pool_weights(parts, true, share, **HOW)
    assert fit.converged
    # the loss is flat to second order at its minimum: 1e-14 of it are 1e-7 of the weights
    np.testing.assert_allclose(fit.weights, wanted.x, atol=1e-6)
    np.testing.assert_allclose(fit.log_likelihood, -wanted.fun, rtol=1e-12)


def test_linear_weights_fulfil_the_conditions_of_the_maximum(maps):
    """A map in use grows by a factor of 1, one that is not by less (Karush, Kuhn, Tucker)."""
    parts, true, share = maps
    fit = linear_pool_weights(parts, true, share, **HOW)
    p = np.stack([np.exp(normalised(part))[np.arange(60), true] for part in parts], axis=1)
    growth = (share / share.sum() / (p @ fit.weights)) @ p
    assert fit.converged
    assert growth.max() <= 1 + 1e-8
    np.testing.assert_allclose(growth[fit.weights > 1e-3], 1.0, atol=1e-6)
    np.testing.assert_allclose(fit.weights.sum(), 1.0, rtol=1e-12)


def test_a_map_that_says_nothing_gets_no_weight(maps):
    parts, true, share = maps
    fit = log_pool_weights([parts[0], np.full((60, 7), 3.0)], true, share, **HOW)
    assert fit.weights[1] < 1e-12  # rounding of a gradient of 0


def test_twins_share_a_weight(maps):
    parts, true, share = maps
    alone = log_pool_weights(parts[:1], true, share, **HOW).weights[0]
    twins = log_pool_weights([parts[0], parts[0]], true, share, **HOW).weights
    np.testing.assert_allclose(twins, [alone / 2, alone / 2], atol=1e-6)


def test_a_map_too_sure_of_itself_is_tempered(rng):
    """Log-probabilities times 3 get a third of the weight of what they were made from."""
    p = rng.dirichlet(np.ones(6), size=20_000)
    true = (rng.uniform(size=(20_000, 1)) > p.cumsum(axis=1)).sum(axis=1)
    fit = log_pool_weights([3 * np.log(p)], true, np.ones(20_000), **HOW)
    # right probabilities have weight 1 in expectation; its standard error here is below .01
    np.testing.assert_allclose(fit.weights, 1 / 3, atol=0.01)


def test_blocks_of_rows_change_nothing(maps, monkeypatch):
    parts, true, share = maps
    wanted = log_pool_weights(parts, true, share, **HOW).weights
    monkeypatch.setattr("subspace_learn.functional.metrics.location_pool._BLOCK", 100)
    given = log_pool_weights(parts, true, share, **HOW).weights
    np.testing.assert_allclose(given, wanted, atol=1e-8)
