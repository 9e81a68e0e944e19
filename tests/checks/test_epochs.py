"""What mne.Epochs say of themselves is kept, by every estimator that takes them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from subspace_learn import AugmentedCovarianceClassifier, GrassmannPCA, HiPPOTransformer
from subspace_learn.covariance import AugmentedCovariances
from tests.common_checks.epochs import make_epochs

mne = pytest.importorskip("mne")


def to_epochs(X, sfreq=100.0, **kwargs):
    """Array as mne.EpochsArray with channels C0, C1, ..."""
    names = [f"C{k}" for k in range(X.shape[1])]
    kinds = kwargs.pop("ch_types", "eeg")
    info = mne.create_info(names, sfreq, kinds)
    return mne.EpochsArray(np.asarray(X, dtype=float), info, verbose="error", **kwargs)


def ssm():
    pytest.importorskip("torch", reason="torch is not installed")
    pytest.importorskip("skorch", reason="skorch is not installed")
    from subspace_learn.deep import SSMClassifier

    return SSMClassifier(d_model=4, d_state=4, n_layers=1, max_epochs=1, random_state=0)


MAKERS = {
    "classifier": lambda: AugmentedCovarianceClassifier(2, 1),
    "covariances": lambda: AugmentedCovariances(2, 1),
    "memory": lambda: HiPPOTransformer(4),
    "sequences": ssm,
}


@pytest.fixture(params=sorted(MAKERS))
def estimator(request):
    return MAKERS[request.param]()


def apply(estimator, X):
    return estimator.transform(X) if hasattr(estimator, "transform") else estimator.predict(X)


def test_channels_in_another_order_are_refused(estimator):
    X, y = make_epochs()
    epochs = to_epochs(X)
    estimator.fit(epochs, y)
    assert estimator.ch_names_ == ["C0", "C1", "C2"]
    turned = epochs.copy().reorder_channels(["C2", "C0", "C1"])
    with pytest.raises(ValueError, match=r"channel 0 is 'C2', but was 'C0'.*reorder_channels"):
        apply(estimator, turned)
    back = turned.copy().reorder_channels(estimator.ch_names_)
    np.testing.assert_array_equal(apply(estimator, back), apply(estimator, epochs))


def test_another_sampling_rate_is_refused(estimator):
    X, y = make_epochs()
    estimator.fit(to_epochs(X, 100.0), y)
    assert estimator.sfreq_ == 100.0
    with pytest.raises(ValueError, match="sampled at 200 Hz, but those of fit at 100 Hz"):
        apply(estimator, to_epochs(X, 200.0))


def test_a_list_of_epochs_is_what_the_epochs_are(estimator):
    """scikit-learn takes rows of an object that is no array by making a list."""
    X, y = make_epochs()
    epochs = to_epochs(X)
    estimator.fit(epochs, y)
    wanted = apply(estimator, epochs)
    pieces = [epochs[k] for k in range(len(epochs))]
    np.testing.assert_array_equal(apply(estimator, pieces), wanted)
    estimator.fit(pieces, y)
    assert (estimator.ch_names_, estimator.sfreq_) == (["C0", "C1", "C2"], 100.0)
    np.testing.assert_array_equal(apply(estimator, epochs), wanted)


@pytest.mark.parametrize("spoil", ["order", "rate"])
def test_pieces_of_a_list_must_belong_together(spoil):
    X, y = make_epochs()
    pieces = [to_epochs(X[:12]), to_epochs(X[12:], 200.0 if spoil == "rate" else 100.0)]
    if spoil == "order":
        pieces[1].reorder_channels(["C1", "C0", "C2"])
    with pytest.raises(ValueError, match="number 1 has other channels, or another order or samp"):
        AugmentedCovarianceClassifier(2, 1).fit(pieces, y)


def test_cross_validation_on_epochs_is_that_on_arrays():
    X, y = make_epochs()
    clf = AugmentedCovarianceClassifier(2, 0.02, classifier="lr")  # seconds: the rate must arrive
    given = cross_val_score(clf, to_epochs(X), y, cv=3, error_score="raise")
    wanted = cross_val_score(clf.set_params(sfreq=100), X, y, cv=3, error_score="raise")
    np.testing.assert_array_equal(given, wanted)


def test_grid_search_on_epochs_keeps_names_and_rate():
    X, y = make_epochs()
    grid = {"order": [1, 3], "lag": [0.02, 0.05]}
    search = GridSearchCV(
        AugmentedCovarianceClassifier(1, 1, classifier="lr"), grid, cv=3, error_score="raise"
    ).fit(to_epochs(X), y)
    best = search.best_estimator_
    assert (best.ch_names_, best.sfreq_) == (["C0", "C1", "C2"], 100.0)
    arrays = GridSearchCV(best.set_params(sfreq=100.0), grid, cv=3).fit(X, y)
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], arrays.cv_results_["mean_test_score"]
    )


def test_pipelines_and_inner_searches_take_epochs():
    X, y = make_epochs()
    flat = FunctionTransformer(lambda S: S.reshape(len(S), -1))
    pipeline = make_pipeline(AugmentedCovariances(2, 0.02), flat, LogisticRegression())
    scores = cross_val_score(pipeline, to_epochs(X), y, cv=3, error_score="raise")
    pipeline[0].sfreq = 100.0
    np.testing.assert_array_equal(scores, cross_val_score(pipeline, X, y, cv=3))
    auto = AugmentedCovarianceClassifier(orders=(1, 2), lags=(0.02,), cv=2)
    assert cross_val_score(auto, to_epochs(X), y, cv=2, error_score="raise").shape == (2,)


def test_bad_channels_of_any_piece_are_named():
    X, y = make_epochs()
    pieces = [to_epochs(X[:12]), to_epochs(X[12:])]
    pieces[1].info["bads"] = ["C1"]
    with pytest.warns(UserWarning, match=r"like any other: C1 \(marked bad\)"):
        AugmentedCovarianceClassifier(2, 1).fit(pieces, y)


def test_a_projection_that_waits_is_refused(estimator):
    X, y = make_epochs()
    epochs = to_epochs(X)
    epochs.set_eeg_reference(projection=True, verbose="error")
    with pytest.raises(ValueError, match=r"not applied: Average EEG ref.*epochs\.apply_proj\(\)"):
        estimator.fit(epochs, y)
    applied = epochs.copy().apply_proj(verbose="error")
    wanted = apply(estimator.fit(applied, y), applied)
    assert len(wanted) == len(X)
    with pytest.raises(ValueError, match="not applied"):
        apply(estimator, epochs)


def test_spectra_are_refused(estimator):
    X, y = make_epochs()
    spectrum = to_epochs(X).compute_psd(verbose="error")
    with pytest.raises(ValueError, match="EpochsSpectrum: powers of frequencies, not signals"):
        estimator.fit(spectrum, y)


def test_epochs_that_are_rejected_while_they_are_read_are_refused():
    rng = np.random.default_rng(0)
    data = 1e-6 * rng.normal(size=(3, 1300))
    data[:, 250:260] = 1e-3
    raw = mne.io.RawArray(data, mne.create_info(3, 100.0, "eeg"), verbose="error")
    events = np.column_stack([np.arange(0, 1200, 100), np.zeros(12, int), np.arange(12) % 2 + 1])
    lazy = mne.Epochs(
        raw,
        events,
        tmin=0,
        tmax=0.5,
        baseline=None,
        reject={"eeg": 1e-4},
        verbose="error",
    )
    with pytest.raises(ValueError, match=r"12 events, of which 1 were rejected.*drop_bad\(\)"):
        AugmentedCovarianceClassifier(1, 1).fit(lazy, events[:, 2])
    lazy.drop_bad(verbose="error")
    clf = AugmentedCovarianceClassifier(1, 1).fit(lazy, lazy.events[:, 2])
    assert clf.predict(lazy).shape == (11,)


def test_tables_say_what_to_call_instead():
    X, _ = make_epochs()
    epochs = to_epochs(X)
    for given in (epochs, [epochs[0], epochs[1]]):
        with pytest.raises(ValueError, match=r"EpochsArray.*get_data\(\)\.reshape\(len\(epochs\)"):
            GrassmannPCA(2).fit(given)
    raw = mne.io.RawArray(X[0], epochs.info, verbose="error")
    with pytest.raises(ValueError, match=r"RawArray.*raw\.get_data\(\)\.T"):
        GrassmannPCA(2).fit(raw)


@pytest.mark.parametrize("name", ["memory", "sequences"])
def test_arrays_with_channels_and_times_exchanged_are_noticed(name):
    X, y = make_epochs()
    estimator = MAKERS[name]()
    wrong = X.swapaxes(1, 2) if name == "memory" else X
    with pytest.warns(UserWarning, match=r"read as 60 channels at 3 times.*swapaxes\(1, 2\)"):
        estimator.fit(wrong, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator.fit(wrong.swapaxes(1, 2), y)


def test_a_network_is_told_that_its_input_is_in_volts():
    X, y = make_epochs()
    with pytest.warns(UserWarning, match=r"root mean square of X is 1\.\d+e-06.*Multiply X by"):
        ssm().fit(to_epochs(1e-6 * X), y)


def test_a_list_of_epochs_whose_channels_have_other_types_is_refused(rng):
    X = rng.normal(size=(20, 3, 60))
    parts = [to_epochs(X[:10]), to_epochs(X[10:], ch_types=["eeg", "mag", "eeg"])]
    with pytest.raises(ValueError, match="number 1 has channels of the types eeg, mag, number 0"):
        AugmentedCovarianceClassifier(1, 1).fit(parts, np.tile([0, 1], 10))


def test_epochs_of_several_lengths_are_refused_in_words(rng):
    ragged = [rng.normal(size=(3, length)) for length in (60, 50)]
    with pytest.raises(ValueError, match=r"differ in size \(\(3, 50\), \(3, 60\), ...\)"):
        HiPPOTransformer(4).fit(ragged)
