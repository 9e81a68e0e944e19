"""Geometry: meshes of points, edges, triangles and tetrahedra as tables for any estimator."""

from ..functional.geometry.simplex_nuft import cone, simplex_nuft
from ._simplex_rasterizer import SimplexRasterizer

__all__ = ["SimplexRasterizer", "cone", "simplex_nuft"]
