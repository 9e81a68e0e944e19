"""What epochs may be: arrays, ``mne.Epochs``, and the lists into which scikit-learn cuts these.

What ``mne.Epochs`` say of themselves (names, order and types of channels, sampling rate) is kept in
fit and compared afterwards, for every estimator of epochs or sequences.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.validation import check_array

from .._array import Array, array_namespace, as_float, detached, is_array, is_numpy, to_numpy
from .._warnings import warn
from .columns import refuse_masked
from .magnitude import check_magnitude
from .table import check_samples

__all__ = [
    "Recording",
    "check_epochs",
    "check_power",
    "check_stack",
    "is_recording",
    "warn_if_transposed",
    "warn_of_unequal_channels",
]

_FLOATS = [np.float64, np.float32]
# Channel types of MNE that hold signals of the brain; "misc" is what MNE calls unnamed ones.
_BRAIN_SIGNALS = {"eeg", "mag", "grad", "seeg", "ecog", "dbs", "csd", "misc", "hbo", "hbr"}
# One channel of 21 that is 30 times larger than the others costs up to ten points of accuracy with
# shrinkage, one that is 10 times larger at most three (motor imagery and SSVEP, four subjects).
_UNEQUAL = 30.0


class Recording(NamedTuple):
    """What epochs say of themselves; None where they are plain arrays."""

    sfreq: float | None
    """Sampling rate in Hz: the parameter ``sfreq`` of the estimator, or that of the epochs."""
    ch_names: list[str] | None
    ch_types: list[str] | None


def is_recording(X: Any) -> bool:
    """Whether ``X`` is an object of MNE that holds signals, or a list of such objects."""
    parts = X if isinstance(X, list | tuple) and len(X) else [X]
    return all(hasattr(part, "get_data") and hasattr(part, "info") for part in parts)


def check_epochs(
    estimator: Any, X: Any, *, reset: bool, method: str = "fit", power: int = 4
) -> tuple[Array, Recording]:
    """Check signals ``X`` of shape (n_epochs, n_channels, n_times) for ``estimator``.

    Parameters
    ----------
    estimator : estimator
        Gets ``n_features_in_`` (the number of channels, or of times if X is a table), ``ch_names_``
        and ``sfreq_`` if ``reset``, else is compared with. Its parameter ``sfreq``, if there is
        one, must agree with the epochs.
    X : array of shape (n_epochs, n_channels, n_times) or (n_epochs, n_times), mne.Epochs or a list
        A table holds one channel per row. A list of ``mne.Epochs`` is what scikit-learn makes of
        them when it takes rows.
    reset : bool
        Whether this is a fit.
    method : str, default="fit"
        Name of the calling method, for error messages.
    power : int, default=4
        Highest power of X that is formed, in float64: shrinkage squares covariances.

    Returns
    -------
    X : array of shape (n_epochs, n_channels, n_times)
        Of float32 or float64, never changed.
    recording : Recording
        Sampling rate, names and types of the channels, if X or the estimator says them.

    Raises
    ------
    ValueError
        If ``X`` is complex, neither 2-D nor 3-D, empty, holds NaN or infinity (the epochs are
        named), has fewer than two times, or another number of channels than in fit; if mne.Epochs
        have another sampling rate, other channels or another order of channels than in fit, wait
        for a projection or for the rejection of epochs, or are no epochs.
    """
    name = f"{type(estimator).__name__}.{method}()"
    recording = Recording(None, None, None)
    if is_recording(X):
        X, recording = _opened(list(X) if isinstance(X, list | tuple) else [X], name, warns=reset)
    X = _signals(estimator, X, reset=reset, method=method)
    check_magnitude(X, power=power, name=type(estimator).__name__, smallest=reset, like=np.float64)
    recording = recording._replace(sfreq=_agreed_rate(estimator, recording.sfreq, reset=reset))
    if reset:
        estimator.ch_names_, estimator.sfreq_ = recording.ch_names, recording.sfreq
    else:
        _check_names(recording.ch_names, getattr(estimator, "ch_names_", None))
    return X, recording


def _opened(parts: list[Any], name: str, *, warns: bool) -> tuple[np.ndarray, Recording]:
    """Signals of objects of MNE, one after another, and what they say of themselves."""
    first, data = parts[0], []
    names = getattr(first, "ch_names", None)  # look-alikes may have none
    types = None if names is None else list(first.get_channel_types())
    for k, part in enumerate(parts):
        kind = type(part).__name__
        if hasattr(part, "freqs"):
            raise ValueError(
                f"{name} was given {kind}: powers of frequencies, not signals. Give it the "
                "mne.Epochs from which they were computed."
            )
        waiting = [p["desc"] for p in part.info.get("projs", []) if not p["active"]]
        if waiting:
            raise ValueError(
                f"{name} was given {kind} with a projection that is not applied: "
                f"{', '.join(waiting)}. Call epochs.apply_proj() first, or epochs.del_proj() to do "
                "without it."
            )
        if getattr(part, "ch_names", None) != names or part.info["sfreq"] != first.info["sfreq"]:
            raise ValueError(
                f"{name} was given a list of {kind} that do not belong together: number {k} has "
                "other channels, or another order or sampling rate, than number 0. Pick, reorder "
                "and resample before you put them together."
            )
        if types is not None and list(part.get_channel_types()) != types:
            raise ValueError(
                f"{name} was given a list of {kind} that do not belong together: number {k} has "
                f"channels of the types {_kinds(part.get_channel_types())}, number 0 "
                f"{_kinds(types)}, which are in other units. Call set_channel_types first."
            )
        n_events = len(getattr(part, "events", ()))  # reading drops some of it
        signals = part.get_data()
        if signals.ndim != 3:
            raise ValueError(
                f"{name} was given a {kind} of shape {signals.shape}, but needs epochs. Cut it "
                "with mne.Epochs or mne.make_fixed_length_epochs."
            )
        if hasattr(part, "events") and len(signals) != n_events:
            raise ValueError(
                f"{name} was given {kind} of {n_events} events, of which "
                f"{n_events - len(signals)} were rejected when it read them, so that labels and "
                "epochs may not belong together. Call epochs.drop_bad() first, and take the labels "
                "from epochs.events after that."
            )
        data.append(signals)
    X, rate = np.concatenate(data), float(first.info["sfreq"])
    if names is None or types is None:
        return X, Recording(rate, None, None)
    if warns:
        _warn_of_other_channels(names, types, [b for part in parts for b in part.info["bads"]])
    return X, Recording(rate, list(names), types)


def _kinds(types: list[str]) -> str:
    return ", ".join(sorted(set(types)))


def _warn_of_other_channels(names: list[str], types: list[str], bads: list[str]) -> None:
    """Warn of eye, trigger and bad channels, which ``get_data`` hands over like the others."""
    kinds = zip(names, types, strict=True)
    other = [f"{name} ({kind})" for name, kind in kinds if kind not in _BRAIN_SIGNALS]
    other += [f"{name} (marked bad)" for name in dict.fromkeys(bads)]
    if other:
        warn(
            f"These channels are used like any other: {', '.join(other)}. Pick those you mean, "
            "for example epochs.copy().pick('eeg')."
        )


def _signals(estimator: Any, X: Any, *, reset: bool, method: str) -> Array:
    """Array of shape (n_epochs, n_channels, n_times), checked; a table has one channel."""
    name = type(estimator).__name__
    if not (is_array(X) or hasattr(X, "ndim")):
        try:
            X = np.asarray(X)  # lists
        except ValueError:
            shapes = sorted({np.shape(part) for part in X if hasattr(part, "shape")})
            raise ValueError(
                f"{name}.{method}() was given epochs that differ in size"
                f"{f' ({shapes[0]}, {shapes[1]}, ...)' if len(shapes) > 1 else ''}. Cut or pad "
                "them to the same channels and times."
            ) from None
    if X.ndim > 3:
        raise ValueError(
            f"{name}.{method}() expects epochs of shape (n_epochs, n_channels, n_times), or "
            f"(n_epochs, n_times) for one channel, but got a {X.ndim}D array of shape "
            f"{tuple(X.shape)}."
        )
    if X.ndim == 3:
        X = check_stack(estimator, X, reset=reset, each="epoch", axes="channels")
    else:
        n_known = None if reset else getattr(estimator, "n_features_in_", None)
        if X.ndim == 2 and X.shape[1] != n_known == X.shape[0]:
            raise ValueError(
                f"X has {X.shape[1]} features, but {name} is expecting {n_known} features as "
                f"input. If X is one epoch of {n_known} channels, give {name}.{method}() a stack "
                "of one: X[None]."
            )
        X = check_samples(estimator, X, reset=reset, method=method, computed_in=np.float64)
        X = array_namespace(X).expand_dims(X, axis=1)
    if X.shape[2] < 2:
        raise ValueError(
            f"{name}.{method}() needs at least 2 times in each epoch, but was given n_times="
            f"{X.shape[2]} (of a table: n_features = {X.shape[2]}). X is (n_epochs, n_channels, "
            "n_times), or (n_epochs, n_times) for one channel."
        )
    return X


def check_stack(estimator: Any, X: Any, *, reset: bool, each: str, axes: str) -> Array:
    """Check a 3-D array: real, not empty, finite (else the bad entries are named), its size."""
    name = type(estimator).__name__
    if isinstance(X, np.ma.MaskedArray):
        refuse_masked(X, name=name)
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


def _agreed_rate(estimator: Any, own: float | None, *, reset: bool) -> float | None:
    """Sampling rate on which the epochs, the parameter ``sfreq`` and the fit agree."""
    asked = getattr(estimator, "sfreq", None)
    known = asked if asked is not None or reset else getattr(estimator, "sfreq_", None)
    if own is not None and known is not None and abs(own - known) > 1e-6 * known:
        where = f"those of fit at {known:g} Hz" if asked is None else f"sfreq = {known:g} Hz"
        raise ValueError(
            f"The epochs were sampled at {own:g} Hz, but {where}. The same number of samples means "
            f"another time there: resample the epochs, or fit {type(estimator).__name__} to epochs "
            "of one rate."
        )
    return known if own is None else own


def _check_names(given: list[str] | None, fitted: list[str] | None) -> None:
    """Raise unless both name the same channels in the same order, or one names none."""
    if given is None or fitted is None or given == fitted:
        return
    k = next(k for k, (a, b) in enumerate(zip(given, fitted, strict=True)) if a != b)
    raise ValueError(
        f"The channels differ from those of fit: channel {k} is {given[k]!r}, but was "
        f"{fitted[k]!r}. Put them in the order of ch_names_: epochs.copy().reorder_channels(...)."
    )


def check_power(power: np.ndarray, *, name: str) -> None:
    """Check epochs of several channels by the variance of each, at unit power of those of fit.

    Raises
    ------
    ValueError
        If no channel of an epoch changes; the first such epoch is named.

    Warns
    -----
    UserWarning
        If all epochs together are so large or small that they must be in another unit.
    """
    flat = ~power.any(axis=1)
    if flat.any() and power.shape[1] > 1:
        raise ValueError(
            f"{int(flat.sum())} of {len(power)} epochs hold constants only, hence nothing for "
            f"{name}: the first is number {int(flat.argmax())}, a flat epoch. Leave them out."
        )
    size = float(np.mean(power)) ** 0.5
    if size > 0 and not 1 / _UNEQUAL < size < _UNEQUAL:
        warn(
            f"The root mean square of these epochs is {size:.3g} times that of the epochs {name} "
            "was fitted to. Are they in another unit? Multiply them by a constant."
        )


def warn_if_transposed(X: Array, recording: Recording, layout: str) -> None:
    """Warn if arrays, checked to (n, n_channels, n_times), have more channels than times."""
    if recording.ch_names is None and X.shape[1] > X.shape[2]:
        warn(
            f"X is read as {X.shape[1]} channels at {X.shape[2]} times, since it is {layout}. If "
            "these are channels and times in the other order, give X.swapaxes(1, 2)."
        )


def warn_of_unequal_channels(
    power: np.ndarray, scale: np.ndarray, names: list[str] | None, consequence: str
) -> None:
    """Warn of channels that never change, and if some are much larger than others of their type.

    Parameters
    ----------
    power : ndarray of shape (n_channels,)
        Mean variance of each channel; 0 if it never changes.
    scale : ndarray of shape (n_channels,)
        What each channel is divided by: one number for each type of channel.
    names : list of str or None
        Of the channels.
    consequence : str
        What unequal channels lead to.
    """
    names = names or [f"channel {k}" for k in range(len(power))]
    size = np.sqrt(power) / scale
    if (size > 0).any() and (size == 0).any():
        still = ", ".join(name for name, s in zip(names, size, strict=True) if s == 0)
        warn(f"Constant in all epochs, hence without information: {still}. Leave out, or mend.")
    big = int(size.argmax())
    small = int(np.where(size > 0, size, np.inf).argmin())
    if size[big] > _UNEQUAL * size[small] > 0:
        warn(
            f"Channels differ in size by a factor of {size[big] / size[small]:.3g}: the root mean "
            f"square of {names[big]} is {power[big] ** 0.5:.3g}, that of {names[small]} "
            f"{power[small] ** 0.5:.3g}. {consequence} Bring the channels to one unit, and leave "
            "out those that are broken."
        )
