"""Means and scatter matrices: against the definition, and the laws of merging."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import subspace_learn.linalg.moments as moments_module
from subspace_learn.linalg.moments import (
    column_moments,
    deviations,
    merged_moments,
    row_blocks,
    table_moments,
)


def definition(X, w=None, center=True):
    """Scatter as the sum of outer products, in the widest float there is."""
    X = np.asarray(X, dtype=np.longdouble)
    w = np.ones(len(X)) if w is None else np.asarray(w)
    mean = (w[:, None] * X).sum(axis=0) / w.sum() if center else np.zeros(X.shape[1])
    gap = X - mean
    return mean.astype(float), ((w[:, None] * gap).T @ gap).astype(float)


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_moments_equal_their_definition(xp, rng, center, weighted):
    X = rng.normal(size=(50, 6)) + 3.0
    w = rng.integers(0, 4, size=50).astype(float) if weighted else None
    found = table_moments(xp.asarray(X), xp.asarray(w) if weighted else None, center=center)
    mean, scatter = definition(X, w, center)
    # 50 products of size ten: rounding of a few hundred eps at the most
    np.testing.assert_allclose(xp.numpy(found.mean), mean, atol=1e-13)
    np.testing.assert_allclose(xp.numpy(found.scatter), scatter, atol=1e-11)
    assert found.n_samples == (50 if w is None else (w > 0).sum())
    assert found.weight == (50 if w is None else w.sum())
    assert xp.owns(found.scatter)


def test_float32_far_from_the_origin_keeps_its_covariance(xp, rng):
    # |mean|^2 / variance = 1e8: without the shift float32 products would keep nothing at all
    X = (rng.normal(size=(3000, 4)) + 1e4).astype(np.float32)
    found = xp.numpy(table_moments(xp.asarray(X)).scatter)
    _, scatter = definition(X)
    np.testing.assert_allclose(found, scatter, atol=1e-5 * 3000)


def test_sorted_float32_rows_are_shifted_by_a_sample_from_end_to_end(rng):
    X = rng.normal(size=(20000, 3)).astype(np.float32)
    X[10:] += 1e4  # the first rows say nothing about the mean of the others
    _, scatter = definition(X)
    assert np.abs(table_moments(X).scatter - scatter).max() < 1e-4 * np.abs(scatter).max()


@pytest.mark.parametrize("form", ["csr_matrix", "csc_matrix", "csr_array", "csc_array"])
@pytest.mark.parametrize("center", [True, False])
def test_sparse_equals_dense(rng, form, center):
    X = sp.random(60, 8, density=0.3, random_state=1).toarray()
    w = rng.uniform(0, 2, size=60)
    found = table_moments(getattr(sp, form)(X), w, center=center)
    mean, scatter = definition(X, w, center)
    np.testing.assert_allclose(found.mean, mean, atol=1e-14)
    np.testing.assert_allclose(found.scatter, scatter, atol=1e-13)


def test_sparse_with_unsorted_indices_is_read_right():
    X = sp.csr_matrix((np.array([2.0, 1.0]), np.array([1, 0]), np.array([0, 2, 2])), shape=(2, 2))
    assert not X.has_sorted_indices
    np.testing.assert_allclose(table_moments(X, center=False).scatter, [[1, 2], [2, 4]])
    assert not X.has_sorted_indices  # the input is left as it was


CONSTANTS = np.random.default_rng(7).uniform(-50, 50, size=40).round(2)


def varied_and_constant(rng, n, dtype=np.float64):
    """Three columns of noise, forty of two-decimal constants, in one table."""
    X = np.tile(np.r_[np.zeros(3), 0.1, CONSTANTS], (n, 1))
    X[:, :3] = rng.normal(size=(n, 3))
    return X.astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("n", [7, 1001, 5000])
def test_constant_columns_have_no_variance_whatever_their_value(xp, rng, n, weighted, dtype):
    X = varied_and_constant(rng, n, dtype)
    w = rng.integers(0, 4, size=n).astype(float) if weighted else None
    if weighted:
        w[0] = 0.0
        X[0, 3:] = 77.7  # a row that does not count
    weights = xp.asarray(w) if weighted else None
    found = table_moments(xp.asarray(X), weights)
    mean, variance = column_moments(xp.asarray(X), weights)
    for values in (xp.numpy(found.scatter)[3:, :], xp.numpy(variance)[3:]):
        np.testing.assert_array_equal(values, 0.0)
    for values in (xp.numpy(found.mean), xp.numpy(mean)):
        np.testing.assert_array_equal(values[3:], X[1, 3:].astype(float))


@pytest.mark.parametrize("form", [sp.csr_matrix, sp.csc_matrix])
def test_constant_sparse_columns_have_no_variance_whatever_their_value(rng, form):
    X = varied_and_constant(rng, 1001)
    X[:, :3] *= rng.uniform(size=(1001, 3)) < 0.2
    w = rng.integers(1, 4, size=1001).astype(float)
    found = table_moments(form(X), w)
    np.testing.assert_array_equal(found.scatter[3:, :], 0.0)
    np.testing.assert_array_equal(found.mean[3:], X[0, 3:])
    np.testing.assert_allclose(found.scatter, definition(X, w)[1], atol=1e-10)


def test_sparse_columns_far_from_zero_keep_their_covariances(rng):
    X = rng.normal(size=(2000, 4)) * [1.0, 1.0, 3.0, 1.0] + [0.0, 1e6, 1e6, 2.0]
    X[:, 2] += X[:, 0] + X[:, 1] - 1e6
    w = rng.uniform(0.5, 2.0, size=2000)
    # values near 1e6 are rounded to 1e-10; sums about zero would be off by 1e12 * 2000 * eps
    np.testing.assert_allclose(
        table_moments(sp.csr_matrix(X), w).scatter, definition(X, w)[1], rtol=1e-7, atol=1e-4
    )


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(1, 59), max_size=20), seed=st.integers(0, 99))
def test_constant_columns_stay_constant_in_any_stream(cuts, seed):
    X = varied_and_constant(np.random.default_rng(seed), 60)
    parts = [table_moments(part) for part in np.split(X, sorted(set(cuts)))]
    total = parts[0]
    for part in parts[1:]:
        total = merged_moments(total, part)
    np.testing.assert_array_equal(total.scatter[3:, :], 0.0)
    np.testing.assert_array_equal(total.mean[3:], X[0, 3:])


def test_column_moments_equal_their_definition(xp, rng):
    X = rng.normal(size=(700, 3)) * [1.0, 1e-3, 50.0] + [0.0, 1e5, 3.0]
    w = rng.uniform(0, 3, size=700)
    mean, variance = map(xp.numpy, column_moments(xp.asarray(X), xp.asarray(w)))
    expected, scatter = definition(X, w)
    np.testing.assert_allclose(mean, expected, rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(variance, np.diag(scatter) / w.sum(), rtol=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_deviations_are_zero_for_what_rounding_leaves_and_for_nothing_else(xp, dtype):
    eps = np.finfo(dtype).eps
    X = np.ones((1000, 4), dtype=dtype) * np.asarray([3.7, 3.7, 0.0, -0.4], dtype=dtype)
    X[::3, 0] = np.nextafter(X[0, 0], dtype(9))  # the last bit only
    X[:500, 1] *= dtype(1 + 100 * eps)  # more than rounding: half-width 50 eps
    X[0, 2] = 1e-18  # small beside everything but its own mean
    mean, variance = column_moments(xp.asarray(X))
    found = xp.numpy(deviations(variance, mean, eps))
    exact = X.astype(np.longdouble).std(axis=0).astype(float)
    np.testing.assert_array_equal(found[[0, 3]], 0.0)
    np.testing.assert_allclose(found[[1, 2]], exact[[1, 2]], rtol=1e-3)


def test_time_stamps_keep_their_differences_however_many_there_are(rng):
    seconds = 1.7e9 + rng.uniform(0, 0.2, size=200_000)
    mean, variance = column_moments(seconds[:, None])
    found = deviations(variance, mean, np.finfo(float).eps)
    np.testing.assert_allclose(found, seconds.astype(np.longdouble).std(), rtol=1e-6)


def test_float32_moments_about_the_origin_keep_what_varies_about_a_common_row(rng):
    # rows of a common spectrum and .2 % structure: products of whole rows would lose the structure
    common = rng.uniform(1, 2, size=30)
    X = (common + 0.002 * rng.normal(size=(4000, 2)) @ rng.normal(size=(2, 30))).astype(np.float32)
    found = np.linalg.eigvalsh(table_moments(X, center=False).scatter)[-3:]
    exact = np.linalg.eigvalsh(definition(X, center=False)[1])[-3:]
    np.testing.assert_allclose(found, exact, rtol=1e-4)


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(1, 39), max_size=5), seed=st.integers(0, 99))
def test_any_partition_merges_to_the_whole(cuts, seed):
    X = np.random.default_rng(seed).normal(size=(40, 3)) + 5.0
    parts = [p for p in np.split(X, sorted(set(cuts))) if len(p)]
    total = table_moments(parts[0])
    for part in parts[1:]:
        total = merged_moments(total, table_moments(part))
    whole = table_moments(X)
    np.testing.assert_allclose(total.mean, whole.mean, atol=1e-13)
    np.testing.assert_allclose(total.scatter, whole.scatter, atol=1e-11)
    assert (total.n_samples, total.weight) == (40, 40.0)


def test_weights_equal_repetition(rng):
    X = rng.normal(size=(20, 3))
    w = rng.integers(0, 4, size=20)
    repeated = table_moments(np.repeat(X, w, axis=0))
    weighted = table_moments(X, w.astype(float))
    np.testing.assert_allclose(weighted.scatter, repeated.scatter, atol=1e-12)
    assert weighted.weight == repeated.weight


def test_float32_whose_squares_overflow_is_summed_in_float64(xp):
    X = np.array([[1e25, 0.0], [-1e25, 1.0], [0.0, 2.0]], dtype=np.float32)
    scatter = xp.numpy(table_moments(xp.asarray(X)).scatter)
    # 2e50 up to the rounding of 1e25 to float32
    assert scatter[0, 0] == pytest.approx(2e50, rel=1e-6)


def test_squares_beyond_float64_are_an_error_that_says_what_to_do():
    with pytest.raises(ValueError, match=r"overflow float64.*MaxAbsScaler"):
        table_moments(np.array([[1e200], [-1e200]]))


def test_squares_below_float64_are_an_error_too():
    with pytest.raises(ValueError, match="underflow float64"):
        table_moments(np.array([[1e-200], [-1e-200]]))
    assert not table_moments(np.array([[1e-200], [1e-200]])).scatter.any()  # constant: nothing lost


def test_blocks_cover_every_row_once(monkeypatch):
    monkeypatch.setattr(moments_module, "_BLOCK_BYTES", 1)
    rows = [np.arange(1000)[block] for block in row_blocks(np.empty((1000, 9)))]
    assert len(rows) == 4  # never fewer than 256 rows in one
    np.testing.assert_array_equal(np.concatenate(rows), np.arange(1000))


def test_input_is_never_changed(rng):
    X = rng.normal(size=(10, 3)) + 100.0
    X.setflags(write=False)
    before = X.copy()
    table_moments(X, np.ones(10))
    np.testing.assert_array_equal(X, before)
