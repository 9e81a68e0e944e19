"""Public scores: labels and areas in any form, cells never found, budgets, mistakes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from subspace_learn.metrics import (
    area_at_recall,
    area_to_find,
    recall_at_area,
    recall_vs_area_curve,
)

CELLS = ["port", "city", "bay", "hill"]
AREAS = {"hill": 40.0, "bay": 3.0, "port": 1.5, "city": 12.0, "desert": 900.0}


@pytest.fixture
def frame(rng):
    return pd.DataFrame(rng.dirichlet(np.ones(4), size=25), columns=CELLS)


@pytest.fixture
def y(rng):
    return rng.choice(CELLS, size=25)


def test_columns_and_areas_are_matched_by_label(frame, y):
    sizes = np.array([AREAS[cell] for cell in CELLS])
    columns = np.array([CELLS.index(cell) for cell in y])
    wanted = area_to_find(columns, frame.to_numpy(), sizes)
    for scores, areas, labels in (
        (frame, AREAS, None),
        (frame.iloc[:, ::-1], pd.Series(AREAS), None),
        (frame.to_numpy(), AREAS, CELLS),
        (frame.to_numpy(), {cell: AREAS[cell] for cell in CELLS}, None),
        (frame.to_numpy().tolist(), sizes, CELLS),
        (frame, sizes, None),
    ):
        np.testing.assert_allclose(area_to_find(y, scores, areas, labels=labels), wanted)


def test_every_library_gives_the_same(frame, y, xp):
    wanted = area_to_find(y, frame, AREAS)
    given = area_to_find(y, xp.asarray(frame.to_numpy()), AREAS, labels=CELLS)
    np.testing.assert_allclose(given, wanted)
    assert type(given) is np.ndarray


def test_float32_scores_rank_as_they_are(frame, y):
    scores = frame.to_numpy().astype(np.float32)
    wanted = area_to_find(y, scores.astype(np.float64), AREAS, labels=CELLS)
    np.testing.assert_array_equal(area_to_find(y, scores, AREAS, labels=CELLS), wanted)


def test_a_unit_of_area_scales_the_result(frame, y):
    wanted = area_to_find(y, frame, AREAS)
    given = area_to_find(y, frame, {cell: 1e6 * area for cell, area in AREAS.items()})
    np.testing.assert_allclose(given, 1e6 * wanted)


def test_a_cell_outside_is_counted_and_never_found(frame, y):
    y = y.astype(object)
    y[:5] = "desert"
    found = area_to_find(y, frame, AREAS)
    assert np.isinf(found[:5]).all()
    assert np.isfinite(found[5:]).all()
    area, recall = recall_vs_area_curve(y, frame, AREAS)
    assert recall[-1] == 0.8
    assert area[-1] <= sum(AREAS[cell] for cell in CELLS)
    assert recall_at_area(y, frame, AREAS, 1e9) == 0.8
    assert area_at_recall(y, frame, AREAS, 0.9) == np.inf


def test_weights_equal_repetition(frame, y, rng):
    weight = rng.integers(0, 4, size=25)
    rows = np.repeat(np.arange(25), weight)
    budgets = np.linspace(1.5, 56.5, 30)
    np.testing.assert_allclose(
        recall_at_area(y, frame, AREAS, budgets, sample_weight=weight),
        recall_at_area(y[rows], frame.iloc[rows], AREAS, budgets),
        rtol=1e-12,
    )


def test_several_budgets_and_shares_at_once(frame, y):
    budgets = np.array([[2.0, 16.0], [50.0, 56.5]])
    given = recall_at_area(y, frame, AREAS, budgets)
    wanted = [[recall_at_area(y, frame, AREAS, b) for b in row] for row in budgets]
    np.testing.assert_array_equal(given, wanted)
    assert given[1, 1] == 1
    shares = area_at_recall(y, frame, AREAS, [0.1, 0.5, 1.0])
    assert (np.diff(shares) >= 0).all()
    np.testing.assert_array_less(
        np.array([0.1, 0.5, 1.0]) - 1e-9, recall_at_area(y, frame, AREAS, shares)
    )


def test_labels_of_another_kind_are_told():
    with pytest.warns(UserWarning, match="'1' differ"):
        found = area_to_find(["0", "1"], [[0.3, 0.7], [0.6, 0.4]], [1.0, 2.0])
    assert np.isinf(found).all()


def test_a_budget_below_the_smallest_cell_is_told(frame, y):
    with pytest.warns(UserWarning, match=r"1.2 is smaller than the smallest cell \(1.5\)"):
        assert recall_at_area(y, frame, AREAS, 1.2) == 0


def mistakes():
    p = np.full((2, 3), 1 / 3)
    nan, ruled_out = p.copy(), np.log(p)
    nan[1, 0], ruled_out[0] = np.nan, -np.inf
    return {
        "length of areas": ("each of the 3 cells", p, [1.0, 2.0], {}),
        "an area of 0": ("positive and finite, but that of cell 1 is 0", p, [1.0, 0.0, 2.0], {}),
        "no area": (
            "no entry for 1 of 3 cells, such as 'c'",
            p,
            {"a": 1, "b": 1},
            {"labels": "abc"},
        ),
        "labels twice": ("2 of them different", p, [1.0] * 3, {"labels": ["a", "b", "a"]}),
        "NaN": ("holds NaN in row 1", nan, [1.0] * 3, {}),
        "ruled out": ("minus infinity alone in row 0", ruled_out, [1.0] * 3, {}),
        "one row": (r"y_score\[None\]", p[0], [1.0] * 3, {}),
        "logs as densities": ("log_density", np.log(p), [1.0] * 3, {"rank_by": "density"}),
        "ranks": ("rank_by must be one of", p, [1.0] * 3, {"rank_by": "area"}),
        "ties": ("ties must be one of", p, [1.0] * 3, {"ties": "mean"}),
        "complex": ("[Cc]omplex", p.astype(complex), [1.0] * 3, {}),
    }


@pytest.mark.parametrize("name", mistakes())
def test_mistakes_are_told(name):
    match, scores, areas, how = mistakes()[name]
    y = ["a", "b"] if "labels" in how else [0, 1]
    with pytest.raises(ValueError, match=match):
        area_to_find(y, scores, areas, **how)


def test_other_mistakes_are_told(frame, y):
    with pytest.raises(ValueError, match="inconsistent"):
        area_to_find(y[:-1], frame, AREAS)
    with pytest.raises(ValueError, match="budget must be an area"):
        recall_at_area(y, frame, AREAS, -1.0)
    for share in (0.0, 1.2, np.nan):
        with pytest.raises(ValueError, match=r"in \(0, 1\]"):
            area_at_recall(y, frame, AREAS, share)
    with pytest.raises(ValueError, match="1-D"):
        area_to_find(y[:, None], frame, AREAS)


def test_rows_in_another_order_are_told(frame, y):
    moved = pd.Series(y, index=frame.index).iloc[::-1]
    with pytest.warns(UserWarning, match="has the labels of X in another order"):
        area_to_find(moved, frame, AREAS)
