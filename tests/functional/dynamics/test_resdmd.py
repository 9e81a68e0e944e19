"""Residuals, pseudospectra and spectral measures against systems that are solved."""

from itertools import product

import numpy as np
import pytest

from subspace_learn.functional.dynamics.edmd import koopman_eigenpairs, koopman_fit
from subspace_learn.functional.dynamics.pair_factors import pair_factors
from subspace_learn.functional.dynamics.resdmd import (
    autocorrelation_measure,
    eigenpair_residuals,
    local_spectrum,
    pseudospectrum,
    sampled_residuals,
    smoothing_filter,
    spectral_measure,
    unit_observable,
    unit_series,
    variance_residuals,
)


def solved(left, right, weights=None):
    fit = koopman_fit(pair_factors(left, right, weights=weights))
    values, vectors = koopman_eigenpairs(fit.operator, normal=False)
    return fit, values, eigenpair_residuals(fit.projected, fit.unexplained, values, vectors)


def cat_map(n):
    """Characters |k_i| <= n on a grid fine enough to integrate their products exactly."""
    m = 6 * n + 1
    grid = np.array(list(product(range(m), repeat=2))) * 2 * np.pi / m
    moved = np.stack([2 * grid[:, 0] + grid[:, 1], grid[:, 0] + grid[:, 1]], axis=1)
    k = np.array(list(product(range(-n, n + 1), repeat=2)))
    return np.exp(1j * grid @ k.T), np.exp(1j * moved @ k.T)


@pytest.mark.parametrize(("n", "chain"), [(2, 3), (3, 4), (5, 5)])
def test_cat_map_has_one_eigenvalue_and_every_other_is_exposed(n, chain):
    fit, values, residuals = solved(*cat_map(n))
    one = np.argmin(np.abs(values - 1))
    assert abs(values[one] - 1) < 1e-12
    assert residuals[one] < 1e-12
    spurious = np.delete(np.arange(len(values)), one)
    # defective zeros: eigenvalues off by eps^(1/chain), and residuals by that too
    noise = 10 * np.finfo(float).eps ** (1 / chain)
    assert np.abs(values[spurious]).max() < noise
    np.testing.assert_allclose(residuals[spurious], 1.0, atol=noise)
    z = np.array([0.0, 0.5, 0.9j, 1.0, -1.0, 0.6 + 0.7j, 1.3])
    closed = np.sqrt(np.maximum(1 + abs(z) ** 2 - 2 * abs(z) * np.cos(np.pi / (chain + 1)), 0))
    tau = pseudospectrum(fit.projected, fit.unexplained, z)
    np.testing.assert_allclose(tau, np.minimum(abs(z - 1), closed), atol=1e-8)


def test_interval_map_has_the_eigenvalues_and_residuals_of_gauss_legendre_quadrature():
    nodes, weights = np.polynomial.legendre.leggauss(100)
    x, w = (nodes - 1) / 2, weights / 2
    y = np.exp(-2 * x**2) - 1 - np.exp(-2)
    degrees = np.sqrt(2 * np.arange(40) + 1)
    left = np.polynomial.legendre.legvander(2 * x + 1, 39) * degrees
    right = np.polynomial.legendre.legvander(2 * y + 1, 39) * degrees
    _, values, residuals = solved(left, right, w)
    table = {1.0: 0.0, 1.000156: 7.3e-5, 0.986386 + 0.067560j: 2.3e-2, 0.950225 + 0.210193j: 6.1e-2}
    for value, residual in table.items():
        nearest = np.argmin(np.abs(values - value))
        assert abs(values[nearest] - value) < 2e-5
        # the sheet gives residuals to two digits
        assert residuals[nearest] == pytest.approx(residual, rel=0.03, abs=2e-5)
    assert np.sum(residuals < 1e-3) == 14
    assert np.sum(residuals > 0.1) == 20


def test_residual_of_an_isometry_is_at_least_its_distance_from_the_circle(rng):
    fit, values, residuals = solved(*cat_map(3))
    assert (residuals >= np.abs(np.abs(values) - 1) - 1e-12).all()
    z = rng.normal(size=20) + 1j * rng.normal(size=20)
    assert (
        pseudospectrum(fit.projected, fit.unexplained, z) >= np.abs(np.abs(z) - 1) - 1e-12
    ).all()


def test_tau_is_lipschitz_and_below_the_residual_of_each_eigenvalue(rng):
    fit, values, residuals = solved(rng.normal(size=(200, 6)), rng.normal(size=(200, 6)))
    tau = pseudospectrum(fit.projected, fit.unexplained, values)
    assert (tau <= residuals + 1e-12).all()
    shifted = pseudospectrum(fit.projected, fit.unexplained, values + 0.05)
    assert (np.abs(shifted - tau) <= 0.05 + 1e-12).all()
    conjugate = pseudospectrum(fit.projected, fit.unexplained, np.conj(values))
    np.testing.assert_allclose(conjugate, tau, atol=1e-12)


def test_norms_see_residuals_that_the_quadratic_form_loses(rng):
    left = rng.normal(size=(500, 3))
    right = left @ np.diag([0.9, 0.5, 0.2]) + 1e-11 * rng.normal(size=(500, 3))
    _, _, residuals = solved(left, right)
    assert (residuals > 5e-12).all()
    assert (residuals < 2e-11).all()


def test_local_spectrum_is_the_circle_where_eigenvalues_fail():
    fit, _, _ = solved(*cat_map(3))
    side = np.linspace(-1.4, 1.4, 57)
    grid = side[:, None] + 1j * side
    spectrum = local_spectrum(grid, pseudospectrum(fit.projected, fit.unexplained, grid))
    # each point z has tau(z) >= | |z| - 1 |, so the bound bounds the distance to the circle
    assert (np.abs(np.abs(spectrum.points) - 1) <= spectrum.error_bound + 1e-12).all()
    assert spectrum.error_bound < 0.7
    assert spectrum.tau.max() == spectrum.error_bound


def test_local_spectrum_of_no_point_is_empty():
    spectrum = local_spectrum(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    assert len(spectrum.points) == 0
    assert np.isnan(spectrum.error_bound)


def test_ornstein_uhlenbeck_residual_is_noise_and_two_samples_remove_it(rng):
    from subspace_learn.dynamics import HermiteDictionary

    n, decay = 200_000, np.exp(-0.3)
    x = rng.normal(size=(n, 1))
    noise = np.sqrt(1 - decay**2) * rng.normal(size=(2, n, 1))
    lift = HermiteDictionary(3).fit(x)
    left, first, second = (lift.transform(s) for s in (x, *(decay * x + noise)))
    exact = decay ** np.arange(1, 4)
    one = np.eye(4)[:, 1:]
    # Monte Carlo: a few over the square root of n, times the moments of He_3^2
    tol = 0.02
    single = sampled_residuals(left, first, exact, one)
    np.testing.assert_allclose(single, np.sqrt(1 - exact**2), atol=tol)
    mean, spread = variance_residuals(left, first, second, exact, one)
    assert mean[:2].max() < 0.1  # a square root of an average that is zero to 1 / sqrt(n)
    np.testing.assert_allclose(spread, np.sqrt(1 - exact**2), atol=tol)
    _, values, _ = solved(left, first)
    np.testing.assert_allclose(np.sort(values.real)[::-1][1:], exact, atol=tol)


@pytest.mark.parametrize("name", ["fejer", "cosine", "fourth", "sharpened_cosine", "bump"])
def test_filter_is_one_at_zero_and_nothing_at_one_and_even(name):
    x = np.linspace(-1, 1, 41)
    phi = smoothing_filter(x, name)
    np.testing.assert_allclose([phi[20], phi[0], phi[-1]], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(phi, phi[::-1], atol=1e-12)


def test_measure_of_a_shift_is_flat():
    shift = np.diag(np.ones(7), -1)  # isometric but for its last step: <K^j g, g> = 0
    g = np.eye(8)[0]
    theta = np.linspace(-np.pi, np.pi, 9)
    for order in (1, 2, 4):
        density = spectral_measure(shift, g, theta, order=order, epsilon=0.2)
        np.testing.assert_allclose(density, 1 / (2 * np.pi), atol=1e-12)


def test_measure_of_a_rotation_peaks_at_its_angle_in_both_forms():
    angle, theta = 1.0, np.linspace(-np.pi, np.pi, 721)[:-1]
    step = theta[1] - theta[0]
    matrix = spectral_measure(np.diag([np.exp(1j * angle)]), np.ones(1), theta, epsilon=0.05)
    series = autocorrelation_measure(np.exp(1j * angle * np.arange(2000)), theta, n_lags=150)
    for density in (matrix, series):
        assert abs(theta[np.argmax(density)] - angle) < 0.01
        assert np.sum(density) * step == pytest.approx(1.0, abs=1e-3)


def test_high_order_kernels_smooth_less():
    # a continuous density on the circle: K is rotation by x on L2(dx), g^2 the density
    n = 4000
    x = 2 * np.pi * (np.arange(n) + 0.5) / n
    density = (1 + np.cos(x)) / (2 * np.pi)
    theta = np.array([0.0, 1.0, 2.0])
    errors = []
    for order in (1, 2, 4):
        # the operator is diagonal: one solve per point, in small pieces that add up
        pieces = [
            spectral_measure(
                np.diag(np.exp(1j * x[i::40])),
                np.sqrt(density[i::40] * 2 * np.pi / n),
                theta,
                order=order,
                epsilon=0.1,
            )
            for i in range(40)
        ]
        exact = (1 + np.cos(theta)) / (2 * np.pi)
        errors.append(np.abs(sum(pieces) - exact).max())
    assert errors[0] > 5 * errors[1] > 5 * errors[2]
    assert errors[1] < 0.1**2


def test_a_real_series_has_the_measure_it_has_as_a_complex_one(rng):
    g, theta = rng.normal(size=500), np.linspace(-3, 3, 9)
    given = autocorrelation_measure(g, theta, n_lags=50)
    wanted = autocorrelation_measure(g.astype(complex), theta, n_lags=50)
    np.testing.assert_allclose(given, wanted, atol=1e-14)


def test_a_function_that_is_zero_on_the_data_has_an_infinite_residual(xp):
    left = np.array([[1.0, 0.0], [2.0, 0.0]])
    vectors, values = np.eye(2).astype(complex), np.array([0.5, 1.0], dtype=complex)
    given = sampled_residuals(*(xp.asarray(t) for t in (left, 0.5 * left, values, vectors)))
    np.testing.assert_array_equal(xp.numpy(given), [0.0, np.inf])


def test_a_function_that_is_rounding_on_the_data_has_no_residual_to_trust(xp, rng):
    twin = rng.normal(size=(40, 1)) * 300
    left = np.hstack([twin, twin / 3])
    vectors = np.array([[1.0, 1.0], [-3.0, 0.0]], dtype=complex)  # the first cancels
    values = np.array([0.5, 0.5], dtype=complex)
    tables = [xp.asarray(t) for t in (left, 0.5 * left, values, vectors)]
    np.testing.assert_allclose(xp.numpy(sampled_residuals(*tables)), [np.inf, 0.0], atol=1e-14)
    left, right, *rest = tables
    residuals, deviations = variance_residuals(left, right, right, *rest)
    np.testing.assert_allclose(xp.numpy(residuals), [np.inf, 0.0], atol=1e-14)
    np.testing.assert_allclose(xp.numpy(deviations), [np.inf, 0.0], atol=1e-14)


def test_an_observable_that_is_rounding_on_the_data_has_no_spectral_measure():
    inverse_basis = np.array([[300.0, 100.0]])
    np.testing.assert_allclose(unit_observable(inverse_basis, np.array([1.0, 0.0])), [1.0])
    with pytest.raises(ValueError, match="zero on the data"):
        unit_observable(inverse_basis, np.array([1.0, -3.0 * (1 + 1e-16)]))
    with pytest.raises(ValueError, match="2 observables"):
        unit_observable(inverse_basis, np.ones(3))


def test_a_series_has_mean_square_one_and_a_tenth_of_its_length_for_lags(xp, rng):
    g, n_lags = unit_series(xp.asarray(300 * rng.normal(size=57)), None, "bump")
    assert n_lags == 5
    assert np.mean(xp.numpy(g) ** 2) == pytest.approx(1.0, rel=1e-13)


@pytest.mark.parametrize(
    ("g", "n_lags"),
    [
        (np.ones((4, 2)), 1),
        (np.array([1.0, np.nan, 2.0, 3.0]), 1),
        (np.array([1.0, np.inf, 2.0, 3.0]), 1),
        (np.arange(4.0), 4),
        (np.arange(4.0), 0),
    ],
)
def test_a_series_with_gaps_or_too_short_is_refused(g, n_lags):
    with pytest.raises(ValueError, match=f"finite series longer than n_lags={n_lags}"):
        unit_series(g, n_lags, "bump")
