"""Hierarchies of pairs: what the prolongators keep, the cap, and the cycle as an operator."""

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp

from subspace_learn.functional.graph.aggregation import (
    build_hierarchy,
    galerkin,
    matching_prolongator,
    structure_colours,
    v_cycle,
)


def grid(n, *, dtype=np.float64):
    """Five-point Laplacian of n x n inner points, zero outside: positive definite."""
    path = sp.diags_array([-np.ones(n - 1), 2 * np.ones(n), -np.ones(n - 1)], offsets=[-1, 0, 1])
    eye = sp.eye_array(n)
    return sp.csr_array(sp.kron(path, eye) + sp.kron(eye, path), dtype=dtype)


def shifted_laplacian(graph, shift=1e-2):
    L = nx.laplacian_matrix(graph).astype(float)
    return sp.csr_array(L + shift * sp.eye_array(L.shape[0]))


def not_an_m_matrix(rng, n=80):
    """Random sparse SPD matrix with entries of both signs."""
    F = sp.random(n, n, density=0.04, random_state=5, data_rvs=rng.standard_normal)
    return sp.csr_array(F @ F.T + 0.1 * sp.eye_array(n))


def error_operator(hierarchy):
    """I - B A, dense."""
    A = hierarchy.levels[0].A.toarray()
    return np.eye(len(A)) - v_cycle(hierarchy, A)


def energy_norm(A, E):
    """Largest factor by which E stretches in the A-norm."""
    root = np.linalg.cholesky(A.toarray())
    return np.linalg.norm(root.T @ E @ np.linalg.inv(root.T), 2)


CASES = {
    "grid": grid(12),
    "star": shifted_laplacian(nx.star_graph(60)),
    "random": shifted_laplacian(nx.gnp_random_graph(90, 0.06, seed=1)),
    "barbell": shifted_laplacian(nx.barbell_graph(12, 20)),
    "both signs": not_an_m_matrix(np.random.default_rng(0)),
}


@pytest.fixture(params=CASES)
def A(request):
    return CASES[request.param]


@pytest.fixture(params=["ones", "random"])
def w(request, rng, A):
    return np.ones(A.shape[0]) if request.param == "ones" else rng.normal(size=A.shape[0])


def test_each_prolongator_is_orthonormal_with_one_entry_per_row(A, w):
    hierarchy = build_hierarchy(A, w, max_coarse=8)
    assert len(hierarchy.levels) > 1
    for level in hierarchy.levels[:-1]:
        np.testing.assert_array_equal(np.diff(level.P.indptr), 1)
        gram = (level.P.T @ level.P).toarray()
        np.testing.assert_allclose(gram, np.eye(len(gram)), rtol=0, atol=1e-14)


def test_the_smooth_vector_lies_in_the_range_on_every_level(A, w):
    hierarchy = build_hierarchy(A, w, max_coarse=8)
    for level in hierarchy.levels[:-1]:
        kept = level.P.data != 0
        assert not (np.diff(level.A.indptr)[~kept] > 1).any()  # only uncoupled rows are left out
        np.testing.assert_allclose((level.P @ (level.P.T @ w))[kept], w[kept], rtol=1e-13)
        w = level.P.T @ w


def test_coarse_matrices_are_galerkin_products_and_stay_positive_definite(A, w):
    hierarchy = build_hierarchy(A, w, max_coarse=8)
    for fine, coarse in zip(hierarchy.levels[:-1], hierarchy.levels[1:], strict=True):
        wanted = (fine.P.T @ fine.A @ fine.P).toarray()
        # sums of at most some hundred entries, in another order
        np.testing.assert_allclose(
            coarse.A.toarray(), wanted, rtol=0, atol=1e-12 * abs(wanted).max()
        )
        assert np.linalg.eigvalsh(wanted)[0] > 0
        assert coarse.A.has_sorted_indices


@pytest.mark.parametrize("cycle", ["V", "W"])
def test_the_cycle_reduces_every_error_and_is_symmetric_positive_definite(A, w, cycle):
    hierarchy = build_hierarchy(A, w, max_coarse=8, cycle=cycle)
    E = error_operator(hierarchy)
    assert energy_norm(A, E) < 1
    B = v_cycle(hierarchy, np.eye(A.shape[0]))
    np.testing.assert_allclose(B, B.T, rtol=0, atol=1e-12 * abs(B).max())
    assert np.linalg.eigvalsh(B + B.T)[0] > 0
    # the error operator is selfadjoint in the A-product with eigenvalues in [0, 1)
    assert np.linalg.eigvals(E).real.min() > -1e-10


def test_the_smooth_vector_itself_is_reduced_far_more_than_the_worst_error():
    A = grid(20)
    values, vectors = np.linalg.eigh(A.toarray())
    slowest = vectors[:, 0]

    def factor(w):
        x = v_cycle(build_hierarchy(A, w, max_coarse=8), np.zeros(400), X=slowest)
        return np.sqrt(x @ (A @ x) / values[0])

    # in the range of every prolongator: what is left comes from smoothing before the coarse solve
    assert factor(slowest) < 0.02
    assert factor(np.ones(400)) > 0.2


def test_several_vectors_are_what_each_is_alone(rng):
    hierarchy = build_hierarchy(grid(15), np.ones(225), max_coarse=10)
    B, X = rng.normal(size=(2, 225, 4))
    together = v_cycle(hierarchy, B, X=X)
    for j in range(4):
        alone = v_cycle(hierarchy, B[:, j], X=X[:, j])
        np.testing.assert_allclose(together[:, j], alone, rtol=0, atol=1e-13)
    # from X for B is X plus the cycle for the residual
    residual = B - grid(15) @ X
    np.testing.assert_allclose(together, X + v_cycle(hierarchy, residual), rtol=0, atol=1e-12)


def test_float32_stays_and_comes_near_float64(rng):
    A, x = grid(30), rng.normal(size=900)
    factors = []
    for dtype in (np.float32, np.float64):
        hierarchy = build_hierarchy(grid(30, dtype=dtype), np.ones(900), max_coarse=20)
        left = v_cycle(hierarchy, np.zeros(900), X=x)
        assert left.dtype == dtype
        factors.append(np.sqrt(left @ (A @ left) / (x @ (A @ x))))
    # other roundings may break other ties, so that the hierarchies differ a little
    assert factors[0] == pytest.approx(factors[1], rel=0.1)


def test_a_matrix_within_the_coarse_size_is_solved_exactly(rng):
    A, b = grid(9), rng.normal(size=81)
    hierarchy = build_hierarchy(A, np.ones(81), max_coarse=81)
    assert hierarchy.sizes == (81,)
    np.testing.assert_allclose(A @ v_cycle(hierarchy, b), b, rtol=0, atol=1e-13)


def test_uncoupled_rows_and_small_components_end_the_coarsening(rng):
    pairs = sp.kron(sp.eye_array(300), np.array([[2.0, -1], [-1, 2]]))
    for A in (sp.diags_array(rng.uniform(1, 2, 600)), pairs):
        A = sp.csr_array(A)
        hierarchy = build_hierarchy(A, np.ones(600), max_coarse=10)
        assert np.isfinite(hierarchy.operator_complexity)
        assert energy_norm(A, error_operator(hierarchy)) < 0.6


@pytest.mark.parametrize("cap", [1.5, 2.0, 3.0])
@pytest.mark.parametrize(
    "graph",
    [
        nx.random_regular_graph(8, 3000, seed=0),
        nx.barabasi_albert_graph(3000, 5, seed=0),
        nx.star_graph(2000),
        nx.disjoint_union(nx.random_regular_graph(6, 1000, seed=0), nx.Graph([(0, 1)] * 2)),
        nx.complete_bipartite_graph(4, 1500),
    ],
    ids=["expander", "power law", "star", "two components", "hubs"],
)
def test_operator_complexity_keeps_to_its_cap(graph, cap):
    A = shifted_laplacian(graph)
    hierarchy = build_hierarchy(A, np.ones(A.shape[0]), max_operator_complexity=cap, max_coarse=20)
    assert hierarchy.operator_complexity <= cap
    assert hierarchy.sizes[-1] <= 20


def test_few_levels_still_end_small():
    hierarchy = build_hierarchy(grid(40), np.ones(1600), max_levels=2, max_coarse=50)
    assert len(hierarchy.sizes) == 2
    assert hierarchy.sizes[1] <= 50


@pytest.mark.parametrize(("cycle", "bound"), [("V", 4.2), ("W", 6.6)])
def test_work_of_a_cycle_per_edge_does_not_grow(cycle, bound):
    """Entries read, not seconds: each visit of a level reads its entries three times."""

    def work(n):
        hierarchy = build_hierarchy(grid(n), np.ones(n * n), cycle=cycle)
        entries = 3 * np.dot(hierarchy.visits[:-1], hierarchy.nonzeros[:-1])
        return entries / hierarchy.nonzeros[0]

    assert work(300) == pytest.approx(work(100), rel=0.05)
    assert work(300) < bound


def test_a_w_cycle_comes_twice_only_where_that_is_little_work():
    grids = build_hierarchy(grid(100), np.ones(10_000), cycle="W")
    assert grids.visits[:4] == (1, 2, 4, 8)
    assert grids.visits[-1] == grids.visits[-2]  # solved exactly: once for each visit above
    A = shifted_laplacian(nx.random_regular_graph(10, 3000, seed=0))
    expander = build_hierarchy(A, np.ones(3000), cycle="W", max_coarse=20)
    assert expander.visits[1] == 1
    assert build_hierarchy(grid(100), np.ones(10_000)).visits[-1] == 1


def test_permuted_vertices_permute_prolongators_when_no_weights_tie(rng):
    A = not_an_m_matrix(rng)
    w = rng.normal(size=80)
    order = rng.permutation(80)
    P, coarse_w = matching_prolongator(A, w)
    Q, permuted_w = matching_prolongator(sp.csr_array(A[order][:, order]), w[order])
    # columns are numbered by their first row: compare the projectors
    np.testing.assert_allclose(
        (Q @ Q.T).toarray(), (P @ P.T).toarray()[np.ix_(order, order)], rtol=0, atol=1e-13
    )
    np.testing.assert_allclose(np.sort(permuted_w), np.sort(coarse_w), rtol=1e-13)


def test_colours_follow_a_permutation_and_tell_surroundings_apart(rng):
    A = shifted_laplacian(nx.gnp_random_graph(60, 0.08, seed=2))
    order = rng.permutation(60)
    permuted = structure_colours(sp.csr_array(A[order][:, order]))
    np.testing.assert_array_equal(permuted, structure_colours(A)[order])
    path = structure_colours(shifted_laplacian(nx.path_graph(9)))
    assert len(set(path)) == 4  # the ends, those one and two steps off, and the rest


def test_zeros_in_the_smooth_vector_do_not_lose_rows():
    w = np.zeros(144)
    w[:70] = 1
    P, _ = matching_prolongator(grid(12), w)
    assert (P.data != 0).all()
    np.testing.assert_allclose(P @ (P.T @ w), w, rtol=0, atol=1e-15)


def test_the_sparse_product_needs_sorted_input_no_more_than_scipy():
    A = grid(6)
    A.has_sorted_indices = False
    shuffled = sp.csr_array(A[:, ::-1][:, ::-1])
    P, _ = matching_prolongator(A, np.ones(36))
    np.testing.assert_array_equal(galerkin(shuffled, P).toarray(), galerkin(A, P).toarray())


@pytest.mark.parametrize(
    ("A", "match"),
    [
        (np.diag([1.0, 2, 0]), "diagonal entry 2 is 0"),
        (np.array([[1.0, 2], [2, 1]]), "no Cholesky factor"),
    ],
)
def test_matrices_that_are_not_positive_definite_are_refused(A, match):
    with pytest.raises(ValueError, match=match):
        build_hierarchy(sp.csr_array(A), np.ones(len(A)))


def test_bounds_below_their_least_value_are_refused():
    with pytest.raises(ValueError, match=r"max_operator_complexity=1.*at least 1\.5"):
        build_hierarchy(grid(4), np.ones(16), max_operator_complexity=1)
