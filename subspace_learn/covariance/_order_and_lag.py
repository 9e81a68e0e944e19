"""Order and lag of delay embeddings: in samples or seconds, few enough, and searched for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, check_cv

from .._base import warn
from ..functional.covariance.filter_bank import Band
from ._decision_rules import DecisionRule, Split

__all__ = [
    "Cell",
    "View",
    "candidate_cells",
    "checked_candidates",
    "folds",
    "lag_in_samples",
    "searched",
    "simplest_of_the_best",
    "warn_if_singular",
]


class Cell(NamedTuple):
    """Order and lag in samples."""

    order: int
    lag: int


class View(NamedTuple):
    """Training trials as a whole or in bands, at unit power, and how classes are told apart."""

    bands: tuple[Band, ...] | None
    trials: Any
    scale: np.ndarray
    rule: DecisionRule

    @property
    def n_parts(self) -> int:
        """How many matrices an epoch becomes."""
        return 1 if self.bands is None else len(self.bands)


def lag_in_samples(lag: Any, sfreq: float | None) -> int:
    """Lag in samples: an int is one already, a float is a time in seconds.

    Raises
    ------
    ValueError
        If a time is given without a sampling rate, or is shorter than half a sample.
    """
    if isinstance(lag, Integral):
        return int(lag)
    if not isinstance(lag, Real):
        raise TypeError(f"lag={lag!r} must be an int (samples) or a float (seconds).")
    if sfreq is None:
        raise ValueError(
            f"lag={lag!r} is a float, hence in seconds, which needs the sampling rate: set sfreq, "
            "pass mne.Epochs, or give the lag in samples as an int."
        )
    samples = round(float(lag) * sfreq)
    if samples < 1:
        raise ValueError(
            f"lag={lag!r} s is less than half a sample at {sfreq:g} Hz. The shortest lag is "
            f"{1 / sfreq:.4g} s."
        )
    return samples


def warn_if_singular(
    n_channels: int, n_times: int, cell: Cell, estimator: str, structure: str
) -> None:
    """Warn if the embedding (for "toeplitz" padded with zeros) has fewer times than rows."""
    order, lag = cell
    padding = (order - 1) * lag if structure == "toeplitz" else (1 - order) * lag
    length, rows = n_times + padding, order * n_channels
    if 2 <= length < rows:
        rest = (
            "Their sample covariances are singular; set estimator='oas', or choose a smaller "
            "order or lag."
            if estimator == "scm"
            else "Only shrinkage makes the matrices invertible; a smaller order or lag is safer."
        )
        warn(
            f"order={order} and lag={lag} leave {length} times for {rows} rows of the embedding. "
            + rest
        )


def checked_candidates(
    orders: Iterable[Any], lags: Iterable[Any], sfreq: float | None
) -> tuple[list[int], list[int]]:
    """Check the orders and lags to choose from; lags come back in samples."""
    orders = list(orders)
    lags = [lag_in_samples(lag, sfreq) for lag in lags]
    for name, values in {"orders": orders, "lags": lags}.items():
        if not values:
            raise ValueError(f"{name} is empty: give one candidate or more.")
    for order in orders:
        if not isinstance(order, Integral) or order < 1:
            raise ValueError(f"orders must hold integers of 1 or more, but holds {order!r}.")
    if min(lags) < 1:
        raise ValueError(f"lags must be 1 sample or more, but one is {min(lags)}.")
    return [int(order) for order in orders], lags


def candidate_cells(
    orders: Iterable[int], lags: Iterable[int], n_channels: int, n_times: int
) -> list[Cell]:
    """Distinct cells, by order and lag: order 1 once, and those with more times than rows."""
    asked = {Cell(order, lag) for order in orders for lag in lags if order > 1}
    fitting = {
        cell
        for cell in asked
        if n_times - (cell.order - 1) * cell.lag >= max(2, cell.order * n_channels)
    }
    return [Cell(1, min(lags)), *sorted(fitting)]


def folds(
    cv: Any, y: np.ndarray, groups: np.ndarray | None, weight: np.ndarray | None
) -> list[Split]:
    """Folds of the training trials, as positions among those of positive weight.

    A splitter or a list of folds is asked about all trials. An int means stratified folds of the
    weighted trials, in order of time, groups kept together; it is lowered to the number of
    groups, or of trials in the smallest class. Folds that say nothing are left out: those which
    hold nothing, or train without one of the classes.
    """
    rows = np.arange(len(y)) if weight is None else np.flatnonzero(weight)
    if isinstance(cv, Integral):
        splits = _stratified(int(cv), y[rows], None if groups is None else groups[rows])
    else:
        position = np.full(len(y), -1)
        position[rows] = np.arange(len(rows))
        splits = [
            tuple(position[part][position[part] >= 0] for part in split)
            for split in check_cv(cv, y, classifier=True).split(np.zeros(len(y)), y, groups)
        ]
    return _telling(splits, y[rows])


def _telling(splits: list[Split], y: np.ndarray) -> list[Split]:
    """Folds that train on every class and test on something; the others are named."""
    classes, useful, faults = np.unique(y), [], []
    for k, (train, test) in enumerate(splits):
        missing = np.setdiff1d(classes, y[train]).tolist()
        if len(train) and not missing and len(test):
            useful.append((train, test))
        elif len(test) and len(train):
            faults.append(f"fold {k} trains without class {', '.join(map(repr, missing))}")
        else:
            faults.append(f"fold {k} has nothing to {'test' if len(train) else 'train'} on")
    one_class = [len(test) > 1 and len(np.unique(y[test])) == 1 for _, test in useful]
    if useful and all(one_class):
        warn(
            f"Every fold tests on one class only ({len(useful)} folds): a rule that has learnt "
            "nothing is then far below chance, and order and lag are chosen on little. Give groups "
            "or cv whose folds hold epochs of every class."
        )
    if not faults:
        return useful
    shown = "; ".join(faults[:5]) + ("; ..." if len(faults) > 5 else "")
    advice = (
        "A class that stands in one group (run, session) only cannot be held out: give groups or "
        "cv so that the training part of every fold has epochs of every class, with weight, or set "
        "order and lag."
    )
    if not useful:
        raise ValueError(
            f"Order and lag cannot be chosen: of {len(splits)} folds none can be used: {shown}. "
            f"{advice}"
        )
    warn(
        f"{len(faults)} of {len(splits)} folds are left out of the choice of order and lag: "
        f"{shown}. {advice}"
    )
    return useful


def _stratified(cv: int, y: np.ndarray, groups: np.ndarray | None) -> list[Split]:
    labels, counts = np.unique(y, return_counts=True)
    if counts.min() < 2:
        raise ValueError(
            f"Class {labels.tolist()[counts.argmin()]!r} has one trial: order and lag cannot be "
            "chosen by cross-validation. Give two trials of each class, or set order and lag."
        )
    n_splits = int(min(cv, counts.min()))
    if groups is None:
        return list(StratifiedKFold(n_splits).split(np.zeros(len(y)), y))
    n_groups = len(np.unique(groups))
    if n_groups < 2:
        raise ValueError(
            "groups has one value only: order and lag cannot be chosen across groups. Leave groups "
            "out, or set order and lag."
        )
    splitter = StratifiedGroupKFold(min(n_splits, n_groups))
    return list(splitter.split(np.zeros(len(y)), y, groups))


def searched(
    views: Sequence[View],
    y: np.ndarray,
    weight: np.ndarray | None,
    cells: Sequence[Cell],
    splits: Sequence[Split],
    report: Callable[[str], None] | None,
) -> tuple[View, Cell, dict[str, Any]]:
    """Score every cell of every view on every fold; return the choice and GridSearchCV's table.

    Each lagged product is computed once, and forgotten after the last cell that needs it.
    """
    candidates = [(view, i, cell) for view in views for i, cell in enumerate(cells)]
    scores = np.empty((len(candidates), len(splits)))
    for row, (view, i, cell) in enumerate(candidates):
        scores[row] = view.rule.cross_scores(view.trials, cell, y, weight, splits)
        view.trials.keep_only(k * later.lag for later in cells[i + 1 :] for k in range(later.order))
        if report is not None:
            where = "" if len(views) == 1 else f"bands={view.bands}, "
            report(
                f"cell {row + 1} of {len(candidates)}: {where}order={cell.order}, lag={cell.lag}, "
                f"accuracy {scores[row].mean():.3f}"
            )
    # a matrix has order^2 blocks
    chosen = simplest_of_the_best(
        scores, [view.n_parts * cell.order**2 for view, _, cell in candidates]
    )
    means = scores.mean(axis=1)
    params = [cell._asdict() for _, _, cell in candidates]
    if len(views) > 1:
        params = [
            {"bands": view.bands} | asked
            for (view, _, _), asked in zip(candidates, params, strict=True)
        ]
    table = {
        "params": params,
        **{f"param_{name}": _column([asked[name] for asked in params]) for name in params[0]},
        **{f"split{k}_test_score": scores[:, k] for k in range(len(splits))},
        "mean_test_score": means,
        "std_test_score": scores.std(axis=1),
        "rank_test_score": 1 + np.sum(means[:, None] < means[None, :], axis=1),
    }
    view, _, cell = candidates[chosen]
    return view, cell, table


def _column(values: list[Any]) -> np.ndarray:
    """Numbers as they are; None and tuples of bands one in each row."""
    if all(isinstance(value, int) for value in values):
        return np.array(values)
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def simplest_of_the_best(scores: np.ndarray, sizes: Sequence[int]) -> int:
    """Row within one standard error of the best mean score that has the smallest size.

    Among equal sizes the best mean, then the first. Scores have shape (n_cells, n_folds).
    """
    means = scores.mean(axis=1)
    best = int(np.argmax(means))
    n_folds = scores.shape[1]
    error = scores[best].std(ddof=1) / np.sqrt(n_folds) if n_folds > 1 else 0.0
    good = np.flatnonzero(means >= means[best] - error).tolist()
    return min(good, key=lambda row: (sizes[row], -means[row], row))
