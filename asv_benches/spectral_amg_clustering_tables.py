"""What SpectralAMGClustering is worth, for doc/_tables.

python asv_benches/spectral_amg_clustering_tables.py              # the whole page, some minutes
python asv_benches/spectral_amg_clustering_tables.py graphs       # one of them, printed only
python asv_benches/spectral_amg_clustering_tables.py large        # 1e6 vertices, printed only

"graphs": NMI on real graphs, structure only. "attributes": with attributes. "planted": the
stochastic block models of the papers' sheet. "purity": modularity and entropy where no classes are
known. "others": the graphs by which defaults were chosen. "growth": seconds and memory. Medians of
five seeds with the least and largest in brackets; labels serve for the scores alone.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import networkx as nx
import numpy as np
import scipy.sparse as sp
from benchmarks.common import extra_memory
from benchmarks.positional_encoding import stochastic_blocks
from benchmarks.spectral_amg_clustering import spiral_graph
from sklearn.cluster import KMeans, SpectralClustering
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.metrics import normalized_mutual_info_score
from sklearn.preprocessing import StandardScaler

from subspace_learn import SpectralAMGClustering
from subspace_learn.datasets import fetch_attributed_graph
from subspace_learn.functional.graph.affinity_graph import neighbor_affinity
from subspace_learn.functional.graph.attribute_graph import attribute_entropy
from subspace_learn.functional.graph.graph_laplacian import modularity

SEEDS = range(5)
OUTPUT = Path(__file__).resolve().parents[1] / "doc" / "_tables" / "spectral_amg_clustering.rst"


def spread(values):
    """Median, and the range where there is one."""
    middle, low, high = (f"{f(values):.3f}" for f in (np.median, np.min, np.max))
    return middle if low == high else f"{middle} ({low} to {high})"


def scored(truth, labels_of_seed):
    return spread([normalized_mutual_info_score(truth, labels_of_seed(s)) for s in SEEDS])


def ours(A, K, X=None, **settings):
    """Labels by seed: of the graph, or of attributes X on it."""

    def labels(seed):
        affinity = "precomputed" if X is None else "nearest_neighbors"
        model = SpectralAMGClustering(K, affinity=affinity, random_state=seed, **settings)
        return model.fit(A).labels_ if X is None else model.fit(X, adjacency=A).labels_

    return labels


def sklearn_spectral(A, K):
    def labels(seed):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of graphs that are not connected
            model = SpectralClustering(K, affinity="precomputed", random_state=seed)
            return model.fit(sp.csr_matrix(A)).labels_

    return labels


def louvain(A):
    graph = nx.from_scipy_sparse_array(A)

    def labels(seed):
        found = np.empty(A.shape[0], dtype=int)
        for k, members in enumerate(nx.community.louvain_communities(graph, seed=seed)):
            found[list(members)] = k
        return found

    return labels


def kmeans(X, K):
    return lambda seed: KMeans(K, n_init=10, random_state=seed).fit(X).labels_


def augmented(A, X):
    """Nodes and values as vertices of one graph, all edges of weight 1."""
    X = sp.csr_array((X > 0).astype(float))
    return sp.block_array([[A, X], [X.T, None]], format="csr")


def largest_component(A, truth, X=None):
    labels = sp.csgraph.connected_components(A)[1]
    kept = labels == np.bincount(labels).argmax()
    return sp.csr_array(A[kept][:, kept]), truth[kept], None if X is None else X[kept]


def real_graph(name, part):
    data = fetch_attributed_graph(name)
    A, truth = sp.csr_array(data.adjacency, dtype=np.float64), np.asarray(data.target)
    X = data.attributes
    return largest_component(A, truth, X) if part == "largest component" else (A, truth, X)


def graphs():
    """NMI on real graphs, structure only"""
    yield ("graph", "ours", "strategy='bootstrap'", "sklearn spectral", "Louvain")
    for name, part in (
        ("cora", "largest component"),
        ("cora", "whole"),
        ("polblogs", "largest component"),
        ("polblogs", "whole"),
        ("polbooks", "whole"),
        ("football", "whole"),
        ("sbm400", "whole"),
    ):
        A, truth, _ = real_graph(name, part)
        K = len(np.unique(truth))
        yield (
            f"{name}, {part}",
            scored(truth, ours(A, K)),
            scored(truth, ours(A, K, strategy="bootstrap")),
            scored(truth, sklearn_spectral(A, K)),
            scored(truth, louvain(A)),
        )


def attribute_row(name, A, truth, X):
    K, n = len(np.unique(truth)), len(truth)
    return (
        name,
        scored(truth, ours(A, K, X)),
        scored(truth, ours(A, K)),
        scored(truth, kmeans(X, K)),
        scored(truth, lambda seed: sklearn_spectral(augmented(A, X), K)(seed)[:n]),
    )


ATTRIBUTE_HEAD = (
    "graph",
    "ours, edges and attributes",
    "ours, edges alone",
    "K-means, attributes alone",
    "sklearn spectral, augmented graph",
)


def attributes():
    """NMI on real graphs with attributes"""
    yield ATTRIBUTE_HEAD
    for name, part in (("cora", "largest component"), ("cora", "whole"), ("texas", "whole")):
        yield attribute_row(f"{name}, {part}", *real_graph(name, part))


def planted_blocks(ratio, right, seed, n=400, q=4, degree=8):
    """The sheet's model: q equal blocks, mean degree 8, one attribute drawn anew with 1 - right."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % q
    inner = degree * q / (1 + (q - 1) * ratio)
    p = np.where(truth[:, None] == truth, inner, ratio * inner) / n
    upper = np.triu(rng.random((n, n)) < p, 1).astype(float)
    shown = np.where(rng.random(n) < right, truth, rng.integers(0, q, n))
    return sp.csr_array(upper + upper.T), truth, sp.csr_array(np.eye(q)[shown])


def planted():
    """NMI on planted blocks with one attribute (ratio of edge rates; share of true values)"""
    yield ATTRIBUTE_HEAD
    cases = ((0.1, 0.5), (0.1, 0.75), (0.25, 0.5), (0.25, 0.75), (0.25, 0.95), (0.4, 0.75))
    for ratio, right in cases:
        columns = []
        for seed in SEEDS:
            A, truth, X = planted_blocks(ratio, right, seed)
            found = (
                ours(A, 4, X)(seed),
                ours(A, 4)(seed),
                X.argmax(axis=1),
                sklearn_spectral(augmented(A, X), 4)(seed)[: len(truth)],
            )
            columns.append([normalized_mutual_info_score(truth, labels) for labels in found])
        yield (f"{ratio}, {right}", *map(spread, np.transpose(columns)))


PURITY = (
    ("lazega71_advice", 4),
    ("lazega36_advice", 4),
    ("lazega36_friend", 4),
    ("yeast_ppi", 13),
    ("sbm400", 5),
)


def purity():
    """Modularity; entropy of the attributes in bits (no classes, or the attribute is the class)"""
    yield ("graph", "clusters", "edges and attributes", "edges alone", "K-means, attributes alone")
    for name, K in PURITY:
        data = fetch_attributed_graph(name)
        A, X = sp.csr_array(data.adjacency, dtype=np.float64), data.attributes
        codes = data.target if data.metadata is None else data.metadata
        cells = []
        for labels_of_seed in (ours(A, K, X), ours(A, K), kmeans(X, K)):
            found = [labels_of_seed(seed) for seed in SEEDS]
            Q = spread([modularity(A, labels) for labels in found])
            H = spread([attribute_entropy(codes, labels) for labels in found])
            cells.append(f"{Q}; {H}")
        yield (name, str(K), *cells)


def with_degrees(n, K, degree, ratio, seed, whiskers=0, shares=None):
    """Degree-corrected blocks, power law of degrees (exponent 2.5); chains of three at the rim."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(K, n, p=shares)
    size = np.minimum((1 - rng.random(n)) ** (-1 / 1.5), np.sqrt(n))
    mean = np.where(truth[:, None] == truth, 1, ratio) * np.outer(size, size)
    upper = np.triu(rng.random((n, n)) < 1 - np.exp(-degree * n * mean / mean.sum()), 1)
    inner = sp.csr_array((upper + upper.T).astype(float))
    chain = sp.csr_array(nx.to_scipy_sparse_array(nx.path_graph(3), dtype=float))
    A = sp.block_diag([inner, *[chain] * whiskers], format="lil")
    roots = rng.integers(0, n, whiskers)
    for k, root in enumerate(roots):
        A[root, n + 3 * k] = A[n + 3 * k, root] = 1
    return largest_component(sp.csr_array(A), np.append(truth, np.repeat(truth[roots], 3)))[:2]


def benchmark_of_lancichinetti(mixing, seed, n=1000):
    """LFR graph; some seeds have no such graph, and the next one is taken."""
    for attempt in range(50):
        try:
            graph = nx.LFR_benchmark_graph(
                n,
                2.5,
                1.5,
                mixing,
                average_degree=10,
                max_degree=50,
                min_community=20,
                max_community=n // 5,
                seed=100 * seed + attempt,
            )
            break
        except nx.ExceededMaxIterations:
            continue
    graph.remove_edges_from(list(nx.selfloop_edges(graph)))
    truth = np.zeros(n, dtype=int)
    for k, members in enumerate({frozenset(graph.nodes[v]["community"]) for v in graph}):
        truth[list(members)] = k
    return largest_component(sp.csr_array(nx.to_scipy_sparse_array(graph, dtype=float)), truth)[:2]


def neighbours_of(load):
    X, truth = load(return_X_y=True)
    return neighbor_affinity(StandardScaler().fit_transform(X), 10), truth


def karate_club():
    graph = nx.karate_club_graph()
    A = nx.to_scipy_sparse_array(graph, weight=None, dtype=float)
    return sp.csr_array(A), np.array([graph.nodes[v]["club"] == "Officer" for v in graph])


OTHERS = {
    "karate club": lambda seed: karate_club(),
    "digits, 10 neighbours": lambda seed: neighbours_of(load_digits),
    "wine, 10 neighbours": lambda seed: neighbours_of(load_wine),
    "iris, 10 neighbours": lambda seed: neighbours_of(load_iris),
    "breast cancer, 10 neighbours": lambda seed: neighbours_of(load_breast_cancer),
    "unlike degrees, 2 blocks": lambda seed: with_degrees(1000, 2, 10, 0.25, seed),
    "unlike degrees, 5 blocks": lambda seed: with_degrees(1000, 5, 10, 0.15, seed),
    "unlike degrees, 2 uneven blocks": lambda seed: with_degrees(
        1000, 2, 10, 0.15, seed, shares=[0.8, 0.2]
    ),
    "unlike degrees, 2 blocks, 40 whiskers": lambda seed: with_degrees(800, 2, 10, 0.2, seed, 40),
    "unlike degrees, 4 blocks, 40 whiskers": lambda seed: with_degrees(800, 4, 10, 0.1, seed, 40),
    "LFR, mixing 0.2": lambda seed: benchmark_of_lancichinetti(0.2, seed),
    "LFR, mixing 0.4": lambda seed: benchmark_of_lancichinetti(0.4, seed),
    "LFR, mixing 0.5": lambda seed: benchmark_of_lancichinetti(0.5, seed),
}


def others():
    """NMI on graphs by which defaults were chosen (made graphs: five of each)"""
    yield ("graph", "ours", "sklearn spectral", "Louvain")
    for name, make in OTHERS.items():
        columns = []
        for seed in SEEDS:
            A, truth = make(seed)
            K = len(np.unique(truth))
            found = (ours(A, K)(seed), sklearn_spectral(A, K)(seed), louvain(A)(seed))
            columns.append([normalized_mutual_info_score(truth, labels) for labels in found])
        yield (name, *map(spread, np.transpose(columns)))


def large_case(kind, n, noise=None):
    """A graph, its truth, and its name."""
    if kind == "SBM":
        return sp.csr_array(stochastic_blocks(n)), np.arange(n) * 10 // n, f"SBM, {n:,} nodes"
    A, arm = spiral_graph(n, noise=noise)
    return A, arm, f"five spirals, noise {noise}, {n:,} points"


def growth_row(kind, n, noise=None):
    A, truth, name = large_case(kind, n, noise)
    A = A.astype(np.float64)
    # separate spirals would be clusters as they are: the solver is timed
    model = SpectralAMGClustering(
        int(truth.max()) + 1,
        n_components="auto" if kind == "SBM" else int(truth.max()) + 1,
        affinity="precomputed",
        n_init=3,
        random_state=0,
    )
    seconds = []

    def fit():
        start = time.perf_counter()
        model.fit(A)
        seconds.append(time.perf_counter() - start)

    memory = extra_memory(fit) / 2**20
    return (
        name,
        f"{A.nnz // 2:,}",
        model.strategy_,
        f"{seconds[0]:.1f}",
        f"{seconds[0] / A.nnz * 2e6:.1f}",
        f"{memory:.0f}",
        f"{normalized_mutual_info_score(truth, model.labels_):.3f}",
    )


GROWTH_HEAD = (
    "graph",
    "edges",
    "strategy",
    "s",
    "microseconds an edge",
    "extra memory, MiB",
    "NMI",
)


def growth():
    """Seconds and memory of one fit, graph given, three starts of K-means"""
    yield GROWTH_HEAD
    for n in (10_000, 100_000):
        yield growth_row("SBM", n)
        yield growth_row("spirals", n, 0.02)


def large():
    """A million vertices"""
    yield GROWTH_HEAD
    yield growth_row("SBM", 1_000_000)
    yield growth_row("spirals", 1_000_000, 0.01)


TABLES = {
    table.__name__: table for table in (graphs, attributes, planted, purity, others, growth, large)
}


def listed(table):
    """A list-table directive."""
    head, *rows = table()
    lines = [f".. list-table:: {table.__doc__}", "   :header-rows: 1", ""]
    for row in (head, *rows):
        lines += [("   * - " if i == 0 else "     - ") + cell for i, cell in enumerate(row)]
    return "\n".join([*lines, ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", nargs="?", choices=sorted(TABLES))
    chosen = parser.parse_args().table
    if chosen is not None:
        print(listed(TABLES[chosen]))
        return
    page = [listed(TABLES[name]) for name in TABLES if name != "large"]
    OUTPUT.write_text("\n".join(page), encoding="utf-8")
    print(f"written: {OUTPUT}")


if __name__ == "__main__":
    main()
