"""The picture shows the curve, on a logarithmic axis, with its names and budgets."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB

from subspace_learn.metrics import RecallVsAreaDisplay, recall_vs_area_curve

plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_curve_names_and_budgets_are_drawn(rng):
    scores, areas = rng.uniform(size=(30, 8)), rng.uniform(1.0, 90.0, size=8)
    y = rng.integers(8, size=30)
    display = RecallVsAreaDisplay.from_predictions(
        y, scores, areas, name="first", budgets={"a park": 20.0}, unit="ha"
    )
    area, recall = recall_vs_area_curve(y, scores, areas)
    x, height = display.line_.get_data()
    np.testing.assert_array_equal(x[1:-1], area)
    np.testing.assert_array_equal(height[1:-1], recall)
    assert (height[0], height[-1]) == (0.0, recall[-1])
    ax = display.ax_
    assert ax.get_xscale() == "log"
    assert ax.get_xlabel() == "searched area (ha)"
    assert [text.get_text() for text in ax.texts] == ["a park"]
    RecallVsAreaDisplay.from_predictions(y, -scores, areas, name="second", ax=ax)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["first", "second"]
    curves = [line for line in ax.get_lines() if line.get_gid() != "budget"]
    assert curves[0].get_color() != curves[1].get_color()


def test_estimator_is_ranked_by_density(rng):
    X = rng.normal(size=(60, 2)) + np.repeat([[0, 0], [2, 0]], 30, axis=0)
    y = np.repeat(["dune", "sea"], 30)
    areas = {"sea": 50.0, "dune": 2.0}
    model = GaussianNB().fit(X, y)
    display = RecallVsAreaDisplay.from_estimator(model, X, y, areas)
    wanted = recall_vs_area_curve(
        y, model.predict_proba(X), areas, labels=model.classes_, rank_by="density"
    )
    np.testing.assert_allclose(display.area, wanted[0])
    np.testing.assert_allclose(display.recall, wanted[1])
    assert display.name == "GaussianNB"


def test_nothing_found_is_an_empty_curve():
    with pytest.warns(UserWarning, match="none of the 2 true cells"):
        display = RecallVsAreaDisplay.from_predictions([7, 8], [[0.5, 0.5]] * 2, [1.0, 2.0])
    assert display.area.size == 0
