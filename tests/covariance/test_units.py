"""Units never matter: volts, millivolts, microvolts, unit power; and channels of unequal scale."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.svm import SVC

from subspace_learn import AugmentedCovarianceClassifier
from subspace_learn.covariance import AugmentedCovariances, tangent_vectors
from subspace_learn.functional.covariance.augmented_covariance import augmented_covariances
from tests.common_checks.epochs import make_epochs

UNITS = [1e-6, 1e-3, 1.0, 1e4]
METRICS = ["riemann", "logeuclid", "wasserstein", "siegel", "euclid", "logchol"]
CLASSIFIERS = {"svm": "svm", "lr": "lr", "mdm": "mdm", "rbf": SVC(gamma=0.01)}
EEG = Path(os.environ.get("SUBSPACE_LEARN_DATA", "")) / "eeg" / "physionet_mi_S015.npz"


def classifier(metric, name, order=1, lag=1):
    return AugmentedCovarianceClassifier(
        order,
        lag,
        metric=metric,
        classifier=CLASSIFIERS[name],
        structure="toeplitz" if metric == "siegel" else "full",
    )


def answers(model, X):
    """Labels and scores of whatever kind."""
    found = {"predict": model.predict(X)}
    for method in ("decision_function", "predict_proba"):
        if hasattr(model, method):
            found[method] = getattr(model, method)(X)
    return found


def hard_epochs(rng):
    """Two classes of different power in one channel, and much noise: scores lie near 0."""
    X, y = make_epochs()
    X = X + rng.normal(size=X.shape)
    X[y == 1, 0] *= 1.3
    return X * np.array([0.5, 1.0, 2.0])[:, None], y


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("metric", METRICS)
def test_units_change_neither_labels_nor_scores(rng, metric, name):
    X, y = hard_epochs(rng)
    wanted = answers(classifier(metric, name, 2, 3).fit(X[:16], y[:16]), X)
    for unit in (1e-6, 1e-3, 7.0, 1e6):
        model = classifier(metric, name, 2, 3).fit(unit * X[:16], y[:16])
        for method, value in answers(model, unit * X).items():
            # LIBSVM and L-BFGS stop at a tolerance; means at 1e-8
            np.testing.assert_allclose(value, wanted[method], rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("metric", ["wasserstein", "euclid"])
def test_tangent_vectors_of_metrics_with_units_have_unit_mean_square(rng, metric):
    X, y = hard_epochs(rng)
    weight = rng.uniform(0.1, 3.0, len(y))
    model = classifier(metric, "lr", 2, 3).fit(X, y, sample_weight=weight)
    T = model.tangent_vectors(X)
    assert np.average(np.mean(T**2, axis=1), weights=weight) == pytest.approx(1.0, rel=1e-9)
    S = augmented_covariances(X, 2, 3)
    wanted = tangent_vectors(S, np.average(S, axis=0, weights=weight), metric)
    ratio = T / wanted
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-6)


def test_scale_is_the_weighted_root_mean_square_and_attributes_are_in_the_units_of_x(rng):
    X, y = hard_epochs(rng)
    X, weight = 30.0 * X, rng.uniform(0.1, 3.0, len(y))
    power = np.average(X.var(axis=2).mean(axis=1), weights=weight)
    for metric in ("riemann", "wasserstein"):
        model = classifier(metric, "svm", 2, 3).fit(X, y, sample_weight=weight)
        np.testing.assert_allclose(model.scale_, power**0.5)
        S = augmented_covariances(X, 2, 3)
        np.testing.assert_allclose(model.reference_, np.average(S, axis=0, weights=weight))
    means = classifier("euclid", "mdm").fit(X, y).class_means_
    S = augmented_covariances(X)
    np.testing.assert_allclose(means, [S[y == c].mean(axis=0) for c in (0, 1)])
    siegel = classifier("siegel", "svm", 2, 3).fit(X, y)
    blocks = augmented_covariances(X, 2, 3, structure="toeplitz")[:, :3, :3]
    np.testing.assert_allclose(siegel.reference_[0], blocks.mean(axis=0))


@pytest.mark.parametrize("unit", [1e-7, 1e5])
def test_floor_of_a_single_channel_follows_the_unit(unit):
    """A constant row has the variance 1e-12 of the mean one, whatever the unit."""
    X, y = make_epochs()
    X = X[:, 0].copy()
    X[3] = 2.0
    model = AugmentedCovarianceClassifier(1, 1).fit(unit * X, y)
    power = X.var(axis=1).mean()
    logs = model.tangent_vectors(unit * X)[:, 0]
    wanted = np.log(X.var(axis=1) / power + 1e-12) - np.log(1 + 1e-12)
    np.testing.assert_allclose(logs, wanted, rtol=1e-6, atol=1e-9)


def test_lag_is_one_where_the_order_is_one():
    X, y = make_epochs()
    for kwargs in ({"order": 1, "lag": 7}, {"orders": (1,), "lags": (5, 3)}):
        assert AugmentedCovarianceClassifier(**kwargs, cv=2).fit(X, y).order_ == 1
    assert AugmentedCovarianceClassifier(1, 7).fit(X, y).lag_ == 1
    # three times: no delay can be unfolded, and the rule says order 1
    for selection in ("mdop", "afnn"):
        model = AugmentedCovarianceClassifier(orders=(1,), lags=(4, 6), selection=selection).fit(
            X, y
        )
        assert (model.order_, model.lag_) == (1, 1)


# --- channels of unequal scale ------------------------------------------------------------------


def test_one_channel_in_another_unit_is_named_with_the_factor(rng):
    X, y = hard_epochs(rng)
    X[:, 1] *= 1e6
    for estimator in (AugmentedCovarianceClassifier(1, 1), AugmentedCovariances()):
        with pytest.warns(UserWarning, match=r"factor of 1.*e\+06.*of channel 1 is .* channel 0"):
            estimator.fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # nothing shrinks, and the metric knows no scale
        AugmentedCovarianceClassifier(1, 1, estimator="scm").fit(X, y)
        AugmentedCovariances(estimator="scm").fit(X, y)
        AugmentedCovarianceClassifier(1, 1).fit(X * np.array([1.0, 1e-5, 1.0])[:, None], y)


def test_channel_types_may_have_units_of_their_own(rng):
    """Volts beside teslas: each type is brought to unit power, so both are used."""
    mne = pytest.importorskip("mne")
    X, y = hard_epochs(rng)
    X = np.concatenate([X, X[:, :2] + rng.normal(size=X[:, :2].shape)], axis=1)

    def epochs(volts, teslas):
        scale = np.array([volts] * 3 + [teslas] * 2)[:, None]
        info = mne.create_info(5, 100.0, ["eeg"] * 3 + ["mag"] * 2)
        return mne.EpochsArray(scale * X, info, verbose="error")

    for metric in ("riemann", "wasserstein"):
        wanted = classifier(metric, "lr", 2, 3).fit(epochs(1.0, 1.0), y)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            given = classifier(metric, "lr", 2, 3).fit(epochs(1e-6, 1e-13), y)
        np.testing.assert_allclose(
            given.decision_function(epochs(1e-6, 1e-13)),
            wanted.decision_function(epochs(1.0, 1.0)),
            rtol=1e-3,
            atol=1e-3,
        )
        np.testing.assert_allclose(given.scale_[0] / given.scale_[4], 1e7, rtol=3)
    with pytest.warns(UserWarning, match="factor of"):
        AugmentedCovariances().fit(epochs(1e-6, 1e-13))


@pytest.mark.parametrize("value", [0.0, 0.1, 5.0])
def test_a_dead_channel_is_named_and_changes_little(rng, value):
    X, y = hard_epochs(rng)
    dead = np.concatenate([X, np.full_like(X[:, :1], value)], axis=1)
    with pytest.warns(UserWarning, match="Constant in all epochs.*: channel 3"):
        model = AugmentedCovarianceClassifier(1, 1, classifier="lr").fit(dead, y)
    scores = AugmentedCovarianceClassifier(1, 1, classifier="lr").fit(X, y).decision_function(X)
    assert np.corrcoef(model.decision_function(dead), scores)[0, 1] > 0.98
    with pytest.raises(ValueError, match="not positive definite"):
        AugmentedCovarianceClassifier(1, 1, estimator="scm").fit(dead, y)


def test_condition_number_may_be_infinite(rng):
    X, y = hard_epochs(rng)
    X[:, 2] = 0.0
    with pytest.warns(UserWarning, match="channel 2"):
        model = classifier("wasserstein", "mdm").set_params(estimator="scm").fit(X, y)
    assert model.condition_number_ == np.inf


def test_float32_average_reference_is_refused_as_float64_is(rng):
    X, y = hard_epochs(rng)
    X = (X - X.mean(axis=1, keepdims=True) + 0.0).astype(np.float32)
    for metric in ("riemann", "logeuclid", "siegel"):
        model = classifier(metric, "svm").set_params(estimator="scm")
        with pytest.raises(ValueError, match=r"not positive definite.*re-referenced.*oas"):
            model.fit(X, y)
    full = hard_epochs(rng)[0].astype(np.float32)
    model = AugmentedCovarianceClassifier(1, 1, estimator="scm").fit(full, y)
    with pytest.raises(ValueError, match=r"Matrix 0 .*relative rounding 1e-07"):
        model.predict(X)
    small = full * np.array([1.0, 1e-4, 1.0], dtype=np.float32)[:, None]
    np.testing.assert_array_equal(clone(model).fit(small, y).predict(small), model.predict(full))


def test_float32_and_float64_agree(rng):
    X, y = hard_epochs(rng)
    for metric in METRICS:
        model = classifier(metric, "lr", 2, 3)
        wanted = model.fit(X, y).decision_function(X)
        given = clone(model).fit(X.astype(np.float32), y).decision_function(X.astype(np.float32))
        np.testing.assert_allclose(given, wanted, rtol=1e-3, atol=1e-3)


# --- real EEG -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fists():
    """Left and right fist of one person: executed to learn from, imagined to be asked about."""
    if not EEG.is_file():
        pytest.skip("the EEG of PhysioNet is not here: set SUBSPACE_LEARN_DATA")
    data = np.load(EEG)
    hands = np.isin(data["y"], ["left_fist", "right_fist"])
    X, y, mode = data["X"][hands].astype(float), data["y"][hands], data["mode"][hands]
    train, test = mode == "exec", mode == "imag"
    return X[train], y[train], X[test], y[test]


@pytest.mark.parametrize("name", ["svm", "lr", "mdm"])
@pytest.mark.parametrize("metric", ["riemann", "logeuclid", "wasserstein", "euclid", "siegel"])
def test_real_eeg_gets_the_same_answers_in_every_unit(fists, metric, name):
    X, y, Z, z = fists
    unit_power = np.mean(X.var(axis=2)) ** -0.5
    wanted = classifier(metric, name).fit(X, y)
    for unit in (1e-6, 1e-3, unit_power):
        model = classifier(metric, name).fit(unit * X, y)
        np.testing.assert_array_equal(model.predict(unit * Z), wanted.predict(Z))
        if name == "mdm":
            np.testing.assert_allclose(
                model.predict_proba(unit * Z), wanted.predict_proba(Z), rtol=1e-4, atol=1e-6
            )
    # .80 for most; the majority class has .51, the answer of "wasserstein" in volts before. The
    # means of "mdm" follow the strongest channels where the metric is not relative
    if name != "mdm":
        assert wanted.score(Z, z) > 0.7


# --- what else goes wrong in silence ------------------------------------------------------------


@pytest.mark.parametrize("metric", ["riemann", "euclid"])
def test_epochs_in_another_unit_than_those_of_fit_are_noticed(rng, metric):
    X, y = hard_epochs(rng)
    model = classifier(metric, "svm").fit(X, y)
    for unit, factor in [(1e-6, r"1e-06"), (1e3, r"1e\+03")]:
        with pytest.warns(UserWarning, match=rf"is {factor} times .*another unit"):
            model.predict(unit * X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(20.0 * X)  # people differ, and so do days


@pytest.mark.parametrize("value", [0.0, 0.1, 1e-7])
def test_flat_epochs_are_called_flat_in_fit_and_predict(rng, value):
    X, y = hard_epochs(rng)
    flat = X.copy()
    flat[5] = value
    with pytest.raises(ValueError, match=r"1 of 24 epochs .* number 5, a flat epoch"):
        AugmentedCovarianceClassifier(2, 1).fit(flat, y)
    model = AugmentedCovarianceClassifier(2, 1).fit(X, y)
    with pytest.raises(ValueError, match="number 5, a flat epoch"):
        model.predict(flat)


def test_masks_are_not_read_as_data(rng):
    X, y = hard_epochs(rng)
    masked = np.ma.masked_array(X, mask=X > 2)
    for estimator in (AugmentedCovarianceClassifier(1, 1), AugmentedCovariances()):
        with pytest.raises(ValueError, match="masked array with"):
            estimator.fit(masked, y)


@pytest.mark.parametrize("unit", [1e-25, 1e25])
def test_matrices_that_float32_cannot_hold_are_refused(rng, unit):
    X, _ = hard_epochs(rng)
    signals = (unit * X).astype(np.float32)
    with pytest.raises(ValueError, match="float32"):
        AugmentedCovariances().fit_transform(signals)
    S = AugmentedCovariances(dtype="float64").fit_transform(signals)
    np.testing.assert_allclose(S / unit**2, augmented_covariances(X), rtol=1e-5, atol=1e-6)
