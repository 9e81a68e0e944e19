"""SpectralPositionalEncoding: forms of graphs, bad input, pipelines, large sparse graphs."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from subspace_learn import SpectralPositionalEncoding
from subspace_learn.datasets import DatasetUnavailableError, fetch_attributed_graph

ENCODING = SpectralPositionalEncoding(8)


def ring(n):
    return np.roll(np.eye(n), 1, axis=1) + np.roll(np.eye(n), -1, axis=1)


def test_one_graph_gives_a_table_and_a_list_gives_a_list():
    assert ENCODING.transform(ring(9)).shape == (9, 36)
    listed = ENCODING.fit_transform([ring(9), ring(4)])
    assert [table.shape for table in listed] == [(9, 36), (4, 36)]
    assert len(ENCODING.get_feature_names_out()) == 36


def test_edges_given_twice_add_up():
    edges = np.array([[0, 1, 0, 1, 1, 2], [1, 0, 1, 0, 2, 1]])
    adjacency = np.array([[0, 2, 0], [2, 0, 1], [0, 1, 0]])
    np.testing.assert_array_equal(ENCODING.transform(edges), ENCODING.transform(adjacency))
    twice = sp.coo_array((np.ones(6), edges), shape=(3, 3))
    np.testing.assert_array_equal(ENCODING.transform(twice), ENCODING.transform(adjacency))
    assert twice.nnz == 6


@pytest.mark.parametrize("dtype", [np.uint8, np.uint64, np.int16])
def test_edges_may_be_numbered_by_any_integers(dtype):
    edges = np.array([[0, 1, 1, 2], [1, 0, 2, 1]])
    np.testing.assert_array_equal(
        ENCODING.transform(edges.astype(dtype)), ENCODING.transform(edges)
    )


def test_nodes_without_edges_are_counted_by_n_nodes():
    edges = np.array([[0, 1], [1, 0]])
    Z = ENCODING.transform((edges, 4))
    assert Z.shape == (4, 36)
    np.testing.assert_array_equal(Z[2], Z[3])
    none = ENCODING.transform((np.empty((2, 0), dtype=int), 2))
    np.testing.assert_array_equal(none, Z[2:])
    # one eigenpair, u = 0: exp(0) on the diagonal, in the sum, and squared at the node itself
    np.testing.assert_allclose(Z[2, :3], 1, rtol=1e-15)


def test_networkx_weights_loops_and_names_of_nodes_count():
    graph = nx.Graph()
    graph.add_edge("b", "a", weight=2.0)
    graph.add_edge("a", "c")
    graph.add_edge("c", "c", weight=3.0)
    adjacency = np.array([[0, 2, 0], [2, 0, 1], [0, 1, 3.0]])  # in the order b, a, c
    np.testing.assert_array_equal(ENCODING.transform(graph), ENCODING.transform(adjacency))
    np.testing.assert_allclose(adjacency, nx.to_numpy_array(graph))
    several = nx.MultiGraph([(0, 1), (0, 1), (1, 2)])
    np.testing.assert_array_equal(
        ENCODING.transform(several), ENCODING.transform(nx.to_numpy_array(several))
    )


def test_self_loops_slow_the_walk():
    bare, looped = ring(6), ring(6) + np.eye(6)
    walk2 = SpectralPositionalEncoding(None, filters=[lambda u: (1 - u) ** 2])
    np.testing.assert_allclose(walk2.transform(bare)[:, 0], 2 / 4, rtol=1e-13)
    np.testing.assert_allclose(walk2.transform(looped)[:, 0], 3 / 9, rtol=1e-13)


def test_rounding_in_the_weights_is_not_called_asymmetry():
    A = ring(9) * np.pi
    other = A.copy()
    other[0, 1] *= 1 + 1e-15
    np.testing.assert_allclose(ENCODING.transform(other), ENCODING.transform(A), rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (nx.DiGraph([(0, 1)]), r"directed.*to_undirected"),
        (nx.Graph(), "no nodes"),
        (np.array([[0, 1, 2], [1, 2, 0]]), "not symmetric: 3 pairs"),
        ((np.array([[0, 1], [1, 0]]), 1), r"name nodes 0 to 1.*n_nodes - 1 = 0"),
        ((np.array([[0, -1], [-1, 0]]), 2), "name nodes -1 to 0"),
        ((np.array([[0.0, 1], [1, 0]]), 2), "integers of shape"),
        ((np.zeros((3, 4), dtype=int), 5), r"shape \(3, 4\)"),
        (np.zeros((5, 3)), "kneighbors_graph"),
        (3.0, "0D array of type float"),
        (None, "0D array of type NoneType"),
        ([ring(4), -ring(4)], "graph 1 has 8 negative weights"),
        ([], "empty list"),
    ],
)
def test_bad_graphs_are_refused_with_what_to_do(bad, match):
    for method in (clone(ENCODING).fit, clone(ENCODING).transform):
        with pytest.raises(ValueError, match=match):
            method(bad)


def test_too_large_a_dense_problem_is_refused_with_its_size():
    edges = np.stack([np.arange(20000), (np.arange(20000) + 1) % 20000])
    graph = (np.hstack([edges, edges[::-1]]), 20000)
    with pytest.raises(ValueError, match=r"8\.9 GiB.*n_components to at most 4999"):
        SpectralPositionalEncoding(None).transform(graph)


@pytest.mark.parametrize("bad", [[1.0], [lambda u: u[:2]], [lambda u: np.nan * u], []])
def test_filters_must_be_functions_of_arrays(bad):
    with pytest.raises(ValueError, match="filters"):
        SpectralPositionalEncoding(filters=bad).fit(ring(4))


@pytest.mark.parametrize("settings", [{"n_components": 0}, {"filters": "no"}, {"taper": 2}])
def test_bad_parameters_are_refused_without_a_fit_too(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        SpectralPositionalEncoding(**settings).transform(ring(4))


def test_hard_cut_through_a_repeated_eigenvalue_warns_and_stays_invariant():
    hard = SpectralPositionalEncoding(4, taper=False)
    with pytest.warns(UserWarning, match="cuts through a repeated eigenvalue.*1 eigenvectors"):
        Z = hard.transform(ring(20))
    np.testing.assert_allclose(Z, np.broadcast_to(Z[0], Z.shape), rtol=0, atol=1e-12)


def test_ten_thousand_nodes_need_no_square_matrix(rng):
    n = 10_000
    i, j = rng.integers(0, n, (2, 8 * n))
    A = sp.csr_array((np.ones(8 * n), (i, j)), shape=(n, n), dtype=np.float32)
    Z = SpectralPositionalEncoding(4).fit_transform(sp.csr_array(A + A.T))
    assert Z.dtype == np.float32
    assert np.isfinite(Z).all()
    # sum of squares of the vector of eigenvalue 0, sqrt(degree): each filter's trace is at least 1
    heat = Z[:, 0].sum(dtype=np.float64)
    assert 1 - 1e-4 < heat < 4


def test_a_classifier_behind_it_learns_roles():
    """Hubs and leaves of stars of several sizes, trained and tested on different graphs."""
    stars = [nx.star_graph(k) for k in range(4, 16)]
    roles = [np.arange(k + 1) == 0 for k in range(4, 16)]
    tables = SpectralPositionalEncoding(None).transform(stars)
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(np.concatenate(tables[::2]), np.concatenate(roles[::2]))
    assert model.score(np.concatenate(tables[1::2]), np.concatenate(roles[1::2])) == 1


def test_real_graph_with_isolated_nodes_is_ordinary_input():
    try:
        graph = fetch_attributed_graph("polblogs")
    except (DatasetUnavailableError, ImportError) as error:
        pytest.skip(f"polblogs cannot be had: {error}")
    Z = SpectralPositionalEncoding().fit_transform(graph.adjacency)
    assert Z.dtype == np.float32
    assert Z.shape == (1490, 36)
    isolated = np.asarray(graph.adjacency.sum(axis=1)).ravel() == 0
    assert isolated.sum() == 266
    assert np.ptp(Z[isolated], axis=0).max() == 0


def test_verbose_tells_which_graph_it_is_at(capsys):
    SpectralPositionalEncoding(None, verbose=1).transform([nx.path_graph(3), nx.star_graph(4)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "[SpectralPositionalEncoding] graph 2 of 2: 5 nodes"
