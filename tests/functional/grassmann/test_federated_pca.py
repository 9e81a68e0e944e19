"""The federation as messages: every aggregation against the exact answer, and its laws."""

import json

import numpy as np
import pytest
from scipy.linalg import subspace_angles

import subspace_learn.functional.grassmann.federated_client as client_module
from subspace_learn.datasets import make_noniid_clients
from subspace_learn.functional.grassmann.federated_client import client_update
from subspace_learn.functional.grassmann.federated_pca import (
    AGGREGATIONS,
    FederatedRequest,
    initial_state,
    server_aggregate,
)
from subspace_learn.linalg.grassmann import logarithm, tangent_projection


def federation(parts, request, *, between=lambda update: update, absent=()):
    """Run clients and server to the end; ``absent`` holds (client, task, round) that never come."""
    state, memories = initial_state(request), [None] * len(parts)
    while not state["done"]:
        updates = []
        for i, part in enumerate(parts):
            if (i, state["message"]["task"], state["round"]) in absent:
                continue
            update, memories[i] = client_update(state["message"], part, memories[i])
            updates.append(between(update) | {"client": i})
        state = server_aggregate(state, updates)
    return state


def exact(parts, k, scale=True):
    rows = np.concatenate(parts)
    rows = (rows - rows.mean(axis=0)) / (rows.std(axis=0) if scale else 1.0)
    values, vectors = np.linalg.eigh(rows.T @ rows)
    return values[::-1][:k], vectors[:, ::-1][:, :k]


def share(parts, basis):
    rows = np.concatenate(parts)
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    return np.sum((rows @ basis) ** 2) / np.sum(rows**2)


@pytest.fixture
def parts():
    X, groups = make_noniid_clients(4, 60, 12, 3, heterogeneity=1.0, random_state=1)
    return [X[groups == name] for name in np.unique(groups)]


@pytest.mark.parametrize("aggregation", ["covariance", "krylov"])
@pytest.mark.parametrize("scaling", ["federated", "none"])
def test_exact_aggregations_find_the_subspace_of_all_rows(xp, parts, aggregation, scaling):
    request = FederatedRequest(3, aggregation, scaling=scaling, seed=0)
    state = federation([xp.asarray(part) for part in parts], request)
    values, vectors = exact(parts, 3, scale=scaling == "federated")
    assert xp.owns(state["basis"])
    assert subspace_angles(xp.numpy(state["basis"]), vectors).max() < 1e-6
    np.testing.assert_allclose(xp.numpy(state["values"]), values, rtol=1e-8)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_one_client_or_equal_clients_give_the_exact_answer(rng, aggregation):
    part = rng.normal(size=(80, 6)) @ np.diag([5.0, 4.0, 1.0, 0.5, 0.4, 0.3])
    for parts in ([part], [part, part, part]):
        request = FederatedRequest(
            2, aggregation, scaling="none", rho=0.0, n_rounds=60, local_steps=60, seed=0
        )
        _, vectors = exact(parts, 2, scale=False)
        found = federation(parts, request)["basis"]
        # "euclidean" stops with its gradient steps, the others at their tolerance over the gap
        assert subspace_angles(found, vectors).max() < (
            1e-4 if aggregation == "euclidean" else 1e-6
        )


@pytest.mark.parametrize("aggregation", ["covariance", "krylov"])
def test_the_partition_does_not_matter(parts, rng, aggregation):
    rows = np.concatenate(parts)
    shuffled = np.array_split(rows[rng.permutation(len(rows))], 7)
    request = FederatedRequest(3, aggregation, seed=0)
    a, b = federation(parts, request), federation(shuffled, request)
    assert subspace_angles(a["basis"], b["basis"]).max() < 1e-6
    np.testing.assert_allclose(a["mean"], b["mean"], atol=1e-12)
    np.testing.assert_allclose(a["scale"], b["scale"], rtol=1e-12)


@pytest.mark.parametrize("aggregation", ["chordal", "karcher", "admm"])
def test_the_basis_a_client_chooses_does_not_matter(parts, rng, aggregation):
    """Oracle 3 of the sheet: the published mean of bases fails this."""

    def rotated(update):
        if "basis" not in update:
            return update
        Q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        return update | {"basis": update["basis"] @ Q}

    request = FederatedRequest(3, aggregation, n_rounds=5, seed=0)
    plain = federation(parts, request)
    turned = federation(parts, request, between=rotated)
    assert subspace_angles(plain["basis"], turned["basis"]).max() < 1e-6


def test_the_published_mean_of_bases_depends_on_them(parts, rng):
    def rotated(update):
        if "euclidean" not in update:
            return update
        Q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        return update | {"euclidean": update["euclidean"] @ Q}

    request = FederatedRequest(3, "euclidean", n_rounds=3, seed=0)
    plain = federation(parts, request)
    turned = federation(parts, request, between=rotated)
    assert subspace_angles(plain["basis"], turned["basis"]).max() > 0.1


@pytest.mark.parametrize("retraction", ["qr", "exp"])
def test_admm_captures_more_in_every_round_and_ends_near_the_best(parts, retraction):
    state = federation(parts, FederatedRequest(3, "admm", retraction=retraction, seed=0))
    shares = [line["explained_variance_ratio"] for line in state["history"]]
    # exact line search on the captured variance: it cannot fall (up to rounding)
    assert (np.diff(shares) > -1e-12).all()
    best = exact(parts, 3)[0].sum() / sum(p.size for p in parts)
    assert shares[-1] > best - 0.02
    assert share(parts, state["basis"]) == pytest.approx(shares[-1], abs=1e-12)


def test_history_tells_objective_angle_and_clients(parts):
    state = federation(parts, FederatedRequest(3, "krylov", n_rounds=2, tol=0.0, seed=0))
    first, second = state["history"]
    assert first["angle"] is None
    assert second["angle"] > 0
    assert second["explained_variance_ratio"] > first["explained_variance_ratio"]
    assert second["objective"] == pytest.approx(
        12 * (1 - second["explained_variance_ratio"])  # 12 standardised features
    )
    assert second["n_clients"] == 4
    assert not state["converged"]


def test_messages_hold_no_rows_and_survive_json(parts):
    """What goes over the wire is a dict of names, numbers and nested lists of numbers."""
    sizes = {}

    def over_the_wire(update):
        for name, value in update.items():
            if isinstance(value, np.ndarray):
                sizes[name] = value.shape
        return json.loads(json.dumps(update, default=np.ndarray.tolist), object_hook=as_arrays)

    def as_arrays(part):
        return {k: np.asarray(v) if isinstance(v, list) else v for k, v in part.items()}

    state = federation(parts, FederatedRequest(3, "admm", n_rounds=2), between=over_the_wire)
    assert state["done"]
    assert sizes == {
        "basis": (12, 3),
        "gradient": (12, 3),
        "local_steps": (12, 3),
        "compression": (3, 3),
    }


def test_a_client_that_drops_out_of_krylov_is_taken_out_of_the_sum(parts):
    absent = {(2, "product", 3)}  # answers two rounds, then is gone
    request = FederatedRequest(3, "krylov", scaling="none", seed=0)
    state = federation(parts, request, absent=absent)
    # the exact answer for those that stayed, about the mean of all
    rows = np.concatenate(parts).mean(axis=0)
    stayed = [part - rows for i, part in enumerate(parts) if i != 2]
    scatter = sum(part.T @ part for part in stayed)
    assert subspace_angles(state["basis"], np.linalg.eigh(scatter)[1][:, -3:]).max() < 1e-6


def test_no_answer_at_all_is_an_error(parts):
    with pytest.raises(ValueError, match="No client answered the task 'moments'"):
        server_aggregate(initial_state(FederatedRequest(2)), [])


def test_unknown_tasks_are_refused(parts):
    with pytest.raises(ValueError, match="Unknown task 'rows'"):
        client_update({"task": "rows"}, parts[0])


@pytest.mark.parametrize("aggregation", ["covariance", "krylov", "chordal", "admm"])
def test_clients_with_many_features_keep_rows_and_answer_alike(parts, monkeypatch, aggregation):
    request = FederatedRequest(3, aggregation, n_rounds=4, seed=0)
    reference = federation(parts, request)
    monkeypatch.setattr(client_module, "_SCATTER_FEATURES", 5)
    assert subspace_angles(federation(parts, request)["basis"], reference["basis"]).max() < 1e-6


def test_local_steps_stay_still_where_the_corrected_gradient_vanishes(parts):
    """At a consensus where all gradients agree to zero in sum, one client alone does not drift."""
    part = parts[0] - parts[0].mean(axis=0)
    vectors = np.linalg.eigh(part.T @ part)[1][:, -3:]
    zeros, ones = np.zeros(12), np.ones(12)
    common = {"mean": zeros, "scale": ones, "basis": vectors}
    update, memory = client_update({"task": "gradient"} | common, part)
    np.testing.assert_allclose(update["gradient"], 0, atol=1e-12)
    message = {
        "task": "local_steps",
        "gradient": update["gradient"],
        "rho": 3.0,
        "n_steps": 10,
        "retraction": "qr",
    }
    update, _ = client_update(message | common, part, memory)
    np.testing.assert_allclose(update["local_steps"], 0, atol=1e-7)


def test_local_gradient_agrees_with_differences_along_a_tangent(parts, rng):
    part = parts[1]
    Z, _ = np.linalg.qr(rng.normal(size=(12, 3)))
    common = {"mean": np.zeros(12), "scale": np.ones(12), "basis": Z}
    gradient = client_update({"task": "gradient"} | common, part)[0]["gradient"]
    H = tangent_projection(Z, rng.normal(size=(12, 3)))
    S = part.T @ part / len(part)
    value = lambda U: 0.5 * np.trace(U.T @ S @ U)  # noqa: E731
    moved = [np.linalg.qr(Z + t * H)[0] for t in (1e-5, -1e-5)]
    slope = (value(moved[0]) - value(moved[1])) / 2e-5
    assert slope == pytest.approx(np.sum(gradient * H), rel=1e-6)
    np.testing.assert_allclose(Z.T @ gradient, 0, atol=1e-12)
    assert np.abs(Z.T @ logarithm(Z, moved[0])).max() < 1e-12
