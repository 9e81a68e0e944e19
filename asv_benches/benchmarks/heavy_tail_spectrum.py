"""Pooled eigenvalues of windows: batched beside loops over windows."""

from __future__ import annotations

import numpy as np

from subspace_learn.functional.random_matrix.heavy_tail_spectrum import pooled_eigenvalues

from .common import PeerBenchmark


class Windows(PeerBenchmark):
    """12 x 12 windows of a 1024 x 1024 matrix. The target is a fifth of a loop over windows."""

    param_names = ["window"]
    params = [[16, 32, 64, 128]]

    def make_data(self, window):
        self.window = window
        return np.random.default_rng(0).standard_normal((1024, 1024))

    def ours(self, W):
        return pooled_eigenvalues(W, (self.window, self.window), (12, 12))

    def peers(self, W):
        size = self.window
        starts = [(1024 - size) * i // 11 for i in range(12)]
        windows = [W[i : i + size, j : j + size] for i in starts for j in starts]

        def values():
            return [np.linalg.svd(part, compute_uv=False) for part in windows]

        def all_of_it():
            return [np.linalg.svd(part)[1] for part in windows]

        return {"loop of svd, values only": values, "loop of svd": all_of_it}
