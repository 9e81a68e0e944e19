"""Our common checks for estimators of sequences, X of shape (n_samples, length, channels).

scikit-learn runs its own checks on tables (one channel per row), which these estimators take too.
"""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from .table import assert_same, outputs

N_SAMPLES, LENGTH, N_CHANNELS = 24, 30, 3
ROUNDING = 1e-8  # of tens of steps of training in float64, whose sums change their order


def make_sequences(dtype=np.float64):
    """Seeded sequences: two classes of equal power, one slow, one fast, and some noise."""
    rng = np.random.default_rng(20260101)
    y = np.arange(N_SAMPLES) % 2
    rate = np.where(y, 0.9, 0.3)[:, None, None]
    phase = rng.uniform(0, 6, size=(N_SAMPLES, 1, N_CHANNELS))
    X = np.sin(rate * np.arange(LENGTH)[:, None] + phase)
    return (X + rng.normal(size=X.shape)).astype(dtype), y


class Epochs:
    """What the estimators know of mne.Epochs: data with channels before times, and info."""

    def __init__(self, X):
        self.info, self.X = {"sfreq": 100.0}, X

    def get_data(self):
        return self.X


def check_input_is_unchanged_and_may_be_read_only(estimator):
    X, y = make_sequences()
    before = X.copy()
    X.setflags(write=False)
    outputs(estimator.fit(X, y), X)
    np.testing.assert_array_equal(X, before)


def check_second_fit_gives_the_same(estimator):
    X, y = make_sequences()
    once = outputs(estimator.fit(X, y), X)
    assert_same(outputs(estimator.fit(X, y), X), once)


def check_permuted_sequences_permute_the_output(estimator):
    X, y = make_sequences()
    wanted = outputs(clone(estimator).fit(X, y), X)
    order = np.random.default_rng(0).permutation(N_SAMPLES)
    given = outputs(estimator.fit(X[order], y[order]), X[order])
    assert_same(given, {name: value[order] for name, value in wanted.items()}, atol=ROUNDING)


def check_one_sequence_gives_what_it_gives_in_a_batch(estimator):
    X, y = make_sequences()
    wanted = outputs(estimator.fit(X, y), X)
    rows = [outputs(estimator, X[i : i + 1]) for i in range(N_SAMPLES)]
    given = {name: np.concatenate([row[name] for row in rows]) for name in wanted}
    assert_same(given, wanted, atol=ROUNDING)


def check_weights_equal_repetition(estimator):
    X, y = make_sequences()
    weight = np.random.default_rng(0).integers(0, 3, size=N_SAMPLES)
    rows = np.repeat(np.arange(N_SAMPLES), weight)
    wanted = outputs(clone(estimator).fit(X[rows], y[rows]), X)
    assert_same(outputs(estimator.fit(X, y, sample_weight=weight), X), wanted, atol=ROUNDING)


def check_pickle_keeps_the_fit(estimator):
    X, y = make_sequences()
    estimator.fit(X, y)
    assert_same(outputs(pickle.loads(pickle.dumps(estimator)), X), outputs(estimator, X))


def check_a_table_is_sequences_of_one_channel(estimator):
    X, y = make_sequences()
    X = X[:, :, 0]
    wanted = outputs(clone(estimator).fit(X[:, :, None], y), X[:, :, None])
    assert_same(outputs(estimator.fit(X, y), X), wanted)


def check_epochs_of_mne_are_turned_around(estimator):
    X, y = make_sequences()
    wanted = outputs(clone(estimator).fit(X, y), X)
    epochs = Epochs(X.swapaxes(1, 2))
    assert_same(outputs(estimator.fit(epochs, y), epochs), wanted)


def check_tensors_are_taken(estimator):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    X, y = make_sequences()
    wanted = outputs(clone(estimator).fit(X, y), X)
    tensor = torch.from_numpy(X)
    assert_same(outputs(estimator.fit(tensor, y), tensor), wanted)


def check_bad_sequences_are_refused_and_the_earlier_fit_stays(estimator):
    X, y = make_sequences()
    estimator.fit(X, y)
    before, state = outputs(estimator, X), sorted(vars(estimator))
    missing = X.copy()
    missing[[3, 5], 0, 0] = np.nan, np.inf
    bad = {
        "epoch 3, 5": missing,
        "shape": X[:0],
        "[Cc]omplex": X.astype(complex),
        "length 1": X[:, :1],
        "4D array": X[None],
        "numeric|convert": np.full(X.shape, "a"),
    }
    for match, given in bad.items():
        with pytest.raises(ValueError, match=match):
            estimator.fit(given, y[: len(given)])
        assert sorted(vars(estimator)) == state
        assert_same(outputs(estimator, X), before)
    for name in before:
        with pytest.raises(ValueError, match=r"2 channels, but .* 3 channels"):
            getattr(estimator, name)(X[:, :, :2])
        with pytest.raises(ValueError, match=r"1 channels, but .* 3.*X\[None\]"):
            getattr(estimator, name)(X[0])


def check_sequences_of_another_length_may_follow(estimator):
    X, y = make_sequences()
    estimator.fit(X, y)
    for value in outputs(estimator, X[:, :20]).values():
        assert np.isfinite(np.asarray(value, dtype=float)).all()


CHECKS = [
    check_input_is_unchanged_and_may_be_read_only,
    check_second_fit_gives_the_same,
    check_permuted_sequences_permute_the_output,
    check_one_sequence_gives_what_it_gives_in_a_batch,
    check_weights_equal_repetition,
    check_pickle_keeps_the_fit,
    check_a_table_is_sequences_of_one_channel,
    check_epochs_of_mne_are_turned_around,
    check_tensors_are_taken,
    check_bad_sequences_are_refused_and_the_earlier_fit_stays,
    check_sequences_of_another_length_may_follow,
]
