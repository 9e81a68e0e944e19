"""What the layers do under ``torch.autocast``, which runs products in 16 bits."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

__all__ = ["width_of_linear", "without_autocast"]


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """No autocast within: for what 16 bits, or torch in 16 bits, cannot do."""
    if not torch.amp.is_autocast_available(device.type):  # of "meta", for example
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


def width_of_linear(X: torch.Tensor) -> torch.dtype:
    """What torch.nn.functional.linear would return: of X, or of autocast."""
    kind = X.device.type
    if not torch.amp.is_autocast_available(kind) or X.dtype == torch.float64:
        return X.dtype
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else X.dtype
