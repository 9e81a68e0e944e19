"""The federation as messages: every aggregation against the exact answer, and its laws."""

import json

import numpy as np
import pytest
from scipy.linalg import subspace_angles

import subspace_learn.functional.grassmann.federated_client as client_module
from subspace_learn.datasets import make_noniid_clients
from subspace_learn.functional.grassmann.federated_client import client_update
from subspace_learn.functional.grassmann.federated_pca import AGGREGATIONS
from subspace_learn.functional.grassmann.federated_rounds import FederationSettings
from subspace_learn.functional.grassmann.federated_server import FederatedServer
from subspace_learn.linalg.grassmann import exponential, logarithm, tangent_projection


def settings(*positional, **options):
    """Settings of a federation that standardises, as published."""
    return FederationSettings(*positional, **{"standardize": True, **options})


def federation(parts, settings, *, between=lambda update: update, absent=(), weights=None):
    """Run clients and server to the end; ``absent`` holds (client, task, round) that never come."""
    server = FederatedServer(settings, range(len(parts)))
    memories = [None] * len(parts)
    weights = [None] * len(parts) if weights is None else weights
    while server.message is not None:
        updates = []
        for i in server.asked:
            part = parts[i]
            if (i, server.message["task"], server.round) in absent:
                continue
            update, memories[i] = client_update(
                server.message, part, memories[i], weights=weights[i]
            )
            updates.append(between(update) | {"client": i})
        server.aggregate(updates)
    return server


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
@pytest.mark.parametrize("scaling", [True, False])
def test_exact_aggregations_find_the_subspace_of_all_rows(xp, parts, aggregation, scaling):
    asked = settings(3, aggregation, standardize=scaling, seed=0)
    server = federation([xp.asarray(part) for part in parts], asked)
    values, vectors = exact(parts, 3, scale=scaling)
    assert xp.owns(server.result.basis)
    assert subspace_angles(xp.numpy(server.result.basis), vectors).max() < 1e-6
    np.testing.assert_allclose(xp.numpy(server.result.values), values, rtol=1e-8)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_one_client_or_equal_clients_give_the_exact_answer(rng, aggregation):
    part = rng.normal(size=(80, 6)) @ np.diag([5.0, 4.0, 1.0, 0.5, 0.4, 0.3])
    for parts in ([part], [part, part, part]):
        asked = settings(
            2, aggregation, standardize=False, rho=0.0, n_rounds=60, local_steps=60, seed=0
        )
        _, vectors = exact(parts, 2, scale=False)
        found = federation(parts, asked).result.basis
        assert subspace_angles(found, vectors).max() < 1e-6  # the tolerance over the gap


@pytest.mark.parametrize("aggregation", ["covariance", "krylov"])
def test_the_partition_does_not_matter(parts, rng, aggregation):
    rows = np.concatenate(parts)
    shuffled = np.array_split(rows[rng.permutation(len(rows))], 7)
    asked = settings(3, aggregation, seed=0)
    a, b = federation(parts, asked), federation(shuffled, asked)
    assert subspace_angles(a.result.basis, b.result.basis).max() < 1e-6
    np.testing.assert_allclose(a.result.mean, b.result.mean, atol=1e-12)
    np.testing.assert_allclose(a.result.scale, b.result.scale, rtol=1e-12)


@pytest.mark.parametrize("aggregation", ["chordal", "karcher", "admm"])
def test_the_basis_a_client_chooses_does_not_matter(parts, rng, aggregation):
    """Oracle 3 of the sheet: the published mean of bases fails this."""

    def rotated(update):
        if "basis" not in update:
            return update
        Q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        return update | {"basis": update["basis"] @ Q}

    asked = settings(3, aggregation, n_rounds=5, seed=0)
    plain = federation(parts, asked)
    turned = federation(parts, asked, between=rotated)
    assert subspace_angles(plain.result.basis, turned.result.basis).max() < 1e-6


@pytest.mark.parametrize("retraction", ["qr", "exp"])
def test_admm_captures_more_in_every_round_and_ends_near_the_best(parts, retraction):
    server = federation(parts, settings(3, "admm", retraction=retraction, seed=0))
    shares = [line["explained_variance_ratio"] for line in server.history]
    # exact line search on the captured variance: it cannot fall (up to rounding)
    assert (np.diff(shares) > -1e-12).all()
    best = exact(parts, 3)[0].sum() / sum(p.size for p in parts)
    assert shares[-1] > best - 0.02
    assert share(parts, server.result.basis) == pytest.approx(shares[-1], abs=1e-12)


def test_history_tells_objective_angle_and_clients(parts):
    server = federation(parts, settings(3, "krylov", n_rounds=2, tol=0.0, seed=0))
    first, second = server.history
    assert first["angle"] is None
    assert second["angle"] > 0
    assert second["explained_variance_ratio"] > first["explained_variance_ratio"]
    assert second["objective"] == pytest.approx(
        12 * (1 - second["explained_variance_ratio"])  # 12 standardised features
    )
    assert second["n_clients"] == 4
    assert not server.result.converged


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

    server = federation(parts, settings(3, "admm", n_rounds=2), between=over_the_wire)
    assert server.message is None
    assert sizes == {
        "mean": (12,),
        "squares": (12,),
        "basis": (12, 3),
        "gradient": (12, 3),
        "local_steps": (12, 3),
        "compression": (3, 3),
    }


def test_a_client_that_drops_out_of_krylov_is_taken_out_of_the_sum(parts):
    absent = {(2, "product", 3)}  # answers two rounds, then is gone
    asked = settings(3, "krylov", standardize=False, seed=0)
    with pytest.warns(UserWarning, match="Client 2 failed at 'product'.*it gave no answer"):
        server = federation(parts, asked, absent=absent)
    # the exact answer for those that stayed, about the mean of all
    rows = np.concatenate(parts).mean(axis=0)
    stayed = [part - rows for i, part in enumerate(parts) if i != 2]
    scatter = sum(part.T @ part for part in stayed)
    assert subspace_angles(server.result.basis, np.linalg.eigh(scatter)[1][:, -3:]).max() < 1e-6


def test_no_answer_at_all_is_an_error(parts):
    with pytest.raises(ValueError, match="No client answered the task 'moments'"):
        FederatedServer(settings(2)).aggregate([])


def test_a_federation_that_is_done_takes_no_more_updates(parts):
    server = federation(parts, settings(2))
    with pytest.raises(RuntimeError, match="is done"):
        server.aggregate([{}])


def test_unknown_tasks_are_refused(parts):
    with pytest.raises(ValueError, match="Unknown task 'rows'"):
        client_update({"task": "rows"}, parts[0])


@pytest.mark.parametrize("aggregation", ["covariance", "krylov", "chordal", "admm"])
def test_clients_with_many_features_keep_rows_and_answer_alike(parts, monkeypatch, aggregation):
    asked = settings(3, aggregation, n_rounds=4, seed=0)
    reference = federation(parts, asked)
    monkeypatch.setattr(client_module, "_SCATTER_FEATURES", 5)
    found = federation(parts, asked)
    assert subspace_angles(found.result.basis, reference.result.basis).max() < 1e-6
    np.testing.assert_allclose(found.result.values, reference.result.values, rtol=1e-9)


@pytest.mark.parametrize("most_features", [2048, 5])
@pytest.mark.parametrize("aggregation", ["covariance", "krylov", "chordal", "admm"])
def test_weights_are_frequencies_for_narrow_and_wide_clients(
    parts, rng, monkeypatch, aggregation, most_features
):
    weights = [rng.integers(0, 5, size=len(part)).astype(float) for part in parts]
    repeated = [np.repeat(p, w.astype(int), axis=0) for p, w in zip(parts, weights, strict=True)]
    asked = settings(3, aggregation, n_rounds=4, seed=0)
    expected = federation(repeated, asked).result  # narrow and without weights
    monkeypatch.setattr(client_module, "_SCATTER_FEATURES", most_features)
    found = federation(parts, asked, weights=weights).result
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-8)
    assert found.total == pytest.approx(expected.total, rel=1e-10)
    assert found.weight == sum(w.sum() for w in weights)
    assert subspace_angles(found.basis, expected.basis).max() < 1e-6


@pytest.mark.parametrize("rho", [0.5, 3.0])
def test_local_steps_end_where_gradient_dual_and_penalty_balance(parts, rng, rho):
    """First-order condition of the local problem, with a dual and far from the local optimum."""
    part = 3.0 * (parts[0] - parts[0].mean(axis=0))
    S = part.T @ part / len(part)
    largest = np.linalg.eigvalsh(S)[-1]
    Z, _ = np.linalg.qr(np.linalg.eigh(S)[1][:, -3:] + 0.1 * rng.normal(size=(12, 3)))
    common = {"mean": np.zeros(12), "scale": np.ones(12), "basis": Z}
    update, memory = client_update({"task": "gradient"} | common, part)
    of_all = update["gradient"] + tangent_projection(Z, 0.05 * largest * rng.normal(size=(12, 3)))
    steps = {"task": "local_steps", "gradient": of_all, "rho": rho, "n_steps": 3000}
    update, _ = client_update(steps | {"retraction": "exp"} | common, part, memory)
    U = exponential(Z, update["local_steps"])
    dual = tangent_projection(Z, S @ Z) - of_all
    balance = tangent_projection(U, S @ U - dual - rho * largest * logarithm(Z, U))
    assert np.linalg.norm(update["local_steps"]) > 0.02  # it moved
    # the bases of the steps may be turned against this one by the square of the angle
    assert np.linalg.norm(balance) < 5e-3 * largest


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
