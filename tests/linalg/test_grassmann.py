"""Grassmann geometry: oracles (pymanopt, SciPy, closed forms), laws, limits and errors.

``EPS_TOL`` is the allowance for rounding: sizes are at most 12 x 4, so a product of a few matrices
loses less than about 40 eps; a factor of ten is left for the LAPACK of each library.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymanopt.manifolds import Grassmann
from scipy.linalg import subspace_angles

from subspace_learn.linalg import grassmann as gr

EPS_TOL = 1e-13
N_FEATURES, N_COMPONENTS = 9, 3

sizes = st.tuples(st.integers(1, 4), st.integers(0, 6)).map(lambda kr: (kr[0] + kr[1], kr[0]))
seeds = st.integers(0, 2**32 - 1)
few_examples = settings(deadline=None, max_examples=30, derandomize=True, database=None)


def points(rng, *shape, d=N_FEATURES, k=N_COMPONENTS):
    return gr.random_point(d, k, rng, shape=shape)


def tangent(rng, U, norm):
    """Random tangent vector at U, of Frobenius norm ``norm``."""
    H = gr.tangent_projection(U, rng.standard_normal(U.shape))
    return norm * H / np.linalg.norm(H, axis=(-2, -1), keepdims=True)


def rotation(rng, n):
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


def line(angle):
    return np.asarray([[np.cos(angle)], [np.sin(angle)]])


def span_error(U, V):
    """Frobenius distance of projectors: zero if the spans agree."""
    return np.max(np.linalg.norm(U @ U.mT - V @ V.mT, axis=(-2, -1)))


def orthonormality_error(U):
    return np.max(np.abs(U.mT @ U - np.eye(U.shape[-1])))


def test_orthonormal_basis_spans_the_columns(xp, rng):
    A = rng.standard_normal((4, 8, 3))
    U = gr.orthonormal_basis(xp.asarray(A))
    assert xp.owns(U)
    U = xp.numpy(U)
    assert orthonormality_error(U) < EPS_TOL
    np.testing.assert_allclose(U @ (U.mT @ A), A, atol=EPS_TOL)


def test_positive_diagonal_makes_the_basis_unique(xp, rng):
    A = rng.standard_normal((5, 8, 3))
    U = xp.numpy(gr.orthonormal_basis(xp.asarray(A), positive_diagonal=True))
    R = U.mT @ A
    assert np.all(np.diagonal(R, axis1=-2, axis2=-1) > 0)
    np.testing.assert_allclose(np.tril(R, -1), 0, atol=EPS_TOL)
    # Its own basis comes back unchanged.
    np.testing.assert_allclose(gr.orthonormal_basis(U, positive_diagonal=True), U, atol=EPS_TOL)


def test_orthonormal_basis_completes_a_rank_deficient_matrix():
    A = np.zeros((5, 2))
    A[0] = 1.0
    U = gr.orthonormal_basis(A)
    assert orthonormality_error(U) < EPS_TOL
    np.testing.assert_allclose(U @ (U.T @ A), A, atol=EPS_TOL)


def test_orthonormal_basis_of_integers_is_float64():
    assert gr.orthonormal_basis(np.asarray([[1, 0], [1, 2], [0, 1]])).dtype == np.float64


def test_projector_is_idempotent_symmetric_and_of_trace_k(xp, rng):
    U = points(rng, 3)
    P = xp.numpy(gr.projector(xp.asarray(U)))
    np.testing.assert_allclose(P @ P, P, atol=EPS_TOL)
    np.testing.assert_allclose(P, P.mT, atol=EPS_TOL)
    np.testing.assert_allclose(np.trace(P, axis1=-2, axis2=-1), N_COMPONENTS, rtol=EPS_TOL)
    np.testing.assert_allclose(P @ U, U, atol=EPS_TOL)


def test_random_points_have_the_mean_projector_of_the_uniform_law(rng):
    # E[U U^T] = (k / d) I by symmetry. The variance of an entry is at most 1/4, so 4000 draws give
    # a standard error of at most 0.008; five of them are allowed.
    P = gr.projector(gr.random_point(5, 2, rng, shape=(4000,))).mean(axis=0)
    np.testing.assert_allclose(P, 0.4 * np.eye(5), atol=0.04)


@pytest.mark.parametrize("angle", [1e-12, 1e-8, 1e-3, 1.0, np.pi / 2])
def test_angle_of_two_lines_is_the_angle_between_them(xp, angle):
    theta = xp.numpy(gr.principal_angles(xp.asarray(line(0.0)), xp.asarray(line(angle))))
    # U = e_1 is exact and so is sin(angle) in relative terms: so is the result.
    np.testing.assert_allclose(theta, [angle], rtol=1e-14)


@pytest.mark.parametrize("angle", [1e-12, 1e-10, 1e-8, 1e-3, 1.0, np.pi / 2 - 1e-10, np.pi / 2])
def test_angles_in_general_position_are_accurate_to_rounding_of_the_bases(xp, rng, angle):
    # Bases known to eps each: an absolute error of some eps cannot be avoided. Seen are 2e-16 for
    # small angles, i.e. a relative 1e-6 at 1e-10; 2 eps are allowed.
    d = 12
    frame = rotation(rng, d)
    wanted = np.asarray([angle / 3, angle / 2, angle])
    U = frame[:, :3] @ rotation(rng, 3)
    V = (frame[:, :3] * np.cos(wanted) + frame[:, 3:6] * np.sin(wanted)) @ rotation(rng, 3)
    theta = xp.numpy(gr.principal_angles(xp.asarray(U), xp.asarray(V)))
    np.testing.assert_allclose(theta, wanted, atol=5e-16, rtol=1e-14)
    np.testing.assert_allclose(
        gr.geodesic_distance(U, V), np.linalg.norm(wanted), atol=5e-16, rtol=1e-14
    )


@pytest.mark.parametrize(("k1", "k2"), [(3, 3), (2, 5), (5, 2), (4, 6), (1, 7)])
def test_principal_angles_agree_with_scipy(xp, rng, k1, k2):
    U, V = gr.random_point(8, k1, rng), gr.random_point(8, k2, rng)
    theta = xp.numpy(gr.principal_angles(xp.asarray(U), xp.asarray(V)))
    assert theta.shape == (min(k1, k2),)
    # SciPy 1.17 takes angles near 0 from the cosine if another one is large (its mask is in the
    # opposite order), and then errs by sqrt(2 eps) = 2.1e-8.
    np.testing.assert_allclose(theta, subspace_angles(U, V)[::-1], atol=2.2e-8, rtol=EPS_TOL)


def test_a_subspace_of_a_subspace_has_angles_zero(rng):
    U = gr.random_point(8, 5, rng)
    V = U @ gr.random_point(5, 2, rng)
    np.testing.assert_allclose(gr.principal_angles(U, V), 0, atol=1e-14)
    np.testing.assert_allclose(gr.largest_principal_angle(V, U), 0, atol=1e-14)


def test_orthogonal_complements_have_angles_of_a_right_angle(rng):
    frame = rotation(rng, 6)
    np.testing.assert_allclose(
        gr.principal_angles(frame[:, :3], frame[:, 3:]), np.pi / 2, rtol=1e-14
    )


def test_the_whole_space_is_one_point(rng):
    U, V = rotation(rng, 4), rotation(rng, 4)
    assert gr.geodesic_distance(U, V) < 1e-14
    assert np.linalg.norm(gr.logarithm(U, V)) < 1e-14


def test_distances_follow_from_the_principal_angles(xp, rng):
    U, V = points(rng, 4), points(rng, 4)
    A, B = xp.asarray(U), xp.asarray(V)
    theta = xp.numpy(gr.principal_angles(A, B))
    chordal = xp.numpy(gr.chordal_distance(A, B))
    projection = xp.numpy(gr.projection_distance(A, B))
    P = U @ U.mT - V @ V.mT
    np.testing.assert_allclose(
        xp.numpy(gr.geodesic_distance(A, B)), np.linalg.norm(theta, axis=-1), rtol=EPS_TOL
    )
    np.testing.assert_allclose(chordal, np.linalg.norm(np.sin(theta), axis=-1), rtol=EPS_TOL)
    np.testing.assert_allclose(chordal, np.linalg.norm(P, axis=(-2, -1)) / np.sqrt(2), rtol=EPS_TOL)
    np.testing.assert_allclose(projection, np.sin(theta[:, -1]), rtol=EPS_TOL)
    np.testing.assert_allclose(projection, np.linalg.norm(P, 2, axis=(-2, -1)), rtol=EPS_TOL)
    np.testing.assert_allclose(xp.numpy(gr.largest_principal_angle(A, B)), theta[:, -1])


DISTANCES = [gr.geodesic_distance, gr.chordal_distance, gr.projection_distance]


@pytest.mark.parametrize("distance", DISTANCES)
@few_examples
@given(size=sizes, seed=seeds)
def test_distances_are_metrics_that_forget_the_basis_and_the_frame(distance, size, seed):
    d, k = size
    rng = np.random.default_rng(seed)
    U, V, W = gr.random_point(d, k, rng, shape=(3,))
    uv = distance(U, V)
    assert uv <= distance(U, W) + distance(W, V) + EPS_TOL
    np.testing.assert_allclose(distance(V, U), uv, atol=EPS_TOL)
    np.testing.assert_allclose(distance(U, U @ rotation(rng, k)), 0, atol=EPS_TOL)
    np.testing.assert_allclose(
        distance(U @ rotation(rng, k), V @ rotation(rng, k)), uv, atol=EPS_TOL
    )
    frame = rotation(rng, d)
    np.testing.assert_allclose(distance(frame @ U, frame @ V), uv, atol=EPS_TOL)


@pytest.mark.parametrize(("d", "k"), [(9, 3), (5, 4), (7, 1)])
def test_geometry_agrees_with_pymanopt(xp, rng, d, k):
    oracle = Grassmann(d, k)
    U, V = gr.random_point(d, k, rng, shape=(2,))
    H = tangent(rng, U, 0.8)
    A, B, T = xp.asarray(U), xp.asarray(V), xp.asarray(H)
    # pymanopt takes distances from cosines and logarithms through (U^T V)^-1: 1e-10 is its part
    np.testing.assert_allclose(xp.numpy(gr.geodesic_distance(A, B)), oracle.dist(U, V), rtol=1e-10)
    np.testing.assert_allclose(xp.numpy(gr.logarithm(A, B)), oracle.log(U, V), atol=1e-10)
    np.testing.assert_allclose(
        xp.numpy(gr.polar_retraction(A, T)), oracle.retraction(U, H), atol=EPS_TOL
    )
    np.testing.assert_allclose(
        xp.numpy(gr.tangent_projection(A, B)), oracle.projection(U, V), atol=EPS_TOL
    )
    assert span_error(xp.numpy(gr.exponential(A, T)), oracle.exp(U, H)) < EPS_TOL


@pytest.mark.parametrize("norm", [1e-12, 1e-6, 0.1, 1.5])
def test_logarithm_undoes_the_exponential(xp, rng, norm):
    # Angles stay below |H| <= 1.5 < pi / 2: inside the cut locus the velocity is unique.
    U = points(rng, 5)
    H = tangent(rng, U, norm)
    A = xp.asarray(U)
    back = xp.numpy(gr.logarithm(A, gr.exponential(A, xp.asarray(H))))
    np.testing.assert_allclose(back, H, atol=3e-15 + EPS_TOL * norm)


def test_exponential_undoes_the_logarithm(xp, rng):
    U, V = points(rng, 20), points(rng, 20)
    A, B = xp.asarray(U), xp.asarray(V)
    H = gr.logarithm(A, B)
    assert xp.owns(H)
    W = xp.numpy(gr.exponential(A, H))
    assert span_error(W, V) < EPS_TOL
    assert orthonormality_error(W) < EPS_TOL


def test_logarithm_is_tangent_and_as_long_as_the_distance(xp, rng):
    U, V = points(rng, 20), points(rng, 20)
    H = xp.numpy(gr.logarithm(xp.asarray(U), xp.asarray(V)))
    assert np.max(np.abs(U.mT @ H)) < EPS_TOL
    np.testing.assert_allclose(
        np.linalg.norm(H, axis=(-2, -1)), gr.geodesic_distance(U, V), rtol=EPS_TOL
    )


def test_the_smallest_logarithms_are_tangent_too(rng):
    # Relative to its norm of 1e-11, a once-projected residual would miss tangency by 1e-5.
    U = points(rng)
    H = gr.logarithm(U, gr.exponential(U, tangent(rng, U, 1e-11)))
    assert np.max(np.abs(U.T @ H)) < 1e-15 * np.linalg.norm(H)


def test_logarithm_turns_with_the_basis_of_the_start_and_ignores_that_of_the_end(rng):
    U, V = points(rng, 2)
    Q, R = rotation(rng, N_COMPONENTS), rotation(rng, N_COMPONENTS)
    np.testing.assert_allclose(
        gr.logarithm(U @ Q, V @ R), gr.logarithm(U, V) @ Q, atol=10 * EPS_TOL
    )


@pytest.mark.parametrize("gap", [0.0, 1e-12, 1e-8, 1e-4])
def test_at_the_cut_locus_a_shortest_geodesic_is_returned(xp, rng, gap):
    frame = rotation(rng, 8)
    theta = np.asarray([0.3, np.pi / 2 - gap, np.pi / 2 - gap])
    U = frame[:, :3] @ rotation(rng, 3)
    V = (frame[:, :3] * np.cos(theta) + frame[:, 3:6] * np.sin(theta)) @ rotation(rng, 3)
    H = gr.logarithm(xp.asarray(U), xp.asarray(V))
    assert span_error(xp.numpy(gr.exponential(xp.asarray(U), H)), V) < EPS_TOL
    np.testing.assert_allclose(np.linalg.norm(xp.numpy(H)), np.linalg.norm(theta), rtol=EPS_TOL)


def test_beyond_the_cut_locus_the_exponential_is_no_longer_shortest():
    U, H = line(0.0), np.asarray([[0.0], [2.0]])
    V = gr.exponential(U, H)
    np.testing.assert_allclose(V, line(2.0), atol=EPS_TOL)
    np.testing.assert_allclose(gr.geodesic_distance(U, V), np.pi - 2.0, rtol=EPS_TOL)


def test_exponential_agrees_with_the_svd_formula_for_large_and_rank_deficient_tangents(rng):
    U = points(rng)
    H = tangent(rng, U, 1.0)
    H = 40.0 * H @ np.outer([1.0, 2.0, 3.0], [1.0, -1.0, 0.5])  # rank one, singular value near 100
    P, s, Qt = np.linalg.svd(H, full_matrices=False)
    wanted = (U @ Qt.T * np.cos(s) + P * np.sin(s)) @ Qt
    # The argument of the cosine is |H| = 150, known to eps |H|.
    np.testing.assert_allclose(gr.exponential(U, H), wanted, atol=1e-12)


def test_orthonormality_does_not_drift_over_many_steps(rng):
    U = points(rng)
    for _ in range(500):
        U = gr.exponential(U, tangent(rng, U, 0.5))
    assert orthonormality_error(U) < 2e-15


def test_geodesic_starts_and_ends_where_it_should(xp, rng):
    U, V = points(rng, 2)
    A, B = xp.asarray(U), xp.asarray(V)
    np.testing.assert_allclose(xp.numpy(gr.geodesic(A, B, 0)), U, atol=EPS_TOL)
    assert span_error(xp.numpy(gr.geodesic(A, B, 1.0)), V) < EPS_TOL


def test_geodesic_stays_on_the_manifold_at_constant_speed(xp, rng):
    U, V = points(rng, 2)
    t = np.linspace(0, 1, 11)
    W = gr.geodesic(xp.asarray(U), xp.asarray(V), xp.asarray(t))
    assert xp.owns(W)
    W = xp.numpy(W)
    length = gr.geodesic_distance(U, V)
    assert orthonormality_error(W) < EPS_TOL
    np.testing.assert_allclose(gr.geodesic_distance(U, W), t * length, atol=EPS_TOL)
    np.testing.assert_allclose(gr.geodesic_distance(W[1:], W[:-1]), length / 10, rtol=1e-12)


@pytest.mark.parametrize("retraction", [gr.qr_retraction, gr.polar_retraction])
def test_retractions_stay_on_the_manifold_and_agree_with_the_exponential(xp, rng, retraction):
    U = points(rng)
    H = tangent(rng, U, 1.0)
    A = xp.asarray(U)
    assert orthonormality_error(xp.numpy(retraction(A, xp.asarray(50 * H)))) < EPS_TOL
    np.testing.assert_allclose(xp.numpy(retraction(A, xp.asarray(0 * H))), U, atol=EPS_TOL)
    for t in (1e-1, 1e-2, 1e-3):
        V = xp.numpy(retraction(A, xp.asarray(t * H)))
        # The angles are arctan(t s) instead of t s: off by at most (t s)^3 / 3, all s <= 1.
        assert gr.geodesic_distance(V, gr.exponential(U, t * H)) <= t**3 / 3 + 1e-15


def test_retractions_agree_on_the_subspace(rng):
    U = points(rng, 4)
    H = tangent(rng, U, 2.0)
    assert span_error(gr.qr_retraction(U, H), gr.polar_retraction(U, H)) < EPS_TOL


@pytest.mark.parametrize("norm", [1e-9, 0.7, 3.0])
def test_parallel_transport_is_isometric_tangent_and_carries_the_velocity(xp, rng, norm):
    U = points(rng, 6)
    H, D, E = tangent(rng, U, norm), tangent(rng, U, 2.0), tangent(rng, U, 1.0)

    def transported(X):
        return xp.numpy(gr.parallel_transport(xp.asarray(U), xp.asarray(H), xp.asarray(X)))

    V = gr.exponential(U, H)
    moved_D, moved_E, moved_H = transported(D), transported(E), transported(H)
    assert np.max(np.abs(V.mT @ moved_D)) < EPS_TOL
    np.testing.assert_allclose(
        np.sum(moved_D * moved_E, axis=(-2, -1)), np.sum(D * E, axis=(-2, -1)), atol=EPS_TOL
    )
    # The velocity at the end is minus the one that leads back (or on, beyond the cut locus).
    np.testing.assert_allclose(gr.exponential(V, -moved_H), U, atol=10 * EPS_TOL)
    np.testing.assert_allclose(
        np.linalg.norm(moved_H, axis=(-2, -1)), norm, rtol=EPS_TOL, atol=EPS_TOL * norm
    )


def test_parallel_transport_agrees_with_equation_2_68_and_returns(rng):
    U = points(rng)
    H, D = tangent(rng, U, 1.2), tangent(rng, U, 1.0)
    P, s, Qt = np.linalg.svd(H, full_matrices=False)
    wanted = (-U @ Qt.T * np.sin(s) + P * np.cos(s)) @ (P.T @ D) + D - P @ (P.T @ D)
    moved = gr.parallel_transport(U, H, D)
    np.testing.assert_allclose(moved, wanted, atol=EPS_TOL)
    V, back = gr.exponential(U, H), -gr.parallel_transport(U, H, H)
    np.testing.assert_allclose(gr.parallel_transport(V, back, moved), D, atol=EPS_TOL)


def test_gradient_of_the_squared_distance_is_minus_twice_the_logarithm(rng):
    U, V = points(rng), points(rng)
    D = tangent(rng, U, 1.0)
    step = 1e-5
    squares = [gr.geodesic_distance(gr.exponential(U, s * D), V) ** 2 for s in (step, -step)]
    slope = (squares[0] - squares[1]) / (2 * step)
    # central difference: error of order step^2 = 1e-10, rounding of order eps / step = 1e-11
    np.testing.assert_allclose(slope, -2 * np.sum(gr.logarithm(U, V) * D), atol=1e-8)


PAIR_FUNCTIONS = [
    gr.principal_angles,
    gr.largest_principal_angle,
    gr.geodesic_distance,
    gr.chordal_distance,
    gr.projection_distance,
    gr.tangent_projection,
    gr.logarithm,
    lambda U, V: gr.geodesic(U, V, 0.3),
]
TANGENT_FUNCTIONS = [
    gr.exponential,
    gr.qr_retraction,
    gr.polar_retraction,
    lambda U, H: gr.parallel_transport(U, H, 2 * H),
]


@pytest.mark.parametrize("function", PAIR_FUNCTIONS)
def test_a_broadcast_batch_of_pairs_equals_a_loop(xp, rng, function):
    U, V = points(rng, 2, 1), points(rng, 3)
    batch = xp.numpy(function(xp.asarray(U), xp.asarray(V)))
    loop = np.stack([np.stack([function(U[i, 0], V[j]) for j in range(3)]) for i in range(2)])
    np.testing.assert_allclose(batch, loop, atol=EPS_TOL)


@pytest.mark.parametrize("function", TANGENT_FUNCTIONS)
def test_a_broadcast_batch_of_tangents_equals_a_loop(xp, rng, function):
    U = points(rng)
    H = gr.tangent_projection(U, rng.standard_normal((3, *U.shape)))
    batch = xp.numpy(function(xp.asarray(U), xp.asarray(H)))
    np.testing.assert_allclose(batch, np.stack([function(U, h) for h in H]), atol=10 * EPS_TOL)


@pytest.mark.parametrize("function", PAIR_FUNCTIONS + TANGENT_FUNCTIONS)
def test_float32_stays_float32_and_agrees_with_float64(xp, rng, function):
    U, V = points(rng, 2)
    if function in TANGENT_FUNCTIONS:
        V = tangent(rng, U, 0.9)
    U, V = U.astype(np.float32), V.astype(np.float32)
    single = function(xp.asarray(U), xp.asarray(V))
    assert xp.owns(single)
    assert xp.numpy(single).dtype == np.float32
    double = function(U.astype(np.float64), V.astype(np.float64))
    # eps of float32 is 1.2e-7; the orthonormality defect of U and V alone gives a few eps
    np.testing.assert_allclose(xp.numpy(single), double, atol=2e-5)


def test_inputs_are_not_changed(xp, rng):
    U, V = points(rng, 2, 4)
    A, B = xp.asarray(U), xp.asarray(V)
    for function in PAIR_FUNCTIONS + TANGENT_FUNCTIONS:
        function(A, B)
    np.testing.assert_array_equal(xp.numpy(A), U)
    np.testing.assert_array_equal(xp.numpy(B), V)


@pytest.mark.parametrize("function", PAIR_FUNCTIONS + TANGENT_FUNCTIONS)
def test_wrong_ambient_dimension_is_refused(rng, function):
    with pytest.raises(ValueError, match="ambient dimensions 9 and 8 differ"):
        function(points(rng), points(rng, d=8))


@pytest.mark.parametrize(
    "function", [gr.geodesic_distance, gr.chordal_distance, gr.logarithm, gr.exponential]
)
def test_points_of_different_manifolds_are_refused(rng, function):
    with pytest.raises(ValueError, match="dimensions 3 and 2: they are points of different"):
        function(points(rng), points(rng, k=2))


@pytest.mark.parametrize("function", [gr.orthonormal_basis, gr.projector])
@pytest.mark.parametrize("shape", [(4, 2, 3), (4, 3, 0)])
def test_more_components_than_features_or_none_are_refused(function, shape):
    with pytest.raises(ValueError, match="1 <= n_components <= n_features"):
        function(np.zeros(shape))


def test_a_vector_is_not_a_basis():
    with pytest.raises(ValueError, match=r"has shape \(4,\)"):
        gr.principal_angles(np.ones(4), np.ones(4))
