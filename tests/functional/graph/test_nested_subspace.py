"""Nested multigrid against dense eigenvalues, on graphs with and without a geometry."""

import numpy as np
import pytest
import scipy.sparse as sp

from subspace_learn.functional.graph.graph_components import component_labels
from subspace_learn.functional.graph.graph_laplacian import walk_operator
from subspace_learn.functional.graph.nested_subspace import (
    aggregation_levels,
    coarsening_growth,
    nested_eigenpairs,
)


def grid(n, m):
    """Grid graph of n x m vertices."""

    def path(k):
        return sp.diags_array([np.ones(k - 1)] * 2, offsets=[-1, 1])

    return sp.csr_array(sp.kron(path(n), sp.eye_array(m)) + sp.kron(sp.eye_array(n), path(m)))


def expander(n, seed=0):
    rng = np.random.default_rng(seed)
    i, j = rng.integers(0, n, (2, 8 * n))
    A = sp.csr_array((np.ones(8 * n), (i, j)), shape=(n, n))
    return sp.csr_array(A + A.T)


def problem(A):
    operator = walk_operator(A)
    n_components, labels = component_labels(A)
    null = np.zeros((A.shape[0], n_components))
    null[np.arange(A.shape[0]), labels] = operator.root_degree
    laplacian = sp.csr_array(sp.eye_array(A.shape[0]) - operator.edges)
    return laplacian, null / np.linalg.norm(null, axis=0)


@pytest.mark.parametrize(
    "A", [grid(40, 31), sp.block_diag([grid(30, 25), grid(28, 20)], format="csr")]
)
def test_values_and_vectors_are_those_of_the_dense_problem(A):
    L, null = problem(sp.csr_array(A))
    wanted = np.linalg.eigvalsh(L.toarray())
    found = nested_eigenpairs(L, null, 7, rtol=1e-10, max_steps=60, rng=np.random.default_rng(0))
    assert len(found.levels) > 1
    # a step that lowers values by 1e-10 leaves errors of that order times a modest factor
    np.testing.assert_allclose(found.values[:6], wanted[:6], atol=1e-8)
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(7), atol=1e-8)
    residual = L @ found.vectors - found.vectors * found.values
    assert np.linalg.norm(residual[:, :6], axis=0).max() < 1e-3 * wanted[6]


def test_factor_is_subtracted_without_being_formed():
    A = grid(30, 30)
    rng = np.random.default_rng(0)
    B = sp.csr_array(np.eye(5)[rng.integers(0, 5, 900)] * 0.1)
    operator = walk_operator(A, B)
    L = sp.csr_array(sp.eye_array(900) - operator.edges)
    null = (operator.root_degree / np.linalg.norm(operator.root_degree))[:, None]
    wanted = np.linalg.eigvalsh(np.eye(900) - operator.toarray())
    found = nested_eigenpairs(L, null, 5, factor=operator.factor, rtol=1e-10, max_steps=80, rng=rng)
    np.testing.assert_allclose(found.values[:4], wanted[:4], atol=1e-7)


def test_ritz_values_are_upper_bounds_however_few_steps():
    L, null = problem(grid(36, 30))
    wanted = np.linalg.eigvalsh(L.toarray())
    found = nested_eigenpairs(L, null, 6, max_steps=1, rng=np.random.default_rng(0))
    assert np.all(found.values >= wanted[:6] - 1e-12)


def test_levels_are_galerkin_and_keep_the_smooth_vector():
    L, null = problem(grid(40, 40))
    levels = aggregation_levels(L, None, null[:, 0])
    P = levels[0].prolongation
    assert abs(levels[1].laplacian - P.T @ L @ P).max() < 1e-14
    assert abs(levels[1].mass - P.T @ P).max() < 1e-14
    coarse = np.linalg.lstsq(P.toarray(), null[:, 0], rcond=None)[0]
    np.testing.assert_allclose(P @ coarse, null[:, 0], atol=1e-12)
    assert sum(level.laplacian.nnz for level in levels) <= 3 * L.nnz


def test_bound_of_the_radius_holds():
    L, null = problem(grid(25, 20))
    level = aggregation_levels(L, None, null[:, 0])[0]
    scale = 1 / np.sqrt(level.diagonal)
    assert np.linalg.eigvalsh(scale[:, None] * L.toarray() * scale).max() <= level.radius + 1e-12


def test_expanders_fill_in_and_meshes_do_not():
    assert coarsening_growth(grid(60, 60)) < 2
    assert coarsening_growth(expander(3600)) > 4


def test_expanders_are_solved_too():
    L, null = problem(expander(1500))
    found = nested_eigenpairs(L, null, 4, rtol=1e-6, max_steps=100, rng=np.random.default_rng(0))
    wanted = np.linalg.eigvalsh(L.toarray())[:3]
    np.testing.assert_allclose(found.values[:3], wanted, rtol=1e-3, atol=1e-12)
