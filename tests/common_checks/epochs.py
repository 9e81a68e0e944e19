"""Our common checks for estimators of epochs: what the table checks ask, on 3-D input.

scikit-learn runs its own checks on tables (one channel per row), which these estimators take too.
"""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils import get_tags

from .instances import LINEAR
from .table import assert_same, outputs, rounding

N_EPOCHS, N_CHANNELS, N_TIMES = 24, 3, 60


def make_epochs(dtype=np.float64):
    """Seeded epochs: two classes of equal power, one slow, one fast, and some noise."""
    rng = np.random.default_rng(20260101)
    y = np.arange(N_EPOCHS) % 2
    rate = np.where(y, 0.9, 0.3)[:, None, None]
    phase = rng.uniform(0, 6, size=(N_EPOCHS, N_CHANNELS, 1))
    X = np.sin(rate * np.arange(N_TIMES) + phase) + rng.normal(size=(N_EPOCHS, N_CHANNELS, N_TIMES))
    return X.astype(dtype), y


def matrices(X):
    """A stack of matrices as rows, so that outputs of either shape compare."""
    return np.asarray(X).reshape(len(X), -1)


def check_input_is_unchanged_and_may_be_read_only(estimator):
    X, y = make_epochs()
    before = X.copy()
    X.setflags(write=False)
    outputs(estimator.fit(X, y), X)
    np.testing.assert_array_equal(X, before)


def check_float_width_stays(estimator):
    if not hasattr(estimator, "transform"):
        pytest.skip("not a transformer: predictions have no width to keep")
    for dtype in get_tags(estimator).transformer_tags.preserves_dtype:
        X, y = make_epochs(dtype)
        assert clone(estimator).fit(X, y).transform(X).dtype == dtype


def check_second_fit_gives_the_same(estimator):
    X, y = make_epochs()
    once = outputs(estimator.fit(X, y), X)
    assert_same(outputs(estimator.fit(X, y), X), once)


def check_permuted_epochs_permute_the_output(estimator):
    if "auto" in (getattr(estimator, "order", 1), getattr(estimator, "lag", 1)):
        pytest.skip("folds follow the order of the epochs, since neighbours resemble each other")
    X, y = make_epochs()
    wanted = outputs(clone(estimator).fit(X, y), X)
    order = np.random.default_rng(0).permutation(N_EPOCHS)
    given = outputs(estimator.fit(X[order], y[order]), X[order])
    # LIBSVM and L-BFGS stop at a tolerance of 1e-3 and 1e-4: two orders of rows end that far apart
    atol = rounding(wanted) if hasattr(estimator, "transform") else 5e-3
    assert_same(given, {name: value[order] for name, value in wanted.items()}, atol=atol)


def check_one_epoch_gives_what_it_gives_in_a_batch(estimator):
    X, y = make_epochs()
    wanted = outputs(estimator.fit(X, y), X)
    rows = [outputs(estimator, X[i : i + 1]) for i in range(N_EPOCHS)]
    given = {name: np.concatenate([row[name] for row in rows]) for name in wanted}
    assert_same(given, wanted, atol=rounding(wanted))


def check_units_do_not_matter(estimator):
    """Volts for microvolts: labels stay, matrices and linear maps scale."""
    X, y = make_epochs()
    wanted = outputs(clone(estimator).fit(X, y), X)
    given = outputs(estimator.fit(1e-6 * X, y), 1e-6 * X)
    scale = 1e-6 if type(estimator).__name__ in LINEAR else 1e-12
    for name in given:
        if name == "transform":
            wanted[name] = scale * wanted[name]
            np.testing.assert_allclose(given[name], wanted[name], rtol=1e-9, atol=1e-9 * scale)
        elif name == "predict":
            np.testing.assert_array_equal(given[name], wanted[name])


def check_weights_equal_repetition(estimator):
    if hasattr(estimator, "transform") or "auto" in (estimator.order, estimator.lag):
        pytest.skip("no weights, or a search, in which two equal epochs stand in two folds")
    X, y = make_epochs()
    weight = np.random.default_rng(0).integers(0, 3, size=N_EPOCHS)
    rows = np.repeat(np.arange(N_EPOCHS), weight)
    wanted = outputs(clone(estimator).fit(X[rows], y[rows]), X)
    # a tolerance as in the permuted check: the classifier stops there
    assert_same(outputs(estimator.fit(X, y, sample_weight=weight), X), wanted, atol=5e-3)


def check_pickle_keeps_the_fit(estimator):
    X, y = make_epochs()
    estimator.fit(X, y)
    assert_same(outputs(pickle.loads(pickle.dumps(estimator)), X), outputs(estimator, X))


def check_bad_epochs_are_refused_and_the_earlier_fit_stays(estimator):
    X, y = make_epochs()
    estimator.fit(X, y)
    before, state = outputs(estimator, X), sorted(vars(estimator))
    missing = X.copy()
    missing[[3, 5], 0, 0] = np.nan, np.inf
    bad = {
        "epoch 3, 5": missing,
        "shape": X[:0],
        "[Cc]omplex": X.astype(complex),
        "2 times": X[:, :, :1],
        r"[34]D?": X[None],
        "numeric|convert": np.full(X.shape, "a"),
    }
    for match, given in bad.items():
        with pytest.raises(ValueError, match=match):
            estimator.fit(given, y[: len(given)])
        assert sorted(vars(estimator)) == state
        assert_same(outputs(estimator, X), before)
    for name in before:
        with pytest.raises(ValueError, match=r"2 channels, but .* 3 channels"):
            getattr(estimator, name)(X[:, :2])


def check_longer_epochs_may_follow(estimator):
    """A covariance has no length: epochs of another length than in fit are fine."""
    X, y = make_epochs()
    estimator.fit(X, y)
    for value in outputs(estimator, X[:, :, :50]).values():
        assert np.isfinite(np.asarray(value, dtype=float)).all()


def check_array_library_is_taken(estimator, xp):
    X, y = make_epochs()
    wanted = outputs(clone(estimator).fit(X, y), X)
    given = outputs(estimator.fit(xp.asarray(X), y), xp.asarray(X))
    if get_tags(estimator).array_api_support:
        assert [name for name, value in given.items() if not xp.owns(value)] == []
    # as above: a classifier stops at its own tolerance
    atol = rounding(wanted) if hasattr(estimator, "transform") else 5e-3
    assert_same({name: xp.numpy(value) for name, value in given.items()}, wanted, atol=atol)


def check_bad_array_is_refused(estimator, xp):
    X, y = make_epochs()
    missing = X.copy()
    missing[4, 1, 2] = np.nan
    for bad in (missing, X[:0], X.astype(complex), X[None], X[:, :, :1]):
        with pytest.raises(ValueError, match=r"\w"):
            clone(estimator).fit(xp.asarray(bad), y[: len(bad)])


CHECKS = [
    check_input_is_unchanged_and_may_be_read_only,
    check_float_width_stays,
    check_second_fit_gives_the_same,
    check_permuted_epochs_permute_the_output,
    check_one_epoch_gives_what_it_gives_in_a_batch,
    check_units_do_not_matter,
    check_weights_equal_repetition,
    check_pickle_keeps_the_fit,
    check_bad_epochs_are_refused_and_the_earlier_fit_stays,
    check_longer_epochs_may_follow,
]
LIBRARY_CHECKS = [check_array_library_is_taken, check_bad_array_is_refused]
