"""EEG in epochs: PhysioNet motor imagery and MAMEM steady-state visual evoked potentials."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import scipy.io
import scipy.signal
from sklearn.utils import Bunch

from ._data_home import Outputs, local_files, optional_import, read_npz
from ._sources import MOTOR_IMAGERY_RUNS

__all__ = ["convert_motor_imagery", "convert_ssvep", "fetch_motor_imagery", "fetch_ssvep"]

_MOTOR_CHANNELS = (
    "FC5 FC3 FC1 FCz FC2 FC4 FC6 C5 C3 C1 Cz C2 C4 C6 CP5 CP3 CP1 CPz CP2 CP4 CP6".split()
)
_BAND = (8.0, 32.0)  # Hz: mu and beta rhythms
_WINDOW = (0.5, 3.5)  # seconds after the cue
_TASKS = {"hands": ("left_fist", "right_fist"), "hands_feet": ("both_fists", "both_feet")}
_MODES = ("imag", "exec")

_SSVEP_CHANNELS = "PO7 PO3 POz PO4 PO8 O1 Oz O2".split()
_SSVEP_FREQUENCIES = (12.0, 10.0, 8.57, 7.5, 6.66)  # Hz, of classes 0..4
_SSVEP_SUBJECTS = (1, 9)

_MOTOR_DESCR = """Motor imagery and execution, subject {subject} of the PhysioNet data set eegmmidb.

Epochs of 21 sensorimotor channels in microvolt at 160 Hz, 8-32 Hz (zero-phase fourth-order
Butterworth filter on each whole run), 0.5 s to 3.5 s after the cue, original reference. `target`
is left_fist, right_fist, both_fists or both_feet; `mode` is imag (imagined) or exec (really moved);
`run` is the run of the recording, in time order. No artefact was rejected, no trial dropped.
Subjects 1 and 15 have all twelve runs (180 trials), 3 and 7 only runs 3, 4, 5, 6, 7, 9 (90 trials).

Protocols from easy to hard: stratified folds within one task; leave one run out (groups = run);
train on exec, test on imag; train on one subject, test on another. There are no separate days.

Schalk et al., "BCI2000: a general-purpose brain-computer interface system", IEEE Trans. Biomed.
Eng. 51(6), 2004, and Goldberger et al., "PhysioBank, PhysioToolkit, and PhysioNet", Circulation
101(23), 2000. Open Data Commons Attribution License 1.0.
"""

_SSVEP_DESCR = """Steady-state visual evoked potentials, subject {subject} of MAMEM experiment 2.

500 segments of 1 s at 125 Hz, eight parieto-occipital channels, while the subject looked at one of
five flickering boxes; `target` 0..4 stands for `frequencies` 12, 10, 8.57, 7.5, 6.66 Hz. `session`
0..4 has 100 segments each; `window` 0..124 is the 5 s stimulus that a segment was cut from, four
in a row from each. Neighbours are nearly copies: never spread single segments over folds; leave one
session out, or use groups = window.

The frequencies were recovered from the spectra. Channel names, resampling and the 1-50 Hz filter
are as the MAtt experiments (CECNL/MAtt) describe them and were not checked.

Oikonomou et al., "Comparative evaluation of state-of-the-art algorithms for SSVEP-based BCIs",
arXiv:1602.00904, 2016, and Goldberger et al., Circulation 101(23), 2000 (PhysioNet mssvepdb).
Segments as published in jjscc/GBWBN, which has no licence file; the recordings are under the Open
Data Commons Attribution License 1.0.
"""


def fetch_motor_imagery(
    subject: int = 1,
    *,
    task: Literal["hands", "hands_feet"] | None = None,
    mode: Literal["imag", "exec"] | None = None,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
    progressbar: bool = False,
) -> Any:
    """Load motor imagery and execution epochs of one subject, downloading them if need be.

    Parameters
    ----------
    subject : {1, 3, 7, 15}, default=1
        Subject number in the PhysioNet data set.
    task : {"hands", "hands_feet"} or None, default=None
        Left against right fist, both fists against both feet, or all four.
    mode : {"imag", "exec"} or None, default=None
        Imagined or executed movement, or both.
    data_home : path-like or None, default=None
        Folder of the data; see :func:`data_home`.
    download_if_missing : bool, default=True
        If False, a missing file raises. A download is 16 to 31 MB.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    progressbar : bool, default=False
        Show the progress of a download (needs tqdm).

    Returns
    -------
    data : sklearn.utils.Bunch or tuple
        ``data`` (n_epochs, 21, 480) float32, microvolt; ``target``, ``mode`` (n_epochs,) words;
        ``run`` (n_epochs,); ``sfreq`` in Hz; ``ch_names``; ``subject``; ``DESCR``.

    Raises
    ------
    DatasetUnavailableError
        If the file is missing and cannot be brought, or is damaged.
    ValueError
        If ``subject``, ``task`` or ``mode`` is unknown.
    """
    _check_choice("subject", subject, tuple(MOTOR_IMAGERY_RUNS))
    _check_choice("task", task, (*_TASKS, None))
    _check_choice("mode", mode, (*_MODES, None))
    name = f"eeg/physionet_mi_S{subject:03d}"
    [path] = local_files(
        name,
        [f"{name}.npz"],
        partial(convert_motor_imagery, subject=subject),
        home=data_home,
        download_if_missing=download_if_missing,
        progressbar=progressbar,
    )
    stored = read_npz(path, ["X", "y", "mode", "run", "sfreq", "ch_names"])
    wanted = np.ones(len(stored["y"]), dtype=bool)
    if task is not None:
        wanted &= np.isin(stored["y"], _TASKS[task])
    if mode is not None:
        wanted &= stored["mode"] == mode
    bunch = Bunch(
        data=stored["X"][wanted],
        target=stored["y"][wanted],
        mode=stored["mode"][wanted],
        run=stored["run"][wanted].astype(np.int64),
        sfreq=float(stored["sfreq"]),
        ch_names=stored["ch_names"].tolist(),
        subject=int(subject),
        DESCR=_MOTOR_DESCR.format(subject=subject),
    )
    return (bunch.data, bunch.target) if return_X_y else bunch


def fetch_ssvep(
    subject: int = 1,
    *,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
    progressbar: bool = False,
) -> Any:
    """Load steady-state visual evoked potentials of one subject, downloading them if need be.

    Parameters
    ----------
    subject : {1, 9}, default=1
        Subject number in MAMEM experiment 2.
    data_home : path-like or None, default=None
        Folder of the data; see :func:`data_home`.
    download_if_missing : bool, default=True
        If False, a missing file raises.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    progressbar : bool, default=False
        Show the progress of a download (needs tqdm).

    Returns
    -------
    data : sklearn.utils.Bunch or tuple
        ``data`` (500, 8, 125) float32; ``target`` (500,) 0..4; ``frequencies`` (5,), the flicker of
        each class in Hz; ``session`` (500,) 0..4; ``window`` (500,) 0..124, the stimulus that a
        segment was cut from; ``sfreq`` in Hz; ``ch_names``; ``subject``; ``DESCR``.

    Raises
    ------
    DatasetUnavailableError
        If the file is missing and cannot be brought, or is damaged.
    ValueError
        If ``subject`` is neither 1 nor 9.
    """
    _check_choice("subject", subject, _SSVEP_SUBJECTS)
    name = f"eeg/mamem_ssvep_U{subject:03d}"
    [path] = local_files(
        name,
        [f"{name}.npz"],
        partial(convert_ssvep, subject=subject),
        home=data_home,
        download_if_missing=download_if_missing,
        progressbar=progressbar,
    )
    stored = read_npz(path, ["X", "y", "session", "window", "sfreq", "ch_names"])
    bunch = Bunch(
        data=stored["X"],
        target=stored["y"].astype(np.int64),
        frequencies=np.array(_SSVEP_FREQUENCIES),
        session=stored["session"].astype(np.int64),
        window=stored["window"].astype(np.int64),
        sfreq=float(stored["sfreq"]),
        ch_names=stored["ch_names"].tolist(),
        subject=int(subject),
        DESCR=_SSVEP_DESCR.format(subject=subject),
    )
    return (bunch.data, bunch.target) if return_X_y else bunch


class Cue(NamedTuple):
    """One event: its onset in seconds after the start of the recording, and its text."""

    onset: float
    text: str


class Recording(NamedTuple):
    """A recording: signals (n_channels, n_times) in microvolt, and what goes with them."""

    signals: np.ndarray
    ch_names: list[str]
    sfreq: float
    cues: list[Cue]


def read_edf(path: Path) -> Recording:
    """Read an EDF+ recording with MNE-Python."""
    mne = optional_import("mne", "Reading EDF recordings")
    raw = mne.io.read_raw_edf(path, preload=True, verbose="error")
    marks = zip(raw.annotations.onset, raw.annotations.description, strict=True)
    return Recording(
        signals=raw.get_data() * 1e6,  # MNE keeps volts
        ch_names=list(raw.ch_names),
        sfreq=float(raw.info["sfreq"]),
        cues=[Cue(float(onset), str(text)) for onset, text in marks],
    )


def convert_motor_imagery(originals: Mapping[str, Path], subject: int) -> Outputs:
    """Filter the EDF runs of one subject and cut them into epochs, in the order of the runs."""
    epochs, target, mode, runs = [], [], [], []
    for run in MOTOR_IMAGERY_RUNS[subject]:
        recording = read_edf(originals[f"S{subject:03d}R{run:02d}.edf"])
        filtered = band_passed(picked(recording.signals, recording.ch_names), recording.sfreq)
        cues = [cue for cue in recording.cues if cue.text in ("T1", "T2")]
        epochs.append(cut(filtered, cues, recording.sfreq))
        words, how = run_meaning(run)
        target += [words[cue.text] for cue in cues]
        mode += [how] * len(cues)
        runs += [run] * len(cues)
    return {
        f"eeg/physionet_mi_S{subject:03d}.npz": {
            "X": np.concatenate(epochs).astype(np.float32),
            "y": np.array(target),
            "run": np.array(runs, dtype=np.int16),
            "mode": np.array(mode),
            "sfreq": np.array(recording.sfreq, dtype=np.float32),
            "ch_names": np.array(_MOTOR_CHANNELS),
            "subject": np.array(subject, dtype=np.int16),
        }
    }


def convert_ssvep(originals: Mapping[str, Path], subject: int) -> Outputs:
    """Take the segments over; five sessions of 25 windows of four segments, in that order."""
    stored = scipy.io.loadmat(originals[f"U{subject:03d}.mat"])
    segment = np.arange(len(stored["x_test"]))
    return {
        f"eeg/mamem_ssvep_U{subject:03d}.npz": {
            "X": stored["x_test"].astype(np.float32),
            "y": stored["y_test"].ravel().astype(np.int8),
            "session": (segment // 100).astype(np.int8),
            "window": (segment // 4).astype(np.int16),
            "sfreq": np.array(125.0, dtype=np.float32),
            "ch_names": np.array(_SSVEP_CHANNELS),
            "subject": np.array(subject, dtype=np.int16),
        }
    }


def run_meaning(run: int) -> tuple[dict[str, str], str]:
    """Target of the cues T1 and T2 in runs 3..14, and whether the movement was imagined."""
    first, second = _TASKS["hands" if (run - 3) % 4 < 2 else "hands_feet"]
    return {"T1": first, "T2": second}, "exec" if run % 2 else "imag"


def picked(signals: np.ndarray, ch_names: Sequence[str]) -> np.ndarray:
    """Rows of the motor channels; names compare without case and the dots that pad them in EDF."""
    rows = {name.strip(".").lower(): row for row, name in enumerate(ch_names)}
    return signals[[rows[name.lower()] for name in _MOTOR_CHANNELS]]


def band_passed(signals: np.ndarray, sfreq: float) -> np.ndarray:
    """Signals (..., n_times) after a fourth-order Butterworth band-pass, run forwards and back."""
    sos = scipy.signal.butter(4, _BAND, "bandpass", fs=sfreq, output="sos")
    return scipy.signal.sosfiltfilt(sos, signals, axis=-1)


def cut(signals: np.ndarray, cues: Sequence[Cue], sfreq: float) -> np.ndarray:
    """Windows (n_cues, n_channels, n_times) of ``_WINDOW`` seconds after each cue, end excluded."""
    n_times = round((_WINDOW[1] - _WINDOW[0]) * sfreq)
    starts = [round(cue.onset * sfreq) + round(_WINDOW[0] * sfreq) for cue in cues]
    return np.stack([signals[:, start : start + n_times] for start in starts])


def _check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name}={value!r} is not available: take one of {list(choices)}.")
