"""What a user of EEG may get wrong, and what the estimators then say."""

import numpy as np
import pytest

from subspace_learn import AugmentedCovarianceClassifier
from subspace_learn.covariance import AugmentedCovariances
from tests.common_checks.epochs import make_epochs
from tests.covariance.test_augmented_covariances import mne_epochs

mne = pytest.importorskip("mne")
ESTIMATORS = [AugmentedCovarianceClassifier(2, 1), AugmentedCovariances(2, 1)]


def apply(estimator, X):
    return estimator.predict(X) if hasattr(estimator, "predict") else estimator.transform(X)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=["classifier", "transformer"])
def test_channels_in_another_order_are_refused(estimator):
    X, y = make_epochs()
    epochs = mne_epochs(X)
    estimator.fit(epochs, y)
    assert estimator.ch_names_ == epochs.ch_names
    turned = epochs.copy().reorder_channels(epochs.ch_names[::-1])
    with pytest.raises(ValueError, match=r"channel 0 is 'C\d', but was 'C0'.*reorder_channels"):
        apply(estimator, turned)
    back = turned.reorder_channels(estimator.ch_names_)
    np.testing.assert_array_equal(apply(estimator, back), apply(estimator, epochs))
    apply(estimator, X)  # arrays have no names
    assert estimator.fit(X, y).ch_names_ is None
    apply(estimator, turned)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=["classifier", "transformer"])
def test_another_sampling_rate_is_refused(estimator):
    X, y = make_epochs()
    estimator.fit(mne_epochs(X, 100.0), y)
    with pytest.raises(ValueError, match="sampled at 200 Hz, but those of fit at 100 Hz"):
        apply(estimator, mne_epochs(X, 200.0))


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=["classifier", "transformer"])
def test_recordings_and_arrays_that_are_no_epochs_are_named(estimator):
    X, y = make_epochs()
    info = mne_epochs(X).info
    with pytest.raises(ValueError, match=r"was given a RawArray of shape .* mne\.Epochs"):
        estimator.fit(mne.io.RawArray(X[0], info, verbose="error"), y)
    with pytest.raises(ValueError, match="got a 4D array of shape"):
        estimator.fit(X[None], y)


def test_a_flat_epoch_is_called_flat():
    X, y = make_epochs()
    X[5] = 0.0
    with pytest.raises(ValueError, match=r"the first is number 5, a flat epoch"):
        AugmentedCovarianceClassifier(2, 1).fit(X, y)


def test_a_wanted_order_that_no_lag_allows_is_an_error_and_not_order_one():
    X, y = make_epochs()
    with pytest.raises(ValueError, match=r"times are too few .* orders \[50\]"):
        AugmentedCovarianceClassifier(order=50).fit(X, y)


def test_labels_in_messages_are_written_as_the_user_wrote_them():
    X, y = make_epochs()
    with pytest.raises(ValueError, match="one class only, 'left'"):
        AugmentedCovarianceClassifier(2, 1).fit(X, np.full(len(y), "left"))
