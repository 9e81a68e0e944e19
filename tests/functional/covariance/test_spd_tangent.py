"""Tangent spaces of positive definite matrices: pyRiemann, inverses, isometries, transport."""

from __future__ import annotations

import numpy as np
import pytest
from pyriemann.geometry import tangentspace as peer

from subspace_learn.functional.covariance import spd
from subspace_learn.functional.covariance import spd_tangent as tg
from subspace_learn.functional.covariance.spd_distance import distance

METRICS = ["riemann", "logeuclid", "wasserstein", "euclid"]


def random_spd(rng, *shape, n=6, spread=0.7):
    """Matrices ``exp(S)`` with normal S: their condition number is about ``e^(4 spread)``."""
    S = spread * rng.standard_normal((*shape, n, n)) / n**0.5
    return np.asarray(spd.expm(S + S.mT))


def symmetric(rng, *shape, n=6):
    V = rng.standard_normal((*shape, n, n))
    return (V + V.mT) / 2


def squared_norm(V, M, metric):
    """Squared length of tangent vectors, from the definitions of the metrics."""
    values, U = np.linalg.eigh(M)
    R = U.T @ V @ U
    if metric == "riemann":
        return np.sum(R**2 / (values[:, None] * values), axis=(-2, -1))
    if metric == "wasserstein":
        return np.sum(R**2 / (2 * (values[:, None] + values)), axis=(-2, -1))
    if metric == "logeuclid":
        return np.sum(peer.ddlogm(V, M) ** 2, axis=(-2, -1))
    return np.sum(V**2, axis=(-2, -1))


@pytest.mark.parametrize("metric", METRICS)
def test_maps_are_those_of_pyriemann(xp, rng, metric):
    A, M = random_spd(rng, 4), random_spd(rng)
    C12 = {"C12": True} if metric == "riemann" else {}
    wanted = peer.log_map(A, M, metric=metric, **C12)
    V = tg.log_map(xp.asarray(A), xp.asarray(M), metric)
    assert xp.owns(V)
    np.testing.assert_allclose(xp.numpy(V), wanted, atol=1e-10)
    Cm12 = {"Cm12": True} if metric == "riemann" else {}
    wanted = peer.exp_map(xp.numpy(V), M, metric=metric, **Cm12)
    back = tg.exp_map(V, xp.asarray(M), metric)
    np.testing.assert_allclose(xp.numpy(back), wanted, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("metric", METRICS)
def test_exponential_of_the_logarithm_is_the_matrix(rng, metric):
    A, M = random_spd(rng, 4), random_spd(rng)
    np.testing.assert_allclose(tg.exp_map(tg.log_map(A, M, metric), M, metric), A, atol=1e-10)


@pytest.mark.parametrize("metric", METRICS)
def test_length_of_the_logarithm_and_norm_of_the_vector_are_the_distance(rng, metric):
    A, M = random_spd(rng, 4), random_spd(rng)
    d = distance(A, M, metric)
    V = tg.log_map(A, M, metric)
    np.testing.assert_allclose(squared_norm(V, M, metric) ** 0.5, d, rtol=1e-9)
    T = tg.tangent_vectors(A, M, metric)
    np.testing.assert_allclose(np.linalg.norm(T, axis=1), d, rtol=1e-9)


def test_riemann_tangent_vectors_are_those_of_pyriemann(xp, rng):
    A, M = random_spd(rng, 4), random_spd(rng)
    T = tg.tangent_vectors(xp.asarray(A), xp.asarray(M))
    assert xp.owns(T)
    np.testing.assert_allclose(xp.numpy(T), peer.tangent_space(A, M), atol=1e-11)


@pytest.mark.parametrize("metric", ["logeuclid", "wasserstein"])
def test_other_tangent_vectors_are_a_linear_map_of_those_of_pyriemann(rng, metric):
    A, M = random_spd(rng, 40, n=4), random_spd(rng, n=4)
    ours, theirs = tg.tangent_vectors(A, M, metric), peer.tangent_space(A, M, metric=metric)
    map_ = np.linalg.lstsq(theirs, ours)[0]
    np.testing.assert_allclose(theirs @ map_, ours, atol=1e-9)


@pytest.mark.parametrize("metric", METRICS)
def test_tangent_vectors_have_an_inverse(xp, rng, metric):
    A, M = random_spd(rng, 4), xp.asarray(random_spd(rng))
    back = tg.from_tangent_vectors(tg.tangent_vectors(xp.asarray(A), M, metric), M, metric)
    assert xp.owns(back)
    np.testing.assert_allclose(xp.numpy(back), A, atol=1e-10)


@pytest.mark.parametrize("metric", METRICS)
def test_tangent_vectors_from_threads_are_the_same(rng, metric):
    A, M = random_spd(rng, 200, n=36, spread=0.3), random_spd(rng, n=36, spread=0.3)
    T = tg.tangent_vectors(A, M, metric)
    np.testing.assert_array_equal(tg.tangent_vectors(A, M, metric, n_jobs=2), T)
    np.testing.assert_allclose(tg.tangent_vectors(A[170:171], M, metric), T[170:171], atol=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_transport_keeps_lengths_and_has_an_inverse(xp, rng, metric):
    A, B, V = random_spd(rng), random_spd(rng), symmetric(rng, 3)
    if metric == "wasserstein":
        B = A @ A + np.eye(6)  # commutes with A
    W = xp.numpy(tg.transport(xp.asarray(V), xp.asarray(A), xp.asarray(B), metric))
    np.testing.assert_allclose(squared_norm(W, B, metric), squared_norm(V, A, metric), rtol=1e-9)
    np.testing.assert_allclose(tg.transport(W, B, A, metric), V, atol=1e-9)
    np.testing.assert_allclose(tg.transport(V, A, A, metric), V, atol=1e-10)


@pytest.mark.parametrize("metric", METRICS)
def test_transport_carries_the_velocity_of_the_geodesic_along(rng, metric):
    A = random_spd(rng)
    B = spd.powm(A, 1.7) if metric == "wasserstein" else random_spd(rng)
    V = tg.log_map(B, A, metric)
    np.testing.assert_allclose(tg.transport(V, A, B, metric), -tg.log_map(A, B, metric), atol=1e-9)


@pytest.mark.parametrize("metric", ["riemann", "logeuclid"])
def test_transport_is_that_of_pyriemann(rng, metric):
    A, B, V = random_spd(rng), random_spd(rng), symmetric(rng, 3)
    wanted = peer.transport(V, A, B, metric=metric)
    np.testing.assert_allclose(tg.transport(V, A, B, metric), wanted, atol=1e-9)


def test_wasserstein_transport_to_the_identity_uses_the_closed_form(rng):
    M, V = random_spd(rng), symmetric(rng)
    s, U = np.linalg.eigh(M)
    wanted = U @ (np.sqrt(2 / (s[:, None] + s)) * (U.T @ V @ U)) @ U.T
    np.testing.assert_allclose(tg.transport(V, M, np.eye(6), "wasserstein"), wanted, atol=1e-12)
    np.testing.assert_allclose(tg.transport(V, np.eye(6), 4 * np.eye(6), "wasserstein"), 2 * V)


def test_wasserstein_transport_between_general_points_is_refused(rng):
    A, B = random_spd(rng, 2)
    with pytest.raises(ValueError, match="matrices that commute"):
        tg.transport(np.eye(6), A, B, "wasserstein")


def test_whitening_by_the_matrix_gives_the_identity(xp, rng):
    M = xp.asarray(random_spd(rng))
    np.testing.assert_allclose(xp.numpy(tg.whiten(M, M)), np.eye(6), atol=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_float32_stays_float32_with_the_accuracy_of_one_rounding(xp, rng, metric):
    A, M = random_spd(rng, 3).astype(np.float32), random_spd(rng).astype(np.float32)
    T = xp.numpy(tg.tangent_vectors(xp.asarray(A), xp.asarray(M), metric))
    assert T.dtype == np.float32
    exact = tg.tangent_vectors(A.astype(float), M.astype(float), metric)
    np.testing.assert_allclose(T, exact, rtol=2e-7, atol=1e-9 if metric != "euclid" else 1e-6)
    back = tg.from_tangent_vectors(xp.asarray(T), xp.asarray(M), metric)
    assert xp.numpy(back).dtype == np.float32
    for f in (tg.log_map, tg.exp_map):
        assert xp.numpy(f(xp.asarray(A), xp.asarray(M), metric)).dtype == np.float32


@pytest.mark.parametrize("metric", ["riemann", "logeuclid"])
def test_bad_matrices_and_metrics_are_refused(rng, metric):
    A, M = random_spd(rng, 120, n=30, spread=0.2), np.eye(30)
    A[101, 0] = A[101, :, 0] = 0.0
    with pytest.raises(ValueError, match=r"Matrix 101 \(of 120, each 30 x 30\) is not positive"):
        tg.tangent_vectors(A, M, metric, n_jobs=2)
    with pytest.raises(ValueError, match="The 30 x 30 matrix is not positive definite"):
        tg.tangent_vectors(A[:3], A[101], metric)
    for f in (tg.log_map, tg.exp_map, tg.tangent_vectors, tg.from_tangent_vectors):
        with pytest.raises(ValueError, match="'x' is not known"):
            f(A, M, "x")
