"""Clusters of graphs with attributes: what fusion is worth, forms of attributes, new nodes."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.base import clone
from sklearn.metrics import adjusted_rand_score

from subspace_learn import SpectralAMGClustering
from subspace_learn.datasets import DatasetUnavailableError, fetch_attributed_graph
from subspace_learn.functional.graph.attribute_graph import attribute_entropy


def planted(n=300, K=3, inner=0.15, outer=0.01, seed=0):
    rng = np.random.default_rng(seed)
    truth = np.arange(n) * K // n
    upper = np.triu(rng.random((n, n)) < np.where(truth[:, None] == truth, inner, outer), 1)
    return sp.csr_array((upper + upper.T).astype(float)), truth


def attributed(seed=0):
    A, truth = planted(180, inner=0.08, outer=0.03, seed=seed)
    rng = np.random.default_rng(seed + 100)
    shown = np.where(rng.random(180) < 0.7, truth, rng.integers(0, 3, 180))
    return A, truth, sp.csr_array(np.eye(3)[shown])


def test_edges_and_attributes_together_beat_either():
    scores = []
    for seed in range(3):
        A, truth, X = attributed(seed)
        both = SpectralAMGClustering(3, random_state=0).fit(X, adjacency=A)
        edges = SpectralAMGClustering(3, affinity="precomputed", random_state=0).fit(A)
        assert both.block_model_ is not None
        assert len(both.vector_trials_) == 10
        found = (both.labels_, edges.labels_, X.argmax(axis=1))
        scores.append([adjusted_rand_score(truth, labels) for labels in found])
    fused, alone, shown = np.median(scores, axis=0)
    assert fused > max(alone, shown) + 0.05


def test_attribute_equal_to_the_truth_comes_back():
    A, truth = planted(150, 3, inner=0.1, outer=0.05)
    X = np.eye(3)[truth]
    labels = SpectralAMGClustering(3, random_state=0).fit(X, adjacency=A).labels_
    # the model allows for errors in the attribute too, and believes many edges more than one value
    assert adjusted_rand_score(truth, labels) > 0.9


def test_sbm400_has_entropy_zero():
    try:
        data = fetch_attributed_graph("sbm400", download_if_missing=False)
    except DatasetUnavailableError:
        pytest.skip("sbm400 is not in the data home")
    model = SpectralAMGClustering(5, random_state=0).fit(data.attributes, adjacency=data.adjacency)
    assert attribute_entropy(data.target, model.labels_) == 0
    assert adjusted_rand_score(data.target, model.labels_) == 1


def test_more_values_than_components_are_no_trouble(recwarn):
    """One code for each of many nodes: alone it falls apart into more components than vectors."""
    A, truth = planted(720, 3, inner=0.05, outer=0.01)
    codes = np.where(np.arange(720) < 480, truth, 3 + np.arange(720) // 12)
    X = sp.csr_array(np.eye(codes.max() + 1)[codes])
    labels = SpectralAMGClustering(3, random_state=0).fit(X, adjacency=A).labels_
    assert adjusted_rand_score(truth, labels) > 0.9
    assert not recwarn.list


@pytest.mark.parametrize("block", ["self", "all"])
def test_given_weight_needs_no_model(block):
    A, truth, X = attributed()
    model = SpectralAMGClustering(
        3, attribute_weight=0.3, attribute_block=block, random_state=0
    ).fit(X, adjacency=A)
    assert model.block_model_ is None
    assert model.attribute_weight_ == 0.3
    assert model.embedding_.shape[1] == (6 if block == "self" else 12)
    assert adjusted_rand_score(truth, model.labels_) > 0.3  # a third of the values is wrong


def test_doubled_attribute_columns_change_nothing():
    """The share of attributes is a share of steps: a copy of each value halves their weights."""
    A, _, X = attributed()
    model = SpectralAMGClustering(3, attribute_weight=0.4, random_state=0)
    labels = clone(model).fit(X, adjacency=A).labels_
    np.testing.assert_array_equal(
        model.fit(sp.hstack([X, X], format="csr"), adjacency=A).labels_, labels
    )


def test_forms_of_attributes_give_the_same():
    A, _, X = attributed()
    words = np.array(["red", "green", "blue"], dtype=object)[X.argmax(axis=1)]
    onehot = X[:, [2, 1, 0]]  # categories sort by name
    wanted = SpectralAMGClustering(3, random_state=0).fit(onehot, adjacency=A).labels_
    for form in (
        onehot.toarray(),
        sp.coo_array(onehot),
        pd.DataFrame.sparse.from_spmatrix(sp.csr_matrix(onehot)),
        pd.DataFrame({"colour": words}),
        pd.DataFrame({"colour": pd.Categorical(words)}),
    ):
        given = SpectralAMGClustering(3, random_state=0).fit(form, adjacency=A).labels_
        np.testing.assert_array_equal(given, wanted)


def test_nodes_without_edges_are_placed_by_their_attributes():
    A, truth, _ = attributed()
    A = A.tolil()
    A[:10] = 0
    A[:, :10] = 0
    X = np.eye(3)[truth]
    labels = SpectralAMGClustering(3, random_state=0).fit(X, adjacency=A.tocsr()).labels_
    assert adjusted_rand_score(truth[:10], labels[:10]) == 1


def test_eigengap_works_with_attributes():
    A, truth = planted(120, K=4)
    model = SpectralAMGClustering("eigengap", random_state=0).fit(np.eye(4)[truth], adjacency=A)
    assert model.n_clusters_ == 4


def test_fitted_attributes_are_transformed_to_their_embedding():
    A, _, X = attributed()
    for settings in ({}, {"attribute_weight": 0.3, "attribute_block": "all"}):
        model = SpectralAMGClustering(3, random_state=0, **settings).fit(X, adjacency=A)
        np.testing.assert_allclose(model.transform(X, adjacency=A), model.embedding_, atol=1e-10)
        again = model.predict(X, adjacency=A)
        assert adjusted_rand_score(again, model.labels_) > 0.95


def test_new_nodes_with_attributes_only():
    A, truth = planted(150, 3, inner=0.1, outer=0.05)
    model = SpectralAMGClustering(3, random_state=0)
    frame = pd.DataFrame({"colour": np.array(["r", "g", "b"])[truth]})
    model.fit(frame, adjacency=A)
    new = pd.DataFrame({"colour": ["g", "b", "unseen"]})
    labels = model.predict(new, adjacency=sp.csr_array((3, 150)))
    np.testing.assert_array_equal(
        labels[:2], [model.labels_[truth == 1][0], model.labels_[truth == 2][0]]
    )


def test_adjacency_is_routed():
    A, _, X = attributed()
    with sklearn.config_context(enable_metadata_routing=True):
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import MaxAbsScaler

        model = SpectralAMGClustering(3, random_state=0).set_fit_request(adjacency=True)
        pipeline = make_pipeline(MaxAbsScaler(), model).fit(X, adjacency=A)
    assert pipeline[-1].block_model_ is not None


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda A, X: (X[1:], A), "attributes of 179 nodes, but adjacency has shape"),
        (lambda A, X: (-X, A), "negative numbers"),
        (lambda A, X: (np.full((180, 2), np.nan), A), "NaN"),
        (lambda A, X: (0 * X, A), "no node has any attribute"),
        (lambda A, X: (pd.DataFrame({"a": [None] + ["b"] * 179}), A), "'a' is missing .* 1 nodes"),
        (lambda A, X: (pd.DataFrame({"a": [np.nan] + [1.0] * 179}), A), "'a' is missing"),
    ],
)
def test_bad_attributes_are_refused(change, match):
    A, _, X = attributed()
    X, A = change(A, X.toarray())
    with pytest.raises(ValueError, match=match):
        SpectralAMGClustering(3).fit(X, adjacency=A)
