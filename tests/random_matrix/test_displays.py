"""Pictures show what the model says."""

import matplotlib as mpl
import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from subspace_learn import RandomMatrixFilter
from subspace_learn.datasets import make_spiked_samples
from subspace_learn.functional.random_matrix.hessian_spectrum import hessian_spectrum
from subspace_learn.random_matrix import (
    ScreeDisplay,
    ShrinkageDisplay,
    SpectralDensityDisplay,
    SpectrumDisplay,
)

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _close():
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


@pytest.fixture(scope="module", params=[(300, 100), (100, 300)])
def model(request):
    return RandomMatrixFilter().fit(
        make_spiked_samples(*request.param, spikes=(30.0, 20.0), random_state=0)
    )


def test_spectrum_shows_law_edge_and_spikes(model):
    display = SpectrumDisplay.from_estimator(make_pipeline(model))
    law, edge, spikes = display.ax_.lines
    # the bulk is a density of the nonzero eigenvalues, and so is the law over it
    assert np.trapezoid(law.get_ydata(), law.get_xdata()) == pytest.approx(1, abs=0.01)
    assert edge.get_xdata()[0] == model.upper_edge_
    np.testing.assert_array_equal(spikes.get_xdata(), model.eigenvalues_[:2])
    names = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert set(names) == {"bulk", "Marchenko-Pastur", "edge", "2 spikes"}


def test_scree_writes_a_p_value_beside_each_point(model):
    display = ScreeDisplay.from_estimator(model, n_shown=7)
    spikes, noise = display.ax_.lines[:2]
    assert len(spikes.get_xdata()) == 2
    assert len(noise.get_xdata()) == 5
    assert len(display.ax_.texts) == 7


def test_shrinkage_is_drawn_for_each_loss(model):
    ax = ShrinkageDisplay.from_estimator(model).ax_
    curves = {line.get_label(): line for line in ax.lines}
    for loss in ("operator", "frobenius", "stein"):
        x, y = curves[loss].get_data()
        np.testing.assert_allclose(np.array(y)[x <= model.upper_edge_], model.noise_variance_)
        assert np.all(np.array(y)[x > model.upper_edge_] < x[x > model.upper_edge_])


def test_density_marks_the_outliers():
    spectrum = hessian_spectrum(lambda v: np.r_[np.zeros(30), 5.0, 6.0] * v, 32, rng=0)
    display = SpectralDensityDisplay.from_spectrum(spectrum, label="small")
    np.testing.assert_allclose(display.ax_.lines[1].get_xdata(), [6.0, 5.0])
    names = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert names == ["small", "2 outliers"]
