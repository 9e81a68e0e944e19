"""Graphs: the readers on small originals, the safe unpickler, and the facts of the real files."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from subspace_learn.datasets import _graph_formats, fetch_attributed_graph
from subspace_learn.datasets._graph_formats import one_hot, undirected

# nodes, edges, attributes, classes, components, largest component
FACTS = {
    "cora": (2708, 5278, 1433, 7, 78, 2485),
    "texas": (183, 279, 1703, 5, 1, 183),
    "polblogs": (1490, 16715, None, 2, 268, 1222),
    "polbooks": (105, 441, None, 3, 1, 105),
    "football": (115, 613, None, 12, 1, 115),
    "yeast_ppi": (2375, 11693, 52, 52, 1, 2375),
    "lazega71_advice": (71, 717, 72, None, 1, 71),
    "lazega36_advice": (36, 289, 59, None, 1, 36),
    "lazega36_friend": (36, 187, 59, None, 1, 36),
    "sbm400": (400, 1008, 5, 5, 1, 400),
}


@pytest.mark.parametrize("name", FACTS)
def test_real_graph_has_the_announced_sizes(fetch_real, name):
    n_nodes, n_edges, n_attributes, n_classes, n_components, largest = FACTS[name]
    graph = fetch_real(fetch_attributed_graph, name)
    A = graph.adjacency
    assert A.format == "csr"
    assert A.dtype == np.float32
    assert A.indices.dtype == A.indptr.dtype == np.int32
    assert A.shape == (n_nodes, n_nodes)
    assert A.nnz == 2 * n_edges
    assert (A.data == 1).all()
    assert (A != A.T).nnz == 0
    assert not A.diagonal().any()
    found, labels = connected_components(A, directed=False)
    assert found == n_components
    assert np.bincount(labels).max() == largest
    if n_attributes is None:
        assert graph.attributes is None
    else:
        assert graph.attributes.format == "csr"
        assert graph.attributes.shape == (n_nodes, n_attributes)
        assert (graph.attributes.data == 1).all()
    if n_classes is None:
        assert graph.target is None
    else:
        assert graph.target.shape == (n_nodes,)
        assert len(np.unique(graph.target)) == n_classes
    assert graph.name == name
    assert "must not be used in a fit" in graph.DESCR


def test_real_texas_classes(fetch_real):
    target = fetch_real(fetch_attributed_graph, "texas").target
    assert np.bincount(target).tolist() == [33, 1, 18, 101, 30]


def test_real_polblogs_has_isolated_nodes(fetch_real):
    graph = fetch_real(fetch_attributed_graph, "polblogs")
    assert np.sum(np.diff(graph.adjacency.indptr) == 0) == 266
    assert np.bincount(graph.target).tolist() == [758, 732]


@pytest.mark.parametrize("name", ["yeast_ppi", "sbm400"])
def test_real_attribute_is_the_target(fetch_real, name):
    X, y = fetch_real(fetch_attributed_graph, name, return_X_y=True)
    graph = fetch_real(fetch_attributed_graph, name)
    assert (X != one_hot(y[:, None])[0]).nnz == 0
    assert graph.attribute_names == [f"a0={value}" for value in np.unique(y)]


def test_real_yeast_codes_from_14_on_occur_once(fetch_real):
    counts = np.bincount(fetch_real(fetch_attributed_graph, "yeast_ppi").target)
    assert (counts[14:] == 1).all()
    assert (counts[1:14] > 1).all()


@pytest.mark.parametrize("name", [name for name in FACTS if name.startswith("lazega")])
def test_real_lazega_attributes_are_the_codes(fetch_real, name):
    graph = fetch_real(fetch_attributed_graph, name)
    assert graph.metadata.shape == (len(graph.metadata), 7)
    attributes, names = one_hot(graph.metadata)
    assert (graph.attributes != attributes).nnz == 0
    assert graph.attribute_names == names
    assert names[0] == "a0=1"


def test_unknown_name_lists_all_names():
    with pytest.raises(ValueError, match="citeseer") as caught:
        fetch_attributed_graph("citeseer")
    assert all(repr(name) in str(caught.value) for name in FACTS)


@pytest.mark.parametrize(
    ("name", "lacking"), [("polbooks", "attributes"), ("lazega36_friend", "target")]
)
def test_pair_of_a_graph_without_both_is_refused(name, lacking, tmp_path):
    with pytest.raises(ValueError, match=f"has no {lacking}"):
        fetch_attributed_graph(name, data_home=tmp_path, return_X_y=True)


def test_undirected_merges_both_directions_and_drops_loops():
    A = undirected(np.array([0, 1, 2, 2, 0]), np.array([1, 0, 2, 0, 1]), 4)
    expected = np.zeros((4, 4))
    expected[[0, 1, 0, 2], [1, 0, 2, 0]] = 1
    np.testing.assert_array_equal(A.toarray(), expected)


def test_one_hot_goes_column_by_column_through_sorted_values():
    indicators, names = one_hot(np.array([[2, 64], [1, 64], [2, 31]]))
    assert names == ["a0=1", "a0=2", "a1=31", "a1=64"]
    np.testing.assert_array_equal(indicators.toarray(), [[0, 1, 0, 1], [1, 0, 0, 1], [0, 1, 1, 0]])


def test_weights_of_a_matrix_market_graph_become_one(server, set_source, tmp_path):
    graph = b"%%MatrixMarket matrix coordinate real symmetric\n% x\n3 3 2\n2 1 .999\n3 2 .5\n"
    set_source(
        "graphs/sbm400",
        server.offer("sample2.mtx", graph),
        server.offer("metadata_sample2.txt", b"2\n1\n2\n"),
    )
    fetched = fetch_attributed_graph("sbm400", data_home=tmp_path)
    np.testing.assert_array_equal(fetched.adjacency.toarray(), [[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    np.testing.assert_array_equal(fetched.target, [1, 0, 1])  # blocks count from 0
    np.testing.assert_array_equal(fetched.attributes.toarray(), [[0, 1], [1, 0], [0, 1]])
    stored = sp.load_npz(tmp_path / "graphs/sbm400/adjacency.npz")
    assert (sp.csr_array(stored) != fetched.adjacency).nnz == 0


def test_weights_of_a_cached_graph_become_one(tmp_path):
    folder = tmp_path / "graphs" / "polblogs"
    folder.mkdir(parents=True)
    A = np.array([[0, 2, 1], [2, 0, 0], [1, 0, 0]], dtype=np.float32)
    sp.save_npz(folder / "adjacency.npz", sp.csr_array(A))
    np.save(folder / "labels.npy", np.array([0, 1, 0], dtype=np.int16))
    fetched = fetch_attributed_graph("polblogs", data_home=tmp_path)
    np.testing.assert_array_equal(fetched.adjacency.toarray(), A > 0)


def test_links_of_geom_gcn_become_undirected(tmp_path):
    edges, nodes = tmp_path / "out1_graph_edges.txt", tmp_path / "out1_node_feature_label.txt"
    edges.write_text("node_id\tnode_id\n2\t0\n0\t2\n1\t1\n0\t1\n")
    nodes.write_text("node_id\tfeature\tlabel\n1\t0,1\t4\n0\t1,1\t3\n2\t0,0\t0\n")
    parts = _graph_formats.geom_gcn({path.name: path for path in (edges, nodes)})
    np.testing.assert_array_equal(parts["adjacency"].toarray(), [[0, 1, 1], [1, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(parts["attributes"].toarray(), [[1, 1], [0, 1], [0, 0]])
    np.testing.assert_array_equal(parts["labels"], [3, 4, 0])


class _OpensTheDoor:
    def __reduce__(self):
        return (eval, ("__import__('os').environ.__setitem__('SUBSPACE_LEARN_OWNED', '1')",))


def test_unpickler_refuses_other_names(tmp_path, monkeypatch):
    monkeypatch.delenv("SUBSPACE_LEARN_OWNED", raising=False)
    path = tmp_path / "ind.cora.graph"
    for protocol in (0, 2, 4):
        path.write_bytes(pickle.dumps(_OpensTheDoor(), protocol=protocol))
        with pytest.raises(pickle.UnpicklingError, match="eval is not allowed"):
            _graph_formats._safe_unpickle(path)
    import os

    assert "SUBSPACE_LEARN_OWNED" not in os.environ
