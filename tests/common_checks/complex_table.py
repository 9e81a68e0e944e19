"""Our common checks for estimators of 2-D input that may be complex.

Those of real tables hold too, but for the two that ask complex input to be refused. The checks here
ask the same manners of complex input, which scikit-learn's checks never give.
"""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils import get_tags

from . import table
from .table import assert_same, outputs, rounding

METHODS = ("transform", "inverse_transform")


def never_good(estimator):
    """A number to refuse: NaN, unless it means to the estimator that nothing was measured."""
    return np.inf if get_tags(estimator).input_tags.allow_nan else np.nan


def make_complex_table(dtype=np.complex128):
    """Seeded table of smooth complex rows behind complex gains, with a little noise."""
    rng = np.random.default_rng(20260102)
    n_samples, n_features = table.N_SAMPLES, table.N_FEATURES
    level = rng.normal(size=(n_samples, 1)) + 1j * rng.normal(size=(n_samples, 1))
    gains = rng.uniform(0.5, 1.5, n_features) * np.exp(1j * rng.uniform(0, 1, n_features))
    noise = rng.normal(size=(n_samples, n_features)) + 1j * rng.normal(size=(n_samples, n_features))
    return ((level + 0.05 * noise) * gains).astype(dtype)


def _skip_if_fitted_on_real_only(estimator):
    if not hasattr(estimator, "transform"):
        pytest.skip("not a transformer")


def check_complex_input_is_unchanged_and_may_be_read_only(estimator):
    X = make_complex_table()
    before = X.copy()
    X.setflags(write=False)
    outputs(estimator.fit(X), X)
    np.testing.assert_array_equal(X, before)


def check_complex_width_stays(estimator):
    for dtype in (np.complex64, np.complex128):
        X = make_complex_table(dtype)
        fitted = clone(estimator).fit(X)
        Z = fitted.transform(X)
        assert Z.dtype == dtype
        if np.isnan(fitted.gains_).any():
            continue  # what a filter does not pass, or a sensor not measure, does not come back
        back = fitted.inverse_transform(Z)
        assert back.dtype == dtype
        # a division and a product, in the Fourier domain for filters: roundings grow with the
        # ratio of the largest gain to the smallest
        spread = abs(fitted.gains_).max() / abs(fitted.gains_).min()
        atol = 100 * np.finfo(dtype).eps * abs(X).max() * spread
        np.testing.assert_allclose(back, X, rtol=0, atol=atol)


def check_complex_lists_and_frames_are_taken(estimator):
    X = make_complex_table()
    wanted = clone(estimator).fit(X).transform(X)
    np.testing.assert_array_equal(clone(estimator).fit(X.tolist()).transform(X.tolist()), wanted)
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=[f"s{i}" for i in range(X.shape[1])])
    fitted = clone(estimator).fit(frame)
    # columns may lie apart in memory, which changes the order of sums
    atol = 1e4 * rounding({"transform": wanted})
    np.testing.assert_allclose(fitted.transform(frame), wanted, rtol=0, atol=atol)
    assert list(fitted.feature_names_in_) == list(frame.columns)
    with pytest.raises(ValueError, match="feature names"):
        fitted.transform(frame[frame.columns[::-1]])


def check_second_complex_fit_gives_the_same(estimator):
    X = make_complex_table()
    once = outputs(estimator.fit(X), X)
    assert_same(outputs(estimator.fit(X), X), once)


def check_complex_rows_may_be_permuted_and_alone(estimator):
    X = make_complex_table()
    wanted = outputs(clone(estimator).fit(X), X)
    order = np.random.default_rng(0).permutation(len(X))
    given = outputs(clone(estimator).fit(X[order]), X[order])
    # sums in another order, seen through the conditioning of a solve and the tol of LSQR
    assert_same(given, {k: v[order] for k, v in wanted.items()}, atol=1e4 * rounding(wanted))
    estimator.fit(X)
    together = outputs(estimator, X[:3])
    rows = [outputs(estimator, X[i : i + 1]) for i in range(3)]
    alone = {name: np.concatenate([row[name] for row in rows]) for name in together}
    assert_same(alone, together, atol=rounding(together))


def check_complex_fit_survives_pickle(estimator):
    X = make_complex_table()
    estimator.fit(X)
    assert_same(outputs(pickle.loads(pickle.dumps(estimator)), X), outputs(estimator, X))


def check_failed_complex_fit_leaves_the_earlier_fit_usable(estimator):
    X = make_complex_table()
    estimator.fit(X)
    before, state = outputs(estimator, X), sorted(vars(estimator))
    missing, infinite = X.copy(), X.copy()
    missing[-1, 0], infinite[0, 0] = never_good(estimator), 1j * np.inf
    for bad in (missing, infinite, X[0], X[:0], X[:, :0], X[None]):
        with pytest.raises(ValueError, match=r"\w"):
            estimator.fit(bad)
        assert sorted(vars(estimator)) == state
        assert_same(outputs(estimator, X), before)
    for bad in (missing, X[:, 1:], X[0], X[:0]):
        for name in METHODS:
            with pytest.raises(ValueError, match=r"\w"):
                getattr(estimator, name)(bad)


def check_real_input_after_complex_fit_and_not_the_reverse(estimator):
    X = make_complex_table()
    estimator.fit(X)
    real = np.ascontiguousarray(X.real)
    np.testing.assert_allclose(
        estimator.transform(real), estimator.transform(real.astype(complex)), rtol=1e-12
    )
    estimator.fit(table.make_table()[0])
    with pytest.raises(ValueError, match="real measurements"):
        estimator.transform(X)


def check_complex_target_is_refused(estimator):
    X = make_complex_table()
    with pytest.raises(ValueError, match="Complex data not supported in y"):
        estimator.fit(X, X[:, 0])
    assert estimator.fit(X, np.ones(len(X))) is estimator


# --- every array library ------------------------------------------------------------------------


def check_complex_array_library_is_kept(estimator, xp):
    X = make_complex_table()
    wanted = outputs(clone(estimator).fit(X), X)
    estimator.fit(xp.asarray(X))
    given = outputs(estimator, xp.asarray(X))
    assert [name for name, value in given.items() if not xp.owns(value)] == []
    given = {name: xp.numpy(value) for name, value in given.items()}
    assert_same(given, wanted, atol=1e4 * rounding(wanted))
    Z = estimator.fit(xp.asarray(X.astype(np.complex64))).transform(
        xp.asarray(X.astype(np.complex64))
    )
    assert Z.dtype == xp.namespace.complex64


def check_bad_real_or_complex_array_is_refused(estimator, xp):
    if not get_tags(estimator).array_api_support:
        pytest.skip("array_api_support is False")
    for X in (table.make_table()[0], make_complex_table()):
        infinite, missing = X.copy(), X.copy()
        infinite[0, 0], missing[-1, -1] = np.inf, never_good(estimator)
        bad_tables = [infinite, missing, X[:, 0], X[:0], X[:, :0]]
        for bad in bad_tables:
            with pytest.raises(ValueError, match=r"\w"):
                clone(estimator).fit(xp.asarray(bad))
        estimator.fit(xp.asarray(X))
        for bad in [*bad_tables, X[:, 1:]]:
            with pytest.raises(ValueError, match=r"\w"):
                estimator.transform(xp.asarray(bad))


def check_failed_fit_leaves_the_earlier_fit_usable(estimator):
    X, y = table.make_table()
    estimator.fit(X, y)
    before = outputs(estimator, X)
    bad_rows = X.copy()
    bad_rows[-1, 0] = never_good(estimator)
    for bad in (bad_rows, X[0], X[:0], X * 0.0):
        with pytest.raises(ValueError, match=r"\w"):
            estimator.fit(bad, y[: len(bad)])
        assert_same(outputs(estimator, X), before)


REPLACED = {"check_failed_fit_leaves_the_earlier_fit_usable", "check_bad_array_is_refused"}

CHECKS = [
    *(check for check in table.CHECKS if check.__name__ not in REPLACED),
    check_failed_fit_leaves_the_earlier_fit_usable,
    check_complex_input_is_unchanged_and_may_be_read_only,
    check_complex_width_stays,
    check_complex_lists_and_frames_are_taken,
    check_second_complex_fit_gives_the_same,
    check_complex_rows_may_be_permuted_and_alone,
    check_complex_fit_survives_pickle,
    check_failed_complex_fit_leaves_the_earlier_fit_usable,
    check_real_input_after_complex_fit_and_not_the_reverse,
    check_complex_target_is_refused,
]
LIBRARY_CHECKS = [
    *(check for check in table.LIBRARY_CHECKS if check.__name__ not in REPLACED),
    check_complex_array_library_is_kept,
    check_bad_real_or_complex_array_is_refused,
]
