"""Clusters of tables, graphs and attributed graphs: planted truths, peers, manners, errors."""

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import make_moons
from sklearn.exceptions import NotFittedError
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import ParameterGrid
from sklearn.utils import get_tags

from subspace_learn import BootstrapAMG, SpectralAMGClustering
from subspace_learn.functional.graph.block_model import edge_information


def planted(n=300, K=3, inner=0.15, outer=0.01, seed=0):
    rng = np.random.default_rng(seed)
    truth = np.arange(n) * K // n
    upper = np.triu(rng.random((n, n)) < np.where(truth[:, None] == truth, inner, outer), 1)
    return sp.csr_array((upper + upper.T).astype(float)), truth


def large_planted(n=2000, K=4, seed=0):
    rng = np.random.default_rng(seed)
    size = n // K
    i, k = rng.integers(0, n, 7 * n), rng.integers(0, n, n)
    j, m = i // size * size + rng.integers(0, size, len(i)), rng.integers(0, n, n)
    edges = (np.concatenate([i, k]), np.concatenate([j, m]))
    A = sp.csr_array((np.ones(8 * n), edges), shape=(n, n))
    return A + A.T, np.arange(n) // size


def graph_model(K=3, **settings):
    return SpectralAMGClustering(K, affinity="precomputed", random_state=0, **settings)


# --- truths -------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["auto", "filter", "block", "bootstrap"])
@pytest.mark.parametrize("assign_labels", ["kmeans", "cluster_qr"])
def test_planted_blocks_are_found(strategy, assign_labels):
    A, truth = large_planted()
    model = graph_model(4, strategy=strategy, assign_labels=assign_labels).fit(A)
    # the papers' vectors are few and rough: they miss some vertices
    assert adjusted_rand_score(truth, model.labels_) > (0.8 if strategy == "bootstrap" else 0.98)
    assert model.strategy_ == ("filter" if strategy == "auto" else strategy)


def test_mesh_like_graph_goes_to_the_multigrid_block():
    X, truth = make_moons(1500, noise=0.08, random_state=0)
    model = SpectralAMGClustering(2, n_neighbors=30, random_state=0).fit(X)
    assert model.n_connected_components_ == 1
    assert model.strategy_ == "block"
    assert model.coarsening_growth_ < 2.5
    assert model.hierarchy_.n_levels > 1
    assert model.hierarchy_.operator_complexity < 3
    assert adjusted_rand_score(truth, model.labels_) == 1


def test_vectors_span_the_block_indicators():
    A, truth = large_planted()
    V = graph_model(4, n_components=4).fit(A).smooth_vectors_
    degree = np.asarray(A.sum(axis=1)).ravel()
    indicators = np.eye(4)[truth] * np.sqrt(degree)[:, None]
    basis = indicators / np.linalg.norm(indicators, axis=0)
    # Davis and Kahan: noise of size 2 sqrt(15) / 15 ~ 0.5 against a gap of order 1
    assert np.linalg.svd(basis.T @ V)[1].min() > 0.85


@pytest.mark.parametrize("strategy", ["filter", "block"])
def test_strategies_agree_with_dense_vectors(strategy):
    A, _ = large_planted(900, 3)
    V = graph_model(strategy=strategy, n_components=3).fit(A).smooth_vectors_
    degree = np.asarray(A.sum(axis=1)).ravel()
    S = A.toarray() / np.sqrt(np.outer(degree, degree))
    wanted = np.linalg.eigh(S)[1][:, -3:]
    # residuals of a tenth of the gap are angles of a tenth at most
    assert np.linalg.svd(wanted.T @ V)[1].min() > 0.99


def test_edge_weights_count():
    A = np.ones((40, 40)) - np.eye(40)
    truth = np.arange(40) % 2
    A[truth[:, None] != truth] = 0.05
    assert adjusted_rand_score(truth, graph_model(2).fit_predict(A)) == 1


def test_as_many_clusters_as_components():
    A = sp.block_diag([np.ones((k, k)) - np.eye(k) for k in (4, 7, 5)], format="csr")
    model = graph_model().fit(A)
    np.testing.assert_array_equal(model.labels_, np.repeat([2, 0, 1], [4, 7, 5]))
    assert model.n_connected_components_ == 3
    assert model.n_components_ == 3


def test_more_large_components_than_clusters_are_shared_out_evenly():
    A = sp.block_diag([np.ones((5, 5)) - np.eye(5)] * 6, format="csr")
    labels = graph_model().fit_predict(A)
    np.testing.assert_array_equal(np.bincount(labels), [10, 10, 10])
    assert all(len(set(part)) == 1 for part in labels.reshape(6, 5))


@pytest.mark.parametrize("piece", [np.ones((3, 3)), np.ones((1, 1))])
def test_nothing_but_crumbs_is_shared_out_evenly(piece):
    model = graph_model(4).fit(sp.block_diag([piece] * 400, format="csr"))
    sizes = np.bincount(model.labels_)
    assert len(sizes) == 4
    assert np.ptp(sizes) <= len(piece)


def test_complete_graph_is_no_trouble():
    """All eigenvalues but one are equal; LAPACK's driver for a range of them gives up on some."""
    X = np.random.default_rng(0).normal(size=(30, 2))
    model = SpectralAMGClustering(2, n_neighbors=500, random_state=0).fit(X)
    assert model.n_clusters_ == 2


def test_isolated_vertices_and_crumbs_do_not_disturb_the_rest():
    A, truth = planted()
    crumb = np.array([[0, 1], [1, 0.0]])
    whole = sp.block_diag([A, crumb, sp.csr_array((5, 5)), crumb], format="csr")
    model = graph_model().fit(whole)
    assert adjusted_rand_score(truth, model.labels_[:300]) > 0.95
    assert model.n_connected_components_ == 1 + 2 + 5
    assert not model.embedding_[300:].any()
    assert len(set(model.labels_[300:])) == 1
    sizes = np.bincount(model.labels_[:300])
    assert sizes[model.labels_[300]] == sizes.max()


def test_permuted_vertices_keep_their_partition():
    A, _ = planted(inner=0.1, outer=0.03)
    order = np.random.default_rng(0).permutation(300)
    labels = graph_model().fit_predict(A)
    np.testing.assert_array_equal(graph_model().fit_predict(A[order][:, order]), labels[order])


def test_eigengap_finds_the_number_and_gives_a_reason():
    A, truth = planted(K=4)
    model = graph_model("eigengap").fit(A)
    assert model.n_clusters_ == 4
    assert "4 clusters" in model.eigengap_.reason
    assert adjusted_rand_score(truth, model.labels_) > 0.95


def test_tiny_first_cuts_send_the_search_to_more_vectors():
    """Two communities with whiskers: the second vector cuts off a whisker, not a community."""
    A, truth = planted(240, 2, inner=0.12, outer=0.02)
    path = nx.to_scipy_sparse_array(nx.path_graph(12), dtype=float)
    whole = sp.block_diag([A, path, path], format="lil")
    for vertex, tip in ((3, 240), (200, 252)):
        whole[vertex, tip] = whole[tip, vertex] = 1
    model = graph_model(2).fit(whole.tocsr())
    assert adjusted_rand_score(truth, model.labels_[:240]) > 0.9
    assert model.n_components_ > 2
    shift, number, _ = max(model.vector_trials_, key=lambda trial: trial[2])
    assert (shift, number) == (model.degree_shift_, model.n_components_)


def whiskered(n=700, whiskers=40, seed=0):
    """Two communities of very unlike degrees, with chains of three vertices at the rim."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, n)
    size = np.minimum((1 - rng.random(n)) ** (-1 / 1.5), np.sqrt(n))
    mean = np.where(truth[:, None] == truth, 1, 0.15) * np.outer(size, size)
    upper = np.triu(rng.random((n, n)) < 1 - np.exp(-10 * n * mean / mean.sum()), 1)
    rim = sp.block_diag([sp.csr_array((upper + upper.T).astype(float))] + [PATH] * whiskers, "lil")
    for chain in range(whiskers):
        inner, tip = rng.integers(n), n + 3 * chain
        rim[inner, tip] = rim[tip, inner] = 1
    return sp.csr_array(rim), truth, np.asarray(upper.sum(axis=0) + upper.sum(axis=1)) > 0


PATH = nx.to_scipy_sparse_array(nx.path_graph(3), dtype=float)


@pytest.mark.parametrize("row_normalize", [True, False])
def test_many_whiskers_are_seen_through_by_larger_degrees(row_normalize):
    A, truth, joined = whiskered()
    model = graph_model(2, row_normalize=row_normalize).fit(A)
    assert adjusted_rand_score(truth[joined], model.labels_[:700][joined]) > 0.7
    assert model.degree_shift_ == pytest.approx(A.sum() / A.shape[0], rel=0.1)
    np.testing.assert_allclose(model.transform(A), model.embedding_, atol=1e-12)


def test_moved_vertices_say_more_about_the_edges_and_are_predicted_so():
    A, _, joined = whiskered(seed=1)
    model = graph_model(2).fit(A)
    moved = model.block_model_
    np.testing.assert_array_equal(
        moved.memberships.argmax(axis=1)[joined.nonzero()[0]], model.labels_[:700][joined]
    )
    assert edge_information(A, model.labels_) >= max(
        quality for *_, quality in model.vector_trials_
    )
    new = np.zeros((2, A.shape[0]))
    for k in (0, 1):
        new[k, np.flatnonzero(model.labels_[:700] == k)[:6]] = 1
    np.testing.assert_array_equal(model.predict(new), [0, 1])


def test_bootstrap_reports_rates_and_levels():
    A, _ = planted()
    model = graph_model(strategy=BootstrapAMG(target_rate=1e-3, max_hierarchies=4)).fit(A)
    assert 1 <= len(model.convergence_rates_) <= 4
    assert np.all(model.convergence_rates_ < 1)
    assert model.hierarchy_.operator_complexity >= 1
    assert model.n_components_ <= 4 + 2


# --- new vertices -------------------------------------------------------------------------------


def test_fitted_graph_is_transformed_to_its_embedding():
    A, _ = planted()
    model = graph_model().fit(A)
    np.testing.assert_allclose(model.transform(A), model.embedding_, atol=1e-12)
    np.testing.assert_array_equal(model.predict(A), model.labels_)


def test_new_vertices_join_the_cluster_of_their_neighbours():
    A, truth = planted(K=3)
    model = graph_model().fit(A)
    new = np.zeros((4, 300))
    for row, k in enumerate((0, 1, 2)):
        new[row, np.flatnonzero(truth == k)[:5]] = 1
    labels = model.predict(new)
    for row, k in enumerate((0, 1, 2)):
        assert labels[row] == np.bincount(model.labels_[truth == k]).argmax()
    assert labels[3] == np.bincount(model.labels_).argmax()  # no edges
    np.testing.assert_array_equal(model.predict(sp.csr_array(new)), labels)
    assert not model.transform(new)[3].any()


def test_new_points_of_a_table_follow_their_neighbours():
    X, _ = make_moons(400, noise=0.05, random_state=0)
    model = SpectralAMGClustering(2, random_state=0).fit(X)
    assert (model.predict(X) == model.labels_).mean() > 0.99
    far, _ = make_moons(50, noise=0.05, random_state=1)
    assert model.predict(far).shape == (50,)


# --- manners ------------------------------------------------------------------------------------


def test_same_seed_same_result_and_global_state_is_left_alone():
    A, _ = large_planted(1200, 3)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    one, two = (graph_model(strategy="block").fit(A) for _ in range(2))
    np.testing.assert_array_equal(one.labels_, two.labels_)
    np.testing.assert_array_equal(one.embedding_, two.embedding_)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_forms_of_a_graph_give_the_same():
    A, _ = planted(90)
    wanted = graph_model().fit(A).labels_
    coo = A.tocoo()
    wide = A.copy()
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    for form in (A.toarray(), coo, wide, nx.from_scipy_sparse_array(A), np.stack(coo.coords)):
        np.testing.assert_array_equal(graph_model().fit(form).labels_, wanted)


def test_edges_given_twice_add_up_and_self_loops_stay():
    A, _ = planted(90)
    half = sp.coo_array(A / 2)
    rows, columns = half.coords
    twice = sp.coo_array(
        (np.tile(half.data, 2), (np.tile(rows, 2), np.tile(columns, 2))), shape=A.shape
    )
    np.testing.assert_array_equal(graph_model().fit_predict(twice), graph_model().fit_predict(A))
    looped = graph_model().fit(sp.csr_array(A + sp.eye_array(90)))
    assert looped.affinity_matrix_.diagonal().sum() == 90


def test_float32_graph_gives_float32_rows():
    A, _ = planted(90)
    model = graph_model().fit(A.astype(np.float32))
    assert model.embedding_.dtype == model.smooth_vectors_.dtype == np.float32


def test_tag_says_pairwise_for_graphs_only():
    assert get_tags(graph_model()).input_tags.pairwise
    assert not get_tags(SpectralAMGClustering()).input_tags.pairwise


def test_verbose_tells_how_far_it_is(capsys):
    A, _ = planted(700, 3, inner=0.05, outer=0.002)
    graph_model(verbose=1).fit(A)
    assert "4 vectors of 700 vertices by strategy" in capsys.readouterr().out


def test_all_settings_of_rows_run():
    A, _ = planted(90)
    for settings in ParameterGrid(
        {"row_normalize": [True, False], "n_components": [2, 3, 200], "n_init": [1]}
    ):
        assert graph_model(**settings).fit(A).n_clusters_ == 3


def test_one_cluster_holds_all():
    A, _ = planted(60)
    model = graph_model(1).fit(A)
    assert not model.labels_.any()
    assert model.modularity_ == pytest.approx(0)


# --- errors -------------------------------------------------------------------------------------


def test_bad_graphs_are_refused():
    A = planted(30)[0].toarray()
    one_way, negative, missing = A.copy(), A.copy(), A.copy()
    one_way[0, 1] += 1
    negative[0, 1] = negative[1, 0] = -1
    missing[0, 1] = missing[1, 0] = np.nan
    for match, bad in {
        "not symmetric": one_way,
        "negative weights": negative,
        "NaN or infinity": missing,
        "square": A[:, 1:],
        "no nodes": A[:0, :0],
        "has no edges": np.zeros((5, 5)),
    }.items():
        with pytest.raises(ValueError, match=match):
            graph_model().fit(bad)


def test_uses_are_not_mixed_up():
    A, truth = planted(180)
    X = np.eye(3)[truth]
    with pytest.raises(ValueError, match="n_clusters=181 is more than n_samples=180"):
        graph_model(181).fit(A)
    with pytest.raises(ValueError, match="says that X is the adjacency"):
        graph_model().fit(X, adjacency=A)
    with pytest.raises(ValueError, match="graph without attributes"):
        SpectralAMGClustering(3, strategy="bootstrap").fit(X, adjacency=A)
    with pytest.raises(NotFittedError):
        graph_model().predict(A)
    model = graph_model().fit(A)
    with pytest.raises(ValueError, match="fit had none"):
        model.predict(A, adjacency=A)
    with pytest.raises(ValueError, match="expecting 180 features"):
        model.predict(A[:, 1:])
    with pytest.raises(ValueError, match="negative weights"):
        model.predict(-A)
    model = SpectralAMGClustering(3, attribute_weight=0.5).fit(X, adjacency=A)
    with pytest.raises(ValueError, match="give adjacency of shape"):
        model.predict(X)
    with pytest.raises(ValueError, match="one row of edges"):
        model.predict(X, adjacency=A[:5])


def test_failed_fit_leaves_the_earlier_one():
    A, _ = planted(60)
    model = graph_model().fit(A)
    labels = model.labels_.copy()
    with pytest.raises(ValueError, match="no edges"):
        model.fit(np.zeros((4, 4)))
    np.testing.assert_array_equal(model.predict(A), labels)


def test_parameters_set_after_fit_change_no_prediction():
    A, _ = planted(90)
    model = graph_model().fit(A)
    rows, labels = model.transform(A), model.predict(A)
    model.set_params(affinity="rbf", row_normalize=False)
    np.testing.assert_array_equal(model.transform(A), rows)
    np.testing.assert_array_equal(model.predict(A), labels)
    X, _ = make_moons(80, noise=0.05, random_state=0)
    model = SpectralAMGClustering(2, affinity="rbf", gamma=3.0, random_state=0).fit(X)
    rows = model.transform(X)
    np.testing.assert_array_equal(model.set_params(gamma=0.1).transform(X), rows)


def test_graphs_are_no_edges_of_new_vertices():
    model = SpectralAMGClustering(2, affinity="precomputed", random_state=0).fit(nx.path_graph(9))
    with pytest.raises(ValueError, match=r"networkx.*of shape \(n_new, 9\)"):
        model.predict(nx.path_graph(9))


def test_edges_of_new_vertices_in_another_unit_are_told():
    upper = np.triu(np.random.default_rng(0).random((60, 60)) < 0.2, 1)
    graph = sp.csr_array((upper + upper.T).astype(float))
    model = SpectralAMGClustering(2, affinity="precomputed", random_state=0).fit(1e-6 * graph)
    model.predict(3e-6 * graph[:3])
    for method in (model.predict, model.transform):
        with pytest.warns(UserWarning, match=r"median weight .* is 1e\+06 times"):
            method(graph[:3])
