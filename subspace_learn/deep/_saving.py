"""How trained nets are copied and pickled: as plain objects, never as code hidden in bytes."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterator
from copyreg import __newobj__  # type: ignore[attr-defined]
from typing import Any

import torch
from torch.nn.utils import parametrize

__all__ = ["SavedNet", "cast", "keep_parametrizations", "moved"]


class SavedNet:
    """Mixin of skorch nets that are copied and pickled like any other object.

    skorch's nets pickle themselves into a string of bytes, and read it back: a module whose class
    stands in a function could not be copied, and a file of skops ran whatever the bytes said.
    """

    device: Any

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        for part in vars(self)["module_"].modules():
            for tensor in _computed(vars(part)):  # a module may keep what it computed last
                memo[id(tensor)] = tensor.detach().clone()
        vars(twin).update(copy.deepcopy(vars(self), memo))
        return twin

    def __reduce__(self) -> Any:
        net: Any = self
        if str(net.device).startswith("cuda"):  # may be read where there is none
            net = moved(copy.deepcopy(net), "cpu")
        return __newobj__, (type(self),), {**vars(net), "device": self.device}

    def __getstate__(self) -> Any:
        # pickle, joblib and copy go by __reduce__; skops comes here
        raise TypeError(
            "A trained torch net cannot go into a skops file: skops stores no tensors, and code "
            "that rebuilds them is what its files must not hold. Save the weights alone with "
            "torch.save(model.module_.state_dict(), path), which torch.load(path, "
            "weights_only=True) reads without running code; or the whole model with joblib.dump, "
            "whose files are to be read from trusted sources only. See 'Saving models' in the "
            "documentation."
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if str(self.device).startswith("cuda"):
            if torch.cuda.is_available():
                moved(self, self.device)
            else:
                self.device = "cpu"


def _computed(value: Any) -> Iterator[torch.Tensor]:
    """Tensors with a history in lists and dicts of a module, which torch does not copy."""
    if torch.is_tensor(value) and not value.is_leaf:
        yield value
    elif isinstance(value, dict | list | tuple):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _computed(each)


def moved(net: Any, device: str) -> Any:
    """A net with its module, loss and optimizer on another device; changed in place."""
    net.device = device
    for part in (net.module_, net.criterion_):
        if isinstance(part, torch.nn.Module):
            part.to(device)
    net.optimizer_.load_state_dict(net.optimizer_.state_dict())  # moves its averages
    return net


def cast(module: torch.nn.Module, device: str, dtype: str) -> torch.nn.Module:
    """Move a module to a device and a float width, in place.

    Complex parameters get the same width and stay complex (``Module.to`` would drop their
    imaginary parts); whole numbers and booleans stay as they are.
    """
    real: torch.dtype = getattr(torch, dtype)

    def converted(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.is_complex():
            return tensor.to(device, real.to_complex())
        return tensor.to(device, real if tensor.is_floating_point() else None)

    return module._apply(converted)


def keep_parametrizations(module: torch.nn.Module) -> None:
    """Let modules with parametrizations be pickled, which torch refuses."""
    for part in module.modules():
        if parametrize.is_parametrized(part):
            cls: Any = type(part)  # a class made by torch for this module alone
            cls.__reduce_ex__ = _reduced


def _reduced(module: Any, protocol: Any) -> Any:
    cls = parametrize.type_before_parametrizations(module)
    # hooks of torch's own, made in a function, that read states of older versions
    hooks = module._load_state_dict_pre_hooks.items()
    names = {k: getattr(hook.hook, "__qualname__", "") for k, hook in hooks}
    kept = {k: hook for k, hook in hooks if "<locals>" not in names[k]}
    state = {**vars(module), "_load_state_dict_pre_hooks": OrderedDict(kept)}
    return _parametrized, (cls, tuple(module.parametrizations)), state


def _parametrized(cls: Any, names: tuple[str, ...]) -> Any:
    """An empty module of torch's class for parametrizations, as they were when it was pickled."""
    module = cls.__new__(cls)
    parametrize._inject_new_class(module)
    for name in names:
        parametrize._inject_property(module, name)
    cls = type(module)
    cls.__reduce_ex__ = _reduced
    return module
