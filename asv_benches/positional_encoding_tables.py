"""What stable positional encodings are worth, for doc/_tables.

python asv_benches/positional_encoding_tables.py            # the whole page, about 3 minutes
python asv_benches/positional_encoding_tables.py counts     # one of them, printed only

"stability": change of the encoding over change of the Laplacian. "counts": triangles and 4-cycles
of each node, graphs unseen in training. "nodes": classes of nodes of one graph, half of them for
training. "growth": seconds and memory. Five seeds; parameters chosen on the training part.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import networkx as nx
import numpy as np
import scipy.sparse as sp
from benchmarks.common import extra_memory
from benchmarks.positional_encoding import grid_graph, stochastic_blocks, timed
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import GridSearchCV, KFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from subspace_learn import SpectralPositionalEncoding
from subspace_learn.datasets import fetch_attributed_graph
from subspace_learn.functional.graph.positional_encoding import normalized_adjacency

SEEDS = range(5)
OUTPUT = Path(__file__).resolve().parents[1] / "doc" / "_tables" / "positional_encoding.rst"


def eigenvectors(A, d, rng=None):
    """The d smallest eigenvectors, padded with zeros; with ``rng`` their signs are random."""
    L = np.eye(A.shape[0]) - normalized_adjacency(sp.csr_array(A)).toarray()
    V = np.zeros((A.shape[0], d))
    found = np.linalg.eigh(L)[1][:, :d]
    V[:, : found.shape[1]] = found
    return V if rng is None else V * rng.choice([-1, 1], size=d)


def degrees(A):
    degree = np.asarray(A.sum(axis=1)).ravel()
    return np.stack([degree, degree**2, degree**3], axis=1)


def spread(values):
    return f"{np.mean(values):.3f} ± {np.std(values):.3f}"


# --- stability ------------------------------------------------------------------------------------


def aligned_change(V, W):
    """Change of eigenvectors, each with the sign that suits it best."""
    return np.linalg.norm(V * np.sign((V * W).sum(axis=0)) - W)


def stability():
    """Largest ratio over twenty perturbations of the weights by 1e-6."""
    yield (
        "graph",
        "all pairs",
        "d = 8, taper",
        "d = 8, no taper",
        "8 eigenvectors, signs aligned",
    )
    rng = np.random.default_rng(0)
    graphs = {
        "cycle 20 (gap 0 at 8)": nx.cycle_graph(20),
        "star 16 (one value 14 times)": nx.star_graph(15),
        "hypercube 4": nx.hypercube_graph(4),
        "complete 14": nx.complete_graph(14),
        "grid 6 x 6": nx.grid_2d_graph(6, 6),
        "Erdos-Renyi 40": nx.gnp_random_graph(40, 0.15, seed=3),
        "barbell (gap 0)": nx.barbell_graph(8, 2),
    }
    for name, graph in graphs.items():
        A = sp.csr_array(nx.to_scipy_sparse_array(graph, dtype=float))
        ratios = []
        for _ in range(20):
            change = sp.triu(A, 1).tocoo()
            change.data = rng.uniform(-1e-6, 1e-6, change.nnz)
            B = sp.csr_array(A + change + change.T)
            moved = np.linalg.norm((normalized_adjacency(A) - normalized_adjacency(B)).toarray())
            row = []
            for settings in ({"n_components": None}, {"n_components": 8}):
                encode = SpectralPositionalEncoding(**settings)
                row.append(np.linalg.norm(encode.transform(A) - encode.transform(B)) / moved)
            row.append(hard_cut_change(A, B, 8) / moved)
            row.append(aligned_change(eigenvectors(A, 8), eigenvectors(B, 8)) / moved)
            ratios.append(row)
        yield name, *(f"{ratio:.2g}" for ratio in np.max(ratios, axis=0))


def hard_cut_change(A, B, d):
    """As published: the same filters and statistics, cut at d whatever the gap there."""
    from subspace_learn.functional.graph import positional_encoding as pe

    tables = []
    for X in (A, B):
        N = normalized_adjacency(X)
        found = pe.low_frequencies(N, d)
        u = 2 * found.values / found.cut
        weights = np.stack([phi(u) for phi in pe.spectral_filters("lipschitz").values()])
        tables.append(pe.node_statistics(N, found.vectors, weights))
    return np.linalg.norm(tables[0] - tables[1])


# --- counts ---------------------------------------------------------------------------------------


def cycles(A):
    """Triangles and 4-cycles through each node, from powers of the adjacency."""
    A = A.toarray()
    degree, A2 = A.sum(axis=1), A @ A
    triangles = np.diag(A2 @ A) / 2
    pairs = A2 - np.diag(degree)
    squares = (pairs * (pairs - 1)).sum(axis=1) / 2
    return np.stack([triangles, squares], axis=1)


def random_graphs(seed):
    rng = np.random.default_rng(seed)
    probabilities = rng.uniform(0.2, 0.5, 400)
    graphs = [nx.gnp_random_graph(12, p, seed=int(rng.integers(2**31))) for p in probabilities]
    return [sp.csr_array(nx.to_scipy_sparse_array(g, dtype=float)) for g in graphs]


def yeast_neighbourhoods(seed):
    """200 proteins with all their neighbours in the interaction graph, 10 to 60 nodes."""
    graph = nx.from_scipy_sparse_array(fetch_attributed_graph("yeast_ppi").adjacency)
    rng = np.random.default_rng(seed)
    egos = (nx.ego_graph(graph, node, 1) for node in rng.permutation(len(graph)))
    fitting = (ego for ego in egos if 10 <= len(ego) <= 60)
    chosen = [next(fitting) for _ in range(200)]
    return [sp.csr_array(nx.to_scipy_sparse_array(g, dtype=float, weight=None)) for g in chosen]


def counts():
    """R2 on the nodes of the half of the graphs that were not in training."""
    yield "graphs, features of a node", "triangles", "4-cycles"
    for name, make in {"random": random_graphs, "yeast": yeast_neighbourhoods}.items():
        scores: dict[str, list] = {}
        for seed in SEEDS:
            graphs, rng = make(seed), np.random.default_rng(seed)
            encoded = SpectralPositionalEncoding(None).transform(graphs)
            degree = [degrees(A) for A in graphs]
            signed = [eigenvectors(A, 12, rng) for A in graphs]
            features = {
                "degree": degree,
                "degree, eigenvectors with random signs": joined(degree, signed),
                "encoding": encoded,
                "degree, encoding": joined(degree, encoded),
            }
            half = len(graphs) // 2
            y = [cycles(A) for A in graphs]
            for label, X in features.items():
                model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-4, 4, 9)))
                for column in (0, 1):
                    train, test = (np.concatenate(part) for part in (y[:half], y[half:]))
                    model.fit(np.concatenate(X[:half]), train[:, column])
                    score = model.score(np.concatenate(X[half:]), test[:, column])
                    scores.setdefault(label, []).append(score)
        for label, values in scores.items():
            yield f"{name}: {label}", spread(values[::2]), spread(values[1::2])


def joined(first, second):
    return [np.hstack(pair) for pair in zip(first, second, strict=True)]


# --- nodes ----------------------------------------------------------------------------------------


def largest_component(name):
    graph = fetch_attributed_graph(name)
    _, labels = sp.csgraph.connected_components(graph.adjacency, directed=False)
    kept = np.flatnonzero(labels == np.bincount(labels).argmax())
    return sp.csr_array(graph.adjacency)[kept][:, kept].astype(np.float64), graph.target[kept]


def nodes():
    """Accuracy of logistic regression on the other half of the nodes."""
    yield "graph", "largest class", "degree", "encoding", "32 eigenvectors", "both"
    for name in ("cora", "polblogs", "polbooks", "football", "texas"):
        A, y = largest_component(name)
        encoded, plain = SpectralPositionalEncoding(32).transform(A), eigenvectors(A, 32)
        tables = [degrees(A)[:, :1], encoded, plain, np.hstack([encoded, plain])]
        scores = [[np.mean(y == np.bincount(y).argmax())]]
        for X in tables:
            scores.append([])
            for seed in SEEDS:
                train, test = train_test_split(np.arange(len(y)), test_size=0.5, random_state=seed)
                model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=3000))
                search = GridSearchCV(
                    model,
                    {"logisticregression__C": [0.01, 0.1, 1, 10]},
                    cv=KFold(3, shuffle=True, random_state=seed),
                )
                scores[-1].append(search.fit(X[train], y[train]).score(X[test], y[test]))
        yield name, f"{scores[0][0]:.3f}", *(spread(values) for values in scores[1:])


# --- growth ---------------------------------------------------------------------------------------


def growth():
    """Seconds and memory of one transform, d = 32, one call."""
    yield "graph", "edges", "s", "extra memory, MiB", "n x n matrix, MiB"
    cases = {
        "SBM, 10,000 nodes": stochastic_blocks(10_000),
        "SBM, 100,000 nodes": stochastic_blocks(100_000),
        "grid 100 x 100": grid_graph(100),
        "grid 316 x 316": grid_graph(316),
    }
    for name, A in cases.items():
        seconds, memory = timed(lambda A=A: SpectralPositionalEncoding(32).transform(A)), np.nan
        if A.shape[0] <= 10_000 or seconds < 60:
            memory = extra_memory(lambda A=A: SpectralPositionalEncoding(32).transform(A)) / 2**20
        n = A.shape[0]
        yield name, f"{A.nnz // 2:,}", f"{seconds:.1f}", f"{memory:.0f}", f"{n**2 / 2**17:,.0f}"


# --- page -----------------------------------------------------------------------------------------

PARTS = {"stability": stability, "counts": counts, "nodes": nodes, "growth": growth}


def as_list_table(title, rows):
    lines = [f".. list-table:: {title}", "   :header-rows: 1", ""]
    for row in rows:
        lines += [f"   {'* -' if i == 0 else '  -'} {cell}" for i, cell in enumerate(row)]
    return "\n".join([*lines, ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="?", choices=PARTS)
    part = parser.parse_args().part
    page = []
    for name in [part] if part else PARTS:
        page.append(as_list_table(PARTS[name].__doc__.rstrip("."), PARTS[name]()))
        print(page[-1], flush=True)
    if part is None:
        OUTPUT.write_text("\n".join(page), "utf-8")


if __name__ == "__main__":
    main()
