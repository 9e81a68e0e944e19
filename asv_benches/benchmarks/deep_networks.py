"""Trained torch nets: two bits a weight, and subspaces as heads.

The gallery draws the same experiments.
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from .common import Quality, median_and_range


class Compensated(Quality):
    """Torch perceptrons 64-128-128-10 on digits at 2 bits, four seeds: test accuracy.

    "trained on": five epochs of training of corrections and biases, which uses the labels.
    """

    needs = ("torch",)
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
            small = compensated(net, X, n_components=rank, method=method)
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
