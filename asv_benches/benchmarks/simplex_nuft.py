"""Exact transforms of triangles beside the sum of quotients of the paper, and beside a raster."""

from __future__ import annotations

import numpy as np

from subspace_learn.functional.geometry.simplex_nuft import (
    mode_grid,
    simplex_contents,
    simplex_nuft,
)
from subspace_learn.geometry import SimplexRasterizer

from .common import PeerBenchmark


def triangles(n, seed=0):
    """Small random triangles in the unit square, some sides along the axes."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 0.9, (n, 1, 2)) + rng.uniform(0, 0.1, (n, 3, 2))
    corners[: n // 4, 1, 0] = corners[: n // 4, 0, 0]
    return corners.reshape(-1, 2), np.arange(3 * n).reshape(n, 3)


def sum_of_quotients(vertices, simplices, shape):
    """The formula as published, NaN where it divides by zero; zero mode set by hand."""
    waves = 2 * np.pi * mode_grid(shape).reshape(-1, 2)
    corners = vertices[simplices]
    s = np.einsum("ked,md->kme", corners, waves)
    with np.errstate(all="ignore"):
        terms = sum(
            np.exp(-1j * s[..., a])
            / ((s[..., a] - s[..., (a + 1) % 3]) * (s[..., a] - s[..., (a + 2) % 3]))
            for a in range(3)
        )
        F = -2 * np.einsum("k,km->m", simplex_contents(corners), terms)
    F[0] = simplex_contents(corners).sum()
    return F.reshape(mode_grid(shape).shape[:-1])


class Transform(PeerBenchmark):
    """1,000 triangles, 32 x 32 modes; score: share of the modes that are numbers."""

    budget = 10.0

    def make_data(self):
        return triangles(1000)

    def ours(self, data):
        return simplex_nuft(*data, modes=(32, 32))

    def peers(self, data):
        return {"sum of quotients": lambda: sum_of_quotients(*data, (32, 32))}

    def score(self, data, result):
        return float(np.isfinite(result).mean())

    def nbytes(self, data):
        return sum(part.nbytes for part in data)


class Rasterize:
    """50 meshes of 20 triangles at 16 x 16."""

    def setup(self):
        self.meshes = [triangles(20, seed) for seed in range(50)]

    def time_fit_transform(self):
        SimplexRasterizer(16).fit_transform(self.meshes)
