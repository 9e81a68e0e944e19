"""AugmentedCovarianceClassifier: pyRiemann as peer, the search, routing, bad input."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn
from pyriemann.classification import MDM
from pyriemann.estimation import Covariances
from pyriemann.tangentspace import TangentSpace
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from subspace_learn import AugmentedCovarianceClassifier
from subspace_learn.covariance import _decision_rules
from subspace_learn.covariance._order_and_lag import candidate_cells, simplest_of_the_best
from tests.common_checks.epochs import make_epochs
from tests.covariance.test_augmented_covariances import mne_epochs


def embedded(X, order, lag):
    length = X.shape[2] - (order - 1) * lag
    return np.concatenate([X[:, :, k * lag : k * lag + length] for k in range(order)], axis=1)


@pytest.fixture
def noisy(rng):
    """Hard enough that scores lie near 0: any slip in the mathematics shows in them."""
    X, y = make_epochs()
    return X + 2.0 * rng.normal(size=X.shape), y


@pytest.mark.parametrize("cell", [(1, 1), (2, 5), (4, 2)])
@pytest.mark.parametrize("reference", ["mean", "arithmetic"])
def test_tangent_scores_equal_those_of_pyriemann(noisy, cell, reference):
    X, y = noisy
    train, test = slice(None, 12), slice(12, None)
    S = Covariances("oas").transform(embedded(X, *cell))
    metrics = {"mean": "euclid" if reference == "arithmetic" else "riemann", "map": "riemann"}
    # pyRiemann stops its mean at 1e-8
    peer = make_pipeline(TangentSpace(metrics), LogisticRegression(max_iter=1000))
    peer.fit(S[train], y[train])
    ours = AugmentedCovarianceClassifier(*cell, reference=reference, classifier="lr")
    ours.fit(X[train], y[train])
    np.testing.assert_allclose(
        ours.decision_function(X[test]), peer.decision_function(S[test]), atol=1e-4
    )
    np.testing.assert_array_equal(ours.predict(X[test]), peer.predict(S[test]))


@pytest.mark.parametrize(
    "metric", ["riemann", "logeuclid", "wasserstein", "logchol", "kullback_sym"]
)
def test_nearest_means_equal_those_of_pyriemann(noisy, metric):
    X, y = noisy
    # ours measures at unit power of the training epochs
    S = Covariances("oas").transform(embedded(X, 3, 2)) / X[:12].var(axis=2).mean()
    peer = MDM(metric).fit(S[:12], y[:12])
    ours = AugmentedCovarianceClassifier(3, 2, metric=metric, classifier="mdm").fit(X[:12], y[:12])
    # pyRiemann's means stop at 1e-8 (riemann) and 1e-6 relative (wasserstein)
    np.testing.assert_allclose(ours.tangent_vectors(X), peer.transform(S), rtol=1e-4)
    np.testing.assert_array_equal(ours.predict(X), peer.predict(S))
    np.testing.assert_allclose(ours.predict_proba(X), peer.predict_proba(S), atol=1e-4)


def two_rhythms(rng, n=40):
    """Two classes of equal spatial covariance: autoregressions with poles at 10 and 12 Hz."""
    y = np.arange(n) % 2
    X = np.zeros((n, 2, 500))
    pole = 0.97 * np.exp(2j * np.pi * np.where(y, 12, 10) / 125)
    noise = rng.normal(size=X.shape)
    for t in range(2, 500):
        X[:, :, t] = (
            2 * pole.real[:, None] * X[:, :, t - 1]
            - np.abs(pole[:, None]) ** 2 * X[:, :, t - 2]
            + noise[:, :, t]
        )
    # power stands apart by chance only once each trial has unit variance
    return X / X.std(axis=(1, 2), keepdims=True), y


@pytest.mark.parametrize("metric", ["riemann", "siegel"])
@pytest.mark.parametrize("classifier", ["svm", "mdm"])
def test_delays_tell_rhythms_apart_that_power_does_not(rng, metric, classifier):
    X, y = two_rhythms(rng)
    scores = {}
    for order in (1, 4):
        clf = AugmentedCovarianceClassifier(
            order, 3, metric=metric, structure="toeplitz", classifier=classifier
        )
        scores[order] = cross_val_score(clf, X, y, cv=4).mean()
    # 40 trials: chance is .5 with a deviation of .08
    assert scores[1] < 0.75
    assert scores[4] > 0.9


def test_auto_finds_the_delays_and_reports_the_search(rng):
    X, y = two_rhythms(rng)
    clf = AugmentedCovarianceClassifier(orders=(1, 3), lags=(2, 3), cv=4, verbose=False).fit(X, y)
    assert (clf.order_, clf.lag_ in (2, 3)) == (3, True)
    table = clf.cv_results_
    assert table["params"] == [
        {"order": 1, "lag": 2},
        {"order": 3, "lag": 2},
        {"order": 3, "lag": 3},
    ]
    splits = np.column_stack([table[f"split{k}_test_score"] for k in range(4)])
    np.testing.assert_allclose(table["mean_test_score"], splits.mean(axis=1))
    assert min(table["rank_test_score"]) == 1


def test_search_scores_are_those_of_single_fits_at_one_reference(noisy):
    """Shared products and coordinates change nothing: only the reference is that of all trials."""
    X, y = noisy
    clf = AugmentedCovarianceClassifier(orders=(2,), lags=(1, 4), cv=3, classifier="lr").fit(X, y)
    for row, cell in enumerate(clf.cv_results_["params"]):
        single = AugmentedCovarianceClassifier(**cell, classifier="lr").fit(X, y)
        features = single.tangent_vectors(X)
        wanted = cross_val_score(LogisticRegression(max_iter=1000), features, y, cv=3)
        given = [clf.cv_results_[f"split{k}_test_score"][row] for k in range(3)]
        np.testing.assert_allclose(given, wanted)


def test_mdm_search_scores_are_those_of_plain_cross_validation(noisy):
    X, y = noisy
    clf = AugmentedCovarianceClassifier(orders=(3,), lags=(2,), cv=3, classifier="mdm").fit(X, y)
    fixed = AugmentedCovarianceClassifier(3, 2, classifier="mdm")
    given = [clf.cv_results_[f"split{k}_test_score"][1] for k in range(3)]
    np.testing.assert_allclose(given, cross_val_score(fixed, X, y, cv=3))


def test_order_one_is_always_a_candidate_and_singular_cells_never():
    cells = candidate_cells((3, 8), (2, 6), n_channels=4, n_times=60)
    assert [tuple(cell) for cell in cells] == [(1, 2), (3, 2), (3, 6), (8, 2)]  # 8, 6: 18 < 32


def test_within_one_standard_error_the_lowest_order_wins():
    scores = np.array([[0.70, 0.72], [0.74, 0.70], [0.71, 0.79], [0.70, 0.70]])
    # best .75, standard error .04: .71 and .72 are as good
    assert simplest_of_the_best(scores, [1, 2, 3, 4]) == 0
    assert simplest_of_the_best(scores, [2, 2, 3, 4]) == 1
    assert simplest_of_the_best(scores[:, 1:], [1, 2, 3, 4]) == 2  # one fold has no error


def test_only_one_of_order_and_lag_may_be_searched(noisy):
    X, y = noisy
    clf = AugmentedCovarianceClassifier(2, lags=(1, 5), cv=3).fit(X, y)
    assert {cell["order"] for cell in clf.cv_results_["params"]} == {2}  # what was asked for
    clf = AugmentedCovarianceClassifier(lag=4, orders=(1, 2), cv=3).fit(X, y)
    assert {cell["lag"] for cell in clf.cv_results_["params"]} == {4}


def test_groups_are_never_split(noisy):
    X, y = noisy
    groups = np.random.default_rng(0).permutation(np.repeat(list("dbca"), 6))  # unsorted names
    seen = []

    class Spy(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            seen.append(len(X))
            return super().fit(X, y, sample_weight)

    AugmentedCovarianceClassifier(orders=(1,), lags=(1,), classifier=Spy(), cv=9).fit(
        X, y, groups=groups
    )
    assert seen == [18] * 4 + [24]  # four groups, each left out once; then the final fit


def test_groups_and_weights_are_routed(noisy):
    X, y = noisy
    groups = np.arange(len(y)) // 6
    with sklearn.config_context(enable_metadata_routing=True):
        clf = AugmentedCovarianceClassifier(orders=(1, 2), lags=(1,), cv=2)
        clf.set_fit_request(groups=True, sample_weight=True).set_score_request(sample_weight=True)
        search = GridSearchCV(clf, {"classifier": ["svm", "mdm"]}, cv=GroupKFold(2))
        search.fit(X, y, groups=groups, sample_weight=np.ones(len(y)))
    assert search.best_estimator_.cv_results_ is not None


def test_plain_grid_search_drives_fixed_cells(noisy):
    X, y = noisy
    grid = GridSearchCV(AugmentedCovarianceClassifier(1, 1), {"order": [1, 3], "lag": [1, 3]}, cv=3)
    assert grid.fit(X, y).best_estimator_.cv_results_ is None


@pytest.mark.parametrize("selection", ["mdop", "afnn"])
def test_label_free_rules_stay_inside_the_candidates(noisy, selection):
    X, y = noisy
    clf = AugmentedCovarianceClassifier(selection=selection, orders=(1, 4), lags=(1, 3)).fit(X, y)
    assert 1 <= clf.order_ <= 4
    assert 1 <= clf.lag_ <= 3
    same = clone(clf).fit(X, y[::-1].copy())
    assert (same.order_, same.lag_) == (clf.order_, clf.lag_)


def test_any_classifier_may_be_given(noisy):
    X, y = noisy
    clf = AugmentedCovarianceClassifier(2, 1, classifier=RandomForestClassifier(5), random_state=3)
    first, second = clf.fit(X, y).predict_proba(X), clone(clf).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(first, second)
    assert not hasattr(clf, "decision_function")
    with pytest.raises(TypeError, match=r"KNeighborsClassifier.fit does not take it"):
        clf.set_params(classifier=KNeighborsClassifier()).fit(X, y, sample_weight=np.ones(len(y)))


def test_svm_says_how_to_get_probabilities(noisy):
    X, y = noisy
    clf = AugmentedCovarianceClassifier(1, 1).fit(X, y)
    with pytest.raises(AttributeError) as error:
        clf.predict_proba(X)
    assert "CalibratedClassifierCV" in str(error.value.__cause__)
    assert isinstance(clf.classifier_, SVC)


def test_three_classes_have_a_score_each(rng):
    X, _ = make_epochs()
    y = np.arange(len(X)) % 3
    for classifier in ("svm", "lr", "mdm"):
        clf = AugmentedCovarianceClassifier(2, 2, classifier=classifier).fit(X, y)
        scores = clf.decision_function(X)
        assert scores.shape == (len(X), 3)
        np.testing.assert_array_equal(clf.classes_[scores.argmax(axis=1)], clf.predict(X))


def test_condition_number_is_that_of_the_mean_matrix(noisy):
    X, y = noisy
    S = Covariances("oas").transform(embedded(X, 3, 2))
    clf = AugmentedCovarianceClassifier(3, 2).fit(X, y)
    assert clf.condition_number_ == pytest.approx(np.linalg.cond(S.mean(axis=0)))
    np.testing.assert_allclose(clf.reference_, S.mean(axis=0))


def test_mne_epochs_of_another_rate_are_refused():
    X, y = make_epochs()
    clf = AugmentedCovarianceClassifier(2, 0.03).fit(mne_epochs(X), y)
    assert clf.lag_ == 3
    np.testing.assert_array_equal(clf.predict(mne_epochs(X)), clf.predict(X))
    with pytest.raises(ValueError, match="sampled at 200 Hz, but those of fit at 100 Hz"):
        clf.predict(mne_epochs(X, 200.0))


def test_one_epoch_that_is_not_stacked_is_told_how_to_be(noisy):
    X, y = noisy
    clf = AugmentedCovarianceClassifier(2, 1).fit(X, y)
    with pytest.raises(ValueError, match=r"If X is one epoch of \d+ channels, .* X\[None\]"):
        clf.predict(X[0])
    assert clf.predict(X[0][None]).shape == (1,)


def test_channels_that_are_no_brain_signals_are_warned_of():
    X, y = make_epochs()
    epochs = mne_epochs(X)
    epochs.info["bads"] = ["C0"]
    epochs.set_channel_types({"C1": "stim"}, verbose="error")
    with pytest.warns(UserWarning, match=r"like any other: C1 \(stim\), C0 \(marked bad\)"):
        AugmentedCovarianceClassifier(2, 1).fit(epochs, y)


def test_average_reference_is_named_as_the_cause(noisy):
    X, y = noisy
    X = X - X.mean(axis=1, keepdims=True)
    with pytest.raises(
        ValueError, match=r"not positive definite.*re-referenced to their average.*oas"
    ):
        AugmentedCovarianceClassifier(2, 1, estimator="scm").fit(X, y)
    AugmentedCovarianceClassifier(2, 1, estimator="oas").fit(X, y)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"metric": "siegel"}, "Set structure='toeplitz'"),
        ({"metric": "rieman"}, "'rieman' is not known .* riemann"),
        ({"metric": "harmonic"}, "not known for tangent-space"),
        ({"orders": ()}, "orders is empty"),
        ({"orders": (1.5,)}, "orders must hold integers"),
        ({"lags": (0,)}, "lags must be 1 sample or more"),
        ({"order": 0}, "'order' parameter"),
        ({"order": 31, "lag": 2}, "need 62 times or more, but the epochs have 60"),
    ],
)
def test_bad_parameters_say_what_to_do(noisy, changes, match):
    X, y = noisy
    with pytest.raises(ValueError, match=match):
        AugmentedCovarianceClassifier(**changes).fit(X, y)


def test_one_class_and_one_trial_of_a_class_are_refused(noisy):
    X, y = noisy
    with pytest.raises(ValueError, match="one class only, 7,"):
        AugmentedCovarianceClassifier().fit(X, np.full(len(y), 7))
    y = np.r_[1, np.zeros(len(y) - 1)]
    with pytest.raises(ValueError, match=r"Class 1.0 has one trial.*set order and lag"):
        AugmentedCovarianceClassifier().fit(X, y)
    AugmentedCovarianceClassifier(2, 1).fit(X, y)
    with pytest.raises(ValueError, match="groups has one value only"):
        AugmentedCovarianceClassifier().fit(X, np.arange(len(y)) % 2, groups=np.ones(len(y)))


def test_a_failed_fit_leaves_the_search_results(noisy):
    X, y = noisy
    clf = AugmentedCovarianceClassifier(orders=(1, 2), lags=(1,), cv=2).fit(X, y)
    table, wanted = clf.cv_results_, clf.predict(X)
    bad = X.copy()
    bad[5] = 0.0  # a flat trial has no logarithm
    with pytest.raises(ValueError, match="number 5, a flat epoch"):
        clf.fit(bad, y)
    assert clf.cv_results_ is table
    np.testing.assert_array_equal(clf.predict(X), wanted)


def test_verbose_tells_how_far_the_search_is(noisy, capsys):
    X, y = noisy
    AugmentedCovarianceClassifier(orders=(1, 2), lags=(1,), cv=2, verbose=True).fit(X, y)
    assert "cell 2 of 2: order=2, lag=1, accuracy" in capsys.readouterr().out


@pytest.mark.parametrize("n_steps", [1, 10_000_000])
def test_svm_that_does_not_end_is_fitted_to_a_larger_tolerance(n_steps, monkeypatch):
    monkeypatch.setattr(_decision_rules, "_SVM_STEPS", n_steps)
    X, y = make_epochs()
    model = AugmentedCovarianceClassifier(1, 1)
    if n_steps == 1:
        with pytest.warns(ConvergenceWarning, match="terminated early"):
            model.fit(X, y)
    else:
        model.fit(X, y)
    assert model.classifier_.tol == (1e-3 if n_steps == 1 else 1e-7)


@pytest.mark.parametrize("classifier", ["svm", "mdm"])
def test_another_classifier_set_after_fit_changes_no_method_of_the_fitted_one(classifier, rng):
    X, y = rng.normal(size=(20, 3, 60)), np.tile([0, 1], 10)
    model = AugmentedCovarianceClassifier(1, 1, classifier=classifier).fit(X, y)
    model.set_params(classifier="mdm" if classifier == "svm" else "svm")
    assert hasattr(model, "predict_proba") == (classifier == "mdm")
    if classifier == "mdm":
        assert model.predict_proba(X).shape == (20, 2)
