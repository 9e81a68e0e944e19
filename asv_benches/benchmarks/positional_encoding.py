"""Stable positional encodings beside plain eigenvectors: speed, stability, worth."""

from __future__ import annotations

import networkx as nx
import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import eigsh
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import GridSearchCV, KFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from subspace_learn import SpectralPositionalEncoding
from subspace_learn.datasets import fetch_attributed_graph
from subspace_learn.functional.graph import positional_encoding as pe
from subspace_learn.functional.graph.positional_encoding import (
    low_frequencies,
    normalized_adjacency,
    taper_weights,
)

from .common import Quality, Speed


def stochastic_blocks(n, n_blocks=10, inner=12, outer=3, seed=0):
    """Sparse graph of equal blocks: about 12 edges of a node inside its block, 3 anywhere."""
    rng = np.random.default_rng(seed)
    size = n // n_blocks
    i, k = rng.integers(0, n, n * inner // 2), rng.integers(0, n, n * outer // 2)
    j, m = i // size * size + rng.integers(0, size, len(i)), rng.integers(0, n, len(k))
    rows, columns = np.concatenate([i, k]), np.concatenate([j, m])
    A = sp.csr_array((np.ones(len(rows)), (rows, columns)), shape=(n, n))
    return A + A.T


def grid_graph(n):
    """Grid of n x n nodes, edges to the four neighbours."""
    path = sp.diags_array([np.ones(n - 1)] * 2, offsets=[-1, 1])
    return sp.csr_array(sp.kron(path, sp.eye_array(n)) + sp.kron(sp.eye_array(n), path))


def named_graph(name):
    """Graph of "SBM 10,000" or "grid 64 x 64"."""
    kind, size = name.split(" ", 1)
    if kind == "grid":
        return grid_graph(int(size.split(" ")[0]))
    return sp.csr_array(stochastic_blocks(int(size.replace(",", ""))))


class Eigenpairs(Speed):
    """33 eigenpairs: filtered subspace iteration beside ARPACK; score: largest tapered residual."""

    param_names = ["graph"]
    params = [["SBM 10,000", "grid 64 x 64"]]
    smallest = ("grid 12 x 12",)
    budget = 15.0

    def make_data(self, graph):
        A = named_graph(graph)
        kept = sp.csgraph.connected_components(A)[1] == 0
        return normalized_adjacency(A[kept][:, kept])

    def ours(self, N):
        found = low_frequencies(N, 32)
        return found.values, found.vectors

    def peers(self, N):
        def arpack():
            values, vectors = eigsh(N, 33, which="LA", tol=1e-7, rng=np.random.default_rng(0))
            return 1 - values[::-1], vectors[:, ::-1]

        return {"scipy eigsh": arpack}

    def score(self, N, result):
        values, vectors = result[0][:32], result[1][:, :32]
        residuals = np.linalg.norm(vectors - N @ vectors - vectors * values, axis=0)
        # ours stops when what the taper lets through is accurate
        return (taper_weights(2 * values / values[-1]) * residuals).max()

    def nbytes(self, N):
        return N.data.nbytes + N.indices.nbytes


class ManySmallGraphs(Speed):
    """A list of 200 graphs of 30 nodes, all pairs."""

    budget = 8.0

    def make_data(self):
        rng = np.random.default_rng(0)
        n = 5 if self.quick else 200
        upper = np.triu(rng.random((n, 30, 30)) < 0.2, 1).astype(float)
        return upper + upper.transpose(0, 2, 1)

    def ours(self, graphs):
        return SpectralPositionalEncoding(None).transform(list(graphs))


class Growth(Speed):
    """One large sparse graph, d = 32; n x n: the size of a dense matrix."""

    param_names = ["graph"]
    params = [["SBM 10,000", "SBM 100,000", "grid 100 x 100", "grid 316 x 316"]]
    smallest = ("grid 12 x 12",)
    n_threads = 1
    budget = 8.0

    def make_data(self, graph):
        return named_graph(graph)

    def ours(self, A):
        return SpectralPositionalEncoding(32).transform(A)

    def nbytes(self, A):
        return A.data.nbytes + A.indices.nbytes

    def extras(self, A, result, seconds):
        return {"edges": f"{A.nnz // 2:,}", "n x n, MiB": f"{A.shape[0] ** 2 / 2**17:,.0f}"}


# --- quality ------------------------------------------------------------------------------------


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


def hard_cut(A, d):
    """As published: the same filters and statistics, cut at d whatever the gap there."""
    N = normalized_adjacency(A)
    found = low_frequencies(N, d)
    u = 2 * found.values / found.cut
    weights = np.stack([phi(u) for phi in pe.spectral_filters("lipschitz").values()])
    return pe.node_statistics(N, found.vectors, weights)


class Stability(Quality):
    """Change of the encoding over that of the Laplacian: largest of twenty changes by 1e-6."""

    case_name = "graph"
    cases = {
        "cycle 20 (gap 0 at 8)": nx.cycle_graph(20),
        "star 16 (one value 14 times)": nx.star_graph(15),
        "hypercube 4": nx.hypercube_graph(4),
        "complete 14": nx.complete_graph(14),
        "grid 6 x 6": nx.grid_2d_graph(6, 6),
        "Erdos-Renyi 40": nx.gnp_random_graph(40, 0.15, seed=3),
        "barbell (gap 0)": nx.barbell_graph(8, 2),
    }
    seeds = 20
    summary = staticmethod(lambda values, digits: f"{np.max(values):.2g}")

    def make_data(self, graph, seed):
        A = sp.csr_array(nx.to_scipy_sparse_array(graph, dtype=float))
        change = sp.triu(A, 1).tocoo()
        change.data = np.random.default_rng(seed).uniform(-1e-6, 1e-6, change.nnz)
        return A, sp.csr_array(A + change + change.T)

    def methods(self, data):
        def change_of(encode):
            return lambda: np.linalg.norm(encode(data[0]) - encode(data[1]))

        def aligned():
            V, W = (eigenvectors(A, 8) for A in data)
            return np.linalg.norm(V * np.sign((V * W).sum(axis=0)) - W)

        return {
            "all pairs": change_of(SpectralPositionalEncoding(None).transform),
            "d = 8, taper": change_of(SpectralPositionalEncoding(8).transform),
            "d = 8, no taper": change_of(lambda A: hard_cut(A, 8)),
            "8 eigenvectors, signs aligned": aligned,
        }

    def score(self, data, result):
        first, second = (normalized_adjacency(A).toarray() for A in data)
        return result / np.linalg.norm(first - second)


def cycles(A):
    """Triangles and 4-cycles through each node, from powers of the adjacency."""
    A = A.toarray()
    degree, A2 = A.sum(axis=1), A @ A
    pairs = A2 - np.diag(degree)
    return np.stack([np.diag(A2 @ A) / 2, (pairs * (pairs - 1)).sum(axis=1) / 2], axis=1)


def random_graphs(seed, n):
    rng = np.random.default_rng(seed)
    graphs = (
        nx.gnp_random_graph(12, p, seed=int(rng.integers(2**31))) for p in rng.uniform(0.2, 0.5, n)
    )
    return [sp.csr_array(nx.to_scipy_sparse_array(g, dtype=float)) for g in graphs]


def yeast_neighbourhoods(seed, n):
    """Proteins with all their neighbours in the interaction graph, 10 to 60 nodes."""
    graph = nx.from_scipy_sparse_array(fetch_attributed_graph("yeast_ppi").adjacency)
    rng = np.random.default_rng(seed)
    egos = (nx.ego_graph(graph, node, 1) for node in rng.permutation(len(graph)))
    fitting = (ego for ego in egos if 10 <= len(ego) <= 60)
    chosen = [next(fitting) for _ in range(n // 2)]
    return [sp.csr_array(nx.to_scipy_sparse_array(g, dtype=float, weight=None)) for g in chosen]


class Counts(Quality):
    """R2 of triangles and 4-cycles of a node, graphs that were not in training, ridge."""

    needs = ("data",)
    case_name = "graphs, count"
    cases = {
        f"{name}: {what}": (make, column)
        for name, make in (("random", random_graphs), ("yeast", yeast_neighbourhoods))
        for column, what in enumerate(("triangles", "4-cycles"))
    }

    def make_data(self, case, seed):
        make, column = case
        graphs, rng = make(seed, 20 if self.quick else 400), np.random.default_rng(seed)
        encoded = SpectralPositionalEncoding(None).transform(graphs)
        degree = [degrees(A) for A in graphs]
        signed = [eigenvectors(A, 12, rng) for A in graphs]
        features = {
            "degree, encoding": [np.hstack(pair) for pair in zip(degree, encoded, strict=True)],
            "encoding": encoded,
            "degree": degree,
            "degree, eigenvectors with random signs": [
                np.hstack(pair) for pair in zip(degree, signed, strict=True)
            ],
        }
        return features, [cycles(A)[:, column] for A in graphs]

    def methods(self, data):
        features, y = data
        half = len(y) // 2
        train, test = np.concatenate(y[:half]), np.concatenate(y[half:])

        def r2(X):
            model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-4, 4, 9)))
            model.fit(np.concatenate(X[:half]), train)
            return model.score(np.concatenate(X[half:]), test)

        return {name: lambda X=X: r2(X) for name, X in features.items()}


def return_probabilities(A, n_steps=16):
    """Chances of a random walk to be back after 1, 2, ... steps: the usual structural encoding."""
    degree = np.maximum(np.asarray(A.sum(axis=1)).ravel(), 1)
    walk, power, found = A.toarray() / degree[:, None], np.eye(A.shape[0]), []
    for _ in range(n_steps):
        power = power @ walk
        found.append(power.diagonal())
    return np.stack(found, axis=1)


class Experts(Counts):
    """What an expert would use instead: return probabilities of a walk, R2 of counts at a node

    Mean and deviation of three seeds, ridge, graphs that were not in training. 16 steps, as graph
    networks take them.
    """

    seeds = 3

    def make_data(self, case, seed):
        make, column = case
        graphs = make(seed, 20 if self.quick else 400)
        encoded = SpectralPositionalEncoding(None).transform(graphs)
        degree, walks = ([f(A) for A in graphs] for f in (degrees, return_probabilities))
        together = {
            "degree, encoding": (degree, encoded),
            "degree, return probabilities": (degree, walks),
            "encoding": (encoded,),
            "return probabilities": (walks,),
            "degree": (degree,),
        }
        features = {
            name: [np.hstack(parts) for parts in zip(*blocks, strict=True)]
            for name, blocks in together.items()
        }
        return features, [cycles(A)[:, column] for A in graphs]


class Nodes(Quality):
    """Accuracy of logistic regression on the other half of the nodes of one graph."""

    needs = ("data",)
    case_name = "graph"
    cases = {name: name for name in ("cora", "polblogs", "polbooks", "football", "texas")}

    def make_data(self, name, seed):
        graph = fetch_attributed_graph("football" if self.quick else name)
        labels = sp.csgraph.connected_components(graph.adjacency, directed=False)[1]
        kept = np.flatnonzero(labels == np.bincount(labels).argmax())
        A = sp.csr_array(graph.adjacency)[kept][:, kept].astype(np.float64)
        return A, graph.target[kept], seed

    def methods(self, data):
        A, y, seed = data
        train, test = train_test_split(np.arange(len(y)), test_size=0.5, random_state=seed)
        encoded, plain = SpectralPositionalEncoding(32).transform(A), eigenvectors(A, 32)

        def accuracy(X):
            search = GridSearchCV(
                make_pipeline(StandardScaler(), LogisticRegression(max_iter=3000)),
                {"logisticregression__C": [0.01, 0.1, 1, 10]},
                cv=KFold(3, shuffle=True, random_state=seed),
            )
            return search.fit(X[train], y[train]).score(X[test], y[test])

        return {
            "encoding": lambda: accuracy(encoded),
            "largest class": lambda: np.mean(y == np.bincount(y).argmax()),
            "degree": lambda: accuracy(degrees(A)[:, :1]),
            "32 eigenvectors": lambda: accuracy(plain),
            "both": lambda: accuracy(np.hstack([encoded, plain])),
        }
