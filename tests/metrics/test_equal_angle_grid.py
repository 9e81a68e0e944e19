"""Areas that add up, places on borders, at the poles and across the date line."""

from __future__ import annotations

import numpy as np
import pytest

from subspace_learn.metrics import EqualAngleGrid


@pytest.mark.parametrize("step", [0.5, 3.0, 7.5, 45.0, 180.0])
@pytest.mark.parametrize("radius", [6371.0088, 1.0, 2e-3])
def test_areas_add_up_to_the_sphere(step, radius):
    grid = EqualAngleGrid(step, radius=radius)
    assert grid.n_cells == len(grid.areas) == len(grid.centers) == 2 * round(180 / step) ** 2
    np.testing.assert_allclose(grid.areas.sum(), 4 * np.pi * radius**2, rtol=1e-12)


def test_area_of_a_cell_is_its_closed_form():
    grid = EqualAngleGrid(30.0, radius=2.0)
    cell = int(grid.cell_of(45.0, 10.0))
    wanted = 4.0 * np.pi / 6 * (np.sin(np.pi / 3) - np.sin(np.pi / 6))
    np.testing.assert_allclose(grid.areas[cell], wanted, rtol=1e-14)


@pytest.mark.parametrize("step", [1.0, 3.0, 22.5])
def test_every_center_is_in_its_cell(step):
    grid = EqualAngleGrid(step)
    np.testing.assert_array_equal(grid.cell_of(*grid.centers.T), np.arange(grid.n_cells))


def test_random_places_fall_by_area(rng):
    """Even on the sphere, each cell gets its share: chi square of 72 cells below 5 deviations."""
    grid, n = EqualAngleGrid(30.0), 100_000
    latitude = np.degrees(np.arcsin(rng.uniform(-1, 1, size=n)))
    cells = grid.cell_of(latitude, rng.uniform(-180, 180, size=n))
    expected = n * grid.areas / grid.areas.sum()
    chi = ((np.bincount(cells, minlength=72) - expected) ** 2 / expected).sum()
    assert chi < 71 + 5 * np.sqrt(2 * 71)


def test_poles_and_the_date_line():
    grid = EqualAngleGrid(90.0)
    assert grid.cell_of([90.0, -90.0], 0.0).tolist() == [6, 2]
    assert grid.cell_of(0.0, [180.0, -180.0, 540.0, 179.9, -180.1]).tolist() == [4, 4, 4, 7, 7]
    # a longitude a rounding below 180 turned to 360: it stays in the last column
    assert grid.cell_of(0.0, -180.0 - 1e-15).tolist() in (4, 7)


def test_mistakes_are_told():
    for step in (0.0, 7.0, -3.0, 361.0, np.nan):
        with pytest.raises(ValueError, match="divide 180"):
            EqualAngleGrid(step)
    with pytest.raises(ValueError, match="radius"):
        EqualAngleGrid(radius=0.0)
    with pytest.raises(ValueError, match=r"a latitude is 139.7.*in this order"):
        EqualAngleGrid().cell_of(139.7, 35.7)
    with pytest.raises(ValueError, match="finite"):
        EqualAngleGrid().cell_of(0.0, np.nan)
