"""What all pictures share."""

from __future__ import annotations

import pytest
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from subspace_learn import RandomMatrixFilter
from subspace_learn._discovery import public_names
from subspace_learn._drawing import Display, fitted_step
from subspace_learn.datasets import make_spiked_samples
from subspace_learn.random_matrix import ScreeDisplay

DISPLAYS = [found.value for found in public_names() if found.name.endswith("Display")]

plt = pytest.importorskip("matplotlib.pyplot", reason="pictures need matplotlib")


class Dot(Display):
    _size = (2.0, 1.0)

    def __init__(self, fails=False):
        self.fails = fails

    def _draw(self, ax):
        if self.fails:
            raise ValueError("nothing to draw")
        ax.plot(0, 0, "o")


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def test_plot_makes_a_figure_of_the_size_of_its_class():
    display = Dot().plot()
    assert tuple(display.figure_.get_size_inches()) == (2.0, 1.0)
    assert display.ax_.figure is display.figure_


def test_plot_draws_on_the_axes_it_is_given_and_makes_no_figure():
    _, ax = plt.subplots()
    display = Dot().plot(ax=ax)
    assert display.ax_ is ax
    assert len(ax.lines) == 1
    assert plt.get_fignums() == [ax.figure.number]


def test_a_drawing_that_fails_leaves_the_earlier_picture():
    display = Dot().plot()
    before = display.ax_
    display.fails = True
    with pytest.raises(ValueError, match="nothing to draw"):
        display.plot()
    assert display.ax_ is before


def test_fitted_step_is_the_model_in_a_pipeline_in_a_search():
    X = make_spiked_samples(80, 6, random_state=0)
    pipeline = make_pipeline(StandardScaler(), RandomMatrixFilter())
    search = GridSearchCV(pipeline, {"randommatrixfilter__n_components": [1, 2]}, cv=2)
    search.fit(X)
    model = fitted_step(search)
    assert model is search.best_estimator_[-1]
    assert fitted_step(model) is model
    assert ScreeDisplay.from_estimator(search).n_components == model.n_components_


def test_fitted_step_refuses_what_is_not_fitted():
    with pytest.raises(NotFittedError, match="RandomMatrixFilter"):
        fitted_step(make_pipeline(StandardScaler(), RandomMatrixFilter()))


@pytest.mark.parametrize("display", DISPLAYS, ids=lambda cls: cls.__name__)
def test_every_display_is_made_by_a_class_method_and_can_be_drawn_again(display):
    assert [name for name in vars(display) if name.startswith("from_")]
    assert callable(display.plot)
    assert {"figure_"} <= set(display.__doc__.split()), "the docstring names its attributes"
