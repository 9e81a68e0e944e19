"""Walk matrix, components and modularity against dense formulas, networkx and scikit-network."""

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp

from subspace_learn.functional.graph.attribute_graph import attributed_graph
from subspace_learn.functional.graph.block_model import edge_information
from subspace_learn.functional.graph.graph_components import component_labels
from subspace_learn.functional.graph.graph_laplacian import (
    modularity,
    walk_operator,
)


def random_graph(n=40, p=0.15, seed=0, weighted=True):
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.random((n, n)) < p, 1) * (rng.uniform(0.5, 2, (n, n)) if weighted else 1.0)
    return sp.csr_array(upper + upper.T)


def test_walk_matrix_is_the_dense_formula():
    A = random_graph()
    d = A.toarray().sum(axis=1)
    assert d.min() == 0  # an isolated vertex has a step to itself
    wanted = A.toarray() / np.sqrt(np.outer(d + (d == 0), d + (d == 0))) + np.diag(d == 0)
    np.testing.assert_allclose(walk_operator(A).toarray(), wanted)


def test_shift_is_added_to_each_degree():
    A = random_graph()
    d = A.toarray().sum(axis=1) + 2.5
    given = walk_operator(A, shift=2.5)
    np.testing.assert_allclose(given.toarray(), A.toarray() / np.sqrt(np.outer(d, d)))
    np.testing.assert_allclose(given.root_degree**2, d)


def test_eliminated_vertices_are_the_schur_complement_of_the_augmented_laplacian():
    A = random_graph(seed=1)
    X = sp.csr_array((np.random.default_rng(2).random((40, 6)) < 0.4).astype(float))
    graph = attributed_graph(A, X, 0.3)
    C = graph.factor.toarray() * np.sqrt(graph.value_weight)
    W = np.block([[graph.adjacency.toarray(), C], [C.T, np.zeros((6, 6))]])
    L = np.diag(W.sum(axis=1)) - W
    schur = L[:40, :40] - L[:40, 40:] @ np.linalg.solve(L[40:, 40:], L[40:, :40])
    operator = walk_operator(graph.adjacency, graph.factor)
    root = operator.root_degree
    ours = np.diag(root) @ (np.eye(40) - operator.toarray()) @ np.diag(root)
    np.testing.assert_allclose(ours, schur, atol=1e-12)


def test_root_degree_is_a_vector_of_eigenvalue_one():
    graph = attributed_graph(random_graph(seed=3), sp.csr_array(np.eye(4)[np.arange(40) % 4]), 0.5)
    operator = walk_operator(graph.adjacency, graph.factor)
    np.testing.assert_allclose(operator @ operator.root_degree, operator.root_degree)


def test_spectrum_lies_between_minus_one_and_one():
    values = np.linalg.eigvalsh(walk_operator(random_graph(p=0.05)).toarray())
    assert values.min() >= -1 - 1e-12
    assert values.max() <= 1 + 1e-12


def test_share_of_attribute_steps_is_the_weight():
    A = random_graph(seed=4)
    A = A[A.sum(axis=1) > 0][:, A.sum(axis=1) > 0]
    n = A.shape[0]
    graph = attributed_graph(sp.csr_array(A), sp.csr_array(np.ones((n, 2))), 0.25)
    to_values = graph.factor @ (graph.factor.T @ np.ones(n))
    np.testing.assert_allclose(to_values / (to_values + graph.adjacency.sum(axis=1)), 0.25)


def test_values_join_components():
    A = sp.csr_array((4, 4), dtype=float)
    B = sp.csr_array([[1.0, 0], [1, 0], [0, 1], [0, 0]])
    n_components, labels = component_labels(A, B)
    assert n_components == 3
    assert labels[0] == labels[1]


def test_modularity_is_that_of_networkx():
    for weighted in (False, True):
        A = random_graph(seed=5, weighted=weighted)
        labels = np.random.default_rng(0).integers(0, 3, 40)
        groups = [set(np.flatnonzero(labels == k)) for k in range(3)]
        wanted = nx.community.modularity(nx.from_scipy_sparse_array(A), groups)
        assert modularity(A, labels) == pytest.approx(wanted, abs=1e-14)


def test_modularity_is_that_of_scikit_network():
    get_modularity = pytest.importorskip("sknetwork.clustering").get_modularity
    A = random_graph(seed=6, weighted=False)
    labels = np.random.default_rng(1).integers(0, 4, 40)
    assert modularity(A, labels) == pytest.approx(get_modularity(sp.csr_matrix(A), labels))


def test_modularity_without_edges_is_zero():
    assert modularity(sp.csr_array((3, 3)), np.arange(3)) == 0


@pytest.mark.parametrize("measure", [modularity, edge_information])
@pytest.mark.parametrize("form", ["toarray", "tocoo", "tocsc", "todok"])
def test_measures_of_a_partition_take_any_matrix_and_any_names_of_clusters(measure, form):
    graph = nx.karate_club_graph()
    A, clusters = sp.csr_array(nx.to_scipy_sparse_array(graph)), np.arange(34) % 3
    wanted = measure(A, clusters)
    assert wanted != 0
    other = getattr(A, form)()
    for labels in (clusters.tolist(), np.array(["x", "b", "k"])[clusters], clusters - 1):
        assert measure(other, labels) == pytest.approx(wanted, rel=1e-12)
    sets = [set(np.flatnonzero(clusters == k).tolist()) for k in range(3)]
    assert modularity(other, clusters) == pytest.approx(nx.community.modularity(graph, sets))


@pytest.mark.parametrize("measure", [modularity, edge_information])
def test_measures_of_a_partition_refuse_labels_that_are_masked_or_too_few(measure):
    A = sp.csr_array(nx.to_scipy_sparse_array(nx.path_graph(4)))
    with pytest.raises(ValueError, match="one label for each vertex"):
        measure(A, [0, 1, 1])
    with pytest.raises(ValueError, match="masked"):
        measure(A, np.ma.masked_array([0, 0, 1, 1], mask=[0, 0, 0, 1]))
