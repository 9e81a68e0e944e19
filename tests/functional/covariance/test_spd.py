"""Functions of positive definite matrices, vectors of their entries, distances; their one error."""

from __future__ import annotations

import numpy as np
import pytest
from pyriemann.geometry import base as peer
from pyriemann.geometry.distance import distance as peer_distance
from pyriemann.geometry.tangentspace import upper

from subspace_learn.functional.covariance import spd
from subspace_learn.functional.covariance.spd_distance import distance, pairwise_distance

EPS_TOL = 1e-12  # eps times the condition number (about 100), with a margin of fifty
METRICS = ["riemann", "logeuclid", "wasserstein", "euclid"]


def random_spd(rng, *shape, n=6, spread=1.0):
    """Matrices ``exp(S)`` with normal S: their condition number is about ``e^(4 spread)``."""
    S = spread * rng.standard_normal((*shape, n, n)) / n**0.5
    return np.asarray(spd.expm(S + S.mT))


def rotation(rng, n=6):
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


FUNCTIONS = {
    "sqrtm": (spd.sqrtm, peer.sqrtm),
    "invsqrtm": (spd.invsqrtm, peer.invsqrtm),
    "logm": (spd.logm, peer.logm),
    "expm": (spd.expm, peer.expm),
    "power": (lambda A: spd.powm(A, -0.7), lambda A: peer.powm(A, -0.7)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_functions_of_matrices_are_those_of_pyriemann(xp, rng, name, shape):
    ours, theirs = FUNCTIONS[name]
    A = random_spd(rng, *shape)
    result = ours(xp.asarray(A))
    assert xp.owns(result)
    np.testing.assert_allclose(xp.numpy(result), theirs(A), rtol=1e-10, atol=100 * EPS_TOL)


def test_roots_powers_and_logarithms_are_inverses(rng):
    A = random_spd(rng, 4)
    eye = np.broadcast_to(np.eye(6), A.shape)
    root, inverse_root = spd.sqrtm(A), spd.invsqrtm(A)
    np.testing.assert_allclose(root @ root, A, atol=100 * EPS_TOL)
    np.testing.assert_allclose(inverse_root @ A @ inverse_root, eye, atol=EPS_TOL)
    np.testing.assert_allclose(spd.expm(spd.logm(A)), A, atol=100 * EPS_TOL)
    np.testing.assert_allclose(spd.powm(spd.powm(A, 0.3), 1 / 0.3), A, atol=100 * EPS_TOL)
    np.testing.assert_allclose(spd.powm(A, 0.0), eye, atol=EPS_TOL)


def test_semidefinite_matrices_have_roots_and_positive_powers():
    A = np.diag([4.0, 1.0, 0.0])
    np.testing.assert_array_equal(spd.sqrtm(A), np.diag([2.0, 1.0, 0.0]))
    np.testing.assert_array_equal(spd.powm(A, 2), np.diag([16.0, 1.0, 0.0]))


def test_small_eigenvalues_of_float32_matrices_survive_the_logarithm():
    values = np.float32([1e-5, 1.0, 10.0])
    Q = rotation(np.random.default_rng(0), 3)
    A = ((Q * values) @ Q.T).astype(np.float32)
    exact = spd.logm(A.astype(np.float64))
    result = spd.logm(A)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, exact, rtol=1e-5, atol=1e-5)  # one rounding of the result


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_stays_float32(xp, rng, name):
    A = random_spd(rng, 2).astype(np.float32)
    assert xp.numpy(FUNCTIONS[name][0](xp.asarray(A))).dtype == np.float32


@pytest.mark.parametrize("n", [1, 2, 5])
def test_upper_vectors_are_those_of_pyriemann_and_keep_the_norm(xp, rng, n):
    S = rng.standard_normal((2, 3, n, n))
    S = S + S.mT
    v = spd.upper_vector(xp.asarray(S))
    np.testing.assert_allclose(xp.numpy(v), upper(S), rtol=1e-15)
    np.testing.assert_allclose(
        np.linalg.norm(xp.numpy(v), axis=-1), np.linalg.norm(S, axis=(-2, -1))
    )
    np.testing.assert_allclose(xp.numpy(spd.symmetric_from_upper(v)), S, rtol=1e-15)


def test_a_vector_that_is_no_triangle_is_refused():
    with pytest.raises(ValueError, match="has 6 entries"):
        spd.symmetric_from_upper(np.zeros(7))


@pytest.mark.parametrize("metric", METRICS)
def test_distances_are_those_of_pyriemann(xp, rng, metric):
    A, B = random_spd(rng, 4), random_spd(rng, 4)
    d = distance(xp.asarray(A), xp.asarray(B), metric)
    assert xp.owns(d)
    np.testing.assert_allclose(xp.numpy(d), peer_distance(A, B, metric), rtol=1e-10)


@pytest.mark.parametrize("metric", METRICS)
def test_pairwise_distances_are_those_of_each_pair(xp, rng, metric):
    A, B = random_spd(rng, 5), random_spd(rng, 3)
    wanted = [[float(distance(a, b, metric)) for b in B] for a in A]
    d = xp.numpy(pairwise_distance(xp.asarray(A), xp.asarray(B), metric))
    np.testing.assert_allclose(d, wanted, rtol=1e-10)
    np.testing.assert_allclose(xp.numpy(distance(xp.asarray(A[:, None]), xp.asarray(B), metric)), d)


@pytest.mark.parametrize("metric", METRICS)
def test_threads_do_not_change_distances(rng, metric):
    A, B = random_spd(rng, 300, n=40, spread=0.3), random_spd(rng, 2, n=40, spread=0.3)
    np.testing.assert_array_equal(
        pairwise_distance(A, B, metric, n_jobs=2), pairwise_distance(A, B, metric)
    )


@pytest.mark.parametrize("metric", METRICS)
def test_distances_are_metrics(rng, metric):
    A = random_spd(rng, 5)
    d = pairwise_distance(A, A, metric)
    np.testing.assert_allclose(d, d.T, rtol=1e-10, atol=1e-6)  # root of rounding for wasserstein
    assert np.max(np.abs(np.diag(d))) < 1e-6
    assert np.all(d[:, None, :] <= d[:, :, None] + d.T[None] + 1e-6)


@pytest.mark.parametrize("metric", METRICS)
def test_distances_are_invariant_to_rotation(rng, metric):
    A, B, Q = random_spd(rng, 4), random_spd(rng, 4), rotation(rng)
    np.testing.assert_allclose(
        distance(Q @ A @ Q.T, Q @ B @ Q.T, metric), distance(A, B, metric), rtol=1e-10
    )


def test_riemann_distance_is_invariant_to_congruence_inversion_and_units(rng):
    A, B, W = random_spd(rng, 4), random_spd(rng, 4), rng.standard_normal((6, 6))
    d = distance(A, B)
    np.testing.assert_allclose(distance(W @ A @ W.T, W @ B @ W.T), d, rtol=1e-9)
    inverses = np.linalg.inv(A), np.linalg.inv(B)
    np.testing.assert_allclose(distance(*inverses), d, rtol=1e-9)
    np.testing.assert_allclose(distance(1e-12 * A, 1e-12 * B), d, rtol=1e-10)


def test_distances_of_commuting_matrices_are_those_of_their_eigenvalues(rng):
    p, q, Q = rng.uniform(0.2, 5.0, 6), rng.uniform(0.2, 5.0, 6), rotation(rng)
    A, B = (Q * p) @ Q.T, (Q * q) @ Q.T
    logs = np.linalg.norm(np.log(p) - np.log(q))
    assert distance(A, B) == pytest.approx(logs, rel=1e-10)
    assert distance(A, B, "logeuclid") == pytest.approx(logs, rel=1e-10)
    roots = np.linalg.norm(np.sqrt(p) - np.sqrt(q))
    assert distance(A, B, "wasserstein") == pytest.approx(roots, rel=1e-8)


def test_wasserstein_distance_scales_with_the_units_and_allows_singular_matrices(rng):
    A, B = random_spd(rng, 3), random_spd(rng, 3)
    np.testing.assert_allclose(
        distance(7 * A, 7 * B, "wasserstein"), 7**0.5 * distance(A, B, "wasserstein"), rtol=1e-10
    )
    d = distance(np.diag([4.0, 0.0]), np.diag([0.0, 9.0]), "wasserstein")
    assert d == pytest.approx(13**0.5)


def test_distance_refuses_an_unknown_metric(rng):
    with pytest.raises(ValueError, match="'euclid', 'logeuclid', 'riemann', 'wasserstein'"):
        distance(np.eye(2), np.eye(2), "hyperbolic")


def rank_deficient(rng, *shape, n=6):
    """Covariances of signals with their average subtracted: one eigenvalue is rounding."""
    X = rng.standard_normal((*shape, n, 50))
    X = X - X.mean(axis=-2, keepdims=True)
    return X @ X.mT / 50


NEED_DEFINITE = {
    "invsqrtm": spd.invsqrtm,
    "logm": spd.logm,
    "powm": lambda A: spd.powm(A, -1),
    "riemann distance": lambda A: distance(A, np.eye(A.shape[-1], dtype=A.dtype)),
    "logeuclid distance": lambda A: distance(A, np.eye(A.shape[-1], dtype=A.dtype), "logeuclid"),
}


@pytest.mark.parametrize("name", NEED_DEFINITE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rank_deficient_matrices_are_refused_by_name_and_cause(rng, name, dtype):
    A = random_spd(rng, 5).astype(dtype)
    A[3:] = rank_deficient(rng, 2)
    with pytest.raises(ValueError, match=r"Matrix 3 \(of 5, each 6 x 6\) is not positive definite"):
        NEED_DEFINITE[name](A)
    with pytest.raises(ValueError, match=r"average, more channels .*ICA.*interpolated.*\"oas\""):
        NEED_DEFINITE[name](A)


def test_the_error_gives_the_smallest_eigenvalue_and_the_place_in_a_batch(xp):
    A = np.broadcast_to(np.eye(2), (2, 3, 2, 2)).copy()
    A[1, 2] = np.diag([3.0, -0.25])
    with pytest.raises(ValueError, match=r"Matrix \(1, 2\) .* smallest eigenvalue is -0.25, the"):
        spd.logm(xp.asarray(A))
    with pytest.raises(ValueError, match=r"The 2 x 2 matrix is not positive semidefinite"):
        spd.sqrtm(xp.asarray(A[1, 2]))


def test_the_error_counts_matrices_of_the_whole_stack_not_of_a_piece(rng):
    A = random_spd(rng, 200, n=40, spread=0.3)
    A[150] = -A[150]
    with pytest.raises(ValueError, match=r"Matrix 150 \(of 200, each 40 x 40\)"):
        pairwise_distance(A, A[:2], n_jobs=2)


def test_good_matrices_that_rounding_cannot_compare_are_refused_in_other_words(rng):
    values = np.logspace(-7, 7, 6)  # condition 1e14: fine alone, 1e28 seen from each other
    A, B = (Q @ np.diag(values) @ Q.T for Q in (rotation(rng), rotation(rng)))
    with pytest.raises(ValueError, match="so ill-conditioned that their eigenvalues relative"):
        distance((A + A.T) / 2, (B + B.T) / 2)


def test_matrices_with_nan_are_named(rng):
    A = random_spd(rng, 3)
    A[1, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"Matrix 1 .* NaN"):
        spd.logm(A)


def test_zero_matrices_have_no_logarithm():
    with pytest.raises(ValueError, match=r"Matrix 0 .* zero: a flat epoch"):
        spd.logm(np.zeros((2, 3, 3)))


def test_inputs_are_not_changed(xp, rng):
    A, B = random_spd(rng, 3), random_spd(rng, 2)
    a, b = xp.asarray(A), xp.asarray(B)
    for metric in METRICS:
        pairwise_distance(a, b, metric)
    spd.logm(a)
    np.testing.assert_array_equal(xp.numpy(a), A)
    np.testing.assert_array_equal(xp.numpy(b), B)


@pytest.mark.parametrize("unit", [1.0, 1e-11, 1e6])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_eigenvalues_below_root_n_eps_of_the_largest_count_as_rounding(unit, dtype):
    floor = 2 * float(np.finfo(dtype).eps) * unit  # n = 4
    A = np.stack([np.diag([k * floor, unit / 3, unit / 2, unit]) for k in (2.0, 0.5)])
    spd.logm(A[:1].astype(dtype))
    message = rf"Matrix 1 \(of 2, each 4 x 4\).*anything below {floor:.2g} may be"
    with pytest.raises(ValueError, match=message.replace("+", r"\+")):
        spd.logm(A.astype(dtype))


@pytest.mark.parametrize("unit", [1.0, 1e-11, 1e6])
def test_negative_rounding_of_products_up_to_a_hundred_times_as_much_is_nothing(unit):
    floor = 2 * float(np.finfo(np.float64).eps) * unit
    A = np.stack([np.diag([k * floor, unit / 3, unit / 2, unit]) for k in (-50.0, -200.0)])
    assert spd.sqrtm(A[:1])[0, 0, 0] == 0.0
    with pytest.raises(ValueError, match=r"Matrix 1 \(of 2, each 4 x 4\) is not positive semidef"):
        spd.sqrtm(A)


def test_null_space_is_what_rounding_of_products_may_be():
    values = np.array([0.5e-13, 2e-13, 1.0, 3.0])  # 100 root(4) eps 3 = 1.3e-13
    A = np.diag(values)
    np.testing.assert_array_equal(spd.with_null_space(values, A), [0.0, 2e-13, 1.0, 3.0])
    # the matrices the products began with were rounded to float32: 2 eps 3 = 7e-7
    np.testing.assert_array_equal(
        spd.with_null_space(np.array([0.0, 5e-7, 9e-7, 3.0]), A.astype(np.float32)),
        [0.0, 0.0, 9e-7, 3.0],
    )


@pytest.mark.parametrize("unit", [1.0, 1e-11, 1e6])
def test_covariances_of_rounded_signals_need_more_than_their_rounding(xp, unit):
    eps = float(np.finfo(np.float32).eps)
    floor = 10 * 2 * eps**2 * unit
    A = np.stack([np.diag([k * floor, unit / 3, unit / 2, unit]) for k in (2.0, 0.5)])
    spd.check_above_rounding(xp.asarray(A[:1]), eps)
    with pytest.raises(spd.NotPositiveDefinite, match=r"Matrix 1 .*re-referenced to their average"):
        spd.check_above_rounding(xp.asarray(A), eps)
