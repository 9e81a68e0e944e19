"""What compressed networks lose and low-rank corrections give back, for doc/_tables.

python asv_benches/eora_tables.py             # the whole page, about two minutes
python asv_benches/eora_tables.py digits      # one of them, printed only
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from tables import spread, write_page

from subspace_learn.compression import EoRACompensator
from subspace_learn.functional.compression.eora import activation_error, eora_factors, quantized

SEEDS = range(10)


def networks():
    """Ten networks 64-128-128-10 on digits, each with its own split."""
    X, y = load_digits(return_X_y=True)
    for seed in SEEDS:
        split = train_test_split(X / 16, y, test_size=0.3, random_state=seed, stratify=y)
        network = MLPClassifier((128, 128), random_state=seed, max_iter=500, tol=1e-4)
        yield FrozenEstimator(network.fit(split[0], split[2])), split


def digits():
    """Test accuracy of networks 64-128-128-10 on digits, ten seeds"""
    yield "compressed to", "rank", "full", "compressed", "svd", "act", "eora", "eora best"
    fitted = list(networks())
    for name, parameters in (
        ("2 bits", {"bits": 2}),
        ("3 bits", {"bits": 3}),
        ("2:4", {"compressor": "prune_2_4"}),
    ):
        for rank in (2, 4, 8):
            scores = []
            for network, (X, X_test, _, y_test) in fitted:
                row = [network.score(X_test, y_test)]
                for r, method in ((0, "svd"), (rank, "svd"), (rank, "act"), (rank, "eora")):
                    model = EoRACompensator(network, n_components=r, method=method, **parameters)
                    row.append(model.fit(X).score(X_test, y_test))
                scores.append(row)
            best = sum(row[4] >= max(row[2:4]) for row in scores)
            yield name, rank, *map(spread, np.transpose(scores)), f"{best} of {len(scores)}"


def variants():
    """Variants of EoRA, 2 bits, rank 4, ten seeds"""
    yield "variant", "accuracy"
    fitted = list(networks())
    for name, parameters in {
        "default": {},
        "sequential calibration": {"calibration": "sequential"},
        "bias updated": {"update_bias": True},
        "both": {"calibration": "sequential", "update_bias": True},
    }.items():
        scores = [
            EoRACompensator(network, **parameters).fit(X).score(X_test, y_test)
            for network, (X, X_test, _, y_test) in fitted
        ]
        yield name, spread(scores)


def synthetic():
    """Change of the outputs of one layer, 48 x 64, inputs with a spectrum from 1 to 1e-3, 2 bits"""
    yield "rank", "none", "svd", "act", "eora"
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 64)) * np.geomspace(1, 1e-3, 64)
    X = X @ np.linalg.qr(rng.normal(size=(64, 64)))[0]
    W = rng.normal(size=(48, 64))
    W_hat = quantized(W, 2)
    for rank in (2, 8, 24):
        errors = [activation_error(W, W_hat, X)]
        for method in ("svd", "act", "eora"):
            B, A = eora_factors(W, W_hat, X, rank, method=method)
            errors.append(activation_error(W, W_hat + B @ A, X))
        yield rank, *(f"{error:.2f}" for error in errors)


if __name__ == "__main__":
    write_page("eora", __doc__.splitlines()[0], digits, variants, synthetic)
