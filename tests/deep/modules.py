"""Torch modules as a user might write them, for the tests of the adapter."""

from __future__ import annotations

import torch

from subspace_learn.deep import GrassmannHead


class OneHidden(torch.nn.Module):
    """A hidden layer of a size to be searched over; asks for both sizes of the data."""

    def __init__(self, n_features, n_outputs, hidden=4, dropout=0.0):
        super().__init__()
        self.first = torch.nn.Linear(n_features, hidden)
        self.dropout = torch.nn.Dropout(dropout)
        self.last = torch.nn.Linear(hidden, n_outputs)

    def forward(self, X):
        return self.last(self.dropout(torch.tanh(self.first(X))))


class FixedSizes(torch.nn.Module):
    """Four features in, three classes out, whatever the data; with batch normalisation."""

    def __init__(self):
        super().__init__()
        self.norm = torch.nn.BatchNorm1d(4)
        self.last = torch.nn.Linear(4, 3)

    def forward(self, X):
        return self.last(self.norm(X))


class WritesIntoItsInput(OneHidden):
    """Overwrites the rows it is given."""

    def forward(self, X):
        return super().forward(X.mul_(0.5))


class BlowsUp(OneHidden):
    """Gives infinite outputs from a given call in training on."""

    def __init__(self, n_features, n_outputs, calls=6):
        super().__init__(n_features, n_outputs)
        self.calls = calls

    def forward(self, X):
        self.calls -= self.training
        return super().forward(X) * (float("inf") if self.training and self.calls < 0 else 1.0)


class NoGradientOnce(OneHidden):
    """Has a finite loss, but not a finite gradient, at one call in training."""

    def __init__(self, n_features, n_outputs, call=8):
        super().__init__(n_features, n_outputs)
        self.calls_left = call

    def forward(self, X):
        self.calls_left -= self.training
        outputs = super().forward(X)
        if self.training and self.calls_left == 0:
            outputs = outputs + 0 * (0 * self.last.bias).sqrt()  # a slope of 0 times infinity
        return outputs


class FlatOutput(OneHidden):
    """Forgets the second axis of its output."""

    def forward(self, X):
        return super().forward(X)[:, 0]


class SubspaceNet(torch.nn.Sequential):
    """Has a parameter that lives on a manifold."""

    def __init__(self, n_features, n_outputs):
        super().__init__(torch.nn.Linear(n_features, 6), GrassmannHead(6, n_outputs, 2))


def make_net(n_features, n_outputs, depth=1):
    """A function that makes a module."""
    layers = [torch.nn.Linear(n_features, n_features) for _ in range(depth)]
    return torch.nn.Sequential(*layers, torch.nn.Linear(n_features, n_outputs))


class SignalNet(torch.nn.Sequential):
    """Convolutions over a row, whatever its length; each one made has the same parameters.

    Pickled by its class: the copies of torch's tensors have other hashes, by which scikit-learn
    would conclude that `fit` had changed them.
    """

    def __init__(self):
        with torch.random.fork_rng([]):
            torch.manual_seed(0)
            super().__init__(
                torch.nn.Unflatten(1, (1, -1)),
                torch.nn.Conv1d(1, 6, 3, padding=1),
                torch.nn.ReLU(),
            )
        self.double()

    def __reduce__(self):
        return SignalNet, ()
