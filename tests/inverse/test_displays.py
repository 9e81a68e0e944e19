"""Displays of a calibration draw what the estimator found."""

from __future__ import annotations

import numpy as np
import pytest

from subspace_learn import SelfCalibrationLS
from subspace_learn.inverse import GainDisplay, NoiseErrorDisplay, SingularGapDisplay
from tests.functional.inverse.self_calibration.cases import case, noisy

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.fixture
def fitted(rng):
    X, stack, gains, _ = case(rng, "diverse", 24, 6, 5, phase=0.4)
    X[:, 4] = 0
    return SelfCalibrationLS("diverse", sensing=stack.A).fit(noisy_but_dead(rng, X)), gains


def noisy_but_dead(rng, X):
    return np.where(X == 0, 0, noisy(rng, X, 40))


def test_gains_lie_on_the_true_ones_after_the_best_scalar(fitted):
    model, gains = fitted
    display = GainDisplay.from_estimator(model, 3j * gains)
    assert 0 < display.error_ < 0.05
    assert f"{display.error_:.2g}" in display.ax_.get_title()
    estimated = display.ax_.collections[-1].get_offsets()
    assert len(estimated) == 23  # the dead one is left out
    plain = GainDisplay.from_estimator(model, ax=display.ax_)
    assert plain.ax_ is display.ax_
    assert np.isnan(plain.error_)
    with pytest.raises(ValueError, match="24 sensors"):
        GainDisplay.from_estimator(model, gains[:3])


def test_singular_values_are_drawn_on_a_logarithmic_axis(fitted):
    model, _ = fitted
    display = SingularGapDisplay.from_estimator(model)
    assert display.ax_.get_yscale() == "log"
    heights = np.concatenate([line.get_ydata() for line in display.ax_.lines])
    np.testing.assert_allclose(heights, model.singular_values_)
    ratio = model.singular_value_ratio_
    assert display.ax_.get_title() == f"second / first value: {ratio:.3g}"


@pytest.mark.filterwarnings("ignore:The gains are not determined", "ignore:2 snapshots of 20")
def test_the_picture_says_when_the_gains_are_not_determined(rng):
    noise = SelfCalibrationLS().fit(rng.standard_normal((30, 20)))
    few = SelfCalibrationLS(n_atoms=12).fit(rng.standard_normal((2, 20)))
    titles = [SingularGapDisplay.from_estimator(m).ax_.get_title() for m in (noise, few)]
    assert titles[0].startswith("gains not determined\nsecond / first value: 1.")
    assert titles[1] == "gains not determined\nspace of solutions: dimension 4"


@pytest.mark.parametrize("model", ["repeated", "diverse", "snapshots", "blind_deconvolution"])
def test_simulated_errors_fall_by_ten_in_twenty_decibels(rng, model):
    kind = "diverse" if model == "blind_deconvolution" else model
    X, stack, _, _ = case(rng, kind, 24, 4, 6, phase=0.4)
    A = stack.A[0] if model == "snapshots" else stack.A
    method = "svd" if model == "blind_deconvolution" else "ls"
    estimator = SelfCalibrationLS(model, method=method)
    if model == "blind_deconvolution":
        h = np.exp(-np.arange(24.0))
        images = stack.apply(rng.standard_normal((6, 4)))
        X = np.fft.ifft(np.fft.fft(h) * np.fft.fft(images))
    display = NoiseErrorDisplay.from_estimator(
        estimator, X, sensing=A, snr_db=(40, 60), n_repeats=5
    )
    assert not hasattr(estimator, "gains_")
    for name in ("gains", "signal"):
        high, low = np.median(display.errors[name], axis=1)
        # medians of five draws: a factor of ten up to their spread
        assert high / low == pytest.approx(10, rel=0.4), name
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert {"gains", "signal"} <= set(labels)
