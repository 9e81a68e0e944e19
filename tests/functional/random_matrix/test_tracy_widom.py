"""The Tracy-Widom law against Painleve's equation, published numbers and drawn matrices."""

import numpy as np
import pytest
from scipy.integrate import simpson, solve_ivp
from scipy.special import airy

from subspace_learn.functional.random_matrix.tracy_widom import (
    edge_law,
    tracy_widom_cdf,
    tracy_widom_determinant,
    tracy_widom_quantile,
    tracy_widom_sf,
)


@pytest.fixture(scope="module")
def painleve():
    """F_1 from Hastings and McLeod's solution of q'' = s q + 2 q^3, integrated from the right.

    log F_1 = -1/2 int_s^inf q - 1/2 int_s^inf (x - s) q(x)^2 dx. The equation is unstable to the
    left, where errors at the start grow by about 1e6 down to -4.
    """
    start = 7.0
    ai, slope = airy(start)[:2]
    # state: q, q', int q, int q^2, int (x - s) q^2; the tails beyond 7 by the Airy function
    tail = np.linspace(start, 30, 20001)
    values = airy(tail)[0]
    first = [
        ai,
        slope,
        simpson(values, x=tail),
        simpson(values**2, x=tail),
        simpson((tail - start) * values**2, x=tail),
    ]

    def change(s, state):
        q, dq, _, square, _ = state
        return [dq, s * q + 2 * q**3, -q, -(q**2), -square]

    run = solve_ivp(
        change, (start, -4.0), first, method="DOP853", rtol=1e-13, atol=1e-16, dense_output=True
    )
    return lambda s: np.exp(-0.5 * (run.sol(s)[2] + run.sol(s)[4]))


def test_distribution_function_is_that_of_painleve_to_1e_7(painleve):
    s = np.linspace(-4, 5, 181)
    np.testing.assert_allclose(tracy_widom_cdf(s), painleve(s), atol=1e-7)


def test_spline_keeps_the_accuracy_of_the_determinant_relative_in_the_upper_tail():
    s = np.array([-7.3, -5.03, -2.222, 0.07, 3.1, 6.66, 11.9])
    below, above = np.array([tracy_widom_determinant(float(x)) for x in s]).T
    np.testing.assert_allclose(tracy_widom_cdf(s), below, atol=1e-7)
    np.testing.assert_allclose(tracy_widom_sf(s), above, rtol=1e-6)


def test_tails_beyond_the_grid_follow_their_asymptotics():
    assert tracy_widom_sf(20.0) == pytest.approx(tracy_widom_determinant(20.0)[1], rel=0.02)
    assert tracy_widom_sf(1e4) == 0
    assert tracy_widom_cdf(-1e4) == 0
    assert 0 < tracy_widom_cdf(-9.0) < tracy_widom_cdf(-7.5)


def test_quantiles_and_moments_are_those_of_the_sheet():
    np.testing.assert_allclose(
        tracy_widom_quantile([0.9, 0.95, 0.99]), [0.4501, 0.9793, 2.0234], atol=1e-4
    )
    x = np.linspace(-9, 12, 42001)
    density = np.gradient(tracy_widom_cdf(x), x)
    mean = simpson(x * density, x=x)
    assert mean == pytest.approx(-1.2065, abs=1e-4)
    assert simpson((x - mean) ** 2 * density, x=x) ** 0.5 == pytest.approx(1.268, abs=1e-4)


def test_quantile_inverts_the_distribution_function():
    q = np.array([1e-6, 0.3, 0.999])
    np.testing.assert_allclose(tracy_widom_cdf(tracy_widom_quantile(q)), q, rtol=1e-9)
    with pytest.raises(ValueError, match="between 0 and 1"):
        tracy_widom_quantile(1.0)


@pytest.mark.parametrize("shape", [(60, 30), (30, 60)])
def test_largest_eigenvalue_of_noise_exceeds_the_quantile_as_often_as_it_says(shape, rng):
    law = edge_law(*shape)
    limit = law.location + tracy_widom_quantile(0.9) * law.scale
    draws = [rng.standard_normal(shape) for _ in range(1000)]
    largest = [np.linalg.norm(X, 2) ** 2 / shape[0] for X in draws]
    # 100 of 1000 expected, standard deviation 9.5; four of these, and 1 % for the finite size
    assert abs(np.mean(np.array(largest) > limit) - 0.1) < 0.048
