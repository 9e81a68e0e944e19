"""Our common checks for transformers of stacks of positive definite matrices.

scikit-learn has none: its checks send tables.
"""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils import get_tags

from .table import assert_same, outputs

N_MATRICES, SIZE = 20, 4
TOL = 1e-7  # of a mean: iterations stop at a residual of 1e-8


def make_matrices(dtype=np.float64):
    """Seeded covariances of 30 correlated signals of four channels."""
    rng = np.random.default_rng(20260101)
    mixing = np.eye(SIZE) + 0.3 * rng.normal(size=(SIZE, SIZE))
    signals = mixing @ rng.normal(size=(N_MATRICES, SIZE, 30))
    return (signals @ signals.swapaxes(1, 2) / 30).astype(dtype), np.arange(N_MATRICES) % 2


def check_input_is_unchanged_and_may_be_read_only(estimator):
    X, y = make_matrices()
    before = X.copy()
    X.setflags(write=False)
    outputs(estimator.fit(X, y), X)
    np.testing.assert_array_equal(X, before)


def check_float_width_stays(estimator):
    for dtype in get_tags(estimator).transformer_tags.preserves_dtype:
        X, y = make_matrices(dtype)
        Z = clone(estimator).fit(X, y).transform(X)
        assert Z.dtype == dtype
        if hasattr(estimator, "inverse_transform"):
            assert clone(estimator).fit(X, y).inverse_transform(Z).dtype == dtype


def check_output_is_a_stack_of_positive_definite_matrices(estimator):
    X, y = make_matrices()
    Z = estimator.fit(X, y).transform(X)
    assert Z.shape == X.shape
    np.testing.assert_allclose(Z, Z.swapaxes(1, 2), rtol=1e-12, atol=1e-12)
    assert np.linalg.eigvalsh(Z).min() > 0


def check_inverse_gives_the_matrices_back(estimator):
    if not hasattr(estimator, "inverse_transform"):
        pytest.skip("has no inverse")
    X, y = make_matrices()
    estimator.fit(X, y)
    np.testing.assert_allclose(
        estimator.inverse_transform(estimator.transform(X)), X, rtol=TOL, atol=TOL
    )


def check_second_fit_gives_the_same(estimator):
    X, y = make_matrices()
    once = outputs(estimator.fit(X, y), X)
    assert_same(outputs(estimator.fit(X, y), X), once)


def check_permuted_matrices_permute_the_output(estimator):
    X, y = make_matrices()
    wanted = outputs(clone(estimator).fit(X, y), X)
    order = np.random.default_rng(0).permutation(N_MATRICES)
    given = outputs(estimator.fit(X[order], y[order]), X[order])
    assert_same(given, {name: value[order] for name, value in wanted.items()}, atol=TOL)


def check_one_matrix_gives_what_it_gives_in_a_batch(estimator):
    X, y = make_matrices()
    wanted = outputs(estimator.fit(X, y), X)
    rows = [outputs(estimator, X[i : i + 1]) for i in range(N_MATRICES)]
    given = {name: np.concatenate([row[name] for row in rows]) for name in wanted}
    assert_same(given, wanted, atol=1e-12)


def check_units_do_not_matter(estimator):
    """Volts for microvolts, where the metric follows the data."""
    if getattr(estimator, "metric_parameter", "mean") != "mean":
        pytest.skip("the metric has units of its own")
    X, y = make_matrices()
    wanted = clone(estimator).fit(X, y).transform(X)
    given = estimator.fit(1e-12 * X, y).transform(1e-12 * X)
    np.testing.assert_allclose(1e12 * given, wanted, rtol=1e-5, atol=TOL)


def check_weights_equal_repetition(estimator):
    X, y = make_matrices()
    weight = np.random.default_rng(0).integers(0, 3, size=N_MATRICES)
    rows = np.repeat(np.arange(N_MATRICES), weight)
    wanted = outputs(clone(estimator).fit(X[rows], y[rows]), X)
    assert_same(outputs(estimator.fit(X, y, sample_weight=weight), X), wanted, atol=TOL)


def check_pickle_keeps_the_fit(estimator):
    X, y = make_matrices()
    estimator.fit(X, y)
    assert_same(outputs(pickle.loads(pickle.dumps(estimator)), X), outputs(estimator, X))


def check_bad_matrices_are_refused_and_the_earlier_fit_stays(estimator):
    X, y = make_matrices()
    estimator.fit(X, y)
    before, state = outputs(estimator, X), sorted(vars(estimator))
    missing, indefinite = X.copy(), X.copy()
    missing[[3, 5], 0, 0] = np.nan, np.inf
    indefinite[7] = -indefinite[7]
    bad = {
        "matrix 3, 5": missing,
        "Matrix 7": indefinite,
        "minimum of 1|at least one": X[:0],
        "[Cc]omplex": X.astype(complex),
        "2D": X[0],
        "square|3 rows": X[:, :3],
        "symmetric": X + np.triu(np.ones((SIZE, SIZE)), 1),
    }
    for match, given in bad.items():
        for method in ("fit", "partial_fit"):
            if hasattr(estimator, method):
                with pytest.raises(ValueError, match=match):
                    getattr(estimator, method)(given, y[: len(given)])
                assert sorted(vars(estimator)) == state
                assert_same(outputs(estimator, X), before)
    for name in before:
        with pytest.raises(ValueError, match=r"3 rows, but .* 4 rows"):
            getattr(estimator, name)(X[:, :3, :3])


def check_unfitted_is_said(estimator):
    with pytest.raises(ValueError, match="not fitted"):
        estimator.transform(make_matrices()[0])


def check_array_library_is_kept(estimator, xp):
    X, y = make_matrices()
    wanted = outputs(clone(estimator).fit(X, y), X)
    given = outputs(estimator.fit(xp.asarray(X), y), xp.asarray(X))
    assert [name for name, value in given.items() if not xp.owns(value)] == []
    assert_same({name: xp.numpy(value) for name, value in given.items()}, wanted, atol=TOL)


def check_float32_stays_in_every_library(estimator, xp):
    X, y = make_matrices(np.float32)
    Z = estimator.fit(xp.asarray(X), y).transform(xp.asarray(X))
    assert Z.dtype == xp.namespace.float32


def check_other_library_than_in_fit_is_refused(estimator, xp):
    if xp.name == "numpy":
        pytest.skip("the other library is NumPy itself")
    X, y = make_matrices()
    estimator.fit(X, y)
    with pytest.raises((TypeError, ValueError), match=f"numpy.*{xp.name}|{xp.name}.*numpy"):
        outputs(estimator, xp.asarray(X))
    estimator.fit(xp.asarray(X), y)
    with pytest.raises((TypeError, ValueError), match=f"numpy.*{xp.name}|{xp.name}.*numpy"):
        outputs(estimator, X)


CHECKS = [
    check_input_is_unchanged_and_may_be_read_only,
    check_float_width_stays,
    check_output_is_a_stack_of_positive_definite_matrices,
    check_inverse_gives_the_matrices_back,
    check_second_fit_gives_the_same,
    check_permuted_matrices_permute_the_output,
    check_one_matrix_gives_what_it_gives_in_a_batch,
    check_units_do_not_matter,
    check_weights_equal_repetition,
    check_pickle_keeps_the_fit,
    check_bad_matrices_are_refused_and_the_earlier_fit_stays,
    check_unfitted_is_said,
]
LIBRARY_CHECKS = [
    check_array_library_is_kept,
    check_float32_stays_in_every_library,
    check_other_library_than_in_fit_is_refused,
]
