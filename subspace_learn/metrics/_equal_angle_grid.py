"""Cells of equal angle on a sphere, with their areas."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["EqualAngleGrid"]

_EARTH = 6371.0088  # mean radius in km, IUGG


class EqualAngleGrid:
    r"""Cells between circles of latitude and longitude, and the area of each.

    .. math:: A = R^2 \Delta\lambda\, (\sin\varphi_2 - \sin\varphi_1)

    Parameters
    ----------
    step : float, default=3.0
        Width of a cell in degrees; it must divide 180.
    radius : float, default=6371.0088
        Of the sphere; areas are in its unit squared. The default is the Earth's mean radius in km.

    Attributes
    ----------
    n_cells : int
        Number of cells.
    areas : ndarray of shape (n_cells,)
        Area of each cell; they add up to :math:`4 \pi R^2`.
    centers : ndarray of shape (n_cells, 2)
        Latitude and longitude of the middle of each cell, in degrees.

    Raises
    ------
    ValueError
        If ``step`` does not divide 180 or ``radius`` is not positive.

    See Also
    --------
    area_to_find : Takes the areas.

    Notes
    -----
    Cells are numbered row by row from the south pole, each row eastward from -180 degrees. The
    sphere stands for the ellipsoid: areas differ by up to 0.5 % from those of WGS84.

    Examples
    --------
    >>> grid = EqualAngleGrid(30.0)
    >>> grid.n_cells, grid.cell_of([52.5, -90.0], [13.4, 180.0])
    (72, array([54,  0]))
    """

    def __init__(self, step: float = 3.0, *, radius: float = _EARTH) -> None:
        n_rows = round(180.0 / step) if 0 < step <= 180 else 0
        if n_rows < 1 or abs(n_rows * step - 180.0) > 1e-9:
            raise ValueError(
                f"step must divide 180 degrees, but is {step!r}. Take 1, 2, 3, 5, 7.5 or 10."
            )
        if not 0 < radius < np.inf:
            raise ValueError(f"radius must be above 0 and finite, but is {radius!r}.")
        self.step, self.radius = step, radius
        self._shape = (n_rows, 2 * n_rows)
        edges = np.radians(np.linspace(-90.0, 90.0, n_rows + 1))
        # sin b - sin a without the cancellation at the poles
        bands = 2 * np.sin(np.diff(edges) / 2) * np.cos((edges[1:] + edges[:-1]) / 2)
        self.areas = np.repeat(radius**2 * np.radians(step) * bands, 2 * n_rows)
        self.n_cells = self.areas.size
        latitude, longitude = np.indices(self._shape).reshape(2, -1)
        self.centers = np.stack(
            [-90.0 + (latitude + 0.5) * step, -180.0 + (longitude + 0.5) * step], axis=1
        )

    def __repr__(self) -> str:
        return f"EqualAngleGrid(step={self.step!r}, radius={self.radius!r})"

    def cell_of(self, latitude: Any, longitude: Any) -> np.ndarray:
        """Number of the cell of each place.

        Parameters
        ----------
        latitude : array-like
            In degrees, in [-90, 90].
        longitude : array-like
            In degrees; any turn, so that 190 is -170.

        Returns
        -------
        cell : integer ndarray
            In the shape of both.

        Raises
        ------
        ValueError
            If a latitude is beyond a pole, or a coordinate is not finite.
        """
        latitude, longitude = np.broadcast_arrays(
            np.asarray(latitude, dtype=np.float64), np.asarray(longitude, dtype=np.float64)
        )
        if not (np.isfinite(longitude).all() and (np.abs(latitude) <= 90).all()):
            bad = np.abs(latitude[~(np.abs(latitude) <= 90)])
            raise ValueError(
                "latitudes must be degrees in [-90, 90] and longitudes finite"
                f"{f', but a latitude is {bad[0]:g}' if bad.size else ''}. Are latitude and "
                "longitude in this order, and in degrees?"
            )
        n_rows, n_columns = self._shape
        row = np.minimum(np.floor((latitude + 90.0) / self.step).astype(np.int64), n_rows - 1)
        turned = np.mod(longitude + 180.0, 360.0)
        column = np.minimum(np.floor(turned / self.step).astype(np.int64), n_columns - 1)
        return row * n_columns + column
