"""Where in a table the trouble is: columns that are no numbers, entries that are missing."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._array import is_array

__all__ = [
    "is_missing",
    "refuse_masked",
    "refuse_other_order",
    "refuse_what_is_no_number",
    "said_where",
]


def refuse_masked(X: Any, *, name: str, input_name: str = "X") -> None:
    """Raise ValueError if ``X`` is a masked array that masks something: the mask would be lost."""
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise ValueError(
            f"{input_name} is a masked array with {int(np.ma.count_masked(X))} masked entries, "
            f"which {name} would read as data. Fill them with its method filled, impute them "
            "(sklearn.impute), or leave those rows out."
        )


def refuse_other_order(X: Any, paired: Any, *, input_name: str) -> None:
    """Raise ValueError if two DataFrames have one index in different orders: rows are paired."""
    if not (hasattr(X, "iloc") and hasattr(paired, "iloc")) or len(X) != len(paired):
        return
    ours, theirs = X.index, paired.index
    if not ours.equals(theirs) and ours.isin(theirs).all() and theirs.isin(ours).all():
        raise ValueError(
            f"{input_name} has the index of X in another order, but rows are paired by their "
            f"place. Give {input_name}.loc[X.index], or reset the index of both."
        )


def refuse_what_is_no_number(X: Any, *, name: str, input_name: str = "X") -> None:
    """Raise ValueError if X is an array of dates, or a DataFrame with columns of dates or text.

    A date would become a count of nanoseconds without a word.
    """
    if isinstance(X, np.ndarray) and X.dtype.kind in "mM":
        raise ValueError(
            f"{name} needs numbers, but {input_name} is an array of {X.dtype}. Take differences "
            "and divide them by a unit, such as np.timedelta64(1, 's')."
        )
    named = {
        str(column): kind for column, kind in _kinds(X) if kind in ("dates", "durations", "text")
    }
    if not named:
        return
    hint = ""
    if "dates" in named.values() and hasattr(X, "set_index"):
        hint = " A date that says when a row was taken belongs in the index: X.set_index(column)."
    shown = ", ".join(f"{column!r} ({kind})" for column, kind in list(named.items())[:5])
    raise ValueError(
        f"{name} needs numbers, but {input_name} has the column(s) {shown}. Drop them, or turn "
        "them into numbers first: sklearn.compose.ColumnTransformer with OneHotEncoder for text, "
        f"differences in seconds for dates.{hint}"
    )


def _kinds(X: Any) -> list[tuple[Any, str]]:
    """Columns of a DataFrame (pandas, polars) with what they hold; empty for anything else."""
    if is_array(X) or not hasattr(X, "columns") or not hasattr(X, "dtypes"):
        return []
    pairs = enumerate(zip(X.columns, X.dtypes, strict=True))
    return [(column, _kind(X, i, str(dtype).lower())) for i, (column, dtype) in pairs]


def _kind(X: Any, i: int, dtype: str) -> str:
    if dtype.startswith(("datetime", "date", "time", "period", "interval")):
        return "durations" if dtype.startswith("timedelta") else "dates"
    if dtype.startswith("duration"):
        return "durations"
    if dtype.startswith(("object", "str", "utf8", "category", "categorical", "enum")):
        values = X.iloc[:, i] if hasattr(X, "iloc") else X[:, i]
        return "numbers" if all(_is_number(value) for value in values) else _kind_of_values(values)
    return "complex numbers" if dtype.startswith("complex") else "numbers"


def _kind_of_values(values: Any) -> str:
    wrong = next(value for value in values if not _is_number(value))
    return "dates" if hasattr(wrong, "year") else "text"


def _is_number(value: Any) -> bool:
    """Whether NumPy can make a float of it: numbers, their texts, and what is missing."""
    if hasattr(value, "year"):
        return False
    if is_missing(value) or isinstance(value, complex):
        return True
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def is_missing(value: Any) -> bool:
    """Whether one entry is None, NaN, NaT or pandas' NA."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except TypeError:  # pandas.NA answers neither yes nor no
        return type(value).__name__ == "NAType"
    except ValueError:  # an array
        return False


def said_where(error: Exception, X: Any, *, input_name: str = "X") -> Exception:
    """Return ``error``, with the columns or the first entry of ``X`` named that are meant."""
    wrong = [str(name) for name, kind in _kinds(X) if kind == "complex numbers"]
    if wrong and "Complex data" in str(error):
        shown = ", ".join(map(repr, wrong[:5]))
        return ValueError(
            f"Complex data not supported: {input_name} has them in column(s) {shown}."
        )
    if not any(word in str(error) for word in ("NaN", "infinity", "NAType")):
        return error
    names = list(X.columns) if hasattr(X, "columns") and not is_array(X) else None
    try:
        values = np.asarray(X.to_numpy() if hasattr(X, "to_numpy") else X)
        if values.dtype.kind == "O":
            values = np.vectorize(lambda v: np.nan if is_missing(v) else float(v), otypes=[float])(
                values
            )
        bad = ~np.isfinite(values)
    except (TypeError, ValueError):
        return error
    if values.ndim != 2 or not bad.any():
        return error
    row, column = np.argwhere(bad)[0]
    which = f"column {names[column]!r}" if names is not None else f"column {column}"
    count = f"{int(bad.sum())} of {bad.size} entries, " if bad.sum() > 1 else ""
    return ValueError(
        f"{error}\n{input_name} is not finite in {count}the first in {which}, row {row}."
    )


def refuse_recording(X: Any, *, name: str) -> None:
    """Raise if X is an object of MNE: a table has to be made of it, in one of several ways."""
    first = X[0] if isinstance(X, list | tuple) and len(X) else X
    if hasattr(first, "get_data") and hasattr(first, "info"):
        raise ValueError(
            f"{name} works on tables (n_samples, n_features), but was given "
            f"{type(first).__name__}. Call epochs.get_data().reshape(len(epochs), -1) for one row "
            "per epoch, or raw.get_data().T for one row per time."
        )
