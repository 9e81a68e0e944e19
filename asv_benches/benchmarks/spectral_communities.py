"""What SpectralAMGClustering finds beside spectral clustering and Louvain, with attributes or not.

Labels serve for the scores alone. The speed stands in spectral_amg_clustering.py.
"""

from __future__ import annotations

import time
import warnings
from abc import abstractmethod
from importlib.util import find_spec

import networkx as nx
import numpy as np
import scipy.sparse as sp
from sklearn.cluster import KMeans, SpectralClustering
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.preprocessing import StandardScaler, normalize

from subspace_learn import SpectralAMGClustering
from subspace_learn.datasets import fetch_attributed_graph
from subspace_learn.functional.graph.affinity_graph import neighbor_affinity
from subspace_learn.functional.graph.attribute_graph import attribute_entropy
from subspace_learn.functional.graph.graph_laplacian import modularity

from .common import Listing, Quality, median_and_range, shown


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


def leiden(A):
    """Modularity by leidenalg, until nothing moves any more."""
    import igraph
    import leidenalg

    edges = np.column_stack(sp.coo_array(sp.triu(A, 1)).coords)
    graph = igraph.Graph(A.shape[0], edges.tolist())
    kind = leidenalg.ModularityVertexPartition

    def labels(seed):
        return np.array(
            leidenalg.find_partition(graph, kind, n_iterations=-1, seed=seed).membership
        )

    return labels


def words_of(X, seed):
    """TF-IDF in 100 directions, unit rows: what is usual for bags of words."""
    table = TfidfTransformer().fit_transform(sp.csr_matrix(X))
    return normalize(TruncatedSVD(100, random_state=seed).fit_transform(table))


def smoothed_words(A, X, K, n_steps):
    """Words averaged over neighbours, then K-means: the usual baseline for attributed graphs."""
    loops = sp.csr_array(A + sp.eye_array(A.shape[0]))
    root = sp.diags_array(1 / np.sqrt(loops.sum(axis=1)))
    walk = root @ loops @ root

    def labels(seed):
        rows = words_of(X, seed)
        for _ in range(n_steps):
            rows = walk @ rows
        return KMeans(K, n_init=10, random_state=seed).fit(normalize(rows)).labels_

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


class Communities(Quality):
    """What the tables of communities share: NMI, median of five seeds and range."""

    case_name = "graph"
    summary = staticmethod(median_and_range)

    def score(self, data, labels):
        return normalized_mutual_info_score(data[1], labels)


class Graphs(Communities):
    """NMI on real graphs, structure only: median of five seeds and range"""

    needs = ("data",)
    cases = {
        f"{name}, {part}": (name, part)
        for name, part in (
            ("football", "whole"),
            ("polbooks", "whole"),
            ("cora", "largest component"),
            ("cora", "whole"),
            ("polblogs", "largest component"),
            ("polblogs", "whole"),
            ("sbm400", "whole"),
        )
    }
    targets = {
        "football, whole": ".93",
        "polbooks, whole": ".61",
        "cora, largest component": ".50",
        "cora, whole": ".46",
        "polblogs, largest component": ".75",
        "polblogs, whole": ".46",
    }

    def make_data(self, case, seed):
        return *real_graph(*case)[:2], seed

    def methods(self, data):
        A, truth, seed = data
        K = len(np.unique(truth))
        return {
            "ours": lambda: ours(A, K)(seed),
            "strategy='bootstrap'": lambda: ours(A, K, strategy="bootstrap")(seed),
            "sklearn spectral": lambda: sklearn_spectral(A, K)(seed),
            "Louvain": lambda: louvain(A)(seed),
        }


class Attributes(Communities):
    """NMI on real graphs with attributes"""

    needs = ("data",)
    cases = {
        f"{name}, {part}": (name, part)
        for name, part in (
            ("texas", "whole"),
            ("cora", "largest component"),
            ("cora", "whole"),
        )
    }
    targets = {"texas, whole": ".35", "cora, largest component": ".55"}

    def make_data(self, case, seed):
        A, truth, X = real_graph(*case)
        return A, truth, X, seed

    def methods(self, data):
        A, truth, X, seed = data
        K, n = len(np.unique(truth)), len(truth)
        return {
            "ours, edges and attributes": lambda: ours(A, K, X)(seed),
            "ours, edges alone": lambda: ours(A, K)(seed),
            "K-means, attributes alone": lambda: kmeans(X, K)(seed),
            "sklearn spectral, augmented graph": lambda: sklearn_spectral(augmented(A, X), K)(seed)[
                :n
            ],
        }


def planted_blocks(ratio, right, seed, n=400, q=4, degree=8):
    """The sheet's model: q equal blocks, mean degree 8, one attribute drawn anew with 1 - right."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % q
    inner = degree * q / (1 + (q - 1) * ratio)
    p = np.where(truth[:, None] == truth, inner, ratio * inner) / n
    upper = np.triu(rng.random((n, n)) < p, 1).astype(float)
    shown = np.where(rng.random(n) < right, truth, rng.integers(0, q, n))
    return sp.csr_array(upper + upper.T), truth, sp.csr_array(np.eye(q)[shown])


class Planted(Attributes):
    """NMI on planted blocks with one attribute (ratio of edge rates; share of true values)"""

    needs: tuple = ()
    case_name = "ratio, share"
    cases = {
        f"{ratio}, {right}": (ratio, right)
        for ratio, right in (
            *((0.1, 0.5), (0.1, 0.75), (0.25, 0.5)),
            *((0.25, 0.75), (0.25, 0.95), (0.4, 0.75)),
        )
    }
    targets: dict = {}

    def make_data(self, case, seed):
        return *planted_blocks(*case, seed), seed

    def methods(self, data):
        shown = data[2].argmax(axis=1)
        return super().methods(data) | {"K-means, attributes alone": lambda: shown}


class Purity(Quality):
    """Modularity, and entropy of the attributes in bits, where no classes are known"""

    needs = ("data",)
    case_name = "graph, clusters"
    cases = {
        f"{name}, {K}": (name, K)
        for name, K in (
            ("lazega36_advice", 4),
            ("lazega36_friend", 4),
            ("lazega71_advice", 4),
            ("yeast_ppi", 13),
            ("sbm400", 5),
        )
    }
    summary = staticmethod(median_and_range)

    def make_data(self, case, seed):
        name, K = case
        data = fetch_attributed_graph(name)
        A, X = sp.csr_array(data.adjacency, dtype=np.float64), data.attributes
        return A, data.target if data.metadata is None else data.metadata, X, K, seed

    def methods(self, data):
        A, codes, X, K, seed = data
        found = {
            "both": ours(A, K, X)(seed),
            "edges": ours(A, K)(seed),
            "K-means": kmeans(X, K)(seed),
        }
        calls = {f"{how}: Q": lambda labels=v: modularity(A, labels) for how, v in found.items()}
        return calls | {
            f"{how}: H": lambda labels=v: attribute_entropy(codes, labels)
            for how, v in found.items()
        }


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


class Others(Communities):
    """NMI on graphs by which defaults were chosen (made graphs: five of each)"""

    cases = OTHERS

    def make_data(self, make, seed):
        return *make(seed), seed

    methods = Graphs.methods


class ExpertsListing(Listing):
    """What the two tables of experts share: a row for each graph and method."""

    needs = ("data",)
    graphs: tuple = ()
    n_seeds = 5
    n_threads = 1

    @abstractmethod
    def methods(self, A, K, X):
        """Return ``{name: labels by seed}``."""

    def rows(self):
        yield ["graph", "method", "clusters", "NMI", "ARI", "modularity", "seconds"]
        for name in self.some(self.graphs):
            A, truth, X = real_graph(name, "whole")
            for method, labels_of in self.methods(A, len(np.unique(truth)), X).items():
                found, seconds = [], []
                for seed in self.some(range(self.n_seeds)):
                    begun = time.perf_counter()
                    found.append(labels_of(seed))
                    seconds.append(time.perf_counter() - begun)
                count = f"{np.median([len(np.unique(labels)) for labels in found]):.0f}"
                scores = [
                    median_and_range([score(truth, labels) for labels in found])
                    for score in (normalized_mutual_info_score, adjusted_rand_score)
                ]
                Q = f"{np.median([modularity(A, labels) for labels in found]):.3f}"
                yield [name, method, count, *scores, Q, shown(float(np.median(seconds)), 2)]


class Experts(ExpertsListing):
    """What an expert would use instead: papers and pages by edges and words, NMI with their classes

    Medians of five seeds, and ranges. The strength of the smoothing of the baseline is chosen on
    nothing: three of them are shown. Leiden finds the number of clusters itself; the others are
    told.
    """

    may_use = ("leidenalg",)
    graphs = ("texas", "cora")

    def methods(self, A, K, X):
        return {
            "ours, edges and words": ours(A, K, X),
            **{
                f"words smoothed {n_steps} times, K-means": smoothed_words(A, X, K, n_steps)
                for n_steps in (4, 10, 20)
            },
            "words alone, K-means": smoothed_words(A, X, K, 0),
            "ours, edges alone": ours(A, K),
            **({"Leiden, edges alone": leiden(A)} if find_spec("leidenalg") else {}),
        }


class ExpertsGraphs(ExpertsListing):
    """What an expert would use instead: graphs without attributes, number of clusters told or not

    Medians of three seeds, and ranges.
    """

    may_use = ("leidenalg",)
    graphs = ("football", "polbooks", "cora", "polblogs", "yeast_ppi")
    n_seeds = 3

    def methods(self, A, K, X):
        return {
            "ours, number told": ours(A, K),
            "sklearn SpectralClustering, number told": sklearn_spectral(A, K),
            'ours, "eigengap"': ours(A, "eigengap"),
            **({"Leiden, modularity": leiden(A)} if find_spec("leidenalg") else {}),
            "Louvain (networkx)": louvain(A),
        }
