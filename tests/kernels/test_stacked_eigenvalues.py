"""Eigenvalues in lanes against LAPACK, one matrix at a time."""

import numpy as np
import pytest

from subspace_learn.kernels.stacked_eigenvalues import lane_eigenvalues


def in_lanes(matrices):
    """Sorted eigenvalues by the kernel; rows belong to matrices."""
    lanes = np.array(np.moveaxis(matrices, 0, -1), order="C")  # a copy: the kernel writes
    found = np.empty(lanes.shape[1:])
    assert lane_eigenvalues(lanes, found)
    return np.sort(found.T, axis=1)


def scaled(matrices):
    return matrices / np.linalg.norm(matrices, axis=(1, 2), keepdims=True)


def tolerance(n):
    # Householder and QL are backward stable: n eps of the norm, which is 1, with a factor to spare
    return 4 * n * np.finfo(float).eps


@pytest.mark.parametrize("n", [1, 2, 3, 9])
def test_kernel_equals_lapack(rng, n):
    matrices = rng.standard_normal((5, n, n))
    matrices = scaled(matrices + matrices.swapaxes(1, 2))
    wanted = np.linalg.eigvalsh(matrices)
    np.testing.assert_allclose(in_lanes(matrices), wanted, atol=tolerance(n))


def test_only_the_lower_triangle_is_read(rng):
    matrices = rng.standard_normal((4, 6, 6))
    matrices = scaled(matrices + matrices.swapaxes(1, 2))
    np.testing.assert_array_equal(in_lanes(np.tril(matrices)), in_lanes(matrices))


def test_hard_matrices_share_a_sweep(rng):
    """Diagonal, zero, split in two, low rank, repeated and graded eigenvalues side by side."""
    n = 8
    line = rng.standard_normal((n, 1))
    split = np.zeros((n, n))
    split[:4, :4], split[4:, 4:] = 1.0, np.diag(np.arange(4.0)) + np.eye(4)[::-1]
    rotation = np.linalg.qr(rng.standard_normal((n, n)))[0]
    matrices = np.stack(
        [
            np.diag(np.arange(n) - 3.0),
            np.zeros((n, n)),
            np.eye(n),
            split,
            line @ line.T,
            rotation * np.repeat([1.0, 2.0], 4) @ rotation.T,
            rotation * 10.0 ** -np.arange(0, 16, 2) @ rotation.T,
            np.eye(n)[::-1],
        ]
    )
    norms = np.maximum(np.linalg.norm(matrices, axis=(1, 2), keepdims=True), 1e-300)
    matrices = (matrices + matrices.swapaxes(1, 2)) / 2 / norms
    wanted = np.linalg.eigvalsh(matrices)
    np.testing.assert_allclose(in_lanes(matrices), wanted, atol=tolerance(n))


def test_a_matrix_does_not_depend_on_its_neighbours(rng):
    matrices = rng.standard_normal((6, 7, 7))
    matrices = scaled(matrices + matrices.swapaxes(1, 2))
    alone = np.concatenate([in_lanes(matrices[i : i + 1]) for i in range(6)])
    # instructions for many lanes may fuse a multiplication and an addition
    np.testing.assert_allclose(in_lanes(matrices), alone, atol=tolerance(7))
