"""What is done to one chunk of a table, or to what two chunks said: plain functions.

`_distributed.py` decides on which chunks; who calls these, where and how often, they do not know.
None changes what it is given.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
from sklearn.base import clone

from ._array import array_namespace, move_like
from ._warnings import kept_warnings, warn

__all__ = [
    "add_up",
    "added",
    "adopt_columns",
    "answer",
    "arranged",
    "called",
    "fitted_on_one",
    "is_frame",
    "last_rows",
    "made_up",
    "mean_score",
    "merged",
    "n_rows",
    "score_and_weight",
    "stacked",
    "sum_of_pairs",
    "takes_chunks",
    "told",
    "with_warnings",
]


def adopt_columns(estimator: Any, seen: Any) -> None:
    """Take number and names of columns from a clone that has seen them, in place of older ones."""
    for name in ("n_features_in_", "feature_names_in_"):
        vars(estimator).pop(name, None)
    vars(estimator).update({k: v for k, v in vars(seen).items() if k.endswith("_in_")})


def n_rows(X: Any) -> int:
    return X.shape[0] if hasattr(X, "shape") else len(X)


def answer(function: Callable[..., Any], name: str, X: Any, **others: Any) -> Any:
    """What ``function`` says of a block; its error says which block it was."""
    try:
        return function(X, **others)
    except (TypeError, ValueError) as error:
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(f"In {name} of X: {error}") from error


def with_warnings(function: Callable[..., Any], X: Any, **others: Any) -> tuple[Any, list]:
    """What ``function`` says of a block, None if that is empty, and its warnings."""
    if n_rows(X) == 0:
        return None, []
    with kept_warnings() as said:
        found = function(X, **others)
    return found, said


def added(add: Callable[[Any, Any], Any], answers: list[tuple[Any, list]]) -> tuple[Any, list]:
    """One answer of several, each warning once."""
    found = [answer for answer, _ in answers if answer is not None]
    with kept_warnings() as said:
        total = reduce(add, found) if found else None
    return total, list(dict.fromkeys([*(s for _, own in answers for s in own), *said]))


def arranged(
    arrange: Callable[[list], tuple[list, Any]], answers: list[tuple[Any, list]]
) -> tuple[list, tuple[Any, list]]:
    pieces, summary = arrange([found for found, _ in answers])
    return pieces, (summary, [s for _, own in answers for s in own])


def told(answers: list[tuple[Any, list]]) -> list[Any]:
    """Answers alone, once their warnings are given here, where the user is."""
    for message, category in dict.fromkeys(said for _, own in answers for said in own):
        warn(message, category)
    return [found for found, _ in answers]


def fitted_on_one(X: Any, *, estimator: Any, random_state: Any = None, **beside: Any) -> Any:
    """A clone of the estimator that has seen one block; None if no row of it counts."""
    fitted = clone(estimator)
    if random_state is not None:
        fitted.set_params(random_state=random_state)
    fitted.partial_fit(X, **beside)
    return fitted if fitted.__sklearn_is_fitted__() else None


def merged(ours: Any, theirs: Any) -> Any:
    """A fit on the rows of both; neither changes, for Dask may ask for them again."""
    return copy.copy(ours).merge(theirs)


def called(
    X: Any,
    *,
    estimator: Any,
    method: str,
    first: str,
    fixed: dict[str, Any],
    before: int,
    empty: Any = None,
    **lazy: Any,
) -> Any:
    """Rows that a method makes of a block, of which the first ``before`` rows make none."""
    if empty is not None and n_rows(X) <= before:
        return empty
    return getattr(estimator, method)(**{first: X}, **fixed, **lazy)


def score_and_weight(X: Any, *, estimator: Any, **beside: Any) -> tuple[float, float]:
    weights = beside.get("sample_weight")
    weight = float(n_rows(X) if weights is None else np.sum(np.asarray(weights)))
    return (weight * estimator.score(X, **beside), weight) if weight else (0.0, 0.0)


def sum_of_pairs(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    return a[0] + b[0], a[1] + b[1]


def last_rows(before: Any, X: Any, n: int) -> Any:
    """The last n rows of X, or of what stands before it and X."""
    rows = X if before is None or n_rows(X) >= n else stacked(before, X)
    return rows.iloc[-n:] if hasattr(rows, "iloc") else rows[max(n_rows(rows) - n, 0) :]


def stacked(top: Any, bottom: Any) -> Any:
    """Rows of both, one below the other."""
    if hasattr(top, "iloc"):
        import pandas as pd

        return pd.concat([top, bottom])
    return array_namespace(top, bottom).concat([top, bottom], axis=0)


def add_up(estimator: Any, chunks: Any) -> None:
    """Leave the estimator as ``partial_fit`` of each chunk and ``merge`` of them all would."""
    try:
        estimator.partial_fit  # noqa: B018 - its options may not allow it
    except AttributeError as error:
        raise ValueError(str(error.__cause__ or error)) from error
    fitted = chunks.total(fitted_on_one, merged, estimator=clone(estimator))
    parameters = estimator.get_params(deep=False)
    vars(estimator).clear()
    vars(estimator).update({**vars(fitted), **parameters})


def mean_score(estimator: Any, chunks: Any) -> float:
    """Mean over all rows of what ``score`` says of the chunks."""
    score = chunks.total(score_and_weight, sum_of_pairs, estimator=copy.copy(estimator))
    return float(score[0] / score[1])


def made_up(table: Any, n_rows: int) -> Any:
    """Some rows like those of ``table``, to see what a method makes of them."""
    shape = (n_rows, *table.shape[1:])
    values = np.random.default_rng(0).uniform(1.0, 2.0, shape)  # as integers they are 1
    like = table._meta
    if not is_frame(table):
        return move_like(values.astype(table.dtype), like)
    if table.ndim == 1:
        return type(like)(values, name=like.name).astype(like.dtype)
    return type(like)(values, columns=like.columns).astype(like.dtypes.to_dict())


def takes_chunks(estimator: Any) -> bool:
    return hasattr(estimator, "_fit_chunks") or hasattr(estimator, "_after_chunks")


def is_frame(value: Any) -> bool:
    return hasattr(value, "_meta") and not hasattr(value, "chunks")
