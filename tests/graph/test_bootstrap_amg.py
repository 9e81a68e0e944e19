"""BootstrapAMG: with SciPy's solvers, singular graphs, warnings, attributes, large input."""

from __future__ import annotations

import warnings

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import cg, gmres, lobpcg
from sklearn.exceptions import ConvergenceWarning

from subspace_learn import BootstrapAMG


def grid(n):
    path = sp.diags_array([-1.0, 2, -1], offsets=[-1, 0, 1], shape=(n, n))
    eye = sp.eye_array(n)
    return sp.csr_array(sp.kron(path, eye) + sp.kron(eye, path))


def laplacian(graph):
    return sp.csr_array(nx.laplacian_matrix(graph), dtype=float)


def test_attributes_say_what_was_built():
    A = grid(40)
    solver = BootstrapAMG(random_state=0).fit(A)
    assert solver.hierarchy_ is solver.hierarchies_[0]
    assert solver.n_levels_ == len(solver.hierarchy_.sizes) > 1
    assert solver.hierarchy_.sizes[0] == solver.n_features_in_ == 1600
    assert 1 < solver.operator_complexity_ < 1.6
    assert solver.convergence_rate_ == solver.convergence_rates_[-1] < 0.9
    assert solver.converged_
    assert solver.smooth_vectors_.shape == (1600, len(solver.hierarchies_) + 1)
    w = solver.smooth_vectors_[:, 1]  # in the order of A, though rows are numbered anew inside
    assert w @ (A @ w) == pytest.approx(1, rel=1e-10)


@pytest.mark.parametrize("composition", ["symmetrized", "additive"])
def test_scipy_needs_far_fewer_iterations_with_it(composition, rng):
    A, b, counts = grid(60), rng.normal(size=3600), []
    M = BootstrapAMG(composition=composition, random_state=0).fit(A).aspreconditioner()
    for preconditioner in (None, M):
        steps = []
        x, info = cg(A, b, rtol=1e-8, M=preconditioner, callback=steps.append)
        assert info == 0
        counts.append(len(steps))
    np.testing.assert_allclose(A @ x, b, rtol=0, atol=1e-7 * np.linalg.norm(b))
    assert counts[1] < counts[0] / 3


def test_iterations_hardly_grow_with_the_grid_when_the_cycle_is_w(rng):
    steps = {}
    for cycle in "VW":
        for n in (80, 240):
            A, seen = grid(n), []
            solver = BootstrapAMG(
                target_rate=0.999, max_hierarchies=1, cycle=cycle, random_state=0
            ).fit(A)
            cg(
                A,
                rng.normal(size=n * n),
                rtol=1e-8,
                M=solver.aspreconditioner(),
                callback=seen.append,
            )
            steps[cycle, n] = len(seen)
    assert steps["W", 240] <= 1.25 * steps["W", 80]
    assert steps["V", 240] > 1.5 * steps["V", 80]


def test_lobpcg_finds_the_low_end_of_a_laplacian(rng):
    L = laplacian(nx.grid_2d_graph(20, 30))
    M = BootstrapAMG(random_state=0).fit(L).aspreconditioner()
    start = rng.normal(size=(600, 4))
    values, vectors = lobpcg(
        L, start, M=M, Y=np.ones((600, 1)), largest=False, tol=1e-8, maxiter=60
    )
    wanted = np.linalg.eigvalsh(L.toarray())[1:5]
    # eigenvalues err by the square of the residual over the gap
    np.testing.assert_allclose(np.sort(values), wanted, rtol=0, atol=1e-10)
    assert np.linalg.norm(vectors.sum(axis=0)) < 1e-8


def test_the_multiplicative_composite_is_refused_where_symmetry_is_needed(rng):
    A, b = grid(30), rng.normal(size=900)
    solver = BootstrapAMG(target_rate=0.2, composition="multiplicative", random_state=0).fit(A)
    assert len(solver.hierarchies_) > 1
    with pytest.raises(ValueError, match=r"not symmetric.*symmetric=False"):
        solver.aspreconditioner()
    x, info = gmres(A, b, M=solver.aspreconditioner(symmetric=False), rtol=1e-10)
    assert info == 0
    np.testing.assert_allclose(x, solver.solve(b, tol=1e-10), rtol=0, atol=1e-6)
    single = BootstrapAMG(composition="multiplicative", random_state=0).fit(A)
    assert len(single.hierarchies_) == 1  # one cycle is symmetric
    assert single.aspreconditioner().shape == (900, 900)


def test_several_right_hand_sides_are_what_each_is_alone(rng):
    solver, B = BootstrapAMG(random_state=0).fit(grid(20)), rng.normal(size=(400, 3))
    B[:, 1] = 0
    together = solver.solve(B)
    for j in range(3):
        np.testing.assert_allclose(together[:, j], solver.solve(B[:, j]), rtol=0, atol=1e-12)


def test_disconnected_graphs_with_isolated_vertices_are_ordinary_input(rng):
    graph = nx.disjoint_union_all([nx.grid_2d_graph(9, 9), nx.star_graph(200), nx.empty_graph(3)])
    L, b = laplacian(graph), rng.normal(size=285)
    with pytest.warns(UserWarning, match="out of reach"):
        x = BootstrapAMG(random_state=0).fit(L).solve(b, tol=1e-10)
    wanted = np.linalg.pinv(L.toarray()) @ b
    # the smallest positive eigenvalue of a 9 x 9 grid is .12
    np.testing.assert_allclose(x, wanted, rtol=0, atol=1e-10 / 0.12 * np.linalg.norm(b))
    assert (x[-3:] == 0).all()


@pytest.mark.parametrize("n", [1, 2])
def test_the_smallest_systems_are_solved(n):
    A = laplacian(nx.path_graph(n))
    with pytest.warns(UserWarning, match="up to 1 of their length is out of reach"):
        np.testing.assert_allclose(BootstrapAMG().fit(A).solve(np.ones(n)), 0, atol=1e-15)
    shifted = A + sp.eye_array(n)
    np.testing.assert_allclose(BootstrapAMG().fit(shifted).solve(np.ones(n)), 1, rtol=1e-14)


def test_too_few_hierarchies_and_too_few_iterations_warn(rng):
    with pytest.warns(ConvergenceWarning, match=r"2 hierarchies reduce.*target_rate=1e-06"):
        solver = BootstrapAMG(target_rate=1e-6, max_hierarchies=2, random_state=0).fit(grid(30))
    assert not solver.converged_
    with pytest.warns(ConvergenceWarning, match=r"after 2 iterations 2 of 2.*max_iter"):
        solver.solve(rng.normal(size=(900, 2)), max_iter=2)
    with pytest.raises(ValueError, match="max_iter"):
        solver.solve(np.ones(900), max_iter=0)


def test_a_start_near_the_solution_saves_iterations(rng):
    A, b = grid(30), rng.normal(size=900)
    solver = BootstrapAMG(random_state=0).fit(A)
    x = solver.solve(b, tol=1e-10)
    with pytest.warns(ConvergenceWarning):
        solver.solve(b, max_iter=1)
    np.testing.assert_allclose(solver.solve(b, x0=x, max_iter=1), x, rtol=0, atol=1e-8)
    with pytest.raises(ValueError, match="x0 has shape"):
        solver.solve(b, x0=np.ones((900, 1)))


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"target_rate": 1.0}, "target_rate"),
        ({"max_hierarchies": 0}, "max_hierarchies"),
        ({"n_sweeps": 0}, "n_sweeps"),
        ({"composition": "no"}, "composition"),
        ({"cycle": "F"}, "cycle"),
        ({"max_operator_complexity": 1.2}, "max_operator_complexity"),
    ],
)
def test_bad_parameters_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        BootstrapAMG(**settings).fit(grid(4))


def test_an_adjacency_is_refused_with_what_to_do():
    with pytest.raises(ValueError, match="give the Laplacian D - A"):
        BootstrapAMG().fit(nx.to_scipy_sparse_array(nx.path_graph(4)))


def test_a_dense_matrix_too_full_is_refused_with_its_size():
    full = np.broadcast_to(np.float32(1), (10_000, 10_000))
    with pytest.raises(ValueError, match=r"100,000,000 entries.*4\.5 GiB"):
        BootstrapAMG().fit(full)


def test_hubs_do_not_stall_the_coarsening(rng):
    hubs = laplacian(nx.complete_bipartite_graph(5, 4000)) + 0.1 * sp.eye_array(4005)
    solver = BootstrapAMG(random_state=0).fit(hubs)
    assert solver.n_levels_ <= 3
    b = rng.normal(size=4005)
    np.testing.assert_allclose(hubs @ solver.solve(b), b, rtol=0, atol=1e-7 * np.linalg.norm(b))


def test_verbose_tells_of_each_hierarchy(capsys):
    BootstrapAMG(random_state=0, verbose=1).fit(grid(30))
    assert "[BootstrapAMG] hierarchy 1: levels 900" in capsys.readouterr().out


def test_expanders_keep_to_the_cap_and_are_solved(rng):
    L = laplacian(nx.random_regular_graph(10, 4000, seed=0))
    solver = BootstrapAMG(max_operator_complexity=2, random_state=0).fit(L)
    assert solver.operator_complexity_ <= 2
    b = rng.normal(size=4000)
    b -= b.mean()
    np.testing.assert_allclose(L @ solver.solve(b), b, rtol=0, atol=1e-7 * np.linalg.norm(b))


# --- smoothers of sparse products ---------------------------------------------------------------


@pytest.mark.parametrize("composition", ["symmetrized", "additive"])
def test_polynomial_smoothers_precondition_as_well_as_gauss_seidel(composition, rng):
    A, b, counts = grid(60), rng.normal(size=3600), {}
    for smoother in ("gauss_seidel", "chebyshev", "jacobi"):
        solver = BootstrapAMG(composition=composition, smoother=smoother, random_state=0).fit(A)
        steps = []
        _, info = cg(A, b, rtol=1e-8, M=solver.aspreconditioner(), callback=steps.append)
        assert info == 0
        np.testing.assert_allclose(A @ solver.solve(b), b, atol=1e-6)
        counts[smoother] = len(steps)
    assert counts["chebyshev"] <= 1.2 * counts["gauss_seidel"]
    assert counts["jacobi"] <= 1.5 * counts["gauss_seidel"]


def test_moved_preconditioner_gives_what_the_host_gives(rng, xp):
    """CuPy too, where there is a GPU; on machines without one that part is skipped by name."""
    graph = nx.disjoint_union(nx.grid_2d_graph(20, 20), nx.path_graph(30))
    graph.add_node("alone")
    A = laplacian(graph)
    solver = BootstrapAMG(smoother="chebyshev", target_rate=0.3, max_hierarchies=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        solver.fit(A)
    assert len(solver.hierarchies_) == 2
    B = rng.normal(size=(A.shape[0], 2))
    if xp.name == "array_api_strict":
        with pytest.raises(TypeError, match="No sparse matrices"):
            solver.preconditioner_like(xp.asarray(B))
        return
    moved = solver.preconditioner_like(xp.asarray(B))
    given = moved(xp.asarray(B))
    assert xp.owns(given)
    host = solver.aspreconditioner()
    np.testing.assert_allclose(xp.numpy(given), host @ B, rtol=1e-9, atol=1e-11)
    one = moved(xp.asarray(B[:, 0]))
    np.testing.assert_allclose(xp.numpy(one), host @ B[:, 0], rtol=1e-9, atol=1e-11)


def test_gauss_seidel_stays_on_the_host():
    solver = BootstrapAMG(random_state=0).fit(grid(20))
    with pytest.raises(ValueError, match="smoother='chebyshev'"):
        solver.preconditioner_like(np.ones(400))


# --- what solve promises ------------------------------------------------------------------------


def residual(A, x, b):
    """Relative to b, in float64, of the matrix as it was given."""
    return np.linalg.norm(A.astype(float) @ x.astype(float) - b) / np.linalg.norm(b)


@pytest.mark.parametrize("shift", [1e-3, 1e-4, 1e-5])
def test_a_real_shift_of_the_diagonal_is_kept_in_float32(shift, rng):
    A = sp.csr_array(laplacian(nx.grid_2d_graph(30, 30)) + shift * sp.eye_array(900))
    A, b = sp.csr_array(A.astype(np.float32)), rng.normal(size=900).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        x = BootstrapAMG(random_state=0).fit(A).solve(b)
    # x is about 1 / shift times the mean of b, .02 of its length: rounded to 6e-8, times rows of 8
    assert residual(A, x, b) < max(1e-5, 8 * 6e-8 * 0.05 / shift)
    assert abs(x.mean()) > 0.9 * abs(b.mean()) / shift  # not projected away


def test_a_solution_that_float32_cannot_hold_says_how_far_it_is_off(rng):
    A = sp.csr_array(laplacian(nx.grid_2d_graph(30, 30)) + 1e-5 * sp.eye_array(900))
    A, b = sp.csr_array(A.astype(np.float32)), rng.normal(size=900).astype(np.float32)
    solver = BootstrapAMG(random_state=0).fit(A)
    with pytest.warns(ConvergenceWarning, match="as returned in float32") as told:
        x = solver.solve(b)
    number = float(str(told[0].message).split("up to ")[1].split(",")[0])
    assert number == pytest.approx(residual(A, x, b), rel=0.01)
    wide = sp.csr_array(A.astype(float))
    x = BootstrapAMG(random_state=0).fit(wide).solve(b.astype(float))
    assert residual(wide, x, b) < 2e-8


def test_a_right_hand_side_out_of_reach_says_by_how_much(rng):
    L, b = laplacian(nx.grid_2d_graph(12, 12)), rng.normal(size=144)
    b -= b.mean()
    solver = BootstrapAMG(random_state=0).fit(7 * L)
    wanted = solver.solve(b)
    share = 0.5 / np.sqrt(0.25 + b @ b / 144)
    with pytest.warns(UserWarning, match=f"up to {share:.3g} of their length is out of reach"):
        np.testing.assert_allclose(solver.solve(b + 0.5), wanted, atol=1e-8)


@pytest.mark.parametrize("weight", [0.1, 1 / 3, 1e-6, 1e6])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounded_sums_of_equal_weights_are_no_shift(weight, dtype, rng):
    """Three times .1 is rounded up in each row alike: that is no multiple of the identity."""
    for graph in (nx.random_regular_graph(3, 2000, seed=0), nx.star_graph(3000)):
        W = weight * nx.to_scipy_sparse_array(graph, dtype=dtype)
        L = sp.csr_array(sp.diags_array(np.asarray(W.sum(axis=1)).ravel()) - W).astype(dtype)
        b = rng.normal(size=len(graph))
        b -= b.mean()
        x = BootstrapAMG(random_state=0).fit(L).solve(b)
        assert abs(x.mean()) < 1e-9 * np.abs(x).max()
        assert residual(L, x, b) < 1e-5


def test_masked_entries_are_refused():
    A = grid(4).toarray()
    with pytest.raises(ValueError, match="the matrix is a masked array"):
        BootstrapAMG().fit(np.ma.masked_equal(A, 0))
    solver = BootstrapAMG().fit(A)
    with pytest.raises(ValueError, match="b is a masked array"):
        solver.solve(np.ma.masked_greater(np.arange(16.0), 3))


@pytest.mark.parametrize("size", [1e-25, 1e25])
def test_float32_right_hand_sides_of_any_unit_are_solved(size):
    """Squares of them leave the range of float32, in which nothing is computed."""
    A, b = grid(12), np.linspace(1, 2, 144)
    x = BootstrapAMG(random_state=0).fit(A).solve((size * b).astype(np.float32))
    np.testing.assert_allclose(A @ x / size, b, rtol=1e-6)


def test_composition_set_after_fit_changes_no_solution(rng):
    A, b = grid(30), rng.normal(size=900)
    solver = BootstrapAMG(
        target_rate=0.1, max_hierarchies=2, composition="additive", random_state=0
    )
    with pytest.warns(ConvergenceWarning, match="2 hierarchies"):
        solver.fit(A)
    image = solver.aspreconditioner() @ b
    solver.set_params(composition="multiplicative")
    np.testing.assert_array_equal(solver.aspreconditioner() @ b, image)


@pytest.mark.parametrize("size", [1e-300, 1e-170, 1e-30, 1e120])
def test_a_right_hand_side_of_any_size_is_solved(size, rng):
    A = grid(12)
    b = rng.standard_normal(144)
    solver, wanted = BootstrapAMG(random_state=0).fit(A), np.linalg.solve(A.toarray(), b)
    np.testing.assert_allclose(solver.solve(b * size) / size, wanted, rtol=0, atol=1e-6)
    both = solver.solve(np.c_[b, b * size], x0=np.c_[wanted, wanted])
    np.testing.assert_allclose(both[:, 1] / size, wanted, rtol=0, atol=1e-6)
