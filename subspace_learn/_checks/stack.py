"""What a stack of symmetric matrices may be."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._array import Array, array_namespace, is_array, to_numpy
from .epochs import check_stack
from .magnitude import check_magnitude

__all__ = ["check_spd"]


def check_spd(estimator: Any, X: Any, *, reset: bool, method: str = "fit") -> Array:
    """Check a stack ``X`` of symmetric matrices, shape (n_matrices, n, n), for ``estimator``.

    Positive definiteness is checked where the eigenvalues are computed anyway.

    Parameters
    ----------
    estimator : estimator
        Gets ``n_features_in_``, the size n, if ``reset``, else is compared with.
    X : array of shape (n_matrices, n, n)
        What the user gave.
    reset : bool
        Whether this is (the first batch of) a fit.
    method : str, default="fit"
        Name of the calling method, for error messages.

    Returns
    -------
    X : array of shape (n_matrices, n, n)
        Of float32 or float64, never changed.

    Raises
    ------
    ValueError
        If ``X`` is complex, not 3-D, empty, not square, not symmetric within rounding, holds NaN or
        infinity, or is of another size than in fit.
    """
    name = type(estimator).__name__
    ndim = X.ndim if is_array(X) else np.ndim(X)
    if ndim != 3:
        raise ValueError(
            f"{name}.{method}() expects a stack of symmetric matrices, shape (n_matrices, n, n), "
            f"but got a {ndim}D array. AugmentedCovariances makes one from epochs."
        )
    X = check_stack(estimator, X, reset=reset, each="matrix", axes="rows")
    if X.shape[1] != X.shape[2]:
        raise ValueError(
            f"{name}.{method}() expects square matrices, but X has shape {tuple(X.shape)}. If "
            "these are epochs, put AugmentedCovariances before it."
        )
    check_magnitude(X, name=name, smallest=reset, like=np.float64)
    xp = array_namespace(X)
    gap = xp.max(xp.abs(X - xp.matrix_transpose(X)), axis=(1, 2))
    bad = to_numpy(gap > 1e3 * xp.finfo(X.dtype).eps * xp.max(xp.abs(X), axis=(1, 2)))
    if bad.any():
        raise ValueError(
            f"X is not symmetric: {int(bad.sum())} matrices differ from their transpose, the "
            f"first at index {int(bad.argmax())}. Take (X + X.swapaxes(1, 2)) / 2 if that is "
            "rounding."
        )
    return X
