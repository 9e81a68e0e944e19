"""
Direction of arrival before and after calibration
=================================================

Sixteen antennas in a line, half a wavelength apart, each with its own unknown amplitude and phase.
Three beacons in known directions send at unknown strengths. From 20 snapshots of them the gains are
found, and then two sources in unknown directions.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.signal import find_peaks

from subspace_learn import SelfCalibrationLS
from subspace_learn.inverse import GainDisplay, SingularGapDisplay

M, BEACONS, SOURCES, SNR_DB = 16, (-40.0, 5.0, 50.0), (-12.0, -3.0), 20.0
GRID = np.linspace(-90, 90, 1801)


def steering(degrees):
    """What an ideal array measures from each direction: one column each."""
    return np.exp(1j * np.pi * np.outer(np.arange(M), np.sin(np.radians(degrees))))


def gaussian(rng, *shape):
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / 2**0.5


def measured(rng, gains, degrees, n_snapshots):
    """Snapshots of sources of random strength, through the gains, with noise."""
    ideal = gaussian(rng, n_snapshots, len(degrees)) @ steering(degrees).T * gains
    noise = gaussian(rng, *ideal.shape)
    return ideal + noise * np.linalg.norm(ideal) / np.linalg.norm(noise) * 10 ** (-SNR_DB / 20)


def music(X, n_sources):
    """MUSIC spectrum in decibels: how near each direction is to the signal subspace."""
    basis = np.linalg.svd(X.T, full_matrices=False)[0][:, :n_sources]
    A = steering(GRID) / M**0.5
    outside = 1 - np.sum(abs(basis.conj().T @ A) ** 2, axis=0)
    return -10 * np.log10(np.maximum(outside, 1e-12))


def worst_error(spectrum):
    """Largest miss in degrees of the two highest peaks."""
    peaks = find_peaks(spectrum)[0]
    best = peaks[np.argsort(spectrum[peaks])[-len(SOURCES) :]]
    found = np.sort(GRID[best])
    return np.max(abs(found - np.sort(SOURCES))) if len(found) == len(SOURCES) else 180.0


# %%
# One array
# ---------
# The phases lie all over the circle, so ``method="svd"``. What is left of the error of the gains
# is the noise.

rng = np.random.default_rng(0)
gains = rng.uniform(0.5, 1.5, M) * np.exp(2j * np.pi * rng.uniform(size=M))
calibration = SelfCalibrationLS(sensing=steering(BEACONS), method="svd")
calibration.fit(measured(rng, gains, BEACONS, 20))
X = measured(rng, gains, SOURCES, 50)

fig, axes = plt.subplots(1, 3, figsize=(11, 4.2), layout="constrained")
GainDisplay.from_estimator(calibration, gains, ax=axes[0])
SingularGapDisplay.from_estimator(calibration, ax=axes[1])
for label, rows, style in (
    ("as measured", X, {"color": "0.55"}),
    ("calibrated", calibration.transform(X), {"color": "#0072B2"}),
    ("true gains", X / gains, {"color": "#D55E00", "linestyle": ":"}),
):
    axes[2].plot(GRID, music(rows, len(SOURCES)), label=label, **style)
for angle in SOURCES:
    axes[2].axvline(angle, color="0.8", linewidth=1, zorder=0)
axes[2].set(xlabel="direction (degrees)", ylabel="MUSIC spectrum (dB)", xlim=(-60, 60))
axes[2].set_title("two sources, 9 degrees apart")
axes[2].legend(loc="upper right")
plt.show()

# %%
# Twenty arrays
# -------------
# Largest error of the two directions, median and range over twenty arrays and draws of noise.

errors = {"as measured": [], "calibrated": [], "true gains": []}
for seed in range(20):
    rng = np.random.default_rng(seed)
    gains = rng.uniform(0.5, 1.5, M) * np.exp(2j * np.pi * rng.uniform(size=M))
    calibration.fit(measured(rng, gains, BEACONS, 20))
    X = measured(rng, gains, SOURCES, 50)
    rows = {"as measured": X, "calibrated": calibration.transform(X), "true gains": X / gains}
    for name, values in rows.items():
        errors[name].append(worst_error(music(values, len(SOURCES))))
for name, values in errors.items():
    print(
        f"{name:12s} median {np.median(values):6.2f}, "
        f"range {np.min(values):.2f} to {np.max(values):.2f} degrees"
    )
