"""Analytic shrinkage: its Hilbert transform against quadrature, limits, and losses."""

import numpy as np
import pytest
from scipy.integrate import quad

from subspace_learn.functional.random_matrix.analytic_shrinkage import analytic_eigenvalues
from subspace_learn.functional.random_matrix.beside_spikes import (
    _kernel_transform,
    spectral_density,
)


@pytest.mark.parametrize("x", [-150.0, -99.0, -3.0, -1.0, 0.0, 0.5, 2.0, 7.0, 101.0, 1e6])
def test_transform_of_the_kernel_is_its_principal_value_integral(x):
    root = 5**0.5

    def kernel(t):
        return 3 / 4 / root * (1 - t**2 / 5)

    if abs(x) < root:
        value = quad(kernel, -root, root, weight="cauchy", wvar=x)[0]
    else:
        value = quad(lambda t: kernel(t) / (t - x), -root, root)[0]
    assert _kernel_transform(np.array(x)) == pytest.approx(value, rel=1e-9, abs=1e-12)


def test_transform_is_finite_at_the_ends_of_the_kernel():
    ends = np.array([5**0.5, -(5**0.5)])
    assert np.all(np.isfinite(_kernel_transform(ends)))


def test_density_of_evenly_spread_eigenvalues_is_even_inside():
    values = np.linspace(1, 2, 2000)
    density, _ = spectral_density(values, 2000)
    # the kernel at x = 1.5 reaches sqrt(5) 1.5 / 2000^(1/3) = .27 and widens with x
    np.testing.assert_allclose(density[(values > 1.4) & (values < 1.6)], 1.0, rtol=0.02)


@pytest.mark.parametrize(("n", "p"), [(300, 100), (100, 300)])
def test_noise_is_shrunk_to_its_variance(n, p, rng):
    X = 2.0 * rng.standard_normal((n, p))
    shrunk = analytic_eigenvalues(np.clip(np.linalg.eigvalsh(X.T @ X / n), 0, None), n)
    assert shrunk.shape == (p,)
    sample = np.linalg.norm(np.linalg.eigvalsh(X.T @ X / n) - 4)
    assert np.linalg.norm(shrunk - 4) < 0.2 * sample


def test_many_rows_change_nothing(rng):
    values = np.sort(rng.uniform(1, 2, 20))
    np.testing.assert_allclose(analytic_eigenvalues(values, 10**7), values, rtol=1e-3)


def test_scaling_scales():
    values = np.linspace(1, 3, 30)
    np.testing.assert_allclose(
        analytic_eigenvalues(7 * values, 60), 7 * analytic_eigenvalues(values, 60), rtol=1e-12
    )


def test_features_that_repeat_get_the_smallest_variance():
    values = np.concatenate([np.zeros(2), np.linspace(1, 3, 30)])
    shrunk = analytic_eigenvalues(values, 60)
    np.testing.assert_array_equal(shrunk[:2], np.min(shrunk[2:]))
    np.testing.assert_array_equal(shrunk[2:], analytic_eigenvalues(values[2:], 60))


def test_too_few_rows_and_no_variance_are_refused():
    with pytest.raises(ValueError, match="12 degrees of freedom"):
        analytic_eigenvalues(np.ones(20), 10)
    with pytest.raises(ValueError, match="rows do not differ"):
        analytic_eigenvalues(np.zeros(5), 20)


def ledoit_and_wolf(eigenvalues, n):
    """Their MATLAB listing (2020, appendix), line by line."""
    p = len(eigenvalues)
    lam = np.sort(eigenvalues)[max(0, p - n) :]
    L = np.repeat(lam[:, None], len(lam), axis=1)
    H = n ** (-1 / 3) * L.T
    x = (L - L.T) / H
    f = 3 / 4 / np.sqrt(5) * np.mean(np.maximum(1 - x**2 / 5, 0) / H, axis=1)
    logarithm = np.log(np.abs((np.sqrt(5) - x) / (np.sqrt(5) + x)))
    hilbert = -3 / 10 / np.pi * x + 3 / 4 / np.sqrt(5) / np.pi * (1 - x**2 / 5) * logarithm
    hilbert = np.mean(hilbert / H, axis=1)
    c, h = p / n, n ** (-1 / 3)
    if p <= n:
        below = (np.pi * c * lam * f) ** 2 + (1 - c - np.pi * c * lam * hilbert) ** 2
        return lam / below
    root = np.sqrt(5) * h
    at_zero = 3 / 10 / h**2 + 3 / 4 / np.sqrt(5) / h * (1 - 1 / 5 / h**2) * np.log(
        (1 + root) / (1 - root)
    )
    at_zero = at_zero / np.pi * np.mean(1 / lam)
    zeros = 1 / (np.pi * (p - n) / n * at_zero)
    return np.r_[np.full(p - n, zeros), lam / (np.pi**2 * lam**2 * (f**2 + hilbert**2))]


@pytest.mark.parametrize(("n", "p"), [(60, 20), (60, 40), (20, 60), (13, 30)])
def test_shrunk_eigenvalues_are_those_of_the_published_listing(n, p, rng):
    X = 30 * rng.standard_normal((n, p)) * np.linspace(1, 2, p)
    values = np.linalg.svd(X, compute_uv=False) ** 2 / n
    values = np.r_[np.zeros(max(0, p - n)), np.sort(values)]
    # the listing cancels where eigenvalues are far apart: a hundred times, 5e-8 of the result
    found = analytic_eigenvalues(values, n)
    np.testing.assert_allclose(found, ledoit_and_wolf(values, n), rtol=1e-6)


@pytest.mark.parametrize("n_idle", [1, 3])
@pytest.mark.parametrize("low", [1.0, 700.0])
def test_idle_features_get_the_smallest_variance_of_wide_tables(n_idle, low, rng):
    """Zeros beyond the p - n that too few rows explain: one gets the least that any other has."""
    n, p = 20, 50
    values = np.sort(np.r_[low, rng.uniform(700, 900, n - n_idle - 1)])
    padded = np.r_[np.zeros(p - n + n_idle), values]
    shrunk = analytic_eigenvalues(padded, n)
    assert shrunk.shape == (p,)
    of_zeros, of_others = shrunk[0], shrunk[p - n + n_idle :].min()
    assert (of_zeros < of_others) == (low == 1)
    np.testing.assert_array_equal(shrunk[p - n : p - n + n_idle], min(of_zeros, of_others))
    density, hilbert = spectral_density(values, n)
    np.testing.assert_allclose(
        shrunk[p - n + n_idle :], 1 / (np.pi**2 * values * (density**2 + hilbert**2))
    )
