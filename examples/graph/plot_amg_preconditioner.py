"""
A multigrid preconditioner for SciPy's solvers
==============================================

Conjugate gradients and LOBPCG need a number of steps that grows with the condition of the matrix:
with the square root of the number of points on a grid, and beyond all patience on a neighbourhood
graph of a long thin shape. A preconditioner that treats the smooth part of the error on smaller
matrices changes that. Here a 2-D grid and a neighbourhood graph of points on spirals are solved
without one, with the inverse diagonal (Jacobi), with pyamg's smoothed aggregation and with
:class:`~subspace_learn.graph.BootstrapAMG`.
"""

import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pyamg
import scipy.sparse as sp
from scipy.sparse.linalg import cg, lobpcg
from sklearn.neighbors import kneighbors_graph

from subspace_learn import BootstrapAMG
from subspace_learn.graph import HierarchyDisplay, ground_laplacian, remove_component_means

# %%
# Two matrices
# ------------
# The grid has zero boundary values and is positive definite. The graph's Laplacian is singular, one
# null vector for each of its components; BootstrapAMG takes it as it is, but for the sake of the
# other solvers one diagonal entry of each component is raised a little. Right-hand sides sum to
# zero over each component: the raised entry would answer for any other sum, and the solution would
# be that answer and little else.

n = 150
path = sp.diags_array([-1.0, 2, -1], offsets=[-1, 0, 1], shape=(n, n))
poisson = sp.csr_array(sp.kron(path, sp.eye_array(n)) + sp.kron(sp.eye_array(n), path))

rng = np.random.default_rng(0)
t, arm = rng.uniform(1, 4 * np.pi, 20_000), rng.integers(0, 5, 20_000) * 2 * np.pi / 5
points = t[:, None] * np.stack([np.cos(t + arm), np.sin(t + arm)], axis=1)
neighbours = kneighbors_graph(points + rng.normal(scale=0.1, size=points.shape), 10)
laplacian = sp.csr_array(sp.csgraph.laplacian(neighbours.maximum(neighbours.T)))
components = sp.csgraph.connected_components(laplacian, directed=False)[1]
print(f"the neighbourhood graph has {components.max() + 1} components")

systems = {
    f"grid {n} x {n}": (poisson, rng.normal(size=n * n)),
    "spirals, 10 neighbours": (
        ground_laplacian(laplacian, components),
        remove_component_means(rng.normal(size=(len(points), 1)), components).ravel(),
    ),
}

# %%
# Residuals of conjugate gradients
# --------------------------------
# All from zero, to a relative residual of 1e-8. "Built" is the time before the first step.


def preconditioners(A):
    yield "none", lambda: None
    yield "Jacobi", lambda: sp.linalg.aslinearoperator(sp.diags_array(1 / A.diagonal()))
    yield (
        "pyamg smoothed aggregation",
        lambda: pyamg.smoothed_aggregation_solver(sp.csr_matrix(A)).aspreconditioner(),
    )
    for name, smoother in (
        ("BootstrapAMG", "gauss_seidel"),
        ("BootstrapAMG, Chebyshev", "chebyshev"),
    ):
        solver = BootstrapAMG(smoother=smoother, random_state=0)
        yield name, lambda solver=solver: solver.fit(A).aspreconditioner()


styles = {
    "none": ("#000000", ":"),
    "Jacobi": ("#e69f00", "-."),
    "pyamg smoothed aggregation": ("#d55e00", "--"),
    "BootstrapAMG": ("#0072b2", "-"),
    "BootstrapAMG, Chebyshev": ("#cc79a7", (0, (5, 3))),
}
BootstrapAMG().fit(poisson[:900, :900])  # compiles the kernels, once and for all
fig, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
for ax, (title, (A, b)) in zip(axes, systems.items(), strict=True):
    for name, build in preconditioners(A):
        start = time.perf_counter()
        M = build()
        built = time.perf_counter() - start
        residuals = [1.0]
        x, info = cg(
            A,
            b,
            M=M,
            rtol=1e-8,
            maxiter=600,
            callback=lambda x, A=A, b=b, residuals=residuals: residuals.append(
                np.linalg.norm(b - A @ x) / np.linalg.norm(b)
            ),
        )
        seconds = time.perf_counter() - start - built
        colour, line = styles[name]
        steps = np.arange(1, len(residuals))
        ax.loglog(steps, residuals[1:], linestyle=line, color=colour, label=name)
        print(
            f"{title:24s} {name:28s} built {built:5.2f} s, {len(residuals) - 1:4d} steps "
            f"{seconds:5.2f} s, residual {residuals[-1]:.0e}"
        )
    ax.set(xlabel="step of conjugate gradients", title=title)
    ax.grid(alpha=0.3)
axes[0].set_ylabel("relative residual")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %%
# On the grid pyamg's smoothed aggregation needs half the steps: smoothed prolongators carry a
# smooth function better than piecewise constant ones, and the grid is their home. On the other
# graph both need about as many. Where the graph is an expander try Jacobi first: a random graph is
# solved in a few dozen steps by anything. Chebyshev smoothing, products of sparse matrices alone,
# takes as many steps as Gauss-Seidel.
#
# The low end of the spectrum
# ---------------------------
# LOBPCG on the singular Laplacian itself, twelve vectors, 30 steps; it warns that not all of the
# twelve have converged. Residuals relative to twice the largest degree, a bound of the spectrum.

start_vectors = rng.normal(size=(laplacian.shape[0], 12))
M = BootstrapAMG(random_state=0).fit(laplacian).aspreconditioner()
for name, preconditioner in {"none": None, "BootstrapAMG": M}.items():
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        values, vectors = lobpcg(
            laplacian, start_vectors.copy(), M=preconditioner, largest=False, maxiter=30, tol=1e-8
        )
    left = np.linalg.norm(laplacian @ vectors - vectors * values, axis=0)
    print(
        f"{name:14s} {time.perf_counter() - start:5.2f} s, largest of the 6 smallest eigenvalues "
        f"{np.sort(values)[5]:.2e}, their residuals up to "
        f"{np.sort(left)[:6].max() / (2 * laplacian.diagonal().max()):.1e}"
    )

# %%
# What the hierarchy looks like
# -----------------------------
# With several hierarchies, each built on the error that those before it leave, one composite
# reduces the error further; it also costs more, so for one system one hierarchy is fastest.

solver = BootstrapAMG(target_rate=0.1, random_state=0).fit(laplacian)
HierarchyDisplay.from_estimator(solver)
plt.show()
