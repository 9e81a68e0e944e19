"""Block-Toeplitz points and the Siegel metric: bijection, isometries, means."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from subspace_learn.functional.covariance.augmented_covariance import block_toeplitz, lagged_trials
from subspace_learn.functional.covariance.siegel import (
    autocovariances,
    contraction_exp,
    contraction_log,
    contraction_mean,
    moved_from_origin,
    moved_to_origin,
    siegel_distances,
    siegel_mean,
    siegel_tangent_vectors,
    verblunsky_coefficients,
)


@pytest.fixture
def blocks(rng):
    """First block rows of 6 block-Toeplitz covariances: order 4, 3 channels."""
    X = np.einsum("ij,njt->nit", rng.normal(size=(3, 3)), rng.normal(size=(6, 3, 60)))
    X = X[..., 1:] + 0.8 * X[..., :-1]
    return lagged_trials(X).toeplitz(4, 1, "scm")


@pytest.fixture
def points(blocks):
    return verblunsky_coefficients(blocks)


def contractions(rng, n, size=3, largest=0.9):
    Z = rng.normal(size=(n, size, size))
    return (
        Z / np.linalg.norm(Z, 2, axis=(1, 2))[:, None, None] * rng.uniform(0.1, largest, (n, 1, 1))
    )


def root(A):
    return scipy.linalg.sqrtm(A).real


def test_coefficients_follow_the_definition(blocks, points, xp):
    """The sheet's formula, with inverses of the whole leading blocks."""
    given = xp.numpy(verblunsky_coefficients(xp.asarray(blocks)))
    _, p, C, _ = blocks.shape
    for R, found in zip(blocks, given, strict=True):
        np.testing.assert_allclose(found[0], R[0], atol=1e-14)
        T = block_toeplitz(R[None])[0]
        for m in range(p - 1):
            inverse = np.linalg.inv(T[: m * C, : m * C])
            r = R[1 : m + 1].transpose(1, 0, 2).reshape(C, m * C)
            rt = R[1 : m + 1][::-1].transpose(2, 0, 1).reshape(C, m * C)
            L, K = R[0] - r @ inverse @ r.T, R[0] - rt @ inverse @ rt.T
            wanted = (
                np.linalg.inv(root(L)) @ (R[m + 1] - r @ inverse @ rt.T) @ np.linalg.inv(root(K))
            )
            # condition numbers near 1e3 lose three of sixteen digits, twice
            np.testing.assert_allclose(found[m + 1], wanted, atol=1e-9)
            assert np.linalg.norm(found[m + 1], 2) < 1


def test_the_map_goes_back(blocks, points, xp):
    given = xp.numpy(autocovariances(xp.asarray(points)))
    np.testing.assert_allclose(given, blocks, rtol=0, atol=1e-11 * np.abs(blocks).max())


def test_any_contractions_make_a_positive_definite_matrix(rng):
    P = rng.normal(size=(4, 3, 5))
    points = np.concatenate(
        [(P @ P.swapaxes(1, 2))[:, None], contractions(rng, 8).reshape(4, 2, 3, 3)], 1
    )
    S = block_toeplitz(autocovariances(points))
    assert np.linalg.eigvalsh(S).min() > 0
    np.testing.assert_allclose(verblunsky_coefficients(autocovariances(points)), points, atol=1e-9)


def test_log_determinant_splits_over_the_factors(blocks, points):
    p = blocks.shape[1]
    wanted = np.linalg.slogdet(block_toeplitz(blocks))[1]
    given = p * np.linalg.slogdet(points[:, 0])[1]
    for m in range(1, p):
        W = points[:, m]
        given = given + (p - m) * np.linalg.slogdet(np.eye(3) - W @ W.swapaxes(1, 2))[1]
    np.testing.assert_allclose(given, wanted, atol=1e-11)


def test_an_autoregression_of_order_one_has_one_coefficient():
    A = np.array([[0.5, 0.3], [-0.2, 0.6]])
    gamma = scipy.linalg.solve_discrete_lyapunov(A, np.eye(2))
    # block m is E[x(t) x(t + m)^T] = Gamma(0) (A^T)^m
    R = np.stack([gamma @ np.linalg.matrix_power(A.T, m) for m in range(4)])[None]
    W = verblunsky_coefficients(R)[0]
    assert np.linalg.norm(W[1]) > 0.5
    np.testing.assert_allclose(W[2:], 0, atol=1e-14)


def test_indefinite_blocks_are_refused(blocks):
    blocks[3, 2] *= 3
    with pytest.raises(ValueError, match=r"Matrix 3 .* not positive definite"):
        verblunsky_coefficients(blocks)


def test_moving_is_an_isometry_and_goes_back(rng):
    X, Y, W = contractions(rng, 5), contractions(rng, 5), contractions(rng, 1)[0]
    moved = moved_to_origin(X, W)
    np.testing.assert_allclose(moved_from_origin(moved, W), X, atol=1e-12)
    np.testing.assert_allclose(moved_to_origin(W, W), 0, atol=1e-14)

    def distance(A, B):  # the sheet's closed form
        At, Bt, eye = A.swapaxes(-1, -2), B.swapaxes(-1, -2), np.eye(3)
        M = (B - A) @ np.linalg.inv(eye - At @ B) @ (Bt - At) @ np.linalg.inv(eye - A @ Bt)
        return np.sum(np.arctanh(np.sqrt(np.linalg.eigvals(M).real)) ** 2, axis=-1)

    np.testing.assert_allclose(distance(moved, moved_to_origin(Y, W)), distance(X, Y), atol=1e-9)
    at_origin = np.sum(np.arctanh(np.linalg.svd(moved)[1]) ** 2, axis=-1)
    np.testing.assert_allclose(at_origin, distance(X, W[None]), atol=1e-9)


def test_line_element_is_the_small_distance(rng):
    W, dW = contractions(rng, 1)[0], 1e-5 * rng.normal(size=(3, 3))
    eye = np.eye(3)
    element = np.trace(np.linalg.inv(eye - W @ W.T) @ dW @ np.linalg.inv(eye - W.T @ W) @ dW.T)
    small = np.sum(np.arctanh(np.linalg.svd(moved_to_origin(W + dW, W))[1]) ** 2)
    assert small == pytest.approx(element, rel=1e-4)  # the next term is of relative order |dW|


def test_exp_and_log_at_the_origin_are_inverse(rng, xp):
    Z = contractions(rng, 4)
    Z[0] = 0
    V = contraction_log(xp.asarray(Z))
    np.testing.assert_allclose(xp.numpy(contraction_exp(V)), Z, atol=1e-12)
    wanted = np.arctanh(np.linalg.svd(Z)[1])
    np.testing.assert_allclose(np.linalg.svd(xp.numpy(V))[1], wanted, atol=1e-8)


def test_tangent_vectors_are_as_long_as_the_distance(points, xp):
    vectors = xp.numpy(siegel_tangent_vectors(xp.asarray(points), xp.asarray(points[2])))
    assert vectors.shape == (6, 6 + 3 * 9)
    distances = xp.numpy(siegel_distances(xp.asarray(points), xp.asarray(points[2:3])))[:, 0]
    np.testing.assert_allclose(np.sum(vectors**2, axis=1), distances, atol=1e-10)


def test_channel_mixing_turns_the_contractions(blocks, rng):
    A = rng.normal(size=(3, 3))
    mixed = verblunsky_coefficients(A @ blocks @ A.T)
    before = verblunsky_coefficients(blocks)
    # by orthogonal factors that differ from trial to trial: the singular values stay, distances to
    # other trials do not (unlike those of whole matrices under the affine-invariant metric)
    np.testing.assert_allclose(
        np.linalg.svd(mixed[:, 1:])[1], np.linalg.svd(before[:, 1:])[1], atol=1e-9
    )


def test_mean_balances_the_tangent_vectors(points, xp):
    result = siegel_mean(xp.asarray(points), tol=1e-12)
    assert result.converged
    vectors = xp.numpy(siegel_tangent_vectors(xp.asarray(points), result.mean))
    np.testing.assert_allclose(vectors.mean(axis=0), 0, atol=1e-10)


def test_mean_of_two_contractions_is_the_midpoint(rng):
    X = contractions(rng, 2)
    mean, _, converged = contraction_mean(X, np.array([0.5, 0.5]), tol=1e-13)
    half = contraction_exp(contraction_log(moved_to_origin(X[1], X[0])) / 2)
    assert converged
    np.testing.assert_allclose(mean, moved_from_origin(half, X[0]), atol=1e-10)


def test_weights_equal_repetition_in_the_mean(points):
    weighted = siegel_mean(points, np.array([2.0, 1, 0, 0, 1, 0]), tol=1e-12).mean
    repeated = siegel_mean(points[[0, 0, 1, 4]], tol=1e-12).mean
    np.testing.assert_allclose(weighted, repeated, atol=1e-10)


def test_mean_warns_when_it_stops_early(points):
    with pytest.warns(UserWarning, match="max_iter"):
        siegel_mean(points, tol=1e-15, max_iter=1)
