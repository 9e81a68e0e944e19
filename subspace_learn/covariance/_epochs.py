"""What the estimators of epochs share: lags in samples or seconds, sampling rate, channel names."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any

import numpy as np

from .._array import Array, array_namespace, move_like, to_numpy
from .._checks.magnitude import check_magnitude
from .._checks.stack import check_epochs
from .._checks.table import check_sample_weight

__all__ = ["checked_epochs", "lag_in_samples", "weighted_rows"]

# Channel types of MNE that hold signals of the brain; "misc" is what MNE calls unnamed ones.
_BRAIN_SIGNALS = {"eeg", "mag", "grad", "seeg", "ecog", "dbs", "csd", "misc", "hbo", "hbr"}


def checked_epochs(
    estimator: Any, X: Any, *, reset: bool, method: str
) -> tuple[Array, float | None]:
    """Checked epochs and their sampling rate: the parameter ``sfreq``, or what mne.Epochs says.

    With ``reset`` the estimator gets ``ch_names_`` of mne.Epochs, else None, and channels that are
    marked bad or record no brain signal are warned of.

    Raises
    ------
    ValueError
        If both say something, but not the same; or if the epochs have another rate, other channels
        or another order of channels than in fit.
    """
    names = list(X.ch_names) if hasattr(X, "get_data") and hasattr(X, "ch_names") else None
    if reset and names is not None:
        _warn_of_other_channels(X)
    X, own = check_epochs(estimator, X, reset=reset, method=method)
    # shrinkage and distances square the covariances
    check_magnitude(X, power=4, name=type(estimator).__name__, smallest=reset, like=np.float64)
    known = estimator.sfreq
    if not reset and known is None:
        known = getattr(estimator, "sfreq_", None)
    if own is not None and known is not None and abs(own - known) > 1e-6 * known:
        where = f"sfreq = {known:g} Hz"
        if estimator.sfreq is None:
            where = f"those of fit at {known:g} Hz"
        raise ValueError(
            f"The epochs were sampled at {own:g} Hz, but {where}. A lag in samples "
            f"means another time there: resample the epochs, or fit {type(estimator).__name__} to "
            "epochs of one rate."
        )
    if reset:
        estimator.ch_names_ = names
    else:
        _check_names(names, getattr(estimator, "ch_names_", None))
    return X, known if own is None else own


def _warn_of_other_channels(epochs: Any) -> None:
    """Warn of eye, trigger and bad channels, which ``get_data`` hands over like the others."""
    kinds = dict(zip(epochs.ch_names, epochs.get_channel_types(), strict=True))
    other = [f"{name} ({kind})" for name, kind in kinds.items() if kind not in _BRAIN_SIGNALS]
    other += [f"{name} (marked bad)" for name in epochs.info["bads"]]
    if other:
        warnings.warn(
            f"These channels enter the covariances like any other: {', '.join(other)}. Pick those "
            "you mean, for example epochs.copy().pick('eeg').",
            UserWarning,
            stacklevel=5,
        )


def _check_names(given: list[str] | None, fitted: list[str] | None) -> None:
    """Raise unless both name the same channels in the same order, or one names none."""
    if given is None or fitted is None or given == fitted:
        return
    k = next(k for k, (a, b) in enumerate(zip(given, fitted, strict=True)) if a != b)
    raise ValueError(
        f"The channels differ from those of fit: channel {k} is {given[k]!r}, but was "
        f"{fitted[k]!r}. Put them in the order of ch_names_: epochs.copy().reorder_channels(...)."
    )


def lag_in_samples(lag: Any, sfreq: float | None) -> int:
    """Lag in samples: an int is one already, a float is a time in seconds.

    Raises
    ------
    ValueError
        If a time is given without a sampling rate, or is shorter than half a sample.
    """
    if isinstance(lag, Integral):
        return int(lag)
    if not isinstance(lag, Real):
        raise TypeError(f"lag={lag!r} must be an int (samples) or a float (seconds).")
    if sfreq is None:
        raise ValueError(
            f"lag={lag!r} is a float, hence in seconds, which needs the sampling rate: set sfreq, "
            "pass mne.Epochs, or give the lag in samples as an int."
        )
    samples = round(float(lag) * sfreq)
    if samples < 1:
        raise ValueError(
            f"lag={lag!r} s is less than half a sample at {sfreq:g} Hz. The shortest lag is "
            f"{1 / sfreq:.4g} s."
        )
    return samples


def weighted_rows(
    X: Array, y: np.ndarray, sample_weight: Any
) -> tuple[Array, np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Epochs, labels and weights where the weight is positive, and all weights (None if none)."""
    if sample_weight is None:
        return X, y, None, None
    weight = to_numpy(check_sample_weight(sample_weight, X))
    rows = np.flatnonzero(weight)
    X = array_namespace(X).take(X, move_like(rows, X), axis=0)
    return X, y[rows], weight[rows], weight
