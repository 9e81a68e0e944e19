"""Trained torch nets: two bits a weight, subspaces as heads, and where a layer looks.

The gallery draws the same experiments.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from sklearn.datasets import load_digits, load_sample_images
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from .common import Quality, median_and_range


class Compensated(Quality):
    """Torch perceptrons 64-128-128-10 on digits at 2 bits, four seeds: test accuracy.

    "trained on": five epochs of training of corrections and biases, which uses the labels.
    """

    needs = ("torch",)
    n_threads = 1
    case_name = "rank"
    cases = {str(rank): rank for rank in (0, 4)}
    seeds = 4

    def make_data(self, rank, seed):
        from subspace_learn.deep import DeepClassifier

        X, y = load_digits(return_X_y=True)
        X, X_test, y, y_test = train_test_split(
            X / 16, y, test_size=0.3, stratify=y, random_state=seed
        )
        net = DeepClassifier(
            module__hidden_layer_sizes=(128, 128),
            lr=0.003,
            max_epochs=1 if self.quick else 30,
            random_state=seed,
        )
        return net.fit(X, y), rank, X, X_test, y, y_test

    def methods(self, data):
        from subspace_learn.deep import compensated

        net, rank, X, X_test, y, y_test = data

        def accuracy(method, epochs=0):
            small = compensated(net, X, rank=rank, method=method)
            for _ in range(epochs):
                small.partial_fit(X, y)
            return small.score(X_test, y_test)

        return {
            "eora": lambda: accuracy("eora"),
            "eora, trained on": lambda: accuracy("eora", 5),
            "svd": lambda: accuracy("svd"),
            "32 bits": lambda: net.score(X_test, y_test),
        }


def intra_class_angle(features, labels):
    """Mean angle, in degrees, between the lines through two features of the same class."""
    means = []
    for label in np.unique(labels):
        rows = features[labels == label]
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        cosines = np.abs(rows @ rows.T)[np.triu_indices(len(rows), 1)]
        means.append(np.degrees(np.arccos(np.clip(cosines, 0, 1))).mean())
    return np.mean(means)


def linear_head(n_features, n_outputs):
    """The net of GrassmannNetClassifier with a linear last layer."""
    import torch

    layers = torch.nn.Linear(n_features, 128), torch.nn.ReLU(), torch.nn.Linear(128, 64)
    return torch.nn.Sequential(*layers, torch.nn.Linear(64, n_outputs))


class Heads(Quality):
    """Digits, standardised, 60 % for training, 40 epochs: median of four splits, range.

    A net 64-128-64.

    The angle, in degrees, is that between the lines through two test features of the same class.
    """

    needs = ("torch",)
    n_threads = 1
    case_name = "head"
    cases = {**{f"subspaces, k = {k}": k for k in (8, 16, 4, 2, 1)}, "linear": None}
    seeds = 4
    digits = 4
    summary = staticmethod(median_and_range)

    def make_data(self, k, seed):
        import torch

        from subspace_learn.deep import DeepClassifier, GrassmannNetClassifier

        X, y = load_digits(return_X_y=True)
        X, X_test, y, y_test = train_test_split(X, y, test_size=0.4, random_state=seed, stratify=y)
        scaler = StandardScaler().fit(X)
        X, X_test = scaler.transform(X), scaler.transform(X_test)
        training = {"max_epochs": 1 if self.quick else 40, "lr": 0.05, "random_state": seed}
        if k is not None:
            model = GrassmannNetClassifier(subspace_dim=k, **training).fit(X, y)
            return model.score(X_test, y_test), model.transform(X_test), y_test
        momentum = {"optimizer__momentum": 0.9}
        model = DeepClassifier(linear_head, optimizer="sgd", net_params=momentum, **training)
        model.fit(X, y)
        with torch.no_grad():
            features = model.module_[:-1](torch.tensor(X_test, dtype=torch.float32)).numpy()
        return model.score(X_test, y_test), features, y_test

    def methods(self, data):
        accuracy, features, y_test = data
        return {"accuracy": lambda: accuracy, "angle": lambda: intra_class_angle(features, y_test)}


SIDE, DIGIT = 40, 16


def photographed(digits, part, rng):
    """Crops of photographs with a digit in black or white ink, and the corner where it lies."""
    photographs = [photo.mean(axis=2) / 255 for photo in load_sample_images().images]
    images = np.empty((len(digits), SIDE, SIDE))
    corners = rng.integers(0, SIDE - DIGIT + 1, (len(digits), 2))
    for image, digit, (row, column) in zip(images, digits, corners, strict=True):
        photo = photographs[rng.integers(len(photographs))]
        half = photo[:, part * photo.shape[1] // 2 :][:, : photo.shape[1] // 2]
        i, j = (rng.integers(0, n - SIDE + 1) for n in half.shape)
        image[:] = half[i : i + SIDE, j : j + SIDE]
        box = image[row : row + DIGIT, column : column + DIGIT]
        box += digit * (rng.integers(2) - box)
    return images, corners


def convolutions(n_outputs, channels=16):
    """Three convolutions and the largest response anywhere."""
    import torch

    net = torch.nn.Sequential(torch.nn.Unflatten(1, (1, SIDE, SIDE)))
    for i, n_in in enumerate((1, channels, channels)):
        net.add_module(f"conv{i + 1}", torch.nn.Conv2d(n_in, channels, 5, padding=2))
        net.add_module(f"norm{i + 1}", torch.nn.BatchNorm2d(channels))
        net.add_module(f"relu{i + 1}", torch.nn.ReLU())
        if i < 2:
            net.add_module(f"pool{i + 1}", torch.nn.MaxPool2d(2))
    net.add_module("anywhere", torch.nn.AdaptiveMaxPool2d(1))
    net.add_module("flat", torch.nn.Flatten())
    net.add_module("last", torch.nn.Linear(channels, n_outputs))
    return net


@cache
def reader(seed, quick):
    """A net that reads digits on photographs, test images and where the digits lie."""
    from subspace_learn.deep import DeepClassifier

    rng = np.random.default_rng(seed)
    digits, labels = load_digits(return_X_y=True)
    digits = digits.reshape(-1, 8, 8).repeat(2, axis=1).repeat(2, axis=2) / 16
    train, test, y, y_test = train_test_split(digits, labels, test_size=300, random_state=seed)
    train, y = np.concatenate([train, train]), np.concatenate([y, y])  # each digit in two places
    X, _ = photographed(train[:200] if quick else train, 0, rng)
    X_test, corners = photographed(test, 1, rng)
    model = DeepClassifier(
        convolutions, lr=0.005, max_epochs=1 if quick else 15, random_state=seed
    ).fit(X.reshape(len(X), -1), y[: len(X)])
    return model, X_test, corners, model.score(X_test.reshape(len(X_test), -1), y_test)


class Looking(Quality):
    """Share of peaks on the digit, digits read on photographs, four nets; chance .16"""

    needs = ("torch",)
    n_threads = 1
    case_name = "layer"
    cases = {name: f"relu{i}" for i, name in enumerate(("first", "second", "third"), 1)}
    seeds = 4
    digits = 2

    def make_data(self, layer, seed):
        return layer, *reader(seed, self.quick)

    def methods(self, data):
        from subspace_learn.deep import EigenCAM

        layer, model, X_test, _, accuracy = data
        rows = X_test.reshape(len(X_test), -1)

        def maps(method):
            cam = EigenCAM(model, layer, method=method, size=(SIDE, SIDE))
            return cam.fit(rows).transform(rows)

        return {
            "Eigen-CAM": lambda: maps("eigen"),
            "mean activation": lambda: maps("mean"),
            "brightest pixel": lambda: X_test,
            "accuracy of the net": lambda: accuracy,
        }

    def score(self, data, maps):
        if np.ndim(maps) == 0:
            return maps
        peaks = np.unravel_index(maps.reshape(len(maps), -1).argmax(axis=1), (SIDE, SIDE))
        offset = np.transpose(peaks) - data[3]
        return np.mean(((offset >= 0) & (offset < DIGIT)).all(axis=1))
