"""What complex X may be: scikit-learn refuses it, so these checks stand beside `_validation`."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._array import Array, is_array, is_complex, is_numpy, to_numpy
from .magnitude import check_magnitude, without_nan
from .table import check_like, check_samples, checked_features

__all__ = ["check_measurements", "check_target_is_not_complex"]


def check_measurements(
    estimator: Any,
    X: Any,
    *,
    reset: bool,
    like: Array | None = None,
    method: str = "fit",
    allow_nan: bool = False,
) -> Any:
    """Check a table of measurements, which unlike that of `check_samples` may be complex.

    Parameters
    ----------
    estimator : estimator
        Gets ``n_features_in_`` (and ``feature_names_in_``) if ``reset``, else is compared with.
    X : array-like, DataFrame, or array of any library
        What the user gave, (n_snapshots, n_sensors).
    reset : bool
        Whether this is a fit.
    like : array, optional
        A fitted array: ``X`` must be of its library and on its device.
    method : str, default="fit"
        Name of the calling method, for error messages.
    allow_nan : bool, default=False
        Whether NaN is an answer: that nothing was measured.

    Returns
    -------
    X : array of float32, float64, complex64 or complex128
        The input itself where possible, never changed.

    Raises
    ------
    ValueError
        As `check_samples`, complex input apart.
    """
    foreign = is_array(X) and not is_numpy(X)
    if not (is_complex(X) if foreign else _holds_complex(X)):
        how: Any = {"like": like, "method": method, "allow_nan": allow_nan}
        return check_samples(estimator, X, reset=reset, **how)
    if like is not None:
        check_like(X, like, where=f"{type(estimator).__name__}.{method}()")
    X = X if foreign else _as_numbers(X)
    X = checked_features(estimator, X, reset=reset, min_samples=1, allow_nan=allow_nan)
    check_magnitude(
        without_nan(X) if allow_nan else X, name=type(estimator).__name__, smallest=reset
    )
    return X


def check_target_is_not_complex(estimator: Any, y: Any) -> None:
    """Raise ValueError if an estimator that learns without a target is given a complex one.

    Real ``y`` is ignored, as scikit-learn's convention has it; complex ``y`` can only be
    measurements or a reference signal that the caller believes to be used.
    """
    if y is not None and _holds_complex(to_numpy(y) if is_array(y) else y):
        raise ValueError(
            f"Complex data not supported in y: {type(estimator).__name__} uses no target. Give all "
            "measurements as rows of X."
        )


def _holds_complex(values: Any) -> bool:
    """Whether a list, DataFrame or NumPy array is complex; a sparse matrix is an object here."""
    values = np.asarray(values)
    # polars has no complex columns: it keeps the numbers as objects
    objects = values.flat if values.dtype.kind == "O" and values.ndim else ()
    return values.dtype.kind == "c" or any(
        isinstance(v, complex | np.complexfloating) for v in objects
    )


def _as_numbers(X: Any) -> Any:
    """Complex numbers that were kept as objects, as an array; the rest as it is."""
    return np.asarray(X).astype(np.complex128) if np.asarray(X).dtype.kind == "O" else X
