"""Modules for those who bring none: fully connected layers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch

__all__ = ["AutoEncoder", "Perceptron", "layers"]

ACTIVATIONS = {
    "gelu": torch.nn.GELU,
    "relu": torch.nn.ReLU,
    "silu": torch.nn.SiLU,
    "tanh": torch.nn.Tanh,
}


def layers(sizes: Sequence[int], activation: str, dropout: float = 0.0) -> torch.nn.Sequential:
    """Linear layers from size to size, with activations (and dropout) between them."""
    if activation not in ACTIVATIONS:
        raise ValueError(
            f"activation={activation!r} is not known here. Use one of {sorted(ACTIVATIONS)}."
        )
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(
            f"Layers of sizes {tuple(sizes)} (features first) cannot be built: at least one layer "
            "of at least one unit is needed. Check hidden_layer_sizes."
        )
    found: list[torch.nn.Module] = [torch.nn.Linear(sizes[0], sizes[1])]
    for a, b in pairwise(sizes[1:]):
        found.append(ACTIVATIONS[activation]())
        if dropout:
            found.append(torch.nn.Dropout(dropout))
        found.append(torch.nn.Linear(a, b))
    return torch.nn.Sequential(*found)


class Perceptron(torch.nn.Module):
    """Fully connected layers with an activation between each two.

    Parameters
    ----------
    n_features : int
        Number of inputs.
    n_outputs : int
        Number of outputs: classes, or targets.
    hidden_layer_sizes : sequence of int, default=(64,)
        Sizes of the layers between; () makes a linear model.
    activation : {"relu", "gelu", "silu", "tanh"}, default="relu"
        Between layers, not after the last.
    dropout : float, default=0.0
        Share of units switched off in training before each layer but the first.

    See Also
    --------
    DeepClassifier, DeepRegressor : Use it if no module is given.

    Examples
    --------
    >>> import torch
    >>> from subspace_learn.deep import Perceptron
    >>> Perceptron(4, 3, hidden_layer_sizes=(8, 8))(torch.zeros(5, 4)).shape
    torch.Size([5, 3])
    """

    def __init__(
        self,
        n_features: int,
        n_outputs: int,
        hidden_layer_sizes: Sequence[int] = (64,),
        activation: str = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.layers = layers((n_features, *hidden_layer_sizes, n_outputs), activation, dropout)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Outputs of a batch.

        Parameters
        ----------
        X : torch.Tensor of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        outputs : torch.Tensor of shape (n_samples, n_outputs)
            Logits, or predictions.
        """
        return self.layers(X)


class AutoEncoder(torch.nn.Module):
    """A few numbers for each row from which the row can be reconstructed.

    Parameters
    ----------
    n_features : int
        Number of inputs.
    n_components : int, default=2
        Length of the code.
    hidden_layer_sizes : sequence of int, default=(64,)
        Sizes of the layers of the encoder, backwards those of the decoder; with () both are
        linear, and the best code spans the principal subspace.
    activation : {"relu", "gelu", "silu", "tanh"}, default="tanh"
        Between layers, not after the code nor after the last.

    See Also
    --------
    DeepTransformer : Uses it if no module is given.

    Examples
    --------
    >>> import torch
    >>> from subspace_learn.deep import AutoEncoder
    >>> module = AutoEncoder(10, n_components=3)
    >>> module.encode(torch.zeros(5, 10)).shape, module(torch.zeros(5, 10)).shape
    (torch.Size([5, 3]), torch.Size([5, 10]))
    """

    def __init__(
        self,
        n_features: int,
        n_components: int = 2,
        hidden_layer_sizes: Sequence[int] = (64,),
        activation: str = "tanh",
    ) -> None:
        super().__init__()
        sizes = (n_features, *hidden_layer_sizes, n_components)
        self.encoder = layers(sizes, activation)
        self.decoder = layers(sizes[::-1], activation)

    def encode(self, X: torch.Tensor) -> torch.Tensor:
        """Codes of a batch.

        Parameters
        ----------
        X : torch.Tensor of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        codes : torch.Tensor of shape (n_samples, n_components)
            What `decode` takes.
        """
        return self.encoder(X)

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Rows of given codes.

        Parameters
        ----------
        codes : torch.Tensor of shape (n_samples, n_components)
            Codes.

        Returns
        -------
        X : torch.Tensor of shape (n_samples, n_features)
            Reconstructions.
        """
        return self.decoder(codes)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Encode and decode.

        Parameters
        ----------
        X : torch.Tensor of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        X : torch.Tensor of shape (n_samples, n_features)
            Reconstructions.
        """
        return self.decode(self.encode(X))
