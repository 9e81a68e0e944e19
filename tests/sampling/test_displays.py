"""Displays: what is drawn is what was fitted."""

import numpy as np
import pytest

from subspace_learn import DPPLeastSquares, SensitivitySampler
from subspace_learn.sampling import DesignDisplay, EmbeddingErrorDisplay, SampleScoreDisplay

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    matplotlib.pyplot.close("all")


def test_design_on_a_line_shows_weights_over_the_christoffel_function(rng):
    X = rng.uniform(-1, 1, size=(100, 1))
    model = DPPLeastSquares("legendre", random_state=0)
    rows, weights = model.design(X)
    display = DesignDisplay.from_estimator(model, X)
    curve, points = display.ax_.lines
    assert (np.diff(curve.get_xdata()) >= 0).all()
    np.testing.assert_allclose(points.get_xdata(), X[rows, 0])
    np.testing.assert_allclose(points.get_ydata(), weights / weights.sum())
    # 1 / k sums to less than n / m (Jensen), and mu k to m
    assert (1 / display.christoffel).mean() == pytest.approx(4.0)


def test_design_in_the_plane_shows_weights_as_areas(rng):
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(rng.normal(size=(80, 2)), columns=["width", "height"])
    model = DPPLeastSquares(random_state=0)
    model.design(X)
    _, ax = matplotlib.pyplot.subplots()
    display = DesignDisplay.from_estimator(model, X, ax=ax)
    assert display.ax_ is ax
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("width", "height")
    areas = ax.collections[1].get_sizes()
    np.testing.assert_allclose(areas / areas[0], model.sample_weight_ / model.sample_weight_[0])


def test_design_of_another_table_is_refused(rng):
    X = rng.normal(size=(80, 3))
    model = DPPLeastSquares(random_state=0)
    model.design(X)
    with pytest.raises(ValueError, match="one or two columns"):
        DesignDisplay.from_estimator(model, X)
    model.design(X[:, :2])
    with pytest.raises(ValueError, match="one or two columns"):
        DesignDisplay.from_estimator(model, X[:2, :2])
    with pytest.raises(ValueError, match="expecting 2 features"):
        DesignDisplay.from_estimator(model, X)


def test_scores_are_shown_in_descending_order_with_the_sample_marked(rng):
    X = rng.standard_t(3, size=(200, 3))
    sampler = SensitivitySampler(30, random_state=0).fit(X)
    ax = SampleScoreDisplay.from_estimator(sampler).ax_
    everything, marked = ax.lines
    assert (np.diff(everything.get_ydata()) <= 0).all()
    assert sorted(marked.get_ydata()) == sorted(sampler.scores_[np.unique(sampler.indices_)])


def test_errors_are_measured_for_each_size_and_sampler(rng):
    X = rng.standard_t(3, size=(400, 3))
    samplers = {name: SensitivitySampler(row_score=name) for name in ("uniform", "leverage")}
    display = EmbeddingErrorDisplay.from_samplers(samplers, X, sizes=[40, 160], n_repeats=3)
    assert {name: errors.shape for name, errors in display.errors.items()} == {
        "uniform": (2, 3),
        "leverage": (2, 3),
    }
    medians = [line.get_ydata() for line in display.ax_.lines]
    assert all(y[1] < y[0] for y in medians)
    assert not hasattr(samplers["uniform"], "indices_")
