"""The EDF reader on written files whose content is known, and against MNE-Python where it is."""

from __future__ import annotations

import numpy as np
import pytest

from subspace_learn.datasets._edf import Annotation, parse_annotations, read_edf
from tests.datasets.edf_writer import edf_bytes

SFREQ = 16
NAMES = ["Fc5.", "Cz.."]
EVENTS = [(0.5, "T0"), (2.25, "T1"), (3.0, "T2")]


@pytest.fixture
def digital(rng_edf):
    return rng_edf.integers(-2000, 2001, size=(2, 4 * SFREQ))


@pytest.fixture
def rng_edf():
    return np.random.default_rng(5)


def test_written_signals_and_annotations_come_back(tmp_path, digital):
    path = tmp_path / "run.edf"
    path.write_bytes(edf_bytes(digital, NAMES, SFREQ, EVENTS, gain=0.5, offset=100.0))
    recording = read_edf(path)
    # Halves of small integers: every step is exact in float64.
    np.testing.assert_array_equal(recording.signals, 0.5 * digital + 100.0)
    assert recording.ch_names == NAMES
    assert recording.units == ["uV", "uV"]
    assert recording.sfreq == SFREQ
    assert recording.annotations == [Annotation(onset, text) for onset, text in EVENTS]


def test_annotation_list_may_hold_several_texts_and_no_duration():
    content = b"+0\x14\x14\0-1.5\x14a\x14b\x14\0+2\x150.5\x14caf\xc3\xa9\x14\0\0\0"
    assert parse_annotations(content) == [(-1.5, "a"), (-1.5, "b"), (2.0, "café")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[:-1], "header announces"),
        (lambda content: content + b"\0", "header announces"),
        (lambda content: b"BIOSEMI!" + content[8:], "no EDF file"),
        (lambda content: content.replace(b"EDF+C", b"EDF+D"), "discontinuous"),
    ],
    ids=["short", "long", "other format", "discontinuous"],
)
def test_unfit_file_raises(tmp_path, digital, change, message):
    path = tmp_path / "run.edf"
    path.write_bytes(change(edf_bytes(digital, NAMES, SFREQ)))
    with pytest.raises(ValueError, match=message):
        read_edf(path)


def test_two_sampling_rates_raise(tmp_path):
    content = bytearray(edf_bytes(np.zeros((3, 4 * SFREQ)), ["a", "b", "c"], SFREQ))
    rates = 256 + 4 * (16 + 80 + 8 + 8 + 8 + 8 + 8 + 80)
    # 16 + 16 + 16 samples in a record become 8 + 32 + 8: the size stays right.
    content[rates : rates + 24] = b"8       32      8       "
    path = tmp_path / "run.edf"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="2 sampling rates"):
        read_edf(path)


def test_reader_agrees_with_mne(tmp_path, digital):
    mne = pytest.importorskip("mne", reason="MNE-Python is the oracle of this test")
    path = tmp_path / "run.edf"
    path.write_bytes(edf_bytes(digital, NAMES, SFREQ, EVENTS, gain=0.5, offset=100.0))
    raw = mne.io.read_raw_edf(path, preload=True, verbose="error")
    recording = read_edf(path)
    # MNE gives volts: one more rounding of a product.
    np.testing.assert_allclose(recording.signals, raw.get_data() * 1e6, rtol=1e-12, atol=1e-9)
    assert recording.sfreq == raw.info["sfreq"]
    assert [tuple(a) for a in recording.annotations] == [
        (float(onset), str(text))
        for onset, text in zip(raw.annotations.onset, raw.annotations.description, strict=True)
    ]
