"""How the estimators build their nets, train them and ask them: everything that touches torch."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, repeat
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from skorch import NeuralNet

from .._array import to_library, to_numpy
from ._manifold_optimizer import ManifoldParameter, RiemannianSGD
from ._net import NETS, BestState, NonFiniteLossError, StopTraining, Table
from ._progress import EpochBar, EpochLines

__all__ = [
    "Plan",
    "built_net",
    "checked_module",
    "chosen_device",
    "outputs",
    "resumed",
    "seeded",
    "table",
    "trained",
]

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rsgd": RiemannianSGD,
    "sgd": torch.optim.SGD,
}
ROWS_AT_ONCE = 8192  # of a forward pass without gradients: bounds the memory of the activations

# Parameters of a skorch net that the estimators set themselves.
TAKEN = {
    *("batch_size", "callbacks", "classes", "dataset", "device", "iterator_train", "lr"),
    *("iterator_valid", "max_epochs", "module", "optimizer", "optimizer__lr"),
    *("optimizer__weight_decay", "train_split", "verbose", "warm_start"),
}


class Plan(NamedTuple):
    """How to train: the parameters that all estimators share."""

    max_epochs: int
    lr: float
    batch_size: int | None
    optimizer: str | Callable[..., torch.optim.Optimizer]
    weight_decay: float
    patience: int | None
    callbacks: Sequence[Any] | None
    device: str
    dtype: str
    verbose: int
    net_params: Mapping[str, Any]


def chosen_device(device: str) -> str:
    """Resolve "auto"; refuse a device that is not there."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    to_library(np.empty(0), device, "torch")
    return device


@contextmanager
def seeded(seed: int, device: str) -> Iterator[None]:
    """Seed torch's generators (of the CPU and of ``device``) within, and put them back after."""
    kind = torch.device(device)
    devices = [kind.index or 0] if kind.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.default_generator.manual_seed(seed)
        for index in devices:
            with torch.cuda.device(index):
                torch.cuda.manual_seed(seed)
        yield


def as_tensor(X: Any, device: str, dtype: str | None = None) -> torch.Tensor:
    """Copy rows or targets to ``device``; a copy, since a module may write into its input."""
    wanted = None if dtype is None else getattr(torch, dtype)
    if torch.is_tensor(X):
        return X.detach().to(device, wanted, copy=True)
    return torch.from_numpy(np.array(to_numpy(X), dtype=dtype)).to(device)


def table(X: Any, y: Any, weights: np.ndarray | None, device: str, dtype: str) -> Table:
    """Rows on a device; whole numbers among the targets stay so, weights get a mean of 1."""
    codes = isinstance(y, np.ndarray) and y.dtype.kind == "i"
    if weights is not None:
        weights = as_tensor(weights / weights.mean(), device, dtype)
    return Table(
        as_tensor(X, device, dtype), as_tensor(y, device, None if codes else dtype), weights
    )


def built_net(
    kind: str, module: torch.nn.Module, loss: Any, plan: Plan, n_outputs: int
) -> NeuralNet:
    """A skorch net, initialised, around a module."""
    taken = sorted(TAKEN & plan.net_params.keys())
    if taken:
        raise ValueError(
            f"net_params sets {', '.join(taken)}, which are parameters of the estimator or its own "
            "business. Set the estimator's parameter instead."
        )
    optimizer = OPTIMIZERS.get(plan.optimizer, plan.optimizer)
    _check_manifolds(module, optimizer)
    params = {"criterion": loss, **plan.net_params}
    if plan.weight_decay:
        params["optimizer__weight_decay"] = plan.weight_decay
    if kind == "classifier":
        params["classes"] = np.arange(n_outputs)
    return NETS[kind](
        module,
        optimizer=optimizer,
        lr=plan.lr,
        max_epochs=plan.max_epochs,
        batch_size=-1 if plan.batch_size is None else plan.batch_size,
        train_split=None,
        callbacks=_callbacks(plan),
        device=plan.device,
        verbose=0,
        **params,
    ).initialize()


def resumed(net: NeuralNet, plan: Plan) -> NeuralNet:
    """A copy of a trained net, with the sizes of steps and batches that hold now.

    A copy, so that a training that fails leaves the net as it was.
    """
    net = copy.deepcopy(net)
    net.max_epochs = plan.max_epochs
    net.batch_size = -1 if plan.batch_size is None else plan.batch_size
    # skorch puts groups that were asked for by name first
    own = [options for _, options in plan.net_params.get("optimizer__param_groups", ())]
    for group, options in zip(net.optimizer_.param_groups, chain(own, repeat({})), strict=False):
        group["lr"] = options.get("lr", plan.lr)
        if "weight_decay" in group:
            group["weight_decay"] = options.get("weight_decay", plan.weight_decay)
    dict(net.callbacks_)["best_state"].patience = plan.patience
    return net


def _callbacks(plan: Plan) -> list[Any]:
    """Report, then the user's, then the one that may end the training."""
    report = {0: [], 1: [("report", EpochBar())]}.get(plan.verbose, [("report", EpochLines())])
    given = copy.deepcopy(list(plan.callbacks or []))  # skorch writes into them
    return [*report, *given, ("best_state", BestState(plan.patience))]


def _check_manifolds(module: torch.nn.Module, optimizer: Any) -> None:
    names = [n for n, p in module.named_parameters() if isinstance(p, ManifoldParameter)]
    follows = isinstance(optimizer, type) and issubclass(optimizer, RiemannianSGD)
    if names and not follows:
        raise ValueError(
            f"{', '.join(names)} of {type(module).__name__} must stay on a manifold, which the "
            "optimizer would leave at its first step. Use optimizer='rsgd'."
        )


def trained(
    net: NeuralNet, training: Table, validation: Table | None, epochs: int, seed: int
) -> NeuralNet:
    """Train a net in place and return it; on a loss that is not finite, its best state.

    Raises
    ------
    ValueError
        If the loss of the first epoch is not finite: there is no better state to go back to.
    """
    watch = dict(net.callbacks_)["best_state"]
    with seeded(seed, net.device):
        net.notify("on_train_begin", X=training.X, y=training.y)
        try:
            net.run_epochs(training, validation, epochs)
        except StopTraining:
            pass
        except NonFiniteLossError as error:
            _go_back(net, watch, error)
        if watch.patience is not None and watch.best_epoch_ is not None:
            watch.restore(net)
        net.notify("on_train_end", X=training.X, y=training.y)
    net.module_.eval()
    return net


def _go_back(net: NeuralNet, watch: Any, error: Exception) -> None:
    epoch = net.history[-1, "epoch"]
    what_to_do = (
        "Lower lr, scale the features (and the targets of a regression) to unit variance, or clip "
        "gradients with skorch.callbacks.GradientNormClipping."
    )
    if watch.best_epoch_ is None:
        raise ValueError(
            f"The loss or a parameter was not finite in epoch {epoch}, the first of this fit. "
            f"{what_to_do}"
        ) from error
    del net.history[-1]
    watch.restore(net)
    net.optimizer_.state.clear()  # its averages may hold what is not finite
    warnings.warn(
        f"The loss or a parameter was not finite in epoch {epoch}. Training stopped there, and the "
        f"state after epoch {watch.best_epoch_}, of lowest loss, is kept. {what_to_do}",
        ConvergenceWarning,
        stacklevel=5,
    )


def checked_module(module: Any, X: Any, plan: Plan, n_outputs: int) -> torch.nn.Module:
    """Move a new module to its device and precision, and try it on two rows."""
    name = type(module).__name__
    if not isinstance(module, torch.nn.Module):
        raise TypeError(
            f"The module factory returned a {name}; it has to return a torch.nn.Module."
        )
    module = module.to(device=plan.device, dtype=getattr(torch, plan.dtype))
    try:
        found = outputs(module, X[:2], plan.device, plan.dtype)
    except RuntimeError as error:
        raise ValueError(
            f"{name} cannot take a batch of shape {tuple(X[:2].shape)}: {error}. A module whose "
            "constructor has parameters n_features and n_outputs gets them from the data."
        ) from error
    if found.shape != (len(X[:2]), n_outputs):
        raise ValueError(
            f"{name} made an output of shape {found.shape} of {len(X[:2])} rows, but it has to be "
            f"(n_samples, {n_outputs}): a column for each class, target or feature."
        )
    return module


def outputs(
    module: torch.nn.Module, X: Any, device: str, dtype: str | None = None, method: str = "forward"
) -> np.ndarray:
    """What a module, or a method of it, makes of rows: a NumPy array."""
    module.eval()
    if dtype is None:
        dtype = str(next(module.parameters()).dtype).removeprefix("torch.")
    call = module if method == "forward" else getattr(module, method)
    with torch.inference_mode():
        parts = [call(as_tensor(block, device, dtype)) for block in _blocks(X)]
        return torch.cat(parts).cpu().numpy()


def _blocks(X: Any) -> Iterator[Any]:
    size = max(1, ROWS_AT_ONCE // math.prod(X.shape[1:-1]))  # each time of a sequence is a row
    return (X[start : start + size] for start in range(0, X.shape[0], size))
