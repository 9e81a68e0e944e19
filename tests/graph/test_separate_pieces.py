"""Separate pieces of a graph are clusters; the eigengap counts them, and may find no structure."""

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.cluster import SpectralClustering
from sklearn.metrics import adjusted_rand_score

from subspace_learn import BootstrapAMG, SpectralAMGClustering


def graph_model(K, **settings):
    return SpectralAMGClustering(K, affinity="precomputed", random_state=0, **settings)


def union(*graphs, weight=1.0):
    """Adjacency of graphs side by side, and which graph each vertex is of."""
    A = sp.csr_array(weight * nx.to_scipy_sparse_array(nx.disjoint_union_all(graphs), dtype=float))
    return A, np.repeat(np.arange(len(graphs)), [len(graph) for graph in graphs])


def weight_cut(A, labels):
    A = sp.coo_array(A)
    return A.data[labels[A.coords[0]] != labels[A.coords[1]]].sum()


def cliques(count):
    return sp.csr_array(
        sp.block_diag([np.ones((size, size)) - np.eye(size) for size in range(3, 3 + count)])
    )


PAIRS = [
    (300, 0.04, 20, 0.3),
    (300, 0.04, 10, 0.6),
    (1000, 0.01, 20, 0.3),
    (200, 0.1, 100, 0.05),
    (2000, 0.005, 40, 0.2),
    (300, 0.04, 12, 0.4),
]


@pytest.mark.parametrize("case", PAIRS)
def test_two_random_graphs_side_by_side_are_two_clusters_as_scikit_learn_finds(case):
    n, p, m, q = case
    A, truth = union(
        nx.gnp_random_graph(n, p, seed=1), nx.gnp_random_graph(m, q, seed=1), weight=3.0
    )
    model = graph_model(2).fit(A)
    assert adjusted_rand_score(truth, model.labels_) == 1
    assert weight_cut(A, model.labels_) == 0
    assert model.strategy_ == "components"
    with pytest.warns(UserWarning, match="not fully connected"):
        peer = SpectralClustering(2, affinity="precomputed", random_state=0).fit(sp.csr_matrix(A))
    assert adjusted_rand_score(peer.labels_, model.labels_) == 1


@pytest.mark.parametrize("strategy", ["auto", "filter", "block", "bootstrap"])
def test_no_cluster_reaches_over_two_pieces_and_the_largest_is_divided(strategy):
    blocks = nx.stochastic_block_model(
        [80] * 3, [[0.2 if i == j else 0.01 for i in range(3)] for j in range(3)], seed=0
    )
    A, piece = union(nx.Graph(blocks), nx.complete_graph(8))
    truth = np.where(piece == 1, 3, np.arange(len(piece)) // 80)
    model = graph_model(4, strategy=strategy).fit(A)
    assert adjusted_rand_score(truth, model.labels_) > 0.95
    assert not set(model.labels_[piece == 0]) & set(model.labels_[piece == 1])


def test_isolated_vertices_change_no_label_of_the_others():
    A, truth = union(nx.gnp_random_graph(300, 0.04, seed=0), nx.gnp_random_graph(20, 0.3, seed=0))
    alone = sp.block_diag([A, sp.csr_array((7, 7))], format="csr")
    model = graph_model(2).fit(alone)
    assert adjusted_rand_score(truth, model.labels_[:320]) == 1
    assert model.n_left_out_ == 7
    assert (model.labels_[320:] == model.labels_[0]).all()  # the most populous cluster
    assert model.n_connected_components_ == 9


def test_a_pair_beside_two_communities_is_no_community():
    """It would waste a cluster on what every sparse graph loses at its rim."""
    graph = nx.stochastic_block_model([60, 60], [[0.2, 0.02], [0.02, 0.2]], seed=0)
    A, _ = union(nx.Graph(graph), nx.path_graph(2))
    model = graph_model(2).fit(A)
    assert adjusted_rand_score(np.arange(120) // 60, model.labels_[:120]) > 0.9
    assert model.n_left_out_ == 2


@pytest.mark.parametrize("count", [2, 9, 12, 28, 31, 45])
def test_eigengap_counts_any_number_of_cliques(count):
    model = graph_model("eigengap").fit(cliques(count))
    assert model.n_clusters_ == count
    assert weight_cut(cliques(count), model.labels_) == 0
    assert model.eigengap_.reason == f"{count} clusters: the graph falls apart into {count} pieces."


def test_eigengap_finds_twelve_separated_blobs():
    places = np.stack(np.meshgrid(np.arange(4), np.arange(3)), axis=-1).reshape(-1, 2)
    X = np.random.default_rng(0).normal(size=(1200, 2)) + 40 * np.repeat(places, 100, axis=0)
    model = SpectralAMGClustering("eigengap", random_state=0).fit(X)
    assert model.n_clusters_ == 12
    assert adjusted_rand_score(np.repeat(np.arange(12), 100), model.labels_) == 1


def test_pieces_that_hang_together_by_few_edges_are_found_beside_separate_ones():
    joined = sp.block_diag([np.ones((9, 9)) - np.eye(9)] * 3, format="lil")
    joined[0, 9] = joined[9, 0] = 1
    model = graph_model("eigengap").fit(joined.tocsr())
    assert model.n_connected_components_ == 2
    assert model.n_clusters_ == 3


@pytest.mark.parametrize(
    "graph",
    [
        nx.complete_graph(5),
        nx.complete_graph(60),
        nx.star_graph(30),
        nx.complete_bipartite_graph(20, 30),
        nx.gnp_random_graph(200, 0.1, seed=0),
        nx.gnp_random_graph(1000, 0.02, seed=0),
        nx.random_regular_graph(4, 200, seed=0),
        nx.grid_2d_graph(20, 20),
    ],
    ids=lambda graph: f"{len(graph)} vertices",
)
def test_eigengap_answers_one_where_there_is_no_structure(graph):
    model = graph_model("eigengap").fit(nx.to_scipy_sparse_array(graph, dtype=float))
    assert model.n_clusters_ == 1
    assert not model.labels_.any()
    assert model.eigengap_.reason.startswith("1 cluster: no")


@pytest.mark.parametrize("dimension", [2, 3, 5, 10])
def test_one_cloud_of_points_is_one_cluster(dimension):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        for X in (rng.normal(size=(250, dimension)), rng.random((250, dimension))):
            model = SpectralAMGClustering("eigengap", random_state=0).fit(1e3 * X)
            assert model.n_clusters_ == 1, model.eigengap_.reason


def test_a_configured_solver_is_used_as_it_is():
    A, _ = union(
        nx.Graph(nx.stochastic_block_model([200, 200], [[0.1, 0.01], [0.01, 0.1]], seed=1))
    )
    amg = BootstrapAMG(max_hierarchies=2, target_rate=1e-6, n_sweeps=3, random_state=7)
    one, two = (
        graph_model(2, strategy=amg).set_params(random_state=seed).fit(A) for seed in (0, 1)
    )
    assert one.strategy_ == "bootstrap"
    assert len(one.convergence_rates_) == 2
    np.testing.assert_array_equal(one.convergence_rates_, two.convergence_rates_)
    with pytest.raises(ValueError, match="target_rate"):
        graph_model(2, strategy=BootstrapAMG(target_rate=2)).fit(A)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"gamma": 0.3}, "gamma"),
        ({"n_neighbors": 4}, "n_neighbors"),
        ({"attribute_weight": 0.3}, "attribute_weight"),
        ({"attribute_block": "all"}, "attribute_block"),
        ({"assign_labels": "cluster_qr", "n_init": 3}, "n_init"),
    ],
)
def test_a_parameter_that_does_nothing_says_so(settings, name):
    with pytest.warns(UserWarning, match=f"{name}=.* does nothing here"):
        graph_model(2, **settings).fit(cliques(3))


@pytest.mark.parametrize("light", [1e-14, 1e-6, 1.0])
def test_a_small_community_that_hangs_on_by_one_edge_is_found(light):
    graph = nx.disjoint_union(
        nx.gnp_random_graph(1000, 0.01, seed=1), nx.gnp_random_graph(20, 0.3, seed=1)
    )
    graph.add_edge(3, 1002, weight=light)
    A = sp.csr_array(nx.to_scipy_sparse_array(graph, dtype=float))
    labels = graph_model(2).fit(A).labels_
    assert adjusted_rand_score(np.arange(1020) < 1000, labels) > 0.98
