"""Block Krylov: exact eigenpairs as oracle, restarts, and the honest stop."""

import numpy as np
import pytest
from scipy.linalg import subspace_angles

from subspace_learn.linalg.krylov import block_krylov, orthonormal_against


def symmetric(rng, values):
    Q, _ = np.linalg.qr(rng.normal(size=(len(values), len(values))))
    S = (Q * values) @ Q.T
    return (S + S.T) / 2, Q


@pytest.mark.parametrize("width", [2, 8])
@pytest.mark.parametrize("n_kept", [4, 20])
def test_pairs_are_exact_with_and_without_restarts(xp, rng, n_kept, width):
    values = 1.0 / np.arange(1, 101)
    S, Q = symmetric(rng, values)
    operator = xp.asarray(S)
    pairs = block_krylov(
        lambda block: operator @ block,
        xp.asarray(rng.normal(size=(100, width))),
        4,
        tol=1e-10,
        max_iter=200,
        n_kept=n_kept,
    )
    assert pairs.converged
    np.testing.assert_allclose(xp.numpy(pairs.values), values[:4], atol=1e-12)
    # Davis-Kahan: angle <= residual / gap = 1e-10 / (1/4 - 1/5)
    assert subspace_angles(xp.numpy(pairs.vectors), Q[:, :4]).max() < 2e-9


def test_residuals_reported_are_the_true_ones(rng):
    S, _ = symmetric(rng, np.linspace(1, 2, 60))
    pairs = block_krylov(lambda B: S @ B, rng.normal(size=(60, 4)), 2, tol=0.0, max_iter=3)
    true = np.linalg.norm(S @ pairs.vectors - pairs.vectors * pairs.values, axis=0)
    np.testing.assert_allclose(pairs.residuals, true, rtol=1e-8)
    assert not pairs.converged
    assert pairs.n_iter == 3


def test_a_rank_deficient_operator_ends_at_once(rng):
    u = rng.normal(size=30)
    u /= np.linalg.norm(u)
    pairs = block_krylov(
        lambda B: np.outer(u, u @ B), rng.normal(size=(30, 5)), 3, tol=1e-12, max_iter=50
    )
    assert pairs.converged
    np.testing.assert_allclose(pairs.values, [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(pairs.vectors.T @ pairs.vectors, np.eye(3), atol=1e-12)


def test_the_zero_operator_is_converged(rng):
    pairs = block_krylov(lambda B: 0 * B, rng.normal(size=(9, 2)), 2, tol=1e-12, max_iter=5)
    assert pairs.converged
    assert not pairs.values.any()


def test_a_space_that_fills_up_gives_all_of_a_small_matrix(rng):
    S, _ = symmetric(rng, np.array([5.0, 5.0, 5.0, 1.0, 1.0]))
    pairs = block_krylov(lambda B: S @ B, rng.normal(size=(5, 3)), 3, tol=0.0, max_iter=50)
    assert pairs.converged
    np.testing.assert_allclose(pairs.values, 5.0, atol=1e-13)


def test_blocks_are_orthogonal_to_the_basis_even_where_they_lie_in_it(rng):
    basis, _ = np.linalg.qr(rng.normal(size=(20, 6)))
    block = np.column_stack([basis[:, 0], basis[:, 1] + 1e-14, rng.normal(size=20)])
    added = orthonormal_against(block, basis)
    np.testing.assert_allclose(basis.T @ added, 0, atol=1e-14)
    np.testing.assert_allclose(added.T @ added, np.eye(3), atol=1e-14)
