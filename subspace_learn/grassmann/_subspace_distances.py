"""A subspace that a detector fitted, and the distances of rows to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

from .._array import Array, array_namespace, is_array, is_numpy, move_like
from .._base import warn
from .._checks.table import rows_of
from ..functional.grassmann.subspace_detector import hotelling_statistic
from ..linalg.moments import Moments, counted, merged_moments, row_blocks, table_moments

__all__ = [
    "DistancesOfRows",
    "NormalModel",
    "RowSize",
    "coordinate_moments",
    "distances",
    "fitted_model",
    "metadata_of",
    "rounding",
    "rows_at",
    "size_of_rows",
    "unit_roundoff",
    "warn_of_no_fold",
    "with_spread",
]


class NormalModel(NamedTuple):
    """A fitted subspace, with the moments of its coordinates if their spread is measured."""

    subspace: Any
    mean: Array | None = None
    variance: Array | None = None


class DistancesOfRows(NamedTuple):
    """Distances of rows to a subspace, with their frequencies."""

    residuals: Array
    hotelling: Array | None
    weights: Array | None


def fitted_model(
    subspace: Any, X: Any, weights: Array | None, params: dict, statistic: str
) -> NormalModel:
    """Fit the subspace; "combined" also needs the spread of the coordinates."""
    subspace = subspace.fit(X, None, **params)
    if statistic == "residual":
        return NormalModel(subspace)
    moments, dtype = coordinate_moments(subspace, X, weights)
    assert moments is not None  # some row counts
    return with_spread(subspace, moments, dtype)


def coordinate_moments(subspace: Any, X: Any, weights: Array | None) -> tuple[Moments | None, Any]:
    """Moments of the coordinates of rows, None if none of them counts, and their dtype."""
    moments: Moments | None = None
    for rows, scores in _coordinates(subspace, X):
        w = None if weights is None else weights[rows]
        if counted(w, scores.shape[0])[0]:
            block = table_moments(scores, w)
            moments = block if moments is None else merged_moments(moments, block)
    return moments, scores.dtype


def with_spread(subspace: Any, moments: Moments, dtype: Any) -> NormalModel:
    """A model that measures coordinates by their spread."""
    xp = array_namespace(moments.mean)
    variances = xp.linalg.diagonal(moments.scatter) / moments.weight
    return NormalModel(subspace, *(xp.astype(a, dtype) for a in (moments.mean, variances)))


def distances(model: NormalModel, X: Any) -> tuple[Array, Array | None]:
    """Squared residual of each row, and its Hotelling statistic if the model knows moments."""
    subspace, mean, variance = model
    if hasattr(subspace, "reconstruction_error"):
        residuals = subspace.reconstruction_error(X)
    else:
        residuals = _squared_gaps(subspace, X)
    if mean is None:
        return residuals, None
    parts = [
        hotelling_statistic(scores - mean, variance) / max(scores.shape[1], 1)
        for _, scores in _coordinates(subspace, X)
    ]
    return residuals, array_namespace(parts[0]).concat(parts)


def _coordinates(subspace: Any, X: Any) -> Iterator[tuple[slice, Array]]:
    """Coordinates of blocks of rows: those of all may be far larger than sparse X."""
    X = X.tocsr() if issparse(X) else X
    for rows in row_blocks(X):
        yield rows, array_of(subspace.transform(X[rows, :]))


def unit_roundoff(subspace: Any, residuals: Array) -> float:
    """Of the arithmetic behind the residuals: ours is in double precision whatever comes out."""
    in_double = hasattr(subspace, "reconstruction_error")
    return 2.0**-52 if in_double else float(array_namespace(residuals).finfo(residuals.dtype).eps)


def _squared_gaps(subspace: Any, X: Any) -> Array:
    """Squared distance of each row to its reconstruction, block by block."""
    parts = []
    for rows in row_blocks(X):
        block = X[rows, :]
        back = array_of(subspace.inverse_transform(array_of(subspace.transform(block))))
        gap = (block.toarray() if issparse(block) else block) - back
        parts.append(array_namespace(gap).sum(gap * gap, axis=1))
    return array_namespace(parts[0]).concat(parts)


class RowSize(NamedTuple):
    """How large rows are, and of what kind: what rounding of a residual depends on."""

    energy: float
    """Mean squared length."""
    eps: float
    """Unit roundoff of their dtype."""
    sparse: bool


def size_of_rows(X: Any) -> RowSize:
    """Size of the rows of a table."""
    xp, sparse = array_namespace(X), issparse(X)
    energy = float(X.power(2).sum() if sparse else xp.sum(X * X)) / X.shape[0]
    return RowSize(energy, float(xp.finfo(X.dtype).eps), sparse)


def rounding(size: RowSize, residual: float, eps: float) -> float:
    """Rounding error of a squared residual of this size, computed with unit roundoff ``eps``.

    A residual is a difference of vectors of length |x|, so its square carries an error of about
    ``eps |x| r`` for dense rows and ``eps |x|^2`` for sparse ones. Directions are kept in the width
    of X: what they leave of |x| is squared.
    """
    kept, eps = (4 * size.eps) ** 2 * size.energy, 64 * eps
    return kept + eps * (size.energy if size.sparse else (residual * size.energy) ** 0.5)


def warn_of_no_fold(error: ValueError, n_rows: float, n_folds: int, quantile: float) -> None:
    """Warn that no rows could be held out to set a threshold."""
    warn(
        f"No row could be held out to set the threshold: {n_rows:.3g} rows in {n_folds} folds "
        f"leave too few for the subspace ({error}) The threshold is read off the rows of the fit, "
        f"and far more new rows exceed it than {1 - quantile:.2g} of them. Give more rows, or a "
        "smaller subspace."
    )


def array_of(table: Any) -> Any:
    """Out of the DataFrame that ``set_output`` may have asked the subspace for."""
    return table if is_array(table) else np.asarray(table)


def rows_at(X: Any, index: np.ndarray) -> Any:
    if is_numpy(X):
        return rows_of(X, index)
    return array_namespace(X).take(X, move_like(index, X), axis=0)


def metadata_of(value: Any, index: np.ndarray, n_samples: int) -> Any:
    """These rows of metadata that have one entry for each row, and other metadata as they are."""
    try:
        per_row = not isinstance(value, str) and len(value) == n_samples
    except TypeError:
        return value
    if not per_row:
        return value
    return rows_at(value, index) if is_array(value) else rows_of(value, index)
