"""A detector of normal rows, fitted on rows that come in chunks: what `fit` does, in four passes.

Chunks say where their rows stand in line, so that folds are those of all rows in one table; each
fold's rows are summed by themselves, and sums of all folds but one make the subspace that scores
the rows of that one. Only distances, two numbers a row, come together here.
"""

from __future__ import annotations

from functools import reduce
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from .._array import array_namespace, move_like, to_numpy
from .._base import routed_fit_params
from .._checks.merging import check_same_columns
from .._checks.table import check_sample_weight
from .._chunk_tasks import merged
from .._distributed import Chunks
from .._warnings import kept_warnings
from ..functional.grassmann.subspace_detector import fold_places, fold_shares, places_in_line
from ..linalg.moments import Moments, merged_moments
from ._subspace_distances import (
    DistancesOfRows,
    NormalModel,
    RowSize,
    coordinate_moments,
    distances,
    rows_at,
    warn_of_no_fold,
    with_spread,
)

__all__ = ["FoundOnChunks", "model_of_chunks"]


class FoundOnChunks(NamedTuple):
    """What a detector keeps of chunks."""

    estimator: Any
    """A clone that has seen the columns."""
    model: NormalModel
    rows: DistancesOfRows
    size: RowSize


class _Line(NamedTuple):
    """Rows of a chunk in the line of all rows, which is dealt out to the folds."""

    starts: np.ndarray
    ends: np.ndarray
    weight: np.ndarray
    is_weighted: bool


class _Rows(NamedTuple):
    """What a chunk says of its rows."""

    estimator: Any
    places: np.ndarray
    weights: np.ndarray | None
    energy: float
    eps: float
    sparse: bool


def model_of_chunks(detector: Any, chunks: Chunks) -> FoundOnChunks:
    """Subspace of all rows, and distances of the rows that set the threshold."""
    subspace = _divisible(detector)
    weights = chunks.beside.get("sample_weight")
    params = routed_fit_params(detector, "subspace", subspace, weights, {})
    chunks = chunks.using("sample_weight")
    lines, seen = chunks.arranged(_rows_of_chunk, _in_line, estimator=clone(detector))
    n_rows, estimator, size = seen
    n_folds = detector._n_folds(n_rows)
    chunks = chunks.using().also(line=lines)
    weighted = params.get("sample_weight") is not None
    how = {"estimator": clone(detector), "n_folds": n_folds}
    folds = [None] * n_folds
    if not isinstance(subspace, FrozenEstimator):
        folds = chunks.total(_fold_fits, _merged_folds, subspace=subspace, weighted=weighted, **how)
    whole = _together(subspace, [f for f in folds if f is not None])
    spaces: list[Any] = []
    if detector.threshold_rows == "held_out":
        try:
            if n_folds < 2:
                raise ValueError("one row is left when none is.")
            with kept_warnings():  # the fit to all rows has said it
                for i in range(n_folds):
                    others = [f for f in folds[:i] + folds[i + 1 :] if f is not None]
                    spaces.append(_together(subspace, others))
        except ValueError as error:
            spaces = []
            warn_of_no_fold(error, n_rows, n_folds, detector.quantile)
    models = [NormalModel(space) for space in (whole, *spaces)]
    if detector.statistic == "combined":
        spread = chunks.total(_spreads, _merged_spreads, models=models, **how)
        models = [
            with_spread(model.subspace, moments, dtype)
            for model, (moments, dtype) in zip(models, spread, strict=True)
        ]
    parts = chunks.gathered(_distances_of_chunk, models=models, **how)
    return FoundOnChunks(estimator, models[0], _joined(parts), size)


def _divisible(detector: Any) -> Any:
    """A subspace that can be fitted part by part, or one that is fitted already."""
    subspace = detector._fresh_subspace()
    if hasattr(subspace, "_after_chunks") or isinstance(subspace, FrozenEstimator):
        return subspace
    raise TypeError(
        f"subspace={subspace!r} cannot be fitted on chunks that are merged. Use GrassmannPCA, or a "
        "FrozenEstimator of a transformer that was fitted before."
    )


def _rows_of_chunk(X: Any, *, estimator: Any, sample_weight: Any = None) -> _Rows:
    """Places of the rows of a chunk, and their size."""
    estimator = clone(estimator)
    X = estimator._checked(X, reset=True)
    xp, sparse = array_namespace(X), sp.issparse(X)
    weights = check_sample_weight(sample_weight, X, may_be_empty=True)
    energy = float(X.power(2).sum() if sparse else xp.sum(X * X, dtype=xp.float64))
    eps = float(xp.finfo(X.dtype).eps)
    weights = None if weights is None else to_numpy(weights)
    return _Rows(estimator, fold_places(X), weights, energy, eps, sparse)


def _in_line(found: list[_Rows | None]) -> tuple[list[_Line], Any]:
    """Put the rows of all chunks in line; and their number, columns and size."""
    parts = [part for part in found if part is not None]
    if not parts:
        raise ValueError(f"No row of X counts: its {len(found)} chunk(s) hold none.")
    for part in parts[1:]:
        check_same_columns(parts[0].estimator, part.estimator)
    places = np.concatenate([part.places for part in parts])
    weight = np.concatenate(
        [np.ones(len(p.places)) if p.weights is None else p.weights for p in parts]
    )
    starts, ends = places_in_line(np.argsort(places, kind="stable"), weight)
    is_weighted = parts[0].weights is not None
    lengths = [0 if part is None else len(part.places) for part in found]
    lines = [
        _Line(starts[rows], ends[rows], weight[rows], is_weighted)
        for rows in (
            slice(end - n, end) for n, end in zip(lengths, np.cumsum(lengths), strict=True)
        )
    ]
    energy = sum(part.energy for part in parts) / len(places)
    size = RowSize(energy, max(part.eps for part in parts), parts[0].sparse)
    return lines, (float(weight.sum()), parts[0].estimator, size)


def _fold_fits(
    X: Any, *, line: _Line, estimator: Any, subspace: Any, n_folds: int, weighted: bool
) -> list[Any]:
    """For each fold a subspace that has seen its rows of a chunk; None where it has none here."""
    X = clone(estimator)._checked(X, reset=True)
    fits: list[Any] = []
    for fold in range(n_folds):
        held, _ = fold_shares(*line[:3], fold, n_folds)
        index = np.flatnonzero(held)
        params = {}
        if weighted:
            params["sample_weight"] = held[index]
        few = len(index) == 0
        fits.append(None if few else clone(subspace).partial_fit(rows_at(X, index), **params))
    return fits


def _merged_folds(a: list[Any], b: list[Any]) -> list[Any]:
    return [
        one if other is None else other if one is None else merged(one, other)
        for one, other in zip(a, b, strict=True)
    ]


def _together(subspace: Any, parts: list[Any]) -> Any:
    """The subspace of the rows of several fits."""
    if isinstance(subspace, FrozenEstimator):
        return subspace
    if not parts:
        raise ValueError("no row is left.")
    whole = clone(subspace).set_params(**subspace.get_params(deep=False))
    vars(whole).update(vars(reduce(merged, parts)))
    whole._after_chunks()
    return whole


def _kept_rows(X: Any, line: _Line, i: int, n_folds: int) -> tuple[Any, Any]:
    """Rows that model ``i`` was fitted on (0: all; else those outside fold i - 1), and weights."""
    if i == 0:
        return X, move_like(line.weight, X) if line.is_weighted else None
    _, kept = fold_shares(*line[:3], i - 1, n_folds)
    index = np.flatnonzero(kept)
    X = rows_at(X, index)
    return X, move_like(kept[index], X) if line.is_weighted else None


_Spread = tuple[Moments | None, Any]


def _spreads(
    X: Any, *, line: _Line, estimator: Any, models: list[NormalModel], n_folds: int
) -> list[_Spread]:
    """Moments of the coordinates that each model gives the rows it was fitted on."""
    X = clone(estimator)._checked(X, reset=True)
    found: list[_Spread] = []
    for i, model in enumerate(models):
        rows, weights = _kept_rows(X, line, i, n_folds)
        few = rows.shape[0] == 0
        found.append((None, None) if few else coordinate_moments(model.subspace, rows, weights))
    return found


def _merged_spreads(a: list[_Spread], b: list[_Spread]) -> list[_Spread]:
    return [
        other if one[0] is None else one if other[0] is None else _merged_spread(one, other)
        for one, other in zip(a, b, strict=True)
    ]


def _merged_spread(a: _Spread, b: _Spread) -> _Spread:
    return merged_moments(a[0], b[0]), max(a[1], b[1])  # type: ignore[arg-type]


def _distances_of_chunk(
    X: Any, *, line: _Line, estimator: Any, models: list[NormalModel], n_folds: int
) -> DistancesOfRows | None:
    """Distances of rows to models of the folds they are not in; of all to the first, if alone."""
    X = clone(estimator)._checked(X, reset=True)
    if len(models) == 1:
        return DistancesOfRows(*distances(models[0], X), _kept_rows(X, line, 0, n_folds)[1])
    parts = []
    for fold, model in enumerate(models[1:]):
        held, _ = fold_shares(*line[:3], fold, n_folds)
        index = np.flatnonzero(held)
        if len(index):
            residuals, hotelling = distances(model, rows_at(X, index))
            shares = move_like(held[index], residuals)
            parts.append(DistancesOfRows(residuals, hotelling, shares))
    return _joined(parts) if parts else None


def _joined(parts: list[DistancesOfRows]) -> DistancesOfRows:
    columns = list(zip(*parts, strict=True))
    concat = array_namespace(columns[0][0]).concat
    return DistancesOfRows(*(None if c[0] is None else concat(c) for c in columns))
