"""Sensitivities at p = 1: steps with certified gaps, beside a linear programme per row."""

from __future__ import annotations

import numpy as np

from subspace_learn.functional.sampling.lp_sensitivity import _by_linear_programme, lp_sensitivities

from .common import PeerBenchmark


class AbsoluteDeviations(PeerBenchmark):
    """300 x 6, heavy tails, p = 1, gap 1e-2; score: the total S."""

    budget = 10.0

    def make_data(self):
        return np.random.default_rng(0).standard_t(3, size=(300, 6))

    def ours(self, A):
        return lp_sensitivities(A, p=1.0, method="exact")

    def peers(self, A):
        return {
            "linear programmes (HiGHS)": lambda: np.array([_by_linear_programme(A, a) for a in A])
        }

    def score(self, A, result):
        return result.sum()
