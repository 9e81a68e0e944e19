"""Our common checks for estimators of several maps over cells, (n_samples, n_maps, n_cells).

scikit-learn has none: its checks send tables.
"""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.base import clone

from .graph import check_scikit_learn_checks_of_the_estimator_alone
from .table import assert_same, outputs

N_SAMPLES, N_MAPS, N_CELLS = 30, 3, 5
TOL = 1e-5  # of weights, which stop at a gradient of 1e-6


def make_maps(dtype=np.float64):
    """Seeded log-scores, not normalised: a good map, a poor one, one that says nothing."""
    rng = np.random.default_rng(20260101)
    y = rng.integers(N_CELLS, size=N_SAMPLES)
    hint = np.eye(N_CELLS)[y]
    strength = np.array([1.5, 0.7, 0.0])[:, None]
    X = strength * hint[:, None] + rng.normal(size=(N_SAMPLES, N_MAPS, N_CELLS)) - 3.0
    return X.astype(dtype), y


def check_input_is_unchanged_and_may_be_read_only(estimator):
    X, y = make_maps()
    before = X.copy()
    X.setflags(write=False)
    outputs(estimator.fit(X, y), X)
    np.testing.assert_array_equal(X, before)


def check_second_fit_gives_the_same(estimator):
    X, y = make_maps()
    once = outputs(estimator.fit(X, y), X)
    assert_same(outputs(estimator.fit(X, y), X), once)


def check_rows_sum_to_one(estimator):
    X, y = make_maps()
    log_proba = estimator.fit(X, y).predict_log_proba(X)
    np.testing.assert_allclose(logsumexp(log_proba, axis=1), 0.0, atol=1e-12)
    np.testing.assert_allclose(estimator.predict_proba(X), np.exp(log_proba), rtol=1e-12)


def check_scores_need_no_normalisation(estimator):
    """A constant added to a row of a map changes nothing."""
    X, y = make_maps()
    shift = np.random.default_rng(0).normal(scale=100.0, size=(N_SAMPLES, N_MAPS, 1))
    wanted = clone(estimator).fit(X, y).predict_log_proba(X)
    np.testing.assert_allclose(
        estimator.fit(X + shift, y).predict_log_proba(X), wanted, rtol=1e-7, atol=1e-7
    )


def check_permuted_rows_permute_the_output(estimator):
    X, y = make_maps()
    wanted = outputs(clone(estimator).fit(X, y), X)
    order = np.random.default_rng(0).permutation(N_SAMPLES)
    given = outputs(estimator.fit(X[order], y[order]), X[order])
    assert_same(given, {name: value[order] for name, value in wanted.items()}, atol=TOL)


def check_one_row_gives_what_it_gives_in_a_batch(estimator):
    X, y = make_maps()
    wanted = outputs(estimator.fit(X, y), X)
    rows = [outputs(estimator, X[i : i + 1]) for i in range(N_SAMPLES)]
    assert_same({n: np.concatenate([row[n] for row in rows]) for n in wanted}, wanted, atol=1e-12)


def check_weights_equal_repetition(estimator):
    X, y = make_maps()
    weight = np.random.default_rng(0).integers(0, 3, size=N_SAMPLES)
    rows = np.repeat(np.arange(N_SAMPLES), weight)
    wanted = outputs(clone(estimator).fit(X[rows], y[rows]), X)
    assert_same(outputs(estimator.fit(X, y, sample_weight=weight), X), wanted, atol=TOL)


def check_forms_of_the_maps_give_the_same(estimator):
    """A stack, a list, a dict in any order, data frames with their cells in any order."""
    pd = pytest.importorskip("pandas")
    X, y = make_maps()
    wanted = clone(estimator).fit(X, y).predict_log_proba(X)
    parts = [X[:, m] for m in range(N_MAPS)]
    given = clone(estimator).fit(parts, y).predict_log_proba(tuple(parts))
    np.testing.assert_allclose(given, wanted, atol=1e-12)
    named = dict(zip("abc", parts, strict=True))
    fitted = clone(estimator).fit(named, y)
    assert list(fitted.feature_names_in_) == ["a", "b", "c"]
    given = fitted.predict_log_proba({name: named[name] for name in "cab"})
    np.testing.assert_allclose(given, wanted, atol=1e-12)
    frames = [pd.DataFrame(part, columns=[f"cell {c}" for c in range(N_CELLS)]) for part in parts]
    turned = [frames[0], frames[1].iloc[:, ::-1], frames[2]]
    fitted = clone(estimator).fit(turned, [f"cell {c}" for c in y])
    given = fitted.predict_log_proba([frame.iloc[:, ::-1] for frame in frames])
    np.testing.assert_allclose(given, wanted, atol=1e-12)


def check_pickle_keeps_the_fit(estimator):
    X, y = make_maps()
    estimator.fit(X, y)
    assert_same(outputs(pickle.loads(pickle.dumps(estimator)), X), outputs(estimator, X))


def check_bad_maps_are_refused_and_the_earlier_fit_stays(estimator):
    X, y = make_maps()
    estimator.fit(X, y)
    before, state = outputs(estimator, X), sorted(vars(estimator))
    missing, empty = X.copy(), X.copy()
    missing[4, 1, 2] = np.nan
    empty[7, 0] = -np.inf
    bad = {
        "map 1 holds NaN in row 4": missing,
        "map 0 holds minus infinity alone in row 7": empty,
        r"X\[:, None, :\]": X[:, 0],
        "neither 0": X[:0],
        "[Cc]omplex": X.astype(complex),
        "given no map": [],
        "same rows and the same cells": [X[:, 0], X[:, 1, :3]],
    }
    for match, given in bad.items():
        with pytest.raises(ValueError, match=match):
            estimator.fit(given, y)
        assert sorted(vars(estimator)) == state
        assert_same(outputs(estimator, X), before)
    for match, given in {"2 maps of 5 cells": X[:, :2], "3 maps of 4 cells": X[:, :, :4]}.items():
        with pytest.raises(ValueError, match=match):
            estimator.predict(given)
    for labels in (y[:-1], None):
        with pytest.raises(ValueError, match=r"inconsistent|requires y"):
            estimator.fit(X, labels)


def check_unfitted_is_said(estimator):
    with pytest.raises(ValueError, match="not fitted"):
        estimator.predict(make_maps()[0])


def check_array_library_is_kept(estimator, xp):
    X, y = make_maps()
    wanted = clone(estimator).fit(X, y).predict_log_proba(X)
    given = estimator.fit(xp.asarray(X), y).predict_log_proba(xp.asarray(X))
    assert xp.owns(given)
    np.testing.assert_allclose(xp.numpy(given), wanted, rtol=0, atol=TOL)


CHECKS = [
    check_scikit_learn_checks_of_the_estimator_alone,
    check_input_is_unchanged_and_may_be_read_only,
    check_second_fit_gives_the_same,
    check_rows_sum_to_one,
    check_scores_need_no_normalisation,
    check_permuted_rows_permute_the_output,
    check_one_row_gives_what_it_gives_in_a_batch,
    check_weights_equal_repetition,
    check_forms_of_the_maps_give_the_same,
    check_pickle_keeps_the_fit,
    check_bad_maps_are_refused_and_the_earlier_fit_stays,
    check_unfitted_is_said,
]
LIBRARY_CHECKS = [check_array_library_is_kept]
