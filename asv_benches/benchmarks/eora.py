"""EoRA factors beside the form of the paper: a root of the gram, an SVD, an inverse."""

from __future__ import annotations

from copy import deepcopy

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


# --- what an expert would use instead -----------------------------------------------------------


def solved_rounding(W, X, bits):
    """GPTQ: column after column is rounded, and those to come make up for its error.

    Columns by falling size of their inputs, and a hundredth of the mean on the diagonal, as its
    authors recommend; the levels of each row are those of `quantized`.
    """
    H, size = X.T @ X, np.sum(X**2, axis=0)
    order = np.argsort(-size)
    H = (H + 0.01 * size.mean() * np.eye(len(H)))[np.ix_(order, order)]
    factor = np.linalg.cholesky(np.linalg.inv(H)).T
    rest, found, half = W[:, order].copy(), np.empty_like(W), 2 ** (bits - 1)
    step = np.abs(W).max(axis=1) / (half - 0.5)
    step[step == 0] = 1.0
    for j, column in enumerate(order):
        levels = np.clip(np.floor(rest[:, j] / step), -half, half - 1) + 0.5
        found[:, column] = levels * step
        error = (rest[:, j] - found[:, column]) / factor[j, j]
        rest[:, j:] -= np.outer(error, factor[j, j:])
    return found


def scaled_rounding(W, X, bits):
    """AWQ: inputs that are large get finer weights; the power by the change of the outputs."""
    mean = np.abs(X).mean(axis=0)
    mean = np.maximum(mean, 1e-3 * mean.max())
    scales = [mean**power for power in np.linspace(0, 1, 11)]
    tried = [quantized(W * scale, bits) / scale for scale in scales]
    return min(tried, key=lambda W_hat: activation_error(W, W_hat, X))


def rebuilt(model, X, rounding, rank):
    """The network with rounded layers, each corrected; layers see what the network itself gives."""
    small, seen = deepcopy(model.estimator), X
    for i, (coef, bias) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        W = coef.T
        W_hat = rounding(W, seen)
        if rank:
            B, A = eora_factors(W, W_hat, seen, rank)
            W_hat = W_hat + B @ A
        small.coefs_[i] = W_hat.T
        seen = np.maximum(seen @ small.coefs_[i] + bias, 0)
    return small


class Experts(Quality):
    """What an expert would use instead: rounding that knows the inputs; test accuracy of networks
    64-128-128-10 on digits, five seeds

    Rank 4 at 16 bits costs one more bit a weight in a layer of 128 x 128. All rounding is to the
    levels of EoRACompensator, and all methods see the training rows, without labels.
    """

    case_name = "rounded to"
    cases = {"1 bit": 1, "2 bits": 2, "3 bits": 3}
    seeds = 5
    transposed = True

    def make_data(self, bits, seed):
        return bits, *network(seed, self.quick)

    def methods(self, data):
        bits, model, (X, X_test, _, y_test) = data

        def plain(W, seen):
            return quantized(W, bits)

        def by_inputs(W, seen):
            return solved_rounding(W, seen, bits)

        def by_scale(W, seen):
            return scaled_rounding(W, seen, bits)

        def compensated(method):
            small = EoRACompensator(model, n_components=4, bits=bits, method=method)
            return small.fit(X).score(X_test, y_test)

        def accuracy(rounding, rank):
            return rebuilt(model, X, rounding, rank).score(X_test, y_test)

        return {
            "EoRACompensator, rank 4": lambda: compensated("eora"),
            "plain SVD, rank 4": lambda: compensated("svd"),
            "rounding alone": lambda: accuracy(plain, 0),
            "AWQ-like scaling, no correction": lambda: accuracy(by_scale, 0),
            "GPTQ-like rounding, no correction": lambda: accuracy(by_inputs, 0),
            "GPTQ-like rounding, EoRA of rank 4": lambda: accuracy(by_inputs, 4),
            "not compressed": lambda: model.score(X_test, y_test),
        }
