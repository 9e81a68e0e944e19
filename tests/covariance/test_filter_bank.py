"""Classifier and matrices with ``bands``: one band by hand, pyRiemann on blocks, the choice."""

from __future__ import annotations

import numpy as np
import pytest
from pyriemann.classification import MDM
from pyriemann.tangentspace import TangentSpace
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline

from subspace_learn import AugmentedCovarianceClassifier
from subspace_learn.covariance import AugmentedCovariances, CovarianceDisplay, OrderLagDisplay
from subspace_learn.covariance._filter_bank import GENERIC_BANDS
from subspace_learn.functional.covariance.filter_bank import band_passed
from tests.covariance.test_augmented_covariances import mne_epochs
from tests.covariance.test_units import METRICS, answers, classifier

BANDS = ((4.0, 12.0), (10.0, 30.0))
RATE = 100.0


def rhythms(rng, n=36, snr=0.5):
    """Three channels: a weak rhythm at 8 or 10 Hz under a slow drift and fast noise."""
    y = np.arange(n) % 2
    frequency = np.where(y, 10.0, 8.0)[:, None, None]
    phase = rng.uniform(0, 6, size=(n, 3, 1))
    X = snr * np.sin(2 * np.pi * frequency * np.arange(150) / RATE + phase)
    return X + np.cumsum(rng.normal(size=(n, 3, 150)), axis=2) + rng.normal(size=(n, 3, 150)), y


def ours(*cell, **options):
    return AugmentedCovarianceClassifier(*cell, sfreq=RATE, **options)


def test_one_band_is_the_classifier_on_filtered_signals(rng):
    X, y = rhythms(rng)
    X = 40.0 * X
    band = (4.0, 12.0)
    given = ours(3, 2, bands=[band], classifier="lr").fit(X, y)
    filtered = band_passed(X, band, RATE)
    wanted = ours(3, 2, classifier="lr").fit(filtered, y)
    np.testing.assert_allclose(
        given.decision_function(X), wanted.decision_function(filtered), rtol=1e-6
    )
    np.testing.assert_allclose(given.reference_[0], wanted.reference_, rtol=1e-9)
    np.testing.assert_allclose(given.scale_, wanted.scale_[None], rtol=1e-12)
    assert given.condition_number_ == pytest.approx(wanted.condition_number_)
    np.testing.assert_array_equal(given.bands_, [band])


@pytest.mark.parametrize("reference", ["mean", "arithmetic"])
def test_scores_are_those_of_pyriemann_on_the_block_diagonal_matrices(rng, reference):
    X, y = rhythms(rng)
    S = AugmentedCovariances(3, 2, bands=BANDS, sfreq=RATE).transform(X)
    assert S.shape == (36, 18, 18)
    metrics = {"mean": "euclid" if reference == "arithmetic" else "riemann", "map": "riemann"}
    peer = make_pipeline(TangentSpace(metrics), LogisticRegression(max_iter=1000))
    peer.fit(S[:24], y[:24])
    model = ours(3, 2, bands=BANDS, reference=reference, classifier="lr").fit(X[:24], y[:24])
    assert model.tangent_vectors(X).shape == (36, 2 * 45)
    # pyRiemann stops its mean at 1e-8, L-BFGS at 1e-4
    np.testing.assert_allclose(
        model.decision_function(X[24:]), peer.decision_function(S[24:]), atol=2e-3
    )


@pytest.mark.parametrize("metric", ["riemann", "logeuclid", "wasserstein", "logchol"])
def test_nearest_means_are_those_of_pyriemann_on_the_block_diagonal_matrices(rng, metric):
    X, y = rhythms(rng)
    model = ours(2, 3, bands=BANDS, metric=metric, classifier="mdm").fit(X[:24], y[:24])
    # ours measures each band at unit power
    blocks = AugmentedCovariances(2, 3, bands=BANDS, sfreq=RATE).transform(X)
    size = np.repeat(model.scale_, 2, axis=0).ravel()
    blocks = blocks / size[:, None] / size
    peer = MDM(metric).fit(blocks[:24], y[:24])
    np.testing.assert_allclose(model.tangent_vectors(X), peer.transform(blocks), rtol=1e-4)
    wanted = peer.covmeans_ if hasattr(peer, "covmeans_") else peer.means_
    wanted = np.stack([wanted[:, :6, :6], wanted[:, 6:, 6:]], axis=1)
    size = size.reshape(2, 6)
    wanted = wanted * size[:, :, None] * size[:, None, :]
    np.testing.assert_allclose(model.class_means_, wanted, rtol=1e-3, atol=1e-4 * wanted.max())


def test_the_siegel_metric_works_in_bands(rng):
    X, y = rhythms(rng, snr=4.0)
    options = {"metric": "siegel", "structure": "toeplitz", "bands": BANDS, "max_iter": 500}
    for how in ("lr", "mdm"):
        model = ours(3, 2, classifier=how, **options).fit(X[:24], y[:24])
        assert model.score(X[24:], y[24:]) > 0.8
    assert model.class_means_.shape == (2, 2, 3, 3, 3)
    # the first piece of a point is the spatial covariance: in the squared units of X
    larger = ours(3, 2, classifier="mdm", **options).fit(10.0 * X[:24], y[:24])
    np.testing.assert_allclose(
        larger.class_means_[:, :, 0], 100.0 * model.class_means_[:, :, 0], rtol=1e-6
    )


def test_bands_in_another_order_change_nothing(rng):
    X, y = rhythms(rng)
    given = ours(3, 2, bands=BANDS[::-1], classifier="lr").fit(X, y).decision_function(X)
    wanted = ours(3, 2, bands=BANDS, classifier="lr").fit(X, y).decision_function(X)
    np.testing.assert_allclose(given, wanted, atol=1e-3)  # L-BFGS stops at 1e-4


@pytest.mark.parametrize("name", ["svm", "lr", "mdm"])
@pytest.mark.parametrize("metric", METRICS)
def test_units_and_the_power_of_a_band_change_no_score(rng, metric, name):
    X, y = rhythms(rng)
    phase = rng.uniform(0, 6, size=(36, 3, 1))
    X = X + 5 * np.sin(2 * np.pi * 7 * np.arange(150) / RATE + phase)
    model = classifier(metric, name, 2, 3).set_params(bands=BANDS, sfreq=RATE)
    wanted = answers(model.fit(X[:24], y[:24]), X)
    for unit in (1e-6, 1e4):
        for method, value in answers(model.fit(unit * X[:24], y[:24]), unit * X).items():
            np.testing.assert_allclose(value, wanted[method], rtol=2e-3, atol=2e-3)
    scaled = band_passed(X, BANDS[0], RATE).var() / band_passed(X, BANDS[1], RATE).var()
    assert scaled > 5  # one band is much stronger; each has unit power inside
    power = [band_passed(X[:24], band, RATE).var(axis=2).mean() for band in BANDS]
    np.testing.assert_allclose(model.scale_[:, 0] ** 2, np.multiply(power, 1e8), rtol=1e-9)


def test_weights_are_repetitions(rng):
    X, y = rhythms(rng)
    weight = np.arange(36) % 3
    rows = np.repeat(np.arange(36), weight)
    given = ours(2, 3, bands=BANDS, classifier="lr").fit(X, y, sample_weight=weight)
    wanted = ours(2, 3, bands=BANDS, classifier="lr").fit(X[rows], y[rows])
    np.testing.assert_allclose(given.scale_, wanted.scale_, rtol=1e-12)
    np.testing.assert_allclose(
        given.decision_function(X), wanted.decision_function(X), rtol=1e-3, atol=1e-3
    )


def test_auto_takes_bands_where_they_help_and_says_so(rng):
    X, y = rhythms(rng, n=60, snr=0.9)
    # a strong rhythm that says nothing hides the weak one from a whole-band matrix
    X = X + 6 * np.sin(2 * np.pi * 40 * np.arange(150) / RATE + rng.uniform(0, 6, size=(60, 3, 1)))
    model = ours(4, 3, bands="auto", classifier="lr").fit(X, y)
    np.testing.assert_array_equal(model.bands_, GENERIC_BANDS)
    table = model.cv_results_
    assert table["params"] == [
        {"bands": None, "order": 4, "lag": 3},
        {"bands": GENERIC_BANDS, "order": 4, "lag": 3},
    ]
    assert list(table["param_bands"]) == [None, GENERIC_BANDS]
    assert table["mean_test_score"][1] > table["mean_test_score"][0] + 0.1
    same = ours(4, 3, bands=GENERIC_BANDS, classifier="lr").fit(X, y)
    np.testing.assert_array_equal(model.decision_function(X), same.decision_function(X))


def test_auto_leaves_epochs_whole_where_bands_say_nothing_more(rng):
    X, y = rhythms(rng)
    X = rng.normal(size=X.shape)
    X[y == 1, 0] *= 1.5  # power of white noise, the same in all bands
    model = ours(1, 1, bands="auto", classifier="lr", cv=4).fit(X, y)
    assert model.bands_ is None
    whole = ours(1, 1, classifier="lr").fit(X, y)
    np.testing.assert_array_equal(model.decision_function(X), whole.decision_function(X))
    assert model.scale_.shape == (3,)


@pytest.mark.parametrize("how", ["lr", "mdm"])
def test_auto_scores_on_the_training_folds(rng, how):
    X, y = rhythms(rng)
    cv = StratifiedKFold(3)
    model = ours(3, 2, bands="auto", classifier=how, cv=cv).fit(X, y)
    for row, bands in enumerate([None, GENERIC_BANDS]):
        given = [model.cv_results_[f"split{k}_test_score"][row] for k in range(3)]
        fixed = ours(3, 2, bands=bands, classifier=how)
        if how == "mdm":  # scale and means of each fold; at unit power labels do not see the scale
            wanted = cross_val_score(fixed, X, y, cv=cv)
        else:  # the reference of a search is that of all training epochs
            features = fixed.fit(X, y).tangent_vectors(X)
            wanted = cross_val_score(LogisticRegression(max_iter=1000), features, y, cv=cv)
        np.testing.assert_allclose(given, wanted)


def test_order_lag_and_bands_are_chosen_together(rng):
    X, y = rhythms(rng, n=60, snr=1.5)
    model = ours(orders=(3,), lags=(2, 3), bands="auto", classifier="lr").fit(X, y)
    assert [tuple(cell.values()) for cell in model.cv_results_["params"]] == [
        (bands, *cell) for bands in (None, GENERIC_BANDS) for cell in ((1, 2), (3, 2), (3, 3))
    ]
    means = model.cv_results_["mean_test_score"]
    display = OrderLagDisplay.from_estimator(model)
    first = 0 if model.bands_ is None else 3
    np.testing.assert_array_equal(display.scores[1], means[first + 1 : first + 3])
    unsupervised = ours(orders=(3,), lags=(2,), bands="auto", selection="mdop").fit(X, y)
    assert len(unsupervised.cv_results_["params"]) == 2
    given = ours(orders=(3,), lags=(2,), bands=BANDS, classifier="lr").fit(X, y)
    assert given.cv_results_["params"] == [{"order": 1, "lag": 2}, {"order": 3, "lag": 2}]


def test_grid_search_drives_bands(rng):
    X, y = rhythms(rng)
    grid = {"bands": [None, BANDS, [(5.0, 15.0)]]}
    search = GridSearchCV(ours(2, 3, classifier="lr"), grid, cv=3, error_score="raise").fit(X, y)
    assert search.best_params_["bands"] in grid["bands"]
    assert len(search.cv_results_["params"]) == 3


def test_mne_epochs_bring_the_rate(rng):
    X, y = rhythms(rng)
    epochs = mne_epochs(X)
    given = AugmentedCovarianceClassifier(2, 3, bands=BANDS, classifier="lr").fit(epochs, y)
    wanted = ours(2, 3, bands=BANDS, classifier="lr").fit(X, y)
    np.testing.assert_array_equal(given.decision_function(X), wanted.decision_function(X))
    S = AugmentedCovariances(2, 3, bands=BANDS).fit_transform(epochs)
    np.testing.assert_array_equal(
        S, AugmentedCovariances(2, 3, bands=BANDS, sfreq=RATE).transform(X)
    )
    with pytest.raises(ValueError, match="sampled at 50 Hz"):
        given.predict(mne_epochs(X, 50.0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bands": BANDS}, "needs the sampling rate: set sfreq"),
        ({"bands": "auto"}, "needs the sampling rate: set sfreq"),
        ({"bands": ((5, 60),), "sfreq": RATE}, "below 50 Hz, half the sampling rate"),
        ({"bands": ((0, 10),), "sfreq": RATE}, "above 0"),
        ({"bands": (5, 15), "sfreq": RATE}, "one pair of edges in Hz or more"),
        ({"bands": (), "sfreq": RATE}, "one pair of edges in Hz or more"),
        ({"bands": (("a", "b"),), "sfreq": RATE}, "one pair of edges in Hz or more"),
        ({"bands": ((0.5, 10),), "sfreq": RATE}, "one period takes 200 times"),
        ({"bands": "auto", "sfreq": 40.0}, "below 20 Hz, half the sampling rate"),
    ],
)
def test_impossible_bands_are_refused_in_words(rng, options, message):
    X, y = rhythms(rng)
    with pytest.raises(ValueError, match=message):
        AugmentedCovarianceClassifier(2, 3, **options).fit(X, y)
    if options["bands"] != "auto":
        with pytest.raises(ValueError, match=message):
            AugmentedCovariances(2, 3, **options).fit(X)


def test_matrices_know_no_auto(rng):
    with pytest.raises(ValueError, match="bands"):
        AugmentedCovariances(bands="auto", sfreq=RATE).fit(rhythms(rng)[0])


def test_float32_stays_float32_and_a_flat_epoch_is_named(rng):
    X, y = rhythms(rng)
    S = AugmentedCovariances(2, 3, bands=BANDS, sfreq=RATE).transform(X.astype(np.float32))
    assert S.dtype == np.float32
    wanted = AugmentedCovariances(2, 3, bands=BANDS, sfreq=RATE).transform(X)
    np.testing.assert_allclose(S, wanted, atol=1e-5 * np.abs(wanted).max())
    X[5] = 0.1
    with pytest.raises(ValueError, match="the first is number 5, a flat epoch"):
        ours(2, 3, bands=BANDS).fit(X, y)
    model = ours(2, 3, bands=BANDS).fit(X[6:], y[6:])
    with pytest.raises(ValueError, match="the first is number 5, a flat epoch"):
        model.predict(X)


def test_the_array_library_stays(rng):
    torch = pytest.importorskip("torch")
    X, y = rhythms(rng)
    given = ours(2, 3, bands=BANDS, classifier="mdm").fit(torch.asarray(X), y)
    assert isinstance(given.class_means_, torch.Tensor)
    wanted = ours(2, 3, bands=BANDS, classifier="mdm").fit(X, y)
    np.testing.assert_allclose(given.class_means_.numpy(), wanted.class_means_, rtol=1e-6)
    np.testing.assert_array_equal(given.predict(torch.asarray(X)), wanted.predict(X))


def test_mean_matrices_are_drawn_in_each_band(rng):
    X, y = rhythms(rng)
    for model in (
        ours(2, 3, bands=BANDS).fit(X, y),
        AugmentedCovariances(2, 3, bands=BANDS, sfreq=RATE).fit(X),
    ):
        display = CovarianceDisplay.from_estimator(model, X, y)
        assert display.titles[0] == "0, 4-12 Hz (18 epochs)"
        S = AugmentedCovariances(2, 3, bands=BANDS, sfreq=RATE).transform(X)
        wanted = [S[y == k][:, b, b].mean(axis=0) for b in (slice(6), slice(6, 12)) for k in (0, 1)]
        np.testing.assert_allclose(display.matrices, wanted, rtol=1e-9)
