"""Oracles and laws of positional encodings: matrix functions, counting, invariance, stability."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import scipy.linalg
import scipy.sparse as sp

from subspace_learn.functional.graph import positional_encoding as pe

LIPSCHITZ = {
    **{f"heat{t}": t for t in (1, 2, 4, 8)},
    **{f"walk{q}": q for q in (2, 3, 4)},
    **{f"spline{i}": 4 / 3 for i in range(5)},
}
BANK = pe.spectral_filters("lipschitz")
# Graphs with repeated eigenvalues, and one without.
GRAPHS = {
    "cycle": nx.cycle_graph(20),
    "star": nx.star_graph(15),
    "hypercube": nx.hypercube_graph(4),
    "complete": nx.complete_graph(14),
    "grid": nx.grid_2d_graph(6, 6),
    "barbell": nx.barbell_graph(8, 2),
    "random": nx.gnp_random_graph(40, 0.15, seed=3),
}


def adjacency(graph):
    return sp.csr_array(nx.to_scipy_sparse_array(graph, dtype=float))


def laplacian(A):
    return np.eye(A.shape[0]) - pe.normalized_adjacency(A).toarray()


def perturbed(A, size, rng):
    """The same edges with weights changed by up to ``size``."""
    change = sp.triu(A, 1).tocoo()
    change.data = rng.uniform(-size, size, change.nnz)
    return sp.csr_array(A + change + change.T)


def encoded(A, d, bank=BANK, taper=True):
    return pe.positional_encoding(A, d, bank, taper=taper)


def filtered(A, d, taper=True):
    """The dense matrices A_l."""
    frequencies = pe.low_frequencies(pe.normalized_adjacency(A), d, taper=taper)
    V, W = frequencies.vectors, pe.filter_weights(frequencies, BANK, taper=taper)
    return np.stack([(V * w) @ V.T for w in W]), frequencies.cut


def test_laplacian_is_that_of_networkx():
    for graph in GRAPHS.values():
        wanted = nx.normalized_laplacian_matrix(graph).toarray()
        np.testing.assert_allclose(laplacian(adjacency(graph)), wanted, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", GRAPHS)
def test_statistics_are_those_of_the_matrices_they_never_form(name):
    A = adjacency(GRAPHS[name])
    n, N = A.shape[0], pe.normalized_adjacency(A).toarray()
    L = np.eye(n) - N
    bank = {
        "one": np.ones_like,
        "identity": lambda u: u,
        "heat": lambda u: np.exp(-3 * u),
        "cube": lambda u: (1 - u) ** 3,
    }
    wanted = [np.eye(n), L, scipy.linalg.expm(-3 * L), N @ N @ N]
    given = encoded(A, None, bank).reshape(n, 4, 3)
    for k, M in enumerate(wanted):
        columns = [np.diag(M), M.sum(axis=1) / np.sqrt(n), (N * M**2).sum(axis=1)]
        np.testing.assert_allclose(given[:, k], np.stack(columns, 1), rtol=0, atol=1e-12)


def test_named_filters_keep_their_bounds_and_slopes():
    u = np.linspace(0, 2, 20001)
    assert BANK.keys() == LIPSCHITZ.keys()
    for name, phi in BANK.items():
        assert np.abs(phi(u)).max() <= 1
        assert np.abs(np.diff(phi(u)) / np.diff(u)).max() <= LIPSCHITZ[name] * (1 + 1e-9)
    slope = np.abs(np.diff(pe.taper_weights(u)) / np.diff(u)).max()
    assert slope <= np.pi / 2
    np.testing.assert_allclose(pe.taper_weights(np.array([0, 1, 1.5, 2, 3])), [1, 1, 0.5, 0, 0])


def test_triangles_are_counted_on_regular_graphs():
    walk3 = {"walk3": lambda u: (1 - u) ** 3}
    k4, k33 = (adjacency(g) for g in (nx.complete_graph(4), nx.complete_bipartite_graph(3, 3)))
    # a node of K4 is on 3 triangles: 6 closed walks among the 27 of length 3
    np.testing.assert_allclose(encoded(k4, None, walk3)[:, 0], 6 / 27, rtol=1e-13)
    np.testing.assert_allclose(encoded(k33, None, walk3)[:, 0], 0, rtol=0, atol=1e-14)


def test_six_cycle_and_two_triangles_differ():
    """Message passing without positions cannot tell them apart."""
    ring = encoded(adjacency(nx.cycle_graph(6)), None)
    triangles = encoded(
        adjacency(nx.disjoint_union(nx.complete_graph(3), nx.complete_graph(3))), None
    )
    assert np.abs(ring[0] - triangles[0]).max() > 0.1


@pytest.mark.parametrize("d", [None, 4, 8])
@pytest.mark.parametrize("name", ["cycle", "hypercube", "complete"])
def test_rows_of_a_vertex_transitive_graph_are_equal(name, d):
    Z = encoded(adjacency(GRAPHS[name]), d)
    np.testing.assert_allclose(Z, np.broadcast_to(Z[0], Z.shape), rtol=0, atol=1e-11)


@pytest.mark.parametrize("taper", [True, False])
@pytest.mark.parametrize("name", ["cycle", "star", "hypercube", "grid"])
def test_signs_and_rotations_of_eigenvectors_do_not_matter(name, taper, rng):
    N = pe.normalized_adjacency(adjacency(GRAPHS[name]))
    whole = pe.low_frequencies(N, None)
    V = whole.vectors * rng.choice([-1, 1], size=len(whole.values))
    for value in np.unique(whole.values.round(9)):
        same = np.abs(whole.values - value) < 1e-8
        V[:, same] = V[:, same] @ np.linalg.qr(rng.normal(size=(same.sum(),) * 2))[0]
    d = 9
    results = []
    for vectors in (whole.vectors, V):
        cut = pe.LowFrequencies(whole.values[:d], vectors[:, :d], float(whole.values[d]), False)
        gap = whole.values[d] - whole.values[d - 1]
        if taper or gap > 1e-6:
            weights = pe.filter_weights(cut, BANK, taper=taper)
        else:
            with pytest.warns(UserWarning, match="cuts through a repeated eigenvalue"):
                weights = pe.filter_weights(cut, BANK, taper=taper)
        results.append(pe.node_statistics(N, vectors[:, :d], weights))
    np.testing.assert_allclose(results[0], results[1], rtol=0, atol=1e-10)


@pytest.mark.parametrize("d", [None, 4, 8])
@pytest.mark.parametrize("name", GRAPHS)
def test_permuted_nodes_permute_the_rows(name, d, rng):
    A = adjacency(GRAPHS[name])
    order = rng.permutation(A.shape[0])
    given = encoded(A[order][:, order], d)
    np.testing.assert_allclose(given, encoded(A, d)[order], rtol=0, atol=1e-10)


@pytest.mark.parametrize("size", [1e-1, 1e-3, 1e-6])
@pytest.mark.parametrize("d", [None, 2, 4, 8])
@pytest.mark.parametrize("name", GRAPHS)
def test_change_stays_below_the_lipschitz_bound(name, d, size, rng):
    """The proof is in the guide; cycle 20 and others have no gap at d = 8."""
    A = adjacency(GRAPHS[name])
    for _ in range(5):
        B = perturbed(A, size, rng)
        change = np.linalg.norm(laplacian(A) - laplacian(B))
        (before, cut), (after, other) = filtered(A, d), filtered(B, d)
        Z, W = (encoded(X, d).reshape(A.shape[0], -1, 3) for X in (A, B))
        for k, filter_name in enumerate(BANK):
            K = LIPSCHITZ[filter_name] + (0 if d is None else np.pi / 2)
            bound = K if d is None else 2 / min(cut, other) * K * (1 + np.sqrt(d))
            moved = np.linalg.norm(before[k] - after[k])
            rounding = 1e-12
            assert moved <= bound * change + rounding
            diagonal, row_sum, edges = np.linalg.norm(Z[:, k] - W[:, k], axis=0)
            assert diagonal <= bound * change + rounding
            assert row_sum <= bound * change + rounding
            assert edges <= (2 * bound + 1) * change + rounding


def test_heat_with_all_pairs_never_changes_faster_than_its_time(rng):
    """The ratio of the sheet, for perturbations of 1e-6: at most t, on the graphs of its table."""
    for name in ("cycle", "grid", "random", "barbell"):
        A = adjacency(GRAPHS[name])
        B = perturbed(A, 1e-6, rng)
        (before, _), (after, _) = filtered(A, None), filtered(B, None)
        change = np.linalg.norm(laplacian(A) - laplacian(B))
        for k, t in enumerate((1, 2, 4, 8)):
            # 1e-3: rounding of 1e-12 in the matrices over a change of about 1e-6, with room
            assert np.linalg.norm(before[k] - after[k]) / change <= t + 1e-3


@pytest.mark.parametrize("name", ["cycle", "barbell"])
def test_a_hard_cut_through_a_closed_gap_is_not_stable_and_the_taper_is(name, rng):
    A = adjacency(GRAPHS[name])
    B = perturbed(A, 1e-5, rng)
    change = np.linalg.norm(laplacian(A) - laplacian(B))

    def projector(X):
        frequencies = pe.low_frequencies(pe.normalized_adjacency(X), 8)
        return frequencies.vectors @ frequencies.vectors.T

    assert np.linalg.norm(projector(A) - projector(B)) / change > 1e3
    assert np.linalg.norm(encoded(A, 8) - encoded(B, 8)) / change < 200


@pytest.mark.parametrize("d", [None, 3, 8])
def test_disjoint_union_gives_the_rows_of_its_parts(d):
    parts = [adjacency(g) for g in (nx.path_graph(7), nx.empty_graph(1), nx.cycle_graph(5))]
    parts += [sp.csr_array((2, 2)), adjacency(nx.path_graph(12))]
    wanted = np.concatenate([encoded(part, d) for part in parts])
    union = sp.csr_array(sp.block_diag(parts))
    np.testing.assert_allclose(encoded(union, d), wanted, rtol=0, atol=1e-12)


def test_scale_of_the_weights_does_not_matter():
    A = adjacency(GRAPHS["random"])
    for scale in (1e-200, 1e300):
        np.testing.assert_allclose(encoded(scale * A, 8), encoded(A, 8), rtol=0, atol=1e-11)


@pytest.mark.parametrize("taper", [True, False])
def test_iteration_gives_what_lapack_gives(taper, monkeypatch):
    """A torus of 30 x 30: eigenvalues are there 4 times, and iteration is what is used."""
    A = adjacency(nx.grid_2d_graph(30, 30, periodic=True))
    fast = encoded(A, 21, taper=taper)  # 21 = 1 + 4 + 4 + 4 + 8: a gap
    monkeypatch.setattr(pe, "_DENSE_NODES", 900)
    # 1e-7 of the cut in each pair, times slopes up to 2 / cut * 10
    np.testing.assert_allclose(fast, encoded(A, 21, taper=taper), rtol=0, atol=1e-5)


def test_many_edges_are_taken_in_pieces(monkeypatch):
    A = adjacency(GRAPHS["random"])
    whole = encoded(A, 8)
    monkeypatch.setattr(pe, "_CHUNK", 50)
    np.testing.assert_allclose(encoded(A, 8), whole, rtol=0, atol=1e-14)


def test_dense_matrices_of_a_large_graph_are_refused_with_their_size():
    ring = adjacency(nx.cycle_graph(20000))
    with pytest.raises(ValueError, match=r"8\.9 GiB.*at most 4999"):
        encoded(ring, None)
