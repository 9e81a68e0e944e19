"""HeavyTailSpectrum: shapes do not matter, inputs of many kinds, errors that name the matrix."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.utils.estimator_checks import estimator_checks_generator

from subspace_learn.functional.random_matrix.heavy_tail_spectrum import hill_exponent
from subspace_learn.random_matrix import HeavyTailSpectrum

SHAPES = ((128, 128), (128, 256), (128, 512), (128, 1280), (512, 100))


@pytest.fixture
def noise(rng):
    return [rng.standard_normal(shape) for shape in SHAPES]


def test_exponents_of_noise_do_not_depend_on_the_shape(noise, rng):
    plain = [hill_exponent(np.linalg.svd(W, compute_uv=False) ** 2).alpha for W in noise]
    assert np.ptp(plain) > 2.5
    # one draw strays by some .03 (a few hundred eigenvalues in a tail): five of them by half that
    draws = [[rng.standard_normal(shape) for shape in SHAPES] for _ in range(5)]
    alphas = [HeavyTailSpectrum(64).fit(layers).alpha_ for layers in draws]
    assert np.ptp(np.mean(alphas, axis=0)) < 0.06


def test_one_window_of_the_whole_matrix_is_plain_hill(rng):
    W = rng.standard_normal((40, 60))
    model = HeavyTailSpectrum(40, ratio=1.5).fit(W)
    assert model.window_ == (40, 60)
    plain = hill_exponent(np.linalg.svd(W, compute_uv=False) ** 2)
    assert model.alpha_[0] == pytest.approx(plain.alpha)
    assert model.goodness_[0] == pytest.approx(plain.goodness)
    assert model.xmin_[0] == pytest.approx(plain.xmin)


def test_scaling_and_transposing_change_nothing(rng):
    W = rng.standard_normal((50, 80))
    alpha = HeavyTailSpectrum(30).fit(W).alpha_
    np.testing.assert_allclose(HeavyTailSpectrum(30).fit([1e-3 * W, W.T]).alpha_, alpha.repeat(2))


def test_default_window_fits_every_matrix_at_its_ratio(noise):
    assert HeavyTailSpectrum().fit(noise).window_ == (100, 100)
    assert HeavyTailSpectrum(ratio=0.5).fit(noise).window_ == (128, 64)
    assert HeavyTailSpectrum(ratio=2.0).fit(noise[:1]).window_ == (64, 128)


def test_rows_of_numbers_are_one_matrix_and_matrices_of_them_are_several(rng):
    W = rng.standard_normal((20, 20))
    wanted = HeavyTailSpectrum(8).fit(W).alpha_
    np.testing.assert_array_equal(HeavyTailSpectrum(8).fit(W.tolist()).alpha_, wanted)
    np.testing.assert_array_equal(HeavyTailSpectrum(8).fit([W.tolist(), W]).alpha_, [*wanted] * 2)


def test_kernels_are_pooled_over_positions(rng):
    kernel = rng.standard_normal((12, 10, 3, 2))
    model = HeavyTailSpectrum(8, n_windows=2).fit({"conv": kernel, "bias": np.ones(12)})
    assert model.names_ == ["conv"]
    assert model.shapes_ == [(6, 12, 10)]
    assert model.eigenvalues_[0].shape == (6 * 4 * 8,)
    flat = [kernel[:, :, i, j] for i in range(3) for j in range(2)]
    each = HeavyTailSpectrum(8, n_windows=2).fit(flat).eigenvalues_
    np.testing.assert_allclose(model.eigenvalues_[0], np.sort(np.concatenate(each)))


def test_trained_network_and_state_dict(rng):
    X, y = load_digits(return_X_y=True)
    with pytest.warns(ConvergenceWarning):
        network = MLPClassifier((32, 64), max_iter=2, random_state=0).fit(X[:200], y[:200])
    assert HeavyTailSpectrum(10).fit(network).shapes_ == [(64, 32), (32, 64), (64, 10)]
    torch = pytest.importorskip("torch")
    layers = torch.nn.Sequential(torch.nn.Linear(20, 30), torch.nn.Conv2d(16, 24, 3))
    model = HeavyTailSpectrum(10).fit(layers.state_dict())
    assert model.names_ == ["0.weight", "1.weight"]
    assert model.alpha_.dtype == np.float64


def test_every_library(xp, rng):
    W = rng.standard_normal((30, 40)).astype(np.float32)
    given = HeavyTailSpectrum(16).fit(xp.asarray(W)).alpha_
    np.testing.assert_allclose(given, HeavyTailSpectrum(16).fit(W).alpha_, rtol=1e-6)


def test_input_is_unchanged_and_the_fit_can_be_copied(rng):
    W = rng.standard_normal((30, 30))
    W.setflags(write=False)
    model = HeavyTailSpectrum(16).fit(W)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).alpha_, model.alpha_)
    np.testing.assert_array_equal(clone(model).fit(W).alpha_, model.alpha_)


@pytest.mark.parametrize(
    ("W", "options", "message"),
    [
        (
            [np.diag(np.arange(1.0, 10)), np.ones((4, 30))],
            {"window": 5},
            "'1'.*does not fit",
        ),
        (np.ones((9, 9)), {"window": 8, "n_windows": 3}, "2 place"),
        (np.zeros((30, 30)), {}, "too few for a tail"),
        (np.full((9, 9), np.nan), {}, "contains NaN"),
        (np.ones((9, 9), complex), {}, "Complex"),
        (np.ones(9), {}, "needed are two axes"),
        ([1.0, 2.0], {}, "needed are two axes"),
        (np.ones((9, 9)), {"window": 2, "ratio": 0.1}, "2 x 0"),
        (np.ones((9, 9)), {"n_windows": 0}, "n_windows"),
    ],
)
def test_what_makes_no_sense_is_refused(W, options, message):
    with pytest.raises(ValueError, match=message):
        HeavyTailSpectrum(**options).fit(W)


def test_mapping_without_matrices_is_refused():
    with pytest.raises(TypeError, match="no matrices"):
        HeavyTailSpectrum().fit({"bias": np.ones(3)})
    for W in (None, "weights", [], ()):
        with pytest.raises(TypeError, match="no matrices"):
            HeavyTailSpectrum().fit(W)
    for W in (sp.eye_array(20).tocsr(), [np.eye(20), sp.eye_array(20)], [sp.eye_array(20)]):
        with pytest.raises(TypeError, match="dense data is required"):
            HeavyTailSpectrum().fit(W)


# --- common checks ------------------------------------------------------------------------------

# Rows of a weight matrix are no samples and its columns no features: a matrix of one row is too
# small, not a table of one sample, and no later table has to have as many columns.
NO_MEANING = {
    "check_fit2d_1sample",
    "check_fit2d_1feature",
    "check_n_features_in",
    "check_n_features_in_after_fitting",
}
SCIKIT_LEARN_CHECKS = [
    pytest.param(estimator, check, id=f"{estimator!r}-{check.func.__name__}")
    for settings in ({}, {"xmin": "ks"}, {"n_windows": 4})
    for estimator, check in estimator_checks_generator(HeavyTailSpectrum(**settings))
    if check.func.__name__ not in NO_MEANING
]


def test_checks_without_a_meaning_are_checks():
    names = {c.func.__name__ for _, c in estimator_checks_generator(HeavyTailSpectrum())}
    assert names >= NO_MEANING


@pytest.mark.parametrize(("estimator", "check"), SCIKIT_LEARN_CHECKS)
def test_scikit_learn_check(estimator, check):
    check(estimator)


def fitted_numbers(model):
    return np.concatenate([model.alpha_, model.goodness_, model.xmin_, *model.eigenvalues_])


def test_second_fit_gives_the_same_and_a_failed_one_leaves_it(rng):
    W = rng.standard_normal((30, 40))
    model = HeavyTailSpectrum(16)
    once = fitted_numbers(model.fit(W))
    np.testing.assert_array_equal(fitted_numbers(model.fit([W])), once)
    state = sorted(vars(model))
    for bad in (np.full((30, 40), np.inf), W[0], W[:0], W.astype(complex), W[:10]):
        with pytest.raises(ValueError, match=r"Matrix '0'|Complex"):
            model.fit(bad)
        assert sorted(vars(model)) == state
        np.testing.assert_array_equal(fitted_numbers(model), once)


def test_bad_matrices_are_refused_in_every_library(xp, rng):
    W = rng.standard_normal((30, 40))
    broken = W.copy()
    broken[3, 4] = np.nan
    for bad in (broken, W[:, 0], W[:0], W[:, :0], W.astype(complex)):
        with pytest.raises(ValueError, match=r"Matrix '0'|Complex"):
            HeavyTailSpectrum(16).fit(xp.asarray(bad))


def test_verbose_tells_which_matrix_it_is_at(rng, capsys):
    layers = {"first": rng.normal(size=(40, 40)), "last": rng.normal(size=(40, 80))}
    HeavyTailSpectrum(20, verbose=1).fit(layers)
    assert capsys.readouterr().out.splitlines()[1] == (
        "[HeavyTailSpectrum] matrix 2 of 2: 'last', (40, 80)"
    )


def test_mask_and_dates_are_not_read_as_weights():
    W = np.random.default_rng(0).normal(size=(60, 20))
    with pytest.raises(ValueError, match="matrix 'head' is a masked array"):
        HeavyTailSpectrum().fit({"body": W, "head": np.ma.masked_greater(W, 2)})
    with pytest.raises(ValueError, match="matrix '0' is an array of datetime64"):
        HeavyTailSpectrum().fit((1e6 * W).astype("datetime64[s]"))
