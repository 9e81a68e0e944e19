"""What a bootstrap multigrid solver is worth beside pyamg, for doc/_tables.

python asv_benches/bootstrap_amg_tables.py           # the whole page, about 8 minutes, 6 GB
python asv_benches/bootstrap_amg_tables.py rates     # one of them, printed only

"solve": one system from the matrix to 1e-8. "rates": what further hierarchies bring. "growth":
seconds over edges. "visits": entries that are looked at, over edges. "smoothers": other smoothers
than Gauss-Seidel. One call each after a warm one on a small graph; processor seconds of one
thread, which a busy machine disturbs less than the clock.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from unittest.mock import patch

import numpy as np
import scipy.sparse as sp
from benchmarks.bootstrap_amg import TOL, grounded_system, jacobi
from scipy.sparse.linalg import cg
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from subspace_learn.functional.graph import aggregation
from subspace_learn.graph import BootstrapAMG

OUTPUT = Path(__file__).resolve().parents[1] / "doc" / "_tables" / "bootstrap_amg.rst"
# Ruge-Stuben fills in on graphs without geometry (operator complexity 6 with 1e4 vertices, more
# with 1e5), and Jacobi needs thousands of steps on the largest grid: left out there.
CASES = {
    ("grid", 10_000): ("ours", "one V", "Jacobi", "smoothed aggregation", "Ruge-Stuben"),
    ("grid", 100_000): ("ours", "one V", "Jacobi", "smoothed aggregation", "Ruge-Stuben"),
    ("grid", 1_000_000): ("ours", "smoothed aggregation", "Ruge-Stuben"),
    ("spirals", 10_000): ("ours", "one V", "Jacobi", "smoothed aggregation", "Ruge-Stuben"),
    ("spirals", 100_000): ("ours", "one V", "Jacobi", "smoothed aggregation", "Ruge-Stuben"),
    ("SBM", 10_000): ("ours", "one V", "Jacobi", "smoothed aggregation", "Ruge-Stuben"),
    ("SBM", 100_000): ("ours", "one V", "Jacobi", "smoothed aggregation"),
}


def seconds_of(call):
    """Result and processor seconds."""
    start = time.process_time()
    result = call()
    return result, time.process_time() - start


def one_hierarchy(cycle="W"):
    return BootstrapAMG(cycle=cycle, max_hierarchies=1, target_rate=0.999, random_state=0)


def warm():
    A, b = grounded_system("grid", 2500)
    for cycle in "VW":
        one_hierarchy(cycle).fit(A).solve(b)


def built(method, A):
    """Preconditioner, operator complexity (nan if it has none)."""
    import pyamg

    if method == "Jacobi":
        return jacobi(A), np.nan
    if method in ("ours", "one V"):
        solver = BootstrapAMG(random_state=0) if method == "ours" else one_hierarchy("V")
        solver.fit(A)
        return solver.aspreconditioner(), solver.operator_complexity_
    build = {
        "smoothed aggregation": pyamg.smoothed_aggregation_solver,
        "Ruge-Stuben": pyamg.ruge_stuben_solver,
    }[method]
    levels = build(sp.csr_matrix(A))
    return levels.aspreconditioner(), levels.operator_complexity()


def solve():
    """Laplacian systems to 1e-8 by SciPy's cg, processor seconds and iterations."""
    yield "graph", "preconditioner", "build, s", "solve, s", "iterations", "operator complexity"
    names = {"ours": "BootstrapAMG", "one V": 'BootstrapAMG, cycle="V"'}
    for (kind, n), methods in CASES.items():
        A, b = grounded_system(kind, n)
        for method in methods:
            (M, complexity), built_in = seconds_of(lambda A=A, m=method: built(m, A))
            steps = []
            (_, info), solved_in = seconds_of(
                lambda A=A, b=b, M=M, steps=steps: cg(
                    A, b, M=M, rtol=TOL, maxiter=3000, callback=lambda x: steps.append(None)
                )
            )
            iterations = str(len(steps)) if info == 0 else f"more than {len(steps)}"
            name = names.get(method, method if method == "Jacobi" else f"pyamg {method}")
            label = "-" if np.isnan(complexity) else f"{complexity:.2f}"
            yield f"{kind} {n:,}", name, f"{built_in:.2f}", f"{solved_in:.2f}", iterations, label


def rates():
    """Rate per composite and iterations of cg, symmetrized V-cycles, 10,000 vertices."""
    counts = (1, 2, 4, 8)
    yield "graph", *(f"{count} {'hierarchies' if count > 1 else 'hierarchy'}" for count in counts)
    for kind in ("grid", "spirals", "SBM"):
        A, b = grounded_system(kind, 10_000)
        cells = []
        for count in counts:
            solver = BootstrapAMG(
                target_rate=1e-9, max_hierarchies=count, cycle="V", random_state=0
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                solver.fit(A)
            steps = []
            M = solver.aspreconditioner()
            cg(A, b, M=M, rtol=TOL, callback=lambda x, steps=steps: steps.append(None))
            cells.append(f"{solver.convergence_rate_:.3f}, {len(steps)}")
        yield kind, *cells


def growth():
    """Defaults, processor microseconds over edges."""
    yield "graph", "edges", "fit", "solve", "of that, one iteration times iterations"
    for kind, sizes in {
        "grid": (100_000, 1_000_000),
        "SBM": (100_000, 1_000_000),
        "spirals": (100_000, 1_000_000),
    }.items():
        for n in sizes:
            A, b = grounded_system(kind, n)
            n_edges = (A.nnz - A.shape[0]) // 2
            solver, fitted_in = seconds_of(lambda A=A: BootstrapAMG(random_state=0).fit(A))
            steps = []
            M = solver.aspreconditioner()
            _, solved_in = seconds_of(
                lambda A=A, b=b, M=M, steps=steps: cg(
                    A, b, M=M, rtol=TOL, callback=lambda x: steps.append(None)
                )
            )
            micro = 1e6 / n_edges
            yield (
                f"{kind} {n:,}",
                f"{n_edges:,}",
                f"{fitted_in * micro:.2f}",
                f"{solved_in * micro:.2f}",
                f"{solved_in * micro / len(steps):.3f} x {len(steps)}",
            )


def counted(function, seen):
    """The function, which notes the entries of its first argument."""

    def call(matrix, *args, **settings):
        seen.append(matrix.nnz)
        return function(matrix, *args, **settings)

    return call


def visits():
    """Entries visited over edges: what grows by counts, and not by misses of the cache."""
    yield "graph", "to build (matchings and products)", "in one cycle", "operator complexity"
    for kind, n in (("grid", 100_000), ("spirals", 100_000), ("SBM", 100_000), ("SBM", 1_000_000)):
        A, _ = grounded_system(kind, n)
        n_edges = (A.nnz - A.shape[0]) / 2
        seen = []
        names = ("matching_prolongator", "galerkin")
        matching, product = (counted(getattr(aggregation, name), seen) for name in names)
        with (
            patch.object(aggregation, names[0], matching),
            patch.object(aggregation, names[1], product),
        ):
            levels = aggregation.build_hierarchy(A, np.ones(A.shape[0]), cycle="W")
        cycle = sum(
            times * entries for times, entries in zip(levels.visits, levels.nonzeros, strict=True)
        )
        yield (
            f"{kind} {n:,}",
            f"{sum(seen) / n_edges:.1f}",
            f"{cycle / n_edges:.1f}",
            f"{levels.operator_complexity:.2f}",
        )


def smoothers():
    """Smoothers, 20,000 vertices: iterations of cg to 1e-8, rate, time of a cycle over the first"""
    yield "graph", "smoother", "iterations", "rate of one cycle", "time of a cycle"
    for kind in ("grid", "spirals", "SBM"):
        A, b = grounded_system(kind, 20_000)
        residual = b[:, None]
        first = None
        for smoother in ("gauss_seidel", "chebyshev", "jacobi"):
            solver = BootstrapAMG(
                smoother=smoother,
                target_rate=0.999,
                max_hierarchies=1,
                n_sweeps=40,
                random_state=0,
            ).fit(A)
            M, steps = solver.aspreconditioner(), []
            cg(A, b, M=M, rtol=TOL, callback=lambda x, steps=steps: steps.append(None))
            took = min(
                seconds_of(lambda h=solver.hierarchy_, r=residual: aggregation.v_cycle(h, r))[1]
                for _ in range(15)
            )
            first = took if first is None else first
            rate = f"{solver.convergence_rate_:.2f}"
            yield kind, smoother, str(len(steps)), rate, f"{took / first:.2f}"


PARTS = {
    "solve": solve,
    "rates": rates,
    "growth": growth,
    "visits": visits,
    "smoothers": smoothers,
}


def as_list_table(title, rows):
    lines = [f".. list-table:: {title}", "   :header-rows: 1", ""]
    for row in rows:
        lines += [f"   {'* -' if i == 0 else '  -'} {cell}" for i, cell in enumerate(row)]
    return "\n".join([*lines, ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="?", choices=PARTS)
    part = parser.parse_args().part
    with threadpool_limits(1):
        write(part)


def write(part):
    warm()
    page = []
    for name in [part] if part else PARTS:
        page.append(as_list_table(PARTS[name].__doc__.rstrip("."), PARTS[name]()))
        print(page[-1], flush=True)
    if part is None:
        OUTPUT.write_text("\n".join(page), "utf-8")


if __name__ == "__main__":
    main()
