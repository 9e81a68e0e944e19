"""Fourier transforms of simplices: closed forms, confluent modes, invariances, gradients."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from scipy.integrate import dblquad

from subspace_learn.functional.geometry.simplex_nuft import (
    band_limited_image,
    cone,
    exp_divided_difference,
    mode_grid,
    simplex_contents,
    simplex_nuft,
)

TRIANGLE = np.array([[0.0, 0], [1, 0], [0, 1]])
ONE = np.array([[0, 1, 2]])
SQUARE = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])


def at(vertices, simplices, waves, **options):
    """Transform at angular frequencies instead of modes."""
    return simplex_nuft(
        np.asarray(vertices, float),
        np.asarray(simplices),
        modes=np.asarray(waves, float),
        period=2 * np.pi,
        **options,
    )


def opitz(phases):
    """Divided difference as the corner of the exponential of a bidiagonal matrix."""
    n = len(phases)
    return scipy.linalg.expm(np.diag(-1j * phases) + np.diag(np.ones(n - 1), 1))[0, -1]


# --- divided differences ------------------------------------------------------------------------


@pytest.mark.parametrize("order", [0, 1, 2, 3])
@pytest.mark.parametrize("gap", [0, 1e-12, 1e-8, 1e-5, 1e-2, 0.2, 0.499, 0.501, 3, 50])
def test_divided_difference_is_a_corner_of_an_exponential(order, gap, rng):
    for _ in range(5):
        phases = rng.uniform(-3, 3) + gap * rng.uniform(-0.5, 0.5, order + 1)
        if order and gap:
            phases[:2] = phases[0] + [0, gap]
        # the exponential itself errs by some eps times its norm, up to 50; ours is within 1e-15
        np.testing.assert_allclose(
            exp_divided_difference(phases), opitz(phases), rtol=0, atol=1e-14
        )


def test_partly_confluent_arguments_are_exact():
    for phases in ([0, 0, 7], [1, 1, 1, 9], [0, 0, 5, 5], [2, 2.1, 2.2, 30], [0, 0.4, 0.8, 1.2]):
        s = np.array(phases, float)
        np.testing.assert_allclose(exp_divided_difference(s), opitz(s), rtol=0, atol=1e-14)


def test_divided_difference_does_not_depend_on_the_order(rng):
    s = rng.normal(size=(50, 4))
    mixed = rng.permuted(s, axis=1)
    np.testing.assert_array_equal(exp_divided_difference(s), exp_divided_difference(mixed))


# --- closed forms -------------------------------------------------------------------------------


def test_triangle_has_its_closed_form():
    F = at(TRIANGLE, ONE, [[0, 0], [2 * np.pi, 0], [0, 2 * np.pi], [2 * np.pi, 4 * np.pi]])
    np.testing.assert_allclose(F, [0.5, -0.5j / np.pi, -0.5j / np.pi, 0], atol=1e-15)
    F = at(TRIANGLE, ONE, [[1, 2], [3, 3]])
    wanted = [0.248375724142 - 0.386822271395j, -0.174070274713 - 0.345677499762j]
    np.testing.assert_allclose(F, wanted, rtol=0, atol=1e-12)


def test_a_slanted_triangle_agrees_with_quadrature():
    corners, w = np.array([[0.1, 0.2], [0.9, 0.4], [0.3, 0.8]]), np.array([4.0, -7.0])
    edges = corners[1:] - corners[0]

    def part(function):
        def integrand(v, u):
            return function(w @ (corners[0] + u * edges[0] + v * edges[1]))

        return dblquad(integrand, 0, 1, 0, lambda u: 1 - u, epsabs=1e-12)[0]

    area = abs(np.linalg.det(edges))
    wanted = area * (part(np.cos) - 1j * part(np.sin))
    assert abs(at(corners, ONE, w) - wanted) < 1e-11


def test_two_triangles_make_the_unit_square():
    modes = mode_grid((9, 9)) * np.pi  # integer and half-integer modes: axes, diagonals, zero
    F = at(SQUARE, [[0, 1, 2], [0, 2, 3]], modes)

    def side(a):
        safe = np.where(a == 0, 1, a)
        return np.where(a == 0, 1, (1 - np.exp(-1j * safe)) / (1j * safe))

    np.testing.assert_allclose(F, side(modes[..., 0]) * side(modes[..., 1]), rtol=0, atol=1e-15)


def test_points_edges_and_tetrahedra():
    assert at([[0.0, 0], [2, 0]], [[0, 1]], [0.0, 5.0]) == pytest.approx(2)
    assert at([[0.5, 0]], [[0]], [np.pi, 0]) == pytest.approx(-1j)
    corners = np.concatenate([np.zeros((1, 3)), np.eye(3)])
    F = at(corners, [[0, 1, 2, 3]], [[0, 0, 0], [2 * np.pi, 4 * np.pi, 6 * np.pi]])
    np.testing.assert_allclose(F, [1 / 6, 0], atol=1e-16)


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_the_mode_zero_is_the_content(order, rng):
    vertices = rng.normal(size=(order + 1, 3))
    edges = vertices[1:] - vertices[0]
    wanted = np.sqrt(np.linalg.det(edges @ edges.T)) / [1, 1, 2, 6][order] if order else 1
    F = simplex_nuft(vertices, np.arange(order + 1)[None], modes=np.zeros(3))
    assert F == pytest.approx(wanted, rel=1e-12)
    assert simplex_contents(vertices[None])[0] == pytest.approx(wanted, rel=1e-12)


# --- laws ---------------------------------------------------------------------------------------


@pytest.fixture
def mesh(rng):
    """Ten tetrahedra's worth of triangles in space, one mode being confluent for each."""
    vertices = rng.uniform(size=(8, 3))
    vertices[1, 0] = vertices[2, 0] = vertices[3, 0]
    simplices = np.array([rng.permutation(8)[:3] for _ in range(10)])
    return vertices, np.concatenate([simplices, [[1, 2, 3]]])


def test_translation_multiplies_by_a_wave(mesh):
    vertices, simplices = mesh
    modes, shift = mode_grid((4, 4, 4)), np.array([0.3, -0.2, 0.9])
    F = simplex_nuft(vertices, simplices, modes=modes)
    moved = simplex_nuft(vertices + shift, simplices, modes=modes)
    np.testing.assert_allclose(moved, F * np.exp(-2j * np.pi * modes @ shift), atol=1e-13)


def test_linear_in_densities_and_blind_to_the_order_of_vertices(mesh, rng, xp):
    vertices, simplices = mesh
    D = rng.normal(size=(11, 2))
    grid = (4, 3, 4)
    given = simplex_nuft(xp.asarray(vertices), xp.asarray(simplices), xp.asarray(D), grid)
    assert xp.owns(given)
    assert given.shape == (4, 3, 3, 2)
    parts = [simplex_nuft(vertices, simplices[k : k + 1], modes=grid) for k in range(11)]
    wanted = np.einsum("kabc,km->abcm", parts, D)
    np.testing.assert_allclose(xp.numpy(given), wanted, atol=1e-14)
    turned = simplex_nuft(vertices, simplices[:, ::-1], D[:, 0], grid)
    np.testing.assert_allclose(turned, wanted[..., 0], atol=1e-14)


def test_subdivision_changes_nothing(rng):
    corners = rng.uniform(size=(3, 2))
    split = np.concatenate([corners, corners.mean(axis=0, keepdims=True)])
    parts = np.array([[0, 1, 3], [1, 2, 3], [2, 0, 3]])
    F = simplex_nuft(corners, ONE, modes=(16, 16))
    np.testing.assert_allclose(simplex_nuft(split, parts, modes=(16, 16)), F, atol=1e-15)


def test_real_signals_have_conjugate_modes(mesh):
    modes = mode_grid((4, 4, 4))
    F, G = (simplex_nuft(*mesh, modes=m) for m in (modes, -modes))
    np.testing.assert_allclose(G, F.conj(), atol=1e-15)


def test_modes_do_not_depend_on_the_resolution(mesh):
    few, many = (simplex_nuft(*mesh, modes=(r,) * 3) for r in (4, 9))
    np.testing.assert_allclose(few[:2, :2, :2], many[:2, :2, :2], atol=1e-15)


def test_a_closed_boundary_is_filled(rng):
    """An L of six edges, in one cone: parts outside cancel. Reversed edges flip the sign."""
    L = np.array([[0.0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2]]) / 3
    edges = np.stack([np.arange(6), np.roll(np.arange(6), -1)], axis=1)
    squares = [(np.array([x, y]) + SQUARE) / 3 for x, y in ((0, 0), (1, 0), (0, 1))]
    wanted = sum(simplex_nuft(s, np.array([[0, 1, 2], [0, 2, 3]]), modes=(12, 12)) for s in squares)
    given = simplex_nuft(*cone(L, edges), modes=(12, 12), signed=True)
    np.testing.assert_allclose(given, wanted, atol=1e-15)
    turned = simplex_nuft(*cone(L, edges[:, ::-1]), modes=(12, 12), signed=True)
    np.testing.assert_allclose(turned, -wanted, atol=1e-15)


def test_gradients_agree_with_finite_differences(rng):
    """Of the energy of some modes, in vertices and densities, through the confluent branch too."""
    torch = pytest.importorskip("torch")
    vertices = np.concatenate([TRIANGLE, rng.uniform(size=(1, 2))])
    simplices, D = np.array([[0, 1, 2], [1, 3, 2]]), np.array([1.0, 0.5])
    modes = np.array([[1.0, 0.5], [2, 2], [0.01, 0.02], [0, 3]])

    def energy(vertices, D, xp=np):
        F = simplex_nuft(vertices, xp.asarray(simplices), D, xp.asarray(modes))
        return (xp.abs(F) ** 2 * xp.asarray([1.0, 2, 3, 4])).sum()

    leaves = [torch.tensor(a, requires_grad=True) for a in (vertices, D)]
    energy(*leaves, torch).backward()
    step = 1e-6
    for leaf, array, k in ((leaves[0], vertices, 0), (leaves[1], D, 1)):
        for index in np.ndindex(array.shape):
            values = []
            for sign in (1, -1):
                moved = [vertices.copy(), D.copy()]
                moved[k][index] += sign * step
                values.append(energy(*moved))
            slope = (values[0] - values[1]) / (2 * step)
            # central differences of step 1e-6 err by eps / step, 2e-10 here, and rounding of sums
            assert float(leaf.grad[index]) == pytest.approx(slope, abs=1e-7)


# --- images -------------------------------------------------------------------------------------


def test_image_has_the_mass_and_the_values_of_the_density(xp):
    F = simplex_nuft(
        xp.asarray(SQUARE / 2 + 0.25), xp.asarray([[0, 1, 2], [0, 2, 3]]), modes=(33, 32)
    )
    image = xp.numpy(band_limited_image(F, (33, 32), smoothing=2.0))
    assert image.mean() == pytest.approx(0.25, rel=1e-12)
    assert image[16, 16] == pytest.approx(1, abs=1e-2)  # ringing
    assert abs(image[0, 0]) < 1e-2
    period = np.array([2.0, 4.0])
    stretched = xp.asarray((SQUARE / 2 + 0.25) * period)
    F = simplex_nuft(stretched, xp.asarray([[0, 1, 2], [0, 2, 3]]), modes=(33, 32), period=period)
    again = xp.numpy(band_limited_image(F, (33, 32), period=period, smoothing=2.0))
    np.testing.assert_allclose(again, image, atol=1e-12)


def test_float32_stays(xp):
    F = simplex_nuft(xp.asarray(TRIANGLE.astype(np.float32)), xp.asarray(ONE))
    assert F.dtype == xp.namespace.complex64
    assert band_limited_image(F, (16, 16)).dtype == xp.namespace.float32


# --- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((TRIANGLE[0], ONE), "vertices must be floats"),
        ((TRIANGLE.astype(int), ONE), "vertices must be floats"),
        ((TRIANGLE, ONE[0]), "simplices must be integers"),
        ((TRIANGLE, ONE * 1.0), "simplices must be integers"),
        ((TRIANGLE, np.array([[0, 1, 2, 0]])), "at most 3 vertices"),
        ((TRIANGLE, ONE + 1), "from 1 to 3"),
        ((TRIANGLE, ONE - 1), "from -1 to 1"),
        ((TRIANGLE, ONE, np.ones(2)), "there are 1 simplices"),
        ((TRIANGLE, ONE, None, (3, 3, 3)), "grid of 3 axes"),
        ((TRIANGLE, ONE, None, np.ones((4, 3))), "3 coordinates"),
    ],
)
def test_meshes_that_do_not_fit_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        simplex_nuft(*arguments)


def test_signs_need_full_dimension():
    with pytest.raises(ValueError, match="Use cone"):
        simplex_nuft(TRIANGLE, ONE[:, :2], signed=True)
