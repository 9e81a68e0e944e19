"""What trained modules make of rows: casts, batches, and back to NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet

from .._array import to_numpy

__all__ = ["as_tensor", "net_outputs", "outputs", "precision"]

ROWS_AT_ONCE = 8192  # at most, of a forward pass without gradients: bounds the activations
# Small rows go in batches of up to this many times batch_size, while a batch has few bytes: a tiny
# module costs little more than the call.
TIMES, FEW_BYTES = 8, 2**16


def as_tensor(X: Any, device: str, dtype: str | None = None) -> torch.Tensor:
    """Copy rows or targets to ``device``; a copy, since a module may write into its input."""
    wanted = None if dtype is None else getattr(torch, dtype)
    if torch.is_tensor(X):
        return X.detach().to(device, wanted, copy=True)
    known = "float32" if dtype == "bfloat16" else dtype  # NumPy has none
    return torch.from_numpy(np.array(to_numpy(X), dtype=known)).to(device, wanted)


def precision(module: torch.nn.Module) -> tuple[str, str]:
    """Device and floating point type of the parameters; those of torch if there are none."""
    for parameter in module.parameters():
        if parameter.is_floating_point() or parameter.is_complex():
            width = parameter.dtype.to_real()
            return str(parameter.device), str(width).removeprefix("torch.")
    return "cpu", str(torch.get_default_dtype()).removeprefix("torch.")


def net_outputs(net: NeuralNet, X: Any, method: str = "forward") -> np.ndarray:
    """What the module of a net, or a method of it, makes of rows, in batches near those of fit."""
    dtype = "int64" if net.takes_codes_ and method != "decode" else precision(net.module_)[1]
    size = ROWS_AT_ONCE if net.batch_size == -1 else net.batch_size
    few = FEW_BYTES // (8 * max(1, math.prod(X.shape[1:])))
    size = max(size, min(TIMES * size, few))
    return outputs(net.module_, X, net.device, dtype, method, size)


def outputs(
    module: torch.nn.Module,
    X: Any,
    device: str,
    dtype: str,
    method: str = "forward",
    batch_size: int = ROWS_AT_ONCE,
) -> np.ndarray:
    """What a module, or a method of it, makes of rows: a NumPy array."""
    if dtype == "int64":
        check_codes(module, X)
    call = module if method == "forward" else getattr(module, method)
    size = min(batch_size, max(1, ROWS_AT_ONCE // math.prod(X.shape[1:-1])))  # a time is a row
    module.eval()
    with torch.no_grad():
        parts = [
            call(as_tensor(X[start : start + size], device, dtype))
            for start in range(0, X.shape[0], size)
        ]
        found = torch.cat(parts)
        wide = torch.promote_types(found.dtype, torch.float32)  # NumPy has no bfloat16
        return found.to(wide).cpu().numpy()


def check_codes(module: torch.nn.Module, X: Any) -> None:
    """Refuse rows that are not whole numbers, which a module that takes codes would round."""
    X = to_numpy(X)
    broken = np.argwhere(X != np.rint(X))
    if len(broken):
        where = tuple(broken[0].tolist())
        raise ValueError(
            f"{type(module).__name__} takes whole numbers (codes), but the entry {where} of X is "
            f"{X[where]}. Encode categories first, for example by sklearn.preprocessing."
            "OrdinalEncoder."
        )
