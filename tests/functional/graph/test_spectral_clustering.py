"""Low vectors against LAPACK by every solver, labels of pieces, and numbers of clusters."""

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp

from subspace_learn.functional.graph.graph_components import component_labels, graph_pieces
from subspace_learn.functional.graph.graph_laplacian import walk_operator
from subspace_learn.functional.graph.spectral_clustering import (
    canonical_labels,
    cluster_rows,
    labels_by_piece,
    low_vectors,
    oriented,
)


@pytest.fixture(scope="module")
def grid():
    return sp.csr_array(2.5 * nx.to_scipy_sparse_array(nx.grid_2d_graph(25, 40), dtype=float))


@pytest.mark.parametrize("strategy", ["filter", "block"])
def test_values_and_vectors_are_those_of_the_walk_matrix(grid, strategy, rng):
    operator = walk_operator(grid)
    wanted = np.linalg.eigvalsh(operator.toarray())[::-1][:6]
    found = low_vectors(
        operator, 6, component_labels(grid)[1], strategy=strategy, fine=True, rng=rng
    )
    assert found.strategy == strategy
    # the last pair is rough; the first five are within a twentieth of 1 - value
    np.testing.assert_allclose(1 - found.values[:5], 1 - wanted[:5], rtol=0.05, atol=1e-7)
    V = found.vectors[:, :5]
    np.testing.assert_allclose(V.T @ V, np.eye(5), atol=1e-8)
    rayleigh = np.einsum("ij,ij->j", V, operator @ V)
    np.testing.assert_allclose(rayleigh, found.values[:5], atol=1e-3)
    np.testing.assert_array_equal(oriented(found.vectors), found.vectors)


def test_clusters_are_numbered_by_weight_in_any_unit():
    labels, weights = np.array([0, 1, 1, 2, 3]), np.array([4.0, 1.0, 2.0, 9.0, 3.0])
    wanted = np.array([1, 2, 2, 0, 3])  # 9, 4, then two vertices of 3 in all before one of 3
    for unit in (1.0, 1e-12, 1e-300, 1e12):
        np.testing.assert_array_equal(canonical_labels(labels, unit * weights), wanted)


def test_equal_rows_give_fewer_clusters_and_a_word():
    rows = np.repeat(np.eye(2), 4, axis=0)
    with pytest.warns(UserWarning, match="2 clusters were found, not 3"):
        labels = cluster_rows(rows, 3)
    assert len(np.unique(labels)) == 2


def test_the_piece_whose_division_says_most_about_the_edges_is_divided(rng):
    """Two cliques joined by an edge in one piece, a complete graph in the other."""
    cliques = sp.block_diag([np.ones((9, 9)) - np.eye(9)] * 2, format="lil")
    cliques[0, 9] = cliques[9, 0] = 1
    even = nx.to_scipy_sparse_array(nx.complete_graph(18), dtype=float)
    A = sp.csr_array(sp.block_diag([cliques, even], format="csr"))
    pieces = graph_pieces(A, 3).pieces
    rows = np.zeros((36, 3))
    rows[:9, 0], rows[9:18, 1] = 1, 1
    rows[18:, 2] = np.where(np.arange(18) % 2, 1.0, 0.5)
    labels = labels_by_piece(rows, pieces=pieces, n_clusters=3, method="kmeans", rng=rng)
    assert [len(set(labels[part])) for part in (slice(9), slice(9, 18), slice(18, 36))] == [1, 1, 1]
    assert len(set(labels)) == 3


@pytest.mark.parametrize("strategy", ["filter", "block"])
def test_vectors_of_pieces_do_not_depend_on_the_order_of_rows(strategy, rng):
    graphs = [nx.gnp_random_graph(n, 8 / n, seed=2) for n in (500, 300)]
    A = 0.7 * nx.to_scipy_sparse_array(nx.disjoint_union_all(graphs), dtype=float)
    order = rng.permutation(800)
    first, second = (
        low_vectors(
            walk_operator(M), 6, component_labels(M)[1], strategy=strategy, fine=True, rng=rng
        )
        for M in (sp.csr_array(A), sp.csr_array(sp.csr_array(A)[order][:, order]))
    )
    n_null = int(np.sum(first.values > 1 - 1e-9))
    assert n_null >= 2
    np.testing.assert_allclose(
        second.vectors[:, :n_null], first.vectors[order, :n_null], atol=1e-12
    )
