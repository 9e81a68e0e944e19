"""SimplexRasterizer: boxes, images, modes, and what it is for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import Delaunay
from sklearn import config_context
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from subspace_learn.geometry import SimplexRasterizer, cone, simplex_nuft


def polygon(n_sides, rng):
    """A regular polygon turned, scaled, moved and disturbed, as a signed cone."""
    angles = 2 * np.pi * (np.arange(n_sides) + rng.uniform()) / n_sides
    corners = rng.uniform(0.2, 0.4) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    corners = 0.5 + corners + 0.01 * rng.normal(size=corners.shape)
    edges = np.stack([np.arange(n_sides), np.roll(np.arange(n_sides), -1)], axis=1)
    return cone(corners, edges)


def test_mean_of_an_image_is_the_mass_over_the_box(rng):
    meshes = [(*polygon(n, rng), rng.uniform(size=(n, 2))) for n in (3, 5)]
    rasterizer = SimplexRasterizer((9, 12), bounds=((-1, 0), (2, 4)), flatten=False).fit(meshes)
    images = rasterizer.transform(meshes)
    assert images.shape == (2, 2, 9, 12)
    for image, (vertices, simplices, densities) in zip(images, meshes, strict=True):
        edges = vertices[simplices[:, 1:]] - vertices[simplices[:, :1]]
        mass = np.abs(np.linalg.det(edges)) / 2 @ densities
        np.testing.assert_allclose(image.mean(axis=(1, 2)) * 12, mass, rtol=1e-12)


def test_modes_do_not_depend_on_the_resolution(rng):
    meshes = [polygon(4, rng)]
    few, many = (
        SimplexRasterizer(r, bounds=(0, 1), output="modes", flatten=False).fit_transform(meshes)
        for r in (8, 32)
    )
    assert few.shape == (1, 8, 5, 2)
    np.testing.assert_allclose(few[:, :4, :4], many[:, :4, :4], rtol=0, atol=1e-12)


def test_the_box_is_learnt_and_padded(rng):
    points = rng.uniform(size=(10, 3)) * [1, 2, 4] + 5
    rasterizer = SimplexRasterizer(4).fit([Delaunay(points)])
    size = np.ptp(points, axis=0)
    np.testing.assert_allclose(rasterizer.bounds_[0], points.min(axis=0) - 0.1 * size)
    np.testing.assert_allclose(rasterizer.bounds_[1], points.max(axis=0) + 0.1 * size)
    assert rasterizer.transform([Delaunay(points)]).shape == (1, 64)
    flat = SimplexRasterizer(4).fit([(np.array([[0.0, 3], [2, 3]]), np.array([[0, 1]]))])
    np.testing.assert_allclose(np.diff(flat.bounds_, axis=0), [[2.4, 2.4]])
    point = SimplexRasterizer(4).fit([(np.array([[1.0, 3]]), np.array([[0]]))])
    np.testing.assert_allclose(np.diff(point.bounds_, axis=0), [[1.2, 1.2]])


def test_signs_fill_outlines(rng):
    vertices, simplices = polygon(6, rng)
    unsigned = SimplexRasterizer(8, bounds=(0, 1)).fit_transform([(vertices, simplices)])
    signed = SimplexRasterizer(8, bounds=(0, 1), signed=True)
    np.testing.assert_allclose(signed.fit_transform([(vertices, simplices)]), unsigned, atol=1e-14)
    with pytest.raises(ValueError, match="closed outline"):
        signed.fit([(vertices, simplices[:, 1:])])


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"resolution": (4, 4, 4)}, "tuple of 2 ints"),
        ({"resolution": (4, 1)}, "tuple of 2 ints"),
        ({"bounds": (1, 0)}, "low below high"),
        ({"bounds": (0, np.inf)}, "low below high"),
    ],
)
def test_grids_that_do_not_fit_are_refused(parameters, match, rng):
    with pytest.raises(ValueError, match=match):
        SimplexRasterizer(**parameters).fit([polygon(3, rng)])


def test_it_tells_polygons_apart_in_a_pipeline(rng):
    y = np.tile([3, 4, 6], 40)
    meshes = [polygon(n, rng) for n in y]
    pipeline = make_pipeline(SimplexRasterizer(12, bounds=(0, 1)), SVC(C=100))
    assert cross_val_score(pipeline, meshes, y, cv=3).mean() > 0.9


@pytest.mark.parametrize("bounds", [(0, 1), (-1, 3), ((-2, 0), (0, 5))])
def test_modes_are_those_of_the_mesh_over_the_volume_of_the_box(rng, bounds):
    vertices, simplices = polygon(5, rng)
    densities = rng.uniform(1, 300, size=5)
    found = SimplexRasterizer((6, 7), bounds=bounds, output="modes", flatten=False)
    found = found.fit_transform([(vertices, simplices, densities)])[0]
    low, high = (np.broadcast_to(np.asarray(b, dtype=float), 2) for b in bounds)
    wanted = simplex_nuft(vertices - low, simplices, densities, (6, 7), period=high - low)
    wanted = np.stack([wanted.real, wanted.imag], axis=-1).reshape(found.shape)
    np.testing.assert_allclose(found, wanted / np.prod(high - low), rtol=1e-12, atol=1e-12)
    mass = np.abs(np.linalg.det(vertices[simplices[:, 1:]] - vertices[simplices[:, :1]])) / 2
    assert found[0, 0, 0] == pytest.approx(mass @ densities / np.prod(high - low), rel=1e-12)


@pytest.mark.parametrize("factor", [300.0, 1e-6, 1e6])
def test_the_unit_of_the_vertices_changes_no_image(rng, factor):
    meshes = [polygon(n, rng) for n in (3, 5)]
    scaled = [(vertices * factor, simplices) for vertices, simplices in meshes]
    np.testing.assert_allclose(
        SimplexRasterizer(8).fit_transform(scaled),
        SimplexRasterizer(8).fit_transform(meshes),
        atol=1e-9,
    )


def test_defaults_are_an_image_of_sixteen_pixels_that_is_damped(rng):
    meshes = [polygon(4, rng)]
    images = SimplexRasterizer().fit_transform(meshes)
    assert images.shape == (1, 256)
    same = SimplexRasterizer(16, smoothing=2.0, output="image").fit_transform(meshes)
    np.testing.assert_array_equal(images, same)
    assert np.ptp(images) < np.ptp(SimplexRasterizer(smoothing=0.0).fit_transform(meshes))


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_a_global_container_holds_tables_and_leaves_images_alone(rng, container):
    pytest.importorskip(container)
    meshes = [polygon(n, rng) for n in (3, 5)]
    wanted = SimplexRasterizer(6, flatten=False).fit_transform(meshes)
    with config_context(transform_output=container):
        np.testing.assert_array_equal(
            SimplexRasterizer(6, flatten=False).fit_transform(meshes), wanted
        )
        table = SimplexRasterizer(6).fit_transform(meshes)
    assert list(table.columns)[7] == "pixel1_1"
    np.testing.assert_array_equal(np.asarray(table), wanted.reshape(2, 36))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_an_axis_that_is_constant_to_rounding_gets_the_size_of_the_others(dtype):
    edges = np.stack([np.arange(29), np.arange(1, 30)], axis=1)
    flat = np.full(30, 0.1, dtype=dtype)
    flat[::2] = np.nextafter(dtype(0.1), dtype(1))
    across = np.linspace(0, 5, 30)
    (low, high) = SimplexRasterizer(8).fit([(np.c_[across, flat].astype(dtype), edges)]).bounds_
    np.testing.assert_allclose(high - low, [6, 6], rtol=1e-6)


def test_masked_meshes_are_refused(rng):
    mesh = Delaunay(rng.uniform(size=(20, 2)))
    n = len(mesh.simplices)
    hidden = np.ma.array(np.ones(n), mask=np.arange(n) == 3)
    with pytest.raises(ValueError, match="mesh 1: densities is a masked array with 1 masked"):
        SimplexRasterizer(8).fit([mesh, (mesh.points, mesh.simplices, hidden)])
    hidden = np.ma.array(mesh.points, mask=mesh.points > 0.9)
    with pytest.raises(ValueError, match="vertices is a masked array"):
        SimplexRasterizer(8).fit([(hidden, mesh.simplices)])
