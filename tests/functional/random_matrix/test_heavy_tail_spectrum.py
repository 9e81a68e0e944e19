"""Hill's estimate and windows: exact laws, brute force, invariances."""

import numpy as np
import pytest

from subspace_learn.functional.random_matrix.heavy_tail_spectrum import (
    hill_exponent,
    pooled_eigenvalues,
    window_stack,
)


@pytest.fixture
def pareto(rng):
    """Density exponent 2.5, from 1 on."""
    return (1 - rng.uniform(size=20_000)) ** (-1 / 1.5)


@pytest.mark.parametrize("xmin", ["median", "ks"])
def test_exponent_of_a_power_law_is_found(pareto, xmin):
    fit = hill_exponent(pareto[:2000] if xmin == "ks" else pareto, xmin)
    # the standard error of alpha is (alpha - 1) / sqrt(tail): .015, and below .1 for a short tail
    assert fit.alpha == pytest.approx(2.5, abs=0.06 if xmin == "median" else 0.2)
    assert fit.goodness < 0.04


def test_exponent_is_the_formula_written_out(rng):
    values = np.sort(rng.uniform(1, 5, 11))
    tail = values[5:]
    by_hand = 1 + 6 / (np.log(tail).sum() - 6 * np.log(values[5]))
    assert hill_exponent(values).alpha == pytest.approx(by_hand)


def test_ks_takes_the_best_of_all_beginnings(rng):
    values = np.sort(rng.exponential(size=40))
    best = min((hill_exponent_from(values, start) for start in range(36)), key=lambda pair: pair[1])
    fit = hill_exponent(values, "ks")
    assert (fit.alpha, fit.goodness) == pytest.approx(best)


def test_ks_looks_at_every_beginning_up_to_the_last_five_numbers():
    """The five largest are a power law, what is before them is none: the tail begins there."""
    tail = 1e6 * (1 - np.arange(5) / 5) ** (-1 / 1.5)
    values = np.concatenate([np.full(8, 3.0), np.linspace(4, 5, 9), tail])
    fit = hill_exponent(values, "ks")
    assert (fit.n_tail, fit.xmin) == (5, 1e6)
    assert fit.alpha == pytest.approx(hill_exponent_from(values, 17)[0])


def test_ks_begins_before_equal_numbers_at_the_top():
    values = np.array([1.0, 2.0, 3.0, 4.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0])
    fit = hill_exponent(values, "ks")  # beginnings among the nines have no tail
    best = min((hill_exponent_from(values, start) for start in range(4)), key=lambda pair: pair[1])
    assert (fit.alpha, fit.goodness) == pytest.approx(best)
    assert fit.n_tail > 6


def hill_exponent_from(values, start):
    tail = values[start:]
    alpha = 1 + tail.size / np.log(tail / tail[0]).sum()
    law = 1 - (tail / tail[0]) ** (1 - alpha)
    return alpha, np.abs(law - np.arange(tail.size) / tail.size).max()


def test_windows_run_from_corner_to_corner():
    W = np.arange(35.0).reshape(5, 7)
    windows = window_stack(W, (2, 3), (4, 3))
    assert windows.shape == (12, 2, 3)
    np.testing.assert_array_equal(windows[0], W[:2, :3])
    np.testing.assert_array_equal(windows[-1], W[3:, 4:])


def test_pooled_eigenvalues_are_those_of_each_window(xp, rng):
    W = rng.normal(size=(20, 30))
    pooled = pooled_eigenvalues(xp.asarray(W), (8, 6), (2, 3))
    one_by_one = [np.linalg.svd(part, compute_uv=False) for part in window_stack(W, (8, 6), (2, 3))]
    np.testing.assert_allclose(pooled, np.sort(np.ravel(one_by_one) ** 2), atol=1e-12)


def test_stack_of_matrices_pools_all_of_them(rng):
    W = rng.normal(size=(2, 9, 9))
    pooled = pooled_eigenvalues(W, (5, 5), (2, 2))
    each = np.concatenate([pooled_eigenvalues(part, (5, 5), (2, 2)) for part in W])
    np.testing.assert_allclose(pooled, np.sort(each))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rounding_of_a_matrix_of_low_rank_is_no_eigenvalue(dtype, rng):
    W = (1e3 * rng.normal(size=(40, 6)) @ rng.normal(size=(6, 40))).astype(dtype)
    pooled = pooled_eigenvalues(W, (20, 20), (2, 2))
    assert np.sum(pooled > 0) == 4 * 6
    with pytest.raises(ValueError, match="too few"):
        hill_exponent(pooled_eigenvalues(np.full((40, 40), 0.1, dtype), (20, 20), (2, 2)))


def test_wrong_windows_and_tails_are_refused():
    W = np.eye(6)
    with pytest.raises(ValueError, match=r"does not fit.*never changed"):
        window_stack(W, (7, 7), (1, 1))
    with pytest.raises(ValueError, match="2 place"):
        window_stack(W, (5, 5), (3, 1))
    with pytest.raises(ValueError, match="too few for a tail"):
        hill_exponent(np.array([1.0, 2.0, 0.0, 0.0, 0.0]))
    with pytest.raises(ValueError, match="constant has no tail"):
        hill_exponent(np.ones(9))
    with pytest.raises(ValueError, match="constant has no tail"):
        hill_exponent(np.ones(9), "ks")
    with pytest.raises(ValueError, match="'median' or 'ks'"):
        hill_exponent(np.arange(9.0), "mode")
