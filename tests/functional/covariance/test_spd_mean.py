"""Means of positive definite matrices: pyRiemann, closed forms, laws, stopping, errors."""

from __future__ import annotations

import numpy as np
import pytest
from pyriemann.geometry.mean import mean_logeuclid, mean_riemann, mean_wasserstein
from sklearn.exceptions import ConvergenceWarning

from subspace_learn.functional.covariance import spd
from subspace_learn.functional.covariance.spd_distance import distance
from subspace_learn.functional.covariance.spd_mean import mean_spd

METRICS = ["riemann", "logeuclid", "wasserstein", "euclid"]


def random_spd(rng, *shape, n=6, spread=0.7):
    """Matrices ``exp(S)`` with normal S: their condition number is about ``e^(4 spread)``."""
    S = spread * rng.standard_normal((*shape, n, n)) / n**0.5
    return np.asarray(spd.expm(S + S.mT))


def rotation(rng, n=6):
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


def relative(X, Y):
    return np.linalg.norm(X - Y) / np.linalg.norm(Y)


PEERS = {
    "riemann": lambda A, w: mean_riemann(A, tol=1e-12, maxiter=200, sample_weight=w),
    "logeuclid": lambda A, w: mean_logeuclid(A, sample_weight=w),
    "wasserstein": lambda A, w: mean_wasserstein(A, tol=1e-12, maxiter=200, sample_weight=w),
}


@pytest.mark.parametrize("metric", PEERS)
def test_means_are_those_of_pyriemann(xp, rng, metric):
    A, w = random_spd(rng, 20), rng.uniform(0.5, 2.0, 20)
    result = mean_spd(xp.asarray(A), metric, sample_weight=xp.asarray(w), tol=1e-11)
    assert xp.owns(result.mean)
    assert result.converged
    assert relative(xp.numpy(result.mean), PEERS[metric](A, w)) < 1e-10


def test_badly_scaled_channels_cost_no_accuracy(rng):
    A = random_spd(rng, 30, n=8)
    units = np.logspace(-3, 3, 8)  # condition 1e12: pyRiemann is 7e-5 from the mean here
    wanted = mean_riemann(A, tol=1e-13, maxiter=300)
    mean = mean_spd(units[:, None] * A * units, tol=1e-11).mean
    assert distance(mean / units[:, None] / units, wanted) < 1e-10


def test_riemann_mean_makes_the_mean_logarithm_vanish(rng):
    A = random_spd(rng, 25)
    W = spd.invsqrtm(mean_spd(A, tol=1e-10).mean)
    assert np.linalg.norm(np.mean(spd.logm(W @ A @ W), axis=0)) < 2e-10  # tol and rounding


@pytest.mark.parametrize("tol", [1e-3, 1e-6, 1e-8])
@pytest.mark.parametrize("spread", [0.2, 0.7, 1.5])
def test_the_promise_of_the_last_unchecked_step_is_kept(rng, tol, spread):
    A = random_spd(rng, 25, spread=spread)
    W = spd.invsqrtm(mean_spd(A, tol=tol).mean)
    assert np.linalg.norm(np.mean(spd.logm(W @ A @ W), axis=0)) <= tol


def test_newton_needs_a_third_of_the_passes_of_gradient_descent(rng):
    A = random_spd(rng, 50, n=20)
    assert mean_spd(A).n_iter <= 3
    assert mean_spd(A, init=mean_spd(A[:45]).mean).n_iter <= 3


def test_widely_scattered_matrices_converge(rng):
    A = random_spd(rng, 6, spread=4.0)  # eigenvalues from e^-16 to e^16
    result = mean_spd(A, tol=1e-6)
    assert result.converged
    W = spd.invsqrtm(result.mean)
    assert np.linalg.norm(np.mean(spd.logm(W @ A @ W), axis=0)) < 1e-5


@pytest.mark.parametrize("metric", METRICS)
def test_a_tolerance_below_rounding_ends_without_a_warning(rng, metric):
    if metric == "wasserstein":
        pytest.skip("its tol is compared with the computed residual")
    assert mean_spd(random_spd(rng, 9), metric, tol=1e-30).converged


@pytest.mark.parametrize("metric", METRICS)
def test_mean_of_one_matrix_is_that_matrix(rng, metric):
    A = random_spd(rng)
    assert relative(mean_spd(A[None], metric).mean, A) < 1e-12


@pytest.mark.parametrize("metric", METRICS)
def test_mean_of_commuting_matrices_is_that_of_eigenvalues(rng, metric):
    values, Q = rng.uniform(0.2, 3.0, (7, 6)), rotation(rng)
    f, inverse = {
        "riemann": (np.log, np.exp),
        "logeuclid": (np.log, np.exp),
        "wasserstein": (np.sqrt, np.square),
        "euclid": (lambda x: x, lambda x: x),
    }[metric]
    wanted = (Q * inverse(np.mean(f(values), axis=0))) @ Q.T
    # up to tol = 1e-8 away
    assert relative(mean_spd((Q * values[:, None, :]) @ Q.T, metric).mean, wanted) < 2e-8


@pytest.mark.parametrize("metric", ["riemann", "wasserstein"])
def test_mean_of_two_matrices_is_the_middle_of_their_geodesic(rng, metric):
    A, B = random_spd(rng, 2)
    root, inverse = spd.sqrtm(A), spd.invsqrtm(A)
    if metric == "riemann":
        middle = root @ spd.sqrtm(inverse @ B @ inverse) @ root
    else:
        half = root @ spd.sqrtm(root @ B @ root) @ inverse
        middle = (A + B + half + half.T) / 4
    assert relative(mean_spd(np.stack([A, B]), metric).mean, middle) < 1e-8


def test_riemann_mean_follows_congruences_and_inversion(rng):
    A, W = random_spd(rng, 12), rng.standard_normal((6, 6))
    mean = mean_spd(A, tol=1e-11).mean
    assert relative(mean_spd(W @ A @ W.T, tol=1e-11).mean, W @ mean @ W.T) < 1e-9
    assert relative(np.linalg.inv(mean_spd(np.linalg.inv(A), tol=1e-11).mean), mean) < 1e-9
    assert relative(mean_spd(1e-12 * A).mean, 1e-12 * mean) < 1e-8


def test_wasserstein_mean_solves_its_equation_and_has_a_smaller_trace(rng):
    A = random_spd(rng, 12)
    G = mean_spd(A, "wasserstein", tol=1e-13).mean
    root = spd.sqrtm(G)
    assert relative(np.mean(spd.sqrtm(root @ A @ root), axis=0), G) < 1e-12
    assert np.trace(G) <= np.trace(np.mean(A, axis=0))


@pytest.mark.parametrize("metric", METRICS)
def test_weights_are_repetitions_and_order_does_not_matter(rng, metric):
    A = random_spd(rng, 4)
    weighted = mean_spd(A, metric, sample_weight=[1, 3, 0, 2], tol=1e-10).mean
    repeated = mean_spd(A[[3, 1, 0, 1, 3, 1]], metric, tol=1e-10).mean
    assert relative(weighted, repeated) < 1e-9


@pytest.mark.parametrize("metric", METRICS)
def test_the_start_does_not_matter(rng, metric):
    A = random_spd(rng, 10)
    wanted = mean_spd(A, metric, tol=1e-11).mean
    assert relative(mean_spd(A, metric, init=random_spd(rng), tol=1e-11).mean, wanted) < 1e-9


@pytest.mark.parametrize("metric", METRICS)
def test_threads_do_not_change_the_mean(rng, metric):
    A = random_spd(rng, 120, n=36, spread=0.3)
    np.testing.assert_array_equal(mean_spd(A, metric).mean, mean_spd(A, metric, n_jobs=2).mean)


@pytest.mark.parametrize("metric", METRICS)
def test_float32_stays_float32(xp, rng, metric):
    A = random_spd(rng, 8).astype(np.float32)
    mean = xp.numpy(mean_spd(xp.asarray(A), metric).mean)
    assert mean.dtype == np.float32
    assert relative(mean, mean_spd(A.astype(float), metric).mean) < 1e-6  # one rounding


def test_wasserstein_mean_of_singular_matrices_keeps_their_null_space(rng):
    A = np.zeros((5, 6, 6))
    A[:, :4, :4] = random_spd(rng, 5, n=4)
    Q = rotation(rng)
    mean = mean_spd(Q @ A @ Q.T, "wasserstein").mean
    wanted = np.zeros((6, 6))
    wanted[:4, :4] = mean_spd(A[:, :4, :4], "wasserstein").mean
    assert relative(mean, Q @ wanted @ Q.T) < 1e-8


def test_wasserstein_mean_of_matrices_with_different_null_spaces_exists():
    A = np.stack([np.diag([4.0, 0.0]), np.diag([0.0, 16.0])])
    np.testing.assert_allclose(mean_spd(A, "wasserstein").mean, np.diag([1.0, 4.0]), atol=1e-12)


@pytest.mark.parametrize("metric", ["riemann", "logeuclid"])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_bad_matrix_is_named_by_its_index(rng, metric, n_jobs):
    A = random_spd(rng, 200, n=30, spread=0.3)
    X = rng.standard_normal((30, 90))
    X -= X.mean(axis=0)
    A[170] = X @ X.T / 90
    with pytest.raises(ValueError, match=r"Matrix 170 \(of 200, each 30 x 30\) is not positive"):
        mean_spd(A, metric, n_jobs=n_jobs)


@pytest.mark.parametrize("factor", [-1.0, 0.0, np.nan, np.inf])
def test_matrices_that_are_hopeless_are_named(xp, rng, factor):
    A = random_spd(rng, 5)
    A[2] = np.diag(np.full(6, factor))
    for metric in ("riemann", "logeuclid", "wasserstein"):
        if factor == 0 and metric == "wasserstein":
            continue  # a point of that space
        with pytest.raises(ValueError, match=r"Matrix 2 \(of 5"):
            mean_spd(xp.asarray(A), metric)


@pytest.mark.parametrize("metric", ["riemann", "wasserstein"])
def test_too_few_iterations_warn(rng, metric):
    with pytest.warns(ConvergenceWarning, match=r"Raise max_iter or tol"):
        result = mean_spd(random_spd(rng, 9), metric, max_iter=1, tol=1e-14)
    assert not result.converged
    assert result.n_iter == 1


def test_wrong_arguments_are_refused(rng):
    A = random_spd(rng, 3)
    for kwargs, words in [
        ({"metric": "mode"}, "'mode' is not known"),
        ({"max_iter": 0}, "at least 1"),
        ({"sample_weight": [1, 2]}, "there are 3 matrices"),
        ({"sample_weight": [1, 2, -1]}, "nonnegative"),
    ]:
        with pytest.raises(ValueError, match=words):
            mean_spd(A, **kwargs)
    with pytest.raises(ValueError, match="needs a stack"):
        mean_spd(A[0])


@pytest.mark.parametrize("metric", METRICS)
def test_inputs_are_not_changed(xp, rng, metric):
    A, w = random_spd(rng, 4), rng.uniform(1, 2, 4)
    a, b = xp.asarray(A), xp.asarray(w)
    mean_spd(a, metric, sample_weight=b)
    np.testing.assert_array_equal(xp.numpy(a), A)
    np.testing.assert_array_equal(xp.numpy(b), w)
