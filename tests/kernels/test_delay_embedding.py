"""Neighbour kernels against plain twins."""

import numpy as np
import pytest

from subspace_learn.kernels.delay_embedding import nearest_neighbours, neighbour_growth


@pytest.mark.parametrize("theiler", [0, 3])
def test_nearest_neighbours_equal_a_distance_table(rng, theiler):
    Y = rng.normal(size=(40, 3))
    index, square = np.empty(40, dtype=np.int64), np.empty(40)
    nearest_neighbours(Y, theiler, index, square)
    table = ((Y[:, None] - Y) ** 2).sum(axis=2)
    table[np.abs(np.subtract.outer(range(40), range(40))) <= theiler] = np.inf
    np.testing.assert_array_equal(index, table.argmin(axis=1))
    np.testing.assert_allclose(square, table.min(axis=1), rtol=1e-14)


def test_rows_without_a_distinct_neighbour_are_marked():
    index, square = np.empty(5, dtype=np.int64), np.empty(5)
    nearest_neighbours(np.ones((5, 2)), 0, index, square)
    assert (index == -1).all()


def test_growth_equals_its_plain_twin(rng):
    x, lag, top = rng.normal(size=50), 2, 4
    growth, counts = np.empty(top), np.empty(top, dtype=np.int64)
    neighbour_growth(x, lag, np.empty((50, 50)), growth, counts)
    for d in range(1, top + 1):
        n = 50 - d * lag
        Y = np.column_stack([x[k * lag : k * lag + n] for k in range(d + 1)])
        table = np.abs(Y[:, None, :d] - Y[None, :, :d]).max(axis=2)
        np.fill_diagonal(table, np.inf)
        near = table.argmin(axis=1)
        wider = np.abs(Y - Y[near]).max(axis=1)
        assert counts[d - 1] == n
        assert growth[d - 1] == pytest.approx(np.sum(wider / table.min(axis=1)), rel=1e-12)
