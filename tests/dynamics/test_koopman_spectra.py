"""KoopmanEDMD: eigenvalues with residuals, and the diagnostics beside them."""

import numpy as np
import pytest
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures

from subspace_learn import KoopmanEDMD
from subspace_learn.dynamics import (
    FourierDictionary,
)


@pytest.mark.parametrize("output", ["real", "complex"])
def test_circle_rotation_has_its_frequencies_in_either_kind_of_dictionary(output):
    x = (0.7 * np.arange(500) % (2 * np.pi))[:, None]
    model = KoopmanEDMD(FourierDictionary(3, output=output), time_step=0.5).fit(x)
    assert model.residuals_.max() < 1e-11
    angles = np.sort(model.continuous_eigenvalues_.imag * 0.5)
    np.testing.assert_allclose(angles, 0.7 * np.arange(-3, 4), atol=1e-11)
    Z = model.transform(x)
    assert Z.shape == (500, 7 if output == "real" else 14)
    assert not np.iscomplexobj(Z)
    shown = model.inverse_transform(Z)
    wanted = np.real(model.eigenfunctions(x) @ model.modes_)
    np.testing.assert_allclose(shown, wanted, atol=1e-9)


def test_pendulum_residuals_expose_pollution_and_unit_modulus_is_no_proof():
    # trapezoidal weights of a grid: the flow preserves dx dp, and the functions decay in p
    grid = np.meshgrid(np.linspace(-np.pi, np.pi, 40, endpoint=False), np.linspace(-7, 7, 60))
    X = np.stack(grid, axis=-1).reshape(-1, 2)
    Y = _pendulum(X, 0.5)
    lift = FunctionTransformer(_fourier_hermite)
    model = KoopmanEDMD(lift).fit(X, Y)
    inside = np.abs(model.eigenvalues_) < 0.9
    assert inside.sum() > 3  # pollution: the spectrum is the circle
    # an isometry: residuals are at least 1 - |lambda|, to the error of quadrature
    assert (model.residuals_ >= 1 - np.abs(model.eigenvalues_) - 1e-3).all()
    corr = np.corrcoef(model.residuals_, 1 - np.abs(model.eigenvalues_))[0, 1]
    assert corr > 0.5
    unitary = KoopmanEDMD(lift, method="measure_preserving").fit(X, Y)
    np.testing.assert_allclose(np.abs(unitary.eigenvalues_), 1.0, atol=1e-10)
    assert np.median(unitary.residuals_) > 0.1


def _pendulum(X, time, n_steps=200):
    """Flow of x'' = -sin x by leapfrog, which preserves areas exactly."""
    x, p = X.T.copy()
    h = time / n_steps
    for _ in range(n_steps):
        p = p - h / 2 * np.sin(x)
        x = x + h * p
        p = p - h / 2 * np.sin(x)
    return np.stack([x, p], axis=1)


def _fourier_hermite(X):
    waves = np.exp(1j * X[:, :1] * np.arange(-2, 3))
    powers = np.exp(-(X[:, 1:] ** 2) / 4) * np.polynomial.hermite_e.hermevander(X[:, 1], 3)
    return (waves[:, :, None] * powers[:, None, :]).reshape(len(X), -1)


def test_measure_preserving_warns_of_a_system_that_loses():
    with pytest.warns(UserWarning, match="mean square"):
        KoopmanEDMD(method="measure_preserving").fit(0.5 ** np.arange(20.0)[:, None])


def test_kernel_mode_finds_slow_eigenvalues_and_held_out_residuals_are_honest():
    rng = np.random.default_rng(5)
    decay = np.exp(-0.3)
    x = rng.normal(size=(1200, 1))
    y = decay * x + np.sqrt(1 - decay**2) * rng.normal(size=(1200, 1))
    model = KoopmanEDMD(method="kernel", n_components=8, gamma=0.1, random_state=0)
    model.fit(x[:600], y[:600])
    assert abs(model.eigenvalues_[1] - decay) < 0.08  # Monte Carlo with 600 pairs
    held_out = model.held_out_residuals(x[600:], y[600:])
    assert abs(held_out[1] - np.sqrt(1 - decay**2)) < 0.1
    with pytest.raises(ValueError, match="makes its own"):
        KoopmanEDMD(PolynomialFeatures(), method="kernel").fit(x, y)


def test_diagnostics_agree_with_one_another(noisy):
    X, Y = noisy
    model = KoopmanEDMD().fit(X, Y)
    np.testing.assert_allclose(model.held_out_residuals(X, Y), model.residuals_, atol=1e-12)
    assert (model.pseudospectrum(model.eigenvalues_) <= model.residuals_ + 1e-12).all()
    grid = np.linspace(-1, 1, 21)[:, None] + 1j * np.linspace(-1, 1, 21)
    spectrum = model.local_spectrum(grid)
    assert spectrum.error_bound == spectrum.tau.max()
    first, second = model.variance_residual(X, Y, Y)
    np.testing.assert_allclose(first, model.residuals_, atol=1e-12)
    np.testing.assert_allclose(second, 0.0, atol=1e-12)


def test_spectral_measures_of_a_rotation_agree():
    x = (0.7 * np.arange(3000) % (2 * np.pi))[:, None]
    model = KoopmanEDMD(FourierDictionary(2), method="measure_preserving").fit(x)
    theta = np.linspace(-np.pi, np.pi, 361)[:-1]
    wave = np.eye(5)[1]  # sqrt(2) cos x: half the mass at each of +-0.7
    matrix = model.spectral_measure(theta, epsilon=0.1, observable=wave)
    series = model.autocorrelation_measure(np.cos(x[:, 0]), theta, n_lags=100)
    for density in (matrix, series):
        assert abs(abs(theta[np.argmax(density)]) - 0.7) < 0.02
        assert np.sum(density) * np.pi / 180 == pytest.approx(1.0, abs=5e-3)


def test_a_tolerance_keeps_the_believed_pairs_only(noisy):
    X, Y = noisy
    tol = np.median(KoopmanEDMD().fit(X, Y).residuals_)
    model = KoopmanEDMD(residual_tol=tol).fit(X, Y)
    assert len(model.eigenvalues_) == 2
    assert model.transform(X).shape[1] == len(model.get_feature_names_out())
    with pytest.raises(ValueError, match="smallest is"):
        KoopmanEDMD(residual_tol=1e-9).fit(X, Y)
