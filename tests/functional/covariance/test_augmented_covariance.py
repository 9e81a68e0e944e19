"""Augmented covariances against the embedding itself, and their laws."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import scipy.linalg
from pyriemann.estimation import Covariances

from subspace_learn.functional.covariance.augmented_covariance import (
    augmented_covariances,
    block_toeplitz,
    lagged_trials,
)

CELLS = [(1, 1), (2, 1), (2, 7), (4, 3), (6, 2)]


@pytest.fixture
def X(rng):
    """Coloured trials with an offset: 5 trials, 3 channels, 90 times."""
    noise = rng.normal(size=(5, 3, 92))
    return np.einsum("ij,njt->nit", rng.normal(size=(3, 3)), noise[..., 2:] + noise[..., :-2]) + 3.0


def embedded(X, order, lag):
    """The delay embedding, copied out."""
    length = X.shape[2] - (order - 1) * lag
    return np.concatenate([X[:, :, k * lag : k * lag + length] for k in range(order)], axis=1)


def relative(given, wanted):
    return np.abs(given - wanted).max() / np.abs(wanted).max()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("estimator", ["scm", "oas", "lwf"])
def test_equals_the_covariance_of_the_copied_embedding(X, cell, estimator, xp):
    wanted = Covariances(estimator).transform(embedded(X, *cell))
    given = xp.numpy(augmented_covariances(xp.asarray(X), *cell, estimator=estimator))
    # the 1e-12; sums of 90 float64 products in another order differ by about 1e-15
    assert relative(given, wanted) < 1e-12
    np.testing.assert_array_equal(given, given.swapaxes(1, 2))


@pytest.mark.parametrize("structure", ["full", "toeplitz"])
def test_order_one_does_not_know_the_lag(X, structure):
    once = augmented_covariances(X, 1, 1, structure=structure)
    np.testing.assert_array_equal(once, augmented_covariances(X, 1, 40, structure=structure))
    assert relative(once, Covariances("oas").transform(X)) < 1e-12


def test_a_grid_of_orders_and_lags_shares_its_products(X):
    trials = lagged_trials(X)
    shifts = set()
    for order in range(1, 11):
        for lag in range(1, 11):
            if (order - 1) * lag < 80:
                trials.covariances(order, lag, "scm")
            shifts |= {k * lag for k in range(order)}
    assert len(shifts) == 42  # of 3850 blocks
    assert set(trials._products) == {h for h in shifts if h < 80}
    given, wanted = trials.covariances(4, 3, "scm"), augmented_covariances(X, 4, 3, estimator="scm")
    np.testing.assert_array_equal(given, wanted)


def test_higher_orders_hold_the_lower_ones(X):
    lower = augmented_covariances(X[:, :, :-4], 3, 4, estimator="scm")
    higher = augmented_covariances(X, 4, 4, estimator="scm")
    assert relative(higher[:, :9, :9], lower) < 1e-12


def test_mixing_the_channels_mixes_the_blocks(X, rng):
    A = rng.normal(size=(3, 3))
    mixed = augmented_covariances(np.einsum("ij,njt->nit", A, X), 3, 2, estimator="scm")
    big = np.kron(np.eye(3), A)
    assert relative(mixed, big @ augmented_covariances(X, 3, 2, estimator="scm") @ big.T) < 1e-12


def test_time_reversal_flips_the_order_of_the_blocks(X):
    forward = augmented_covariances(X, 3, 2).reshape(5, 3, 3, 3, 3)
    backward = augmented_covariances(X[:, :, ::-1], 3, 2).reshape(5, 3, 3, 3, 3)
    assert relative(backward, forward[:, ::-1, :, ::-1, :]) < 1e-12


def test_offsets_do_not_matter(X):
    # an offset of 1e3 standard deviations costs three digits of sixteen
    assert relative(augmented_covariances(X + 1e3, 3, 2), augmented_covariances(X, 3, 2)) < 1e-11


def test_yule_walker_finds_the_model_behind_an_autoregression(rng):
    A = np.array([[0.5, 0.3], [-0.2, 0.6]])
    n_times = 200_000
    x = np.zeros((2, n_times))
    noise = rng.normal(size=(2, n_times))
    for t in range(1, n_times):
        x[:, t] = A @ x[:, t - 1] + noise[:, t]
    S = augmented_covariances(x[None], 3, 1, estimator="scm")[0]
    gamma = scipy.linalg.solve_discrete_lyapunov(A, np.eye(2))
    # a covariance over T samples is off by a few times gamma sqrt(2 / T) = .005
    step = np.linalg.matrix_power
    rows = [
        [step(A, k - j) @ gamma if k >= j else gamma @ step(A.T, j - k) for j in range(3)]
        for k in range(3)
    ]
    wanted = np.block(rows)
    np.testing.assert_allclose(S, wanted, atol=0.05)
    coefficients = np.linalg.solve(S[:4, :4], S[:4, 4:]).T  # on x(t - 2), x(t - 1)
    np.testing.assert_allclose(coefficients, np.hstack([np.zeros((2, 2)), A]), atol=0.02)


def test_white_noise_has_no_blocks_off_the_diagonal(rng):
    S = augmented_covariances(rng.normal(size=(1, 2, 100_000)), 4, 3, estimator="scm")[0]
    np.testing.assert_allclose(S, np.eye(8), atol=5 * np.sqrt(2 / 100_000))  # five deviations


@pytest.mark.parametrize("cell", CELLS)
def test_toeplitz_blocks_are_biased_autocovariances(X, cell, xp):
    order, lag = cell
    S = xp.numpy(augmented_covariances(xp.asarray(X), *cell, estimator="scm", structure="toeplitz"))
    Z = X - X.mean(axis=2, keepdims=True)
    for m in range(order):
        wanted = Z[:, :, : 90 - m * lag] @ Z[:, :, m * lag :].swapaxes(1, 2) / 90
        for j in range(order - m):
            block = S[:, 3 * j : 3 * j + 3, 3 * (j + m) : 3 * (j + m) + 3]
            assert relative(block, wanted) < 1e-12
    assert np.linalg.eigvalsh(S).min() > 0  # the biased estimate is the Gram of a padded embedding


@pytest.mark.parametrize("estimator", ["oas", "lwf"])
def test_toeplitz_shrinkage_is_that_of_the_padded_embedding(X, estimator):
    order, lag, n_times = 3, 4, 90
    Z = X - X.mean(axis=2, keepdims=True)
    pad = (order - 1) * lag
    padded = np.pad(Z, ((0, 0), (0, 0), (pad, pad)))
    given = augmented_covariances(X, order, lag, estimator=estimator, structure="toeplitz")
    for z, S in zip(embedded(padded, order, lag), given, strict=True):
        raw, d = z @ z.T / n_times, len(z)
        mu, square = np.trace(raw) / d, np.sum(raw**2)
        if estimator == "oas":
            above = square / d**2 + mu**2
            below = (n_times + 1) * (square / d**2 - mu**2 / d)
        else:
            above = (np.mean(np.sum(z**2, axis=0) ** 2) * z.shape[1] / n_times - square) / n_times
            below = square - d * mu**2
        weight = min(above / below, 1.0)
        np.testing.assert_allclose(S, (1 - weight) * raw + weight * mu * np.eye(d), atol=1e-12)


def test_block_toeplitz_puts_transposes_below(rng):
    blocks = rng.normal(size=(2, 3, 2, 2))
    S = block_toeplitz(blocks)
    np.testing.assert_array_equal(S[:, :2, 4:], blocks[:, 2])
    np.testing.assert_array_equal(S[:, 4:, 2:4], blocks[:, 1].swapaxes(1, 2))


@pytest.mark.parametrize("estimator", ["scm", "oas", "lwf"])
@pytest.mark.parametrize("structure", ["full", "toeplitz"])
def test_a_flat_trial_gives_zeros_quietly(X, estimator, structure):
    X[2] = 7.0
    S = augmented_covariances(X, 3, 2, estimator=estimator, structure=structure)
    assert not S[2].any()
    assert np.isfinite(S).all()


def test_float32_is_summed_in_float64(X):
    narrow = augmented_covariances(X.astype(np.float32), 4, 3)
    assert narrow.dtype == np.float32
    wide = augmented_covariances(X.astype(np.float32).astype(np.float64), 4, 3)
    np.testing.assert_array_equal(narrow, wide.astype(np.float32))


@pytest.mark.parametrize("cell", [(1, 1), (6, 3)])
def test_memory_stays_below_twice_the_result(rng, cell):
    X = rng.normal(size=(1500, 8, 125))
    augmented_covariances(X[:2], *cell)
    tracemalloc.start()
    S = augmented_covariances(X, *cell)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # chunks of 2^17 elements, some fifteen of them at once at the most
    assert peak < max(2 * S.nbytes, S.nbytes + 15 * 8 * 2**17)
    if cell != (1, 1):
        assert peak < 2 * S.nbytes


def test_an_embedding_longer_than_the_trial_is_refused(X):
    with pytest.raises(ValueError, match=r"order=10 and lag=10 need 92 times or more, .* have 90"):
        augmented_covariances(X, 10, 10)
