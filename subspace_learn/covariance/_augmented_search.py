"""Choice of order and lag for AugmentedCovarianceClassifier."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, check_cv

from ..functional.covariance.augmented_covariance import LaggedTrials
from ._epochs import lag_in_samples
from ._heads import Head, Split

__all__ = [
    "Cell",
    "candidate_cells",
    "candidate_lags",
    "candidate_orders",
    "folds",
    "searched",
    "simplest_of_the_best",
]


class Cell(NamedTuple):
    """Order and lag in samples."""

    order: int
    lag: int


def candidate_orders(orders: Iterable[Any]) -> list[int]:
    """Check the orders to choose from."""
    orders = list(orders)
    if not orders:
        raise ValueError("orders is empty: give one candidate or more.")
    for order in orders:
        if not isinstance(order, Integral) or order < 1:
            raise ValueError(f"orders must hold integers of 1 or more, but holds {order!r}.")
    return [int(order) for order in orders]


def candidate_lags(lags: Iterable[Any], sfreq: float | None) -> list[int]:
    """Check the lags to choose from; return them in samples."""
    lags = [lag_in_samples(lag, sfreq) for lag in lags]
    if not lags:
        raise ValueError("lags is empty: give one candidate or more.")
    if min(lags) < 1:
        raise ValueError(f"lags must be 1 sample or more, but one is {min(lags)}.")
    return lags


def candidate_cells(
    orders: Iterable[int], lags: Iterable[int], n_channels: int, n_times: int
) -> list[Cell]:
    """Distinct cells, by order and lag: order 1 once, and those with more times than rows."""
    wanted = {Cell(order, lag) for order in orders for lag in lags if order > 1}
    fitting = {
        cell
        for cell in wanted
        if n_times - (cell.order - 1) * cell.lag >= max(2, cell.order * n_channels)
    }
    return [Cell(1, min(lags)), *sorted(fitting)]


def folds(
    cv: Any, y: np.ndarray, groups: np.ndarray | None, weight: np.ndarray | None
) -> list[Split]:
    """Folds of the training trials, as positions among those of positive weight.

    A splitter or a list of folds is asked about all trials. An int means stratified folds of the
    weighted trials, in order of time, groups kept together; it is lowered to the number of
    groups, or of trials in the smallest class.
    """
    rows = np.arange(len(y)) if weight is None else np.flatnonzero(weight)
    if isinstance(cv, Integral):
        return _stratified(int(cv), y[rows], None if groups is None else groups[rows])
    position = np.full(len(y), -1)
    position[rows] = np.arange(len(rows))
    return [
        tuple(position[part][position[part] >= 0] for part in split)
        for split in check_cv(cv, y, classifier=True).split(np.zeros(len(y)), y, groups)
    ]


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
    trials: LaggedTrials,
    y: np.ndarray,
    weight: np.ndarray | None,
    cells: Sequence[Cell],
    splits: Sequence[Split],
    head: Head,
    estimator: str,
    structure: str,
    report: Callable[[str], None],
) -> tuple[Cell, dict[str, Any]]:
    """Score every cell on every fold; return the choice and a table like GridSearchCV's.

    Each lagged product is computed once, and forgotten after the last cell that needs it.
    """
    scores = np.empty((len(cells), len(splits)))
    for i, cell in enumerate(cells):
        points = head.geometry.points(trials, cell.order, cell.lag, estimator, structure)
        scores[i] = head.cross_scores(points, y, weight, splits)
        trials.keep_only(k * later.lag for later in cells[i + 1 :] for k in range(later.order))
        report(
            f"cell {i + 1} of {len(cells)}: order={cell.order}, lag={cell.lag}, "
            f"accuracy {scores[i].mean():.3f}"
        )
    chosen = simplest_of_the_best(scores, [cell.order for cell in cells])
    means = scores.mean(axis=1)
    table = {
        "params": [cell._asdict() for cell in cells],
        "param_order": np.array([cell.order for cell in cells]),
        "param_lag": np.array([cell.lag for cell in cells]),
        **{f"split{k}_test_score": scores[:, k] for k in range(len(splits))},
        "mean_test_score": means,
        "std_test_score": scores.std(axis=1),
        "rank_test_score": 1 + np.sum(means[:, None] < means[None, :], axis=1),
    }
    return cells[chosen], table


def simplest_of_the_best(scores: np.ndarray, orders: Sequence[int]) -> int:
    """Row within one standard error of the best mean score that has the lowest order.

    Among equal orders the best mean, then the first. Scores have shape (n_cells, n_folds).
    """
    means = scores.mean(axis=1)
    best = int(np.argmax(means))
    n_folds = scores.shape[1]
    error = scores[best].std(ddof=1) / np.sqrt(n_folds) if n_folds > 1 else 0.0
    good = np.flatnonzero(means >= means[best] - error)
    return int(min(good, key=lambda row: (orders[row], -means[row], row)))
