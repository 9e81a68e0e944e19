"""Claims of Nouy and Michel at small size: the Runge function in ten Legendre polynomials."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

from subspace_learn.functional.sampling.dpp_least_squares import (
    christoffel_function,
    design_rows,
    feature_space,
    phi_at,
    weighted_fit,
)
from subspace_learn.functional.sampling.product_bases import basis_values, multi_indices

M = 10


@pytest.fixture(scope="module")
def runge():
    """Feature space, targets, orthonormal features and the best error, on 20,000 midpoints."""
    x = ((np.arange(20000) + 0.5) / 10000 - 1)[:, None]
    y = 1 / (1 + 5 * x**2)
    F = basis_values(x, "legendre", multi_indices(1, M - 1, "total_degree"))
    space = feature_space(F, intercept=False)
    phi = space.features(F)
    projection = phi.T @ y / len(y)
    return space, y, projection, np.sqrt(np.mean((y - phi @ projection) ** 2))


def error_ratios(runge, scheme, n, n_draws=300):
    """|f - fit| over the best error, by Pythagoras from the coefficients."""
    space, y, best, error = runge
    ratios = np.empty(n_draws)
    for seed in range(n_draws):
        design = design_rows(space, n, np.random.default_rng(seed), scheme=scheme)
        i = design.indices
        c = weighted_fit(space, phi_at(space, i), y[i], design.weights).orthonormal
        ratios[seed] = np.sqrt(1 + np.sum((c - best) ** 2) / error**2)
    return ratios


@pytest.mark.parametrize(
    ("scheme", "n", "low", "high"),
    [
        ("dpp", M, 2.6, 4.0),  # theory sqrt(m + 1) = 3.32
        ("repeated_dpp", 2 * M, 1.0, 1.7),
        ("repeated_dpp", 4 * M, 1.0, 1.15),
        ("volume", 2 * M, 1.0, 1.9),
        (
            "volume_without_replacement",
            2 * M,
            1.0,
            2.3,
        ),  # not in the paper; half the rows are uniform
    ],
)
def test_root_mean_square_error_is_near_the_best(runge, scheme, n, low, high):
    ratios = error_ratios(runge, scheme, n)
    assert low <= np.sqrt(np.mean(ratios**2)) <= high


@pytest.mark.parametrize("scheme", ["christoffel", "uniform"])
def test_independent_rows_have_rare_bad_draws(runge, scheme):
    assert np.sqrt(np.mean(error_ratios(runge, scheme, 2 * M) ** 2)) > 5


def test_few_labels_of_a_real_table_are_spent_better_than_at_random():
    """Diabetes, 22 labels for 11 coefficients: mean squared error over that of all labels."""
    X, y = load_diabetes(return_X_y=True)
    space, y = feature_space(X), y[:, None]
    phi = space.features(X)
    best = np.mean((y - phi @ np.linalg.lstsq(phi, y, rcond=None)[0]) ** 2)

    def mean_ratio(scheme):
        losses = []
        for seed in range(300):
            design = design_rows(space, 22, np.random.default_rng(seed), scheme=scheme)
            i = design.indices
            c = weighted_fit(space, phi_at(space, i), y[i], design.weights).orthonormal
            losses.append(np.mean((y - phi @ c) ** 2))
        return np.mean(losses) / best

    assert mean_ratio("repeated_dpp") <= 1.95
    assert mean_ratio("volume_without_replacement") <= 1.95


def test_rows_are_drawn_as_often_as_the_christoffel_function_is_small(rng):
    F = rng.normal(size=(300, 3))
    space = feature_space(F)
    counts = np.zeros(300)
    for seed in range(300):
        counts += np.bincount(
            design_rows(space, 8, np.random.default_rng(seed)).indices, minlength=300
        )
    expected = 300 * 8 / 4 / (300 * christoffel_function(F, intercept=True))
    # 300 rows, about normal with variance at most that of a Poisson count
    assert np.abs((counts - expected) / np.sqrt(expected)).max() < 5.5
