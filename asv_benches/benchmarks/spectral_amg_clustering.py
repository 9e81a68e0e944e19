"""SpectralAMGClustering beside the solvers of scikit-learn's spectral embedding, and its growth."""

from __future__ import annotations

import warnings

import numpy as np
import scipy.sparse as sp
from sklearn.cluster import KMeans
from sklearn.manifold import spectral_embedding
from sklearn.metrics import normalized_mutual_info_score

from subspace_learn import SpectralAMGClustering
from subspace_learn.functional.graph.affinity_graph import neighbor_affinity
from subspace_learn.functional.graph.graph_components import component_labels
from subspace_learn.functional.graph.graph_laplacian import walk_operator
from subspace_learn.functional.graph.spectral_clustering import low_vectors

from .common import Speed
from .positional_encoding import grid_graph, stochastic_blocks

SPIRAL_NOISE = 0.02
# Each takes more than a minute where it is left out, or is known to be wrong there.
SOLVERS = {
    "SBM 10,000": ("lobpcg", "amg"),
    "SBM 100,000": ("lobpcg",),
    "spirals 10,000": ("arpack", "lobpcg", "amg"),
    "spirals 100,000": ("arpack", "lobpcg", "amg"),
    "grid 100 x 100": ("arpack", "lobpcg", "amg"),
}


def five_spirals(n, seed=0, noise=SPIRAL_NOISE):
    """Points on five arms of one turn each, and their arms; normal noise in both directions."""
    rng = np.random.default_rng(seed)
    arm = np.arange(n) % 5
    radius = np.sqrt(rng.uniform(0.02, 1, n))
    angle = 2 * np.pi * (radius + arm / 5)
    X = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return X + noise * rng.standard_normal((n, 2)), arm


def spiral_graph(n, seed=0, noise=SPIRAL_NOISE):
    """Graph of the 10 nearest neighbours on five spirals, and the arms."""
    X, arm = five_spirals(n, seed, noise)
    return neighbor_affinity(X, 10), arm


def graph_and_truth(name, noise=SPIRAL_NOISE):
    """Graph of a case and its planted clusters; a grid has none."""
    kind, size = name.split(" ", 1)
    if kind == "grid":
        return grid_graph(int(size.split(" ")[0])), None
    n = int(size.replace(",", ""))
    if kind == "spirals":
        return spiral_graph(n, noise=noise)
    return sp.csr_array(stochastic_blocks(n)), np.arange(n) * 10 // n


def embedding(A, n_vectors, seed=0):
    """Vectors alone, as spectral_embedding gives them."""
    components = component_labels(A)[1]
    found = low_vectors(
        walk_operator(A), n_vectors + 1, components, rng=np.random.default_rng(seed)
    )
    return found.vectors[:, :n_vectors]


class Embedding(Speed):
    """K vectors and nothing else; score: NMI of K-means on their rows (on a grid nan)."""

    param_names = ["graph"]
    params = [list(SOLVERS)]
    smallest = ("spirals 500",)
    budget = 15.0

    def make_data(self, graph):
        A, truth = graph_and_truth(graph)
        return A.astype(np.float64), truth, graph

    def n_vectors(self, data):
        return 5 if data[1] is None else int(data[1].max()) + 1

    def ours(self, data):
        return embedding(data[0], self.n_vectors(data))

    def peers(self, data):
        A, _, graph = data

        def solve(solver):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of graphs with components, and of lobpcg
                return spectral_embedding(
                    sp.csr_matrix(A),
                    n_components=self.n_vectors(data),
                    eigen_solver=solver,
                    random_state=0,
                    drop_first=False,
                )

        return {f"sklearn {s}": lambda s=s: solve(s) for s in SOLVERS.get(graph, ("arpack",))}

    def score(self, data, result):
        if data[1] is None:
            return np.nan
        lengths = np.linalg.norm(result, axis=1, keepdims=True)
        rows = result / np.where(lengths > 0, lengths, 1)
        K = self.n_vectors(data)
        labels = KMeans(K, n_init=3, random_state=0).fit(rows).labels_
        return normalized_mutual_info_score(data[1], labels)

    def nbytes(self, data):
        return data[0].data.nbytes + data[0].indices.nbytes


class Growth(Speed):
    """A whole fit, graph given, three starts of K-means; score: NMI"""

    param_names = ["graph"]
    params = [
        [
            *("SBM 10,000", "SBM 100,000", "SBM 1,000,000"),
            *("spirals 10,000", "spirals 100,000", "spirals 1,000,000"),
        ]
    ]
    smallest = ("SBM 500",)
    budget = 8.0

    def make_data(self, graph):
        # with more noise a million points touch: nothing spectral finds the arms
        noise = 0.01 if graph == "spirals 1,000,000" else SPIRAL_NOISE
        A, truth = graph_and_truth(graph, noise)
        return A.astype(np.float64), truth, graph.startswith("spirals")

    def ours(self, data):
        A, truth, apart = data
        k = int(truth.max()) + 1
        # spirals apart would be clusters as they are: the solver is timed
        looked_at = k if apart else "auto"
        return SpectralAMGClustering(
            k, affinity="precomputed", n_components=looked_at, n_init=3, random_state=0
        ).fit(A)

    def score(self, data, model):
        return normalized_mutual_info_score(data[1], model.labels_)

    def nbytes(self, data):
        return data[0].data.nbytes + data[0].indices.nbytes

    def extras(self, data, model, seconds):
        n_edges = data[0].nnz // 2
        each = seconds / n_edges * 1e6
        return {"strategy": model.strategy_, "edges": f"{n_edges:,}", "microseconds an edge": each}
