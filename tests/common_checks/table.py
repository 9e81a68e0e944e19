"""Our common checks for estimators of 2-D input: what scikit-learn's own checks do not ask.

Each takes an unfitted estimator; those in ``LIBRARY_CHECKS`` also a library (fixture ``xp``).
"""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils import get_tags

from .instances import (
    AMPLIFIES_ROUNDING,
    CHANGES_LIBRARY,
    COLUMNS_ARE_ROWS,
    ROWS_ARE_TIMES,
    STOPS_AT_A_TOLERANCE,
)

N_SAMPLES, N_FEATURES = 40, 6
METHODS = ("transform", "predict", "decision_function", "score_samples", "predict_proba")


def make_table(dtype=np.float64):
    """Seeded table with two strong directions, and binary labels along the first."""
    rng = np.random.default_rng(20260101)
    scores = rng.normal(size=(N_SAMPLES, 2)) * [5.0, 2.0]
    X = scores @ rng.normal(size=(2, N_FEATURES)) + 0.1 * rng.normal(size=(N_SAMPLES, N_FEATURES))
    return (X + 1.0).astype(dtype), (scores[:, 0] > 0).astype(int)


def outputs(estimator, X):
    """Results of every method that maps samples to numbers, by method name."""
    return {
        name: getattr(estimator, name)(X)
        for name in METHODS
        if callable(getattr(estimator, name, None))
    }


def assert_same(given, wanted, rtol=0.0, atol=0.0):
    assert given.keys() == wanted.keys()
    assert wanted, "the estimator offers none of the methods that map samples"
    for name in wanted:
        np.testing.assert_allclose(given[name], wanted[name], rtol, atol, err_msg=name)


def rounding(reference, estimator=None):
    """Absolute tolerance for sums of this table taken in another order.

    A sum of n products is off by at most n eps times their size; a factor of 100 covers the
    eigenvalue problem behind it.
    """
    size = max(float(np.max(np.abs(value))) for value in reference.values())
    factor = 100 * AMPLIFIES_ROUNDING.get(type(estimator).__name__, 1)
    return factor * N_SAMPLES * np.finfo(np.float64).eps * max(size, 1.0)


# --- NumPy --------------------------------------------------------------------------------------


def check_input_is_unchanged_and_may_be_read_only(estimator):
    X, y = make_table()
    before = X.copy()
    X.setflags(write=False)
    outputs(estimator.fit(X, y), X)
    np.testing.assert_array_equal(X, before)


def check_float_width_stays(estimator):
    if not hasattr(estimator, "transform"):
        pytest.skip("not a transformer: predictions and scores have no width to keep")
    for dtype in get_tags(estimator).transformer_tags.preserves_dtype:
        X, y = make_table(dtype)
        Z = clone(estimator).fit(X, y).transform(X)
        assert Z.dtype == dtype
        if hasattr(estimator, "inverse_transform"):
            assert clone(estimator).fit(X, y).inverse_transform(Z).dtype == dtype


def check_second_fit_gives_the_same(estimator):
    X, y = make_table()
    once = outputs(estimator.fit(X, y), X)
    assert_same(outputs(estimator.fit(X, y), X), once)


def check_permuted_samples_permute_the_output(estimator):
    if type(estimator).__name__ in ROWS_ARE_TIMES:
        pytest.skip("the order of rows is time; pairs in any order are tested in its own file")
    X, y = make_table()
    wanted = outputs(clone(estimator).fit(X, y), X)
    order = np.random.default_rng(0).permutation(N_SAMPLES)
    estimator.fit(X[order], y[order])
    given = outputs(estimator, X[order])
    stops = type(estimator).__name__ in STOPS_AT_A_TOLERANCE
    atol = 1e-3 if stops else rounding(wanted, estimator)
    both = type(estimator).__name__ in COLUMNS_ARE_ROWS
    moved = {k: v[order][:, order] if both else v[order] for k, v in wanted.items()}
    assert_same(given, moved, atol=atol)


def check_one_sample_gives_what_it_gives_in_a_batch(estimator):
    X, y = make_table()
    estimator.fit(X, y)
    wanted = outputs(estimator, X)
    rows = [outputs(estimator, X[i : i + 1]) for i in range(N_SAMPLES)]
    given = {name: np.concatenate([row[name] for row in rows]) for name in wanted}
    assert_same(given, wanted, atol=rounding(wanted, estimator))


def check_pickle_keeps_the_fit(estimator):
    X, y = make_table()
    estimator.fit(X, y)
    copy = pickle.loads(pickle.dumps(estimator))
    assert_same(outputs(copy, X), outputs(estimator, X))


def check_failed_fit_leaves_the_earlier_fit_usable(estimator):
    X, y = make_table()
    estimator.fit(X, y)
    before, state = outputs(estimator, X), sorted(vars(estimator))
    bad_rows = X.copy()
    bad_rows[-1, 0] = np.nan
    for method in ("fit", "partial_fit"):
        if not hasattr(estimator, method):
            continue
        bad_tables = [bad_rows, X[0], X[:0], X.astype(complex)]
        if method == "partial_fit":
            bad_tables.append(X[:, 1:])
        for bad in bad_tables:
            with pytest.raises(ValueError, match=r"\w"):
                getattr(estimator, method)(bad, y[: len(bad)])
            assert sorted(vars(estimator)) == state
            assert_same(outputs(estimator, X), before)


def check_set_output_gives_data_frames(estimator):
    if not hasattr(estimator, "set_output"):
        pytest.skip("not a transformer")
    X, y = make_table()
    wanted = clone(estimator).fit(X, y).transform(X)
    for library in ("pandas", "polars"):
        pytest.importorskip(library)
        frame = clone(estimator).set_output(transform=library).fit(X, y).transform(X)
        assert type(frame).__module__.partition(".")[0] == library
        assert list(frame.columns) == list(estimator.fit(X, y).get_feature_names_out())
        np.testing.assert_array_equal(frame.to_numpy(), wanted)


# --- every array library ------------------------------------------------------------------------


def _skip_unless_keeps_library(estimator):
    if type(estimator).__name__ in CHANGES_LIBRARY:
        pytest.skip("changes the array library on purpose; tested in its own file")
    if not get_tags(estimator).array_api_support:
        pytest.skip("array_api_support is False")


def check_array_library_is_kept(estimator, xp):
    _skip_unless_keeps_library(estimator)
    X, y = make_table()
    wanted = outputs(clone(estimator).fit(X, y), X)
    estimator.fit(xp.asarray(X), xp.asarray(y))
    given = outputs(estimator, xp.asarray(X))
    assert [name for name, value in given.items() if not xp.owns(value)] == []
    assert_same(
        {name: xp.numpy(value) for name, value in given.items()},
        wanted,
        atol=rounding(wanted, estimator),
    )
    foreign = [
        name
        for name, value in vars(estimator).items()
        if name.endswith("_")
        and not name.startswith("_")
        and getattr(value, "ndim", 0) > 0
        and not xp.owns(value)
    ]
    assert not foreign, f"fitted arrays in another library: {foreign}"


def check_float32_stays_in_every_library(estimator, xp):
    _skip_unless_keeps_library(estimator)
    if "float32" not in _dtype_names(estimator) or not hasattr(estimator, "transform"):
        pytest.skip("float32 is not promised")
    X, y = make_table(np.float32)
    Z = estimator.fit(xp.asarray(X), xp.asarray(y)).transform(xp.asarray(X))
    assert Z.dtype == xp.namespace.float32


def _dtype_names(estimator):
    tags = get_tags(estimator).transformer_tags
    return {np.dtype(dtype).name for dtype in tags.preserves_dtype} if tags else set()


def check_bad_array_is_refused(estimator, xp):
    _skip_unless_keeps_library(estimator)
    X, y = make_table()
    infinite, missing = X.copy(), X.copy()
    infinite[0, 0], missing[-1, -1] = np.inf, np.nan
    bad_tables = [infinite, missing, X[:, 0], X[:0], X[:, :0], X.astype(complex)]
    for bad in bad_tables:
        with pytest.raises(ValueError, match=r"\w"):
            clone(estimator).fit(xp.asarray(bad), xp.asarray(y[: len(bad)]))
    estimator.fit(xp.asarray(X), xp.asarray(y))
    for bad in [*bad_tables, X[:, 1:]]:
        for name in METHODS:
            if callable(getattr(estimator, name, None)):
                with pytest.raises(ValueError, match=r"\w"):
                    getattr(estimator, name)(xp.asarray(bad))


def check_other_library_than_in_fit_is_refused(estimator, xp):
    _skip_unless_keeps_library(estimator)
    if xp.name == "numpy":
        pytest.skip("the other library is NumPy itself")
    X, y = make_table()
    estimator.fit(X, y)
    with pytest.raises((TypeError, ValueError), match=f"numpy.*{xp.name}|{xp.name}.*numpy"):
        outputs(estimator, xp.asarray(X))
    estimator.fit(xp.asarray(X), xp.asarray(y))
    with pytest.raises((TypeError, ValueError), match=f"numpy.*{xp.name}|{xp.name}.*numpy"):
        outputs(estimator, X)


CHECKS = [
    check_input_is_unchanged_and_may_be_read_only,
    check_float_width_stays,
    check_second_fit_gives_the_same,
    check_permuted_samples_permute_the_output,
    check_one_sample_gives_what_it_gives_in_a_batch,
    check_pickle_keeps_the_fit,
    check_failed_fit_leaves_the_earlier_fit_usable,
    check_set_output_gives_data_frames,
]
LIBRARY_CHECKS = [
    check_array_library_is_kept,
    check_float32_stays_in_every_library,
    check_bad_array_is_refused,
    check_other_library_than_in_fit_is_refused,
]
