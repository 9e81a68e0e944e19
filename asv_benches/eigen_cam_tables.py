"""Where Eigen-CAM points, beside the mean activation, for doc/_tables.

python asv_benches/eigen_cam_tables.py
"""

from __future__ import annotations

import numpy as np
from sklearn.cluster import MiniBatchKMeans
from sklearn.datasets import load_digits
from sklearn.feature_extraction.image import extract_patches_2d
from tables import spread, write_page

from subspace_learn.functional.activations.eigen_cam import eigen_cam, mean_activation_map

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


def learnt_dictionary(seed):
    digits = load_digits().images / 16
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


METHODS = {
    "Eigen-CAM": eigen_cam,
    "Eigen-CAM, centred": lambda A: eigen_cam(A, center=True),
    "centred, sign left to chance": unsigned,
    "mean activation": mean_activation_map,
}


def pointing():
    """Share of peaks inside the box of the digit (chance: 0.11); 200 scenes, five dictionaries."""
    yield "scene", *METHODS
    for name, noise, clutter in (
        ("noise to 0.3", 0.3, 0),
        ("noise to 0.6", 0.6, 0),
        ("noise to 0.3, ten pieces of digits", 0.3, 10),
        ("noise to 0.3, thirty pieces", 0.3, 30),
    ):
        hits = {method: [] for method in METHODS}
        for seed in range(5):
            images, boxes = scenes(200, np.random.default_rng(seed), noise, clutter)
            A = features(images, learnt_dictionary(seed))
            for method, function in METHODS.items():
                peaks = function(A).reshape(200, -1).argmax(axis=1)
                inside = np.take_along_axis(boxes.reshape(200, -1), peaks[:, None], axis=1)
                hits[method].append(inside.mean())
        yield name, *(spread(values, 2) for values in hits.values())


def overlap():
    """Intersection over union of box and map above a quarter of its peak, the same scenes."""
    yield "scene", *METHODS
    for name, noise, clutter in (
        ("noise to 0.3", 0.3, 0),
        ("noise to 0.3, ten pieces of digits", 0.3, 10),
    ):
        found = {method: [] for method in METHODS}
        for seed in range(5):
            images, boxes = scenes(200, np.random.default_rng(seed), noise, clutter)
            A = features(images, learnt_dictionary(seed))
            for method, function in METHODS.items():
                maps = function(A)
                seen = maps > 0.25 * maps.max(axis=(1, 2), keepdims=True)
                both = (seen & boxes).sum(axis=(1, 2))
                found[method].append(np.mean(both / (seen | boxes).sum(axis=(1, 2))))
        yield name, *(spread(values, 2) for values in found.values())


if __name__ == "__main__":
    write_page("eigen_cam", __doc__.splitlines()[0], pointing, overlap)
