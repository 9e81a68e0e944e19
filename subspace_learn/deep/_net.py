"""The skorch nets that the estimators hold: tables in memory, weighted losses, few calls per batch.

A batch is a slice of a tensor. skorch's own way, a ``DataLoader`` that collects the rows of a batch
one by one, costs more than the step of a small module; it still serves whoever calls a net's
own methods with arrays.
"""

from __future__ import annotations

import copy
import dis
from collections.abc import Iterator
from math import isfinite
from typing import Any

import torch
from skorch import NeuralNet, NeuralNetClassifier, NeuralNetRegressor
from skorch.callbacks import Callback, EpochTimer, LRScheduler, PassthroughScoring
from skorch.dataset import Dataset

from ._saving import SavedNet

__all__ = ["NETS", "BestState", "NonFiniteLossError", "StopTraining", "Table"]


class StopTraining(Exception):
    """A callback asks for the end of training."""


class NonFiniteLossError(ArithmeticError):
    """The loss or a parameter became NaN or infinite."""


class Table(Dataset):
    """Rows, targets and weights as tensors, on the device of the net.

    A dataset of skorch, whose callbacks look for rows and targets in those alone.
    """

    def __init__(
        self, X: torch.Tensor, y: torch.Tensor, weights: torch.Tensor | None = None
    ) -> None:
        super().__init__(X, y, length=len(X))
        self.weights = weights

    def __getitem__(self, rows: Any) -> tuple[torch.Tensor, torch.Tensor]:
        return self.X[rows], self.y[rows]


class Batches:
    """Consecutive or shuffled batches of a table, anew on each iteration.

    A last batch of one row, of which batch normalisation could make nothing, joins the one
    before it.
    """

    def __init__(self, table: Table, batch_size: int, *, shuffle: bool) -> None:
        self.table, self.shuffle = table, shuffle
        n = len(table)
        cuts = list(range(0, n, batch_size))
        if n - cuts[-1] == 1 and len(cuts) > 1:
            cuts.pop()
        self.slices = [slice(a, b) for a, b in zip(cuts, [*cuts[1:], n], strict=True)]

    def __len__(self) -> int:
        return len(self.slices)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        return (batch for batch, _ in self.weighted())

    def weighted(self) -> Iterator[tuple[tuple[torch.Tensor, torch.Tensor], torch.Tensor | None]]:
        """Pairs (batch, weights), the weights None where all rows count alike."""
        table = self.table
        order = torch.randperm(len(table)).to(table.X.device) if self.shuffle else None
        for part in self.slices:
            rows = part if order is None else order[part]
            weights = None if table.weights is None else table.weights[rows]
            yield (table.X[rows], table.y[rows]), weights


class BestState(Callback):
    """Remember the parameters of lowest loss; end training when it stops falling or is not finite.

    The loss watched is that of the validation rows if there are any, else of the training rows.
    """

    def __init__(self, patience: int | None = None) -> None:
        self.patience = patience

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Forget what an earlier training left."""
        self.lowest_, self.best_epoch_ = float("inf"), None
        self.state_: dict[str, Any] = {}

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Look at the epoch that ended."""
        last = net.history[-1]
        loss = last.get("valid_loss", last["train_loss"])
        # a buffer may hold -inf on purpose (a mask of attention), and so may what is not trained
        trained = [p for p in net.module_.parameters() if p.requires_grad]
        if not isfinite(loss) or not all(torch.isfinite(p).all() for p in trained):
            raise NonFiniteLossError
        if loss < self.lowest_:
            self.lowest_, self.best_epoch_ = loss, last["epoch"]
            now = net.module_.state_dict()
            self.state_ = {name: _copied(now[name], self.state_.get(name)) for name in now}
        elif self.patience is not None and last["epoch"] - self.best_epoch_ >= self.patience:
            raise StopTraining

    def restore(self, net: NeuralNet) -> None:
        """Put the best parameters back."""
        net.module_.load_state_dict(self.state_)

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Let go of the copy, which would be pickled with the net."""
        self.state_ = {}


def _copied(value: Any, earlier: Any) -> Any:
    """A copy of an entry of a state, in the memory of an earlier copy where there is room."""
    if not torch.is_tensor(value):
        return copy.deepcopy(value)  # what get_extra_state returns may be anything
    if torch.is_tensor(earlier) and earlier.shape == value.shape:
        return earlier.copy_(value)
    return value.detach().clone()


class TableNet(SavedNet, NeuralNet):
    """A skorch net whose module is built already, trained on a :class:`Table`."""

    @property
    def _default_callbacks(self) -> list[tuple[str, Callback]]:
        return [
            ("epoch_timer", EpochTimer()),
            ("train_loss", PassthroughScoring(name="train_loss", on_train=True)),
            ("valid_loss", PassthroughScoring(name="valid_loss")),
        ]

    def initialize_module(self) -> TableNet:
        """Take the module as it is: the estimator's seed has drawn its parameters."""
        self.module_ = self.module
        return self

    def notify(self, method_name: str, **kwargs: Any) -> None:
        """Call those callbacks that do something at this point.

        skorch's own way to end training is a KeyboardInterrupt out of a callback; told apart from
        the user's here, which must leave the estimator as it was.
        """
        getattr(self, method_name)(self, **kwargs)
        nothing = getattr(Callback, method_name)
        for _, callback in self.callbacks_:
            method = getattr(type(callback), method_name)
            if method is LRScheduler.on_train_begin:
                self._begin_schedule(callback)
            elif method is not nothing:
                try:
                    getattr(callback, method_name)(self, **kwargs)
                except KeyboardInterrupt as stop:
                    there_is_none_to_end = method_name in ("on_train_begin", "on_train_end")
                    if there_is_none_to_end or not _is_raised_by(callback, stop):
                        raise
                    raise StopTraining from stop

    def _begin_schedule(self, callback: LRScheduler) -> None:
        """Let a schedule of this optimizer go on; skorch would begin it anew in each training."""
        schedule = callback.lr_scheduler_
        if schedule is None or schedule.optimizer is not self.optimizer_:
            callback.lr_scheduler_ = callback.policy_(self.optimizer_, **callback.kwargs)

    def get_iterator(self, dataset: Any, training: bool = False) -> Any:
        """Slices of a table; whatever skorch makes of other data."""
        if not isinstance(dataset, Table):
            return super().get_iterator(dataset, training=training)
        size = len(dataset) if self.batch_size == -1 else self.batch_size
        return Batches(dataset, size, shuffle=training)

    def run_epochs(self, training: Table, validation: Table | None, epochs: int) -> None:
        """Train: skorch's ``fit_loop`` without a hidden split."""
        iterators = self.get_iterator(training, training=True), None
        if validation is not None:
            iterators = iterators[0], self.get_iterator(validation)
        datasets = {"dataset_train": training, "dataset_valid": validation}
        for _ in range(epochs):
            self.notify("on_epoch_begin", **datasets)
            self.run_single_epoch(iterators[0], True, "train", self.train_step)
            self.run_single_epoch(iterators[1], False, "valid", self.validation_step)
            self.notify("on_epoch_end", **datasets)

    def run_single_epoch(
        self, iterator: Any, training: bool, prefix: str, step_fn: Any, **fit_params: Any
    ) -> None:
        """Go once through the batches, each with its weights."""
        if not isinstance(iterator, Batches):
            super().run_single_epoch(iterator, training, prefix, step_fn, **fit_params)
            return
        for batch, weights in iterator.weighted():
            self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch, weights=weights)
            self.history.record_batch(f"{prefix}_loss", float(step["loss"]))
            self.history.record_batch(f"{prefix}_batch_size", len(batch[0]))
            self.notify("on_batch_end", batch=batch, training=training, **step)
        self.history.record(f"{prefix}_batch_count", len(iterator))

    def train_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Take one step; a manifold step cannot be taken along a gradient that is not finite."""
        try:
            return super().train_step(batch, **fit_params)
        except torch.linalg.LinAlgError as error:
            raise NonFiniteLossError from error

    def train_step_single(
        self, batch: Any, weights: torch.Tensor | None = None, **fit_params: Any
    ) -> dict[str, Any]:
        """Loss of a batch and its gradient, unless it is not finite."""
        if not self.module_.training:
            self._set_training(True)
        output = self.infer(batch[0], **fit_params)
        loss = self.get_loss(output, batch[1], weights=weights)
        shown = loss.detach().cpu()  # the one time that a step waits for the device
        if not isfinite(shown):
            raise NonFiniteLossError
        loss.backward()
        return {"loss": shown, "y_pred": output}

    def validation_step(
        self, batch: Any, weights: torch.Tensor | None = None, **fit_params: Any
    ) -> dict[str, Any]:
        """Loss of a batch, without a gradient."""
        self._set_training(False)
        with torch.no_grad():
            output = self.infer(batch[0], **fit_params)
            loss = self.get_loss(output, batch[1], weights=weights)
        return {"loss": loss, "y_pred": output}

    def get_loss(
        self,
        y_pred: torch.Tensor,
        y_true: torch.Tensor,
        X: Any = None,
        training: bool = False,
        weights: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Mean loss of a batch; weights multiply the losses of the rows.

        Divided by the number of rows, not by the weights of the batch: the expectation over
        batches is then the weighted mean over all rows.
        """
        losses = self.criterion_(y_pred, y_true.to(self.device))
        if losses.ndim == 0:
            if weights is not None:
                raise ValueError(
                    f"{type(self.criterion_).__name__} returned one number for a batch, which "
                    "sample_weight cannot weigh. Make it with reduction='none', for example with "
                    "net_params={'criterion__reduction': 'none'}."
                )
            return losses
        if weights is None:
            return losses.mean()
        return ((losses.flatten(1).mean(1) if losses.ndim > 1 else losses) * weights).mean()


def _is_raised_by(callback: Callback, error: BaseException) -> bool:
    """Whether an error comes from a ``raise`` in a method of the callback.

    skorch's callbacks end training so. An interrupt of the user's stops any other instruction.
    """
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return False
    frame = traceback.tb_frame
    instruction = dis.opname[frame.f_code.co_code[traceback.tb_lasti]]
    first = frame.f_locals.get(next(iter(frame.f_code.co_varnames), ""))
    return instruction == "RAISE_VARARGS" and first is callback


class ClassifierNet(TableNet, NeuralNetClassifier):
    """Of logits, one for each class."""


class RegressorNet(TableNet, NeuralNetRegressor):
    """Of one number for each target."""


NETS = {"classifier": ClassifierNet, "regressor": RegressorNet, "transformer": TableNet}
