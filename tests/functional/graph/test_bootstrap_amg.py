"""Bootstrap multigrid: composites as operators, rates as eigenvalues, smooth vectors, grounding."""

from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
import scipy.linalg
import scipy.sparse as sp

from subspace_learn.functional.graph.bootstrap_amg import (
    COMPOSITIONS,
    SYMMETRIC_COMPOSITIONS,
    bootstrap_amg,
    composite_cycle,
    convergence_rate,
    ground_laplacian,
)

# 200 vertices at most, and many levels all the same
SMALL = {"max_coarse": 8, "target_rate": 1e-8}


def laplacian(graph):
    return sp.csr_array(nx.laplacian_matrix(graph), dtype=float)


def grounded(graph):
    components = sp.csgraph.connected_components(laplacian(graph), directed=False)[1]
    return ground_laplacian(laplacian(graph), components)


def weighted_lattice(rng, n=14):
    graph = nx.grid_2d_graph(n, n)
    for _, _, data in graph.edges(data=True):
        data["weight"] = rng.lognormal()
    return graph


@pytest.fixture(params=["lattice", "random", "blocks"])
def A(request, rng):
    if request.param == "lattice":
        return grounded(weighted_lattice(rng))
    if request.param == "random":
        return grounded(nx.gnp_random_graph(150, 0.04, seed=1))
    return grounded(nx.planted_partition_graph(4, 40, 0.3, 0.01, seed=1))


def dense_error(hierarchies, composition):
    A = hierarchies[0].levels[0].A.toarray()
    return np.eye(len(A)) - composite_cycle(hierarchies, A, composition)


@pytest.mark.parametrize("composition", SYMMETRIC_COMPOSITIONS)
def test_symmetric_composites_are_positive_definite(A, rng, composition):
    hierarchies = bootstrap_amg(A, rng=rng, max_hierarchies=3, **SMALL).hierarchies
    B = composite_cycle(hierarchies, np.eye(A.shape[0]), composition)
    # rounding grows with the condition of A, some 1e5 here
    np.testing.assert_allclose(B, B.T, rtol=0, atol=1e-10 * abs(B).max())
    assert np.linalg.eigvalsh((B + B.T) / 2)[0] > 0


def test_the_multiplicative_composite_is_not_symmetric(rng):
    A = grounded(weighted_lattice(rng))
    hierarchies = bootstrap_amg(A, rng=rng, max_hierarchies=3, **SMALL).hierarchies
    B = composite_cycle(hierarchies, np.eye(A.shape[0]), "multiplicative")
    assert abs(B - B.T).max() > 1e-4 * abs(B).max()  # rounding is some 1e-13


def test_composites_multiply_or_average_the_errors_of_their_cycles(A, rng):
    hierarchies = bootstrap_amg(A, rng=rng, max_hierarchies=2, **SMALL).hierarchies
    one, two = (dense_error([hierarchy], "multiplicative") for hierarchy in hierarchies)
    for composition, wanted in {
        "symmetrized": one @ two @ one,
        "multiplicative": two @ one,
        "additive": (one + two) / 2,
    }.items():
        found = dense_error(hierarchies, composition)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-9)


@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_a_start_adds_the_composite_of_the_residual(A, rng, composition):
    hierarchies = bootstrap_amg(A, rng=rng, max_hierarchies=2, **SMALL).hierarchies
    X, B = rng.normal(size=(2, A.shape[0], 3))
    found = composite_cycle(hierarchies, B, composition, X=X)
    wanted = X + composite_cycle(hierarchies, B - A @ X, composition)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-9 * abs(wanted).max())


@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_a_rate_is_the_largest_eigenvalue_of_the_error_operator(A, rng, composition):
    hierarchies = bootstrap_amg(A, rng=rng, max_hierarchies=2, **SMALL).hierarchies
    found, _ = convergence_rate(
        hierarchies, rng.normal(size=A.shape[0]), composition=composition, n_sweeps=200
    )
    wanted = abs(np.linalg.eigvals(dense_error(hierarchies, composition))).max()
    # power iteration from below: eigenvalues that lie close are told apart slowly
    assert wanted * 0.99 < found <= wanted * (1 + 1e-6)


def test_rates_do_not_rise_with_hierarchies(A, rng):
    found = bootstrap_amg(A, rng=rng, max_hierarchies=6, n_sweeps=60, **SMALL)
    assert len(found.convergence_rates) == 6
    for before, after in pairwise(found.convergence_rates):
        assert after <= before + 0.02
    assert found.convergence_rates[-1] < found.convergence_rates[0]


def test_smooth_vectors_are_near_the_low_end_of_the_generalised_spectrum(A, rng):
    """A v = mu B^-1 v with mu = 1 - eigenvalue of the error operator."""
    found = bootstrap_amg(A, rng=rng, max_hierarchies=3, n_sweeps=15, **SMALL)
    dense = A.toarray()
    for r in range(1, 4):
        B = composite_cycle(found.hierarchies[:r], np.eye(len(dense)))
        inverse = np.linalg.inv((B + B.T) / 2)
        smallest = scipy.linalg.eigh(dense, inverse, eigvals_only=True)[0]
        w = found.smooth_vectors[:, r]
        assert w @ dense @ w == pytest.approx(1, rel=1e-8)
        assert smallest * (1 - 1e-6) <= 1 / (w @ inverse @ w) < 1.5 * smallest


def test_smooth_vectors_of_separated_blocks_span_their_indicators(rng):
    graph = nx.planted_partition_graph(4, 100, 0.15, 0.0005, seed=3)
    A = grounded(graph)
    assert nx.is_connected(graph)
    found = bootstrap_amg(A, rng=rng, max_hierarchies=6, target_rate=1e-10, max_coarse=20)
    indicators = np.kron(np.eye(4), np.ones((100, 1)))
    scaled = found.smooth_vectors / np.linalg.norm(found.smooth_vectors, axis=0)
    basis = np.linalg.svd(scaled, full_matrices=False)[0][:, :4]
    angles = scipy.linalg.subspace_angles(basis, indicators)
    # the eigenvectors themselves are some .1 away: blocks are joined by a few edges
    vectors = np.linalg.eigh(A.toarray())[1][:, :4]
    assert angles.max() < scipy.linalg.subspace_angles(vectors, indicators).max() + 0.1


def test_same_seed_gives_the_same_and_progress_is_told():
    A, lines = grounded(nx.grid_2d_graph(15, 15)), []
    once, twice = (
        bootstrap_amg(A, rng=np.random.default_rng(3), max_hierarchies=2, progress=lines.append)
        for _ in range(2)
    )
    np.testing.assert_array_equal(once.smooth_vectors, twice.smooth_vectors)
    assert len(lines) == 4
    assert lines[0].startswith("hierarchy 1: levels 225 ")


def test_it_says_whether_the_target_was_reached():
    A = grounded(nx.grid_2d_graph(20, 20))
    for target, converged, n_rates in ((0.999, True, 1), (1e-8, False, 2)):
        found = bootstrap_amg(
            A, rng=np.random.default_rng(0), target_rate=target, max_hierarchies=2, max_coarse=20
        )
        assert found.converged is converged
        assert len(found.convergence_rates) == n_rates
        assert found.smooth_vectors.shape == (400, n_rates + 1)


@pytest.mark.parametrize("n", [1, 2, 30])
def test_a_matrix_small_enough_to_be_solved_exactly_has_rate_zero(rng, n):
    found = bootstrap_amg(grounded(nx.path_graph(n)), rng=rng)
    assert found.converged
    assert found.convergence_rates[0] < 1e-6  # rounding, through a matrix of condition 1e4
    assert np.isfinite(found.smooth_vectors).all()


def test_an_indefinite_matrix_is_refused(rng):
    A = sp.csr_array(laplacian(nx.grid_2d_graph(15, 15)) - 0.5 * sp.eye_array(225))
    with pytest.raises(ValueError, match="not positive definite"):
        bootstrap_amg(A, rng=rng)


def test_a_first_vector_is_kept_and_may_not_be_zero(rng):
    A = grounded(nx.grid_2d_graph(15, 15))
    w0 = np.linalg.eigh(A.toarray())[1][:, 3]
    found = bootstrap_amg(A, rng=rng, w0=w0, max_hierarchies=1)
    np.testing.assert_array_equal(found.smooth_vectors[:, 0], w0)
    P = found.hierarchies[0].levels[0].P
    np.testing.assert_allclose(P @ (P.T @ w0), w0, rtol=0, atol=1e-15)
    with pytest.raises(ValueError, match="w0 is zero"):
        bootstrap_amg(A, rng=rng, w0=0 * w0)


# --- grounding ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "graph",
    [nx.path_graph(60), nx.grid_2d_graph(8, 9), nx.gnp_random_graph(60, 0.1, seed=2)],
    ids=["path", "grid", "random"],
)
def test_grounding_leaves_the_constant_smoothest_and_the_rest_nearly_alone(graph):
    before = np.linalg.eigvalsh(laplacian(graph).toarray())
    values, vectors = np.linalg.eigh(grounded(graph).toarray())
    n, g = len(values), 1 / len(values)
    assert 0 < values[0] <= g / n
    assert values[1] > 4 * values[0]
    assert (values - before > -1e-12).all()
    assert (values - before < g + 1e-12).all()
    constant = abs(vectors[:, 0].sum()) / np.sqrt(n)
    assert constant > 0.95


def test_grounding_touches_one_vertex_of_each_component():
    graph = nx.disjoint_union_all([nx.star_graph(3), nx.path_graph(2), nx.empty_graph(1)])
    change = grounded(graph).toarray() - laplacian(graph).toarray()
    wanted = np.zeros(7)
    wanted[[0, 4, 6]] = [1 / 4, 1 / 2, 1]  # hub, first of two alike, isolated
    np.testing.assert_allclose(change, np.diag(wanted), rtol=0, atol=1e-15)
    np.testing.assert_array_equal(grounded(nx.empty_graph(3)).toarray(), np.eye(3))


def test_grounding_scales_with_the_weights_and_skips_components_marked_so():
    L = laplacian(nx.path_graph(4))
    one = ground_laplacian(L, np.zeros(4, dtype=int))
    np.testing.assert_allclose(
        ground_laplacian(7 * L, np.zeros(4, dtype=int)).toarray(), 7 * one.toarray()
    )
    both = sp.csr_array(sp.block_diag([L, L]))
    labels = np.repeat([-1, 0], 4)
    change = ground_laplacian(both, labels) - both
    assert change.diagonal()[:4].sum() == 0
    assert change.sum() == pytest.approx(1 / 4)


def test_a_grounded_system_has_the_solutions_of_the_laplacian(rng):
    graph = nx.disjoint_union(nx.path_graph(20), nx.cycle_graph(15))
    b = rng.normal(size=35)
    b[:20] -= b[:20].mean()
    b[20:] -= b[20:].mean()
    x = sp.linalg.spsolve(grounded(graph).tocsc(), b)
    np.testing.assert_allclose(laplacian(graph) @ x, b, rtol=0, atol=1e-10)
