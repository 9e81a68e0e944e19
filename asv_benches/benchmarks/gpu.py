"""Dense methods on the CPU and on a GPU at growing sizes.

"with transfer" begins with a NumPy array and ends with the result on the host; "without" begins and
ends on the device. SUBSPACE_LEARN_DEVICE=torch-cpu runs the same code on torch's CPU tensors.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from subspace_learn import GrassmannPCA, KoopmanEDMD, RandomMatrixFilter
from subspace_learn._array import to_library, to_numpy
from subspace_learn.covariance import AugmentedCovariances, mean_spd
from subspace_learn.functional.sampling.leverage import leverage_scores
from subspace_learn.grassmann import FederatedGrassmannPCA, NearestSubspaceClassifier

from .common import Listing, interleaved_medians

NOT_RUN = "not run on a GPU"


class Case(NamedTuple):
    """A dense method, what it is fed at each size, and the array that says that it is done."""

    name: str
    sizes: tuple[tuple[int, ...], ...]
    data: Callable[[tuple[int, ...]], np.ndarray]
    run: Callable


def normal(size):
    """Float32 numbers with a few strong directions."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal(size, dtype=np.float32)
    X[..., :4] *= 8
    return X


def positive_definite(size):
    """A stack of covariances of three times as many normal rows."""
    n, d = size
    rows = np.random.default_rng(0).standard_normal((n, 3 * d, d))
    return np.swapaxes(rows, 1, 2) @ rows / (3 * d)


def _federated(X):
    clients = np.arange(X.shape[0]) % 10
    return FederatedGrassmannPCA(5).fit(X, groups=clients).components_


def _classes(X):
    return NearestSubspaceClassifier(4).fit(X, np.arange(X.shape[0]) % 10).subspaces_


TABLES = ((20_000, 100), (200_000, 100), (200_000, 500))
CASES = (
    Case("GrassmannPCA(10)", TABLES, normal, lambda X: GrassmannPCA(10).fit(X).components_),
    Case("FederatedGrassmannPCA(5), 10 clients", TABLES, normal, _federated),
    Case("NearestSubspaceClassifier(4), 10 classes", TABLES, normal, _classes),
    Case(
        "RandomMatrixFilter(n_components=4)",
        TABLES,
        normal,
        lambda X: RandomMatrixFilter(n_components=4).fit(X).components_,
    ),
    Case("leverage_scores", TABLES, normal, leverage_scores),
    Case("KoopmanEDMD()", TABLES, normal, lambda X: KoopmanEDMD().fit(X).koopman_matrix_),
    Case(
        "AugmentedCovariances(3, 2)",
        ((100, 8, 500), (1000, 8, 500), (1000, 32, 500)),
        normal,
        lambda X: AugmentedCovariances(3, 2).fit_transform(X),
    ),
    Case(
        "mean_spd, affine-invariant",
        ((100, 24), (1000, 24), (1000, 84)),
        positive_definite,
        lambda A: mean_spd(A).mean,
    ),
)


def device_of_choice():
    """Library, device and waiting call of the GPU that is here; None if there is none."""
    if os.environ.get("SUBSPACE_LEARN_DEVICE") == "torch-cpu":
        return "torch", "cpu", lambda: None
    try:
        import cupy

        if cupy.cuda.runtime.getDeviceCount():
            return "cupy", "cuda", cupy.cuda.Device().synchronize
    except Exception:  # not installed, or without a driver: each release says so in its own way
        pass
    try:
        import torch
    except ImportError:
        return None
    return ("torch", "cuda", torch.cuda.synchronize) if torch.cuda.is_available() else None


class OneFit(Listing):
    """Seconds of one fit, CPU (two threads) and GPU; float32 tables (mean_spd: float64)"""

    def rows(self):
        yield "method", "size", "CPU, s", "GPU with transfer, s", "GPU without, s"
        device = device_of_choice()
        for case in self.some(CASES):
            for size in self.some(case.sizes):
                found = self._measured(case, size, device)
                cells = (
                    f"{found[key]:.3g}" if key in found else NOT_RUN for key in ("with", "without")
                )
                yield case.name, " x ".join(map(str, size)), f"{found['cpu']:.3g}", *cells

    def _measured(self, case, size, device):
        """Seconds on the CPU, and on the device with and without transfer."""
        X = case.data((200, 20) if self.quick else size)
        calls = {"cpu": lambda: case.run(X)}
        if device is not None:
            library, where, wait = device
            there = to_library(X, where, library)

            def without():
                case.run(there)
                wait()

            calls |= {
                "with": lambda: to_numpy(case.run(to_library(X, where, library))),
                "without": without,
            }
        for call in calls.values():
            call()
        return interleaved_medians(calls, 2.0 if not self.quick else 0.0)[0]
