"""A network for sequences: state space layers, each followed by a mixing of the channels."""

from __future__ import annotations

from typing import Any

import torch

from ._state_space_layers import S4DLayer, S5Layer

__all__ = ["LAYERS", "STATE_PARAMETERS", "StateSpaceNet"]

LAYERS = {"s4d": S4DLayer, "s5": S5Layer}
STATE_PARAMETERS = "*.layer.[!CD]*"  # eigenvalues, steps and inputs, by name


class StateSpaceBlock(torch.nn.Module):
    """State space layer, GELU, gated linear layer; added to the input, and normalised."""

    def __init__(self, layer: torch.nn.Module, d_model: int, dropout: float) -> None:
        super().__init__()
        self.layer = layer
        self.mix = torch.nn.Linear(d_model, 2 * d_model)
        self.norm = torch.nn.LayerNorm(d_model)
        self.dropout = torch.nn.Dropout(dropout)

    def forward(self, u: torch.Tensor) -> torch.Tensor:
        """Sequences to sequences of the same shape."""
        y = self.dropout(torch.nn.functional.gelu(self.layer(u)))
        y = self.dropout(torch.nn.functional.glu(self.mix(y), dim=-1))
        return self.norm(u + y)


class StateSpaceNet(torch.nn.Module):
    """Logits of sequences: channels to features, blocks, mean over time, linear layer."""

    def __init__(
        self,
        n_channels: int,
        n_outputs: int,
        layer: str,
        d_model: int,
        n_layers: int,
        dropout: float,
        **options: Any,
    ) -> None:
        super().__init__()
        self.encode = torch.nn.Linear(n_channels, d_model)
        self.blocks = torch.nn.Sequential(
            *(
                StateSpaceBlock(LAYERS[layer](d_model, **options), d_model, dropout)
                for _ in range(n_layers)
            )
        )
        self.decode = torch.nn.Linear(d_model, n_outputs)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Logits, (n_sequences, n_outputs)."""
        return self.decode(self.blocks(self.encode(X)).mean(dim=1))
