"""The part of the docstrings that all deep estimators share, written once."""

from __future__ import annotations

import inspect
from collections.abc import Callable

__all__ = ["with_training_parameters"]

PARAMETERS = """\
class_weight : dict, "balanced" or None, default=None
    Factor of the weights of the rows of each class, by label; 1 for a class that is left out.
    "balanced" gives all classes of a `fit` the same sum of weights.
max_epochs : int, default=50
    Number of times that `fit` goes through the rows.
lr : float, default=1e-3
    Learning rate of the optimizer.
batch_size : int or None, default=64
    Rows of a batch; None takes all rows at every step, and 8192 in prediction. In prediction
    batches of less than 8192 numbers are made larger, up to these 8192 and 8 times ``batch_size``.
    A last batch of one row joins the one before it in training.
optimizer : {"adam", "adamw", "sgd", "rsgd"} or type, default="adam"
    "rsgd" is :class:`RiemannianSGD`; or a class from ``torch.optim``.
weight_decay : float, default=0.0
    Of the optimizer: an L2 penalty (decoupled for "adamw").
validation_fraction : float or None, default=None
    Share of the rows (of each class) that is set aside in `fit` to watch the loss on. None sets
    none aside: there is no hidden split.
early_stopping : bool, default=False
    Whether training ends when the loss (on the rows set aside, else of training) has not
    fallen for ``n_iter_no_change`` epochs, and the parameters of the best epoch are kept.
n_iter_no_change : int, default=10
    Epochs to wait for with ``early_stopping``.
warm_start : bool, default=False
    Whether `fit` goes on from the fit before, with its module, optimizer, callbacks and learning
    rate, which a schedule takes further. lr (which then starts schedules anew), weight_decay,
    batch_size, max_epochs, class_weight and what is said of early stopping may have changed; any
    other change is refused.
callbacks : list or None, default=None
    Callbacks of skorch, copied before use. Those that watch ``valid_loss`` need a
    ``validation_fraction``. A callback ends training, as those of skorch do, by a ``raise
    KeyboardInterrupt`` in a method of its own; any other interrupt undoes the fit.
device : str, default="auto"
    "cpu", "cuda" or "cuda:<index>"; "auto" is "cuda" where torch finds one. The whole table is
    moved there.
dtype : {"float32", "float64"} or None, default=None
    Precision of the module; rows are cast to it. None keeps the width of X, float64 for whole
    numbers. float32 halves memory and is faster, on a GPU by far.
random_state : int, RandomState, Generator or None, default=None
    Seeds the initial parameters, the order of the rows, the rows set aside and dropout. torch's own
    generator is put back afterwards.
verbose : int, default=0
    1 shows a progress bar, 2 prints a line for each epoch.
net_params : dict or None, default=None
    Further parameters of the skorch net: criterion, criterion__x, optimizer__x, callbacks__x and
    predict_nonlinearity, such as ``{"optimizer__momentum": 0.9}`` or ``{"criterion":
    torch.nn.HuberLoss, "criterion__reduction": "none"}``. Names that would do nothing are refused.
**module__x : object
    Parameters of the module, each with the prefix ``module__``.
"""

ATTRIBUTES = """\
net_ : skorch.NeuralNet
    The trained net, with the usual methods of skorch.
module_ : torch.nn.Module
    The trained module, in evaluation mode.
history_ : skorch.history.History
    Losses, durations and what callbacks add, epoch by epoch.
loss_curve_ : list of float
    Mean training loss of each epoch, taken before each of its steps.
validation_loss_curve_ : list of float or None
    Loss on the rows set aside after each epoch; None without such rows.
n_iter_ : int
    Epochs run, those before a warm start included.
n_features_in_ : int
    Number of features.
feature_names_in_ : ndarray of shape (`n_features_in_`,)
    Column names, if X had them.
"""

ENDING = """\
Raises
------
ImportError
    If torch or skorch is not installed.
ValueError
    If X or y cannot be used, the module does not fit them, ``device`` is not there, a parameter
    would do nothing, or the loss of the first epoch is not finite. If a later one is not, training
    stops with a `ConvergenceWarning` that names the epoch, and the best state is kept.

Warns
-----
UserWarning
    If the largest column of X is of a size beyond [1e-4, 1e4]: scale it.

"""


def with_training_parameters(own: str = "") -> Callable[[type], type]:
    """Complete the docstring of a class by the shared parameters, attributes and errors.

    Entries that the docstring has already, or that are given here, come before shared ones of the
    same name. All are put in the order of the signature.
    """

    def completed(cls: type) -> type:
        if cls.__doc__ is None:  # python -OO
            return cls
        head, rest = inspect.cleandoc(cls.__doc__).split("\nSee Also\n", 1)
        head, _, attributes = head.partition("\nAttributes\n----------\n")
        head, _, parameters = head.partition("\nParameters\n----------\n")
        texts = {**_entries(PARAMETERS), **_entries(parameters), **_entries(own)}
        names = [str(p).partition("=")[0] for p in inspect.signature(cls).parameters.values()]
        listed = "".join(texts[name].rstrip() + "\n" for name in names)
        cls.__doc__ = (
            f"{head.rstrip()}\n\nParameters\n----------\n{listed}\n"
            f"Attributes\n----------\n{attributes.lstrip()}{ATTRIBUTES}\n"
            f"{ENDING}See Also\n{rest}\n"
        )
        return cls

    return completed


def _entries(text: str) -> dict[str, str]:
    """Cut a list of parameters before each line that is not indented: name -> entry."""
    entries: dict[str, str] = {}
    name = ""
    for line in text.splitlines(keepends=True):
        if not line.startswith(" ") and " : " in line:
            name = line.partition(" : ")[0]
        entries[name] = entries.get(name, "") + line
    return entries
