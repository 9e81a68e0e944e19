"""The scorer in cross-validation: classes by label, folds without a class, weights, pipelines."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, cross_validate
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from subspace_learn.metrics import RecallVsAreaScorer, area_to_find, recall_at_area

AREAS = {"north": 30.0, "south": 5.0, "east": 11.0}


@pytest.fixture
def blobs():
    X, y = make_blobs(120, centers=3, cluster_std=4.0, random_state=0)
    return 40.0 * X, np.array(["north", "south", "east"])[y]


def test_score_is_the_recall_by_density(blobs):
    X, y = blobs
    model = GaussianNB().fit(X, y)
    wanted = recall_at_area(
        y, model.predict_proba(X), AREAS, 12.0, labels=model.classes_, rank_by="density"
    )
    assert RecallVsAreaScorer(AREAS, budget=12.0)(model, X, y) == wanted
    assert 0 < wanted < 1


def test_a_class_that_a_fold_lacks_is_never_found(blobs):
    """Columns follow classes_: make_scorer would hand on two columns, or one, for three areas."""
    X, y = blobs
    kept = y != "east"
    model = GaussianNB().fit(X[kept], y[kept])
    score = RecallVsAreaScorer(AREAS, budget=1e9)(model, X, y)
    np.testing.assert_allclose(score, kept.mean())
    one = GaussianNB().fit(X[y == "south"], y[y == "south"])
    np.testing.assert_allclose(
        RecallVsAreaScorer(AREAS, budget=1e9)(one, X, y), (y == "south").mean()
    )


def test_sorted_folds_without_a_class_still_score(blobs):
    X, y = blobs
    order = np.argsort(y, kind="stable")
    scores = cross_val_score(
        GaussianNB(),
        X[order],
        y[order],
        cv=KFold(3),
        scoring=RecallVsAreaScorer(AREAS, budget=1e9),
    )
    np.testing.assert_array_equal(scores, 0.0)  # each fold tests the class it never saw


def test_a_decision_between_two_is_two_columns(blobs):
    X, y = blobs
    kept = y != "east"
    model = LinearSVC(random_state=0).fit(X[kept] / 100, y[kept])
    score = RecallVsAreaScorer(AREAS, budget=30.0, rank_by="score")(model, X[kept] / 100, y[kept])
    decision = model.decision_function(X[kept] / 100)
    wanted = area_to_find(y[kept], np.stack([-decision, decision], 1), AREAS, labels=model.classes_)
    np.testing.assert_allclose(score, (wanted <= 30.0).mean())
    assert (model.predict(X[kept] / 100)[wanted <= 30] == y[kept][wanted <= 30]).mean() > 0.4


def test_grid_search_and_several_scores(blobs):
    X, y = blobs
    scoring = {
        "found": RecallVsAreaScorer(AREAS, budget=12.0),
        "median": RecallVsAreaScorer(AREAS, recall=0.5),
    }
    search = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression()),
        {"logisticregression__C": [1e-4, 1.0]},
        scoring=scoring,
        refit="median",
        n_jobs=2,
    ).fit(X, y)
    results = search.cv_results_
    assert {-np.log10(46.0) <= s <= -np.log10(5.0) for s in results["mean_test_median"]} == {True}
    assert search.score(X, y) == scoring["median"](search.best_estimator_, X, y)


def test_weights_are_routed(blobs):
    X, y = blobs
    weight = np.where(y == "north", 3.0, 0.5)
    scorer = RecallVsAreaScorer(AREAS, budget=12.0)
    with sklearn.config_context(enable_metadata_routing=True):
        scorer.set_score_request(sample_weight=True)
        model = GaussianNB().set_fit_request(sample_weight=False)
        given = cross_validate(model, X, y, scoring=scorer, params={"sample_weight": weight}, cv=3)
        from sklearn.model_selection import StratifiedKFold

        wanted = []
        for train, test in StratifiedKFold(3).split(X, y):
            fitted = clone(model).fit(X[train], y[train])
            wanted.append(scorer(fitted, X[test], y[test], sample_weight=weight[test]))
    np.testing.assert_allclose(given["test_score"], wanted)


def test_it_can_be_pickled_and_read(blobs):
    X, y = blobs
    scorer = RecallVsAreaScorer(AREAS, recall=0.7)
    model = GaussianNB().fit(X, y)
    assert pickle.loads(pickle.dumps(scorer))(model, X, y) == scorer(model, X, y)
    assert repr(scorer) == "RecallVsAreaScorer(<3 cells>, recall=0.7, rank_by='density')"


def test_mistakes_are_told(blobs):
    X, y = blobs
    for how in ({}, {"budget": 1.0, "recall": 0.5}):
        with pytest.raises(ValueError, match="either budget= or recall="):
            RecallVsAreaScorer(AREAS, **how)
    with pytest.raises(ValueError, match="matched by label"):
        RecallVsAreaScorer([30.0, 5.0, 11.0], budget=1.0)
    with pytest.raises(ValueError, match="rank_by must be"):
        RecallVsAreaScorer(AREAS, budget=1.0, rank_by="log_density")
    with pytest.raises(ValueError, match="ties must be one of"):
        RecallVsAreaScorer(AREAS, budget=1.0, ties="mean")
    scorer = RecallVsAreaScorer(AREAS, budget=12.0)
    with pytest.raises(ValueError, match="Calibrate it"):
        scorer(RidgeClassifier().fit(X, y), X, y)
    with pytest.raises(ValueError, match="fitted classifier"):
        scorer(StandardScaler().fit(X), X, y)
