"""Class subspaces, cosines and residuals: oracles by brute force, invariances, limits."""

import numpy as np
import pytest

from subspace_learn.functional.grassmann.nearest_subspace import (
    class_means,
    class_subspaces,
    column_statistics,
    gaps,
    merged_statistics,
    projection_norms,
    row_directions,
    spreads,
    squared_class_residuals,
    typical_length,
    weighted_mean,
)
from subspace_learn.linalg.grassmann import projector, random_point

N, D, C, K = 30, 7, 3, 2


@pytest.fixture
def classes(rng):
    """Rows, their classes, and the row numbers of each class."""
    codes = np.arange(N) % C
    return rng.normal(size=(N, D)), codes, [np.flatnonzero(codes == c) for c in range(C)]


def test_subspaces_are_leading_eigenvectors_of_second_moments(classes, rng, xp):
    X, _, rows = classes
    w = rng.uniform(0.5, 2.0, size=N)
    U, ranks = class_subspaces(
        xp.asarray(X), [xp.asarray(r) for r in rows], K, weights=xp.asarray(w)
    )
    assert ranks == [K] * C
    for c, members in enumerate(rows):
        moments = (X[members].T * w[members]) @ X[members]
        wanted = np.linalg.eigh(moments)[1][:, -K:]
        np.testing.assert_allclose(projector(xp.numpy(U)[c]), projector(wanted), atol=1e-12)


def test_subspaces_of_more_features_than_rows_agree_with_the_svd(rng):
    X = rng.normal(size=(6, 50))
    U, _ = class_subspaces(X, [np.arange(6)], 3)
    wanted = np.linalg.svd(X)[2][:3].T
    np.testing.assert_allclose(projector(U[0]), projector(wanted), atol=1e-12)


def test_a_class_that_spans_less_gets_zero_columns(rng, xp):
    X = np.outer(rng.normal(size=5), rng.normal(size=D))
    U, ranks = class_subspaces(xp.asarray(X), [xp.asarray(np.arange(5))], 3)
    assert ranks == [1]
    U = xp.numpy(U)[0]
    np.testing.assert_allclose(U.T @ U, np.diag([1.0, 0.0, 0.0]), atol=1e-14)
    np.testing.assert_allclose(X @ U @ U.T, X, atol=1e-12)


def test_norms_are_those_of_the_projected_rows(rng, xp):
    X, U = rng.normal(size=(N, D)), random_point(D, K, rng, shape=(C,))
    norms = xp.numpy(projection_norms(xp.asarray(X), xp.asarray(U)))
    for c in range(C):
        np.testing.assert_allclose(
            norms[:, c], np.linalg.norm(X @ projector(U[c]), axis=1), rtol=1e-12
        )


def test_residuals_are_distances_to_the_affine_subspaces(rng, xp):
    X, U = rng.normal(size=(N, D)), random_point(D, K, rng, shape=(C,))
    means = rng.normal(size=(C, D))
    found = xp.numpy(squared_class_residuals(*map(xp.asarray, (X, U, means))))
    for c in range(C):
        # brute force: least squares for the coordinates within the subspace
        target = (X - means[c]).T
        nearest = U[c] @ np.linalg.lstsq(U[c], target, rcond=None)[0]
        np.testing.assert_allclose(found[:, c], np.sum((target - nearest) ** 2, axis=0), rtol=1e-10)


def test_cosine_and_residual_of_a_direction_are_cathetes(rng):
    X, _ = row_directions(rng.normal(size=(N, D)))
    U = random_point(D, K, rng, shape=(C,))
    squares = projection_norms(X, U) ** 2 + squared_class_residuals(X, U, np.zeros((C, D)))
    np.testing.assert_allclose(squares, 1.0, rtol=1e-13)


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_directions_have_length_one_at_any_scale(rng, scale, xp):
    X = rng.normal(size=(N, D))
    X[3] = 0.0
    found, has_direction = row_directions(xp.asarray(X * scale))
    found, has_direction = xp.numpy(found), xp.numpy(has_direction)
    assert has_direction.tolist() == [i != 3 for i in range(N)]
    assert not found[3].any()
    np.testing.assert_allclose(np.linalg.norm(found[has_direction], axis=1), 1.0, rtol=1e-14)


def test_gap_of_rounding_size_is_zero(rng, xp):
    mean = rng.normal(size=D)
    X = np.stack([mean * (1 + 2e-16), mean + 1e-9])
    found = xp.numpy(gaps(xp.asarray(X), xp.asarray(mean)))
    assert not found[0].any()
    assert found[1].all()


def test_means_weigh_rows(classes, rng, xp):
    X, codes, rows = classes
    w = rng.uniform(0.0, 2.0, size=N)
    found = class_means(xp.asarray(X), [xp.asarray(r) for r in rows], xp.asarray(w))
    wanted = [np.average(X[codes == c], axis=0, weights=w[codes == c]) for c in range(C)]
    np.testing.assert_allclose(xp.numpy(found), wanted, atol=1e-14)
    whole = weighted_mean(xp.asarray(X.astype(np.float32)))
    assert whole.dtype == xp.namespace.float32
    np.testing.assert_allclose(xp.numpy(whole), X.mean(axis=0), atol=1e-6)


def test_statistics_of_batches_are_those_of_all_rows(rng, xp):
    X, w = 300 + rng.normal(size=(N, D)) * np.logspace(-2, 3, D), rng.uniform(0.1, 3.0, size=N)
    whole = column_statistics(xp.asarray(X), xp.asarray(w))
    mean = np.average(X, axis=0, weights=w)
    np.testing.assert_allclose(xp.numpy(whole.mean), mean, rtol=1e-13)
    squares = (w[:, None] * (X - mean) ** 2).sum(axis=0)
    np.testing.assert_allclose(xp.numpy(whole.squares), squares, rtol=1e-10)
    parts = [
        column_statistics(xp.asarray(X[rows]), xp.asarray(w[rows]))
        for rows in (slice(0, 1), slice(1, 2), slice(2, 20), slice(20, N))
    ]
    joined = parts[0]
    for part in parts[1:]:
        joined = merged_statistics(joined, part)
    assert joined.weight == pytest.approx(whole.weight)
    np.testing.assert_allclose(xp.numpy(joined.mean), mean, rtol=1e-13)
    np.testing.assert_allclose(xp.numpy(joined.squares), squares, rtol=1e-9)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_spread_of_a_constant_column_is_one_whatever_its_value(rng, dtype):
    X = np.full((1001, 4), 0.1, dtype)
    X[:, 1], X[:, 2], X[:, 3] = 0.0, 1e4, 3 * rng.normal(size=1001)
    found = spreads(column_statistics(X), np.finfo(dtype).eps)
    np.testing.assert_array_equal(found[:3], 1.0)
    assert found[3] == pytest.approx(X[:, 3].std(), rel=1e-6)


def test_typical_length_is_the_root_mean_square(rng):
    X, w, scale = 5 + rng.normal(size=(N, D)), rng.uniform(size=N), rng.uniform(1, 3, size=D)
    origin = rng.normal(size=D)
    lengths = np.linalg.norm((X - origin) / scale, axis=1)
    found = typical_length(column_statistics(X, w), origin, scale)
    assert found == pytest.approx(np.average(lengths**2, weights=w) ** 0.5, rel=1e-12)
    assert typical_length(column_statistics(0 * X), 0 * origin, scale) == 1.0


def test_structure_of_two_percent_about_a_common_mean_is_kept_in_float32(rng, xp):
    """Spectra: the mean holds all but 4e-4 of the energy, and float32 rounds at 6e-8."""
    mean = 5 + np.abs(rng.normal(size=40))
    basis = np.linalg.qr(rng.normal(size=(40, 3)))[0].T
    spread = 0.02 * np.linalg.norm(mean) * np.array([1.0, 0.7, 0.5])
    X = mean + (rng.normal(size=(200, 3)) * spread) @ basis
    single, double = (
        class_subspaces(xp.asarray(X.astype(t)), [xp.asarray(np.arange(200))], 4)
        for t in ("f4", "f8")
    )
    assert single[1] == double[1] == [4]
    # the smallest of them is .01 of the length of the mean, rounding 1e-7 of it
    np.testing.assert_allclose(
        projector(xp.numpy(single[0])[0]), projector(xp.numpy(double[0])[0]), atol=1e-4
    )
