"""Dense methods on the CPU and on a GPU at growing sizes, for doc/_tables.

python asv_benches/gpu_tables.py           # the page; a GPU that is not there is said to be not run
python asv_benches/gpu_tables.py torch-cpu # printed only: the same code on torch's CPU tensors

Seconds are medians of interleaved fits, two threads on the CPU. "with transfer" begins with a NumPy
array and ends with the result on the host; "without" begins and ends on the device.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from statistics import median
from typing import NamedTuple

import numpy as np
from tables import FOLDER, as_list_table
from threadpoolctl import threadpool_limits

from subspace_learn import GrassmannPCA, KoopmanEDMD, RandomMatrixFilter
from subspace_learn._array import to_library, to_numpy
from subspace_learn.covariance import AugmentedCovariances, mean_spd
from subspace_learn.functional.sampling.leverage import leverage_scores
from subspace_learn.grassmann import FederatedGrassmannPCA, NearestSubspaceClassifier

N_THREADS, ROUNDS = 2, 5
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


def seconds(calls):
    """Median seconds of each call, interleaved, the first round not counted."""
    taken = {name: [] for name in calls}
    for _ in range(ROUNDS + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - start)
    return {name: median(times[1:]) for name, times in taken.items()}


def measured(case, size, device):
    """Seconds on the CPU, and on the device with and without transfer."""
    X = case.data(size)
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
    return seconds(calls)


def rows(device):
    """One row for each method and size, and where the device begins to win."""
    yield "method", "size", "CPU, s", "GPU with transfer, s", "GPU without, s", "GPU wins from"
    for case in CASES:
        faster = None
        for size in case.sizes:
            found = measured(case, size, device)
            if faster is None and found.get("with", np.inf) < found["cpu"]:
                faster = size
            last = size == case.sizes[-1]
            verdict = " x ".join(map(str, faster)) if faster else "none of these"
            yield (
                case.name,
                " x ".join(map(str, size)),
                f"{found['cpu']:.3g}",
                *(f"{found[key]:.3g}" if device else NOT_RUN for key in ("with", "without")),
                (verdict if device else NOT_RUN) if last else "",
            )


def main():
    chosen = sys.argv[1] if len(sys.argv) > 1 else None
    if chosen not in (None, "torch-cpu"):
        sys.exit(f"gpu_tables.py takes nothing or torch-cpu, not {chosen!r}")
    device = ("torch", "cpu", lambda: None) if chosen else device_of_choice()
    with threadpool_limits(N_THREADS):
        text = as_list_table("Seconds of one fit, CPU (two threads) and GPU", list(rows(device)))
    print(text)
    if chosen is None:
        (FOLDER / "gpu.rst").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
