"""Kernel features against dense decompositions."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import laplacian_kernel, rbf_kernel

from subspace_learn.functional.dynamics.kernel_edmd import (
    KERNELS,
    kernel_features,
    kernel_matrix,
    mean_distance,
)


def test_kernels_are_scikit_learns_where_it_has_them(rng):
    X, Y = rng.normal(size=(20, 3)), rng.normal(size=(10, 3))
    np.testing.assert_allclose(kernel_matrix(X, Y, scale=2.0), rbf_kernel(X, Y, 0.25), atol=1e-14)
    one = rng.normal(size=(20, 1))  # in one dimension its l1 distance is ours
    given = kernel_matrix(one, one, kernel="laplacian", scale=2.0)
    np.testing.assert_allclose(given, laplacian_kernel(one, one, 0.5), atol=1e-14)


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel_is_the_same_in_every_library(kernel, xp, rng):
    X, Y = rng.normal(size=(20, 3)), rng.normal(size=(10, 3)) + 5.0
    given = kernel_matrix(xp.asarray(X), xp.asarray(Y), kernel=kernel, scale=3.0)
    assert xp.owns(given)
    np.testing.assert_allclose(
        xp.numpy(given), kernel_matrix(X, Y, kernel=kernel, scale=3.0), rtol=1e-12
    )
    assert mean_distance(xp.asarray(X)) == pytest.approx(mean_distance(X), rel=1e-13)


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel_is_symmetric_and_semidefinite(kernel, rng):
    X = rng.normal(size=(30, 2))
    gram = kernel_matrix(X, X, kernel=kernel)
    np.testing.assert_allclose(gram, gram.T, atol=1e-12 * np.abs(gram).max())
    assert np.linalg.eigvalsh(gram)[0] > -1e-12 * np.abs(gram).max()


@pytest.mark.parametrize("n", [150, 400])
def test_features_are_orthonormal_and_leading_by_either_solver(n, xp, rng):
    X = rng.normal(size=(n, 2))
    gram = kernel_matrix(X, X)
    coefficients, values = (xp.numpy(part) for part in kernel_features(xp.asarray(gram), 10, rng))
    features = gram @ coefficients
    np.testing.assert_allclose(features.T @ features, np.eye(10), atol=1e-9)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(gram)[::-1][:10], rtol=1e-9)


def test_directions_of_rounding_are_left_out(rng):
    X = np.repeat(rng.normal(size=(3, 2)), 20, axis=0)
    coefficients, values = kernel_features(kernel_matrix(X, X), 10, rng)
    assert coefficients.shape == (60, 3)
    assert len(values) == 3


def test_mean_distance_of_equal_rows_is_one():
    assert mean_distance(np.ones((4, 2))) == 1.0
    assert mean_distance(np.full((1001, 2), 0.1)) == 1.0  # the mean is off by rounding
    assert mean_distance(np.array([[1e6], [1e6 + 1e-3]])) == pytest.approx(5e-4, rel=1e-6)
    assert mean_distance(np.array([[0.0], [2.0]])) == 1.0
