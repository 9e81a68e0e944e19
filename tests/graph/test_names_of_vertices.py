"""Vertices keep their names: labels come out under them, attributes and edges are matched."""

import networkx as nx
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.metrics import adjusted_rand_score

from subspace_learn import BootstrapAMG, SpectralAMGClustering, SpectralPositionalEncoding

N = 120
TRUTH = pd.Series(
    np.arange(N) // 40, index=[f"v{i:03d}" for i in np.random.default_rng(5).permutation(N)]
)
SHUFFLED = np.random.default_rng(6).permutation(N)


def named_graph(weight=2.0):
    rng = np.random.default_rng(0)
    same = TRUTH.to_numpy()[:, None] == TRUTH.to_numpy()
    upper = np.triu(rng.random((N, N)) < np.where(same, 0.25, 0.03), 1)
    graph = nx.Graph()
    graph.add_nodes_from(TRUTH.index)
    i, j = upper.nonzero()
    ends = zip(TRUTH.index[i], TRUTH.index[j], strict=True)
    graph.add_weighted_edges_from((a, b, weight) for a, b in ends)
    return graph


GRAPH = named_graph()
MATRIX = pd.DataFrame(nx.to_numpy_array(GRAPH), index=TRUTH.index, columns=TRUTH.index)
EDGES = nx.to_pandas_edgelist(GRAPH)


def graph_model(**settings):
    return SpectralAMGClustering(3, affinity="precomputed", random_state=0, **settings)


def both_directions():
    turned = EDGES.rename(columns={"source": "target", "target": "source"})
    return pd.concat([EDGES, turned])


FORMS = {
    "networkx": GRAPH,
    "matrix": MATRIX,
    "matrix with shuffled columns": MATRIX.iloc[:, SHUFFLED],
    "list of edges": EDGES,
    "list of edges in both directions": both_directions(),
    "list of edges in another order": EDGES.sample(frac=1, random_state=0),
    "from and to": EDGES.rename(columns={"source": "from", "target": "to"}),
    "polars": pl.DataFrame({name: EDGES[name].tolist() for name in EDGES}),
}


@pytest.mark.parametrize("form", FORMS)
def test_labels_come_out_under_the_names(form):
    model = graph_model().fit(FORMS[form])
    found = model.labels_by_name_
    assert sorted(found.index) == sorted(TRUTH.index)
    assert adjusted_rand_score(TRUTH, found.loc[TRUTH.index]) > 0.95
    assert model.affinity_matrix_.max() == 2
    assert model.affinity_matrix_.sum() == pytest.approx(MATRIX.to_numpy().sum())
    np.testing.assert_array_equal(found.to_numpy(), model.labels_)
    assert list(found.index) == model.vertex_names_


def test_igraph_graphs_keep_names_and_weights():
    igraph = pytest.importorskip("igraph")
    model = graph_model().fit(igraph.Graph.from_networkx(GRAPH, vertex_attr_hashable="name"))
    assert adjusted_rand_score(TRUTH, model.labels_by_name_.loc[TRUTH.index]) > 0.95


def test_a_graph_known_by_its_methods_alone_is_read_as_igraph_is():
    class Sequence(list):
        def __init__(self, columns):
            self.columns = columns

        def attributes(self):
            return list(self.columns)

        def __getitem__(self, name):
            return self.columns[name]

    class Graph:
        vs = Sequence({"name": ["a", "b", "c", "d"]})
        es = Sequence({"weight": [5.0, 5.0, 1.0]})
        is_directed = staticmethod(lambda: False)
        get_edgelist = staticmethod(lambda: [(0, 2), (1, 3), (0, 1)])

    model = SpectralAMGClustering(2, affinity="precomputed", random_state=0).fit(Graph())
    labels = model.labels_by_name_
    assert labels["a"] == labels["c"] != labels["b"] == labels["d"]


def test_numbers_that_count_from_0_are_no_names():
    model = graph_model().fit(MATRIX.to_numpy())
    assert model.vertex_names_ is None
    assert list(model.labels_by_name_.index) == list(range(N))


def attributes():
    rng = np.random.default_rng(1)
    shown = np.where(rng.random(N) < 0.8, TRUTH, rng.integers(0, 3, N))
    return pd.DataFrame({"dept": np.array(["a", "b", "c"])[shown]}, index=TRUTH.index)


@pytest.mark.parametrize("form", FORMS)
def test_attributes_in_another_order_are_matched_by_name(form):
    X = attributes().iloc[SHUFFLED]
    model = SpectralAMGClustering(3, random_state=0).fit(X, adjacency=FORMS[form])
    assert list(model.labels_by_name_.index) == list(X.index)
    wanted = SpectralAMGClustering(3, random_state=0).fit(attributes(), adjacency=GRAPH)
    matched = model.labels_by_name_.loc[TRUTH.index]
    assert adjusted_rand_score(wanted.labels_, matched) == 1
    assert adjusted_rand_score(TRUTH, matched) > 0.95


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda X: X.rename(index={"v000": "stranger"}), "1 of the former.*'v000'"),
        (lambda X: X.reset_index(drop=True), "120 of the former"),
        (lambda X: X.rename(index={"v000": "v001"}), "same names"),
    ],
)
def test_names_that_do_not_match_are_refused(change, match):
    with pytest.raises(ValueError, match=match):
        SpectralAMGClustering(3).fit(change(attributes()), adjacency=GRAPH)
    with pytest.raises(ValueError, match="columns of the graph and its index"):
        graph_model().fit(MATRIX.rename(columns={"v000": "stranger"}))


def test_a_shuffled_index_of_numbers_beside_a_nameless_graph_is_told():
    X = attributes().reset_index(drop=True)
    with pytest.warns(UserWarning, match="matched by position"):
        SpectralAMGClustering(3, random_state=0).fit(X.iloc[SHUFFLED], adjacency=MATRIX.to_numpy())


def test_edges_of_new_vertices_are_matched_by_name():
    model = graph_model().fit(GRAPH)
    wanted = model.predict(MATRIX.to_numpy())
    np.testing.assert_array_equal(model.predict(MATRIX.iloc[:, SHUFFLED]), wanted)
    with pytest.raises(ValueError, match="the fitted vertices must hold the same names"):
        model.predict(MATRIX.rename(columns={"v000": "stranger"}))
    X = attributes()
    model = SpectralAMGClustering(3, random_state=0).fit(X, adjacency=GRAPH)
    wanted = model.predict(X, adjacency=MATRIX)
    np.testing.assert_array_equal(model.predict(X, adjacency=MATRIX.iloc[SHUFFLED]), wanted)
    for i in (0, 50, 110):
        assert model.predict(X.iloc[[i]], adjacency=MATRIX.iloc[[i]])[0] == wanted[i]


def test_pandas_output_carries_the_names():
    with sklearn.config_context(transform_output="pandas"):
        rows = graph_model().fit_transform(GRAPH)
        encoding = SpectralPositionalEncoding(4).fit_transform([GRAPH, EDGES])
    assert list(rows.index) == list(encoding[0].index) == list(GRAPH.nodes)
    pd.testing.assert_frame_equal(
        encoding[1].loc[TRUTH.index], encoding[0].loc[TRUTH.index], atol=1e-8
    )


def test_rows_and_right_hand_sides_of_a_system_are_matched_by_name():
    L = pd.DataFrame(
        sp.csgraph.laplacian(MATRIX.to_numpy()) + 0.1 * np.eye(N), TRUTH.index, TRUTH.index
    )
    b = pd.Series(np.random.default_rng(0).normal(size=N), index=TRUTH.index)
    wanted = np.linalg.solve(L, b)
    solver = BootstrapAMG(random_state=0).fit(L.iloc[:, SHUFFLED])
    np.testing.assert_allclose(solver.solve(b.iloc[SHUFFLED], tol=1e-12), wanted, atol=1e-9)
    with pytest.raises(ValueError, match="index of b and that of the matrix"):
        solver.solve(b.rename(index={"v000": "stranger"}))


# --- what is no graph, or no table ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("graph", "match"),
    [
        (EDGES.assign(weight="strong"), "edge from .* is 'strong', not numeric"),
        (EDGES.rename(columns={"weight": "strength"}), r"\['strength'\], none of which is called"),
        (
            EDGES.assign(source=[pd.NA, *EDGES["source"][1:]]),
            "1 edges without an entry in 'source'",
        ),
        (EDGES.assign(weight=[pd.NA, *EDGES["weight"][1:]]), "NaN or infinity"),
        (MATRIX.astype(object).where(MATRIX > 0, pd.NA), "NaN or infinity"),
        (np.ma.masked_less(MATRIX.to_numpy(), 1), "masked entries"),
    ],
)
def test_graphs_with_holes_are_refused_in_words(graph, match):
    with pytest.raises(ValueError, match=match):
        graph_model().fit(graph)


def test_text_weights_of_networkx_are_refused_with_the_edge():
    graph = GRAPH.copy()
    nx.set_edge_attributes(graph, "close", "weight")
    with pytest.raises(ValueError, match=r"edge from 'v.*' to 'v.*' in the graph is 'close'"):
        graph_model().fit(graph)


@pytest.mark.parametrize("graph", [GRAPH, EDGES, (np.array([[0, 1], [1, 0]]), 2)])
def test_a_graph_in_place_of_a_table_says_what_to_set(graph):
    with pytest.raises(ValueError, match="set affinity='precomputed'"):
        SpectralAMGClustering(3).fit(graph)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_a_square_symmetric_table_is_told_to_look_like_a_graph(form):
    with pytest.warns(UserWarning, match=r"square \(120 x 120\) and symmetric"):
        SpectralAMGClustering(3, random_state=0).fit(form(MATRIX.to_numpy()))


def test_a_kernel_without_weights_and_a_lone_point_are_told():
    X = np.random.default_rng(0).normal(size=(30, 2))
    with pytest.warns(UserWarning, match="30 of 30 points have weight 0.*mean nothing"):
        SpectralAMGClustering(3, affinity="rbf", gamma=1e6).fit(X)
    with pytest.warns(UserWarning, match="1 of 31 points have weight 0"):
        SpectralAMGClustering(2, affinity="rbf").fit(np.vstack([X, [[500.0, 500.0]]]))


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
def test_ends_of_edges_that_are_numbers_here_and_words_there_are_refused(library):
    edges = nx.to_pandas_edgelist(nx.karate_club_graph())[["source", "target"]]
    edges["target"] = edges["target"].astype(str)
    with pytest.raises(ValueError, match="columns 'source' and 'target' one dtype"):
        SpectralPositionalEncoding(4).fit(library(edges.to_dict("list")))
