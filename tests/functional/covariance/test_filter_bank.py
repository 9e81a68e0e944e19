"""Zero-phase bands: the response of the filter, its edges, and matrices of several bands."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import block_diag
from scipy.signal import butter, sosfiltfilt, sosfreqz

from subspace_learn.functional.covariance.augmented_covariance import augmented_covariances
from subspace_learn.functional.covariance.filter_bank import (
    band_passed,
    band_trials,
    block_diagonal,
    check_band,
)

BANDS = [(5.0, 15.0), (13.0, 27.0)]


def waves(frequency, phase, n_times, sfreq):
    return np.sin(2 * np.pi * frequency * np.arange(n_times) / sfreq + phase)


@pytest.mark.parametrize("band", BANDS)
@pytest.mark.parametrize("frequency", [2.0, 5.0, 9.0, 14.0, 20.0, 27.0, 45.0])
def test_a_wave_keeps_its_phase_and_is_multiplied_by_the_response_of_both_passes(band, frequency):
    x = waves(frequency, 0.7, 4000, 125.0)
    sections = butter(2, band, "bandpass", fs=125.0, output="sos")
    gain = np.abs(sosfreqz(sections, [frequency], fs=125.0)[1][0]) ** 2
    # ten seconds from the ends nothing is left of them
    middle = slice(1250, 2750)
    np.testing.assert_allclose(band_passed(x, band, 125.0)[middle], gain * x[middle], atol=1e-6)


def test_a_fourth_of_the_power_is_left_at_the_edges():
    for edge in (5.0, 15.0):
        x = waves(edge, 0.2, 4000, 125.0)[None]
        power = band_passed(x, (5.0, 15.0), 125.0)[:, 1250:2750].var() / x[:, 1250:2750].var()
        assert power == pytest.approx(0.25, rel=1e-3)


@pytest.mark.parametrize("band", [(5.0, 15.0), (13.0, 27.0), (8.0, 14.0)])
def test_edges_are_off_by_a_tenth_for_one_and_a_half_over_the_width(rng, band):
    noise = np.cumsum(rng.normal(size=(400, 500)), axis=1)
    long = noise - 0.9 * np.roll(noise, 1, axis=1)  # spectrum between white and 1 / f^2
    cut = slice(187, 312)
    truth = band_passed(long, band, 125.0)[:, cut]

    def profile(found):
        return np.sqrt(np.mean((found - truth) ** 2, axis=0) / np.mean(truth**2))

    ours = profile(band_passed(long[:, cut], band, 125.0))
    reach = int(1.5 * 125.0 / (band[1] - band[0]))
    assert ours[reach:-reach].max() < 0.1
    assert ours[[0, -1]].min() > 0.1  # the effect is there: a statement that can be wrong
    sections = butter(2, band, "bandpass", fs=125.0, output="sos")
    mirror = profile(sosfiltfilt(sections, long[:, cut] - long[:, cut].mean(1, keepdims=True)))
    # measured .6 to .7 on EEG
    assert np.linalg.norm(ours) < 0.85 * np.linalg.norm(mirror)


def test_a_constant_leaves_nothing_even_where_floats_hold_it_inexactly():
    X = np.full((2, 3, 125), 0.1)
    X[0, 1] += waves(10.0, 0.0, 125, 125.0)
    found = band_passed(X, (5.0, 15.0), 125.0)
    assert np.abs(found[0, 1]).max() > 0.5
    found[0, 1] = 0
    np.testing.assert_array_equal(found, 0.0)


def test_an_offset_changes_nothing(rng):
    X = rng.normal(size=(3, 2, 125))
    moved = band_passed(X + 1e6, (5.0, 15.0), 125.0)
    # 1e6 rounds the signals to 1e-10
    np.testing.assert_allclose(moved, band_passed(X, (5.0, 15.0), 125.0), atol=1e-9)


def test_the_library_of_the_signals_stays(rng, xp):
    X = rng.normal(size=(3, 2, 125))
    given = band_passed(xp.asarray(X), (5.0, 15.0), 125.0)
    assert xp.owns(given)
    # means are sums in another order
    wanted = band_passed(X, (5.0, 15.0), 125.0)
    np.testing.assert_allclose(xp.numpy(given), wanted, atol=1e-13)
    trials = band_trials(xp.asarray(X), BANDS, 125.0)
    assert xp.owns(trials.power())
    assert xp.owns(block_diagonal([trials.bands[0].product(0), trials.bands[1].product(0)]))


def test_trials_in_bands_have_the_power_and_covariances_of_the_filtered_signals(rng):
    X, scale = 7.0 * rng.normal(size=(4, 3, 125)), rng.uniform(0.5, 2.0, size=(2, 3))
    trials = band_trials(X, BANDS, 125.0)
    filtered = np.stack([band_passed(X, band, 125.0) for band in BANDS], axis=1)
    np.testing.assert_allclose(trials.power(), filtered.var(axis=3), rtol=1e-12)
    trials.divide(scale)
    np.testing.assert_allclose(trials.power(), filtered.var(axis=3) / scale**2, rtol=1e-12)
    for b, band in enumerate(trials.bands):
        wanted = augmented_covariances(filtered[:, b] / scale[b, :, None], 3, 2, estimator="lwf")
        np.testing.assert_allclose(band.covariances(3, 2, "lwf"), wanted, atol=1e-12)
    trials.keep_only([0, 2])
    assert all(set(band._products) == {0, 2} for band in trials.bands)


def test_trials_remember_that_signals_were_float32(rng):
    X = rng.normal(size=(2, 2, 125)).astype(np.float32)
    trials = band_trials(X, BANDS, 125.0)
    assert {band.eps for band in trials.bands} == {float(np.finfo(np.float32).eps)}
    assert trials.power().dtype == np.float64


def test_blocks_stand_on_the_diagonal(rng):
    stacks = rng.normal(size=(3, 4, 2, 2))
    wanted = [block_diag(*stacks[:, i]) for i in range(4)]
    np.testing.assert_array_equal(block_diagonal(list(stacks)), wanted)
    assert block_diagonal([stacks[0]]) is not None
    np.testing.assert_array_equal(block_diagonal([stacks[0]]), stacks[0])


@pytest.mark.parametrize(
    "band", [(0.0, 10.0), (-1.0, 10.0), (15.0, 5.0), (5.0, 5.0), (5.0, 62.5), (70.0, 80.0)]
)
def test_an_impossible_band_is_refused_with_half_the_rate(band):
    with pytest.raises(ValueError, match=r"not possible.*62\.5 Hz, half the sampling rate"):
        check_band(band, 125.0, 1000)


def test_an_epoch_holds_more_than_a_period_of_the_lower_edge():
    assert check_band((5.0, 15.0), 125.0, 26) == 25
    with pytest.raises(ValueError, match=r"25 times at 125 Hz are too short .* takes 25 times"):
        band_passed(np.ones((2, 25)), (5.0, 15.0), 125.0)
