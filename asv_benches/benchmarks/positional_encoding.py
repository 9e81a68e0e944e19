"""Stable positional encodings beside plain eigenvectors by ARPACK, and the encoding's growth."""

from __future__ import annotations

import time

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import eigsh

from subspace_learn import SpectralPositionalEncoding
from subspace_learn.functional.graph.positional_encoding import (
    low_frequencies,
    normalized_adjacency,
    taper_weights,
)

from .common import PeerBenchmark


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


def timed(call):
    """Wall seconds of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


class Eigenpairs(PeerBenchmark):
    """33 eigenpairs: filtered subspace iteration beside ARPACK; score: largest tapered residual."""

    param_names = ["graph"]
    params = [["SBM 10,000", "grid 64 x 64"]]
    budget = 15.0

    def make_data(self, graph):
        A = stochastic_blocks(10_000) if graph.startswith("SBM") else grid_graph(64)
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


class ManySmallGraphs:
    """A list of 200 graphs of 30 nodes, all pairs."""

    def setup(self):
        rng = np.random.default_rng(0)
        upper = np.triu(rng.random((200, 30, 30)) < 0.2, 1).astype(float)
        self.graphs = list(upper + upper.transpose(0, 2, 1))

    def time_transform(self):
        SpectralPositionalEncoding(None).transform(self.graphs)


class Growth:
    """One large sparse graph, d = 32."""

    param_names = ["graph"]
    params = [["SBM 10,000", "grid 100 x 100"]]
    timeout = 300.0

    def setup(self, graph):
        self.graph = stochastic_blocks(10_000) if graph.startswith("SBM") else grid_graph(100)

    def time_transform(self, graph):
        SpectralPositionalEncoding(32).transform(self.graph)

    def peakmem_transform(self, graph):
        SpectralPositionalEncoding(32).transform(self.graph)
