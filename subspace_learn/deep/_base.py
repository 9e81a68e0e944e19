"""What all deep estimators share: parameters, training, and a skorch net held inside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._array import Array, library_name, to_numpy
from .._base import RANDOM_STATE, Interval, StrOptions, SubspaceEstimator, random_seed
from .._checks.magnitude import finite_result
from .._checks.table import check_sample_weight, check_samples
from ..functional.grassmann.grassmann_training import stratified_split
from ._documentation import with_training_parameters
from ._requirements import require_torch

__all__ = ["BaseDeepEstimator", "Rows"]


class Rows(NamedTuple):
    """Checked training rows."""

    X: Array
    """Features, (n_samples, n_features)."""
    y: Any
    """Targets as the loss takes them: codes (n_samples,), or numbers (n_samples, n_outputs)."""
    weights: np.ndarray | None
    """Positive weights, (n_samples,); None means 1 each."""
    n_outputs: int
    """Number of outputs of the module."""

    def take(self, rows: np.ndarray) -> Rows:
        """Some of the rows."""
        weights = None if self.weights is None else self.weights[rows]
        return self._replace(X=self.X[rows], y=self.y[rows], weights=weights)


@with_training_parameters()
class BaseDeepEstimator(SubspaceEstimator, ABC):
    """Base of the deep estimators: builds a torch module, and a skorch net that trains it.

    A subclass says in `_build_module` and `_loss` what is trained, and turns its input into rows
    and targets. It is a plain scikit-learn estimator with flat parameters; the net is an attribute
    that `fit` makes, not a base class. Subclasses repeat the names of the parameters in their
    signatures, where scikit-learn and editors read them; constraints, documentation and all that is
    done with them stand here once.

    See Also
    --------
    DeepClassifier, DeepRegressor, DeepTransformer : For any module.

    Examples
    --------
    >>> from subspace_learn.deep import BaseDeepEstimator, DeepClassifier
    >>> issubclass(DeepClassifier, BaseDeepEstimator)
    True
    """

    _kind: str  # of net: "classifier", "regressor" or "transformer"

    _parameter_constraints: dict = {
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "optimizer": [StrOptions({"adam", "adamw", "rsgd", "sgd"}), callable],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), None],
        "early_stopping": ["boolean"],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "callbacks": [list, tuple, None],
        "device": [str],
        "dtype": [StrOptions({"float32", "float64"})],
        "random_state": RANDOM_STATE,
        "verbose": ["verbose"],
        "net_params": [dict, None],
    }

    def __init__(
        self,
        *,
        max_epochs=50,
        lr=1e-3,
        batch_size=64,
        optimizer="adam",
        weight_decay=0.0,
        validation_fraction=None,
        early_stopping=False,
        n_iter_no_change=10,
        warm_start=False,
        callbacks=None,
        device="auto",
        dtype="float32",
        random_state=None,
        verbose=0,
        net_params=None,
    ):
        self.max_epochs = max_epochs
        self.lr = lr
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.weight_decay = weight_decay
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.device = device
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose
        self.net_params = net_params

    # --- what a subclass says --------------------------------------------------------------------

    @abstractmethod
    def _build_module(self, n_features: int, n_outputs: int, rng: np.random.Generator) -> Any:
        """Return a new torch module.

        ``rng`` serves draws by NumPy; torch's own generator is seeded while this runs.
        """

    @abstractmethod
    def _loss(self) -> Any:
        """Return the loss, a callable (outputs, targets) -> one number for each row."""

    def _optimizer(self) -> tuple[str | Callable[..., Any], dict[str, Any]]:
        """Return the optimizer and options of it beside lr and weight_decay."""
        return self.optimizer, {}

    # --- what the trained net knows --------------------------------------------------------------

    @property
    def module_(self) -> Any:
        """The trained torch module."""
        return self.net_.module_

    @property
    def history_(self) -> Any:
        """Record of the training, as skorch keeps it: losses, durations, what callbacks add."""
        return self.net_.history

    @property
    def loss_curve_(self) -> list[float]:
        """Mean training loss of each epoch, taken before each of its steps."""
        return [float(loss) for loss in self.net_.history[:, "train_loss"]]

    @property
    def validation_loss_curve_(self) -> list[float] | None:
        """Loss on the rows set aside after each epoch; None without such rows."""
        history = self.net_.history
        if "valid_loss" not in history[-1]:
            return None
        return [float(loss) for loss in history[:, "valid_loss"]]

    @property
    def n_iter_(self) -> int:
        """Number of epochs run, those of earlier calls with ``warm_start`` included."""
        return len(self.net_.history)

    # --- training --------------------------------------------------------------------------------

    def _rows(self, X: Any, sample_weight: Any, *, reset: bool, method: str) -> tuple[Array, Any]:
        """Check features and weights: the weights, or None, as a NumPy array."""
        X = self._checked(X, reset=reset, method=method)
        weights = check_sample_weight(sample_weight, X)
        return X, None if weights is None else to_numpy(weights)

    def _checked(self, X: Any, *, reset: bool, method: str) -> Array:
        """Check features; torch tensors stay where they are, all else becomes a NumPy array."""
        if getattr(X, "ndim", 0) > 2:
            raise ValueError(
                f"Found array with dim {X.ndim}, of shape {tuple(X.shape)}, but "
                f"{type(self).__name__}.{method}() takes rows of a table. Give "
                "X.reshape(len(X), -1), and let the module begin with torch.nn.Unflatten; for "
                "sequences there is SSMClassifier."
            )
        X = check_samples(self, X, reset=reset, method=method)
        return X if library_name(X) == "torch" else to_numpy(X)

    def _is_begun(self, method: str) -> bool:
        """Whether this call goes on from an earlier one."""
        return hasattr(self, "net_") and (method == "partial_fit" or self.warm_start)

    def _train(self, rows: Rows, *, method: str, begun: bool) -> None:
        """Set ``net_``: a new one trained, or a copy of the old one trained further."""
        require_torch()
        from . import _training

        if rows.weights is not None and not rows.weights.all():
            rows = rows.take(np.flatnonzero(rows.weights))
        plan = self._plan()
        if not begun:
            self._seed = random_seed(self.random_state)
        rng = np.random.default_rng([self._seed, self.n_iter_ if begun else 0])
        net = _training.resumed(self.net_, plan) if begun else self._new_net(rows, plan, rng)
        training, validation = self._split(rows, rng, method)
        self.net_ = _training.trained(
            net,
            _training.table(*training[:3], plan.device, plan.dtype),
            validation and _training.table(*validation[:3], plan.device, plan.dtype),
            epochs=1 if method == "partial_fit" else self.max_epochs,
            seed=int(rng.integers(2**63)),
        )

    def _plan(self) -> Any:
        from ._training import Plan, chosen_device

        optimizer, options = self._optimizer()
        options = {f"optimizer__{name}": value for name, value in options.items()}
        return Plan(
            lr=self.lr,
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            optimizer=optimizer,
            weight_decay=self.weight_decay,
            patience=self.n_iter_no_change if self.early_stopping else None,
            callbacks=self.callbacks,
            device=chosen_device(self.device),
            dtype=self.dtype,
            verbose=int(self.verbose),
            net_params={**options, **(self.net_params or {})},
        )

    def _new_net(self, rows: Rows, plan: Any, rng: np.random.Generator) -> Any:
        from . import _training

        with _training.seeded(int(rng.integers(2**63)), plan.device):
            module = self._build_module(self.n_features_in_, rows.n_outputs, rng)
            module = _training.checked_module(module, rows.X, plan, rows.n_outputs)
            return _training.built_net(self._kind, module, self._loss(), plan, rows.n_outputs)

    def _split(self, rows: Rows, rng: np.random.Generator, method: str) -> tuple[Rows, Rows | None]:
        """Training and validation rows; a batch of a stream is not split."""
        if self.validation_fraction is None or method == "partial_fit":
            return rows, None
        codes = rows.y if self._kind == "classifier" else np.zeros(rows.X.shape[0])
        training, validation = stratified_split(codes, self.validation_fraction, rng)
        return rows.take(training), rows.take(validation)

    def _outputs(self, X: Any, method: str, call: str = "forward") -> np.ndarray:
        """What the module, or a method of it, makes of new rows."""
        check_is_fitted(self)
        X = self._checked(X, reset=False, method=method)
        from ._training import outputs

        found = outputs(self.net_.module_, X, self.net_.device, method=call)
        return finite_result(found, name=type(self).__name__, method=method)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.array_api_support = False  # tensors are taken, but NumPy arrays come out
        return tags
