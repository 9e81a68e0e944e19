"""BootstrapAMG beside pyamg: one Laplacian system from the matrix to the solution, and growth."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import cg
from sklearn.neighbors import kneighbors_graph

from subspace_learn.functional.graph.bootstrap_amg import ground_laplacian
from subspace_learn.functional.graph.bootstrap_amg_solve import remove_component_means
from subspace_learn.graph import BootstrapAMG

from .common import PeerBenchmark
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


def grounded_system(kind, n):
    """Laplacian with one diagonal entry of each component raised, and a right-hand side.

    The right-hand side sums to zero over each component, lest that entry be what is solved for.
    """
    L = sp.csr_array(sp.csgraph.laplacian(make_graph(kind, n)))
    labels = sp.csgraph.connected_components(L, directed=False)[1]
    b = np.random.default_rng(1).normal(size=(L.shape[0], 1))
    return ground_laplacian(L, labels), remove_component_means(b, labels).ravel()


def jacobi(A):
    """Preconditioner: the inverse of the diagonal."""
    return sp.linalg.aslinearoperator(sp.diags_array(1 / A.diagonal()))


def pyamg_preconditioner(A, method):
    """One V-cycle of pyamg with its defaults."""
    import pyamg

    solvers = {
        "smoothed aggregation": pyamg.smoothed_aggregation_solver,
        "Ruge-Stuben": pyamg.ruge_stuben_solver,
    }
    return solvers[method](sp.csr_matrix(A)).aspreconditioner()


def preconditioned(A, b, preconditioner):
    """Solution by SciPy's conjugate gradients."""
    return cg(A, b, M=preconditioner, rtol=TOL, maxiter=5000)[0]


class Solve(PeerBenchmark):
    """Laplacian, one right-hand side, 1e-8, from nothing; score: relative residual."""

    param_names = ["graph"]
    params = [["grid 10000", "grid 100000", "SBM 10000", "spirals 10000", "spirals 100000"]]

    def make_data(self, graph):
        kind, n = graph.split()
        return grounded_system(kind, int(n))

    def ours(self, data):
        return BootstrapAMG(random_state=0).fit(data[0]).solve(data[1], tol=TOL)

    def peers(self, data):
        A, b = data
        calls = {"Jacobi": lambda: preconditioned(A, b, jacobi(A))}
        try:
            import pyamg  # noqa: F401
        except ImportError:  # seen in the report as a row that is not there
            return calls
        for method in ("smoothed aggregation", "Ruge-Stuben"):
            calls[f"pyamg {method}"] = lambda method=method: preconditioned(
                A, b, pyamg_preconditioner(A, method)
            )
        return calls

    def score(self, data, result):
        return np.linalg.norm(data[1] - data[0] @ result) / np.linalg.norm(data[1])

    def nbytes(self, data):
        return data[0].data.nbytes + data[0].indices.nbytes


class Growth:
    """Fit, and one solve, on larger graphs; time over edges is the figure to watch."""

    param_names = ["graph"]
    params = [["grid 100000", "grid 1000000", "SBM 100000", "spirals 100000"]]
    timeout = 600.0
    warmup_time = 0.0

    def setup(self, graph):
        kind, n = graph.split()
        self.A, self.b = grounded_system(kind, int(n))
        small, right = grounded_system("grid", 400)
        BootstrapAMG(random_state=0).fit(small).solve(right)  # compiles
        self.solver = BootstrapAMG(random_state=0).fit(self.A)

    def time_fit(self, graph):
        BootstrapAMG(random_state=0).fit(self.A)

    def time_solve(self, graph):
        self.solver.solve(self.b, tol=TOL)

    def peakmem_fit(self, graph):
        BootstrapAMG(random_state=0).fit(self.A)
