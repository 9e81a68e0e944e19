"""The Marchenko-Pastur law against quadrature, published medians and drawn matrices."""

import numpy as np
import pytest
from scipy.integrate import quad

from subspace_learn.functional.random_matrix.marchenko_pastur import (
    marchenko_pastur_cdf,
    marchenko_pastur_density,
    marchenko_pastur_median,
    marchenko_pastur_quantile,
    marchenko_pastur_support,
)

GAMMAS = (0.01, 0.25, 0.9, 1.0, 1.5, 4.0)


@pytest.mark.parametrize(
    ("gamma", "median"),
    [(0.1, 0.96657), (0.25, 0.91600), (0.5, 0.83047), (0.9, 0.68922), (1.0, 0.65278)],
)
def test_medians_are_those_of_the_sheet(gamma, median):
    assert marchenko_pastur_median(gamma) == pytest.approx(median, abs=1e-5)


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("variance", [1.0, 0.3])
def test_distribution_function_is_the_integral_of_the_density(gamma, variance):
    lower, upper = marchenko_pastur_support(gamma, variance)

    # x = lower + (upper - lower) t^2 takes the pole of gamma = 1 away
    def mass(end):
        root = ((end - lower) / (upper - lower)) ** 0.5
        return quad(
            lambda t: (
                float(marchenko_pastur_density(lower + (upper - lower) * t * t, gamma, variance))
                * 2
                * t
                * (upper - lower)
            ),
            0,
            root,
            epsabs=1e-12,
        )[0]

    atom = max(0.0, 1 - 1 / gamma)
    for share in (0.03, 0.4, 0.97, 1.0):
        x = lower + share * (upper - lower)
        assert marchenko_pastur_cdf(x, gamma, variance) == pytest.approx(atom + mass(x), abs=1e-9)


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("nonzero", [False, True])
def test_quantile_inverts_the_distribution_function(gamma, nonzero):
    q = np.linspace(0.001, 0.999, 23)
    x = marchenko_pastur_quantile(q, gamma, nonzero=nonzero)
    back = marchenko_pastur_cdf(x, gamma, nonzero=nonzero)
    atom = 0.0 if nonzero else max(0.0, 1 - 1 / gamma)
    np.testing.assert_allclose(back, np.maximum(q, atom), atol=1e-12)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_eigenvalues_of_noise_keep_to_the_law(gamma, rng):
    n, p = 400, int(400 * gamma)
    X = rng.standard_normal((n, p))
    values = np.sort(np.linalg.eigvalsh(X.T @ X / n))[max(0, p - n) :]
    law = marchenko_pastur_cdf(values, gamma, nonzero=True)
    # 200 or 400 eigenvalues that repel one another: Kolmogorov distance of a few in m
    assert np.max(np.abs(law - (np.arange(values.size) + 0.5) / values.size)) < 5 / values.size


def test_wrong_numbers_are_refused():
    with pytest.raises(ValueError, match="gamma=-1"):
        marchenko_pastur_support(-1.0)
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        marchenko_pastur_quantile(1.5, 0.5)
