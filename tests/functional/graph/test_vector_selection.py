"""Gaps, ladders and trials."""

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp

from subspace_learn.functional.graph.vector_selection import (
    best_trial,
    eigengap_clusters,
    random_graph_edge,
    relative_gap,
    transitivity,
    vector_ladder,
)


def test_gap_is_free_of_scale():
    values = np.array([0, 0.1, 0.2, 0.8])
    assert relative_gap(1e-5 * values, 3) == pytest.approx(relative_gap(values, 3)) == 0.75


def test_components_are_a_full_gap_and_repeated_zeros_none():
    assert relative_gap([0, 0, 0.3], 2) == 1
    assert relative_gap([0, 0, 0], 2) == 0


def test_eigengap_counts_components_and_says_why():
    proposal = eigengap_clusters(np.array([0, 0, 0, 0.2, 0.25, 0.3]))
    assert proposal.n_clusters == 3
    assert proposal.gap == 1
    assert proposal.reason.startswith("3 clusters: Laplacian eigenvalue 4 (0.2)")


def test_eigengap_looks_for_clusters_among_values_below_one():
    star = np.array([0.0, *[1.0] * 19, 2.0])
    assert eigengap_clusters(star).n_clusters == 1
    assert "no eigenvalue" in eigengap_clusters(star).reason


def test_ladder_holds_k_and_stays_within_what_there_is():
    for K in (1, 2, 5, 30):
        for most in (K, 2 * K, 10 * K):
            ladder = vector_ladder(K, most)
            assert ladder[0] == K
            assert ladder[-1] <= most
            assert ladder == sorted(set(ladder))
    assert vector_ladder(9, 4) == [4]


def test_first_of_equal_trials_is_kept():
    trials = [(0.0, 2), (0.0, 3), (4.0, 3), (4.0, 5)]
    choice = best_trial(trials, lambda trial: float(trial[1] == 3))
    assert (choice.shift, choice.n_components) == (0.0, 3)
    assert choice.information == {(0.0, 2): 0, (0.0, 3): 1, (4.0, 3): 1, (4.0, 5): 0}


def test_random_graphs_begin_where_they_should():
    for d in (3, 6, 20):
        A = 0.1 * nx.to_scipy_sparse_array(nx.random_regular_graph(d, 600, seed=1), dtype=float)
        assert random_graph_edge(A) == pytest.approx(1 - 2 * np.sqrt(d - 1) / d)
        second = np.linalg.eigvalsh(A.toarray() / (0.1 * d))[-2]
        assert 1 - second == pytest.approx(random_graph_edge(A), abs=0.05)
    assert random_graph_edge(sp.csr_array((3, 3))) == 0


def test_neighbours_of_unequal_weight_count_by_their_effective_number():
    A = sp.csr_array(np.array([[0, 3.0, 1], [3, 0, 1], [1, 1, 0]]))
    # 16 / 10, 16 / 10 and 4 / 2; fewer than two neighbours count as two
    assert random_graph_edge(A) == 0
    star = 7 * nx.to_scipy_sparse_array(nx.star_graph(30), dtype=float)
    d = (30 + 30 * 1) / 31
    assert random_graph_edge(star) == pytest.approx(1 - 2 * np.sqrt(max(d, 2) - 1) / max(d, 2))


@pytest.mark.parametrize(
    "graph", [nx.karate_club_graph(), nx.gnp_random_graph(80, 0.2, seed=0), nx.star_graph(9)]
)
def test_transitivity_is_networkx_s(graph):
    A = sp.csr_array(nx.to_scipy_sparse_array(graph, weight=None, dtype=float) * 0.3)
    assert transitivity(A) == pytest.approx(nx.transitivity(graph), rel=1e-12)
    looped = sp.csr_array(A + sp.eye_array(len(graph)))
    assert transitivity(looped) == pytest.approx(nx.transitivity(graph), rel=1e-12)


def test_pieces_are_clusters_and_a_clear_gap_beyond_them_counts():
    values = np.array([0, 0, 0.01, 0.3, 0.4])
    assert eigengap_clusters(values, n_components=2).n_clusters == 3
    assert eigengap_clusters(np.array([0, 0, 0.2, 0.3, 0.4]), n_components=2).n_clusters == 2


def test_closed_triangles_raise_the_gap_that_is_needed():
    values = np.array([0, 0.05, 0.13, 0.5, 0.6])
    assert eigengap_clusters(values, edge=0.5).n_clusters == 3
    assert eigengap_clusters(values * 0.9, edge=0.5, closed=0.6).n_clusters == 3  # .74
    closer = np.array([0, 0.05, 0.2, 0.5, 0.6])
    assert eigengap_clusters(closer, edge=0.5).n_clusters == 2  # .75
    cloud = np.array([0, 0.2, 0.21, 0.5, 0.6])  # .58
    assert eigengap_clusters(cloud, edge=0.5).n_clusters == 3
    assert eigengap_clusters(cloud, edge=0.5, closed=0.6).n_clusters == 1
