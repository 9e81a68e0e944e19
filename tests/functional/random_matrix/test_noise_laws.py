"""The two laws of noise against quadrature, Painleve's equation, published numbers and draws."""

import numpy as np
import pytest
from scipy.integrate import quad, simpson, solve_ivp
from scipy.linalg import eigvalsh_tridiagonal
from scipy.special import airy

from subspace_learn.functional.random_matrix.noise_laws import (
    TableSize,
    bulk_cdf,
    bulk_density,
    bulk_median,
    edge_law,
    edge_quantile,
    edge_sf,
    marchenko_pastur_cdf,
    marchenko_pastur_density,
    marchenko_pastur_edges,
    marchenko_pastur_median,
    marchenko_pastur_quantile,
    tracy_widom_cdf,
    tracy_widom_determinant,
    tracy_widom_quantile,
    tracy_widom_sf,
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
    lower, upper = marchenko_pastur_edges(gamma, variance)

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
        marchenko_pastur_edges(-1.0)
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        marchenko_pastur_quantile(1.5, 0.5)


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


def test_tracy_widom_quantile_inverts_its_distribution_function():
    q = np.array([1e-6, 0.3, 0.999])
    np.testing.assert_allclose(tracy_widom_cdf(tracy_widom_quantile(q)), q, rtol=1e-9)
    with pytest.raises(ValueError, match="between 0 and 1"):
        tracy_widom_quantile(1.0)


# --- the largest eigenvalue over a level that is known, or estimated -----------------------------


def spectra_of_noise(n, p, n_draws, rng):
    """Eigenvalues of n_draws Wishart matrices over n, descending, by their bidiagonal model.

    Dumitriu and Edelman 2002: singular values of a bidiagonal matrix of independent chi numbers.
    """
    m, long = min(n, p), max(n, p)
    diagonal = rng.chisquare(long - np.arange(m), (n_draws, m))
    beside = rng.chisquare(m - 1 - np.arange(m - 1), (n_draws, m - 1))
    corner = diagonal.copy()
    corner[:, 1:] += beside
    off = np.sqrt(diagonal[:, :-1] * beside)
    pairs = zip(corner, off, strict=True)
    return np.array([eigvalsh_tridiagonal(d, e, lapack_driver="sterf")[::-1] for d, e in pairs]) / n


def test_bidiagonal_model_has_the_spectra_of_noise(rng):
    model = spectra_of_noise(30, 10, 2000, rng)
    drawn = np.array(
        [
            np.linalg.svd(rng.standard_normal((30, 10)), compute_uv=False) ** 2 / 30
            for _ in range(2000)
        ]
    )
    spread = drawn.std(axis=0) / 2000**0.5
    np.testing.assert_array_less(np.abs(model.mean(axis=0) - drawn.mean(axis=0)), 6 * spread)


@pytest.mark.parametrize("noise", ["known", "median", "mle"])
@pytest.mark.parametrize(
    ("n", "p"), [(29, 8), (49, 20), (99, 40), (199, 40), (40, 200), (59, 60), (199, 100)]
)
def test_one_percent_is_one_percent_for_known_and_estimated_noise(n, p, noise):
    """20,000 draws: the share has a standard deviation of .07 %; asked is .5 to 1.5 %."""
    values = spectra_of_noise(n, p, 20_000 if p < 100 else 6000, np.random.default_rng(n + p))
    size = TableSize(n, p)
    level = {
        "known": 1.0,
        "median": np.median(values, axis=1) / bulk_median(size)[0],
        "mle": values.sum(axis=1) / p,
    }[noise]
    law = edge_law(size, 1.0 if noise == "known" else noise)
    assert 0.005 < np.mean(edge_sf(values[:, 0] / level, law) < 0.01) < 0.015
    assert 0.035 < np.mean(edge_sf(values[:, 0] / level, law) < 0.05) < 0.065


@pytest.mark.parametrize("noise", [2.0, "median", "mle"])
def test_edge_quantile_inverts_the_tail(noise):
    law = edge_law(TableSize(49, 20), noise)
    for chance in (0.3, 0.01, 1e-6):
        assert edge_sf(edge_quantile(chance, law), law) == pytest.approx(chance, rel=1e-6)


def test_edge_of_known_noise_is_johnstones():
    n, p = 99, 40
    a, b = (n - 0.5) ** 0.5, (p - 0.5) ** 0.5
    law = edge_law(TableSize(n, p))
    assert law.location == pytest.approx((a + b) ** 2 / n)
    assert law.scale == pytest.approx((a + b) / n * (1 / a + 1 / b) ** (1 / 3))


def test_equal_weights_in_two_classes_change_nothing():
    plain, split = TableSize(99, 40), TableSize(99, 40, ((0.3, 1.0), (0.7, 1.0)))
    np.testing.assert_allclose(edge_law(split)[:2], edge_law(plain)[:2], rtol=1e-7)
    x = np.linspace(0.2, 2.4, 30)
    np.testing.assert_allclose(bulk_cdf(x, split), bulk_cdf(x, plain), atol=3e-3)
    assert bulk_median(split)[0] == pytest.approx(bulk_median(plain)[0], rel=3e-3)


WEIGHTINGS = {
    "two classes": ((0.9, 5 / 9), (0.1, 5.0)),
    "frequencies": tuple((1 / 3, w / 2) for w in (1.0, 2.0, 3.0)),
}


@pytest.mark.parametrize("kind", WEIGHTINGS)
@pytest.mark.parametrize(("n", "p"), [(210, 40), (60, 150)])
def test_weighted_noise_has_the_law_that_is_computed(kind, n, p, rng):
    pairs = WEIGHTINGS[kind]
    weights = np.concatenate([np.full(round(share * n), w) for share, w in pairs])
    second = sum(share * w**2 for share, w in pairs)
    size = TableSize(n / second, p, pairs)
    root = np.sqrt(weights / n)[:, None]
    found = np.array(
        [
            np.linalg.svd(root * rng.standard_normal((n, p)), compute_uv=False) ** 2
            for _ in range(300)
        ]
    )
    # the mean of the largest is known to a tenth of its scale; finite sizes leave as much
    law = edge_law(size)
    assert np.mean(found[:, 0]) == pytest.approx(
        law.location - 1.2065 * law.scale, abs=0.3 * law.scale
    )
    assert np.mean(np.median(found, axis=1)) == pytest.approx(bulk_median(size)[0], rel=0.01)
    ranks = (np.arange(found.shape[1]) + 0.5) / found.shape[1]
    assert np.max(np.abs(bulk_cdf(found.mean(axis=0)[::-1], size) - ranks)) < 0.02
    # of 300 draws 15 are expected at 5 %, standard deviation 3.8; the law is a little cautious
    level = np.median(found, axis=1) / bulk_median(size)[0]
    assert np.mean(edge_sf(found[:, 0] / level, edge_law(size, "median")) < 0.05) < 0.1
    x, density = bulk_density(size)
    assert np.trapezoid(density, x) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("size", [TableSize(80, 20), TableSize(20, 80)])
def test_density_to_be_drawn_integrates_to_one(size):
    x, density = bulk_density(size)
    assert np.trapezoid(density, x) == pytest.approx(1, abs=0.01)
