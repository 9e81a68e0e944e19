"""BootstrapAMG beside pyamg: one Laplacian system from the matrix to the solution, and growth."""

from __future__ import annotations

from functools import partial

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import cg, spsolve
from sklearn.neighbors import kneighbors_graph

from subspace_learn.functional.graph.bootstrap_amg import ground_laplacian
from subspace_learn.functional.graph.bootstrap_amg_solve import remove_component_means
from subspace_learn.graph import BootstrapAMG

from .common import Quality, Speed
from .positional_encoding import grid_graph, stochastic_blocks

TOL = 1e-8


def spirals_graph(n, seed=0):
    """Ten nearest neighbours, symmetrised, of points on five spiral arms."""
    rng = np.random.default_rng(seed)
    t, arm = rng.uniform(1, 4 * np.pi, n), rng.integers(0, 5, n) * 2 * np.pi / 5
    points = t[:, None] * np.stack([np.cos(t + arm), np.sin(t + arm)], axis=1)
    W = kneighbors_graph(points + rng.normal(scale=0.1, size=(n, 2)), 10)
    return sp.csr_array(W.maximum(W.T))


def make_graph(kind, n):
    """Adjacency of about n vertices."""
    if kind == "grid":
        return grid_graph(round(np.sqrt(n)))
    return spirals_graph(n) if kind == "spirals" else stochastic_blocks(n)


def grounded_system(case):
    """Laplacian with one diagonal entry of each component raised, and a right-hand side.

    The right-hand side sums to zero over each component: else that entry is what is solved for.
    """
    kind, n = case.split()
    L = sp.csr_array(sp.csgraph.laplacian(make_graph(kind, int(n.replace(",", "")))))
    labels = sp.csgraph.connected_components(L, directed=False)[1]
    b = np.random.default_rng(1).normal(size=(L.shape[0], 1))
    return ground_laplacian(L, labels), remove_component_means(b, labels).ravel()


def iterations(A, b, M, maxiter=3000):
    """Solution and steps of SciPy's conjugate gradients; as many steps as allowed if more."""
    steps = []
    x = cg(A, b, M=M, rtol=TOL, maxiter=maxiter, callback=lambda x: steps.append(None))[0]
    return x, len(steps)


def jacobi(A):
    """Preconditioner: the inverse of the diagonal."""
    return sp.linalg.aslinearoperator(sp.diags_array(1 / A.diagonal()))


def pyamg_levels(A, method):
    """A hierarchy of pyamg with its defaults."""
    import pyamg

    build = {
        "smoothed aggregation": pyamg.smoothed_aggregation_solver,
        "Ruge-Stuben": pyamg.ruge_stuben_solver,
    }
    return build[method](sp.csr_matrix(A))


class Solve(Speed):
    """Laplacian, one right-hand side, 1e-8, from nothing, one thread; score: relative residual.

    Ruge-Stuben fills in on large graphs without geometry, and Jacobi needs thousands of steps on
    large grids: left out there.
    """

    needs = ("pyamg",)
    n_threads = 1
    param_names = ["graph"]
    params = [
        [
            *("grid 10,000", "grid 100,000", "grid 1,000,000", "SBM 10,000", "SBM 100,000"),
            *("spirals 10,000", "spirals 100,000"),
        ]
    ]
    smallest = ("grid 900",)

    def make_data(self, graph):
        self.left_out = {"grid 1,000,000": "Jacobi", "SBM 100,000": "Ruge-Stuben"}.get(graph)
        return grounded_system(graph)

    def ours(self, data):
        A, b = data
        solver = BootstrapAMG(random_state=0).fit(A)
        x, steps = iterations(A, b, solver.aspreconditioner())
        return x, steps, solver.operator_complexity_

    def peers(self, data):
        A, b = data

        def solve(method):
            if method == "Jacobi":
                return iterations(A, b, jacobi(A))
            return iterations(A, b, pyamg_levels(A, method).aspreconditioner())

        methods = ("Jacobi", "smoothed aggregation", "Ruge-Stuben")
        return {
            method if method == "Jacobi" else f"pyamg {method}": lambda method=method: solve(method)
            for method in methods
            if method != self.left_out
        }

    def score(self, data, result):
        return np.linalg.norm(data[1] - data[0] @ result[0]) / np.linalg.norm(data[1])

    def nbytes(self, data):
        return data[0].data.nbytes + data[0].indices.nbytes

    def extras(self, data, result, seconds):
        n_edges = (data[0].nnz - data[0].shape[0]) // 2
        return {
            "iterations": result[1],
            "operator complexity": result[2],
            "edges": f"{n_edges:,}",
            "microseconds an edge": seconds / n_edges * 1e6,
        }


def pyamg_tuned(A, method):
    """A hierarchy of pyamg with the options that its documentation recommends for the method."""
    import pyamg

    measure = ("evolution", {"epsilon": 4.0})
    energy = ("energy", {"krylov": "cg", "maxiter": 2})
    build = {
        "smoothed aggregation, evolution": partial(
            pyamg.smoothed_aggregation_solver, strength=measure
        ),
        "rootnode, evolution": partial(pyamg.rootnode_solver, strength=measure, smooth=energy),
        "pairwise": pyamg.pairwise_solver,
    }
    return build[method](sp.csr_matrix(A))


class Experts(Speed):
    """What an expert would use instead: one Laplacian system to 1e-8, set-up and solution

    One thread; score: relative residual. Every hierarchy preconditions conjugate gradients. spsolve
    factorises the matrix, which fills in on graphs without geometry: left out there.
    """

    needs = ("pyamg",)
    n_threads = 1
    budget = 10.0
    param_names = ["graph"]
    params = [["grid 10,000", "grid 100,000", "spirals 10,000", "SBM 10,000"]]
    smallest = ("grid 900",)

    def make_data(self, graph):
        return *grounded_system(graph), graph

    def ours(self, data):
        A, b, _ = data
        return iterations(A, b, BootstrapAMG(random_state=0).fit(A).aspreconditioner())

    def peers(self, data):
        A, b, graph = data
        plain, tuned = (
            ("smoothed aggregation", "Ruge-Stuben"),
            (
                *("smoothed aggregation, evolution", "rootnode, evolution"),
                "pairwise",
            ),
        )

        def solve(build, method):
            return iterations(A, b, build(A, method).aspreconditioner())

        calls = {
            f"pyamg {method}": partial(solve, build, method)
            for build, methods in ((pyamg_levels, plain), (pyamg_tuned, tuned))
            for method in methods
        }
        calls["Jacobi"] = lambda: iterations(A, b, jacobi(A))
        if not graph.startswith("SBM"):
            calls["scipy spsolve"] = lambda: (spsolve(sp.csc_matrix(A), b), 0)
        return calls

    score = Solve.score
    nbytes = Solve.nbytes


class Hierarchies(Quality):
    """Rate of a composite of hierarchies and steps of cg, symmetrized V-cycles, 10,000 vertices."""

    case_name = "graph"
    cases = {kind: f"{kind} 10,000" for kind in ("grid", "spirals", "SBM")}
    seeds = 1

    def make_data(self, case, seed):
        return grounded_system("grid 400" if self.quick else case)

    def methods(self, data):
        def rate(count):
            model = BootstrapAMG(
                target_rate=1e-9, max_hierarchies=count, cycle="V", random_state=0
            ).fit(data[0])
            steps = iterations(*data, model.aspreconditioner())[1]
            return f"{model.convergence_rate_:.3f}, {steps}"

        return {str(count): lambda count=count: rate(count) for count in (1, 2, 4, 8)}
