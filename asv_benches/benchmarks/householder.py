"""An orthogonal layer by reflections beside torch's own, forwards and backwards."""

from __future__ import annotations

from .common import Speed


class Orthogonal(Speed):
    """Output of a batch and all gradients, d x d, float32, one thread; target: 0.2 of torch's.

    torch's default map for square matrices is "matrix_exp".

    Score: largest entry of W^T W - I.
    """

    needs = ("torch",)
    smallest = (16, 4)
    param_names = ["d", "batch"]
    params = [[128, 512], [64, 256]]
    n_threads = 1
    budget = 10.0

    def make_data(self, d, batch):
        import torch
        from torch.nn.utils.parametrizations import orthogonal

        from subspace_learn.deep import HouseholderLinear

        torch.manual_seed(0)
        self.theirs = {
            name: orthogonal(torch.nn.Linear(d, d), orthogonal_map=name)
            for name in ("matrix_exp", "cayley", "householder")
        }
        return HouseholderLinear(d, d), torch.randn(batch, d)

    def nbytes(self, data):
        return data[1].nbytes

    def ours(self, data):
        return stepped(*data)

    def peers(self, data):
        return {
            f"torch, {name}": lambda layer=layer: stepped(layer, data[1])
            for name, layer in self.theirs.items()
        }

    def score(self, data, result):
        import torch

        W = result.weight.detach()
        return float((W.T @ W - torch.eye(len(W))).abs().max())


def stepped(layer, X):
    layer(X).square().mean().backward()
    return layer
