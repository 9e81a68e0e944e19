"""
Growth: two kinds of graphs, two solvers
========================================

Random blocks are expanders: coarse copies of such a graph fill in, but a polynomial filter needs
few steps. Neighbours of points on five spirals have a geometry: a filter would need thousands of
steps, but coarse copies of the graph stay sparse and their eigenvectors are nearly right.
``strategy="auto"`` aggregates the graph once, sees which kind it is, and says so in
``coarsening_growth_`` and ``strategy_``.

Sizes here keep the example short; a million vertices of each kind are in the benchmarks
(``make bench-report BENCH=spectral_amg_clustering``).
"""

import time

import matplotlib.pyplot as plt
import numpy as np
import scipy.sparse as sp
from sklearn.metrics import normalized_mutual_info_score

from subspace_learn import SpectralAMGClustering

SIZES = (2_000, 5_000, 10_000, 20_000, 50_000)


def random_blocks(n, rng):
    """Ten equal blocks: about 12 edges of a vertex inside its block, 3 anywhere."""
    size = n // 10
    i, k = rng.integers(0, n, 6 * n), rng.integers(0, n, 3 * n // 2)
    j, m = i // size * size + rng.integers(0, size, len(i)), rng.integers(0, n, len(k))
    edges = np.concatenate([i, k]), np.concatenate([j, m])
    A = sp.csr_array((np.ones(len(edges[0])), edges), shape=(n, n))
    return A + A.T, np.arange(n) // size


def five_spirals(n, rng):
    """Points on five arms."""
    arm = np.arange(n) % 5
    radius = np.sqrt(rng.uniform(0.02, 1, n))
    angle = 2 * np.pi * (radius + arm / 5)
    X = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return X + 0.01 * rng.standard_normal((n, 2)), arm


# %%
# One fit of each size
# --------------------
# For points the time includes the search for neighbours. A first fit, not timed, loads libraries.

rng = np.random.default_rng(0)
SpectralAMGClustering(5, random_state=0).fit(five_spirals(2_000, rng)[0])
rows = {"random blocks": [], "five spirals": []}
for n in SIZES:
    A, block = random_blocks(n, rng)
    X, arm = five_spirals(n, rng)
    cases = {
        "random blocks": (SpectralAMGClustering(10, affinity="precomputed", n_init=3), A, block),
        # arms that no edge joins would be clusters as they are: here the solver is shown
        "five spirals": (SpectralAMGClustering(5, n_components=5, n_init=3), X, arm),
    }
    for name, (model, data, truth) in cases.items():
        start = time.perf_counter()
        model.set_params(random_state=0).fit(data)
        seconds = time.perf_counter() - start
        score = normalized_mutual_info_score(truth, model.labels_)
        rows[name].append((model.affinity_matrix_.nnz / 2, seconds, score))
        print(
            f"{name:14s} {n:7,d} vertices: {seconds:5.2f} s, NMI {score:.3f}, "
            f"{model.strategy_} (growth {model.coarsening_growth_:.1f})"
        )

# %%
# Time grows like the number of edges
# -----------------------------------

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for (name, values), colour, marker in zip(
    rows.items(), ("#0072B2", "#D55E00"), ("o", "s"), strict=True
):
    edges, seconds, score = np.transpose(values)
    left.loglog(edges, seconds, f"{marker}-", color=colour, label=name)
    right.semilogx(edges, score, f"{marker}-", color=colour, label=name)
line = np.array([edges[0], edges[-1]])
left.loglog(line, seconds[-1] / edges[-1] * line, "k--", linewidth=1, label="like the edges")
left.set(xlabel="edges", ylabel="seconds of one fit", title="Time")
right.set(xlabel="edges", ylabel="NMI with the truth", ylim=(0, 1.05), title="Quality")
left.legend()
right.legend()
plt.show()
