"""The picture shows what the solver says."""

import matplotlib as mpl
import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import NotFittedError

from subspace_learn.graph import BootstrapAMG, HierarchyDisplay

mpl.use("Agg")


@pytest.fixture
def solver():
    path = sp.diags_array([-1.0, 2, -1], offsets=[-1, 0, 1], shape=(700, 700))
    return BootstrapAMG(target_rate=0.3, random_state=0).fit(path)


@pytest.fixture(autouse=True)
def _close():
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


def test_lines_are_sizes_entries_and_rates(solver):
    display = HierarchyDisplay.from_estimator(solver)
    entries, rows = display.axes_[0].get_lines()
    np.testing.assert_array_equal(rows.get_ydata(), solver.hierarchy_.sizes)
    np.testing.assert_array_equal(entries.get_ydata(), solver.hierarchy_.nonzeros)
    rates, target = display.axes_[1].get_lines()
    np.testing.assert_array_equal(rates.get_ydata(), solver.convergence_rates_)
    assert set(target.get_ydata()) == {0.3}
    assert f"{solver.hierarchy_.operator_complexity:.2f}" in display.axes_[0].get_title()


def test_it_draws_on_axes_it_is_given(solver):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2)
    display = HierarchyDisplay([9, 3], [20, 5], np.array([0.5])).plot(axes=axes)
    assert display.figure_ is figure
    assert len(display.axes_[1].get_lines()) == 1  # no target was given


def test_rounds_of_other_strategies_are_named_and_may_span_decades(solver):
    solver.strategy_, solver.convergence_rates_ = "filter", np.array([50.0, 1e-3])
    right = HierarchyDisplay.from_estimator(solver).axes_[1]
    assert right.get_yscale() == "log"
    assert right.get_ylabel() == "largest residual over the gap"
    assert len(right.get_lines()) == 1  # the target is one of composites
    solver.strategy_, solver.convergence_rates_ = "dense", np.empty(0)
    assert HierarchyDisplay.from_estimator(solver).axes_[1].get_ylim() == (0, 1)


def test_unfitted_says_so():
    with pytest.raises(NotFittedError):
        HierarchyDisplay.from_estimator(BootstrapAMG())
