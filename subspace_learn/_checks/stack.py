"""What a stack of tables may be, epochs or matrices: 3-D, so checked beside `_validation`."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_array

from .._array import Array, array_namespace, as_float, detached, is_array, is_numpy, to_numpy
from .magnitude import check_magnitude
from .table import check_samples

__all__ = ["check_epochs", "check_spd"]

_FLOATS = [np.float64, np.float32]


def check_epochs(
    estimator: Any, X: Any, *, reset: bool, method: str = "fit"
) -> tuple[Array, float | None]:
    """Check signals ``X`` of shape (n_epochs, n_channels, n_times) for ``estimator``.

    Parameters
    ----------
    estimator : estimator
        Gets ``n_features_in_`` if ``reset``, else is compared with: the number of channels, or of
        times if X is a table.
    X : array of shape (n_epochs, n_channels, n_times) or (n_epochs, n_times), or mne.Epochs
        A table holds one channel per row. ``mne.Epochs`` is known by its ``get_data`` and ``info``.
    reset : bool
        Whether this is a fit.
    method : str, default="fit"
        Name of the calling method, for error messages.

    Returns
    -------
    X : array of shape (n_epochs, n_channels, n_times)
        Of float32 or float64, never changed.
    sfreq : float or None
        Sampling rate in Hz, if X says it.

    Raises
    ------
    ValueError
        If ``X`` is complex, neither 2-D nor 3-D, empty, holds NaN or infinity (the epochs are
        named), has fewer than two times, or another number of channels than in fit.
    """
    name = type(estimator).__name__
    sfreq = None
    if hasattr(X, "get_data") and hasattr(X, "info"):
        kind, sfreq, X = type(X).__name__, float(X.info["sfreq"]), X.get_data()
        if X.ndim != 3:
            raise ValueError(
                f"{name}.{method}() was given a {kind} of shape {X.shape}, but needs epochs. Cut "
                "it with mne.Epochs or mne.make_fixed_length_epochs."
            )
    if not (is_array(X) or hasattr(X, "ndim")):
        X = np.asarray(X)  # lists
    if X.ndim > 3:
        raise ValueError(
            f"{name}.{method}() expects epochs of shape (n_epochs, n_channels, n_times), or "
            f"(n_epochs, n_times) for one channel, but got a {X.ndim}D array of shape "
            f"{tuple(X.shape)}."
        )
    if X.ndim != 3:
        n_known = None if reset else getattr(estimator, "n_features_in_", None)
        if X.ndim == 2 and X.shape[1] != n_known == X.shape[0]:
            raise ValueError(
                f"X has {X.shape[1]} features, but {name} is expecting {n_known} features as "
                f"input. If X is one epoch of {n_known} channels, give {name}.{method}() a stack "
                "of one: X[None]."
            )
        X = check_samples(estimator, X, reset=reset, method=method)
        X = array_namespace(X).expand_dims(X, axis=1)
    else:
        X = _check_stack(estimator, X, reset=reset, each="epoch", axes="channels")
        check_magnitude(X, name=name, smallest=reset)
    if X.shape[2] < 2:
        raise ValueError(
            f"{name}.{method}() needs at least 2 times in each epoch, but was given n_times="
            f"{X.shape[2]} (of a table: n_features = {X.shape[2]}). X is (n_epochs, n_channels, "
            "n_times), or (n_epochs, n_times) for one channel."
        )
    return X, sfreq


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
    X = _check_stack(estimator, X, reset=reset, each="matrix", axes="rows")
    if X.shape[1] != X.shape[2]:
        raise ValueError(
            f"{name}.{method}() expects square matrices, but X has shape {tuple(X.shape)}. If "
            "these are epochs, put AugmentedCovariances before it."
        )
    check_magnitude(X, name=name, smallest=reset)
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


def _check_stack(estimator: Any, X: Any, *, reset: bool, each: str, axes: str) -> Array:
    """Check a 3-D array: real, not empty, finite (else the bad entries are named), its size."""
    name = type(estimator).__name__
    if is_numpy(X) or not is_array(X):
        X = check_array(
            X, dtype=_FLOATS, allow_nd=True, ensure_all_finite=False, estimator=estimator
        )
    xp = array_namespace(X)
    if xp.isdtype(X.dtype, "complex floating"):
        raise ValueError(f"Complex data not supported: {name} was given dtype {X.dtype}.")
    if 0 in X.shape:
        raise ValueError(
            f"Found array with shape {tuple(X.shape)}: {name} needs at least one sample along each "
            f"axis. Was every {each} dropped by an earlier step?"
        )
    X = as_float(detached(X))
    bad = to_numpy(xp.any(~xp.isfinite(X), axis=(1, 2)))
    if bad.any():
        named = ", ".join(map(str, np.flatnonzero(bad)[:10]))
        raise ValueError(
            f"Input X contains NaN or infinity: {int(bad.sum())} of {X.shape[0]}, {each} {named}"
            f"{', ...' if bad.sum() > 10 else ''}. Drop or repair them before {name}."
        )
    if reset:
        estimator.n_features_in_ = X.shape[1]
        if hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
    elif hasattr(estimator, "n_features_in_") and X.shape[1] != estimator.n_features_in_:
        raise ValueError(
            f"X has {X.shape[1]} {axes}, but {name} is expecting {estimator.n_features_in_} {axes} "
            "as in fit. Pick the same channels in the same order."
        )
    return X
