"""KoopmanEDMD at its limits: units, float32, constants, zeros, defective and infinite things."""

import warnings

import numpy as np
import pytest
from sklearn.kernel_approximation import Nystroem
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures

from subspace_learn import KoopmanEDMD
from subspace_learn.dynamics import DelayDictionary, HermiteDictionary, RBFDictionary


def walk(n=300, seed=5):
    """A path of three columns that wander."""
    return np.cumsum(np.random.default_rng(seed).normal(size=(n, 3)), axis=0)


# --- eigenvalues 0 and infinite logarithms -------------------------------------------------------


def test_eigenvalue_zero_has_a_rate_of_minus_infinity():
    model = KoopmanEDMD(time_step=0.25).fit(np.array([[3.0], [0.0], [0.0], [0.0]]))
    assert model.eigenvalues_[0] == 0
    assert model.continuous_eigenvalues_[0].real == -np.inf
    assert model.continuous_eigenvalues_[0].imag == 0
    np.testing.assert_array_equal(model.predict([[3.0]]), [[0.0]])


@pytest.mark.filterwarnings("ignore:Eigenvectors of the Koopman matrix:UserWarning")
def test_doubling_map_and_shifts_and_one_hot_chains_are_fitted():
    n = 64  # angles k / n: doubling loses every other wave
    angle = 2 * np.pi * np.arange(n) / n
    waves = FunctionTransformer(lambda X: np.exp(1j * X * np.array([1, 2, 4])))
    model = KoopmanEDMD(waves).fit(angle[:, None], 2 * angle[:, None])
    # 1 -> 2 -> 4 -> 8, and e^(8ix) is not in the dictionary: nilpotent
    assert np.abs(model.eigenvalues_).max() < 1e-4  # defective: eps^(1/3)
    shift = np.array([[0.0, 7.0, 0.0], [0.0, 0.0, 7.0], [0.0, 0.0, 0.0]])
    X = np.vstack([np.eye(3), 2 * np.eye(3)])
    model = KoopmanEDMD().fit(X, X @ shift)
    assert (model.continuous_eigenvalues_.real < -20).all()
    np.testing.assert_allclose(model.predict(X), X @ shift, atol=1e-14)
    chain = np.eye(4)[[0, 1, 2, 3, 3, 3]]
    np.testing.assert_allclose(KoopmanEDMD().fit(chain).predict(chain[:-1]), chain[1:], atol=1e-14)


# --- inputs that explain an observable -----------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 300.0, 1e-6])
def test_an_observable_that_inputs_explain_is_dropped_not_scaled_up(scale, rng):
    mode = rng.integers(0, 2, size=400)
    x = np.zeros(400)
    for t in range(399):
        x[t + 1] = 0.8 * x[t] + scale * (1.0, -0.5)[mode[t]]
    model = KoopmanEDMD(PolynomialFeatures(1)).fit(x[:, None], u=np.eye(2)[mode])
    np.testing.assert_allclose(model.eigenvalues_, [0.8], rtol=1e-12)
    assert np.abs(model.koopman_matrix_).max() < 1 + scale
    ahead = model.predict(x[:-1, None], np.eye(2)[mode][:-1])
    np.testing.assert_allclose(ahead[:, 0], x[1:], atol=1e-12 * np.abs(x).max())


# --- defective matrices --------------------------------------------------------------------------


def test_a_trend_is_forecast_and_modes_that_cannot_hold_it_are_warned_of():
    X = 7.0 * np.arange(50.0)[:, None]
    with pytest.warns(UserWarning, match=r"relative error of 0\.\d+ only"):
        model = KoopmanEDMD(PolynomialFeatures(1)).fit(X)
    assert np.abs(model.modes_).max() < 1e4
    np.testing.assert_allclose(model.predict(X[:-1]), X[1:], atol=1e-10)
    np.testing.assert_allclose(model.simulate(X[:1], 49)[0], X[1:], atol=1e-9)
    with pytest.warns(UserWarning, match="inverse_transform"):
        back = model.inverse_transform(model.transform(X))
    said = model._model.spectrum.lost  # the number that is told is the error that is made
    size = np.linalg.norm(X[:-1])
    assert np.linalg.norm((back - X)[:-1]) / size == pytest.approx(said, rel=1e-6)


@pytest.mark.filterwarnings("ignore:Eigenvectors of the Koopman matrix:UserWarning")
@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("upper", [False, True])
def test_the_error_that_is_told_of_a_jordan_block_is_the_error_that_is_made(size, upper, rng):
    block = 0.9 * np.eye(size) + np.eye(size, k=1 if upper else -1)
    X = 300 * rng.normal(size=(100, size))
    model = KoopmanEDMD().fit(X, X @ block)
    spectrum = model._model.spectrum
    told = spectrum.lost + spectrum.growth * np.finfo(float).eps
    made = np.linalg.norm(model.inverse_transform(model.transform(X)) - X, axis=0)
    assert (made / np.linalg.norm(X, axis=0)).max() < 3 * told
    np.testing.assert_allclose(model.predict(X), X @ block, rtol=1e-9, atol=1e-9)


def test_well_separated_eigenvalues_are_not_warned_of():
    X = walk() * [1.0, 300.0, 1e-4]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = KoopmanEDMD(PolynomialFeatures(2)).fit(X)
        back = model.inverse_transform(model.transform(X))
    np.testing.assert_allclose(back, X, atol=1e-8 * np.abs(X).max())


# --- units and widths ----------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [300.0, 1e4, 1e-6])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "lift", [None, HermiteDictionary(2), PolynomialFeatures(2)], ids=lambda d: type(d).__name__
)
def test_the_unit_of_a_column_changes_nothing(lift, dtype, factor):
    X = walk()
    Z = X * [1.0, factor, 1.0]
    plain = KoopmanEDMD(lift, n_components=None).fit(X.astype(dtype))
    model = KoopmanEDMD(lift, n_components=None).fit(Z.astype(dtype))
    assert model.n_components_ == plain.n_components_
    # rounding of float32 data times the condition of the observables
    tol = 1e-9 if dtype == "float64" else 2e-4
    np.testing.assert_allclose(model.eigenvalues_, plain.eigenvalues_, atol=tol)
    np.testing.assert_allclose(model.residuals_, plain.residuals_, atol=tol)


@pytest.mark.parametrize("scale", [1e-17, 1e-30, 1e17, 1e30])
def test_small_and_large_float32_is_solved_for_in_float64(scale):
    X = walk()
    model = KoopmanEDMD().fit((scale * X).astype(np.float32))
    np.testing.assert_allclose(model.eigenvalues_, KoopmanEDMD().fit(X).eigenvalues_, atol=1e-5)


def test_distances_over_unlike_units_are_warned_of_with_the_names():
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame(walk() * [1.0, 1e4, 1.0], columns=["height", "pressure", "speed"])
    with pytest.warns(UserWarning, match=r"'pressure' spreads .*e\+03 times as wide as column"):
        RBFDictionary(5, random_state=0).fit(X)
    with pytest.warns(UserWarning, match=r"method='kernel' measures .* column 1 spreads"):
        KoopmanEDMD(method="kernel", n_components=4, random_state=0).fit(X.to_numpy())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        constant = walk() * [1.0, 1.0, 0.0] + [0.0, 0.0, 0.1]
        KoopmanEDMD(RBFDictionary(5, random_state=0)).fit(constant)


def test_the_rank_is_cut_at_the_documented_share_of_the_largest_value(rng):
    base = rng.normal(size=(200, 2))
    for dtype, kept, dropped in (("float64", 1e-11, 1e-13), ("float32", 1e-5, 1e-7)):
        for gap, n in ((kept, 2), (dropped, 1)):
            twin = np.column_stack([base[:, 0], base[:, 0] + 4 * gap * base[:, 1]])
            lift = FunctionTransformer(lambda X, twin=twin: twin[: len(X)])
            X = base.astype(dtype)
            assert KoopmanEDMD(lift).fit(X, X).n_components_ == n, (dtype, gap)


# --- constants, zeros, copies --------------------------------------------------------------------


@pytest.mark.parametrize("value", [0.1, 0.0, 5.0])
def test_a_constant_column_is_no_scale_and_no_trouble(value):
    X = walk()
    X[:, 1] = value
    alone = KoopmanEDMD(PolynomialFeatures(1)).fit(X[:, [0, 2]])
    model = KoopmanEDMD(PolynomialFeatures(1)).fit(X)
    assert model.n_components_ == 3
    np.testing.assert_allclose(model.eigenvalues_, alone.eigenvalues_, atol=1e-12)
    np.testing.assert_allclose(model.predict(X)[:, [0, 2]], alone.predict(X[:, [0, 2]]), rtol=1e-9)
    np.testing.assert_allclose(model.predict(X)[:, 1], value, rtol=1e-12)


def test_a_copy_of_a_column_changes_no_forecast():
    X = walk() * [1.0, 300.0, 1.0]
    twice = np.column_stack([X, X[:, 1]])
    plain, model = KoopmanEDMD().fit(X), KoopmanEDMD().fit(twice)
    np.testing.assert_allclose(model.eigenvalues_, plain.eigenvalues_, atol=1e-12)
    np.testing.assert_allclose(model.predict(twice)[:, :3], plain.predict(X), rtol=1e-9)
    back = model.inverse_transform(model.transform(twice))
    np.testing.assert_allclose(back, twice, rtol=1e-8)


def test_two_rows_are_one_pair():
    X = walk(2)
    with pytest.warns(UserWarning, match="1 pairs for 1 directions"):
        model = KoopmanEDMD().fit(X)
    np.testing.assert_allclose(model.predict(X[:1]), X[1:], rtol=1e-12)


def test_a_constant_truth_scores_by_whether_it_is_met():
    X = np.full((9, 2), 0.1)
    assert KoopmanEDMD().fit(X).score(X) == 1.0
    assert KoopmanEDMD().fit(walk()[:, :2]).score(X) == 0.0


# --- what is not finite, and what is no dictionary -----------------------------------------------


def test_a_forecast_that_leaves_the_range_names_the_step():
    model = KoopmanEDMD().fit(1.5 ** np.arange(20.0)[:, None])
    with (
        pytest.warns(UserWarning, match="unstable"),
        pytest.raises(ValueError, match=r"in step 1751 of 5000; the largest \|eigenvalue\| is 1.5"),
    ):
        model.simulate([[1.0]], 5000)
    with pytest.raises(ValueError, match=r"in step \d+ of 900"):
        model.simulate(np.ones((1, 1), np.float32), 900, relift=True)
    with pytest.raises(ValueError, match=r"n_steps=2.5 must be a whole number"):
        model.simulate([[1.0]], 2.5)


@pytest.mark.parametrize("wrong", [5, "rbf", np.eye(2)], ids=["number", "text", "array"])
def test_what_is_no_dictionary_is_named(wrong):
    with pytest.raises(ValueError, match=r"'dictionary' parameter .* 'transform'"):
        KoopmanEDMD(wrong).fit(walk())
    with pytest.raises(ValueError, match=r"'dictionary' parameter .* 'transform'"):
        KoopmanEDMD(DelayDictionary(1, dictionary=wrong)).fit(walk())


def test_fitted_numbers_do_not_follow_parameters_that_are_set_later():
    X = walk()
    model = KoopmanEDMD(Nystroem(n_components=5, random_state=0), time_step=0.5).fit(X)
    before = model.continuous_eigenvalues_, model.predict(X), model.transform(X)
    model.set_params(time_step=9.0, residual_tol=1e-9, dictionary=None, reconstruction="inverse")
    after = model.continuous_eigenvalues_, model.predict(X), model.transform(X)
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)


def test_eigenfunctions_have_mean_square_one_under_unequal_weights(rng):
    X = 300 * walk()
    w = rng.uniform(0.5, 20.0, size=300)
    model = KoopmanEDMD().fit(X[:-1], X[1:], sample_weight=w[:-1])
    phi = model.eigenfunctions(X[:-1])
    mean = (w[:-1, None] * np.abs(phi) ** 2).sum(axis=0) / w[:-1].sum()
    np.testing.assert_allclose(mean, 1.0, rtol=1e-10)
    np.testing.assert_allclose((phi @ model.modes_).real, X[:-1], rtol=1e-8)


# --- inputs that follow the states ---------------------------------------------------------------


def under_feedback(excitation, noise, seed=0):
    """States 1000 times as large as usual, and an input that follows the first of them."""
    rng = np.random.default_rng(seed)
    K, B = np.array([[0.9, -0.2], [0.2, 0.8]]), np.array([0.3, -0.1])
    x, u = np.ones((200, 2)), np.zeros(200)
    for t in range(199):
        u[t] = -x[t, 0] + excitation * rng.normal()
        x[t + 1] = x[t] @ K + u[t] * B + noise * rng.normal(size=2)
    return 1000 * x, u, np.linalg.eigvals(K)


@pytest.mark.parametrize("excitation", [1e-9, 1e-7, 1e-5, 1e-3])
@pytest.mark.parametrize("solver", ["qr", "gram"])
def test_inputs_that_follow_a_state_are_told_with_the_uncertainty_of_the_matrix(excitation, solver):
    x, u, _ = under_feedback(excitation, noise=0.1)
    if solver == "gram" and excitation < 1e-6:
        pytest.skip("squares do not see them: the direction is dropped")
    with pytest.warns(UserWarning, match="standard deviation of K"):
        KoopmanEDMD(solver=solver).fit(x, u=u)


@pytest.mark.parametrize(("excitation", "noise"), [(1.0, 0.1), (0.3, 0.1), (1e-3, 1e-7)])
def test_inputs_that_move_the_states_beyond_the_noise_give_the_eigenvalues(excitation, noise):
    x, u, truth = under_feedback(excitation, noise)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = KoopmanEDMD().fit(x, u=u).eigenvalues_
    # a standard deviation of noise / (excitation sqrt(200)), below .024, and three of them
    np.testing.assert_allclose(np.sort_complex(found), np.sort_complex(truth), atol=0.08)


def test_a_pair_of_weight_zero_makes_no_centre():
    path = walk()
    weights = np.random.default_rng(1).uniform(0.1, 3.0, size=299)
    weights[::3] = 0.0
    counts = weights > 0
    model = KoopmanEDMD(RBFDictionary(6, random_state=0))
    all_pairs = model.fit(path[:-1], path[1:], sample_weight=weights).eigenvalues_
    left = path[:-1][counts], path[1:][counts]
    fewer = model.fit(*left, sample_weight=weights[counts]).eigenvalues_
    np.testing.assert_allclose(all_pairs, fewer, rtol=1e-9, atol=1e-12)


def test_merged_rates_are_in_the_time_step_of_the_fits():
    first, second = walk(seed=1), walk(seed=2)
    a, b = (KoopmanEDMD(time_step=0.25).fit(path) for path in (first, second))
    a.set_params(time_step=2.0).merge(b)
    np.testing.assert_allclose(a.continuous_eigenvalues_, np.log(a.eigenvalues_) / 0.25, atol=1e-12)
