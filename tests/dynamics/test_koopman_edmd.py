"""KoopmanEDMD: forms of data, streams, forecasts, diagnostics and what it refuses."""

import warnings
from functools import partial

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from sklearn import config_context
from sklearn.frozen import FrozenEstimator
from sklearn.kernel_approximation import Nystroem
from sklearn.model_selection import GridSearchCV, GroupKFold, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, StandardScaler

from subspace_learn import KoopmanEDMD
from subspace_learn.dynamics import (
    DelayDictionary,
    FourierDictionary,
    HermiteDictionary,
    RBFDictionary,
    multi_step_score,
    residual_score,
)

TURN = 0.95 * np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])


def spiral(start=(1.0, 0.0), n=40):
    return np.array([np.linalg.matrix_power(TURN, t) @ start for t in range(n)])


def flow(field, starts, dt, n_steps):
    """Trajectories (n_starts, n_steps + 1, d) of an ODE, to 1e-10."""
    times = dt * np.arange(n_steps + 1)
    paths = [
        solve_ivp(field, (0, times[-1]), x0, t_eval=times, rtol=1e-10, atol=1e-12).y.T
        for x0 in starts
    ]
    return np.stack(paths)


def duffing(t, x):
    return [x[1], -0.3 * x[1] + x[0] - x[0] ** 3]


@pytest.fixture(scope="module")
def noisy():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(300, 3))
    return X, X @ np.diag([0.9, 0.5, 0.1]) + 0.1 * rng.normal(size=(300, 3))


def test_forms_of_the_same_pairs_give_the_same_model():
    a, b = spiral(), spiral((0.0, 2.0))
    stacked = np.vstack([a, b])
    models = [
        KoopmanEDMD().fit([a, b]),
        KoopmanEDMD().fit(np.stack([a, b])),
        KoopmanEDMD().fit(stacked, lengths=[40, 40]),
        KoopmanEDMD().fit(stacked, groups=np.repeat(["a", "b"], 40)),
        KoopmanEDMD().fit(np.vstack([a[:-1], b[:-1]]), np.vstack([a[1:], b[1:]])),
        KoopmanEDMD().fit(a[:-1].tolist(), a[1:].tolist()),
    ]
    for model in models:
        np.testing.assert_allclose(model.koopman_matrix_, TURN.T, atol=1e-12)
        exact = 0.95 * np.exp(1j * np.array([0.3, -0.3]))
        np.testing.assert_allclose(model.eigenvalues_, exact, atol=1e-12)
        assert model.residuals_.max() < 1e-12


def test_pairs_never_straddle_two_trajectories():
    stacked = np.vstack([spiral(), spiral((0.0, 2.0))])
    assert KoopmanEDMD().fit(stacked).residuals_.max() > 1e-3
    assert KoopmanEDMD().fit(stacked, lengths=[40, 40]).residuals_.max() < 1e-12


def test_pairs_in_any_order_give_the_same(noisy):
    X, Y = noisy
    order = np.random.default_rng(0).permutation(len(X))
    a, b = KoopmanEDMD().fit(X, Y), KoopmanEDMD().fit(X[order], Y[order])
    np.testing.assert_allclose(a.koopman_matrix_, b.koopman_matrix_, atol=1e-13)


def test_labels_are_ignored_and_other_shapes_refused(noisy):
    X, Y = noisy
    plain, labelled = KoopmanEDMD().fit(X), KoopmanEDMD().fit(X, np.arange(300) % 2)
    np.testing.assert_array_equal(plain.koopman_matrix_, labelled.koopman_matrix_)
    for wrong in (Y[:, :2], Y[:-1], Y[:, :1], np.zeros((2, 3, 4))):
        with pytest.raises(ValueError, match="shape"):
            KoopmanEDMD().fit(X, wrong)


def test_weights_are_repetitions_of_pairs(noisy):
    X, Y = noisy
    counts = np.random.default_rng(1).integers(0, 3, size=300)
    weighted = KoopmanEDMD().fit(X, Y, sample_weight=counts)
    repeated = KoopmanEDMD().fit(np.repeat(X, counts, axis=0), np.repeat(Y, counts, axis=0))
    np.testing.assert_allclose(weighted.koopman_matrix_, repeated.koopman_matrix_, atol=1e-12)
    np.testing.assert_allclose(weighted.residuals_, repeated.residuals_, atol=1e-12)
    np.testing.assert_allclose(np.abs(weighted.modes_), np.abs(repeated.modes_), atol=1e-12)


def test_weights_can_be_routed(noisy):
    X, _ = noisy
    with config_context(enable_metadata_routing=True):
        model = KoopmanEDMD().set_fit_request(sample_weight=True, groups=True)
        pipe = make_pipeline(HermiteDictionary(1), model)
        pipe.fit(X, sample_weight=np.ones(300), groups=np.repeat([0, 1, 2], 100))
    assert pipe[-1].n_pairs_seen_ == 297
    with pytest.raises(TypeError, match="no_such"):
        KoopmanEDMD().fit(X, no_such=1)


@pytest.mark.parametrize("solver", ["qr", "gram"])
def test_a_stream_of_batches_and_a_merge_are_one_fit(solver, noisy):
    X, Y = noisy
    lift = FrozenEstimator(RBFDictionary(10, random_state=0).fit(X))
    whole = KoopmanEDMD(lift).fit(X, Y)
    stream = KoopmanEDMD(lift, solver=solver)
    for rows in (slice(0, 5), slice(5, 100), slice(100, 300)):
        stream.partial_fit(X[rows], Y[rows])
    halves = KoopmanEDMD(lift, solver=solver).fit(X[:150], Y[:150])
    halves.merge(KoopmanEDMD(lift, solver=solver).fit(X[150:], Y[150:]))
    tol = 1e-10 if solver == "qr" else 1e-5  # squared condition of near-dependent functions
    for model in (stream, halves):
        assert model.n_pairs_seen_ == 300
        np.testing.assert_allclose(model.eigenvalues_, whole.eigenvalues_, atol=tol)
        np.testing.assert_allclose(model.residuals_, whole.residuals_, atol=tol)
        np.testing.assert_allclose(model.predict(X), whole.predict(X), atol=tol)


def test_merge_refuses_what_does_not_match(noisy):
    X, Y = noisy
    model = KoopmanEDMD(RBFDictionary(5, random_state=0)).fit(X[:100], Y[:100])
    with pytest.raises(ValueError, match="FrozenEstimator"):
        model.merge(KoopmanEDMD(RBFDictionary(5, random_state=0)).fit(X[100:], Y[100:]))
    with pytest.raises(TypeError, match="KoopmanEDMD"):
        model.merge("fit")
    plain = KoopmanEDMD().fit(X, Y)
    with pytest.raises(ValueError, match="inputs"):
        plain.merge(KoopmanEDMD().fit(X, Y, u=X[:, 0]))


def test_coordinates_go_there_and_back_and_evolve_by_eigenvalues():
    a = spiral()
    model = KoopmanEDMD(PolynomialFeatures(3)).fit([a, spiral((0.3, 2.0))])
    Z = model.transform(a)
    assert Z.shape == (40, 10)
    np.testing.assert_allclose(model.inverse_transform(Z), a, atol=1e-11)
    phi = model.eigenfunctions(a)
    np.testing.assert_allclose(phi[1:], phi[:-1] * model.eigenvalues_, atol=1e-9)
    np.testing.assert_allclose(np.real(phi @ model.modes_), a, atol=1e-11)


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


@pytest.mark.parametrize(
    "dictionary",
    [
        PolynomialFeatures(2),
        make_pipeline(StandardScaler(), HermiteDictionary(2)),
        Nystroem(n_components=10, random_state=0),
        RBFDictionary(10, random_state=0),
    ],
    ids=lambda d: type(d).__name__,
)
def test_dictionaries_of_scikit_learn_and_ours_work(dictionary, noisy):
    X, Y = noisy
    model = KoopmanEDMD(dictionary).fit(X, Y)
    assert model.score(X, Y) > 0.5
    assert model.verified(model.residuals_.max() * 1.01).size == len(model.eigenvalues_)


def test_the_dictionarys_own_inverse_leads_back_to_states(noisy):
    X, Y = noisy
    own = KoopmanEDMD(StandardScaler(with_mean=False), reconstruction="inverse").fit(X, Y)
    np.testing.assert_allclose(own.predict(X), KoopmanEDMD().fit(X, Y).predict(X), atol=1e-12)
    with pytest.raises(ValueError, match="inverse_transform"):
        KoopmanEDMD(PolynomialFeatures(2), reconstruction="inverse").fit(X, Y)


def test_search_splits_pairs_and_trajectories_by_itself(noisy):
    X, Y = noisy
    degrees = {"dictionary__degree": [1, 2]}
    pairs = GridSearchCV(
        KoopmanEDMD(PolynomialFeatures()), degrees, cv=GroupKFold(3), scoring=residual_score
    ).fit(X, Y, groups=np.arange(300) % 6)
    assert np.isfinite(pairs.best_score_)
    times = GridSearchCV(
        KoopmanEDMD(PolynomialFeatures()),
        degrees,
        cv=TimeSeriesSplit(3),
        scoring=partial(multi_step_score, n_steps=3),
    ).fit(spiral(n=80))
    assert times.best_score_ > 1 - 1e-6
    with pytest.raises(ValueError, match="TimeSeriesSplit"):
        multi_step_score(pairs.best_estimator_, X, Y)


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


def test_float32_is_solved_for_in_double_precision(noisy):
    X, Y = (a.astype(np.float32) for a in noisy)
    model = KoopmanEDMD().fit(X, Y)
    wanted = KoopmanEDMD().fit(X.astype(float), Y.astype(float))
    np.testing.assert_allclose(model.eigenvalues_, wanted.eigenvalues_, atol=1e-12)
    assert model.predict(X).dtype == model.simulate(X[:2], 3).dtype == np.float32


def test_short_trajectories_are_skipped_with_a_warning_unless_none_is_left():
    with pytest.warns(UserWarning, match="1 of 2 trajectories"):
        model = KoopmanEDMD().fit([spiral(), spiral(n=1)])
    assert model.n_pairs_seen_ == 39
    with pytest.raises(ValueError, match="n_samples = 1"):
        KoopmanEDMD().fit([spiral(n=1), spiral(n=1)])


def test_as_many_observables_as_pairs_are_warned_of():
    with pytest.warns(UserWarning, match="mean nothing"):
        KoopmanEDMD(PolynomialFeatures(4)).fit(np.random.default_rng(0).normal(size=(9, 2)))


def test_growth_is_named_before_a_forecast_of_it():
    model = KoopmanEDMD().fit(1.1 ** np.arange(20.0)[:, None])
    with pytest.warns(UserWarning, match="factor of 6.73 over 20 steps"):
        model.simulate([[1.0]], 20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.simulate([[1.0]], 5)


def test_bad_input_is_named():
    a = spiral()
    with pytest.raises(ValueError, match="unequal numbers of features"):
        KoopmanEDMD().fit([a, a[:, :1]])
    with pytest.raises(ValueError, match="time_step"):
        KoopmanEDMD(time_step=0).fit(a)
    logs = FunctionTransformer(_log, feature_names_out="one-to-one")
    with pytest.raises(ValueError, match="x1"):
        KoopmanEDMD(logs).fit(np.abs(a) * [1, 0])
    with pytest.raises(ValueError, match="sum to the 40 rows"):
        KoopmanEDMD().fit(a, lengths=[3, 4])
    with pytest.raises(ValueError, match="not both"):
        KoopmanEDMD().fit(a, lengths=[40], groups=np.zeros(40))
    with pytest.raises(ValueError, match="nothing to fit"):
        KoopmanEDMD().fit(np.zeros((5, 2)))
    model = KoopmanEDMD().fit(a)
    for call in (
        lambda: model.verified(0),
        lambda: model.local_spectrum([1.0], cut=0),
        lambda: model.spectral_measure([0.0], order=0),
        lambda: model.spectral_measure([0.0], observable=[1.0]),
        lambda: model.autocorrelation_measure(a, [0.0]),
        lambda: model.autocorrelation_measure(a[:, 0], [0.0], smoothing="none"),
        lambda: model.simulate(a[:1], 0),
        lambda: model.variance_residual(a, a, None),
    ):
        with pytest.raises(ValueError, match=r"\w"):
            call()


def _log(X):
    with np.errstate(divide="ignore"):
        return np.log(X)
