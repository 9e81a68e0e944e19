"""Clients and server as objects: messages, who is left out and why, and what is kept."""

import numpy as np
import pytest
from scipy.linalg import subspace_angles

from subspace_learn.datasets import make_noniid_clients
from subspace_learn.functional.grassmann.federated_messages import n_bytes
from subspace_learn.grassmann import (
    FederatedClient,
    FederatedServer,
    FederationSettings,
    PrivacySettings,
    pack_message,
    unpack_message,
)

AGGREGATIONS = ["covariance", "krylov", "chordal", "karcher", "admm"]
NAMES = ["Bonn", "Graz", "Oslo", "Rome"]


@pytest.fixture
def parts():
    X, groups = make_noniid_clients(4, 60, 12, 3, heterogeneity=1.0, random_state=1)
    return {name: 3.0 * X[groups == i] + 5.0 for i, name in enumerate(NAMES)}


def run(server, clients, between=lambda task, name, update: update):
    """A transport in five lines; ``between`` returns an update, an exception, or None: nothing."""
    while server.message is not None:
        message = server.message
        updates = [(name, clients[name].answer(message)) for name in server.asked]
        changed = [(name, between(message["task"], name, update)) for name, update in updates]
        server.aggregate([(name, update) for name, update in changed if update is not None])
    return server


def federation(parts, between=lambda task, name, update: update, **settings):
    settings = FederationSettings(3, **{"n_rounds": 4, "seed": 0, **settings})
    clients = {name: FederatedClient(part) for name, part in parts.items()}
    return run(FederatedServer(settings, list(parts)), clients, between)


def same(a, b):
    for x, y in zip(a.result, b.result, strict=True):
        # a BLAS may add up in another order at each call, by where its arrays happen to lie; signs
        # of a basis are an accident of that
        if np.ndim(x) == 2:
            x = x * np.where(np.sum(x * y, axis=0) < 0, -1.0, 1.0)
        np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-12 * np.max(np.abs(y)))


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("sums", [False, True])
def test_messages_survive_bytes_without_pickle(parts, aggregation, sums):
    if sums and aggregation != "covariance":
        pytest.skip("sums belong to 'covariance'")

    def wired(client):
        class Wire:
            def answer(self, message):
                return unpack_message(
                    pack_message(client.answer(unpack_message(pack_message(message))))
                )

        return Wire()

    settings = FederationSettings(3, aggregation, n_rounds=4, seed=0, sums=sums)
    clients = {name: FederatedClient(part) for name, part in parts.items()}
    plain = run(FederatedServer(settings, NAMES), clients)
    clients = {name: wired(FederatedClient(part)) for name, part in parts.items()}
    same(run(FederatedServer(settings, NAMES), clients), plain)


def test_messages_and_answers_are_flat_dicts_of_strings_numbers_and_arrays(parts):
    seen = []
    federation(parts, lambda task, name, update: seen.append(update) or update, aggregation="admm")
    kinds = {type(value) for update in seen for value in update.values()}
    assert kinds == {np.ndarray, float, int}


def test_bytes_that_are_no_message_are_refused():
    with pytest.raises(ValueError, match="These 3 bytes are no message"):
        unpack_message(b"abc")
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        pack_message({"task": "moments", "mean": np.array([object()])})


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("most_features", [2048, 5])
def test_a_client_goes_on_from_its_state(parts, monkeypatch, aggregation, most_features):
    """Runtimes make a new object for each message; its state is small and holds no rows."""
    module = "subspace_learn.functional.grassmann.federated_client"
    monkeypatch.setattr(f"{module}._SCATTER_FEATURES", most_features)

    class Forgetful:
        def __init__(self, rows):
            self.rows, self.state = rows, {}

        def answer(self, message):
            client = FederatedClient(lambda: (self.rows, None), state=self.state)
            update = client.answer(message)
            self.state = unpack_message(pack_message(client.state))
            assert "rows" not in self.state
            return update

    settings = FederationSettings(3, aggregation, n_rounds=4, seed=0)
    clients = {name: FederatedClient(part) for name, part in parts.items()}
    kept = run(FederatedServer(settings, NAMES), clients)
    clients = {name: Forgetful(part) for name, part in parts.items()}
    same(run(FederatedServer(settings, NAMES), clients), kept)


def test_rows_are_read_when_they_are_needed_and_not_again(parts):
    reads = dict.fromkeys(NAMES, 0)

    def reader(name):
        def rows():
            reads[name] += 1
            return parts[name]

        return rows

    clients = {name: FederatedClient(reader(name)) for name in NAMES}
    server = run(FederatedServer(FederationSettings(3, "krylov", seed=0), NAMES), clients)
    assert len(server.history) == 4
    assert set(reads.values()) == {2}  # moments, and the scatter matrix about their mean


def test_a_client_starts_afresh_in_another_federation(parts):
    clients = {name: FederatedClient(part) for name, part in parts.items()}
    run(FederatedServer(FederationSettings(3), NAMES), clients)
    again = FederationSettings(3, standardize=True)
    second = run(FederatedServer(again, NAMES), clients)
    same(second, federation(parts, standardize=True))


# -- clients that fail ----------------------------------------------------------------------------

FAILURES = {
    "drops out": (lambda update: None, "it gave no answer"),
    "fails": (lambda update: ConnectionError("line is down"), "ConnectionError: line is down"),
    "sends NaN": (
        lambda update: {
            k: np.where(np.eye(*np.atleast_2d(v).shape).reshape(v.shape) > 0, np.nan, v)
            if isinstance(v, np.ndarray)
            else v
            for k, v in update.items()
        },
        r"holds \d+ numbers that are not finite",
    ),
    "sends another width": (
        lambda update: {
            k: v[..., :-1] if isinstance(v, np.ndarray) else v for k, v in update.items()
        },
        r"has shape \(.*\), not \(.*\)",
    ),
    "answers late": (lambda update: update | {"step": update["step"] - 1}, "it answers step"),
    "sends a list": (lambda update: [1.0], "its answer is a list, not a dict"),
    "sends no weight": (lambda update: update | {"weight": float("nan")}, "its 'weight' is nan"),
}


@pytest.mark.parametrize("how", FAILURES)
@pytest.mark.parametrize("aggregation", ["covariance", "krylov", "admm"])
def test_a_failing_client_is_named_and_the_round_goes_on_without_it(parts, aggregation, how):
    broken, words = FAILURES[how]

    def between(task, name, update):
        return broken(update) if name == "Oslo" and task == "moments" else update

    with pytest.warns(UserWarning, match=f"Client 'Oslo' failed at 'moments'.*{words}"):
        found = federation(parts, between, aggregation=aggregation)
    others = {name: part for name, part in parts.items() if name != "Oslo"}
    same(found, federation(others, aggregation=aggregation))
    assert found.history[0]["failed"] == ["Oslo"]
    assert found.clients == ["Bonn", "Graz", "Rome"]


@pytest.mark.parametrize("how", FAILURES)
def test_a_client_that_fails_later_is_taken_out_of_the_sum(parts, how):
    broken, words = FAILURES[how]

    def between(task, name, update):
        return broken(update) if name == "Oslo" and task == "scatter" else update

    with pytest.warns(UserWarning, match=f"Client 'Oslo' failed at 'scatter'.*{words}"):
        found = federation(parts, between)
    mean = np.concatenate(list(parts.values())).mean(axis=0)
    rows = np.concatenate([part - mean for name, part in parts.items() if name != "Oslo"])
    vectors = np.linalg.eigh(rows.T @ rows)[1][:, -3:]
    assert subspace_angles(found.result.basis, vectors).max() < 1e-7
    assert found.history[0]["n_clients"] == 3
    assert found.history[0]["failed"] == ["Oslo"]


def test_of_two_answers_the_first_counts(parts):
    server = FederatedServer(FederationSettings(3), NAMES)
    clients = {name: FederatedClient(part) for name, part in parts.items()}
    while server.message is not None:
        updates = [(name, clients[name].answer(server.message)) for name in NAMES]
        wrong = ("Graz", {k: 2.0 * v if k != "step" else v for k, v in updates[1][1].items()})
        with pytest.warns(UserWarning, match="'Graz' .* with its second answer: the first one"):
            server.aggregate([*updates, wrong])
    same(server, federation(parts))
    assert server.history[0]["failed"] == []  # it took part


def test_who_was_not_asked_is_left_out(parts):
    server = FederatedServer(FederationSettings(3), NAMES[:3])
    answers = [(n, FederatedClient(parts[n]).answer(server.message)) for n in NAMES]
    with pytest.warns(UserWarning, match="Client 'Rome' .* it was not asked"):
        server.aggregate(answers)
    assert server.asked == NAMES[:3]


@pytest.mark.parametrize("aggregation", ["covariance", "krylov", "admm"])
def test_when_nobody_answers_the_server_waits_at_the_same_message(parts, aggregation):
    """The line was down for all: the same message again, and the outcome is as if nothing were."""
    settings = FederationSettings(3, aggregation, n_rounds=4, seed=0)
    server = FederatedServer(settings, NAMES)
    clients = {name: FederatedClient(part) for name, part in parts.items()}
    while server.message is not None:
        message, asked, lines = server.message, server.asked, list(server.history)
        with (
            pytest.warns(UserWarning, match="gave no answer"),
            pytest.raises(ValueError, match=f"No client answered the task '{message['task']}'"),
        ):
            server.aggregate([])
        assert (server.message, server.asked, server.history) == (message, asked, lines)
        server.aggregate([(name, clients[name].answer(message)) for name in asked])
    same(server, federation(parts, aggregation=aggregation))
    assert server.history[0]["failed"] == []


def test_the_width_that_most_clients_have_is_right_unless_it_is_given(parts):
    parts["Bonn"] = parts["Bonn"][:, :-1]
    with pytest.warns(UserWarning, match=r"'Bonn' .*'mean' has shape \(11,\), not \(12,\)"):
        found = federation(parts)
    assert found.result.mean.shape == (12,)
    with pytest.warns(UserWarning, match=r"not \(11,\)"):
        found = federation(parts, n_features=11)
    assert found.history[0]["n_clients"] == 1
    two = {name: parts[name] for name in ("Bonn", "Graz")}
    with pytest.raises(ValueError, match="As many clients have 11 features as have 12"):
        federation(two)


def test_history_counts_the_bytes_of_arrays(parts):
    server = federation(parts)
    assert server.history[0]["bytes_sent"] == (2 * 12 + 12 * 12) * 8
    message = {"task": "scatter", "mean": np.zeros(12), "scale": np.ones(12)}
    assert n_bytes(message) == 2 * 12 * 8


# -- sums and privacy -----------------------------------------------------------------------------


@pytest.mark.parametrize("privacy", [None, PrivacySettings(np.inf, 0.1, np.inf)])
def test_sums_without_noise_give_the_covariance(parts, privacy):
    clients = {n: FederatedClient(part, privacy=privacy) for n, part in parts.items()}
    settings = FederationSettings(3, privacy=privacy, sums=True)
    sums, plain = run(FederatedServer(settings, NAMES), clients).result, federation(parts).result
    np.testing.assert_allclose(sums.values, plain.values, rtol=1e-10)
    np.testing.assert_allclose(sums.mean, plain.mean, rtol=1e-12)
    assert sums.total == pytest.approx(plain.total, rel=1e-10)
    assert subspace_angles(sums.basis, plain.basis).max() < 1e-7


def private_run(parts, noise_by, seed=0, between=lambda task, name, update: update):
    privacy = PrivacySettings(5.0, 1e-4, 20.0, noise_by)
    clients = {
        name: FederatedClient(part, privacy=privacy, rng=np.random.default_rng([seed, i]))
        for i, (name, part) in enumerate(parts.items())
    }
    settings = FederationSettings(1, privacy=privacy, seed=seed)
    return run(FederatedServer(settings, list(parts)), clients, between)


@pytest.mark.filterwarnings("ignore:.*it gave no answer", "ignore:With epsilon=5")
@pytest.mark.parametrize(("noise_by", "factor"), [("client", 2.0), ("share", 1.0), ("server", 1.0)])
@pytest.mark.parametrize("drops_out", [False, True])
def test_the_sum_has_the_noise_that_was_promised(parts, noise_by, factor, drops_out):
    """Measured on the number of rows; four clients with all of it have twice the noise of one."""
    between = (lambda t, n, u: None if n == "Oslo" else u) if drops_out else (lambda t, n, u: u)
    runs = [private_run(parts, noise_by, seed, between) for seed in range(150)]
    scale = PrivacySettings(5.0, 1e-4, 20.0).noise_scale
    if drops_out and noise_by == "client":
        factor = 3**0.5
    assert runs[0].result.noise_scale == pytest.approx(factor * scale, rel=1e-12)
    rows = np.array([r.result.weight for r in runs])
    expected = factor * scale / (20.0 / 3) ** 2  # of the corner, c^2 times the number of rows
    assert rows.std() == pytest.approx(expected, rel=0.25)  # four deviations of 150 draws
    true = sum(len(part) for name, part in parts.items() if not (drops_out and name == "Oslo"))
    assert abs(rows.mean() - true) < 4 * expected / np.sqrt(150)


def test_a_private_client_answers_sums_alone_and_once(parts):
    privacy = PrivacySettings(1.0, 1e-4, 20.0)
    client = FederatedClient(parts["Oslo"], privacy=privacy)
    with pytest.raises(ValueError, match="answers 'sums' alone, not 'moments'"):
        client.answer({"task": "moments", "step": 0})
    question = {"task": "sums", "step": 0, "clip_norm": 20.0, "n_clients": 3}
    first = client.answer(question)
    again = client.answer(question | {"step": 7})
    np.testing.assert_array_equal(first["sums"], again["sums"])  # fresh noise could be averaged
    assert again["step"] == 7
    fresh = FederatedClient(parts["Oslo"], privacy=privacy, state=client.state).answer(question)
    np.testing.assert_array_equal(first["sums"], fresh["sums"])
    assert set(first) == {"sums", "noise_variance", "step"}  # no exact trace, no exact weight
    other = FederatedClient(parts["Oslo"], privacy=privacy).answer(question)
    assert np.abs(first["sums"] - other["sums"]).max() > 1.0  # entropy of the system


def test_private_clients_refuse_another_norm_and_weights(parts):
    privacy = PrivacySettings(1.0, 1e-4, 20.0)
    question = {"task": "sums", "step": 0, "clip_norm": 30.0, "n_clients": 3}
    with pytest.raises(ValueError, match="clipped to norm 30, and this client clips to 20"):
        FederatedClient(parts["Oslo"], privacy=privacy).answer(question)
    with pytest.raises(ValueError, match="protected as one"):
        FederatedClient(parts["Oslo"], np.ones(60), privacy=privacy).answer(
            question | {"clip_norm": 20.0}
        )


def test_a_federation_that_drowns_in_noise_ends_in_words(parts):
    privacy = PrivacySettings(1e-3, 1e-6, 20.0)
    rngs = iter(np.random.default_rng(0).spawn(4))
    clients = {n: FederatedClient(p, privacy=privacy, rng=next(rngs)) for n, p in parts.items()}
    server = FederatedServer(FederationSettings(3, privacy=privacy), NAMES)
    with pytest.raises(ValueError, match="the noise drowns everything"):
        run(server, clients)
    assert server.result is None
    with pytest.raises(RuntimeError, match="is done"):
        server.aggregate([])


def test_a_sum_over_clients_stands_for_them(parts):
    """What secure aggregation hands over; Rome dropped out."""
    server = FederatedServer(FederationSettings(3, sums=True), NAMES)
    here = NAMES[:3]
    updates = [FederatedClient(parts[name]).answer(server.message) for name in here]
    total = {"sums": sum(u["sums"] for u in updates), "noise_variance": 0.0}
    broken = total["sums"].copy()
    broken[2, 2] = np.nan
    with pytest.raises(ValueError, match="holds 1 numbers that are not finite"):
        server.aggregate_sum(total | {"sums": broken}, here)
    with pytest.warns(UserWarning, match="Client 'Rome' failed at 'sums' and is left out"):
        server.aggregate_sum(total, here)
    plain = federation({name: parts[name] for name in here})
    np.testing.assert_allclose(server.result.values, plain.result.values, rtol=1e-10)
    assert server.history[0]["n_clients"] == 3
    assert server.history[0]["failed"] == ["Rome"]
    assert server.clients == here
    with pytest.raises(RuntimeError, match="is done"):
        server.aggregate_sum(total, here)


def test_a_sum_that_was_not_asked_for_is_refused():
    server = FederatedServer(FederationSettings(3), NAMES)
    with pytest.raises(ValueError, match=r"asks for 'moments' of each client\. Set sums=True"):
        server.aggregate_sum({"sums": np.eye(3), "noise_variance": 0.0}, NAMES)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (FederationSettings(3, "mean"), "aggregation='mean' is not one of"),
        (FederationSettings(3, "krylov", sums=True), "not 'krylov' and False"),
        (
            FederationSettings(3, standardize=True, privacy=PrivacySettings(1.0, 0.1, 1.0)),
            "not 'covariance' and True",
        ),
    ],
)
def test_settings_that_contradict_one_another_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        FederatedServer(settings, NAMES)


def test_more_components_than_features_are_refused(parts):
    clients = {name: FederatedClient(part) for name, part in parts.items()}
    with pytest.raises(ValueError, match=r"n_components=13 must be at most .* 12"):
        run(FederatedServer(FederationSettings(13), NAMES), clients)
