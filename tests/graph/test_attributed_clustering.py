"""Clusters of graphs with attributes: what fusion is worth, forms of attributes, new nodes."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from subspace_learn import SpectralAMGClustering
from subspace_learn.datasets import DatasetUnavailableError, fetch_attributed_graph
from subspace_learn.functional.graph.attribute_graph import attribute_entropy
from subspace_learn.functional.graph.smoothed_attributes import attribute_directions, smoothed_rows
from subspace_learn.functional.graph.spectral_clustering import diffusion_rows


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
        assert [d for _, d, _ in both.vector_trials_] == 4 * [6, 3]
        assert [steps for steps, _ in both.smoothing_trials_] == [0, 2, 3, 4, 6, 8]
        found = (both.labels_, edges.labels_, X.argmax(axis=1))
        scores.append([adjusted_rand_score(truth, labels) for labels in found])
    fused, alone, shown = np.median(scores, axis=0)
    assert fused > max(alone, shown) + 0.05


def pages(meaning, seed=0, n=240, K=3):
    """Texts of three topics, 30 words of 300 each, and edges that follow them, or not."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % K
    topics = 0.25 * rng.dirichlet(np.full(300, 0.2), K) + 0.75 * rng.dirichlet(np.ones(300))
    X = sp.csr_array(np.array([rng.multinomial(30, topics[k]) for k in truth], dtype=float))
    group = {"topics": truth, "others": rng.permutation(truth)}[meaning]
    inside = 0.06 if meaning == "topics" else 0.015
    chance = np.where(group[:, None] == group, inside, 0.005)
    upper = np.triu(rng.random((n, n)) < chance, 1).astype(float)
    return sp.csr_array(upper + upper.T), X, truth


@pytest.mark.parametrize("meaning", ["topics", "others"])
def test_strength_of_smoothing_comes_from_the_data(meaning):
    """Where edges follow the topics words are smoothed; where they follow others, words alone."""
    gains = []
    for seed in range(3):
        A, X, truth = pages(meaning, seed)
        both = SpectralAMGClustering(3, random_state=0).fit(X, adjacency=A)
        rows = attribute_directions(X)
        alone, smoothed = (
            adjusted_rand_score(
                truth,
                KMeans(3, n_init=10, random_state=0)
                .fit(diffusion_rows(smoothed_rows(A, rows, steps)))
                .labels_,
            )
            for steps in (0, 4)
        )
        found = adjusted_rand_score(truth, both.labels_)
        gains.append([found - alone, found - smoothed])
        assert both.smoothing_ in {None, *dict(both.smoothing_trials_)}
    over_words, over_smoothed = np.median(gains, axis=0)
    assert min(over_words, over_smoothed) > -0.03
    assert (over_words if meaning == "topics" else over_smoothed) > 0.2


def test_smoothing_that_was_kept_has_the_largest_bound():
    A, X, _ = pages("others")
    model = SpectralAMGClustering(3, random_state=0).fit(X, adjacency=A)
    best = max(bound for *_, bound in [*model.vector_trials_, *model.smoothing_trials_])
    kept = dict(model.smoothing_trials_).get(model.smoothing_)
    walks = max(bound for *_, bound in model.vector_trials_)
    assert best == (walks if model.smoothing_ is None else kept)


def test_without_attributes_nothing_is_smoothed():
    A, _ = planted()
    model = SpectralAMGClustering(3, affinity="precomputed", random_state=0).fit(A)
    assert model.smoothing_ is None
    assert model.smoothing_trials_ == []


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
