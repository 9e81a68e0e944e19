"""What X may be: the checks that stand between a user's data and the mathematics.

NumPy arrays, lists, DataFrames and SciPy sparse matrices go through scikit-learn's own checks.
Arrays of other libraries (CuPy, torch, ...) are checked here, on their device, and so do not depend
on scikit-learn's ``array_api_dispatch`` flag.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils import _safe_indexing
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_feature_names,
    _check_sample_weight,
    assert_all_finite,
    check_array,
    check_consistent_length,
    column_or_1d,
    validate_data,
)

from .._array import (
    Array,
    array_namespace,
    as_float,
    detached,
    device_of,
    is_array,
    is_complex,
    is_numpy,
    library_name,
    move_like,
    to_numpy,
)
from .columns import (
    is_missing,
    refuse_masked,
    refuse_recording,
    refuse_what_is_no_number,
    said_where,
)
from .magnitude import check_magnitude, surely_within, without_nan

__all__ = [
    "check_groups",
    "check_labels",
    "check_like",
    "check_on_host",
    "check_sample_weight",
    "check_samples",
    "check_scores",
    "check_table",
    "checked_features",
    "rows_of",
]

_FLOATS = [np.float64, np.float32]
# Their products with squares of X stay floats; larger numbers are no counts of rows anyway.
_SMALLEST_WEIGHT, _LARGEST_WEIGHT = 1e-30, 1e30


def check_samples(
    estimator: Any,
    X: Any,
    *,
    reset: bool,
    like: Array | None = None,
    method: str = "fit",
    accept_sparse: bool | Sequence[str] = False,
    min_samples: int = 1,
    power: int | None = 2,
    computed_in: Any = None,
    allow_nan: bool = False,
) -> Any:
    """Check a table ``X`` of shape (n_samples, n_features) for ``estimator``.

    Parameters
    ----------
    estimator : estimator
        Gets ``n_features_in_`` (and ``feature_names_in_``) if ``reset``, else is compared with.
    X : array-like, sparse matrix, DataFrame, or array of any library
        What the user gave.
    reset : bool
        Whether this is (the first batch of) a fit.
    like : array, optional
        A fitted array: ``X`` must be of its library and on its device.
    method : str, default="fit"
        Name of the calling method, for error messages.
    accept_sparse : bool or list of str, default=False
        Sparse formats to let through.
    min_samples : int, default=1
        Fewest rows allowed.
    power : int, default=2
        Highest power of X that the estimator forms, which must not leave the range of floats; None
        if it computes nothing.
    computed_in : dtype, optional
        Of those powers, if it is not that of X: float32 rows whose squares are summed in float64
        may be as large or small as float64 allows.
    allow_nan : bool, default=False
        Whether NaN may stand for what is missing, in dense X.

    Returns
    -------
    X : array of float32 or float64, or sparse matrix
        The input itself where possible, never changed.

    Raises
    ------
    ValueError
        If ``X`` is complex, not 2-D, empty, holds NaN or infinity, has too few rows, another
        number of features than in fit, or another array library or device than in fit; if its
        values are so large or small that their powers are not.
    """
    name = type(estimator).__name__
    if not isinstance(X, np.ndarray):
        refuse_recording(X, name=f"{name}.{method}()")
    if like is not None:
        check_like(X, like, where=f"{name}.{method}()")
    # one pass instead of two where it settles both questions, which is nearly always
    settled = power is not None and surely_within(X, power=power, smallest=reset, like=computed_in)
    if settled and _is_plain(estimator, X, reset=reset, min_samples=min_samples):
        estimator.n_features_in_ = X.shape[1]
    elif is_numpy(X) or not is_array(X):
        X = _validated(
            estimator,
            X,
            reset=reset,
            dtype=_FLOATS,
            accept_sparse=accept_sparse,
            ensure_all_finite="allow-nan" if allow_nan else not settled,
            ensure_min_samples=min_samples,
        )
    elif is_complex(X):
        raise ValueError(f"Complex data not supported: {name} was given dtype {X.dtype}.")
    else:
        how: Any = {"reset": reset, "min_samples": min_samples, "allow_nan": allow_nan}
        X = checked_features(estimator, X, **how)
    if sp.issparse(X) and X.format in ("csr", "csc") and not X.has_canonical_format:
        X = X.copy()  # SciPy would sort the user's own, or fail where that is read-only
        X.sum_duplicates()
    if power is not None and not settled:
        known = without_nan(X) if allow_nan else X
        check_magnitude(known, power=power, name=name, smallest=reset, like=computed_in)
    return X


def _is_plain(estimator: Any, X: np.ndarray, *, reset: bool, min_samples: int) -> bool:
    """Whether scikit-learn's checks of a NumPy table of good numbers would find nothing.

    They cost more than the arithmetic on a batch of a stream.
    """
    return (
        X.ndim == 2
        and X.shape[0] >= min_samples
        and not hasattr(estimator, "feature_names_in_")
        and (reset or getattr(estimator, "n_features_in_", None) == X.shape[1])
    )


def _validated(estimator: Any, X: Any, **how: Any) -> Any:
    """Call `validate_data` of scikit-learn; its errors then say which column is meant."""
    name = type(estimator).__name__
    if isinstance(X, np.ma.MaskedArray):
        refuse_masked(X, name=name)
    refuse_what_is_no_number(X, name=name)
    try:
        return validate_data(estimator, X, **how)
    except (TypeError, ValueError) as error:
        raise said_where(error, X) from None


def checked_features(
    estimator: Any, X: Any, *, reset: bool, min_samples: int, allow_nan: bool = False
) -> Array:
    """Check a dense table that scikit-learn would refuse, its column names and their number."""
    name = type(estimator).__name__
    _check_feature_names(estimator, X, reset=reset)
    X = X if is_array(X) and not is_numpy(X) else np.asarray(X)
    X = _check_foreign_table(X, name=name, min_samples=min_samples, allow_nan=allow_nan)
    if reset:
        estimator.n_features_in_ = X.shape[1]
    elif X.shape[1] != estimator.n_features_in_:
        raise ValueError(
            f"X has {X.shape[1]} features, but {name} is expecting "
            f"{estimator.n_features_in_} features as input."
        )
    return X


def _check_foreign_table(
    X: Array, *, name: str, min_samples: int, input_name: str = "X", allow_nan: bool = False
) -> Array:
    """Check a dense array without scikit-learn: 2-D, finite, not empty."""
    xp = array_namespace(X)
    if X.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {X.ndim}D array of shape {tuple(X.shape)} instead. Reshape "
            "your data to (n_samples, n_features)."
        )
    if X.shape[0] < min_samples or X.shape[1] < 1:
        raise ValueError(
            f"Found array with {X.shape[0]} sample(s) and {X.shape[1]} feature(s) (shape="
            f"{tuple(X.shape)}) while a minimum of {max(min_samples, 1)} sample(s) and 1 feature "
            f"is required by {name}."
        )
    X = detached(X) if is_complex(X) else as_float(detached(X))
    if not bool(xp.all(xp.isfinite(without_nan(X) if allow_nan else X))):
        raise ValueError(
            f"Input {input_name} contains NaN or infinity. {name} needs finite values."
        )
    return X


def check_on_host(estimator: Any, X: Any) -> None:
    """Raise ValueError if X is an array of another library than NumPy."""
    if is_array(X) and not is_numpy(X):
        raise ValueError(
            f"{type(estimator).__name__} works on NumPy arrays, DataFrames and lists, but X is of "
            f"{library_name(X)}. Convert it, for example with ToDevice('cpu')."
        )


def check_like(X: Any, fitted: Array, *, where: str) -> None:
    """Raise ValueError unless ``X`` is of the array library and on the device of ``fitted``.

    Lists, DataFrames and sparse matrices count as NumPy.
    """
    given = library_name(X) if is_array(X) else "numpy"
    wanted = library_name(fitted)
    if given == wanted and (wanted == "numpy" or device_of(X) == device_of(fitted)):
        return
    device = "" if wanted == "numpy" else f" on device {device_of(fitted)}"
    here = f" on device {device_of(X)}" if given != "numpy" else ""
    raise ValueError(
        f"Inputs passed to {where} must use the same namespace and the same device as those "
        f"passed to fit(). Given: {given}{here}; fitted with: {wanted}{device}. Convert the input, "
        "for example with ToDevice, or fit again on data of this kind."
    )


def check_table(X: Any, *, estimator: Any, input_name: str) -> Array:
    """Check a real table of any library that is not the X of ``estimator``: successors, inputs.

    Raises ValueError, naming the table, if it is complex, not 2-D, empty, or not finite.
    """
    name = type(estimator).__name__
    if is_numpy(X) or not is_array(X):
        if isinstance(X, np.ma.MaskedArray):
            refuse_masked(X, name=name, input_name=input_name)
        refuse_what_is_no_number(X, name=name, input_name=input_name)
        try:
            X = check_array(X, dtype=_FLOATS, input_name=input_name, estimator=estimator)
        except (TypeError, ValueError) as error:
            raise said_where(error, X, input_name=input_name) from None
    elif is_complex(X):
        raise ValueError(f"Complex data not supported: {name} was given dtype {X.dtype}.")
    else:
        X = _check_foreign_table(X, name=name, min_samples=1, input_name=input_name)
    check_magnitude(X, name=name, input_name=input_name, smallest=False)
    return X


def check_scores(estimator: Any, X: Any, *, n_features: int, like: Array, method: str) -> Array:
    """Check coordinates ``X`` of shape (n_samples, n_features) that go back to the input space."""
    name = type(estimator).__name__
    check_like(X, like, where=f"{name}.{method}()")
    if n_features == 0 and getattr(X, "shape", ())[1:] == (0,):  # a space of no dimension
        return as_float(X if is_array(X) else np.asarray(X))
    X = check_table(X, estimator=estimator, input_name="X")
    if X.shape[1] != n_features:
        raise ValueError(
            f"X has {X.shape[1]} columns, but {name}.{method} needs the {n_features} coordinates "
            "that transform returns."
        )
    return X


def check_sample_weight(sample_weight: Any, X: Any, *, may_be_empty: bool = False) -> Array | None:
    """Check ``sample_weight`` against the rows of ``X``: None stays None, else float64.

    Weights are frequencies: a weight of 2 is a row given twice, 0 a row left out. They are moved to
    the library and device of ``X``. A batch of a stream, which ``may_be_empty``, may leave out all.

    Raises
    ------
    ValueError
        If they are negative, not finite, of the wrong shape, all zero, or the largest is not
        between 1e-30 and 1e30.
    """
    if sample_weight is None:
        return None
    if isinstance(sample_weight, np.ma.MaskedArray):
        refuse_masked(sample_weight, name="the estimator", input_name="sample_weight")
    host = to_numpy(sample_weight) if is_array(sample_weight) else sample_weight
    if may_be_empty and np.array_equal(host, zeros := np.zeros(X.shape[0])):
        return move_like(zeros, X)
    rows = np.empty((X.shape[0], 1)) if not sp.issparse(X) else X
    weights = _check_sample_weight(host, rows, dtype=np.float64, ensure_non_negative=True)
    if not weights.any():  # scikit-learn says so itself from 1.9 on
        raise ValueError("sample_weight must contain at least one non-zero number, but all are 0.")
    if not _SMALLEST_WEIGHT < weights.max() < _LARGEST_WEIGHT:
        raise ValueError(
            f"the largest sample_weight is {weights.max():.3g}; it must be between "
            f"{_SMALLEST_WEIGHT:.0e} and {_LARGEST_WEIGHT:.0e}. Multiply all by a constant."
        )
    return move_like(weights, X) if not is_numpy(X) else weights


def check_labels(estimator: Any, y: Any, n_samples: int | None = None) -> np.ndarray:
    """Check class labels ``y``, and their number if it is given; return them as a NumPy array.

    Labels may be an array of any library, a list, or a Series; numbers or words.

    Raises
    ------
    ValueError
        If there are none, they are not classes, not finite, not 1-D, or of another number than the
        rows.
    """
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None. Give "
            "one class label for each row of X."
        )
    if isinstance(y, np.ma.MaskedArray):
        refuse_masked(y, name=type(estimator).__name__, input_name="y")
    labels = column_or_1d(to_numpy(y) if is_array(y) else y, warn=True)
    _refuse_missing(list(labels) if labels.dtype.kind in "OmM" else [], "y", "label")
    assert_all_finite(labels, input_name="y", estimator_name=type(estimator).__name__)
    check_classification_targets(labels)
    if n_samples is not None:
        check_consistent_length(np.empty(n_samples), labels)
    return labels


def rows_of(X: Any, indices: np.ndarray) -> Any:
    """Rows of an array, a list, a sparse matrix or a DataFrame, which keeps its index."""
    X = X.tocsr() if sp.issparse(X) else X  # some formats have no rows
    return _safe_indexing(X, indices)


def check_groups(groups: Any, n_samples: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Check the group (client, session, subject) of each row.

    Parameters
    ----------
    groups : array-like of shape (n_samples,), or None
        Names; None means that all rows are one group.
    n_samples : int
        Number of rows.

    Returns
    -------
    names : ndarray of shape (n_groups,)
        Sorted.
    rows : list of ndarray
        Indices of the rows of each group, ascending.

    Raises
    ------
    ValueError
        If the length is wrong, or a name is missing (None or NaN).
    """
    if groups is None:
        return np.array([0]), [np.arange(n_samples)]
    if isinstance(groups, np.ma.MaskedArray):
        refuse_masked(groups, name="the estimator", input_name="groups")
    groups = to_numpy(groups) if is_array(groups) else np.asarray(groups)
    if groups.shape != (n_samples,):
        raise ValueError(
            f"groups has shape {groups.shape}, but X has {n_samples} rows. Give one group name for "
            "each row."
        )
    _refuse_missing(list(groups), "groups", "name")
    names, index = np.unique(groups, return_inverse=True)
    order = np.argsort(index, kind="stable")
    return names, np.split(order, np.cumsum(np.bincount(index))[:-1])


def _refuse_missing(values: list[Any], input_name: str, each: str) -> None:
    missing = np.array([is_missing(value) for value in values], dtype=bool)
    if missing.any():
        raise ValueError(
            f"{input_name} has {int(missing.sum())} missing {each}(s), the first at row "
            f"{int(missing.argmax())}. Give the {each} of every row, or leave those rows out."
        )
