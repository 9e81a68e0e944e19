"""KoopmanEDMD, dictionaries and displays give in every array library what they give in NumPy."""

import matplotlib as mpl
import numpy as np
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, StandardScaler
from sklearn.utils import get_tags

from subspace_learn import KoopmanEDMD, ToDevice
from subspace_learn._array import array_namespace, device_of, library_name
from subspace_learn.dynamics import (
    DelayDictionary,
    ForecastDisplay,
    FourierDictionary,
    HermiteDictionary,
    KoopmanModesDisplay,
    KoopmanSpectrumDisplay,
    RBFDictionary,
    SpectralMeasureDisplay,
    multi_step_score,
    residual_score,
)
from subspace_learn.dynamics._lifting import supports_arrays

mpl.use("Agg")
FITTED = [
    "koopman_matrix_",
    "eigenvalues_",
    "residuals_",
    "eigenvectors_",
    "modes_",
    "continuous_eigenvalues_",
    "singular_values_",
    "input_matrix_",
]
# Two libraries round differently; problems here are small and well-conditioned, values of order 1.
TOL = 1e-9


@pytest.fixture(scope="module")
def noisy():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(120, 2))
    turn = np.array([[0.8, -0.4], [0.4, 0.8]])  # one conjugate pair
    return X, X @ turn + 0.1 * rng.normal(size=(120, 2))


def square(X):
    """A user's own dictionary, in any library."""
    return array_namespace(X).concat([X, X**2], axis=1)


def assert_same(given, wanted, xp, dtype="float64"):
    assert xp.owns(given)
    assert xp.numpy(given).dtype in (np.dtype(dtype), np.result_type(dtype, np.complex64))
    np.testing.assert_allclose(xp.numpy(given), wanted, atol=TOL if dtype == "float64" else 2e-5)


def assert_same_fit(given, wanted, xp):
    for name in FITTED:
        assert_same(getattr(given, name), getattr(wanted, name), xp)
    assert given.n_components_ == wanted.n_components_
    assert given.n_pairs_seen_ == wanted.n_pairs_seen_


MODELS = {
    "states": KoopmanEDMD(),
    "gram sums": KoopmanEDMD(solver="gram"),
    "measure preserving": KoopmanEDMD(FourierDictionary(1), method="measure_preserving"),
    "kernel": KoopmanEDMD(method="kernel", n_components=6, random_state=0),
    "waves": KoopmanEDMD(FourierDictionary(1)),
    "complex waves": KoopmanEDMD(FourierDictionary(1, output="complex")),
    "polynomials": KoopmanEDMD(HermiteDictionary(2)),
    "radial functions": KoopmanEDMD(RBFDictionary(6, kernel="laplacian", random_state=0)),
    "some of the pairs": KoopmanEDMD(HermiteDictionary(2), residual_tol=0.5),
    "a function": KoopmanEDMD(FunctionTransformer(square)),
    "a chain": KoopmanEDMD(make_pipeline(HermiteDictionary(1), FunctionTransformer(square))),
}


@pytest.mark.filterwarnings("ignore:method='measure_preserving' was asked for:UserWarning")
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_fit_and_all_it_gives_stay_in_the_library_of_the_data(name, dtype, noisy, xp):
    X, Y = (table.astype(dtype) for table in noisy)
    wanted = clone_of(name).fit(X, Y)
    model = clone_of(name).fit(xp.asarray(X), xp.asarray(Y))
    if dtype == "float64":
        assert_same_fit(model, wanted, xp)
    Z = model.transform(xp.asarray(X))
    assert_same(Z, wanted.transform(X), xp, dtype)
    assert_same(
        model.inverse_transform(Z), wanted.inverse_transform(wanted.transform(X)), xp, dtype
    )
    assert_same(model.predict(xp.asarray(X)), wanted.predict(X), xp, dtype)
    ahead = model.simulate(xp.asarray(X[:3]), 4, relift=True)
    assert_same(ahead, wanted.simulate(X[:3], 4, relift=True), xp, dtype)
    assert model.score(xp.asarray(X), xp.asarray(Y)) == pytest.approx(wanted.score(X, Y))


def clone_of(name):
    model = MODELS[name]
    return type(model)(**model.get_params(deep=False))


def test_forms_weights_and_inputs_are_taken_in_every_library(noisy, xp):
    X, Y = noisy
    u, w = X[:, 0] ** 2, np.linspace(0.5, 2.0, 120)
    # inputs and weights on the host go where the states are; lengths stay there
    plain = KoopmanEDMD().fit(X, lengths=[50, 70], u=u, sample_weight=w)
    given = xp.asarray(X)
    for more in (
        {"u": xp.asarray(u), "sample_weight": xp.asarray(w), "lengths": xp.asarray([50, 70])},
        {"u": u, "sample_weight": w, "lengths": [50, 70]},
        {"u": u[:, None], "sample_weight": w, "groups": np.repeat([0, 1], [50, 70])},
    ):
        assert_same_fit(KoopmanEDMD().fit(given, **more), plain, xp)
    pieces = [xp.asarray(X[:50]), xp.asarray(X[50:])]
    rows = {"u": [u[:50, None], u[50:, None]], "sample_weight": [w[:50], w[50:]]}
    listed = KoopmanEDMD().fit(pieces, **rows)
    assert_same_fit(listed, plain, xp)
    stack = X.reshape(4, 30, 2)
    assert_same_fit(KoopmanEDMD().fit(xp.asarray(stack)), KoopmanEDMD().fit(stack), xp)
    pairs = KoopmanEDMD().fit([xp.asarray(X)], [xp.asarray(Y)])
    assert_same_fit(pairs, KoopmanEDMD().fit(X, Y), xp)
    assert_same(listed.predict(pieces, xp.asarray(u)), plain.predict(X, u), xp)
    ahead = listed.simulate(given[:1, :], 5, xp.asarray(u[:5]))
    assert_same(ahead, plain.simulate(X[:1], 5, u[:5]), xp)
    assert listed.score(pieces, u=rows["u"]) == pytest.approx(
        plain.score([X[:50], X[50:]], u=rows["u"])
    )


@pytest.mark.filterwarnings("ignore:method='measure_preserving' was asked for:UserWarning")
@pytest.mark.parametrize("name", MODELS)
def test_arrays_stay_on_the_device_they_come_from(name, noisy):
    strict = pytest.importorskip("array_api_strict")  # two devices without a GPU
    device = strict.Device("device1")
    X, Y = (strict.asarray(table, device=device) for table in noisy)
    model = clone_of(name).fit(X, Y, sample_weight=np.ones(120)).partial_fit(X, Y)
    for given in (
        *(getattr(model, attribute) for attribute in FITTED),
        model.inverse_transform(model.transform(X)),
        model.simulate(X[:3, :], 3, relift=True),
        model.eigenfunctions(X),
        model.held_out_residuals(X, Y),
    ):
        assert device_of(given) == device
    with pytest.raises(ValueError, match=r"y is on device .*ToDevice"):
        model.score(X, strict.asarray(noisy[1]))
    with pytest.raises(ValueError, match="same device"):
        model.predict(strict.asarray(noisy[0]))


def test_streams_and_merges_stay_in_the_library(noisy, xp):
    X, Y = noisy
    lift = FrozenEstimator(HermiteDictionary(2).fit(xp.asarray(X)))
    wanted = KoopmanEDMD(HermiteDictionary(2)).fit(X, Y)
    halves = [slice(0, 50), slice(50, 120)]
    stream = KoopmanEDMD(lift)
    for rows in halves:
        stream.partial_fit(xp.asarray(X[rows]), xp.asarray(Y[rows]))
    parts = [KoopmanEDMD(lift).fit(xp.asarray(X[r]), xp.asarray(Y[r])) for r in halves]
    assert_same_fit(stream, wanted, xp)
    assert_same_fit(parts[0].merge(parts[1]), wanted, xp)
    if xp.name != "numpy":
        with pytest.raises(ValueError, match="same namespace"):
            stream.partial_fit(X, Y)
        with pytest.raises(ValueError, match="same namespace"):
            stream.merge(wanted)


def test_ill_conditioned_data_are_factored_in_their_library(noisy, xp):
    X, Y = noisy
    skew = np.array([[1.0, 1.0], [0.0, 1e-9]])  # condition 1e9: Householder's way
    wanted = KoopmanEDMD().fit(X @ skew, Y @ skew)
    model = KoopmanEDMD().fit(xp.asarray(X @ skew), xp.asarray(Y @ skew))
    assert xp.owns(model.eigenvalues_)
    # eps * condition
    np.testing.assert_allclose(xp.numpy(model.eigenvalues_), wanted.eigenvalues_, atol=1e-6)


def test_exact_dynamics_have_residuals_of_rounding_in_every_library(noisy, xp):
    X, _ = noisy
    model = KoopmanEDMD(HermiteDictionary(3)).fit(xp.asarray(X), xp.asarray(0.5 * X))
    assert float(np.max(xp.numpy(model.residuals_))) < 1e-12


@pytest.mark.parametrize("inner", [None, HermiteDictionary(2)])
def test_delays_of_any_library_are_stacked_there(inner, xp):
    x = np.cos(0.4 * np.arange(60))[:, None]
    lift = DelayDictionary(2, lag=2, dictionary=inner)
    wanted, model = KoopmanEDMD(lift).fit(x), KoopmanEDMD(lift).fit(xp.asarray(x))
    assert xp.owns(DelayDictionary(1).fit(xp.asarray(x)).embed(xp.asarray(x)))
    np.testing.assert_allclose(xp.numpy(model.predict(xp.asarray(x))), wanted.predict(x), atol=TOL)
    start = x[None, :5]
    ahead = model.simulate(xp.asarray(start), 10)
    assert_same(ahead, wanted.simulate(start, 10), xp)
    score = multi_step_score(model, xp.asarray(x), n_steps=3)
    assert score == pytest.approx(multi_step_score(wanted, x, n_steps=3))


def test_kernel_features_of_many_states_come_from_arpack_with_products_on_the_device(xp):
    X = np.random.default_rng(0).normal(size=(260, 2))  # above 200: not a dense problem
    model = KoopmanEDMD(method="kernel", n_components=5, random_state=0)
    wanted = KoopmanEDMD(method="kernel", n_components=5, random_state=0).fit(X, 0.7 * X)
    assert_same_fit(model.fit(xp.asarray(X), xp.asarray(0.7 * X)), wanted, xp)


def test_diagnostics_answer_in_the_library_they_are_asked_in(noisy, xp):
    X, Y = noisy
    a, b = xp.asarray(X), xp.asarray(Y)
    wanted, model = KoopmanEDMD(HermiteDictionary(2)).fit(X, Y), KoopmanEDMD(HermiteDictionary(2))
    model.fit(a, b)
    assert_same(model.held_out_residuals(a, b), wanted.held_out_residuals(X, Y), xp)
    assert_same(model.eigenfunctions(a), wanted.eigenfunctions(X), xp)
    for given, plain in zip(
        model.variance_residual(a, b, b), wanted.variance_residual(X, Y, Y), strict=True
    ):
        assert_same(given, plain, xp)
    eps = float(np.median(wanted.residuals_))
    np.testing.assert_array_equal(xp.numpy(model.verified(eps)), wanted.verified(eps))
    assert xp.owns(model.verified(eps))
    z = np.array([[0.5 + 0.5j, 1.0], [0.0, -1.0j]])
    assert_same(model.pseudospectrum(xp.asarray(z)), wanted.pseudospectrum(z), xp)
    assert library_name(model.pseudospectrum(z)) == "numpy"
    points = model.local_spectrum(xp.asarray(z))
    assert_same(points.points, wanted.local_spectrum(z).points, xp)
    theta = np.linspace(-3, 3, 7)
    assert_same(model.spectral_measure(xp.asarray(theta)), wanted.spectral_measure(theta), xp)
    for series in (X[:, 0], X[:, 0] + 1j * X[:, 1]):
        given = model.autocorrelation_measure(xp.asarray(series), xp.asarray(theta))
        assert_same(given, wanted.autocorrelation_measure(series, theta), xp)
    assert residual_score(model, a, b) == pytest.approx(residual_score(wanted, X, Y))


def test_pictures_are_drawn_of_any_library(xp):
    import matplotlib.pyplot as plt

    X = np.cos(0.5 * np.arange(60) + np.array([[0.0], [np.pi / 2]])).T
    a = xp.asarray(X)
    model = KoopmanEDMD().fit(a)
    KoopmanSpectrumDisplay.from_estimator(model, pseudospectrum=True, n_grid=5)
    SpectralMeasureDisplay.from_estimator(model, n_angles=9)
    forecast = ForecastDisplay.from_estimator(model, a, kind="phase")
    np.testing.assert_allclose(forecast.forecast, forecast.truth, atol=TOL)
    assert KoopmanModesDisplay.from_estimator(model, a).values.shape == (60, 1)
    plt.close("all")


def test_what_would_need_a_copy_to_the_host_is_refused_with_what_to_do(noisy, xp):
    if xp.name == "numpy":
        pytest.skip("NumPy is the host")
    X, Y = (xp.asarray(table) for table in noisy)
    with pytest.raises(TypeError, match=f"TruncatedSVD was given {xp.name}.*ToDevice"):
        KoopmanEDMD(TruncatedSVD()).fit(X, Y)
    with pytest.raises(TypeError, match="must return arrays of the library"):
        KoopmanEDMD(FunctionTransformer(xp.numpy)).fit(X, Y)
    with pytest.raises(TypeError, match="mixed"):
        KoopmanEDMD().fit(X, noisy[1])
    with pytest.raises(ValueError, match="y contains NaN"):
        KoopmanEDMD().fit(X, xp.asarray(np.nan * noisy[1]))
    with pytest.raises(ValueError, match="u has 3 rows"):
        KoopmanEDMD().fit(X, Y, u=X[:3, 0])
    host = make_pipeline(ToDevice("cpu"), KoopmanEDMD(TruncatedSVD(2, random_state=0)))
    assert np.isfinite(host.fit(X).predict(X)).all()


# scikit-learn's scaler divides 0 by 0 under np.errstate, which array_api_strict does not hear
@pytest.mark.filterwarnings("ignore:invalid value encountered in divide:RuntimeWarning")
def test_scikit_learns_dictionaries_need_its_array_dispatch(noisy, xp, monkeypatch):
    scaler = StandardScaler(with_mean=False)
    chain = make_pipeline(scaler, HermiteDictionary(2))
    if not get_tags(scaler).array_api_support:
        pytest.skip("this scikit-learn does not say which of its transformers take arrays")
    monkeypatch.setenv("SCIPY_ARRAY_API", "0")
    assert not supports_arrays(chain)
    if xp.name != "numpy":
        with pytest.raises(TypeError, match="SCIPY_ARRAY_API=1"):
            KoopmanEDMD(chain).fit(xp.asarray(noisy[0]))
    monkeypatch.undo()
    if not supports_arrays(chain):
        pytest.skip("needs SCIPY_ARRAY_API=1")
    X, Y = noisy
    for lift in filter(supports_arrays, (scaler, chain, PolynomialFeatures(2))):
        wanted = KoopmanEDMD(lift).fit(X, Y)
        model = KoopmanEDMD(lift).fit(xp.asarray(X), xp.asarray(Y))
        assert_same_fit(model, wanted, xp)
        assert_same(model.predict(xp.asarray(X)), wanted.predict(X), xp)
    scaled = KoopmanEDMD(scaler, reconstruction="inverse").fit(xp.asarray(X), xp.asarray(Y))
    assert_same(scaled.predict(xp.asarray(X)), KoopmanEDMD().fit(X, Y).predict(X), xp)
