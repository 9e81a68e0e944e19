"""Products with random projections: fastfood and sparse beside the stored Gaussian matrix."""

from __future__ import annotations

import numpy as np

from subspace_learn.functional.compression.random_subspace import random_projection

from .common import PeerBenchmark


class Product(PeerBenchmark):
    """P z and P^T g, D = 2^16 parameters; score: length of P z over that of z."""

    param_names = ["dim"]
    params = [[100, 1000]]
    budget = 8.0

    def make_data(self, dim):
        rng = np.random.default_rng(0)
        self.fastfood, self.sparse, self.dense = (
            random_projection(kind, 2**16, dim, rng) for kind in ("fastfood", "sparse", "dense")
        )
        return rng.normal(size=dim), rng.normal(size=2**16)

    def ours(self, data):
        return self._both(self.fastfood, data)

    def peers(self, data):
        return {
            "dense": lambda: self._both(self.dense, data),
            "sparse": lambda: self._both(self.sparse, data),
        }

    @staticmethod
    def _both(P, data):
        z, g = data
        return P @ z, P.rmatvec(g)

    def score(self, data, result):
        return float(np.linalg.norm(result[0]) / np.linalg.norm(data[0]))

    def nbytes(self, data):
        return sum(part.nbytes for part in data)
