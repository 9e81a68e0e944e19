"""Objective, derivatives, steps: finite differences, invariances, bounds (oracles of the paper)."""

import numpy as np
import pytest
from scipy.special import log_softmax

from subspace_learn.functional.grassmann.grassmann_classifier import (
    Labelled,
    hessian_product,
    labelled_rows,
    log_probabilities,
    logits,
    objective,
    probabilities,
    rsgd_epoch,
    rsgd_step,
)
from subspace_learn.functional.grassmann.nearest_subspace import class_subspaces, row_directions
from subspace_learn.linalg.grassmann import (
    exponential,
    parallel_transport,
    random_point,
    tangent_projection,
)

N, D, C, K = 40, 6, 3, 2
GAMMA = 7.0


@pytest.fixture
def case(rng):
    """A stack of subspaces and labelled rows, weighted, with the penalty on."""
    X, _ = row_directions(rng.normal(size=(N, D)))
    weights = rng.uniform(0.2, 2.0, size=N)
    S = random_point(D, K, rng, shape=(C,))
    return S, Labelled(X, np.arange(N) % C, weights, GAMMA, 0.8)


def moved(data, xp):
    return data._replace(**{name: xp.asarray(getattr(data, name)) for name in data._fields[:3]})


def value(S, data):
    return float(objective(S, data)[0])


def orthogonal(rng, size, *, shape=()):
    return np.linalg.qr(rng.normal(size=(*shape, size, size)))[0]


# --- the objective --------------------------------------------------------------------------------


def test_objective_is_the_formula(case, xp):
    S, data = case
    lengths = np.stack([np.linalg.norm(data.X @ S[c], axis=1) for c in range(C)], axis=1)
    rows = np.arange(N)
    own = lengths[rows, data.codes]
    losses = -log_softmax(GAMMA * lengths, axis=1)[rows, data.codes] + 0.4 * (1 - own**2)
    found = objective(xp.asarray(S), moved(data, xp))[0]
    assert float(found) == pytest.approx(np.average(losses, weights=data.weights), rel=1e-13)


def test_logits_lie_between_0_and_gamma_and_reach_it_within_the_subspace(case, rng, xp):
    S, data = case
    found = xp.numpy(logits(xp.asarray(data.X), xp.asarray(S), GAMMA))
    assert found.min() >= 0
    assert found.max() < GAMMA
    inside, _ = row_directions(rng.normal(size=(5, K)) @ S[1].T)
    np.testing.assert_allclose(logits(inside, S, GAMMA)[:, 1], GAMMA, rtol=1e-14)


def test_whole_space_is_chance_level(case, rng):
    _, data = case
    S = orthogonal(rng, D, shape=(C,))
    np.testing.assert_allclose(logits(data.X, S, GAMMA), GAMMA, rtol=1e-13)
    data = data._replace(alpha=0.0)
    loss, gradient, _ = objective(S, data)
    assert float(loss) == pytest.approx(np.log(C))
    np.testing.assert_allclose(tangent_projection(S, gradient), 0, atol=1e-12)


def test_logits_know_the_span_only(case, rng):
    S, data = case
    turned = S @ orthogonal(rng, K, shape=(C,))
    np.testing.assert_allclose(logits(data.X, turned, GAMMA), logits(data.X, S, GAMMA), rtol=1e-12)
    assert value(turned, data) == pytest.approx(value(S, data), rel=1e-13)


def test_rotating_rows_and_subspaces_together_changes_nothing(case, rng):
    S, data = case
    R = orthogonal(rng, D)
    rotated = data._replace(X=data.X @ R.T)
    assert value(R @ S, rotated) == pytest.approx(value(S, data), rel=1e-13)
    gradient = objective(S, data)[1]
    np.testing.assert_allclose(objective(R @ S, rotated)[1], R @ gradient, atol=1e-13)


def test_signs_and_lengths_of_rows_do_not_matter(case, rng):
    S, data = case
    scales = rng.uniform(0.1, 10.0, size=(N, 1)) * rng.choice([-1.0, 1.0], size=(N, 1))
    scaled, _ = row_directions(data.X * scales)
    np.testing.assert_allclose(logits(scaled, S, GAMMA), logits(data.X, S, GAMMA), rtol=1e-12)


def test_lines_and_positive_cosines_give_the_predictions_of_a_spherical_softmax(rng):
    X, _ = row_directions(rng.uniform(size=(N, D)))
    W, _ = row_directions(rng.uniform(size=(C, D)))
    np.testing.assert_allclose(logits(X, W[:, :, None], GAMMA), GAMMA * X @ W.T, rtol=1e-12)


def test_probabilities_survive_large_logits(xp):
    found = xp.numpy(probabilities(xp.asarray(np.array([[1e4, 0.0], [0.0, 0.0]]))))
    np.testing.assert_allclose(found, [[1.0, 0.0], [0.5, 0.5]], rtol=1e-15)
    logs = log_probabilities(xp.asarray(np.array([[1e4, 0.0]])))
    np.testing.assert_array_equal(xp.numpy(logs), [[0.0, -1e4]])


# --- derivatives ----------------------------------------------------------------------------------


def test_gradient_agrees_with_central_differences(case, rng, xp):
    S, data = case
    H = rng.normal(size=S.shape)
    slope = (value(S + 1e-5 * H, data) - value(S - 1e-5 * H, data)) / 2e-5
    gradient = xp.numpy(objective(xp.asarray(S), moved(data, xp))[1])
    # the difference is off by the third derivative times 1e-10, and eps / 1e-5
    assert np.sum(gradient * H) == pytest.approx(slope, rel=1e-7)


def test_gradient_along_a_geodesic_agrees_with_central_differences(case, rng):
    S, data = case
    H = tangent_projection(S, rng.normal(size=S.shape))
    ends = [value(exponential(S, t * H), data) for t in (1e-5, -1e-5)]
    gradient = tangent_projection(S, objective(S, data)[1])
    assert np.sum(gradient * H) == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-7)
    np.testing.assert_allclose(np.swapaxes(S, 1, 2) @ gradient, 0, atol=1e-14)


def test_hessian_agrees_with_differences_of_the_gradient_and_is_symmetric(case, rng, xp):
    S, data = case
    H, G = rng.normal(size=(2, *S.shape))
    forward, backward = (objective(S + t * H, data)[1] for t in (1e-5, -1e-5))
    found = xp.numpy(hessian_product(*map(xp.asarray, (S, H)), moved(data, xp)))
    np.testing.assert_allclose(found, (forward - backward) / 2e-5, rtol=1e-6, atol=1e-8)
    other = hessian_product(S, G, data)
    assert np.sum(found * G) == pytest.approx(np.sum(other * H), rel=1e-11)


def test_row_orthogonal_to_a_subspace_has_finite_derivatives(xp):
    S = np.eye(3)[None, :, :1] * np.ones((2, 1, 1))
    X = np.array([[0.0, 1.0, 0.0], [0.6, 0.8, 0.0]])
    data = moved(Labelled(X, np.array([0, 1]), np.ones(2), GAMMA, 0.0), xp)
    loss, gradient, _ = objective(xp.asarray(S), data)
    product = hessian_product(xp.asarray(S), xp.asarray(S), data)
    assert np.isfinite([float(loss), *xp.numpy(gradient).ravel(), *xp.numpy(product).ravel()]).all()


def test_weight_is_repetition(case):
    S, data = case
    counts = np.arange(N) % 3
    weighted = objective(S, data._replace(weights=counts.astype(float)))
    repeated = labelled_rows(data, np.repeat(np.arange(N), counts))
    repeated = objective(S, repeated._replace(weights=np.ones(counts.sum())))
    for a, b in zip(weighted, repeated, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-14)


def test_accuracy_is_the_weighted_share_of_rows_with_the_largest_own_logit(case, xp):
    S, data = case
    right = np.argmax(logits(data.X, S, GAMMA), axis=1) == data.codes
    found = objective(xp.asarray(S), moved(data, xp)).accuracy
    assert float(found) == pytest.approx(np.average(right, weights=data.weights), rel=1e-14)


def test_float32_stays(case, xp):
    S, data = case
    narrow = Labelled(
        *(np.asarray(a, np.float32) for a in (data.X,)),
        data.codes,
        data.weights.astype(np.float32),
        GAMMA,
        0.8,
    )
    loss, gradient, _ = objective(xp.asarray(S.astype(np.float32)), moved(narrow, xp))
    assert loss.dtype == gradient.dtype == xp.namespace.float32
    np.testing.assert_allclose(xp.numpy(gradient), objective(S, data)[1], atol=1e-5)


# --- separated classes ----------------------------------------------------------------------------


def test_orthogonal_classes_are_told_apart_and_class_pca_is_stationary(rng):
    """At large gamma every row is sure of its class: p - 1[y = c] is about exp(-gamma)."""
    basis = orthogonal(rng, D)
    blocks = [basis[:, 2 * c : 2 * c + 2] for c in range(C)]
    rows = [rng.normal(size=(20, 2)) @ block.T for block in blocks]
    X, _ = row_directions(np.concatenate(rows))
    codes = np.repeat(np.arange(C), 20)
    S, _ = class_subspaces(X, [np.flatnonzero(codes == c) for c in range(C)], K)
    assert (np.argmax(logits(X, S, 1.0), axis=1) == codes).all()
    norms = []
    for gamma in (5.0, 50.0):
        data = Labelled(X, codes, np.ones(60), gamma, 0.0)
        gradient = tangent_projection(S, objective(S, data)[1])
        norms.append(np.linalg.norm(gradient))
    assert norms[1] < 1e-12


def test_penalty_alone_is_least_at_class_pca(rng):
    X, _ = row_directions(rng.normal(size=(N, D)))
    codes = np.arange(N) % C
    S, _ = class_subspaces(X, [np.flatnonzero(codes == c) for c in range(C)], K)
    gradients = [
        objective(S, Labelled(X, codes, np.ones(N), GAMMA, alpha))[1] for alpha in (0.0, 1.0)
    ]
    penalty = tangent_projection(S, gradients[1] - gradients[0])
    np.testing.assert_allclose(penalty, 0, atol=1e-14)


# --- steps ----------------------------------------------------------------------------------------


def test_step_stays_on_the_manifold_and_goes_down(case, xp):
    S, data = case
    gradient = objective(S, data)[1]
    found, velocity = rsgd_step(
        *map(xp.asarray, (S, np.zeros_like(S), gradient)), learning_rate=0.01, momentum=0.9
    )
    found, velocity = xp.numpy(found), xp.numpy(velocity)
    np.testing.assert_allclose(
        np.swapaxes(found, 1, 2) @ found, np.eye(K) * np.ones((C, 1, 1)), atol=1e-14
    )
    np.testing.assert_allclose(np.swapaxes(S, 1, 2) @ velocity, 0, atol=1e-14)
    assert value(found, data) < value(S, data)


def test_step_is_the_published_geodesic(case):
    S, data = case
    G = tangent_projection(S, objective(S, data)[1])
    found, _ = rsgd_step(S, np.zeros_like(S), G, 0.3, 0.0)
    U, s, Vt = np.linalg.svd(G, full_matrices=False)
    V = np.swapaxes(Vt, 1, 2)
    cos, sin = np.cos(0.3 * s)[:, None, :], np.sin(0.3 * s)[:, None, :]
    np.testing.assert_allclose(found, (S @ V * cos - U * sin) @ Vt, atol=1e-13)


def test_step_back_along_the_transported_velocity_returns(case):
    S, data = case
    G = tangent_projection(S, objective(S, data)[1])
    there, velocity = rsgd_step(S, np.zeros_like(S), G, 0.5, 0.0)
    back = parallel_transport(S, -0.5 * velocity, velocity)
    again, _ = rsgd_step(there, np.zeros_like(S), back, -0.5, 0.0)
    np.testing.assert_allclose(again, S, atol=1e-13)


def test_a_turn_by_pi_comes_back(rng):
    S = random_point(D, 1, rng, shape=(C,))
    G = tangent_projection(S, rng.normal(size=S.shape))
    G = G / np.linalg.norm(G, axis=1, keepdims=True)
    found, _ = rsgd_step(S, np.zeros_like(S), G, np.pi, 0.0)
    np.testing.assert_allclose(found, -S, atol=1e-13)  # the same line


def test_epoch_of_one_batch_is_one_step_of_the_mean_gradient(case, rng, xp):
    S, data = case
    loss, gradient, _ = objective(S, data)
    wanted, _ = rsgd_step(S, np.zeros_like(S), gradient, 0.05, 0.9)
    found, _, mean = rsgd_epoch(
        xp.asarray(S),
        xp.asarray(np.zeros_like(S)),
        moved(data, xp),
        batch_size=N,
        learning_rate=0.05,
        momentum=0.9,
        rng=rng,
    )
    np.testing.assert_allclose(xp.numpy(found), wanted, atol=1e-14)
    assert mean == pytest.approx(float(loss))


def test_batches_are_shuffled_alike_in_every_library(case, xp):
    S, data = case
    settings = {"batch_size": 7, "learning_rate": 0.05, "momentum": 0.9}
    results = [
        rsgd_epoch(first, 0 * first, rows, rng=np.random.default_rng(5), **settings)
        for first, rows in ((S, data), (xp.asarray(S), moved(data, xp)))
    ]
    np.testing.assert_allclose(xp.numpy(results[1][0]), results[0][0], atol=1e-12)
    assert results[1][2] == pytest.approx(results[0][2])


def test_drift_from_the_manifold_does_not_add_up(case, rng):
    S, data = case
    velocity = np.zeros_like(S)
    for _ in range(200):
        S, velocity, _ = rsgd_epoch(
            S, velocity, data, batch_size=8, learning_rate=0.05, momentum=0.9, rng=rng
        )
    np.testing.assert_allclose(np.swapaxes(S, 1, 2) @ S, np.eye(K) * np.ones((C, 1, 1)), atol=1e-14)
