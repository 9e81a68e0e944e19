"""Eigen-CAM beside an SVD of each image's activations, as common implementations do it."""

from __future__ import annotations

import numpy as np

from subspace_learn.functional.activations.eigen_cam import eigen_cam

from .common import PeerBenchmark


class Maps(PeerBenchmark):
    """Maps of a batch; score: mean of the maps."""

    param_names = ["n_images x n_channels x side"]
    params = [["32 x 64 x 28", "16 x 512 x 7"]]
    budget = 8.0

    def make_data(self, shape):
        n, channels, side = map(int, shape.split(" x "))
        A = np.random.default_rng(0).normal(size=(n, channels, side, side))
        return np.maximum(A + 0.3, 0).astype(np.float32)

    def ours(self, A):
        return eigen_cam(A)

    def peers(self, A):
        def one_by_one():
            maps = []
            for image in A:
                M = image.reshape(len(image), -1).T
                L = np.abs(M @ np.linalg.svd(M, full_matrices=True)[2][0])
                maps.append(((L - L.min()) / np.ptp(L)).reshape(image.shape[1:]))
            return np.stack(maps)

        return {"SVD, full matrices": one_by_one}

    def score(self, A, result):
        return float(result.mean())
