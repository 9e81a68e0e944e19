"""Eigen-CAM beside an SVD of each image's activations, as common implementations do it."""

from __future__ import annotations

from functools import cache

import numpy as np
from sklearn.cluster import MiniBatchKMeans
from sklearn.datasets import load_digits
from sklearn.feature_extraction.image import extract_patches_2d

from subspace_learn.functional.activations.eigen_cam import eigen_cam, mean_activation_map

from .common import Quality, Speed


class Maps(Speed):
    """Maps of a batch; score: mean of the maps."""

    param_names = ["n_images x n_channels x side"]
    params = [["32 x 64 x 28", "16 x 512 x 7"]]
    smallest = ("2 x 8 x 7",)
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


# --- where it points ----------------------------------------------------------------------------

SIDE = 24


def scenes(n, rng, noise, clutter):
    """Digits at random places of a canvas of noise, and ``clutter`` patches of another digit."""
    digits = load_digits().images / 16
    canvas = rng.uniform(0, noise, (n, SIDE, SIDE))
    boxes = np.zeros((n, SIDE, SIDE), dtype=bool)
    for k in range(n):
        row, column = rng.integers(0, SIDE - 7, 2)
        for _ in range(clutter):
            r, c = rng.integers(0, SIDE - 2, 2)
            piece = digits[rng.integers(len(digits)), 2:5, 2:5]
            canvas[k, r : r + 3, c : c + 3] = np.maximum(canvas[k, r : r + 3, c : c + 3], piece)
        place = np.s_[row : row + 8, column : column + 8]
        canvas[k][place] = np.maximum(canvas[k][place], digits[rng.integers(len(digits))])
        boxes[k][place] = True
    return canvas, boxes


def features(images, dictionary):
    """Activations of a layer of patch detectors with a ReLU, learnt without labels."""
    patches = np.lib.stride_tricks.sliding_window_view(
        np.pad(images, ((0, 0), (2, 2), (2, 2))), (5, 5), axis=(1, 2)
    )
    flat = patches.reshape(*patches.shape[:3], 25)
    return np.maximum(flat @ dictionary.T - 0.5, 0).transpose(0, 3, 1, 2)


@cache
def learnt_dictionary(seed, n_digits):
    digits = load_digits().images[:n_digits] / 16
    patches = np.concatenate(
        [extract_patches_2d(np.pad(d, 2), (5, 5), max_patches=10, random_state=0) for d in digits]
    ).reshape(-1, 25)
    centres = MiniBatchKMeans(32, random_state=seed, n_init=3).fit(patches).cluster_centers_
    return centres / np.linalg.norm(centres, axis=1, keepdims=True)


def unsigned(A):
    """The leading direction with the sign that LAPACK happens to give, centred."""
    M = A.reshape(*A.shape[:2], -1)
    M = M - M.mean(axis=2, keepdims=True)
    L = np.linalg.svd(M, full_matrices=False)[2][:, 0]
    return np.maximum(L, 0).reshape(len(A), *A.shape[2:])


class Pointing(Quality):
    """Share of peaks inside the box of the digit (chance: 0.11); 200 scenes, five dictionaries.

    Digits on canvases of 24 x 24, activations of 32 patch detectors learnt without labels.
    """

    case_name = "scene"
    cases = {
        "noise to 0.3": (0.3, 0),
        "noise to 0.6": (0.6, 0),
        "noise to 0.3, ten pieces of digits": (0.3, 10),
        "noise to 0.3, thirty pieces": (0.3, 30),
    }
    digits = 2

    def make_data(self, scene, seed):
        n = 50 if self.quick else None
        images, boxes = scenes(n or 200, np.random.default_rng(seed), *scene)
        return features(images, learnt_dictionary(seed, n)), boxes

    def methods(self, data):
        return {
            "Eigen-CAM": lambda: eigen_cam(data[0]),
            "Eigen-CAM, centred": lambda: eigen_cam(data[0], center=True),
            "centred, sign left to chance": lambda: unsigned(data[0]),
            "mean activation": lambda: mean_activation_map(data[0]),
        }

    def score(self, data, maps):
        n, boxes = len(maps), data[1]
        peaks = maps.reshape(n, -1).argmax(axis=1)
        return np.take_along_axis(boxes.reshape(n, -1), peaks[:, None], axis=1).mean()


class Overlap(Pointing):
    """Intersection over union of the box and the map above a quarter of its peak"""

    cases = {name: Pointing.cases[name] for name in list(Pointing.cases)[::2]}

    def score(self, data, maps):
        seen, boxes = maps > 0.25 * maps.max(axis=(1, 2), keepdims=True), data[1]
        both = (seen & boxes).sum(axis=(1, 2))
        return np.mean(both / (seen | boxes).sum(axis=(1, 2)))
