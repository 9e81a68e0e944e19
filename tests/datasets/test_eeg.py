"""EEG: filter, channel choice and epochs against closed forms, and the facts of the real files."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.io
import scipy.signal

from subspace_learn.datasets import _eeg, fetch_motor_imagery, fetch_ssvep
from tests.datasets.edf_writer import edf_bytes, sine

SFREQ = 160
MOTOR = "FC5 FC3 FC1 FCz FC2 FC4 FC6 C5 C3 C1 Cz C2 C4 C6 CP5 CP3 CP1 CPz CP2 CP4 CP6".split()


def gain(frequency):
    """|H|^2 of the filter, run forwards and back: zero phase, squared magnitude.

    For a Butterworth band-pass |H|^2 = 1 / (1 + q^8), where q is what the bilinear transform makes
    of the frequency: with w = tan(pi f / fs), q = (w^2 - w1 w2) / (w (w2 - w1)).
    """
    w, low, high = np.tan(np.pi * np.array([frequency, 8.0, 32.0]) / SFREQ)
    q = (w**2 - low * high) / (w * (high - low))
    return 1 / (1 + q**8)


@pytest.mark.parametrize("frequency", [2.0, 8.0, 16.0, 32.0, 60.0])
def test_filter_scales_a_sine_by_its_closed_form_gain(frequency):
    signal = sine(frequency, 50.0, SFREQ, 20)
    middle = slice(5 * SFREQ, 15 * SFREQ)  # transients of the edges decay within a second
    filtered = _eeg.band_passed(signal[None], SFREQ)[0]
    np.testing.assert_allclose(filtered[middle], gain(frequency) * signal[middle], atol=1e-6)


def test_channels_are_found_whatever_their_case_and_padding():
    names = [name.capitalize().ljust(4, ".") for name in reversed(MOTOR)] + ["O1.."]
    signals = np.arange(len(names))[:, None]
    np.testing.assert_array_equal(_eeg.picked(signals, names)[:, 0], np.arange(21)[::-1])


def test_cut_takes_the_half_open_window_after_each_cue():
    signals = np.arange(10 * SFREQ)[None].repeat(2, axis=0)
    epochs = _eeg.cut(signals, [_eeg.Cue(0.0, "T1"), _eeg.Cue(2.1, "T2")], SFREQ)
    assert epochs.shape == (2, 2, 480)
    assert epochs[0, 0, 0] == 80
    assert epochs[1, 1, [0, -1]].tolist() == [336 + 80, 336 + 80 + 479]


def test_run_meaning_follows_the_protocol():
    hands = {"T1": "left_fist", "T2": "right_fist"}
    both = {"T1": "both_fists", "T2": "both_feet"}
    for run in (3, 7, 11):
        assert _eeg.run_meaning(run) == (hands, "exec")
        assert _eeg.run_meaning(run + 1) == (hands, "imag")
        assert _eeg.run_meaning(run + 2) == (both, "exec")
        assert _eeg.run_meaning(run + 3) == (both, "imag")


@pytest.fixture
def home_of_sines(server, set_source, tmp_path):
    """Data home filled from six written runs: channel c carries c + 1 times 100 uV at 16 Hz."""
    pytest.importorskip("mne", reason="MNE-Python reads EDF: pip install 'subspace-learn[data]'")
    digital = np.rint([sine(16.0, 50.0 * (c + 1), SFREQ, 14) for c in range(21)])
    events = [(0.0, "T0"), (4.0, "T2"), (8.0, "T1")]
    content = edf_bytes(digital, MOTOR, SFREQ, events, gain=2.0)
    runs = _eeg.MOTOR_IMAGERY_RUNS[3]
    set_source(
        "eeg/physionet_mi_S003",
        *(server.offer(f"S003R{run:02d}.edf", content) for run in runs),
    )
    return tmp_path


def test_downloaded_runs_become_labelled_epochs(home_of_sines):
    bunch = fetch_motor_imagery(3, data_home=home_of_sines)
    assert bunch.run.tolist() == [3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 9, 9]
    assert bunch.target.tolist() == (
        ["right_fist", "left_fist"] * 2
        + ["both_feet", "both_fists"] * 2
        + ["right_fist", "left_fist"]
        + ["both_feet", "both_fists"]
    )
    modes = ["exec", "imag", "exec", "imag", "exec", "exec"]
    assert bunch.mode.tolist() == [mode for mode in modes for _ in range(2)]
    assert (bunch.sfreq, bunch.subject) == (160.0, 3)
    # Cues at whole seconds and 16 whole periods a second: each epoch is the sine from phase 0.
    expected = gain(16.0) * np.outer(100.0 * np.arange(1, 22), sine(16.0, 1.0, SFREQ, 3))
    # Rounding to 2 uV errs by at most 1 uV per sample, and the filter's impulse response (forwards
    # and back) has an absolute sum below 2.
    np.testing.assert_allclose(bunch.data, np.broadcast_to(expected, bunch.data.shape), atol=2.0)
    assert bunch.data.dtype == np.float32


def test_task_and_mode_select_epochs(home_of_sines):
    everything = fetch_motor_imagery(3, data_home=home_of_sines)
    chosen = fetch_motor_imagery(3, task="hands_feet", mode="exec", data_home=home_of_sines)
    assert chosen.run.tolist() == [5, 5, 9, 9]
    np.testing.assert_array_equal(chosen.data, everything.data[[4, 5, 10, 11]])
    X, y = fetch_motor_imagery(3, task="hands", data_home=home_of_sines, return_X_y=True)
    assert len(X) == len(y) == 6
    assert set(y) == {"left_fist", "right_fist"}


@pytest.mark.parametrize(
    ("fetcher", "wrong", "shown"),
    [
        (fetch_motor_imagery, {"subject": 2}, r"subject=2.*\[1, 3, 7, 15\]"),
        (fetch_motor_imagery, {"task": "feet"}, "task='feet'.*hands_feet"),
        (fetch_motor_imagery, {"mode": "real"}, "mode='real'.*imag"),
        (fetch_ssvep, {"subject": 2}, r"subject=2.*\[1, 9\]"),
    ],
)
def test_unknown_choice_names_the_choices(fetcher, wrong, shown, tmp_path):
    with pytest.raises(ValueError, match=shown):
        fetcher(**wrong, data_home=tmp_path, download_if_missing=False)


def test_downloaded_ssvep_file_is_taken_over(server, set_source, tmp_path):
    X = np.random.default_rng(0).standard_normal((500, 8, 125))
    y = np.repeat(np.arange(125) % 5, 4)
    scipy.io.savemat(tmp_path / "U009.mat", {"x_test": X, "y_test": y[:, None].astype(np.uint8)})
    content = (tmp_path / "U009.mat").read_bytes()
    set_source("eeg/mamem_ssvep_U009", server.offer("U009.mat", content))
    bunch = fetch_ssvep(9, data_home=tmp_path / "home")
    np.testing.assert_array_equal(bunch.data, X.astype(np.float32))
    np.testing.assert_array_equal(bunch.target, y)
    np.testing.assert_array_equal(bunch.session, np.arange(500) // 100)
    np.testing.assert_array_equal(bunch.window, np.arange(500) // 4)


@pytest.mark.parametrize("subject", [1, 3, 7, 15])
def test_real_motor_imagery_has_the_announced_trials(fetch_real, subject):
    bunch = fetch_real(fetch_motor_imagery, subject)
    complete = subject in (1, 15)
    assert bunch.data.shape == (180 if complete else 90, 21, 480)
    assert bunch.data.dtype == np.float32
    assert bunch.ch_names == MOTOR
    assert (bunch.sfreq, bunch.subject) == (160.0, subject)
    counts = {
        (task, mode): np.sum(np.isin(bunch.target, words) & (bunch.mode == mode))
        for task, words in _eeg._TASKS.items()
        for mode in ("imag", "exec")
    }
    for (_, mode), count in counts.items():
        assert count == (45 if complete else {"imag": 15, "exec": 30}[mode])
    runs = range(3, 15) if complete else [3, 4, 5, 6, 7, 9]
    assert np.unique(bunch.run).tolist() == list(runs)
    assert (np.diff(bunch.run) >= 0).all()
    assert (bunch.mode == np.where(bunch.run % 2, "exec", "imag")).all()


def test_real_motor_imagery_is_band_passed_and_of_full_rank(fetch_real):
    bunch = fetch_real(fetch_motor_imagery, 1)
    frequencies, power = scipy.signal.welch(bunch.data, bunch.sfreq, nperseg=160)
    inside = (frequencies >= 8) & (frequencies <= 32)
    mean = power.mean(axis=(0, 1))
    assert mean[inside].sum() > 0.95 * mean.sum()
    # No re-referencing: none of the 21 directions is lost.
    eigenvalues = np.linalg.eigvalsh(np.cov(bunch.data.transpose(1, 0, 2).reshape(21, -1)))
    assert eigenvalues[0] > 1e-4 * eigenvalues[-1]


@pytest.mark.parametrize("subject", [1, 9])
def test_real_ssvep_segments_are_four_to_a_window_of_one_class(fetch_real, subject):
    bunch = fetch_real(fetch_ssvep, subject)
    assert bunch.data.shape == (500, 8, 125)
    assert bunch.data.dtype == np.float32
    assert bunch.ch_names == ["PO7", "PO3", "POz", "PO4", "PO8", "O1", "Oz", "O2"]
    assert (bunch.sfreq, bunch.subject) == (125.0, subject)
    assert (bunch.target.reshape(125, 4) == bunch.target[::4, None]).all()
    assert np.bincount(bunch.session).tolist() == [100] * 5
    assert np.bincount(bunch.window).tolist() == [4] * 125
    assert np.unique(bunch.target).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("subject", [1, 9])
def test_real_ssvep_power_peaks_at_the_frequency_of_the_class(fetch_real, subject):
    bunch = fetch_real(fetch_ssvep, subject)
    windows = bunch.data.reshape(125, 4, 8, 125).swapaxes(1, 2).reshape(125, 8, 500)
    times = np.arange(500) / bunch.sfreq
    waves = np.exp(-2j * np.pi * np.outer(bunch.frequencies, times))
    power = sum(np.abs(windows @ wave.T) ** 2 for wave in (waves, waves**2)).mean(axis=1)
    by_class = np.stack([power[bunch.target[::4] == label].mean(axis=0) for label in range(5)])
    relative = by_class / by_class.mean(axis=0)
    np.testing.assert_array_equal(relative.argmax(axis=1), np.arange(5))
    np.testing.assert_array_equal(relative.argmax(axis=0), np.arange(5))
