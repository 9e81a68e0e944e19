"""What the adapter adds to training, beside a loop written by hand, and raw skorch."""

from __future__ import annotations

import numpy as np

from subspace_learn.deep import DeepClassifier

from .common import Speed

N, D, C = 6_400, 20, 4
EPOCHS, RATE = 3, 1e-3
SIZES = {"tiny, 20-32-4": (32,), "small, 20-256-256-4": (256, 256)}


class Adapter(Speed):
    """Three epochs of 6,400 x 20 rows by Adam, one thread; score: accuracy on the training rows."""

    needs = ("torch", "skorch")
    smallest = ("tiny, 20-32-4", 512)

    param_names = ["module", "batch_size"]
    params = [list(SIZES), [64, 512]]
    n_threads = 1
    budget = 8.0

    def make_data(self, module, batch_size):
        self.sizes, self.batch_size = SIZES[module], batch_size
        rng = np.random.default_rng(0)
        y = rng.integers(0, C, N)
        X = rng.standard_normal((N, D)) + rng.standard_normal((C, D))[y]
        return X.astype(np.float32), y

    def ours(self, data):
        return DeepClassifier(
            module__hidden_layer_sizes=self.sizes,
            max_epochs=EPOCHS,
            lr=RATE,
            batch_size=self.batch_size,
            device="cpu",
            random_state=0,
        ).fit(*data)

    def peers(self, data):
        return {
            "torch loop, slices": lambda: loop(data, self.sizes, slices, self.batch_size),
            "torch loop, DataLoader": lambda: loop(data, self.sizes, loader, self.batch_size),
            "raw skorch": lambda: skorch_net(data, self.sizes, self.batch_size),
        }

    def score(self, data, result):
        return result.score(*data)


def module_of(sizes):
    from subspace_learn.deep import Perceptron

    return Perceptron(D, C, hidden_layer_sizes=sizes)


def slices(X, y, batch_size):
    """Batches by one index into the tensors each: the fastest plain way."""
    import torch

    order = torch.randperm(len(X))
    for start in range(0, len(X), batch_size):
        rows = order[start : start + batch_size]
        yield X[rows], y[rows]


def loader(X, y, batch_size):
    """Batches as the tutorials make them."""
    import torch

    data = torch.utils.data.TensorDataset(X, y)
    return torch.utils.data.DataLoader(data, batch_size=batch_size, shuffle=True)


class Result:
    """The accuracy of a module, asked for like an estimator's."""

    def __init__(self, module):
        self.module = module

    def score(self, X, y):
        import torch

        with torch.inference_mode():
            return float((self.module(torch.from_numpy(X)).argmax(1).numpy() == y).mean())


def loop(data, sizes, batches, batch_size):
    """Train as one writes it by hand, with the losses that one would want to see."""
    import torch

    X, y = (torch.from_numpy(a) for a in data)
    torch.manual_seed(0)
    module = module_of(sizes)
    optimizer = torch.optim.Adam(module.parameters(), lr=RATE)
    criterion = torch.nn.CrossEntropyLoss()
    for _ in range(EPOCHS):
        total = 0.0
        for Xb, yb in batches(X, y, batch_size):
            optimizer.zero_grad()
            loss = criterion(module(Xb), yb)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(Xb)
    return Result(module)


def skorch_net(data, sizes, batch_size):
    """skorch by itself, its own settings except for the output and the hidden split."""
    import torch
    from skorch import NeuralNetClassifier

    torch.manual_seed(0)
    net = NeuralNetClassifier(
        module_of(sizes),
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=RATE,
        max_epochs=EPOCHS,
        batch_size=batch_size,
        train_split=None,
        iterator_train__shuffle=True,
        verbose=0,
    )
    return net.fit(*data)
