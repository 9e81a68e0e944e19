"""Pictures show what the model says."""

import matplotlib as mpl
import numpy as np
import pytest

from subspace_learn.dynamics import (
    ForecastDisplay,
    KoopmanEDMD,
    KoopmanModesDisplay,
    KoopmanSpectrumDisplay,
    SpectralMeasureDisplay,
)

mpl.use("Agg")
X = np.cos(0.5 * np.arange(60) + np.array([[0.0], [np.pi / 2]])).T


@pytest.fixture(autouse=True)
def _close():
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


def test_spectrum_shows_each_eigenvalue_and_contours_on_request():
    model = KoopmanEDMD().fit(X)
    display = KoopmanSpectrumDisplay.from_estimator(model, pseudospectrum=True, n_grid=11)
    shown = display.ax_.collections[-1].get_offsets()
    np.testing.assert_allclose(shown[:, 0] + 1j * shown[:, 1], model.eigenvalues_)
    assert display.tau.shape == (11, 11)
    assert KoopmanSpectrumDisplay.from_estimator(model).tau is None


@pytest.mark.parametrize("kind", ["time", "phase"])
def test_forecast_of_a_wave_lies_on_it(kind):
    display = ForecastDisplay.from_estimator(KoopmanEDMD().fit(X), X, kind=kind)
    np.testing.assert_allclose(display.forecast, display.truth, atol=1e-10)
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == [
        "data",
        "forecast",
    ]
    with pytest.raises(ValueError, match="phase"):
        display.plot(kind="other")


def test_measure_is_drawn_over_the_circle():
    model = KoopmanEDMD(method="measure_preserving").fit(X)
    line = SpectralMeasureDisplay.from_estimator(model).ax_.lines[0]
    assert abs(line.get_xdata()[np.argmax(line.get_ydata())]) == pytest.approx(0.5, abs=0.03)


def test_modes_of_a_wave_follow_their_eigenvalues():
    display = KoopmanModesDisplay.from_estimator(KoopmanEDMD().fit(X), X)
    assert display.values.shape == (60, 1)  # of the conjugate pair one is drawn
    data, ideal = (line.get_ydata() for line in display.ax_.lines)
    np.testing.assert_allclose(data, ideal, atol=1e-10)
