"""What a mesh may be: the checks between a user's meshes and the mathematics."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._checks.columns import refuse_masked

__all__ = ["Mesh", "checked_meshes"]


class Mesh(NamedTuple):
    """Vertices (n_v, d), simplices (n_s, j + 1) and densities (n_s, n_channels)."""

    vertices: np.ndarray
    simplices: np.ndarray
    densities: np.ndarray


def checked_meshes(X: Any, *, where: str, signed: bool = False) -> list[Mesh]:
    """Check a list of meshes: each a pair, a triple, or an object with points and simplices.

    Raises
    ------
    ValueError
        If there is no mesh, or one of them (it is named) is empty, of the wrong shape or type,
        not finite, names vertices that it lacks, or has cells that are no simplices (``signed``:
        of full dimension); if they differ in dimension or channels.
    """
    if hasattr(X, "simplices") or (isinstance(X, tuple) and len(X) in (2, 3)):
        raise ValueError(f"{where} expects a list of meshes: for a single one give [mesh].")
    try:
        given = list(X)
    except TypeError:
        raise ValueError(
            f"{where} expects a list of meshes, but got a {type(X).__name__}."
        ) from None
    if not given:
        raise ValueError(f"{where} was given an empty list: at least one mesh is needed.")
    meshes = [_checked(mesh, f"{where}: mesh {k}", signed) for k, mesh in enumerate(given)]
    for what, numbers in (
        ("dimensions", {mesh.vertices.shape[1] for mesh in meshes}),
        ("channels", {mesh.densities.shape[1] for mesh in meshes}),
    ):
        if len(numbers) > 1:
            raise ValueError(
                f"{where}: meshes have different numbers of {what}: {sorted(numbers)}. All need "
                "the same."
            )
    return meshes


def _checked(mesh: Any, name: str, signed: bool) -> Mesh:
    if hasattr(mesh, "simplices") and hasattr(mesh, "points"):  # scipy.spatial
        mesh = (mesh.points, mesh.simplices)
    if not isinstance(mesh, tuple | list) or len(mesh) not in (2, 3):
        raise ValueError(
            f"{name} must be (vertices, simplices) or (vertices, simplices, densities), or have "
            f"points and simplices as scipy.spatial.Delaunay does, but is a {type(mesh).__name__}."
        )
    vertices = _floats(mesh[0], f"{name}: vertices")
    refuse_masked(mesh[1], name="the rasterizer", input_name=f"{name}: simplices")
    simplices = np.asarray(mesh[1])
    if vertices.ndim != 2 or 0 in vertices.shape:
        raise ValueError(
            f"{name}: vertices must have shape (n_vertices, d), but have {vertices.shape}."
        )
    if simplices.ndim != 2 or 0 in simplices.shape or simplices.dtype.kind not in "iu":
        raise ValueError(
            f"{name}: simplices must be integers of shape (n_simplices, j + 1), at least one, but "
            f"are {simplices.dtype} of shape {simplices.shape}."
        )
    if simplices.min() < 0 or simplices.max() >= len(vertices):
        raise ValueError(
            f"{name}: simplices name vertices from {simplices.min()} to {simplices.max()}, but "
            f"there are {len(vertices)}, numbered from 0."
        )
    d, corners = vertices.shape[1], simplices.shape[1]
    if corners > min(d, 3) + 1:
        raise ValueError(
            f"{name}: cells of {corners} vertices in {d}D. At most {min(d, 3) + 1} are possible "
            "(points, edges, triangles, tetrahedra): split larger cells."
        )
    if signed and corners != d + 1:
        raise ValueError(
            f"{name}: signed=True needs simplices of {d + 1} vertices in {d}D, but these have "
            f"{corners}. subspace_learn.geometry.cone makes them from a closed outline."
        )
    densities = np.ones((len(simplices), 1), vertices.dtype)
    if len(mesh) == 3 and mesh[2] is not None:
        densities = _floats(mesh[2], f"{name}: densities")
        densities = densities[:, None] if densities.ndim == 1 else densities
        if densities.ndim != 2 or len(densities) != len(simplices) or not densities.shape[1]:
            raise ValueError(
                f"{name}: densities has shape {densities.shape}, but there are {len(simplices)} "
                "simplices: give one number, or one row of numbers, for each."
            )
    return Mesh(vertices, simplices.astype(np.int64), densities)


def _floats(values: Any, name: str) -> np.ndarray:
    """Finite numbers in float32 if they were, else in float64."""
    refuse_masked(values, name="the rasterizer", input_name=name)
    values = np.asarray(values)
    if values.dtype.kind == "c":
        raise ValueError(f"{name}: Complex data not supported.")
    if values.dtype.kind not in "iufb":
        raise ValueError(f"{name} are not numeric, but of type {values.dtype}.")
    values = values if values.dtype == np.float32 else values.astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError(f"{name} contains NaN or infinity.")
    return values
