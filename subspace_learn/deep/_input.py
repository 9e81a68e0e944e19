"""What the deep estimators say of rows that no training can make sense of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._array import Array, array_namespace
from .._base import warn
from .._checks.epochs import is_recording

__all__ = ["refuse_unequal_lengths", "refuse_what_is_no_table", "warn_of_units"]

UNITS = 1e-4, 1e4  # sizes of columns between which a training from random parameters gets anywhere


def refuse_what_is_no_table(estimator: Any, X: Any, method: str) -> None:
    """Say what to do with several inputs in a dict, epochs of mne and rows of unequal length."""
    where = f"{type(estimator).__name__}.{method}()"
    if isinstance(X, Mapping):
        raise ValueError(
            f"{where} takes one table, but was given a {type(X).__name__} with the entries "
            f"{', '.join(map(repr, X))}. Put them side by side, as in np.hstack(list(X.values())), "
            "and let the module cut its input apart."
        )
    if is_recording(X) and len(X):
        raise ValueError(
            f"{where} takes rows of a table, but was given {type(X).__name__}. SSMClassifier takes "
            "epochs as they are. For a module of your own give "
            "X.get_data().reshape(len(X), -1), and let it begin with torch.nn.Unflatten."
        )
    refuse_unequal_lengths(X, where, "rows", "numbers")


def refuse_unequal_lengths(X: Any, where: str, items: str, entries: str) -> None:
    """Refuse a list whose items are not of one length, which NumPy calls inhomogeneous."""
    if isinstance(X, list | tuple):
        lengths = sorted({len(item) for item in X if hasattr(item, "__len__")})
        if len(lengths) > 1:
            raise ValueError(
                f"{where} takes {items} of one length, but was given {items} of {lengths[0]} to "
                f"{lengths[-1]} {entries}. Cut or pad them to one length, or fit those of one "
                "length together."
            )


def warn_of_units(estimator: Any, X: Array) -> None:
    """Warn of rows so large or so small that training from random parameters leads nowhere."""
    xp = array_namespace(X)
    squares = xp.mean(xp.astype(X, xp.float64) ** 2, axis=tuple(range(X.ndim - 1)))
    size = float(xp.max(squares)) ** 0.5
    if size > UNITS[1] or 0 < size < UNITS[0]:
        column = int(xp.argmax(squares))
        warn(
            f"The largest root mean square of a column of X is {size:.3g} (column {column}), and "
            f"{type(estimator).__name__} trains on numbers as they are: its steps and initial "
            "parameters suit columns of size about 1. Bring X there first, by another unit or "
            "sklearn.preprocessing.StandardScaler."
        )
