"""Training in a random subspace, and the dimension that is enough."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_iris
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import scale

from subspace_learn.compression import RandomSubspaceClassifier, intrinsic_dimension
from subspace_learn.compression._random_subspace_classifier import subspace
from subspace_learn.functional.compression.random_subspace import NetworkShape


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return scale(X), np.array(["setosa", "versicolor", "virginica"])[y]


def model(**parameters):
    defaults = {"n_components": 12, "alpha": 0.1, "max_iter": 3000, "random_state": 0}
    return RandomSubspaceClassifier((8,), **(defaults | parameters))


@pytest.mark.parametrize("projection", ["dense", "sparse", "fastfood"])
def test_seed_and_coordinates_are_the_whole_model(projection, iris):
    X, y = iris
    fitted = model(projection=projection).fit(X, y)
    shape = NetworkShape((4, 8, 3))
    theta, P = subspace(shape, 12, projection, fitted.seed_)
    layers = shape.layers(theta + P @ fitted.coordinates_)
    for (weights, bias), coefs, intercept in zip(
        layers, fitted.coefs_, fitted.intercepts_, strict=True
    ):
        np.testing.assert_array_equal(weights, coefs)
        np.testing.assert_array_equal(bias, intercept)
    assert fitted.score(X, y) > 0.9


def test_more_dimensions_lower_the_loss(iris):
    """Convex without hidden units, subspaces nested: never up, and all of it is the optimum."""
    losses = [
        RandomSubspaceClassifier(
            (), n_components=d, alpha=1.0, tol=1e-8, max_iter=5000, random_state=0
        )
        .fit(*iris)
        .loss_
        for d in (1, 2, 4, 8, 15, None)
    ]
    assert all(np.diff(losses) <= 1e-9)
    assert losses[-2] == pytest.approx(losses[-1], abs=1e-7)
    assert losses[0] > losses[-1] + 0.1


def test_full_training_has_no_coordinates(iris):
    fitted = model(n_components=None).fit(*iris)
    assert fitted.coordinates_ is None
    assert fitted.n_parameters_ == 5 * 8 + 9 * 3


def test_sparse_rows_and_words_are_taken(iris):
    X, y = iris
    fitted = model().fit(sp.csr_array(X), y)
    np.testing.assert_array_equal(fitted.predict(X), fitted.predict(sp.csr_array(X)))
    assert set(fitted.predict(X)) <= set(y)


def test_wrong_parameters_are_told(iris):
    X, y = iris
    with pytest.raises(ValueError, match="take 1 to 67"):
        model(n_components=68).fit(X, y)
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        RandomSubspaceClassifier((8, 0)).fit(X, y)
    with pytest.raises(ValueError, match="one class"):
        model().fit(X[:50], y[:50])
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        model(max_iter=2).fit(X, y)


def wide_table(rng):
    """Labels along one direction of two that vary, in twenty features."""
    Z = rng.normal(size=(200, 2))
    return np.hstack([Z, np.zeros((200, 18))]), (Z[:, 0] > 0).astype(int)


def test_doubling_and_bisection_find_what_a_full_search_finds(rng):
    X, y = wide_table(rng)
    linear = RandomSubspaceClassifier((), alpha=1.0, max_iter=2000)
    auto = intrinsic_dimension(linear, X, y, threshold=0.95)
    full = intrinsic_dimension(linear, X, y, dims=range(1, 43), threshold=0.95)
    # scores of random subspaces are not monotone: bisection may skip one that does by luck
    assert full.dimension <= auto.dimension
    k = list(auto.dims).index(auto.dimension)
    assert np.median(auto.scores[k]) >= auto.target
    assert np.median(auto.scores[k - 1]) < auto.target
    assert full.scores.shape == (42, 3)
    assert auto.target == pytest.approx(0.95 * np.median(auto.baseline))
    for d, scores in zip(auto.dims, auto.scores, strict=True):
        np.testing.assert_array_equal(scores, full.scores[d - 1])


def test_dimensions_that_are_too_few_give_none(iris, capsys):
    found = intrinsic_dimension(model(), *iris, dims=[1], threshold=1.0, n_repeats=2, verbose=1)
    assert found.dimension is None
    baseline, first = capsys.readouterr().out.splitlines()
    assert baseline.startswith("[intrinsic_dimension] all parameters: ")
    assert first.startswith("[intrinsic_dimension] dimension 1: ")
    assert found.scores.shape == (1, 2)


class Uncounted(DummyClassifier):
    """Has the parameter and nothing behind it."""

    def __init__(self, n_components=None, random_state=None):
        super().__init__()
        self.n_components, self.random_state = n_components, random_state


def test_wrong_questions_are_told(iris):
    with pytest.raises(ValueError, match="no parameter n_components"):
        intrinsic_dimension(LogisticRegression(), *iris)
    with pytest.raises(ValueError, match="threshold"):
        intrinsic_dimension(model(), *iris, threshold=0)
    with pytest.raises(ValueError, match="Give a list of dimensions"):
        intrinsic_dimension(Uncounted(), *iris, n_repeats=1)
    with pytest.raises(ValueError, match="Use 'auto'"):
        intrinsic_dimension(model(), *iris, dims="all")
    with pytest.raises(ValueError, match="empty"):
        intrinsic_dimension(model(), *iris, dims=[])


def test_rows_of_weight_zero_are_left_out(iris):
    X, y = iris
    names = np.unique(y)
    kept = y != names[2]
    weighted = model(n_components=8).fit(X, y, sample_weight=kept.astype(float))
    alone = model(n_components=8).fit(X[kept], y[kept])
    assert list(weighted.classes_) == list(names[:2])
    np.testing.assert_allclose(weighted.coordinates_, alone.coordinates_, rtol=1e-9)


def test_verbose_tells_how_far_it_is(iris, capsys):
    model(verbose=1).fit(*iris)
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("[RandomSubspaceClassifier] iteration 10: loss")


@pytest.mark.parametrize(
    ("factors", "match"),
    [
        ([1, 1e4, 1, 1], "column 1"),
        ([1, 1e-6, 1, 1], "column 1"),
    ],
)
def test_units_do_not_decide_in_silence(iris, factors, match):
    X, y = iris
    with pytest.warns(UserWarning, match=match):
        model(max_iter=5000).fit(X * factors, y)


def test_columns_that_are_warned_of_have_their_names(iris):
    pandas = pytest.importorskip("pandas")
    X, y = iris
    frame = pandas.DataFrame(X * [1, 1e4, 1, 1], columns=["a", "salary", "c", "d"])
    with pytest.warns(UserWarning, match="column 'salary'"):
        model(max_iter=5000).fit(frame, y)


def test_float32_is_trained_in_float64(iris):
    X = iris[0].astype(np.float32)
    wide, narrow = (model().fit(Z, iris[1]) for Z in (X.astype(np.float64), X))
    np.testing.assert_array_equal(narrow.coordinates_, wide.coordinates_)


def test_defaults_train_a_hundred_numbers_of_a_hidden_layer_of_32_units(iris):
    X, y = iris
    plain = RandomSubspaceClassifier(random_state=0, max_iter=2000).fit(X, y)
    assert plain.coordinates_.shape == (100,)
    assert [W.shape for W in plain.coefs_] == [(4, 32), (32, 3)]
    same = RandomSubspaceClassifier(
        (32,), projection="dense", activation="relu", alpha=1e-4, max_iter=2000, random_state=0
    )
    np.testing.assert_array_equal(plain.coordinates_, same.fit(X, y).coordinates_)
    assert not np.allclose(plain.coordinates_, same.set_params(alpha=0.1).fit(X, y).coordinates_)


@pytest.mark.parametrize("factor", [1e-6, 3.7, 1e4])
def test_the_common_unit_of_the_columns_decides_nothing(iris, factor):
    X, y = iris
    here, there = model().fit(X, y), model().fit(X * factor, y)
    assert there.scale_ == pytest.approx(factor * here.scale_)
    np.testing.assert_allclose(there.predict_proba(X * factor), here.predict_proba(X), atol=1e-4)


@pytest.mark.parametrize("later", [{"activation": "tanh"}, {"hidden_layer_sizes": (3,)}])
def test_a_network_that_was_set_after_the_fit_concerns_the_next_one(iris, later):
    fitted = model(alpha=1.0).fit(*iris)
    wanted = fitted.predict_proba(iris[0])
    np.testing.assert_array_equal(fitted.set_params(**later).predict_proba(iris[0]), wanted)


def test_float32_rows_in_large_units_are_worked_in_float64(iris):
    X, y = iris[0].astype(np.float32), iris[1]
    wanted = model(alpha=1.0).fit(X, y).predict_proba(X)
    large = X * np.float32(2.0**60)
    np.testing.assert_allclose(model(alpha=1.0).fit(large, y).predict_proba(large), wanted)
