"""What the public functions on rows accept: finite real tables of any kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from ..._array import array_namespace, is_array, is_complex, is_float, is_numpy

__all__ = ["given_rows"]


def given_rows(A: Any, *, name: str = "A") -> Any:
    """Return ``A`` itself if it is an array or sparse, else (lists, DataFrames) as float64.

    Parameters
    ----------
    A : array-like or sparse matrix of shape (n_samples, n_features)
        What the user gave.
    name : str, default="A"
        What it is called there.

    Returns
    -------
    A : array or sparse matrix
        Real, finite, two-dimensional.

    Raises
    ------
    ValueError
        If it cannot be that; what is masked, missing, a date or text is named.
    """
    plain = type(A) is np.ndarray and A.dtype.kind == "f" and A.ndim == 2 and len(A) > 0
    if plain and np.isfinite(A).all():
        return A
    if isinstance(A, np.ma.MaskedArray):
        if np.ma.is_masked(A):
            raise ValueError(
                f"{name} is a masked array with {int(np.ma.count_masked(A))} masked entries, which "
                f"would be read as data. Fill them ({name}.filled(...)), or leave those rows out."
            )
        A = np.asarray(A)
    if not (sp.issparse(A) or is_array(A)):
        A = np.asarray(A)
    if is_numpy(A) and A.dtype.kind not in "biufc":
        try:
            if A.dtype.kind in "mM":
                raise TypeError("dates or durations")
            A = A.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{name} needs a number in every place, but holds something else ({error}). Turn "
                "text and dates into numbers, and impute what is missing."
            ) from None
    if A.ndim != 2 or A.shape[0] == 0:
        raise ValueError(
            f"{name} has shape {tuple(A.shape)}, but must be a table of shape (n_samples, "
            "n_features) with at least one row."
        )
    values = A.tocoo().data if sp.issparse(A) else A
    if is_complex(values):
        raise ValueError(f"{name} is complex ({values.dtype}), but rows must be real.")
    if is_float(values):
        xp = array_namespace(values)
        n_bad = int(xp.sum(xp.astype(~xp.isfinite(values), xp.int64)))
        if n_bad:
            raise ValueError(
                f"{name} holds {n_bad} NaN or infinite values. Impute them, or leave those rows "
                "out."
            )
    return A
