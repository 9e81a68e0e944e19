"""Lewis weights at p = 1 in units of leverage scores."""

from __future__ import annotations

import numpy as np

from subspace_learn.functional.sampling.leverage import leverage_scores
from subspace_learn.functional.sampling.lewis_weights import lewis_weights

from .common import Speed


class AbsoluteDeviations(Speed):
    """2e5 x 20, heavy tails, p = 1, tol 1e-3; the peer is ten passes of leverage scores."""

    def make_data(self):
        return np.random.default_rng(0).standard_t(3, size=(1000 if self.quick else 200_000, 20))

    def ours(self, A):
        return lewis_weights(A, p=1.0, tol=1e-3)

    def peers(self, A):
        return {"ten leverage passes": lambda: [leverage_scores(A) for _ in range(10)]}
