"""Low-rank summaries: three ways to the same one, and what merging keeps."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.linalg import subspace_angles

from subspace_learn.linalg.lowrank import (
    centred_table,
    compressed,
    dual_low_rank,
    krylov_low_rank,
    merged_low_rank,
    svd_low_rank,
)
from subspace_learn.linalg.moments import table_moments


def scatter_of(low):
    return (low.basis * low.singular_values**2) @ low.basis.T


@pytest.fixture
def wide(rng):
    return rng.normal(size=(12, 30)) * np.linspace(3, 1, 30) + 2.0


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_all_routes_give_the_scatter_matrix(xp, rng, wide, center, weighted):
    w = rng.uniform(0.5, 2, size=12) if weighted else None
    exact = table_moments(wide, w, center=center)
    table = centred_table(xp.asarray(wide), xp.asarray(w) if weighted else None, center=center)
    krylov, _ = krylov_low_rank(table, 11, n_oversamples=5, tol=1e-12, max_iter=50, rng=rng)
    for low in (svd_low_rank(table), dual_low_rank(table), krylov):
        parts = low._replace(
            basis=xp.numpy(low.basis), singular_values=xp.numpy(low.singular_values)
        )
        rank = len(parts.singular_values)
        kept = exact.scatter if rank >= 12 or (center and rank >= 11) else None
        if kept is not None:
            np.testing.assert_allclose(scatter_of(parts), kept, atol=1e-9)
        assert low.total == pytest.approx(np.trace(exact.scatter), rel=1e-12)
        np.testing.assert_allclose(xp.numpy(low.mean), exact.mean, atol=1e-13)


def test_sparse_routes_equal_dense_ones(rng):
    X = sp.random(15, 40, density=0.2, random_state=0, format="csr")
    w = rng.uniform(0.5, 2, size=15)
    dense = dual_low_rank(centred_table(X.toarray(), w))
    sparse = dual_low_rank(centred_table(X, w))
    np.testing.assert_allclose(scatter_of(sparse), scatter_of(dense), atol=1e-12)
    assert sparse.total == pytest.approx(dense.total, rel=1e-12)
    assert centred_table(X, w).total() == pytest.approx(dense.total, rel=1e-12)


def test_directions_lost_to_rounding_are_completed_to_an_orthonormal_basis(wide):
    low = dual_low_rank(centred_table(wide))  # centring leaves rank 11 of 12
    assert low.singular_values[-1] == 0.0
    np.testing.assert_allclose(low.basis.T @ low.basis, np.eye(12), atol=1e-12)


def test_float32_tables_are_not_copied_to_float64_by_krylov(rng):
    X = rng.normal(size=(300, 50)).astype(np.float32) * np.linspace(5, 1, 50, dtype=np.float32)
    table = centred_table(X)
    low, pairs = krylov_low_rank(table, 3, n_oversamples=10, tol=0.0, max_iter=60, rng=rng)
    exact = np.linalg.svd(X - X.mean(axis=0, dtype=float), full_matrices=False)[2][:3]
    assert pairs.converged  # at the floor that float32 products allow
    assert subspace_angles(low.basis, exact.T).max() < 1e-3


def test_merging_full_rank_summaries_is_exact(xp, rng):
    X = rng.normal(size=(30, 8)) + 4.0
    parts = [svd_low_rank(centred_table(xp.asarray(p))) for p in (X[:13], X[13:])]
    low = merged_low_rank(*parts, 8)
    whole = table_moments(X)
    found = low._replace(basis=xp.numpy(low.basis), singular_values=xp.numpy(low.singular_values))
    np.testing.assert_allclose(scatter_of(found), whole.scatter, atol=1e-11)
    np.testing.assert_allclose(xp.numpy(low.mean), whole.mean, atol=1e-13)
    assert low.total == pytest.approx(np.trace(whole.scatter), rel=1e-12)
    assert low.n_samples == 30


def test_merging_truncated_summaries_keeps_mean_and_total_exact(rng):
    X = rng.normal(size=(60, 20)) + 1.0
    low = svd_low_rank(centred_table(X[:20]), 3)
    for part in (X[20:40], X[40:]):
        low = merged_low_rank(low, svd_low_rank(centred_table(part), 3), 3)
    whole = table_moments(X)
    np.testing.assert_allclose(low.mean, whole.mean, atol=1e-13)
    assert low.total == pytest.approx(np.trace(whole.scatter), rel=1e-12)
    # truncation only ever loses variance
    assert (low.singular_values**2 <= np.linalg.eigvalsh(whole.scatter)[::-1][:3] + 1e-9).all()


def test_compression_keeps_the_leading_part(rng):
    exact = table_moments(rng.normal(size=(50, 6)))
    low = compressed(exact, 2)
    np.testing.assert_allclose(
        low.singular_values**2, np.linalg.eigvalsh(exact.scatter)[::-1][:2], rtol=1e-12
    )
    assert low.total == pytest.approx(np.trace(exact.scatter))
