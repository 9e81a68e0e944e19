"""Sensitivities at p = 1 beside a linear programme per row, and what each row score keeps."""

from __future__ import annotations

import numpy as np

from subspace_learn.functional.sampling.lp_sensitivity import _by_linear_programme, lp_sensitivities
from subspace_learn.functional.sampling.row_sampling import (
    SCORES,
    embedding_error,
    row_scores,
    sample_rows,
)

from .common import Quality, Speed


class AbsoluteDeviations(Speed):
    """300 x 6, heavy tails, p = 1, gap 1e-2; score: the total S."""

    budget = 10.0

    def make_data(self):
        return np.random.default_rng(0).standard_t(3, size=(30 if self.quick else 300, 6))

    def ours(self, A):
        return lp_sensitivities(A, p=1.0, method="exact")

    def peers(self, A):
        return {
            "linear programmes (HiGHS)": lambda: np.array([_by_linear_programme(A, a) for a in A])
        }

    def score(self, A, result):
        return result.sum()


class HeavyTails(Quality):
    """1,000 x 8, heavy tails (Student t, 3); 300 draws: embedding error, median of 20 samples
    (10 % to 90 %); exact for p = 2, else a lower bound by search"""

    case_name = "p"
    cases = {f"{p:g}": p for p in (1.0, 1.5, 2.0, 3.0, 4.0)}
    seeds = 20
    digits = 2

    def pool(self):
        return np.random.default_rng(0).standard_t(3, size=(1000, 8))

    def make_data(self, p, seed):
        return self.pool(), p, np.random.default_rng(seed)

    def methods(self, data):
        A, p, rng = data

        def error(score):
            scores = row_scores(A, score, p=p, method="auto", tol=0.01, max_iter=200, rng=rng)
            sample = sample_rows(scores, 300, rng)
            return embedding_error(A, sample.indices, sample.weights, p=p, n_directions=50)

        calls = {
            score.replace("_", " "): lambda score=score: error(score)
            for score in (SCORES if not self.quick else ("lewis", "uniform"))
        }
        return calls | {"total S": lambda: float(lp_sensitivities(A, p=p).sum())}

    def summary(self, values, digits):
        low, high = np.percentile(values, [10, 90])
        middle = f"{np.median(values):.{digits}f}"
        return middle if high - low < 1e-9 else f"{middle} ({low:.{digits}f} to {high:.{digits}f})"


class RareDirections(HeavyTails):
    """The same where four rows own a direction each"""

    def pool(self):
        rng = np.random.default_rng(0)
        rng.standard_t(3, size=(1000, 8))
        common = rng.standard_normal((996, 8)) * [1, 1, 1, 1, 0, 0, 0, 0]
        return np.vstack([common, np.eye(8)[4:]])
