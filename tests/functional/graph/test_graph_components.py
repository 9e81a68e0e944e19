"""Components that can be clusters, the part they take, and where the others go."""

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp

from subspace_learn.functional.graph.graph_components import (
    component_indicators,
    component_labels,
    graph_pieces,
    place_components,
    substantial_components,
)


def adjacency(*graphs, weight=0.5):
    return sp.csr_array(
        weight * nx.to_scipy_sparse_array(nx.disjoint_union_all(graphs), dtype=float)
    )


@pytest.mark.parametrize(
    ("graph", "wanted"),
    [
        (nx.empty_graph(1), False),
        (nx.path_graph(2), False),
        (nx.path_graph(4), False),
        (nx.star_graph(3), False),
        (nx.path_graph(5), True),
        (nx.complete_graph(3), True),
        (nx.cycle_graph(4), True),
    ],
)
def test_small_trees_are_not_substantial(graph, wanted):
    A = adjacency(nx.complete_graph(9), graph)
    np.testing.assert_array_equal(substantial_components(A, component_labels(A)[1]), [True, wanted])
    looped = sp.csr_array(A + sp.eye_array(A.shape[0]))  # a self-loop is no cycle
    found = substantial_components(looped, component_labels(looped)[1])
    np.testing.assert_array_equal(found, [True, wanted])


def test_where_all_components_are_small_all_are_substantial():
    A = adjacency(*[nx.path_graph(2)] * 3)
    assert substantial_components(A, component_labels(A)[1]).all()


def test_components_take_part_by_vertices_where_there_are_too_many():
    A = adjacency(nx.complete_graph(30), nx.cycle_graph(12), nx.cycle_graph(6), nx.path_graph(2))
    sizes = {K: graph_pieces(A, K).adjacency.shape[0] for K in (1, 2, 3, None)}
    # of 50 vertices; with K = 2 a tenth of a mean cluster is 2.5, and two of the three take part
    assert sizes == {1: 30, 2: 42, 3: 48, None: 48}
    found = graph_pieces(A, 2)
    assert found.substantial.sum() == 48
    assert [len(piece.vertices) for piece in found.pieces] == [30, 12]
    assert found.pieces[1].adjacency.sum() == 12  # 12 edges of weight .5, both ways


def test_indicators_are_null_vectors_of_the_laplacian():
    A = adjacency(nx.path_graph(6), nx.star_graph(5), weight=3.0)
    root = np.sqrt(np.asarray(A.sum(axis=1)).ravel())
    V = component_indicators(root, component_labels(A)[1])
    np.testing.assert_allclose(V.T @ V, np.eye(2), atol=1e-14)
    np.testing.assert_allclose((A @ (V / root[:, None])) / root[:, None], V, atol=1e-14)


def test_components_left_over_go_to_the_lightest_or_the_most_populous():
    labels = np.array([0, 0, 0, 1, 1, -1, -1, -1])
    components = np.array([0, 0, 0, 1, 1, 2, 3, 3])
    degree = np.array([1.0, 1, 1, 5, 5, 4, 2, 2])
    large = components < 3
    found = place_components(labels, components, degree, large, 2)
    np.testing.assert_array_equal(found, [0, 0, 0, 1, 1, 0, 0, 0])
    everything = np.ones(8, dtype=bool)
    # clusters weigh 3 and 10: a piece of 4 joins the first (7), the next one of 4 too
    found = place_components(labels, components, degree, everything, 2)
    np.testing.assert_array_equal(found, [0, 0, 0, 1, 1, 0, 0, 0])


def test_edges_lost_in_rounding_join_nothing():
    A = adjacency(nx.complete_graph(6), nx.cycle_graph(7)).tolil()
    for light, count in ((1e-13, 2), (1e-11, 1)):
        A[0, 8] = A[8, 0] = light
        assert graph_pieces(sp.csr_array(A), 2).n_components == count
