"""Our common checks for estimators that choose rows (``fit_resample``) and map no samples."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from .table import make_table


def drawn(estimator, X, y):
    """Rows of the sample with their targets and weights."""
    return estimator.fit_resample(X, y, return_weights=True)


def assert_same(given, wanted, rtol=0.0):
    for ours, theirs in zip(given, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=0)


def check_input_is_unchanged_and_may_be_read_only(estimator):
    X, y = make_table()
    before = X.copy()
    X.setflags(write=False)
    y.setflags(write=False)
    drawn(estimator, X, y)
    np.testing.assert_array_equal(X, before)


def check_float_width_stays(estimator):
    for dtype in (np.float32, np.float64):
        X, y = make_table(dtype)
        assert clone(estimator).fit_resample(X, y)[0].dtype == dtype
        assert clone(estimator).fit(X, y).rows_.dtype == dtype


def check_second_fit_gives_the_same(estimator):
    X, y = make_table()
    estimator.set_params(random_state=0)
    assert_same(drawn(estimator, X, y), drawn(estimator, X, y))


def check_permuted_samples_give_the_same_rows(estimator):
    X, y = make_table()
    estimator.set_params(random_state=0)
    wanted = drawn(clone(estimator), X, y)
    order = np.random.default_rng(0).permutation(len(X))
    given = drawn(estimator, X[order], y[order])
    ranks = [np.lexsort((weights, rows[:, 0])) for rows, _, weights in (given, wanted)]
    # scores of a shuffled table differ by the tolerance of their iteration at most
    assert_same([part[ranks[0]] for part in given], [part[ranks[1]] for part in wanted], rtol=1e-6)


def check_attributes_belong_to_the_rows_returned(estimator):
    X, y = make_table()
    rows, targets, weights = drawn(estimator, X, y)
    np.testing.assert_array_equal(rows, X[estimator.indices_])
    np.testing.assert_array_equal(targets, y[estimator.indices_])
    np.testing.assert_array_equal(weights, estimator.weights_)
    mask = estimator.get_support()
    assert mask.shape == (len(X),)
    np.testing.assert_array_equal(np.flatnonzero(mask), estimator.get_support(indices=True))
    assert (weights > 0).all()


def check_data_frames_keep_their_index(estimator):
    pandas = pytest.importorskip("pandas")
    X, y = make_table()
    names = [f"row {i}" for i in range(len(X))]
    rows, targets = estimator.fit_resample(
        pandas.DataFrame(X, index=names), pandas.Series(y, index=names)
    )
    assert list(rows.index) == [names[i] for i in estimator.indices_] == list(targets.index)


def check_pickle_keeps_the_fit(estimator):
    X, y = make_table()
    estimator.fit(X, y)
    copy = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(copy.indices_, estimator.indices_)
    np.testing.assert_array_equal(copy.weights_, estimator.weights_)


def check_failed_fit_leaves_the_earlier_fit_usable(estimator):
    X, y = make_table()
    estimator.fit(X, y)
    before = dict(vars(estimator))
    bad_rows = X.copy()
    bad_rows[-1, 0] = np.nan
    for method in ("fit", "partial_fit"):
        bad_tables = [bad_rows, X[0], X[:0], X.astype(complex)]
        if method == "partial_fit":
            bad_tables.append(X[:, 1:])
        for bad in bad_tables:
            with pytest.raises(ValueError, match=r"\w"):
                getattr(estimator, method)(bad, y[: len(bad)])
            assert vars(estimator).keys() == before.keys()
            assert all(vars(estimator)[name] is before[name] for name in before)


CHECKS = [
    check_input_is_unchanged_and_may_be_read_only,
    check_float_width_stays,
    check_second_fit_gives_the_same,
    check_permuted_samples_give_the_same_rows,
    check_attributes_belong_to_the_rows_returned,
    check_data_frames_keep_their_index,
    check_pickle_keeps_the_fit,
    check_failed_fit_leaves_the_earlier_fit_usable,
]
LIBRARY_CHECKS: list = []
