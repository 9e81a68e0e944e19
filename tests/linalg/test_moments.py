"""Means and scatter matrices: against the definition, and the laws of merging."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import subspace_learn.linalg.moments as moments_module
from subspace_learn.linalg.moments import merged_moments, row_blocks, table_moments


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
