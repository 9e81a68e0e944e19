"""A whole DPPLeastSquares fit on a large pool: features, design and fit."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LinearRegression

from subspace_learn import DPPLeastSquares

from .common import PeerBenchmark


class Fit(PeerBenchmark):
    """1e5 rows, 20 columns, 42 labels; least squares on all labels beside it (score: R^2)."""

    def make_data(self):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((100_000, 20))
        return X, X @ rng.standard_normal(20) + 0.1 * rng.standard_normal(100_000)

    def ours(self, data):
        return DPPLeastSquares(random_state=0).fit(*data)

    def peers(self, data):
        return {"LinearRegression, all labels": lambda: LinearRegression().fit(*data)}

    def score(self, data, result):
        return result.score(*data)

    def nbytes(self, data):
        return data[0].nbytes
