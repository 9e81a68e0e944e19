"""Leverage scores beside one Gram product and a triangular solve, which is their textbook cost."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular

from subspace_learn.functional.sampling.leverage import leverage_scores

from .common import Speed


def gram_and_solve(A):
    """The two products, as one writes them."""
    lower = np.linalg.cholesky(A.T @ A)
    Z = solve_triangular(lower, A.T, lower=True, check_finite=False)
    return np.einsum("ij,ij->j", Z, Z)


class Scores(Speed):
    """1e6 x 20, float64; score: largest difference to the textbook formula."""

    def make_data(self):
        return np.random.default_rng(0).standard_normal((2000 if self.quick else 1_000_000, 20))

    def ours(self, A):
        return leverage_scores(A)

    def peers(self, A):
        return {
            "Gram and triangular solve": lambda: gram_and_solve(A),
            "ours, exact (blocked QR)": lambda: leverage_scores(A, method="exact"),
            "ours, sketch": lambda: leverage_scores(A, method="sketch"),
        }

    def score(self, A, result):
        return np.abs(result - gram_and_solve(A)).max()
