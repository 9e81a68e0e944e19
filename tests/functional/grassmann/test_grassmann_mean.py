"""Means of subspaces: closed forms, laws (basis, order, frame, weights), convergence and errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning

from subspace_learn.functional.grassmann.grassmann_mean import chordal_mean, karcher_mean
from subspace_learn.linalg import grassmann as gr

EPS_TOL = 1e-13  # rounding of a few products of small matrices, with a margin of ten
# The Karcher mean stops at a gradient of tol = eps^(3/4) = 1.8e-12.
TOL = 1e-11

# (d, k) with k < d, since Gr(d, d) is one point
sizes = st.tuples(st.integers(1, 4), st.integers(1, 6)).map(lambda kr: (kr[0] + kr[1], kr[0]))
seeds = st.integers(0, 2**32 - 1)
few_examples = settings(deadline=None, max_examples=30, derandomize=True, database=None)


def points(rng, *shape, d=9, k=3):
    return gr.random_point(d, k, rng, shape=shape)


def rotation(rng, n):
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


def line(angle):
    return np.asarray([[np.cos(angle)], [np.sin(angle)]])


def nearby(rng, centre, n_points, radius):
    """Points at geodesic distance ``radius`` from ``centre``."""
    H = gr.tangent_projection(centre, rng.standard_normal((n_points, *centre.shape)))
    return gr.exponential(centre, radius * H / np.linalg.norm(H, axis=(-2, -1), keepdims=True))


def span_error(U, V):
    """Frobenius distance of projectors: zero if the spans agree."""
    return np.max(np.linalg.norm(U @ U.mT - V @ V.mT, axis=(-2, -1)))


def orthonormality_error(U):
    return np.max(np.abs(U.mT @ U - np.eye(U.shape[-1])))


MEANS = [chordal_mean, karcher_mean]


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("d", [4, 40])  # both branches of the chordal mean: 5 k > d and 5 k < d
def test_mean_of_identical_subspaces_is_that_subspace(xp, rng, mean, d):
    U = gr.random_point(d, 2, rng)
    bases = np.stack([U @ rotation(rng, 2) for _ in range(5)])
    V = mean(xp.asarray(bases))
    assert xp.owns(V)
    assert orthonormality_error(xp.numpy(V)) < EPS_TOL
    assert span_error(xp.numpy(V), U) < EPS_TOL


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("angle", [1e-6, 0.5, 1.5])
def test_mean_of_two_lines_is_the_bisector(xp, mean, angle):
    bases = np.stack([line(0.2), -line(0.2 + angle)])
    V = xp.numpy(mean(xp.asarray(bases)))
    assert span_error(V, line(0.2 + angle / 2)) < EPS_TOL


@pytest.mark.parametrize("mean", MEANS)
def test_mean_of_two_subspaces_is_the_middle_of_their_geodesic(rng, mean):
    U, V = points(rng, 2)
    middle = gr.geodesic(U, V, 0.5)
    assert span_error(mean(np.stack([U, V])), middle) < TOL


def test_weighted_karcher_mean_of_two_subspaces_divides_their_geodesic(rng):
    U = points(rng)
    V = nearby(rng, U, 1, 0.9)[0]
    mean = karcher_mean(np.stack([U, V]), [3.0, 1.0])
    assert span_error(mean, gr.geodesic(U, V, 0.25)) < TOL


@pytest.mark.parametrize("d", [6, 40])
def test_chordal_mean_is_the_leading_eigenspace_of_the_mean_projector(xp, rng, d):
    bases = nearby(rng, gr.random_point(d, 3, rng), 4, 1.0)
    weights = np.asarray([0.5, 1.0, 0.0, 2.0])
    P = np.einsum("i,iab->ab", weights, bases @ bases.mT)
    wanted = np.linalg.eigh(P)[1][:, -3:]
    V = xp.numpy(chordal_mean(xp.asarray(bases), xp.asarray(weights)))
    assert span_error(V, wanted) < 10 * EPS_TOL  # eps over the eigengap, which is about 1/5


def test_chordal_mean_minimises_the_sum_of_squared_chordal_distances(rng):
    bases = points(rng, 6)
    mean = chordal_mean(bases)
    cost = np.sum(gr.chordal_distance(mean, bases) ** 2)
    for V in [*bases, *nearby(rng, mean, 10, 0.1)]:
        assert cost <= np.sum(gr.chordal_distance(V, bases) ** 2)


def test_karcher_mean_is_a_critical_point(xp, rng):
    bases = nearby(rng, points(rng), 7, 0.7)
    weights = rng.uniform(0.5, 2.0, 7)
    U = xp.numpy(karcher_mean(xp.asarray(bases), xp.asarray(weights)))
    gradient = np.sum(weights[:, None, None] * gr.logarithm(U, bases), axis=0) / weights.sum()
    assert np.linalg.norm(gradient) < 2e-12  # the default tol, eps^(3/4)


def test_karcher_mean_minimises_the_sum_of_squared_geodesic_distances(rng):
    bases = nearby(rng, points(rng), 7, 0.7)
    mean = karcher_mean(bases)
    cost = np.sum(gr.geodesic_distance(mean, bases) ** 2)
    for V in [chordal_mean(bases), *nearby(rng, mean, 10, 0.05)]:
        assert cost < np.sum(gr.geodesic_distance(V, bases) ** 2)


def test_unit_steps_never_raise_the_cost_even_for_scattered_subspaces(rng):
    bases = points(rng, 8)  # uniform: far outside the ball in which the mean is unique
    U = points(rng)
    cost = np.mean(gr.geodesic_distance(U, bases) ** 2) / 2
    for _ in range(20):
        H = np.mean(gr.logarithm(U, bases), axis=0)
        U = gr.exponential(U, H)
        new = np.mean(gr.geodesic_distance(U, bases) ** 2) / 2
        assert new <= cost - np.sum(H**2) / 2 + EPS_TOL
        cost = new


@pytest.mark.parametrize("mean", MEANS)
@few_examples
@given(size=sizes, seed=seeds)
def test_means_forget_bases_and_order_and_follow_rotations(mean, size, seed):
    d, k = size
    rng = np.random.default_rng(seed)
    bases = nearby(rng, gr.random_point(d, k, rng), 5, 0.6)
    weights = rng.uniform(0.2, 1.0, 5)
    wanted = mean(bases, weights)
    turned = np.stack([U @ rotation(rng, k) for U in bases])
    order = rng.permutation(5)
    frame = rotation(rng, d)
    # All subspaces lie within 0.6 < pi / 4.
    assert span_error(mean(turned, weights), wanted) < TOL
    assert span_error(mean(bases[order], weights[order]), wanted) < TOL
    assert span_error(mean(frame @ bases, weights), frame @ wanted) < TOL


@pytest.mark.parametrize("mean", MEANS)
def test_integer_weights_are_repetitions(rng, mean):
    bases = nearby(rng, points(rng), 3, 0.6)
    repeated = bases[[0, 1, 1, 1, 2, 2]]
    assert span_error(mean(bases, [1, 3, 2]), mean(repeated)) < TOL


@pytest.mark.parametrize("mean", MEANS)
def test_a_batch_of_means_equals_a_loop(xp, rng, mean):
    bases = np.stack([nearby(rng, points(rng), 4, 0.5) for _ in range(3)])
    weights = rng.uniform(0.5, 1.0, 4)
    batch = xp.numpy(mean(xp.asarray(bases), xp.asarray(weights)))
    assert span_error(batch, np.stack([mean(b, weights) for b in bases])) < TOL


def test_a_batch_goes_on_until_its_slowest_mean_has_converged(rng):
    easy = np.stack([points(rng)] * 6)
    hard = nearby(rng, points(rng), 6, 0.75)
    means = karcher_mean(np.stack([easy, hard]))
    assert np.linalg.norm(np.mean(gr.logarithm(means[1], hard), axis=0)) < 2e-12


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("d", [9, 40])
def test_means_of_float32_are_float32(xp, rng, mean, d):
    bases = nearby(rng, points(rng, d=d), 4, 0.5).astype(np.float32)
    V = mean(xp.asarray(bases), [1, 2, 3, 4])
    assert xp.numpy(V).dtype == np.float32
    # eps over the gap for the chordal mean, tol = 6e-6 for the Karcher mean
    assert (
        span_error(xp.numpy(V).astype(np.float64), mean(bases.astype(float), [1, 2, 3, 4])) < 2e-5
    )


def test_karcher_mean_warns_when_it_stops_early(rng):
    bases = nearby(rng, points(rng), 5, 0.7)
    with pytest.warns(ConvergenceWarning, match="Raise max_iter or tol"):
        U = karcher_mean(bases, max_iter=1)
    assert orthonormality_error(U) < EPS_TOL


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("weights", [[1.0, 1.0], [[1.0, 1.0, 1.0]]])
def test_wrong_number_of_weights_is_refused(rng, mean, weights):
    with pytest.raises(ValueError, match="there are 3 subspaces"):
        mean(points(rng, 3), weights)


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize(
    "weights", [[1.0, -1.0, 1.0], [0.0, 0.0, 0.0], [1.0, np.nan, 1.0], [1.0, np.inf, 1.0]]
)
def test_weights_that_are_no_weights_are_refused(rng, mean, weights):
    with pytest.raises(ValueError, match="nonnegative and finite"):
        mean(points(rng, 3), weights)


@pytest.mark.parametrize("mean", MEANS)
def test_one_basis_alone_is_not_a_stack(rng, mean):
    with pytest.raises(ValueError, match="Stack the bases"):
        mean(points(rng))


def test_karcher_mean_needs_a_step(rng):
    with pytest.raises(ValueError, match="max_iter must be at least 1"):
        karcher_mean(points(rng, 3), max_iter=0)


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("shape", [(4, 2, 3), (4, 3, 0), (0, 3, 2)])
def test_stacks_of_wrong_shape_are_refused(mean, shape):
    with pytest.raises(ValueError, match="1 <= n_components <= n_features"):
        mean(np.zeros(shape))


@pytest.mark.parametrize("mean", MEANS)
def test_inputs_are_not_changed(xp, rng, mean):
    bases, weights = nearby(rng, points(rng), 4, 0.5), np.asarray([1.0, 2.0, 3.0, 4.0])
    A, w = xp.asarray(bases), xp.asarray(weights)
    mean(A, w)
    np.testing.assert_array_equal(xp.numpy(A), bases)
    np.testing.assert_array_equal(xp.numpy(w), weights)
