"""Searched areas beside a sort, the laws of ties and cells, and curves beside counting."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from subspace_learn.functional.metrics.recall_vs_area import (
    area_reaching,
    recall_curve,
    recall_within,
    searched_area,
)


def by_sorting(scores, true, areas, ties):
    """The plain reference: sort the cells of a row and add up areas until the true one."""
    found = []
    for row, t in zip(scores, true, strict=True):
        first = {"pessimistic": 1, "optimistic": -1}[
            ties
        ]  # the true cell behind its equals, or before
        order = sorted(range(len(row)), key=lambda c: (-row[c], first * (c == t)))
        found.append(sum(areas[c] for c in order[: order.index(t) + 1]))
    return np.array(found)


@pytest.fixture
def maps(rng):
    """40 maps over 17 cells of unequal areas, in few levels so that many tie."""
    scores = rng.integers(0, 6, size=(40, 17)) * 0.37
    return scores, rng.integers(17, size=40), rng.uniform(0.1, 90.0, size=17)


@pytest.mark.parametrize("ties", ["pessimistic", "optimistic"])
def test_area_is_that_of_a_sort(ties, maps, xp):
    scores, true, areas = maps
    given = searched_area(*map(xp.asarray, maps), ties=ties)
    assert xp.owns(given)
    np.testing.assert_allclose(xp.numpy(given), by_sorting(scores, true, areas, ties), rtol=1e-13)


def test_expected_ties_are_the_mean_over_all_orders(rng):
    scores = np.array([[0.4, 0.9, 0.4, 0.1, 0.4]])
    areas, true = rng.uniform(1.0, 50.0, size=5), np.array([2])
    each = []
    for order in permutations(range(5)):  # cells of equal score in each order
        ranked = sorted(order, key=lambda c: -scores[0, c])
        each.append(areas[ranked[: ranked.index(2) + 1]].sum())
    given = searched_area(scores, true, areas, ties="expected")
    np.testing.assert_allclose(given, [np.mean(each)], rtol=1e-13)


def test_even_scores_need_half_of_the_total_and_of_the_cell(rng):
    areas = rng.uniform(1.0, 50.0, size=9)
    given = searched_area(np.full((9, 9), 0.3), np.arange(9), areas, ties="expected")
    np.testing.assert_allclose(given, (areas.sum() + areas) / 2, rtol=1e-13)


def test_a_perfect_map_needs_the_cell_alone(rng):
    areas = rng.uniform(1.0, 50.0, size=9)
    np.testing.assert_allclose(searched_area(np.eye(9), np.arange(9), areas), areas)


def test_a_true_cell_that_is_ruled_out_needs_everything(rng):
    areas = rng.uniform(1.0, 50.0, size=4)
    scores = np.array([[0.0, -np.inf, -np.inf, -1.0]])
    np.testing.assert_allclose(searched_area(scores, np.array([2]), areas), areas.sum())


def test_blocks_of_rows_change_nothing(maps, monkeypatch):
    wanted = searched_area(*maps)
    monkeypatch.setattr("subspace_learn.functional.metrics.recall_vs_area._BLOCK", 40)
    np.testing.assert_allclose(searched_area(*maps), wanted, rtol=1e-13)


@given(st.integers(0, 10**6))
def test_increasing_functions_and_the_order_of_cells_change_nothing(seed):
    rng = np.random.default_rng(seed)
    scores, true = rng.normal(size=(6, 8)), rng.integers(8, size=6)
    areas = rng.uniform(0.5, 70.0, size=8)
    wanted = searched_area(scores, true, areas)
    order = rng.permutation(8)
    moved = searched_area(scores[:, order], np.argsort(order)[true], areas[order])
    np.testing.assert_allclose(moved, wanted, rtol=1e-12)
    np.testing.assert_array_equal(searched_area(np.exp(3 * scores), true, areas), wanted)


@pytest.mark.parametrize("rank_by", ["density", "log_density"])
def test_cells_split_in_two_change_nothing_by_density(rank_by, rng):
    """The half that holds the truth ties with its twin: pessimistic counting takes both."""
    p = rng.dirichlet(np.ones(6), size=10)
    areas, true = rng.uniform(1.0, 50.0, size=6), rng.integers(6, size=10)

    def found(p, true, areas):
        scores = np.log(p) if rank_by == "log_density" else p
        return searched_area(scores, true, areas, rank_by=rank_by)

    halves = np.repeat(p / 2, 2, axis=1)
    np.testing.assert_allclose(
        found(halves, 2 * true, np.repeat(areas / 2, 2)), found(p, true, areas), rtol=1e-12
    )


def test_density_is_the_order_that_finds_most(rng):
    """No other order of cells finds the truth in less area on average (Neyman and Pearson)."""
    p, areas = rng.dirichlet(np.ones(5)), rng.uniform(1.0, 20.0, size=5)

    def expected(scores, rank_by="score"):
        each = searched_area(np.tile(scores, (5, 1)), np.arange(5), areas, rank_by=rank_by)
        return p @ each

    best = min(expected(np.array(ranks, dtype=float)) for ranks in permutations(range(5)))
    np.testing.assert_allclose(expected(p, "density"), best, rtol=1e-12)


def test_curve_counts_the_weight_found(rng):
    found = rng.choice([2.0, 3.5, 8.0, np.inf], size=30)
    weights = rng.uniform(0.0, 3.0, size=30)
    area, recall = recall_curve(found, weights)
    np.testing.assert_array_equal(area, [2.0, 3.5, 8.0])
    wanted = [weights[found <= a].sum() / weights.sum() for a in area]
    np.testing.assert_allclose(recall, wanted, rtol=1e-12)
    budgets = np.array([[1.9, 2.0], [7.9, 1e9]])
    wanted = [[0.0, wanted[0]], [wanted[1], wanted[2]]]
    np.testing.assert_allclose(recall_within(found, weights, budgets), wanted, rtol=1e-12)


def test_area_and_recall_are_inverse(rng):
    found = np.arange(1.0, 11.0)
    weights = np.full(10, 0.1)
    shares = np.arange(1, 11) / 10
    np.testing.assert_array_equal(area_reaching(found, weights, shares), found)
    found[-1] = np.inf
    assert area_reaching(found, weights, np.array(0.95)) == np.inf


def test_rounding_of_sums_splits_no_step_and_loses_no_budget():
    found = np.array([0.1 + 0.2, 0.3, 0.6])  # the first is larger by a rounding
    area, recall = recall_curve(found, np.ones(3))
    np.testing.assert_allclose(area, [0.3, 0.6])
    np.testing.assert_allclose(recall, [2 / 3, 1.0])
    np.testing.assert_allclose(recall_within(found, np.ones(3), np.array(0.3)), 2 / 3)


def test_never_found_is_a_flat_curve():
    area, recall = recall_curve(np.full(3, np.inf), np.ones(3))
    assert area.size == recall.size == 0
    assert recall_within(np.full(3, np.inf), np.ones(3), np.array(5.0)) == 0
