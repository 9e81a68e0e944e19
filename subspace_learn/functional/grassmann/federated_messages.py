"""What a federated PCA sends: bytes without pickle, sizes, and what is wrong with an answer.

A message or an update is a flat dict of strings, numbers and arrays.
"""

from __future__ import annotations

import io
import math
from collections import Counter
from typing import Any

import numpy as np

from ..._array import array_namespace, is_array, is_float, to_numpy

__all__ = ["complaint", "n_bytes", "pack_message", "unpack_message", "usual_width"]

Message = dict[str, Any]

_NUMBERS = {"moments": ("weight", "eps"), "sums": ("noise_variance",)}  # others: weight and trace


def pack_message(message: Message) -> bytes:
    """Bytes of a message or an update, for runtimes that carry bytes.

    Parameters
    ----------
    message : dict
        Of a `FederatedServer` or a `FederatedClient`.

    Returns
    -------
    data : bytes
        NumPy's ``.npz`` format without pickle: readable in any language that reads it.

    Examples
    --------
    >>> from subspace_learn.grassmann import FederatedServer, FederationSettings
    >>> from subspace_learn.grassmann import pack_message, unpack_message
    >>> unpack_message(pack_message(FederatedServer(FederationSettings(2)).message))
    {'task': 'moments', 'step': 0}
    """
    arrays: dict[str, Any] = {
        name: to_numpy(v) if is_array(v) else np.asarray(v) for name, v in message.items()
    }
    if objects := [name for name, array in arrays.items() if array.dtype.hasobject]:
        raise ValueError(
            f"Object arrays cannot be saved without pickle, but {objects[0]!r} is one. Give "
            "strings, numbers, and arrays of numbers."
        )
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def unpack_message(data: bytes) -> Message:
    """Message or update from its bytes.

    Parameters
    ----------
    data : bytes
        From `pack_message`.

    Returns
    -------
    message : dict
        Strings, numbers and NumPy arrays.

    Raises
    ------
    ValueError
        If the bytes are no message, or hold pickled objects, which are never read.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return {name: file[name] if file[name].ndim else file[name].item() for name in file}
    except Exception as error:
        raise ValueError(f"These {len(data)} bytes are no message: {error}") from error


def n_bytes(update: Message) -> int:
    """Bytes of the arrays of a message, 8 for each number.

    Parameters
    ----------
    update : dict
        A message or an update.

    Returns
    -------
    n_bytes : int
        Without names and scalars, for which a transport adds some hundred bytes.
    """
    return sum(8 * math.prod(value.shape) for value in update.values() if is_array(value))


def usual_width(updates: list[Message], name: str) -> int | None:
    """Number of features that more clients have than any other.

    Parameters
    ----------
    updates : list of dict
        Answers to the first question.
    name : str
        Of the array whose last axis is asked.

    Returns
    -------
    n_features : int or None
        None if no update holds such an array.

    Raises
    ------
    ValueError
        If two widths are equally frequent: the server cannot know which is right.
    """
    arrays = [update[name] for update in updates if is_array(update.get(name))]
    widths = Counter(int(a.shape[-1]) for a in arrays if a.ndim).most_common(2)
    if len(widths) == 2 and widths[0][1] == widths[1][1]:
        a, b = (width - (name == "sums") for width, _ in widths)
        raise ValueError(
            f"As many clients have {a} features as have {b}. Give n_features in the settings."
        )
    return widths[0][0] - (name == "sums") if widths else None


def complaint(update: Any, message: Message, n_features: int | None) -> str | None:
    """What is wrong with an answer, in words.

    Parameters
    ----------
    update : object
        What a client answered.
    message : dict
        What it was asked.
    n_features : int or None
        Number of features of the federation.

    Returns
    -------
    complaint : str or None
        None if the answer is of the right form. Whether it is true, nobody can see.
    """
    if not isinstance(update, dict):
        return f"its answer is a {type(update).__name__}, not a dict"
    step, asked = update.get("step", message["step"]), message["step"]
    if step != asked:
        return f"it answers step {step}, but this is step {asked}"
    for name, shape in _shapes(message, n_features or 0).items():
        if wrong := _wrong_array(update.get(name), name, shape):
            return wrong
    for name in _NUMBERS.get(message["task"], ("weight", "trace")):
        value = update.get(name)
        if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
            return f"its {name!r} is {value!r}, not a finite number of at least 0"
        if name == "weight" and value == 0:
            return "it has no row of positive weight"
    return None


def _wrong_array(value: Any, name: str, shape: tuple[int, ...]) -> str | None:
    if not is_array(value):
        return f"it has no array {name!r}"
    if tuple(value.shape) != shape:
        return f"its {name!r} has shape {tuple(value.shape)}, not {shape}"
    if not is_float(value):
        return f"its {name!r} holds {value.dtype}, not floats"
    xp = array_namespace(value)
    n_bad = int(xp.sum(xp.astype(~xp.isfinite(value), xp.int64)))
    return f"its {name!r} holds {n_bad} numbers that are not finite" if n_bad else None


def _shapes(message: Message, d: int) -> dict[str, tuple[int, ...]]:
    """Arrays that the answer to a message must hold, and their shapes."""
    task = message["task"]
    if task == "moments":
        return {"mean": (d,), "squares": (d,)}
    if task == "sums":
        return {"sums": (d + 1, d + 1)}
    if task == "basis":
        return {"basis": (d, message["n_components"])}
    if task == "compression":
        return {"compression": (message["basis"].shape[1],) * 2}
    width = {"scatter": d, "product": 0, "gradient": 0, "local_steps": 0}[task]
    return {task: (d, width or message["block" if task == "product" else "basis"].shape[1])}
