"""How the estimators build their nets, train them and ask them: everything that touches torch."""

from __future__ import annotations

import copy
import fnmatch
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, repeat
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from skorch import NeuralNet
from skorch.callbacks import LRScheduler

from .._array import to_library
from .._base import warn
from ._manifold_optimizer import ManifoldParameter, RiemannianSGD
from ._net import NETS, BestState, NonFiniteLossError, StopTraining, Table
from ._outputs import as_tensor, outputs, precision
from ._progress import EpochBar, EpochLines
from ._saving import cast, keep_parametrizations, moved

__all__ = [
    "Plan",
    "built_net",
    "checked_module",
    "chosen_device",
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

# Parameters of a skorch net that do something here: by name, or by the start of a name.
NET_PARAMS = ("criterion", "predict_nonlinearity")
NET_PREFIXES = ("callbacks__", "criterion__", "optimizer__")
TAKEN = ("optimizer__lr", "optimizer__weight_decay")  # by parameters of the estimators


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


def table(net: NeuralNet, X: Any, y: Any, weights: np.ndarray | None) -> Table:
    """Rows on the device of a net, in its precision; whole numbers among the targets stay so."""
    dtype = precision(net.module_)[1]
    codes = isinstance(y, np.ndarray) and y.dtype.kind == "i"
    return Table(
        as_tensor(X, net.device, "int64" if net.takes_codes_ else dtype),
        as_tensor(y, net.device, None if codes else dtype),
        None if weights is None else as_tensor(weights, net.device, dtype),
    )


def built_net(
    kind: str, module: torch.nn.Module, loss: Any, plan: Plan, n_outputs: int, *, takes_codes: bool
) -> NeuralNet:
    """A skorch net, initialised, around a module."""
    optimizer: Any = plan.optimizer
    optimizer = OPTIMIZERS.get(optimizer, optimizer)
    _check_net_params(module, plan.net_params)
    _check_callbacks(plan.callbacks or (), plan.net_params)
    _check_manifolds(module, optimizer)
    keep_parametrizations(module)
    params = {"criterion": loss, **plan.net_params}
    if isinstance(params["criterion"], torch.nn.Module):
        params["criterion"] = copy.deepcopy(params["criterion"])  # the user's stays as it is
    if plan.weight_decay:
        params["optimizer__weight_decay"] = plan.weight_decay
    if kind == "classifier":
        params["classes"] = np.arange(n_outputs)
    net = NETS[kind](
        module,
        optimizer=optimizer,
        lr=plan.lr,
        max_epochs=plan.max_epochs,
        batch_size=-1 if plan.batch_size is None else plan.batch_size,
        train_split=None,
        # copies: skorch writes into them
        callbacks=[
            *_report(plan),
            *copy.deepcopy(list(plan.callbacks or [])),
            ("best_state", BestState(plan.patience)),
        ],
        device=plan.device,
        verbose=0,
        **params,
    ).initialize()
    net.takes_codes_ = takes_codes
    if isinstance(net.criterion_, torch.nn.Module):
        cast(net.criterion_, plan.device, plan.dtype)
        weight = getattr(net.criterion_, "weight", None)
        if torch.is_tensor(weight):  # of classes: whole numbers too
            net.criterion_.weight = weight.to(getattr(torch, plan.dtype))
    for group in net.optimizer_.param_groups:
        group["lr_asked_for"] = group["lr"]
    return net


def resumed(net: NeuralNet, plan: Plan) -> NeuralNet:
    """A copy of a trained net, with the sizes of steps and batches that hold now.

    A copy, so that a training that fails leaves the net as it was. A rate stays where a schedule,
    a callback or the user brought it, unless another lr is asked for than before: it then begins
    there, and schedules begin anew.
    """
    net = copy.deepcopy(net)
    if str(net.device) != plan.device:
        moved(net, plan.device)
    net.max_epochs = plan.max_epochs
    net.batch_size = -1 if plan.batch_size is None else plan.batch_size
    # skorch puts groups that were asked for by name first
    own = [options for _, options in plan.net_params.get("optimizer__param_groups", ())]
    for group, options in zip(net.optimizer_.param_groups, chain(own, repeat({})), strict=False):
        lr = options.get("lr", plan.lr)
        if group.get("lr_asked_for") != lr:
            group["lr"] = group["lr_asked_for"] = lr
            group.pop("initial_lr", None)
            for _, callback in net.callbacks_:
                if isinstance(callback, LRScheduler):
                    callback.lr_scheduler_ = None
        if "weight_decay" in group:
            group["weight_decay"] = options.get("weight_decay", plan.weight_decay)
    others = [(name, callback) for name, callback in net.callbacks_ if name != "report"]
    n_own = len(net._default_callbacks)  # those that time an epoch, and collect its losses
    net.callbacks_ = [*others[:n_own], *_report(plan), *others[n_own:]]
    dict(net.callbacks_)["best_state"].patience = plan.patience
    return net


def _report(plan: Plan) -> list[tuple[str, Any]]:
    if not plan.verbose:
        return []
    return [("report", EpochBar() if plan.verbose == 1 else EpochLines())]


def _check_net_params(module: torch.nn.Module, net_params: Mapping[str, Any]) -> None:
    """Refuse what would do nothing, or is set by a parameter of the estimator."""
    refused = [
        name
        for name in net_params
        if name in TAKEN or not (name in NET_PARAMS or name.startswith(NET_PREFIXES))
    ]
    if refused:
        raise ValueError(
            f"net_params sets {', '.join(sorted(refused))}, which would do nothing here or is a "
            "parameter of the estimator: set that one instead. The module is built, and the rows "
            f"are cut into batches, before skorch sees them. Known are {', '.join(NET_PARAMS)} and "
            f"names that start with {', '.join(NET_PREFIXES)}."
        )
    names = [name for name, _ in module.named_parameters()]
    for pattern, _ in net_params.get("optimizer__param_groups", ()):
        if not fnmatch.filter(names, pattern):
            raise ValueError(
                f"net_params: the pattern {pattern!r} of optimizer__param_groups is the name of no "
                f"parameter of {type(module).__name__}, so that its options would do nothing. The "
                f"parameters are {', '.join(names)}."
            )


def _check_callbacks(callbacks: Sequence[Any], net_params: Mapping[str, Any]) -> None:
    """Refuse options of callbacks that are not there, or without which there is no training."""
    given = (each if isinstance(each, tuple) else (_class_name(each),) for each in callbacks)
    known = {"epoch_timer", *(name for name, *_ in given)}
    names = {key.split("__")[1] for key in net_params if key.startswith("callbacks__")}
    refused = sorted(n for n in names if n not in known and re.sub(r"_\d+$", "", n) not in known)
    if refused:
        raise ValueError(
            f"net_params sets callbacks__{', callbacks__'.join(refused)}, but there is no such "
            "callback to set, or training needs it as it is. Those that can be set are "
            f"{', '.join(sorted(known))}."
        )


def _class_name(callback: Any) -> str:
    return (callback if isinstance(callback, type) else type(callback)).__name__


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
    warn(
        f"The loss or a parameter was not finite in epoch {epoch}. Training stopped there, and the "
        f"state after epoch {watch.best_epoch_}, of lowest loss, is kept. {what_to_do}",
        ConvergenceWarning,
    )


def checked_module(module: Any, X: Any, plan: Plan, n_outputs: int) -> tuple[torch.nn.Module, bool]:
    """Move a new module to its device and precision, and try it on two rows.

    The second value tells whether it takes whole numbers only, as a ``torch.nn.Embedding`` does:
    what refuses rows of floats is tried on whole rows as int64.
    """
    name = type(module).__name__
    if not isinstance(module, torch.nn.Module):
        raise TypeError(
            f"The module factory returned a {name}; it has to return a torch.nn.Module."
        )
    cast(module, plan.device, plan.dtype)
    rows, takes_codes = X[:2], False
    try:
        found = outputs(module, rows, plan.device, plan.dtype)
    except (RuntimeError, IndexError) as error:
        try:
            found = outputs(module, rows, plan.device, "int64")
            takes_codes = True
        except (RuntimeError, IndexError, ValueError):
            raise ValueError(
                f"{name} cannot take a batch of shape {tuple(rows.shape)}: {error}. A module whose "
                "constructor has parameters n_features and n_outputs gets them from the data."
            ) from error
    if found.shape != (len(rows), n_outputs):
        raise ValueError(
            f"{name} made an output of shape {found.shape} of {len(rows)} rows, but it has to be "
            f"(n_samples, {n_outputs}): a column for each class, target or feature."
        )
    return cast(module, plan.device, plan.dtype), takes_codes  # what a lazy module has made now
