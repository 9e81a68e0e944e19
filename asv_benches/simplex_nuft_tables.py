"""What exact rasters of polygons are worth, for doc/_tables.

python asv_benches/simplex_nuft_tables.py            # the whole page, about two minutes
python asv_benches/simplex_nuft_tables.py modes      # one of them, printed only
"""

from __future__ import annotations

import numpy as np
from matplotlib.path import Path as Outline
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.svm import SVC
from tables import spread, write_page

from subspace_learn.functional.geometry.simplex_nuft import cone, simplex_nuft
from subspace_learn.geometry import SimplexRasterizer


def polygon(n_sides, rng):
    """Corners of a regular polygon in the unit square: turned, scaled, each disturbed by .01."""
    angles = 2 * np.pi * (np.arange(n_sides) + rng.uniform()) / n_sides
    corners = rng.uniform(0.2, 0.4) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return 0.5 + corners + 0.01 * rng.normal(size=corners.shape)


def outline_mesh(corners):
    n = len(corners)
    return cone(corners, np.stack([np.arange(n), np.roll(np.arange(n), -1)], axis=1))


def sampled(corners, r, times=1):
    """Raster of point samples, or of means of ``times`` by ``times`` of them a pixel."""
    axis = np.arange(r * times) / (r * times)
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    inside = Outline(corners).contains_points(points).astype(float)
    return inside.reshape(r, times, r, times).mean(axis=(1, 3))


def classes():
    """Triangles, squares and hexagons told apart: 300 polygons, half for training, ten seeds."""
    yield "pixels", "exact modes", "exact, smoothing 2", "point samples", "means of 8 x 8 samples"
    grid = {"C": [1, 10, 100], "gamma": ["scale", 0.003, 0.01, 0.03]}
    for r in (4, 8, 16):
        scores = [[], [], [], []]
        for seed in range(10):
            rng = np.random.default_rng(seed)
            y = np.tile([3, 4, 6], 100)
            corners = [polygon(n, rng) for n in y]
            meshes = [outline_mesh(c) for c in corners]
            rasters = [
                SimplexRasterizer(r, bounds=(0, 1), smoothing=s, signed=True).fit_transform(meshes)
                for s in (0.0, 2.0)
            ] + [np.stack([sampled(c, r, t).ravel() for c in corners]) for t in (1, 8)]
            train, test = train_test_split(np.arange(300), stratify=y, random_state=seed)
            for X, found in zip(rasters, scores, strict=True):
                search = GridSearchCV(SVC(), grid, cv=3).fit(X[train], y[train])
                found.append(search.score(X[test], y[test]))
        yield f"{r} x {r}", *(spread(values) for values in scores)


def modes():
    """Largest error of the modes (0..2, 0..2) of a hexagon, median of twenty."""
    yield "pixels", "exact modes", "FFT of point samples", "FFT of means of 8 x 8 samples"
    rng = np.random.default_rng(0)
    hexagons = [polygon(6, rng) for _ in range(20)]
    for r in (16, 32, 64, 128):
        errors = [[], [], []]
        for corners in hexagons:
            mesh = outline_mesh(corners)
            exact = _triangle_fan(corners)
            errors[0].append(np.abs(simplex_nuft(*mesh, modes=(r, r), signed=True)[:3, :3] - exact))
            for found, times in zip(errors[1:], (1, 8), strict=True):
                F = np.fft.rfft2(sampled(corners, r, times)) / r**2
                # the middle of a pixel is half a step behind its first sample
                shift = (times - 1) / (2 * times * r)
                k = np.arange(3)
                F = F[:3, :3] * np.exp(-2j * np.pi * shift * (k[:, None] + k))
                found.append(np.abs(F - exact))
        yield r, *(f"{np.median([e.max() for e in found]):.1e}" for found in errors)


def _triangle_fan(corners):
    """The same modes another way: edge by edge, by the divergence theorem, mode 0 by area."""
    k = np.arange(3)
    w = 2 * np.pi * np.stack(np.meshgrid(k, k, indexing="ij"), axis=-1).reshape(-1, 2)
    F = np.zeros(len(w), dtype=complex)
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        normal = np.array([b[1] - a[1], a[0] - b[0]])
        half = w @ (b - a) / 2
        along = np.exp(-1j * w @ (a + b) / 2) * np.sinc(half / np.pi)
        F[1:] += 1j * (w @ normal)[1:] * along[1:] / (w**2).sum(axis=1)[1:]
        F[0] += (a[0] * b[1] - a[1] * b[0]) / 2
    return F.reshape(3, 3)


if __name__ == "__main__":
    write_page("simplex_nuft", __doc__.splitlines()[0], modes, classes)
