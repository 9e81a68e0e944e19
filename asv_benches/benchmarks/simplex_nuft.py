"""Exact transforms of triangles beside the sum of quotients of the paper, and beside a raster."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
from matplotlib.path import Path as Outline
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from subspace_learn.functional.geometry.simplex_nuft import (
    cone,
    mode_grid,
    simplex_contents,
    simplex_nuft,
)
from subspace_learn.geometry import SimplexRasterizer

from .common import Quality, Speed


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


class Transform(Speed):
    """1,000 triangles, 32 x 32 modes; score: share of the modes that are numbers."""

    budget = 10.0

    def make_data(self):
        return triangles(10 if self.quick else 1000)

    def ours(self, data):
        return simplex_nuft(*data, modes=(32, 32))

    def peers(self, data):
        return {"sum of quotients": lambda: sum_of_quotients(*data, (32, 32))}

    def score(self, data, result):
        return float(np.isfinite(result).mean())

    def nbytes(self, data):
        return sum(part.nbytes for part in data)


class Rasterize(Speed):
    """50 meshes of 20 triangles at 16 x 16"""

    budget = 8.0

    def make_data(self):
        return [triangles(20, seed) for seed in range(1 if self.quick else 50)]

    def ours(self, meshes):
        return SimplexRasterizer(16).fit_transform(meshes)


# --- quality ------------------------------------------------------------------------------------


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


def by_edges(corners):
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


class Modes(Quality):
    """Largest error of the modes (0..2, 0..2) of a hexagon, median of twenty"""

    case_name = "pixels"
    cases = {str(r): r for r in (16, 32, 64, 128)}
    seeds = 20
    summary = staticmethod(lambda values, digits: f"{np.median(values):.1e}")

    def make_data(self, r, seed):
        return r, polygon(6, np.random.default_rng(seed))

    def methods(self, data):
        r, corners = data

        def of_samples(times):
            F = np.fft.rfft2(sampled(corners, r, times)) / r**2
            # the middle of a pixel is half a step behind its first sample
            shift, k = (times - 1) / (2 * times * r), np.arange(3)
            return F[:3, :3] * np.exp(-2j * np.pi * shift * (k[:, None] + k))

        mesh = outline_mesh(corners)
        return {
            "exact modes": lambda: simplex_nuft(*mesh, modes=(r, r), signed=True)[:3, :3],
            "FFT of point samples": lambda: of_samples(1),
            "FFT of means of 8 x 8 samples": lambda: of_samples(8),
        }

    def score(self, data, modes):
        return np.abs(modes - by_edges(data[1])).max()


class Classes(Quality):
    """Triangles, squares and hexagons told apart: 300 polygons, half for training, ten seeds.

    A support vector machine, its parameters chosen on the training half.
    """

    case_name = "pixels"
    cases = {f"{r} x {r}": r for r in (4, 8, 16)}
    seeds = 10

    def make_data(self, r, seed):
        rng = np.random.default_rng(seed)
        y = np.tile([3, 4, 6], 10 if self.quick else 100)
        corners = [polygon(n, rng) for n in y]
        return r, y, corners, train_test_split(np.arange(len(y)), stratify=y, random_state=seed)

    def methods(self, data):
        r, y, corners, (train, test) = data
        meshes = [outline_mesh(c) for c in corners]

        def exact(smoothing):
            model = SimplexRasterizer(r, bounds=(0, 1), smoothing=smoothing, signed=True)
            return model.fit_transform(meshes)

        def means(times):
            return np.stack([sampled(c, r, times).ravel() for c in corners])

        def accuracy(make, *arguments):
            grid = {"C": [1, 10, 100], "gamma": ["scale", 0.003, 0.01, 0.03]}
            X = make(*arguments)
            search = GridSearchCV(SVC(), grid, cv=3).fit(X[train], y[train])
            return search.score(X[test], y[test])

        return {
            "exact modes": lambda: accuracy(exact, 0.0),
            "exact, smoothing 2": lambda: accuracy(exact, 2.0),
            "point samples": lambda: accuracy(means, 1),
            "means of 8 x 8 samples": lambda: accuracy(means, 8),
        }


# --- what an expert would use instead -----------------------------------------------------------


def drawn_by_pillow(corners, r, times=8):
    """Filled at ``times`` the resolution, then averaged: Pillow's polygons have no antialiasing."""
    from PIL import Image, ImageDraw

    image = Image.new("L", (r * times, r * times))
    points = [(float(y), float(x)) for x, y in corners * r * times - 0.5]
    ImageDraw.Draw(image).polygon(points, fill=255)
    return np.asarray(image.resize((r, r), Image.Resampling.BOX)) / 255


def drawn_by_agg(corners, r):
    """Matplotlib's antialiased polygon, one dot a pixel."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Polygon

    figure = Figure((r, r), dpi=1)
    figure.add_artist(Polygon(np.stack([corners[:, 1], 1 - corners[:, 0]], axis=1), lw=0, fc="k"))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return 1 - np.asarray(canvas.buffer_rgba())[..., 0] / 255


def covered(corners, r):
    """The exact share of each pixel that lies inside, by shapely."""
    import shapely

    low = np.stack(np.meshgrid(*2 * [np.arange(r) / r], indexing="ij"), axis=-1).reshape(-1, 2).T
    pixels = shapely.box(*low, *(low + 1 / r))
    shape = shapely.Polygon(corners)
    return shapely.area(shapely.intersection(pixels, shape)).reshape(r, r) * r**2


def rasterizers(r):
    """Calls from corners of one polygon to an image, by name."""
    calls = {
        "point samples": lambda c: sampled(c, r),
        "Pillow, 8 x 8 samples a pixel": lambda c: drawn_by_pillow(c, r),
        "Matplotlib, antialiased": lambda c: drawn_by_agg(c, r),
    }
    if find_spec("shapely") is not None:
        calls["shapely, exact area of each pixel"] = lambda c: covered(c, r)
    return calls


class Experts(Classes):
    """What an expert would use instead: polygons told apart, accuracy

    Polygons and support vector machine as above, three seeds. The last rows draw nothing: they
    look at the outline, which is at hand wherever a mesh is.
    """

    may_use = ("shapely",)
    seeds = 3
    transposed = True

    def methods(self, data):
        r, y, corners, (train, test) = data

        def accuracy(X, model=None):
            if model is None:
                grid = {"C": [1, 10, 100], "gamma": ["scale", 0.003, 0.01, 0.03]}
                model = GridSearchCV(SVC(), grid, cv=3)
            return model.fit(X[train], y[train]).score(X[test], y[test])

        def exact(signed_meshes):
            model = SimplexRasterizer(r, bounds=(0, 1), smoothing=0.0, signed=True)
            return accuracy(model.fit_transform(signed_meshes))

        def roundness():
            sides = [c - np.roll(c, 1, axis=0) for c in corners]
            length = np.array([np.linalg.norm(s, axis=1).sum() for s in sides])
            ahead = [np.roll(c, -1, axis=0) for c in corners]
            pairs = zip(corners, ahead, strict=True)
            area = np.array([np.linalg.det(np.stack([a, b], axis=1)).sum() / 2 for a, b in pairs])
            return (area / length**2)[:, None]

        def line():
            return make_pipeline(StandardScaler(), LogisticRegression(C=100))

        calls = {"SimplexRasterizer": lambda: exact([outline_mesh(c) for c in corners])}
        for name, draw in rasterizers(r).items():
            calls[name] = lambda draw=draw: accuracy(np.stack([draw(c).ravel() for c in corners]))
        return calls | {
            "area over squared circumference": lambda: accuracy(roundness(), line()),
            "number of corners": lambda: accuracy(np.array([[len(c)] for c in corners]), line()),
        }


class ExpertsSpeed(Speed):
    """What an expert would use instead: images of 100 polygons, 16 x 16"""

    may_use = ("shapely",)
    budget = 5.0

    def make_data(self):
        rng = np.random.default_rng(0)
        return [polygon(n, rng) for n in [3, 4, 6, 12] * (1 if self.quick else 25)]

    def ours(self, outlines):
        model = SimplexRasterizer(16, bounds=(0, 1), signed=True)
        return model.fit_transform([outline_mesh(c) for c in outlines])

    def peers(self, outlines):
        return {
            name: lambda draw=draw: np.stack([draw(c) for c in outlines])
            for name, draw in rasterizers(16).items()
        }
