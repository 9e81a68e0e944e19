"""Which two fits may become one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklearn.utils.validation import check_is_fitted

from .._array import is_array, to_numpy
from .._warnings import warn

__all__ = ["check_mergeable", "check_same_columns", "check_same_names"]


def check_mergeable(
    ours: Any, theirs: Any, *, same: Mapping[str, tuple[Any, Any]] | None = None
) -> None:
    """Refuse to merge two fits whose numbers do not mean the same.

    Parameters
    ----------
    ours, theirs : estimator
        Both fitted, of one class, on tables of the same columns in the same order.
    same : mapping of str to tuple, optional
        What else must agree: name of the parameter, and its value *in the two fits* (not as it was
        set since).

    Raises
    ------
    TypeError
        If the two are of different classes.
    ValueError
        If the columns differ in number, name or order, or one of ``same`` differs.
    """
    name = type(ours).__name__
    if not isinstance(theirs, type(ours)):
        raise TypeError(
            f"{name}.merge() needs another fitted {name}, but was given {type(theirs).__name__}."
        )
    check_is_fitted(ours)
    check_is_fitted(theirs)
    check_same_columns(ours, theirs)
    for key, (a, b) in (same or {}).items():
        if not _equal(a, b):
            raise ValueError(
                f"Cannot merge fits with {key}={a!r} and {key}={b!r}: their numbers do not mean "
                f"the same. Fit both with one {key}."
            )


def check_same_columns(ours: Any, theirs: Any) -> None:
    """Raise ValueError unless two estimators have seen the same columns in the same order."""
    if ours.n_features_in_ != theirs.n_features_in_:
        raise ValueError(
            f"Cannot merge fits of {ours.n_features_in_} and {theirs.n_features_in_} features. "
            "Fit both on the same columns."
        )
    check_same_names(
        getattr(ours, "feature_names_in_", None),
        getattr(theirs, "feature_names_in_", None),
        what="Cannot merge these fits",
    )


def check_same_names(ours: Any, theirs: Any, *, what: str) -> None:
    """Raise ValueError unless two lists of column names agree; warn if only one table has names."""
    if ours is None and theirs is None:
        return
    if ours is None or theirs is None:
        warn(
            "Only one of the two tables has column names, so that their order could not be "
            "compared. Columns are taken in the order given."
        )
        return
    ours, theirs = list(ours), list(theirs)
    if ours == theirs:
        return
    missing = [name for name in ours if name not in set(theirs)]
    unknown = [name for name in theirs if name not in set(ours)]
    if missing or unknown:
        raise ValueError(
            f"{what}: column names differ. Missing: {missing[:5]}; not known: {unknown[:5]}. Give "
            "both the same columns in the same order."
        )
    first = next(i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b)
    raise ValueError(
        f"{what}: the same columns stand in another order (column {first} is {ours[first]!r} in "
        f"one and {theirs[first]!r} in the other). Give both in the same order."
    )


def _equal(a: Any, b: Any) -> bool:
    """Whether two parameters are the same, arrays entry by entry."""
    if is_array(a) or is_array(b):
        a, b = (to_numpy(x) if is_array(x) else x for x in (a, b))
        return getattr(a, "shape", None) == getattr(b, "shape", None) and bool((a == b).all())
    if hasattr(a, "get_params") and hasattr(b, "get_params"):
        return type(a) is type(b) and repr(a) == repr(b)
    return bool(a == b)
