"""How many rows DPPLeastSquares draws, how often, and from which reference law."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._checks.columns import refuse_masked
from ..functional.sampling.dpp_least_squares import FeatureSpace
from ._checks import numbers

__all__ = ["n_candidates", "n_draws", "reference_law"]

# Ways to draw fewer rows than there are features.
_FEW = ("repeated_dpp", "christoffel", "uniform")
_CANDIDATES = 20


def n_candidates(estimator: Any) -> int:
    """Return the number of designs to choose from."""
    if estimator.n_candidates is None:
        return _CANDIDATES if estimator.sampling == "repeated_dpp" else 1
    return int(estimator.n_candidates)


def n_draws(estimator: Any, m: int, n_rows: int | None, given: int | None = None) -> int:
    """Return the number of draws for m features from a table, or a domain (``n_rows`` None).

    Raises
    ------
    ValueError
        If ``n_points`` does not go with m.
    """
    sampling, alpha = estimator.sampling, estimator.alpha
    given = estimator.n_points if given is None else given
    if given is None:
        if sampling == "volume_without_replacement" and n_rows is not None:
            return min(2 * m, n_rows)
        return m if sampling == "dpp" else 2 * m
    few = alpha != 0 and sampling in _FEW and n_rows is not None
    if (given < m and not few) or (sampling == "dpp" and given != m):
        needed = f"exactly {m}" if sampling == "dpp" else f"at least {m}"
        raise ValueError(
            f"n_points={given}, but the features have rank {m} (with the constant, if "
            f"fit_intercept) and sampling={sampling!r} with alpha={alpha!r} needs {needed}. Raise "
            "n_points, use fewer features, or draw rows of a table by 'repeated_dpp' for a fit "
            "with a penalty."
        )
    return int(given)


def reference_law(estimator: Any, X: Any, space: FeatureSpace) -> np.ndarray | None:
    """Return the reference measure of sampling="volume", up to a factor.

    Raises
    ------
    ValueError
        If another sampling is asked for.
    """
    given = estimator.reference_measure
    if given is None:
        return None
    if estimator.sampling != "volume":
        raise ValueError(
            f"reference_measure goes with sampling='volume', not with {estimator.sampling!r}. "
            "Leave it out; the measure mu of the rows is sample_weight."
        )
    if isinstance(given, str):
        return space.measure
    given = given(X) if callable(given) else given
    refuse_masked(given, name="DPPLeastSquares", input_name="reference_measure")
    return np.asarray(numbers(given, input_name="reference_measure"), np.float64).reshape(-1)
