"""Claims of Nouy and Michel at small size: the Runge function in ten Legendre polynomials."""

import numpy as np
import pytest

from subspace_learn.functional.dpp_least_squares import design_rows, feature_space, fit_from_indices
from subspace_learn.functional.product_bases import basis_values, multi_indices

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
        c = fit_from_indices(space, y[i], i, design.weights).orthonormal
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
