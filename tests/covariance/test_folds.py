"""Searches for order and lag whose folds lack a class, or lose all their weight."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut, PredefinedSplit

from subspace_learn import AugmentedCovarianceClassifier
from subspace_learn.covariance._order_and_lag import folds
from tests.common_checks.epochs import make_epochs

CLASSIFIERS = ["svm", "lr", "mdm"]


def search(classifier="mdm", **kwargs):
    return AugmentedCovarianceClassifier(
        orders=(1, 3), lags=(2,), classifier=classifier, **{"cv": 3, **kwargs}
    )


@pytest.fixture
def blocks():
    """Four runs of six epochs, each of one class: a block design."""
    X, y = make_epochs()
    order = np.argsort(y, kind="stable")
    return X[order], y[order], np.repeat(["r1", "r2", "r3", "r4"], 6)


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_two_runs_of_one_class_each_cannot_be_held_out(blocks, classifier):
    X, y, _ = blocks
    with pytest.raises(ValueError, match=r"of 2 folds none can be used: fold 0 trains without"):
        search(classifier).fit(X, y, groups=y)
    with pytest.raises(ValueError, match=r"none can be used.*set order and lag"):
        search(classifier, cv=LeaveOneGroupOut()).fit(X, y, groups=y)


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_runs_of_one_class_are_held_out_one_at_a_time(blocks, classifier):
    """Every fold trains on both classes, so every fold counts."""
    X, y, runs = blocks
    with pytest.warns(UserWarning, match="Every fold tests on one class only"):
        model = search(classifier, cv=LeaveOneGroupOut()).fit(X, y, groups=runs)
    table = model.cv_results_
    assert "split3_test_score" in table
    assert model.order_ == 3, "the classes differ in rhythm, which order 1 does not see"
    assert table["mean_test_score"].max() > 0.75


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_folds_that_train_without_a_class_are_left_out_and_named(blocks, classifier):
    X, y, runs = blocks
    runs = np.where(runs == "r4", "r3", runs)  # class 1 stands in one run only
    with (
        pytest.warns(UserWarning, match=r"1 of 3 folds are left out.*fold 2 trains without class"),
        pytest.warns(UserWarning, match="Every fold tests on one class only"),
    ):
        model = search(classifier, cv=LeaveOneGroupOut()).fit(X, y, groups=runs)
    assert "split2_test_score" not in model.cv_results_
    X, y, runs = (
        X[:, :2],
        np.array(["left", "right", "rest"])[np.arange(24) % 3],
        np.arange(24) // 8,
    )
    runs[y == "rest"] = 0
    with pytest.warns(UserWarning, match=r"trains without class 'rest'"):
        search(classifier, cv=GroupKFold(3)).fit(X, y, groups=runs)


def test_a_class_in_one_trial_of_the_folds_that_were_given_is_seen():
    X, y = make_epochs()
    given = [(np.flatnonzero(y == 0), np.flatnonzero(y == 1))]
    with pytest.raises(ValueError, match="of 1 folds none can be used: fold 0 trains without"):
        search(cv=given).fit(X, y)
    every = np.arange(24)
    with pytest.warns(UserWarning, match="fold 0 trains without class 1"):
        search(cv=[*given, (every[:16], every[16:])]).fit(X, y)


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_weights_that_empty_a_fold_are_seen(classifier):
    X, y = make_epochs()
    weight = np.ones(24)
    weight[16:] = 0.0  # the last of three folds
    split = PredefinedSplit(np.repeat([0, 1, 2], 8))
    with pytest.warns(UserWarning, match="1 of 3 folds .* fold 2 has nothing to test on"):
        model = search(classifier, cv=split).fit(X, y, sample_weight=weight)
    without = search(classifier, cv=PredefinedSplit(np.repeat([0, 1], 8))).fit(X[:16], y[:16])
    np.testing.assert_allclose(
        model.cv_results_["mean_test_score"], without.cv_results_["mean_test_score"]
    )
    weight = np.where(y == 1, 1.0, 0.0)
    weight[0] = 1.0  # class 0 weighs one epoch
    with pytest.raises(ValueError, match=r"has one trial|none can be used"):
        search(classifier).fit(X, y, sample_weight=weight)


def test_weights_count_in_the_folds_of_a_search():
    """Scores are weighted as the fit is: a heavy error is a large one."""
    X, y = make_epochs()
    wrong = y.copy()
    wrong[20:] = 1 - wrong[20:]
    weight = np.where(np.arange(24) < 20, 1.0, 3.0)
    train, test = np.arange(12), np.arange(12, 24)
    model = AugmentedCovarianceClassifier(3, lags=(2,), classifier="mdm", cv=[(train, test)])
    model.fit(X, wrong, sample_weight=weight)
    # the rule of a fold is that of its epochs alone: "mdm" of "riemann" knows no scale
    fold = AugmentedCovarianceClassifier(3, 2, classifier="mdm")
    fold.fit(X[train], wrong[train], sample_weight=weight[train])
    right = fold.predict(X[test]) == wrong[test]
    given = model.cv_results_["mean_test_score"]
    np.testing.assert_allclose(given, [np.average(right, weights=weight[test])])
    assert abs(given[0] - right.mean()) > 0.05, "weights must matter here"


def test_positions_follow_the_weighted_epochs():
    y = np.array([0, 1, 0, 1, 0, 1, 0, 1])
    weight = np.array([1.0, 1, 0, 1, 2, 1, 1, 0])
    given = [(np.arange(4), np.arange(4, 8)), (np.arange(4, 8), np.arange(4))]
    found = folds(given, y, None, weight)
    kept = np.flatnonzero(weight)
    for (train, test), (old_train, old_test) in zip(found, given, strict=True):
        np.testing.assert_array_equal(kept[train], old_train[weight[old_train] > 0])
        np.testing.assert_array_equal(kept[test], old_test[weight[old_test] > 0])
