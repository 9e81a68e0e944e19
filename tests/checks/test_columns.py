"""Tables that hold dates, text, missing entries or a mask: the answer names the column."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from subspace_learn import GrassmannPCA
from subspace_learn._checks.columns import is_missing
from subspace_learn._checks.table import check_groups, check_labels, check_samples, check_table


def frame(**columns):
    return pd.DataFrame({"height": [1.5, 1.7, 1.6], **columns})


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-05"]), "dates"),
        (pd.to_timedelta([1, 2, 3], unit="h"), "durations"),
        (["tall", "small", "tall"], "text"),
        (pd.Categorical(["a", "b", "a"]), "text"),
        (pd.Series(["a", None, "b"], dtype="string"), "text"),
        (np.array([pd.Timestamp("2026-01-01"), 1.0, 2.0], dtype=object), "dates"),
    ],
    ids=str,
)
def test_column_that_is_no_number_is_named(column, kind):
    with pytest.raises(ValueError, match=rf"GrassmannPCA needs numbers.*'when' \({kind}\)"):
        GrassmannPCA(1).fit(frame(when=column))
    with pytest.raises(ValueError, match=r"successors has the column.*'when'"):
        check_table(frame(when=column), estimator=GrassmannPCA(), input_name="successors")


def test_date_of_polars_is_named():
    table = pl.DataFrame({"height": [1.5, 1.7], "when": pl.Series([1, 2]).cast(pl.Date)})
    with pytest.raises(ValueError, match=r"'when' \(dates\)"):
        GrassmannPCA(1).fit(table)


@pytest.mark.parametrize("dates_only", [True, False])
def test_dates_never_become_numbers(dates_only):
    table = frame(when=pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-05"]))
    with pytest.raises(ValueError, match="dates"):
        GrassmannPCA(1).fit(table[["when"]] if dates_only else table)


@pytest.mark.parametrize("dtype", ["Float64", "float64", "object"])
def test_missing_entry_is_named_by_column_and_row(dtype):
    missing = np.nan if dtype == "float64" else pd.NA
    table = frame(weight=pd.Series([60.0, missing, 80.0], dtype=dtype))
    with pytest.raises(ValueError, match="column 'weight', row 1"):
        GrassmannPCA(1).fit(table)


def test_number_of_bad_entries_is_told():
    X = np.ones((3, 4))
    X[1, 2] = np.inf
    X[2, 3] = np.nan
    with pytest.raises(ValueError, match="2 of 12 entries, the first in column 2, row 1"):
        GrassmannPCA(1).fit(X)


@pytest.mark.parametrize("values", [["1.5", "2"], [1, True], pd.Categorical([3.5, 4.5])])
def test_texts_and_categories_of_numbers_are_numbers(values):
    table = pd.DataFrame({"a": pd.Series(values, dtype=None), "b": [1.0, 2.0]})
    checked = check_samples(GrassmannPCA(), table, reset=True)
    np.testing.assert_array_equal(checked[:, 0], np.asarray(values, dtype=float))


def test_nullable_columns_without_gaps_are_numbers():
    table = frame(
        n=pd.Series([1, 2, 3], dtype="Int64"), yes=pd.Series([True, False, True], dtype="boolean")
    )
    checked = check_samples(GrassmannPCA(), table, reset=True)
    np.testing.assert_array_equal(checked, [[1.5, 1, 1], [1.7, 2, 0], [1.6, 3, 1]])


def test_mask_is_not_ignored():
    X = np.ma.masked_greater(np.arange(12.0).reshape(4, 3), 10)
    for call in (GrassmannPCA(1).fit, GrassmannPCA(1).fit(np.eye(3)).transform):
        with pytest.raises(ValueError, match="1 masked entries"):
            call(X)
    fitted = GrassmannPCA(1).fit(np.ma.MaskedArray(np.arange(12.0).reshape(4, 3)))
    assert fitted.n_features_in_ == 3


def test_missing_labels_and_groups_are_counted():
    labels = pd.Series(["a", pd.NA, "b"], dtype=object)
    with pytest.raises(ValueError, match=r"y has 1 missing label\(s\), the first at row 1"):
        check_labels(GrassmannPCA(), labels)
    with pytest.raises(ValueError, match=r"groups has 1 missing name\(s\), the first at row 1"):
        check_groups(labels, 3)
    with pytest.raises(ValueError, match="y is a masked array"):
        check_labels(GrassmannPCA(), np.ma.masked_equal([1, 2, 3], 2))


def test_missing_is_what_pandas_calls_missing():
    values = [None, np.nan, pd.NA, pd.NaT, float("nan"), 0, "", "nan", False, np.datetime64("NaT")]
    assert [is_missing(v) for v in values] == [bool(pd.isna(v)) for v in values]


@pytest.mark.parametrize("dtype", ["datetime64[D]", "datetime64[ns]", "timedelta64[s]"])
def test_array_of_dates_never_becomes_numbers(dtype):
    X = np.arange(12).reshape(4, 3).astype(dtype)
    with pytest.raises(ValueError, match="X is an array of"):
        GrassmannPCA(1).fit(X)
    with pytest.raises(ValueError, match="inputs is an array of"):
        check_table(X, estimator=GrassmannPCA(), input_name="inputs")


@pytest.mark.parametrize("unit", ["D", "ns"])
def test_missing_date_is_no_class_and_no_group(unit):
    dates = np.array(["2026-01-01", "NaT", "2026-02-01"], dtype=f"datetime64[{unit}]")
    with pytest.raises(ValueError, match=r"y has 1 missing label\(s\), the first at row 1"):
        check_labels(GrassmannPCA(), dates)
    with pytest.raises(ValueError, match=r"groups has 1 missing name\(s\), the first at row 1"):
        check_groups(dates, 3)
    assert len(check_labels(GrassmannPCA(), dates[[0, 2]])) == 2


def test_complex_column_is_named():
    with pytest.raises(ValueError, match=r"Complex data not supported.*column\(s\) 'phase'\.$"):
        GrassmannPCA(1).fit(frame(phase=[1j, 2j, 3j]))
