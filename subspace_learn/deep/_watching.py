"""Look inside a trained module while it runs; whatever is changed for that is put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator

from ._base import BaseDeepEstimator

__all__ = ["evaluated", "found_parts", "rows_for", "trained_module", "watched"]


def trained_module(net: Any, *, where: str) -> torch.nn.Module:
    """The torch module of a fitted estimator, frozen or not, or of a skorch net; or the module."""
    module = getattr(net, "module_", net)
    if isinstance(module, torch.nn.Module):
        return module
    if hasattr(net, "fit"):
        raise NotFittedError(
            f"{where} was given a {type(net).__name__} that is not fitted, or holds no torch "
            "module. Fit a deep estimator first. Inside a search or a cross-validation, which "
            "copy what they are given without its fit, hand over FrozenEstimator(net)."
        )
    raise TypeError(
        f"{where} needs a torch module or a fitted deep estimator, but was given a "
        f"{type(net).__name__}."
    )


def rows_for(net: Any, X: Any, *, method: str) -> Any:
    """Rows as the module takes them: an estimator checks them, of its own kind, as for itself."""
    net = net.estimator if isinstance(net, FrozenEstimator) else net
    if isinstance(net, BaseDeepEstimator):
        X = net._checked(X, reset=False, method=method)
        return torch.as_tensor(X).long() if net.net_.takes_codes_ else X
    return X.to_numpy() if hasattr(X, "iloc") else X  # a table of pandas


def found_parts(module: torch.nn.Module, names: list[str]) -> dict[str, torch.nn.Module]:
    """Parts of a module by name.

    Raises
    ------
    ValueError
        If it has no part of that name; the message lists those that it has.
    """
    parts = dict(module.named_modules(remove_duplicate=False))
    parts.pop("")
    unknown = [name for name in names if name not in parts]
    if unknown:
        listed = ", ".join(f"{name} ({type(part).__name__})" for name, part in parts.items())
        raise ValueError(
            f"{type(module).__name__} has no layer {', '.join(map(repr, unknown))}. Its layers: "
            f"{listed or 'none'}."
        )
    return {name: parts[name] for name in names}


@contextmanager
def evaluated(module: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients within; each part's own mode comes back after."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, mode in modes:
            part.training = mode


@contextmanager
def watched(
    parts: Mapping[str, torch.nn.Module],
) -> Iterator[dict[str, list[tuple[torch.Tensor, Any]]]]:
    """What each part takes and returns within, a pair for each time it is run; no hook stays.

    In the order in which parts are first run; one that is not run is not there.
    """
    seen: dict[str, list[tuple[torch.Tensor, Any]]] = {}

    def hook_of(name: str) -> Callable[..., None]:
        def hook(part: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: Any) -> None:
            seen.setdefault(name, []).append((inputs[0], output))

        return hook

    with ExitStack() as stack:
        for name, part in parts.items():
            stack.callback(part.register_forward_hook(hook_of(name)).remove)
        yield seen
