"""EoRA factors beside the form of the paper: a root of the gram, an SVD, an inverse."""

from __future__ import annotations

import numpy as np

from subspace_learn.functional.compression.eora import activation_error, eora_factors, quantized

from .common import PeerBenchmark


def naive_factors(W, W_hat, X, rank):
    """As published, with eigenvalues of 0 and below replaced."""
    values, Q = np.linalg.eigh(X.T @ X / len(X))
    values = np.where(values > 0, values, values[values > 0].min())
    P = Q * np.sqrt(values)
    U, s, Vt = np.linalg.svd((W - W_hat) @ P, full_matrices=False)
    root = np.sqrt(s[:rank])
    return U[:, :rank] * root, root[:, None] * Vt[:rank] @ np.linalg.inv(P)


class Factors(PeerBenchmark):
    """Rank 16 from 4,096 rows; score: change of the outputs."""

    param_names = ["n_out x n_in"]
    params = [["256 x 256", "1024 x 512", "512 x 1024"]]
    budget = 10.0

    def make_data(self, shape):
        n_out, n_in = map(int, shape.split(" x "))
        rng = np.random.default_rng(0)
        X = rng.normal(size=(4096, n_in)) * np.geomspace(1, 1e-2, n_in)
        W = rng.normal(size=(n_out, n_in))
        return W, quantized(W, 2), X

    def ours(self, data):
        return eora_factors(*data, 16)

    def peers(self, data):
        return {"root, SVD, inverse": lambda: naive_factors(*data, 16)}

    def score(self, data, result):
        W, W_hat, X = data
        return activation_error(W, W_hat + result[0] @ result[1], X)

    def nbytes(self, data):
        return sum(part.nbytes for part in data)
