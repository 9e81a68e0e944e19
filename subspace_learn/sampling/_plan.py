"""The design that a later fit goes by, and whether it was made for the table at hand."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._checks.table import check_sample_weight, rows_of
from ..functional.sampling.dpp_least_squares import FeatureSpace

__all__ = ["Plan"]


class Plan(NamedTuple):
    """What a fit needs of the design made before it."""

    space: FeatureSpace
    """The maps alone, without the table."""
    phi: np.ndarray
    """Orthonormal features at the draws."""
    features: np.ndarray
    """Features at the draws, as they came."""
    n_rows: int
    """Rows of the table of the design."""
    rows: Any
    """Those of the draws, as they were given."""
    measure: np.ndarray | None
    """``sample_weight`` of the table."""
    settings: dict[str, Any]
    """Parameters of the estimator."""

    def was_made_for(self, estimator: Any, table: Any, sample_weight: Any) -> bool:
        """Whether the rows of the design are in their places, with these weights and settings."""
        settings, indices = estimator.get_params(), estimator.indices_
        if settings.keys() != self.settings.keys() or not all(
            name == "verbose" or _unchanged(self.settings[name], value)
            for name, value in settings.items()
        ):
            return False
        n_rows = table.shape[0] if hasattr(table, "shape") else len(table)
        if n_rows != self.n_rows or not _same(rows_of(table, indices), self.rows):
            return False
        measure = check_sample_weight(sample_weight, np.empty((self.n_rows, 1)))
        if measure is None or self.measure is None:
            return measure is None
        return np.array_equal(measure, self.measure)


def _unchanged(first: Any, second: Any) -> bool:
    """Whether a parameter is what it was; those of estimators are compared one by one."""
    if hasattr(first, "get_params"):
        return type(first) is type(second)
    return first is second or np.array_equal(first, second)


def _same(first: Any, second: Any) -> bool:
    """Whether two tables hold the same, missing entries included."""
    if type(first) is not type(second):
        return False
    if hasattr(first, "equals"):  # DataFrames
        return bool(first.equals(second))
    if hasattr(first, "toarray"):
        first, second = first.toarray(), second.toarray()
    first, second = np.asarray(first), np.asarray(second)
    if first.dtype.kind == "O":
        return bool(first.tolist() == second.tolist())
    return np.array_equal(first, second, equal_nan=first.dtype.kind == "f")
