"""KoopmanEDMD on trajectories that come in chunks: no pair is lost where a chunk ends."""

from __future__ import annotations

from functools import partial
from typing import Any

from sklearn.base import clone

from .._base import warn
from .._chunk_tasks import adopt_columns
from .._distributed import Chunks
from ..functional.dynamics.pair_factors import PairFactors
from ._koopman_fit import Training, together, trained_on, warn_if_pairs_are_few, window_of
from ._snapshots import is_pairs

__all__ = ["fit_chunks", "rows_before"]

# Methods that take states, and need the past of each where the dictionary does.
_OF_STATES = ("transform", "eigenfunctions", "predict")


def fit_chunks(model: Any, chunks: Chunks) -> None:
    """Fit a KoopmanEDMD by the compressed pairs of chunks."""
    warn_if_pairs_are_few(model._store(trained_on_chunks(model, chunks)))


def rows_before(model: Any, method: str) -> int:
    """Rows before a row of X that a method of a fitted KoopmanEDMD needs."""
    return model._model.window - 1 if method in _OF_STATES else 0


def trained_on_chunks(estimator: Any, chunks: Chunks) -> Training:
    """Compress the pairs of chunks, with the dictionary that the first of them determines.

    Chunks of one table lose no pair: each gets the last rows of those before it.
    """
    for name in ("lengths", "groups"):
        if name in chunks.beside:
            raise TypeError(
                f"{name} is not known for X in chunks. Give a list of blocks, one for each "
                "trajectory, without it."
            )
    window = window_of(estimator.dictionary)
    if "y" not in chunks.beside:
        chunks = chunks.overlapping(window)
    how = {"window": window, "is_cut": chunks.consecutive}
    places = range(len(chunks.X))
    for first in places:  # nearly always 0
        found = chunks.some([first]).total(
            _first_training, None, or_none=True, estimator=clone(estimator), **how
        )
        if found is not None:
            break
    else:
        raise ValueError(
            f"No chunk of X holds a pair of states that counts: {window + 1} consecutive times are "
            "needed. Give longer trajectories, or pairs by y."
        )
    seen, training = found
    later = chunks.some([i for i in places if i > first])
    if later.X:
        add = partial(together, solver=estimator.solver)
        like = training._replace(factors=None)
        factors = later.total(_factors, add, or_none=True, estimator=seen, like=like, **how)
        if factors is not None:
            training = training._replace(factors=add(training.factors, factors))
    adopt_columns(estimator, seen)
    return training


def _first_training(
    X: Any, *, estimator: Any, window: int, is_cut: bool, **beside: Any
) -> tuple[Any, Training] | None:
    """What the first chunk says, and an estimator that saw its columns."""
    if not _holds_pairs(X, beside, window, is_cut):
        return None
    estimator = clone(estimator)
    return estimator, trained_on(estimator, X, **_arguments(beside))


def _factors(
    X: Any, *, estimator: Any, like: Training, window: int, is_cut: bool, **beside: Any
) -> PairFactors | None:
    """Compressed pairs of a later chunk; None if it holds none."""
    if not _holds_pairs(X, beside, window, is_cut):
        return None
    return trained_on(estimator, X, before=like, added=False, **_arguments(beside)).factors


def _holds_pairs(X: Any, beside: dict[str, Any], window: int, is_cut: bool) -> bool:
    """Whether a chunk has a pair that counts; a trajectory of its own without one is said."""
    if "sample_weight" in beside and not bool((beside["sample_weight"] != 0).any()):
        return False
    if "y" in beside or X.ndim == 3 or X.shape[0] > window:
        return True
    if not is_cut:
        warn(f"A trajectory shorter than {window + 1} times was skipped.")
    return False


def _arguments(beside: dict[str, Any]) -> dict[str, Any]:
    """Arguments of `trained_on` that say what stands beside a chunk."""
    y = beside.get("y")
    if y is not None and not is_pairs(y):
        raise ValueError("y holds labels, not successors of the shape of X. Leave it out.")
    return {"y": None, "u": None, "lengths": None, "groups": None, **beside}
