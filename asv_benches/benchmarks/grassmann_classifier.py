"""Epochs of GrassmannClassifier beside the same head trained by a loop in torch; full fits."""

from __future__ import annotations

import numpy as np

from subspace_learn import GrassmannClassifier, NearestSubspaceClassifier
from subspace_learn.functional.grassmann.grassmann_classifier import Labelled, rsgd_epoch
from subspace_learn.linalg.grassmann import random_point

from .common import PeerBenchmark, interleaved_medians

N, D, C, K = 60_000, 100, 10, 8
GAMMA, RATE, MOMENTUM = 25.0, 0.01, 0.9


def planes(n, dtype=np.float32, seed=0):
    """Rows of length 1 near one K-dimensional subspace per class, and their classes."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, C, n)
    S = random_point(D, K, rng, shape=(C,))
    X = np.einsum("ndk,nk->nd", S[codes], rng.standard_normal((n, K)))
    X += 0.3 * rng.standard_normal((n, D))
    return (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(dtype), codes


class TorchHead:
    """The head as one writes it in torch: autograd, thin SVD for the geodesic, ambient momentum."""

    def __init__(self, X, codes, start):
        import torch

        self.torch = torch
        self.X, self.y = torch.from_numpy(X), torch.from_numpy(codes)
        self.S = torch.from_numpy(start.copy()).requires_grad_(True)
        self.buffer = torch.zeros_like(self.S)

    def epoch(self, batch_size, retraction):
        torch = self.torch
        order = torch.randperm(len(self.X))
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            coordinates = torch.einsum("nd,cdk->nck", self.X[rows], self.S)
            logits = GAMMA * torch.linalg.vector_norm(coordinates, dim=2)
            loss = torch.nn.functional.cross_entropy(logits, self.y[rows])
            (gradient,) = torch.autograd.grad(loss, self.S)
            with torch.no_grad():
                self.buffer.mul_(MOMENTUM).add_(gradient)
                tangent = self.buffer - self.S @ (self.S.mT @ self.buffer)
                self.S.copy_(retraction(torch, self.S, RATE * tangent))
        return self


def geodesic(torch, S, step):
    """The published step."""
    U, s, Vh = torch.linalg.svd(step, full_matrices=False)
    return (S @ Vh.mT * torch.cos(s)[:, None, :] - U * torch.sin(s)[:, None, :]) @ Vh


def qr(torch, S, step):
    """The cheapest step that torch offers."""
    return torch.linalg.qr(S - step)[0]


class Epoch(PeerBenchmark):
    """One epoch of 60,000 x 100 float32 rows, 10 classes, k=8."""

    param_names = ["batch_size"]
    params = [[256, 1024, 2048]]
    budget = 12.0

    def setup(self, *case):
        import torch

        self.torch_threads = torch.get_num_threads()
        torch.set_num_threads(self.n_threads)
        super().setup(*case)

    def teardown(self, *case):
        import torch

        torch.set_num_threads(self.torch_threads)
        super().teardown(*case)

    n_threads = 2

    def make_data(self, batch_size):
        self.batch_size = batch_size
        X, codes = planes(N)
        start = random_point(D, K, np.random.default_rng(1), shape=(C,)).astype(np.float32)
        return Labelled(X, codes, np.ones(N, np.float32), GAMMA, 0.0), start

    def nbytes(self, data):
        return data[0].X.nbytes

    def ours(self, data):
        rows, start = data
        return rsgd_epoch(
            start,
            np.zeros_like(start),
            rows,
            batch_size=self.batch_size,
            learning_rate=RATE,
            momentum=MOMENTUM,
            rng=np.random.default_rng(0),
        )

    def peers(self, data):
        rows, start = data
        heads = {name: TorchHead(rows.X, rows.codes, start) for name in ("geodesic", "QR")}
        return {
            "torch loop, geodesic by SVD": lambda: heads["geodesic"].epoch(
                self.batch_size, geodesic
            ),
            "torch loop, QR retraction": lambda: heads["QR"].epoch(self.batch_size, qr),
        }

    def track_ratio_to_flop_bound(self, *case):
        """Seconds over those of 4 n d C k flops at the rate of a large square product."""
        A = np.ones((2000, 2000), np.float32)
        calls = {"ours": self.calls["ours"], "product": lambda: A @ A}
        seconds = interleaved_medians(calls, min(8.0, self.budget))[0]
        bound = 4 * N * D * C * K / (2 * 2000**3 / seconds["product"])
        return seconds["ours"] / bound

    track_ratio_to_flop_bound.unit = "seconds / bound"


class OneThread(Epoch):
    """The same, every library held to one thread."""

    n_threads = 1

    def setup(self, *case):
        from threadpoolctl import threadpool_limits

        super().setup(*case)
        self.one = threadpool_limits(1)

    def teardown(self, *case):
        self.one.restore_original_limits()
        super().teardown(*case)


class Fit(PeerBenchmark):
    """A whole fit of 10,000 rows by each solver beside the start; score: accuracy on others."""

    param_names = ["solver"]
    params = [["conjugate_gradient", "trust_region", "rsgd"]]

    def make_data(self, solver):
        self.solver = solver
        X, y = planes(20_000)
        return X[:10_000], y[:10_000], X[10_000:], y[10_000:]

    def nbytes(self, data):
        return data[0].nbytes

    def ours(self, data):
        X, y, *_ = data
        directions = {"center": False, "standardize": False, "constant": 0.0}
        return GrassmannClassifier(K, solver=self.solver, **directions, random_state=0).fit(X, y)

    def peers(self, data):
        X, y, *_ = data
        return {
            "NearestSubspaceClassifier": lambda: NearestSubspaceClassifier(K, constant=0.0).fit(
                X, y
            )
        }

    def score(self, data, result):
        return result.score(*data[2:])
