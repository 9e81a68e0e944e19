"""European Data Format: a reader for plain recordings, one sampling rate, with EDF+ annotations.

Layout after Kemp et al., "A simple format for exchange of digitized polygraphic recordings", 1992,
and Kemp & Olivan, "European data format 'plus' (EDF+)", 2003. A data record holds, one signal after
the other, so many 16-bit samples; the signal ``EDF Annotations`` holds text instead.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = ["Annotation", "Recording", "read_edf"]

# Widths in bytes of the header fields that each signal has, in order.
_FIELDS = {
    "label": 16,
    "transducer": 80,
    "unit": 8,
    "physical_min": 8,
    "physical_max": 8,
    "digital_min": 8,
    "digital_max": 8,
    "prefilter": 80,
    "n_samples": 8,
    "reserved": 32,
}
_ANNOTATIONS = "EDF Annotations"


class Annotation(NamedTuple):
    """One event: its onset in seconds after the start of the recording, and its text."""

    onset: float
    text: str


class Recording(NamedTuple):
    """A recording: signals (n_channels, n_times) in physical units, and what goes with them."""

    signals: np.ndarray
    ch_names: list[str]
    units: list[str]
    sfreq: float
    annotations: list[Annotation]


def read_edf(path: Path) -> Recording:
    """Read an EDF or continuous EDF+ file whose signals share one sampling rate.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    recording : Recording
        Signals in the units of the file, names and units as they stand there, annotations by onset.

    Raises
    ------
    ValueError
        If the file has not the size its header announces, is discontinuous, or mixes rates.
    """
    content = path.read_bytes()
    n_records, duration, header = _header(content, path)
    n_samples = np.array([int(text) for text in header["n_samples"]])
    start = 256 * (1 + len(n_samples))
    expected = start + 2 * n_records * int(n_samples.sum())
    if len(content) != expected:
        raise ValueError(f"{path} has {len(content)} bytes, its header announces {expected}.")
    records = np.frombuffer(content, dtype="<i2", offset=start).reshape(n_records, -1)
    blocks = np.split(records, np.cumsum(n_samples)[:-1], axis=1)

    ordinary = [i for i, label in enumerate(header["label"]) if label != _ANNOTATIONS]
    rates = {int(n_samples[i]) for i in ordinary}
    if len(rates) != 1:
        raise ValueError(f"{path} has signals of {len(rates)} sampling rates; needed is one.")
    text = [
        block for block, label in zip(blocks, header["label"], strict=True) if label == _ANNOTATIONS
    ]
    return Recording(
        signals=np.stack([_physical(blocks[i], header, i) for i in ordinary]),
        ch_names=[header["label"][i] for i in ordinary],
        units=[header["unit"][i] for i in ordinary],
        sfreq=rates.pop() / duration,
        annotations=sorted(
            annotation
            for block in text
            for record in block
            for annotation in parse_annotations(record.tobytes())
        ),
    )


def parse_annotations(content: bytes) -> list[Annotation]:
    r"""Read the lists of one record, each ``onset [\x15 duration] \x14 text \x14 ... \0``."""
    pattern = rb"([+-][\d.]+)(?:\x15[\d.]*)?\x14([^\0]*)\x14\0"
    return [
        Annotation(float(onset), text.decode("utf-8"))
        for onset, texts in re.findall(pattern, content)
        for text in texts.split(b"\x14")
        if text  # the first list of a record is empty: it only tells when the record begins
    ]


def _header(content: bytes, path: Path) -> tuple[int, float, dict[str, list[str]]]:
    """Number of records, seconds per record, and the fields of each signal."""
    if content[:8] != b"0       ":
        raise ValueError(f"{path} is no EDF file: it begins with {content[:8]!r}.")
    if content[192:197] == b"EDF+D":
        raise ValueError(f"{path} is a discontinuous EDF+ file; needed is a continuous one.")
    n_records, duration, n_signals = (
        float(content[a:b]) for a, b in ((236, 244), (244, 252), (252, 256))
    )
    fields, position = {}, 256
    for name, width in _FIELDS.items():
        ends = [position + width * i for i in range(int(n_signals) + 1)]
        fields[name] = [content[a:b].decode("ascii").strip() for a, b in pairwise(ends)]
        position = ends[-1]
    return int(n_records), duration, fields


def _physical(block: np.ndarray, header: dict[str, list[str]], i: int) -> np.ndarray:
    """Samples of signal ``i`` in its unit: the affine map of digital onto physical limits."""
    low, high, digital_low, digital_high = (
        float(header[name][i])
        for name in ("physical_min", "physical_max", "digital_min", "digital_max")
    )
    gain = (high - low) / (digital_high - digital_low)
    return (block.reshape(-1) - digital_low) * gain + low
