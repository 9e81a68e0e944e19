"""KoopmanEDMD: coordinates, forecasts, delays and inputs."""

import warnings

import numpy as np
import pytest
from sklearn.preprocessing import PolynomialFeatures

from subspace_learn import KoopmanEDMD
from subspace_learn.dynamics import (
    DelayDictionary,
)
from tests.dynamics.systems import duffing, flow, spiral


def test_coordinates_go_there_and_back_and_evolve_by_eigenvalues():
    a = spiral()
    model = KoopmanEDMD(PolynomialFeatures(3)).fit([a, spiral((0.3, 2.0))])
    Z = model.transform(a)
    assert Z.shape == (40, 10)
    np.testing.assert_allclose(model.inverse_transform(Z), a, atol=1e-11)
    phi = model.eigenfunctions(a)
    np.testing.assert_allclose(phi[1:], phi[:-1] * model.eigenvalues_, atol=1e-9)
    np.testing.assert_allclose(np.real(phi @ model.modes_), a, atol=1e-11)


@pytest.mark.parametrize("name", ["duffing", "van der pol"])
def test_oscillators_are_predicted_as_well_as_by_numpys_least_squares(name):
    rng = np.random.default_rng(1)
    field = duffing if name == "duffing" else lambda t, x: [x[1], (1 - x[0] ** 2) * x[1] - x[0]]
    paths = flow(field, rng.uniform(-1.5, 1.5, size=(60, 2)), 0.05, 20)
    train, test = paths[:45], paths[45:]
    model = KoopmanEDMD(PolynomialFeatures(5)).fit(train)
    lift = PolynomialFeatures(5).fit(train[0])
    left = np.vstack([lift.transform(path[:-1]) for path in train])
    direct = np.linalg.lstsq(left, train[:, 1:].reshape(-1, 2), rcond=None)[0]
    x, y = test[:, :-1].reshape(-1, 2), test[:, 1:].reshape(-1, 2)
    error = np.sqrt(np.mean((model.predict(x) - y) ** 2))
    reference = np.sqrt(np.mean((lift.transform(x) @ direct - y) ** 2))
    assert error <= 1.1 * reference
    assert error < 1e-3


def test_control_of_duffing_is_learned_with_its_inputs():
    rng = np.random.default_rng(2)
    u = rng.uniform(-1, 1, size=(30, 21))
    paths = np.empty((30, 21, 2))
    paths[:, 0] = rng.uniform(-1, 1, size=(30, 2))
    for t in range(20):  # an Euler map, so that inputs enter as the model says
        x, v = paths[:, t, 0], paths[:, t, 1]
        paths[:, t + 1, 0] = x + 0.05 * v
        paths[:, t + 1, 1] = v + 0.05 * (-0.3 * v + x - x**3 + u[:, t])
    model = KoopmanEDMD(PolynomialFeatures(3)).fit(paths, u=u[:, :, None])
    assert model.input_matrix_.shape == (1, 10)
    assert model.score(paths, u=u[:, :, None]) > 1 - 1e-6
    ahead = model.simulate(paths[:, 0], 20, u[:, :20, None], relift=True)
    assert np.sqrt(np.mean((ahead - paths[:, 1:]) ** 2)) < 1e-2
    for bad in (None, u[0, :3]):
        with pytest.raises(ValueError, match=r"u (is missing|has \d+ rows)"):
            model.predict(paths[0], bad)
    with pytest.raises(ValueError, match=r"u has 5 rows"):
        KoopmanEDMD().fit(paths[0], u=u[0, :5])


def test_delays_make_a_hidden_oscillator_linear():
    x = np.cos(0.4 * np.arange(60))[:, None]
    model = KoopmanEDMD(DelayDictionary(2, lag=2)).fit([x[:30], x[30:]])
    assert model.n_pairs_seen_ == 2 * 25
    assert model.n_components_ == 2  # two of three delays of one wave are independent
    np.testing.assert_allclose(model.eigenvalues_, np.exp([0.4j, -0.4j]), atol=1e-10)
    np.testing.assert_allclose(model.predict(x), _next(x), atol=1e-10)
    ahead = model.simulate(x[None, :5], 10)
    np.testing.assert_allclose(ahead[0], x[5:15], atol=1e-9)
    with pytest.raises(ValueError, match="5 of 1 are needed"):
        model.simulate(x[:1], 3)
    with pytest.raises(ValueError, match="past of each state"):
        KoopmanEDMD(DelayDictionary(1)).fit(x[:-1], x[1:])


def _next(x):
    """What follows each row that has four before it."""
    return np.cos(0.4 * np.arange(5, 61))[:, None]


def test_growth_is_named_before_a_forecast_of_it():
    model = KoopmanEDMD().fit(1.1 ** np.arange(20.0)[:, None])
    with pytest.warns(UserWarning, match="factor of 6.73 over 20 steps"):
        model.simulate([[1.0]], 20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.simulate([[1.0]], 5)
