"""Geometry: meshes of points, edges, triangles and tetrahedra as tables for any estimator."""

from ._simplex_rasterizer import SimplexRasterizer

__all__ = ["SimplexRasterizer"]
