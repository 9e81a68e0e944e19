"""What the pool adds to its formulas: cells outside, warnings, cross-validation, maps by label."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import LinearSVC

from subspace_learn.metrics import LocationPool, RecallVsAreaScorer, location_maps
from tests.common_checks.maps import make_maps


@pytest.mark.parametrize("pool", ["log", "linear"])
def test_fitted_weights_are_more_likely_than_equal_ones(pool):
    X, y = make_maps()
    fitted = LocationPool(pool, tol=1e-8, max_iter=100_000).fit(X, y)
    equal = LocationPool(pool, weights="equal").fit(X, y)
    assert fitted.log_likelihood_ > equal.log_likelihood_
    for model in (fitted, equal):
        at_true = model.predict_log_proba(X)[np.arange(len(y)), y]
        np.testing.assert_allclose(model.log_likelihood_, at_true.mean(), rtol=1e-10)
    np.testing.assert_array_equal(equal.weights_, np.full(3, 1.0 if pool == "log" else 1 / 3))
    assert fitted.weights_[0] > fitted.weights_[1] > fitted.weights_[2]


def test_labels_of_cells_come_back():
    X, y = make_maps()
    cells = np.array(["a", "b", "c", "d", "e"])
    model = LocationPool(cells=cells).fit(X, cells[y])
    assert model.classes_.tolist() == cells.tolist()
    np.testing.assert_array_equal(model.predict(X), cells[LocationPool().fit(X, y).predict(X)])
    assert model.score(X, cells[y]) > 0.5


def test_true_cells_outside_take_no_part_and_are_counted():
    X, y = make_maps()
    outside = y.copy()
    outside[[2, 9]] = 77
    with pytest.warns(UserWarning, match="2 of 30 true cells"):
        given = LocationPool().fit(X, outside).weights_
    kept = np.delete(np.arange(30), [2, 9])
    np.testing.assert_allclose(given, LocationPool().fit(X[kept], y[kept]).weights_, atol=1e-6)
    with (
        pytest.warns(UserWarning, match="none of the 30 true cells"),
        pytest.raises(ValueError, match="30 of 30 rows have another"),
    ):
        LocationPool().fit(X, np.full(30, 77))


def test_maps_that_remember_their_rows_are_told():
    X, y = make_maps()
    X[:, 0] = np.where(np.eye(5)[y] > 0, 0.0, -5.0)  # right in every row
    with pytest.warns(UserWarning, match="without end"):
        LocationPool().fit(X, y)


def test_too_few_iterations_are_told():
    X, y = make_maps()
    with pytest.warns(ConvergenceWarning, match=r"Raise max_iter \(3\)"):
        LocationPool("linear", max_iter=3).fit(X, y)


def test_stacks_go_through_cross_validation():
    X, y = make_maps()
    areas = dict(enumerate([3.0, 8.0, 1.0, 4.0, 2.0]))
    scorer = RecallVsAreaScorer(areas, budget=6.0)
    assert 0 < cross_val_score(LocationPool(), X, y, scoring=scorer, cv=3).mean() <= 1
    search = GridSearchCV(LocationPool(), {"floor": [1e-6, 0.3]}, scoring=scorer, cv=3).fit(X, y)
    assert set(search.best_params_) == {"floor"}


def test_half_a_data_frame_is_told():
    pd = pytest.importorskip("pandas")
    X, y = make_maps()
    frame = pd.DataFrame(X[:, 0])
    with pytest.raises(ValueError, match="map 1 is no data frame, unlike map 0"):
        LocationPool().fit([frame, X[:, 1]], y)
    other = frame.rename(columns={0: 99})
    with pytest.raises(ValueError, match="must hold the same names"):
        LocationPool().fit([frame, other], y)
    with pytest.raises(ValueError, match="map 1 has the index of X in another order"):
        LocationPool().fit([frame, frame.iloc[::-1]], y)
    with pytest.raises(ValueError, match="Leave cells=None"):
        LocationPool(cells=[4, 3, 2, 1, 0]).fit([frame, frame], y)
    with pytest.raises(ValueError, match="cells has 2 labels"):
        LocationPool(cells=[0, 1]).fit(X, y)


@pytest.fixture
def classifiers(rng):
    X = rng.normal(size=(60, 2)) + np.repeat([[0, 0], [2, 0], [0, 2]], 20, axis=0)
    y = np.repeat(["oak", "ash", "elm"], 20)
    return X, y, GaussianNB().fit(X, y), LogisticRegression().fit(X[:40], y[:40])


def test_columns_of_classifiers_are_matched_by_label(classifiers):
    X, y, all_three, two = classifiers
    cells = ["elm", "oak", "fir", "ash"]
    maps = location_maps([all_three, two], X, cells)
    assert maps.shape == (60, 2, 4)
    np.testing.assert_allclose(maps[:, 0, 3], all_three.predict_log_proba(X)[:, 0])
    assert np.isneginf(maps[:, :, 2]).all()  # nobody knows a fir
    assert np.isneginf(maps[:, 1, 0]).all()  # the second saw no elm
    pool = LocationPool(cells=cells).fit(maps, y)
    assert (pool.predict(maps) == y).mean() > 0.6


def test_mistakes_with_classifiers_are_told(classifiers):
    X, y, all_three, _ = classifiers
    with pytest.warns(UserWarning, match="1 classes that are none of the cells, such as 'elm'"):
        location_maps([all_three], X, ["oak", "ash"])
    with pytest.raises(ValueError, match="CalibratedClassifierCV"):
        location_maps([LinearSVC().fit(X, y)], X, ["oak", "ash", "elm"])
    with pytest.raises(ValueError, match="1 of 3 repeat"):
        location_maps([all_three], X, ["oak", "ash", "oak"])


def test_cloned_after_a_fit_it_knows_nothing():
    X, y = make_maps()
    assert not hasattr(clone(LocationPool().fit(X, y)), "weights_")
