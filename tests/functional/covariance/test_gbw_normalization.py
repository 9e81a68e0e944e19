"""Generalised Bures-Wasserstein normalisation: the oracles of the paper sheet and laws."""

from __future__ import annotations

import numpy as np
import pytest
from pyriemann.geometry.distance import distance_wasserstein
from pyriemann.geometry.mean import mean_wasserstein

from subspace_learn.functional.covariance import spd, spd_distance
from subspace_learn.functional.covariance.gbw_normalization import (
    Domain,
    GBWGeometry,
    domain_statistics,
    forgotten_directions,
    metric_parameter_of,
    moved_domain,
    normalised,
    restored,
)
from subspace_learn.functional.covariance.spd_mean import mean_spd
from subspace_learn.functional.covariance.spd_tangent import exp_map, log_map, transport

N = 5
THETAS = [1.0, 0.5, 2.0, -0.5, 1e-3]


def random_spd(rng, *shape, n=N, spread=0.4):
    """Matrices ``exp(S)`` with normal S: their condition number is about ``e^(4 spread)``."""
    S = spread * rng.standard_normal((*shape, n, n)) / n**0.5
    return np.asarray(spd.expm(S + S.mT))


def rotation(rng, n=N):
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


def gbw_distance(A, B, geometry):
    """Generalised Bures-Wasserstein distance: the plain one of the deformed matrices."""
    deformed_a, deformed_b = geometry.deform(A), geometry.deform(B)
    d = spd_distance.pairwise_distance(deformed_a, deformed_b, "wasserstein")
    return d / abs(geometry.theta)


def distance(A, B, geometry):
    return float(gbw_distance(A[None], B[None], geometry)[0, 0])


def statistics(A, geometry, **kwargs):
    return domain_statistics(A, None, geometry, **{"tol": 1e-12, **kwargs})[0]


# --- the metric (oracles 2 to 7, 12) ------------------------------------------------------------


def test_distance_with_parameter_is_the_formula_of_the_paper(xp, rng):
    P, Q, M = random_spd(rng), random_spd(rng), random_spd(rng)
    inner = np.linalg.eigvals(np.linalg.solve(M, P) @ np.linalg.solve(M, Q)).real
    squared = np.trace(np.linalg.solve(M, P + Q)) - 2 * np.sum(np.sqrt(inner))
    geometry = GBWGeometry(1.0, xp.asarray(M))
    d = gbw_distance(xp.asarray(P[None]), xp.asarray(Q[None]), geometry)
    assert xp.owns(d)
    assert float(d[0, 0]) ** 2 == pytest.approx(squared, rel=1e-10)


def test_distance_with_parameter_is_pyriemanns_after_whitening(rng):
    A, B, M = random_spd(rng, 4), random_spd(rng, 3), random_spd(rng)
    W = spd.invsqrtm(M)
    wanted = [[distance_wasserstein(W @ a @ W, W @ b @ W) for b in B] for a in A]
    np.testing.assert_allclose(gbw_distance(A, B, GBWGeometry(1.0, M)), wanted, rtol=1e-7)


@pytest.mark.parametrize("theta", [1.0, 0.5])
def test_distance_follows_congruences_with_its_parameter(rng, theta):
    A, B, M, Q = random_spd(rng), random_spd(rng), random_spd(rng), rotation(rng)
    wanted = distance(A, B, GBWGeometry(theta, M))
    turned = distance(Q @ A @ Q.T, Q @ B @ Q.T, GBWGeometry(theta, Q @ M @ Q.T))
    assert turned == pytest.approx(wanted, rel=1e-9)
    if theta == 1.0:
        W = rng.standard_normal((N, N))
        moved = distance(W @ A @ W.T, W @ B @ W.T, GBWGeometry(1.0, W @ M @ W.T))
        assert moved == pytest.approx(wanted, rel=1e-8)


def test_metric_at_its_own_parameter_is_a_quarter_of_the_affine_invariant_one(rng):
    P, V = random_spd(rng), np.diag(rng.standard_normal(N))
    step = 1e-4
    ratio = distance(P, P + step * V, GBWGeometry(1.0, P)) / spd_distance.distance(P, P + step * V)
    assert ratio**2 == pytest.approx(0.25, abs=1e-4)  # the next order of the step


def test_small_powers_give_half_the_log_euclidean_distance(rng):
    P, Q = random_spd(rng), random_spd(rng)
    wanted = spd_distance.distance(P, Q, "logeuclid") / 2
    assert distance(P, Q, GBWGeometry(1e-4)) == pytest.approx(wanted, rel=1e-3)
    assert distance(P, Q, GBWGeometry(-1e-4)) == pytest.approx(wanted, rel=1e-3)


def test_power_two_of_commuting_matrices_is_half_the_euclidean_distance(rng):
    p, q, U = rng.uniform(0.5, 2, N), rng.uniform(0.5, 2, N), rotation(rng)
    d = distance((U * p) @ U.T, (U * q) @ U.T, GBWGeometry(2.0))
    assert d == pytest.approx(np.linalg.norm(p - q) / 2, rel=1e-8)


# --- statistics (oracles 7, 8, 12) --------------------------------------------------------------


def test_mean_is_pyriemanns_and_dispersion_the_mean_squared_distance(xp, rng):
    A = random_spd(rng, 12)
    domain, n_iter, residual = domain_statistics(xp.asarray(A), None, GBWGeometry(), tol=1e-12)
    assert xp.owns(domain.mean)
    G = xp.numpy(domain.mean)
    np.testing.assert_allclose(G, mean_wasserstein(A, tol=1e-12), rtol=1e-9, atol=1e-10)
    wanted = np.mean([distance_wasserstein(a, G) ** 2 for a in A])
    assert domain.dispersion == pytest.approx(wanted, rel=1e-6)
    assert residual <= 1e-12
    assert 1 < n_iter < 20


def test_one_step_is_near_and_each_further_step_gets_nearer(rng):
    A = random_spd(rng, 30)
    exact = statistics(A, GBWGeometry()).mean
    errors = [
        np.linalg.norm(statistics(A, GBWGeometry(), tol=0.0, max_iter=k).mean - exact)
        for k in (1, 2, 3)
    ]
    start = np.linalg.norm(np.mean(A, axis=0) - exact)
    assert errors[0] < start / 10
    assert errors[1] < errors[0] / 10
    assert errors[2] < errors[1] / 10


@pytest.mark.parametrize("theta", [0.5, 2.0, -1.0])
def test_mean_solves_its_equation_after_deformation(xp, rng, theta):
    A, M = random_spd(rng, 9), random_spd(rng)
    geometry = GBWGeometry(theta, xp.asarray(M))
    G = domain_statistics(xp.asarray(A), None, geometry, tol=1e-11)[0].mean
    plain = GBWGeometry(theta, M)
    B = mean_spd(plain.deform(A), "wasserstein", tol=1e-11).mean
    np.testing.assert_allclose(plain.undeform(B), xp.numpy(G), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(plain.deform(xp.numpy(G)), B, rtol=1e-9, atol=1e-10)


def test_mean_for_small_powers_is_the_log_euclidean_mean(rng):
    A = random_spd(rng, 9)
    wanted = mean_spd(A, "logeuclid").mean
    errors = [
        np.linalg.norm(statistics(A, GBWGeometry(t)).mean - wanted) / np.linalg.norm(wanted)
        for t in (0.1, 0.01)
    ]
    # the deviation is of the order theta; at 0.01 rounding (eps / theta) is far below it
    assert errors[1] < 0.2 * errors[0] < 0.02


def test_mean_for_power_two_of_commuting_matrices_is_euclidean(rng):
    values, Q = rng.uniform(0.2, 3.0, (7, N)), rotation(rng)
    A = (Q * values[:, None, :]) @ Q.T
    np.testing.assert_allclose(statistics(A, GBWGeometry(2.0)).mean, A.mean(axis=0), rtol=1e-8)


@pytest.mark.parametrize("theta", [1.0, 0.5])
def test_weights_are_repetitions(rng, theta):
    A, geometry = random_spd(rng, 3), GBWGeometry(theta)
    weighted = domain_statistics(A, np.array([2.0, 0.0, 1.0]), geometry, tol=1e-12)[0]
    repeated = statistics(A[[0, 2, 0]], geometry)
    np.testing.assert_allclose(weighted.mean, repeated.mean, rtol=1e-9, atol=1e-10)
    assert weighted.dispersion == pytest.approx(repeated.dispersion, rel=1e-8)


# --- normalisation (oracles 1, 3, 9, 10) --------------------------------------------------------


@pytest.mark.parametrize("with_parameter", [False, True])
@pytest.mark.parametrize("theta", THETAS)
def test_normalised_domain_has_the_wanted_centre_and_spread_and_can_be_restored(
    xp, rng, theta, with_parameter
):
    A, B = random_spd(rng, 20, spread=0.15), random_spd(rng)
    M = xp.asarray(random_spd(rng)) if with_parameter else None
    geometry = GBWGeometry(theta, M)
    X, domain = xp.asarray(A), statistics(xp.asarray(A), geometry)
    kwargs = {"scale": 0.8, "bias": xp.asarray(B)}
    Z, n_stopped = normalised(X, domain, geometry, **kwargs)
    assert xp.owns(Z)
    assert n_stopped == 0
    # rounding is divided by theta, and multiplied by the condition number of the parameter
    tol = 1e-9 if abs(theta) > 0.1 else 1e-8
    after = statistics(Z, geometry)
    np.testing.assert_allclose(xp.numpy(after.mean), B, rtol=tol, atol=tol)
    assert after.dispersion == pytest.approx(0.64 * domain.dispersion, rel=1e-5)
    back = restored(Z, domain, geometry, **kwargs)
    np.testing.assert_allclose(xp.numpy(back), A, rtol=tol, atol=tol)


def test_without_bias_the_centre_is_the_metric_parameter(rng):
    A, M = random_spd(rng, 20, spread=0.1), random_spd(rng)
    for parameter, centre in [(None, np.eye(N)), (M, M)]:
        geometry = GBWGeometry(0.5, parameter)
        Z, _ = normalised(A, statistics(A, geometry), geometry)
        np.testing.assert_allclose(statistics(Z, geometry).mean, centre, atol=1e-9)


@pytest.mark.parametrize("theta", THETAS)
def test_own_mean_as_bias_and_own_spread_is_the_identity_map(rng, theta):
    A, geometry = random_spd(rng, 10), GBWGeometry(theta, random_spd(rng))
    domain = statistics(A, geometry)
    Z, n_stopped = normalised(A, domain, geometry, bias=domain.mean)
    assert n_stopped == 0  # every matrix is where the geodesic from the mean leads
    np.testing.assert_allclose(Z, A, rtol=1e-8, atol=1e-8)


def test_centred_logarithms_sum_to_zero(rng):
    A = random_spd(rng, 20, spread=0.2)
    Z, _ = normalised(A, statistics(A, GBWGeometry()), GBWGeometry())
    np.testing.assert_allclose(np.mean(spd.sqrtm(Z), axis=0), np.eye(N), atol=1e-11)


def test_normalisation_is_logarithm_transport_and_exponential(rng):
    A, B = random_spd(rng, 6, spread=0.2), random_spd(rng)
    domain = statistics(A, GBWGeometry())
    V = 0.7 * transport(
        log_map(A, domain.mean, "wasserstein"), domain.mean, np.eye(N), "wasserstein"
    )
    wanted = exp_map(transport(V, np.eye(N), B, "wasserstein"), B, "wasserstein")
    Z, _ = normalised(A, domain, GBWGeometry(), scale=0.7, bias=B)
    np.testing.assert_allclose(Z, wanted, atol=1e-11)


def test_scalars_are_standardised_by_their_square_roots(rng):
    roots = rng.uniform(2.0, 2.6, 9)
    A = (roots**2)[:, None, None]
    domain = statistics(A, GBWGeometry())
    assert float(domain.mean[0, 0]) == pytest.approx(np.mean(roots) ** 2)
    assert domain.dispersion == pytest.approx(np.var(roots))
    Z, _ = normalised(A, domain, GBWGeometry(), scale=3.0)
    np.testing.assert_allclose(np.sqrt(Z[:, 0, 0]), 1 + 3.0 * (roots - roots.mean()), rtol=1e-9)


def test_a_step_out_of_the_cone_is_stopped_and_counted(xp, rng):
    roots = np.array([1.0, 5.0, 6.0])  # mean 4: the first would land at 1 - 3 = -2
    A = (roots**2)[:, None, None] * np.eye(2)
    domain = statistics(xp.asarray(A), GBWGeometry())
    Z, n_stopped = normalised(xp.asarray(A), domain, GBWGeometry())
    assert n_stopped == 1
    Z = xp.numpy(Z)
    np.testing.assert_allclose(Z[1:], (np.array([2.0, 3.0]) ** 2)[:, None, None] * np.eye(2))
    np.testing.assert_allclose(Z[0], 0.01 * np.eye(2), rtol=1e-9)  # root 0.1: inside the cone


def test_congruences_of_data_and_parameter_give_congruent_results(rng):
    A, M, W = random_spd(rng, 8, spread=0.1), random_spd(rng), rng.standard_normal((N, N))
    one, other = GBWGeometry(1.0, M), GBWGeometry(1.0, W @ M @ W.T)
    Z, _ = normalised(A, statistics(A, one), one)
    turned = W @ A @ W.T
    Y, _ = normalised(turned, statistics(turned, other), other)
    # the matrices agree up to the rotation that the two square roots of M differ by
    np.testing.assert_allclose(
        spd_distance.distance(Y, other.metric_parameter), spd_distance.distance(Z, M), rtol=1e-7
    )


def test_metric_parameter_from_the_data_makes_units_irrelevant(rng):
    A = random_spd(rng, 10, spread=0.2)
    results = []
    for unit in (1.0, 1e12):
        geometry = GBWGeometry(0.5, metric_parameter_of(unit * A, None, 0.5))
        domain = statistics(unit * A, geometry)
        Z, _ = normalised(unit * A, domain, geometry)
        results.append((Z / unit, domain.dispersion))
    np.testing.assert_allclose(results[1][0], results[0][0], rtol=1e-8, atol=1e-9)
    assert results[1][1] == pytest.approx(results[0][1], rel=1e-7)


# --- singular matrices (oracle 7) ---------------------------------------------------------------


def test_shared_null_directions_become_those_of_the_centre(rng):
    A, Q = np.zeros((15, N, N)), rotation(rng)
    A[:, : N - 1, : N - 1] = random_spd(rng, 15, n=N - 1, spread=0.1)
    small = A[:, : N - 1, : N - 1]
    A = Q @ A @ Q.T
    Z, n_stopped = normalised(A, statistics(A, GBWGeometry()), GBWGeometry())
    assert n_stopped == 0
    wanted, _ = normalised(small, statistics(small, GBWGeometry()), GBWGeometry())
    embedded = np.broadcast_to(np.eye(N), A.shape).copy()
    embedded[:, : N - 1, : N - 1] = wanted
    np.testing.assert_allclose(Z, Q @ embedded @ Q.T, atol=1e-10)


@pytest.mark.parametrize("theta", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_shared_null_directions_come_back(rng, theta, dtype):
    A, Q = np.zeros((15, N, N)), rotation(rng)
    A[:, : N - 1, : N - 1] = random_spd(rng, 15, n=N - 1, spread=0.1)
    A = (Q @ A @ Q.T).astype(dtype)
    geometry = GBWGeometry(theta, metric_parameter_of(A, None, theta))
    assert np.linalg.matrix_rank(geometry.metric_parameter) == N - 1
    domain = statistics(A, geometry)
    Z, _ = normalised(A, domain, geometry)
    assert np.all(np.linalg.eigvalsh(Z) > 0.05)
    tol = 1e-9 if dtype == np.float64 else 1e-5  # of the input, 1e2 n eps
    np.testing.assert_allclose(restored(Z, domain, geometry), A, atol=tol)


# --- running statistics (oracle 11) -------------------------------------------------------------


@pytest.mark.parametrize("theta", [1.0, 0.5])
def test_running_mean_moves_along_the_geodesic(xp, rng, theta):
    geometry = GBWGeometry(theta, xp.asarray(random_spd(rng)))
    P, Q = xp.asarray(random_spd(rng)), xp.asarray(random_spd(rng))
    whole = float(gbw_distance(P[None, ...], Q[None, ...], geometry)[0, 0])
    moved = moved_domain(Domain(P, 1.0), Domain(Q, 3.0), 0.25, geometry)
    assert moved.dispersion == pytest.approx(1.5)
    for end, share in [(P, 0.25), (Q, 0.75)]:
        part = float(gbw_distance(end[None, ...], moved.mean[None, ...], geometry)[0, 0])
        assert part == pytest.approx(share * whole, rel=1e-6)


def test_momentum_one_forgets_and_the_middle_is_the_mean_of_two(rng):
    P, Q = random_spd(rng, 2)
    new = Domain(Q, 2.0)
    assert moved_domain(Domain(P, 1.0), new, 1.0, GBWGeometry()) == new
    middle = moved_domain(Domain(P, 1.0), new, 0.5, GBWGeometry()).mean
    np.testing.assert_allclose(middle, statistics(np.stack([P, Q]), GBWGeometry()).mean, atol=1e-9)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_float32_stays_and_inputs_are_not_changed(xp, rng, n_jobs):
    A = random_spd(rng, 4).astype(np.float32)
    X = xp.asarray(A)
    domain = statistics(X, GBWGeometry(0.5), tol=1e-8)
    Z, _ = normalised(X, domain, GBWGeometry(0.5), n_jobs=n_jobs)
    assert xp.numpy(Z).dtype == np.float32
    assert xp.numpy(restored(Z, domain, GBWGeometry(0.5))).dtype == np.float32
    np.testing.assert_array_equal(xp.numpy(X), A)


def test_directions_that_only_the_scale_of_a_row_hides_are_counted(rng):
    M = 40.0 * random_spd(rng)
    scale = np.ones(N)
    assert forgotten_directions(M) == 0
    scale[2] = 1e-5
    assert forgotten_directions(scale[:, None] * M * scale) == 0, "still far above rounding"
    scale[2] = scale[4] = 1e-9
    assert forgotten_directions(scale[:, None] * M * scale) == 2
    # null in the data, at any scale: nothing is forgotten
    reference = np.eye(N) - 1 / N
    assert forgotten_directions(reference @ M @ reference) == 0
    M[:, 1] = M[1] = 0.0
    assert forgotten_directions(M) == 0
    # equal channels but for 1e-12: below 1e3 root(n) eps times the largest eigenvalue, which is n
    nearly_equal = np.ones((4, 4)) + 1e-12 * np.eye(4)
    scale = np.array([1.0, 1.0, 1.0, 1e-2])
    assert forgotten_directions(scale[:, None] * nearly_equal * scale) == 0
