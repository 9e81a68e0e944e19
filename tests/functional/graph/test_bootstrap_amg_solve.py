"""Null spaces of Laplacians: which components are singular, and what is solved there."""

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp

from subspace_learn.functional.graph.bootstrap_amg import bootstrap_amg, ground_laplacian
from subspace_learn.functional.graph.bootstrap_amg_solve import (
    grounded_system,
    precondition,
    remove_component_means,
    singular_components,
    solve_system,
)


def laplacian(graph, dtype=float):
    return sp.csr_array(nx.laplacian_matrix(graph), dtype=dtype)


@pytest.fixture
def mixed():
    """A singular grid, a shifted path, an isolated vertex (singular), a lone positive entry."""
    path = laplacian(nx.path_graph(30)) + 0.1 * sp.eye_array(30)
    grid = laplacian(nx.grid_2d_graph(12, 12))
    lone = sp.csr_array(np.diag([0.0, 3.0]))
    A = sp.csr_array(sp.block_diag([grid, path, lone]))
    A.eliminate_zeros()
    return A


def solver(A, rng):
    system = grounded_system(A)
    return bootstrap_amg(system.matrix, rng=rng, max_hierarchies=2, max_coarse=10), system


def test_singular_components_are_those_with_a_null_vector(mixed):
    labels = singular_components(mixed)
    np.testing.assert_array_equal(labels, np.r_[np.zeros(144), -np.ones(30), 1, -1])
    assert (singular_components(sp.csr_array(sp.eye_array(3))) == -1).all()


def test_row_sums_of_float32_rounding_count_as_zero(rng):
    graph = nx.gnp_random_graph(80, 0.1, seed=1)
    for _, _, data in graph.edges(data=True):
        data["weight"] = rng.uniform()
    L = laplacian(graph, np.float32)
    assert abs(L.astype(float).sum(axis=1)).max() > 0
    assert (singular_components(L) == 0).all()
    system = grounded_system(L)
    assert np.linalg.eigvalsh(system.matrix.toarray())[0] > 0
    rest = system.matrix - sp.diags_array(system.addition)
    # sums of some ten weights in float64
    np.testing.assert_allclose(np.asarray(rest.sum(axis=1)).ravel(), 0, rtol=0, atol=1e-14)


def test_rows_are_numbered_anew_so_that_neighbours_are_near(rng):
    L = laplacian(nx.grid_2d_graph(20, 20))
    given = rng.permutation(400)
    shuffled = sp.csr_array(L[given][:, given])
    system = grounded_system(shuffled)
    i, j = system.matrix.nonzero()
    assert abs(i - j).max() <= 40  # a front of the grid or two
    order = system.order
    rest = (system.matrix - sp.diags_array(system.addition)).toarray()
    np.testing.assert_allclose(rest, shuffled.toarray()[np.ix_(order, order)], rtol=0, atol=1e-14)
    np.testing.assert_array_equal(system.in_given_order(order[:, None]).ravel(), np.arange(400))


def test_means_are_removed_component_by_component(rng):
    labels = np.array([0, 1, 0, -1, 1, 0])
    X = rng.normal(size=(6, 2))
    found = remove_component_means(X, labels)
    for component in (0, 1):
        np.testing.assert_allclose(found[labels == component].sum(axis=0), 0, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(found[3], X[3])
    assert remove_component_means(X, -np.ones(6, dtype=int)) is X


def test_solutions_are_those_of_the_pseudo_inverse(mixed, rng):
    found, system = solver(mixed, rng)
    B = rng.normal(size=(mixed.shape[0], 3))
    result = solve_system(found.hierarchies, system, B, tol=1e-11)
    # the smallest eigenvalue of a 12 x 12 grid is .068
    wanted = np.linalg.pinv(mixed.toarray()) @ B
    np.testing.assert_allclose(result.X, wanted, rtol=0, atol=1e-11 / 0.068 * np.linalg.norm(B))
    assert result.converged.all()


def test_right_hand_sides_in_the_null_space_have_solution_zero(mixed, rng):
    found, system = solver(mixed, rng)
    B = 0.1 * (singular_components(mixed) == 0)[:, None]
    result = solve_system(found.hierarchies, system, B)
    np.testing.assert_array_equal(result.X, 0)


def test_the_preconditioner_keeps_to_the_range_and_is_symmetric(mixed, rng):
    found, system = solver(mixed, rng)
    n = mixed.shape[0]
    B = precondition(found.hierarchies, system, np.eye(n), "symmetrized")
    np.testing.assert_allclose(B, B.T, rtol=0, atol=1e-9 * abs(B).max())
    labels = singular_components(mixed)
    null = np.stack([labels == 0, labels == 1], axis=1).astype(float)
    np.testing.assert_allclose(B @ null, 0, rtol=0, atol=1e-9 * abs(B).max())
    values = np.linalg.eigvalsh((B + B.T) / 2)
    assert (values[:2] < 1e-9).all()
    assert values[2] > 1e-3


@pytest.mark.parametrize("form", ["toarray", "tocoo", "tocsr"])
def test_a_laplacian_of_integers_is_grounded_like_one_of_floats(form):
    L = sp.csr_array(nx.laplacian_matrix(nx.path_graph(5)))
    assert L.dtype.kind == "i"
    grounded = ground_laplacian(getattr(L, form)(), [0] * 5).toarray()
    np.testing.assert_array_equal(
        grounded, ground_laplacian(L.astype(float), np.zeros(5, dtype=int)).toarray()
    )
    assert np.linalg.eigvalsh(grounded)[0] > 1e-3


def test_means_are_removed_from_integers_and_single_columns():
    X, labels = np.array([1, 2, 5, 7, 9]), [0, 0, 2, 2, -1]
    np.testing.assert_array_equal(remove_component_means(X, labels), [-0.5, 0.5, -1, 1, 9])
    np.testing.assert_array_equal(
        remove_component_means(X[:, None], labels)[:, 0], [-0.5, 0.5, -1, 1, 9]
    )
