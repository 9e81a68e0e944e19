"""How many numbers digits need, for doc/_tables.

python asv_benches/random_subspace_tables.py            # the whole page, some minutes
python asv_benches/random_subspace_tables.py toy        # one of them, printed only
"""

from __future__ import annotations

import warnings
from itertools import pairwise

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from tables import spread, write_page

from subspace_learn.compression import RandomSubspaceClassifier, intrinsic_dimension
from subspace_learn.functional.compression.random_subspace import PROJECTIONS, random_projection

DIMS = (5, 10, 20, 40, 60, 80, 120, 200)
MODELS = {"softmax": (), "32 hidden": (32,), "100 hidden": (100,)}


def toy():
    """Relative loss of the paper's toy, 1,000 parameters in 10 groups, mean of 100 projections."""
    yield "projection", "d = 2", "d = 5", "d = 9", "d = 10: largest"
    A = np.kron(np.eye(10), np.ones(100))
    for kind in PROJECTIONS:
        losses = {}
        for d in (2, 5, 9, 10):
            for seed in range(100):
                rng = np.random.default_rng(seed)
                P, b = random_projection(kind, 1000, d, rng) @ np.eye(d), rng.normal(size=10)
                z = np.linalg.lstsq(A @ P, b, rcond=None)[0]
                loss = np.sum((A @ (P @ z) - b) ** 2) / np.sum(b**2)
                losses.setdefault(d, []).append(loss)
        yield kind, *(f"{np.mean(losses[d]):.3f}" for d in (2, 5, 9)), f"{max(losses[10]):.0e}"
    yield "1 - d / 10", "0.800", "0.500", "0.100", "0"


def measured(hidden, projection="dense"):
    X, y = load_digits(return_X_y=True)
    model = RandomSubspaceClassifier(hidden, projection=projection, max_iter=150)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the same budget for all, on purpose
        return intrinsic_dimension(model, X / 16, y, dims=DIMS)


def digits():
    """Digits: test accuracy over that of full training, 70 % for training; three seeds."""
    yield "model", "parameters", "full", *(f"d = {d}" for d in DIMS), "d90"
    for name, hidden in MODELS.items():
        found = measured(hidden)
        sizes = (64, *hidden, 10)
        n = sum((a + 1) * b for a, b in pairwise(sizes))
        share = np.median(found.scores, axis=1) / np.median(found.baseline)
        yield name, n, spread(found.baseline), *(f"{s:.2f}" for s in share), found.dimension


def projections():
    """The three projections, 32 hidden units."""
    yield "projection", *(f"d = {d}" for d in DIMS), "d90"
    for kind in PROJECTIONS:
        found = measured((32,), kind)
        share = np.median(found.scores, axis=1) / np.median(found.baseline)
        yield kind, *(f"{s:.2f}" for s in share), found.dimension


if __name__ == "__main__":
    write_page("random_subspace", __doc__.splitlines()[0], toy, digits, projections)
