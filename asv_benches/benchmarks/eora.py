"""EoRA factors beside the form of the paper: a root of the gram, an SVD, an inverse."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from subspace_learn.compression import EoRACompensator
from subspace_learn.functional.compression.eora import activation_error, eora_factors, quantized

from .common import Quality, Speed


def naive_factors(W, W_hat, X, rank):
    """As published, with eigenvalues of 0 and below replaced."""
    values, Q = np.linalg.eigh(X.T @ X / len(X))
    values = np.where(values > 0, values, values[values > 0].min())
    P = Q * np.sqrt(values)
    U, s, Vt = np.linalg.svd((W - W_hat) @ P, full_matrices=False)
    root = np.sqrt(s[:rank])
    return U[:, :rank] * root, root[:, None] * Vt[:rank] @ np.linalg.inv(P)


class Factors(Speed):
    """Rank 16 from 4,096 rows; score: change of the outputs."""

    param_names = ["n_out x n_in"]
    params = [["256 x 256", "1024 x 512", "512 x 1024"]]
    smallest = ("16 x 32",)
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


# --- accuracy -----------------------------------------------------------------------------------

FITTED: dict = {}


def network(seed, quick=False):
    """A network 64-128-128-10 on digits, and its split; fitted once for all tables."""
    if seed not in FITTED:
        X, y = load_digits(return_X_y=True)
        split = train_test_split(X / 16, y, test_size=0.3, random_state=seed, stratify=y)
        model = MLPClassifier((128, 128), random_state=seed, max_iter=3 if quick else 500, tol=1e-4)
        FITTED[seed] = FrozenEstimator(model.fit(split[0], split[2])), split
    return FITTED[seed]


class Digits(Quality):
    """Test accuracy of networks 64-128-128-10 on digits, ten seeds"""

    case_name = "compressed to, rank"
    cases = {
        f"{name}, {rank}": {"n_components": rank, **parameters}
        for name, parameters in (
            ("2 bits", {"bits": 2}),
            ("3 bits", {"bits": 3}),
            ("2:4", {"compressor": "prune_2_4"}),
        )
        for rank in (2, 4, 8)
    }
    seeds = 10

    def make_data(self, parameters, seed):
        return parameters, *network(seed, self.quick)

    def methods(self, data):
        parameters, model, (X, X_test, _, y_test) = data

        def accuracy(**options):
            small = EoRACompensator(model, **(parameters | options))
            return small.fit(X).score(X_test, y_test)

        return {
            "eora": lambda: accuracy(method="eora"),
            "full": lambda: model.score(X_test, y_test),
            "compressed": lambda: accuracy(n_components=0, method="svd"),
            "svd": lambda: accuracy(method="svd"),
            "act": lambda: accuracy(method="act"),
        }


class Variants(Digits):
    """Variants of EoRA, 2 bits, rank 4, ten seeds"""

    case_name = "variant"
    cases = {
        "default": {},
        "sequential calibration": {"calibration": "sequential"},
        "bias updated": {"update_bias": True},
        "both": {"calibration": "sequential", "update_bias": True},
    }

    def methods(self, data):
        return {"accuracy": super().methods(data)["eora"]}


class OneLayer(Quality):
    """Change of the outputs of one layer, 48 x 64, inputs with a spectrum from 1 to 1e-3, 2 bits"""

    case_name = "rank"
    cases = {str(rank): rank for rank in (2, 8, 24)}
    seeds = 1
    digits = 2

    def make_data(self, rank, seed):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(500, 64)) * np.geomspace(1, 1e-3, 64)
        X = X @ np.linalg.qr(rng.normal(size=(64, 64)))[0]
        W = rng.normal(size=(48, 64))
        return rank, W, quantized(W, 2), X

    def methods(self, data):
        rank, W, W_hat, X = data

        def factors(method):
            B, A = eora_factors(W, W_hat, X, rank, method=method)
            return B @ A

        calls = {m: lambda m=m: factors(m) for m in ("eora", "svd", "act")}
        return calls | {"none": lambda: 0.0}

    def score(self, data, correction):
        _, W, W_hat, X = data
        return activation_error(W, W_hat + correction, X)
