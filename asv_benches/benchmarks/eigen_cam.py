"""Eigen-CAM beside an SVD of each image's activations, as common implementations do it."""

from __future__ import annotations

from functools import cache

import numpy as np
from sklearn.cluster import MiniBatchKMeans
from sklearn.datasets import load_digits, load_sample_images
from sklearn.feature_extraction.image import extract_patches_2d
from sklearn.model_selection import train_test_split

from subspace_learn.functional.activations.eigen_cam import (
    eigen_cam,
    mean_activation_map,
    resized,
)

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


# --- what an expert would use instead -----------------------------------------------------------

PHOTO, DIGIT = 40, 16


def on_photographs(digits, part, rng):
    """Crops of one half of two photographs, a digit in black or white somewhere in each."""
    photographs = [photo.mean(axis=2) / 255 for photo in load_sample_images().images]
    images, boxes = np.empty((2, len(digits), PHOTO, PHOTO))
    boxes[:] = 0
    corners = rng.integers(0, PHOTO - DIGIT + 1, (len(digits), 2))
    for k, (digit, (row, column)) in enumerate(zip(digits, corners, strict=True)):
        photo = photographs[rng.integers(len(photographs))]
        half = photo[:, part * photo.shape[1] // 2 :][:, : photo.shape[1] // 2]
        i, j = (rng.integers(0, n - PHOTO + 1) for n in half.shape)
        place = np.s_[row : row + DIGIT, column : column + DIGIT]
        images[k] = half[i : i + PHOTO, j : j + PHOTO]
        images[k][place] += digit * (rng.integers(2) - images[k][place])
        boxes[k][place] = 1
    return images.astype(np.float32), boxes.astype(bool)


def trained(images, labels, seed, n_epochs):
    """Three convolutions and a maximum over places, by Adam; and its third activations."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    layers = [
        layer
        for n in (1, 16, 16)
        for layer in (
            nn.MaxPool2d(2),
            nn.Conv2d(n, 16, 5, padding=2),
            nn.BatchNorm2d(16),
            nn.ReLU(),
        )
    ]
    below = nn.Sequential(*layers[1:])
    head = nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(16, 10))
    optimiser = torch.optim.Adam([*below.parameters(), *head.parameters()], lr=0.005)
    X, y = torch.from_numpy(images)[:, None], torch.from_numpy(labels)
    for _ in range(n_epochs):
        for rows in torch.randperm(len(X)).split(64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(head(below(X[rows])), y[rows]).backward()
            optimiser.step()
    return below.eval(), head.eval()


class Experts(Quality):
    """What an expert would use instead: a net that reads a digit in a photograph; share of peaks
    on the digit (chance: .16), three nets

    300 test scenes a net; maps of its last convolution. Grad-CAM and the gradient ask for the class
    that the net gives; Eigen-CAM, the mean of the channels and the brightness know no class.
    """

    needs = ("torch",)
    case_name = "photographs"
    cases = {"digits of 16 in crops of 40 x 40": None}
    seeds = 3
    digits = 2
    transposed = True

    def make_data(self, case, seed):
        digits, labels = load_digits(return_X_y=True)
        digits = digits.reshape(-1, 8, 8).repeat(2, axis=1).repeat(2, axis=2) / 16
        rng = np.random.default_rng(seed)
        train, test, y, y_test = train_test_split(digits, labels, test_size=300, random_state=seed)
        train, y = np.concatenate([train, train]), np.concatenate([y, y])
        n, n_epochs = (200, 1) if self.quick else (len(y), 15)
        images, _ = on_photographs(train[:n], 0, rng)
        below, head = trained(images, y[:n], seed, n_epochs)
        return below, head, *on_photographs(test, 1, rng), y_test

    def methods(self, data):
        import torch

        below, head, images, boxes, y = data
        X = torch.from_numpy(images)[:, None].requires_grad_()
        A = below(X)
        scores = head(A)
        of_best = scores.max(dim=1).values.sum()
        by_layer, by_pixel = torch.autograd.grad(of_best, (A, X))

        def grad_cam():
            weights = by_layer.mean(dim=(2, 3), keepdim=True)
            return (weights * A).sum(dim=1).clamp(min=0).detach().numpy()

        def pointing(maps):
            peaks = resized(maps, (PHOTO, PHOTO)).reshape(len(maps), -1).argmax(axis=1)
            return np.take_along_axis(boxes.reshape(len(maps), -1), peaks[:, None], axis=1).mean()

        plain = A.detach().numpy()
        maps = {
            "Eigen-CAM": lambda: eigen_cam(plain),
            "mean of the channels": lambda: mean_activation_map(plain),
            "Grad-CAM": grad_cam,
            "Grad-CAM without the mean of the gradient": lambda: (
                (by_layer * A).sum(dim=1).clamp(min=0).detach().numpy()
            ),
            "gradient at the pixels": lambda: np.abs(by_pixel[:, 0].numpy()),
            "brightness": lambda: images,
        }
        calls = {name: lambda make=make: pointing(make()) for name, make in maps.items()}
        correct = np.mean(scores.argmax(dim=1).numpy() == y)
        return calls | {"(share of digits read)": lambda: correct}
