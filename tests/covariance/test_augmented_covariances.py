"""AugmentedCovariances: seconds, mne.Epochs, pyRiemann's pipelines, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from pyriemann.classification import MDM, FgMDM
from pyriemann.tangentspace import TangentSpace
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from subspace_learn.covariance import AugmentedCovariances
from tests.common_checks.epochs import make_epochs


def mne_epochs(X, sfreq=100.0):
    mne = pytest.importorskip("mne")
    info = mne.create_info([f"C{k}" for k in range(X.shape[1])], sfreq, "eeg")
    return mne.EpochsArray(X, info, verbose="error")


@pytest.mark.parametrize(
    "classifier",
    [MDM(), FgMDM(), make_pipeline(TangentSpace(), LogisticRegression())],
    ids=["MDM", "FgMDM", "TangentSpace"],
)
def test_pyriemann_classifies_our_matrices(classifier):
    X, y = make_epochs()
    pipe = make_pipeline(AugmentedCovariances(order=3, lag=2), classifier)
    assert pipe.fit(X[:12], y[:12]).score(X[12:], y[12:]) >= 0.5
    assert pipe.fit(X, y).score(X, y) > 0.9


def test_grid_search_drives_order_and_lag():
    X, y = make_epochs()
    pipe = make_pipeline(AugmentedCovariances(), MDM())
    grid = {"augmentedcovariances__order": [1, 3], "augmentedcovariances__lag": [1, 2]}
    search = GridSearchCV(pipe, grid, cv=3).fit(X, y)
    assert search.best_params_["augmentedcovariances__order"] == 3


def test_transform_needs_no_fit():
    X, _ = make_epochs()
    wanted = AugmentedCovariances(2, 3).fit(X).transform(X)
    np.testing.assert_array_equal(AugmentedCovariances(2, 3).transform(X), wanted)


def test_a_float_is_a_time_in_seconds():
    X, _ = make_epochs()
    wanted = AugmentedCovariances(3, 4).transform(X)
    np.testing.assert_array_equal(AugmentedCovariances(3, 0.04, sfreq=100).transform(X), wanted)


def test_mne_epochs_bring_their_rate():
    X, _ = make_epochs()
    given = AugmentedCovariances(3, 0.04).fit_transform(mne_epochs(X))
    np.testing.assert_array_equal(given, AugmentedCovariances(3, 4).transform(X))


def test_two_rates_that_disagree_are_an_error():
    X, _ = make_epochs()
    with pytest.raises(ValueError, match=r"sampled at 100 Hz, but sfreq = 250 Hz"):
        AugmentedCovariances(3, 0.04, sfreq=250).fit(mne_epochs(X))


def test_seconds_without_a_rate_are_an_error():
    X, _ = make_epochs()
    with pytest.raises(ValueError, match="in seconds, which needs the sampling rate"):
        AugmentedCovariances(3, 0.04).fit(X)
    with pytest.raises(ValueError, match="less than half a sample at 100 Hz"):
        AugmentedCovariances(3, 0.004, sfreq=100).fit(X)


def test_dtype_may_be_chosen():
    X, _ = make_epochs()
    narrow = AugmentedCovariances(2, 3, dtype="float32").transform(X)
    wide = AugmentedCovariances(2, 3).transform(X)
    assert narrow.dtype == np.float32
    np.testing.assert_array_equal(narrow, wide.astype(np.float32))


def test_too_few_times_are_named_and_too_short_embeddings_warned_of():
    X, _ = make_epochs()
    with pytest.raises(ValueError, match="order=8 and lag=9 need 65 times or more"):
        AugmentedCovariances(8, 9).fit(X)
    with pytest.warns(UserWarning, match="leave 18 times for 24 rows .* estimator='oas'"):
        AugmentedCovariances(8, 6, estimator="scm").transform(X)


def test_a_table_is_one_channel_per_row():
    X, _ = make_epochs()
    wanted = AugmentedCovariances(3, 2).transform(X[:, :1])
    np.testing.assert_array_equal(AugmentedCovariances(3, 2).transform(X[:, 0]), wanted)
