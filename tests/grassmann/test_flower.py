"""The federation in Flower: same results as in one process, clients that fail, masked sums."""

from __future__ import annotations

import gc
import os
import re
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("flwr", reason="Flower is not installed: pip install subspace-learn[federated]")
pytest.importorskip("ray", reason="Flower's simulation engine needs ray")

from scipy.linalg import subspace_angles

from subspace_learn import FederatedGrassmannPCA
from subspace_learn.datasets import make_noniid_clients
from subspace_learn.grassmann import (
    FederatedServer,
    FederationSettings,
    PrivacySettings,
)
from subspace_learn.grassmann import flower as module
from subspace_learn.grassmann.flower import client_app, server_app
from tests.test_paper_federated_pca import traffic as _traffic

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
traffic = _traffic


def simulate(client, n_clients, *servers):
    """Run server apps one after another in one simulation; ray needs seconds to start."""
    from flwr.serverapp import ServerApp
    from flwr.simulation import run_simulation

    app = ServerApp()

    @app.main()
    def main(grid, context):
        for server in servers:
            server(grid, context)

    resources = {"num_cpus": 1, "num_gpus": 0.0}
    config = {"init_args": {"num_cpus": 2, "log_to_driver": False}, "client_resources": resources}
    try:
        run_simulation(app, client, n_clients, backend_config=config)
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ray leaves files open, which the collector tells
            gc.collect()


@pytest.fixture
def saved(tmp_path):
    """Writes the rows of each client to its file; returns the function that reads them there."""

    def save(X, groups):
        for i, name in enumerate(np.unique(groups)):
            np.save(tmp_path / f"{i}.npy", X[groups == name])
        folder = str(tmp_path)
        return lambda context: np.load(f"{folder}/{context.node_config['partition-id']}.npy")

    return save


def test_twenty_clients_in_flower_give_the_result_of_one_process(traffic, saved):
    """NSL-KDD; krylov last, so that its clients forget the covariance of before."""
    X, groups = traffic
    found, servers = [], []
    for aggregation in ("covariance", "krylov"):
        settings = FederationSettings(10, aggregation, standardize=True, seed=0)
        servers.append(server_app(settings, found.append, n_clients=20))
    simulate(client_app(saved(X, groups)), 20, *servers)
    assert len(found) == 2
    for ours in found:
        local = FederatedGrassmannPCA(
            10, aggregation=ours.aggregation, standardize=True, random_state=0
        ).fit(X, groups=groups)
        # clients are added up in another order: rounding alone differs
        np.testing.assert_allclose(ours.components_, local.components_, atol=1e-10)
        np.testing.assert_allclose(ours.mean_, local.mean_, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(ours.scale_, local.scale_, rtol=1e-10)
        np.testing.assert_allclose(ours.explained_variance_, local.explained_variance_, rtol=1e-10)
        assert len(ours.history_) == len(local.history_)
        assert ours.history_[0]["bytes_sent"] == local.history_[0]["bytes_sent"]


def test_clients_that_fail_are_named_and_the_round_goes_on(saved):
    X, groups = make_noniid_clients(6, 60, 12, 3, random_state=1)
    read = saved(X, groups)

    def rows(context):
        part, which = read(context), context.node_config["partition-id"]
        if which == 1:
            raise ConnectionError("line is down")
        if which == 2:
            part[3, 4] = np.nan
        return part[:, :-1] if which == 3 else part

    found = []
    server = server_app(FederationSettings(3, seed=0), found.append, n_clients=6)
    with pytest.warns(UserWarning, match="failed at 'moments'") as caught:
        simulate(client_app(rows), 6, server)
    messages = sorted(str(w.message) for w in caught if "failed at" in str(w.message))
    assert len(messages) == 3
    for words in ("line is down", "not finite", r"has shape \(11,\), not \(12,\)"):
        assert sum(bool(re.search(words, text)) for text in messages) == 1
    others = np.isin(groups, [0, 4, 5])
    local = FederatedGrassmannPCA(3).fit(X[others], groups=groups[others])
    np.testing.assert_allclose(found[0].components_, local.components_, atol=1e-10)
    assert len(found[0].history_[0]["failed"]) == 3
    assert len(found[0].clients_) == 3


def test_masked_sums_give_the_covariance_to_their_quantisation(saved):
    X, groups = make_noniid_clients(5, 60, 12, 3, random_state=1)
    bound = 2000.0  # of the sums of squares of a client, about 400
    found, resolution = [], 2 * bound / 2**29  # 5 x 2^29 numbers fit into 2^32
    settings = FederationSettings(3)
    secure = server_app(settings, found.append, n_clients=5, secure_bound=bound)
    with (
        pytest.warns(UserWarning, match="This client sends masked sums alone"),
        pytest.raises(ValueError, match="No client answered the task 'sums'"),
    ):
        simulate(
            client_app(saved(X, groups), secure=True),
            5,
            secure,
            server_app(settings._replace(sums=True), found.append, n_clients=5),
        )
    local = FederatedGrassmannPCA(3).fit(X, groups=groups)
    assert len(found) == 1
    # each entry of each of five matrices is rounded up or down at random
    spread = 12 * 5 * resolution  # the spectral norm moves by no more
    values = found[0].explained_variance_ * (len(X) - 1)
    assert np.abs(values - local.explained_variance_ * (len(X) - 1)).max() < spread
    gap = (local.explained_variance_[2] - local.noise_variance_) * (len(X) - 1) / 2
    angle = subspace_angles(found[0].components_.T, local.components_.T).max()
    assert 0 < angle < 2 * spread / gap
    assert found[0].history_[0]["n_clients"] == 5


def test_a_private_masked_sum_has_all_its_noise_when_a_client_drops_out(saved):
    X, groups = make_noniid_clients(5, 400, 12, 3, random_state=1)
    read = saved(X, groups)

    def rows(context):
        part = read(context)
        if context.node_config["partition-id"] == 4:
            raise ConnectionError("line is down")
        return part

    privacy = PrivacySettings(100.0, 1e-6, 8.0, "share")
    found, settings = [], FederationSettings(3, privacy=privacy, seed=0)
    app = server_app(settings, found.append, n_clients=5, secure_bound=8.0**2 * 400)
    with pytest.warns(UserWarning, match="failed at 'sums' and is left out"):
        simulate(client_app(rows, privacy=privacy, secure=True), 5, app)
    assert found[0].history_[0]["n_clients"] == 4
    assert found[0].privacy_noise_ == pytest.approx(privacy.noise_scale, rel=1e-9)
    here = groups < 4
    local = FederatedGrassmannPCA(3, epsilon=np.inf, clip_norm=8.0)
    local.fit(X[here], groups=groups[here])
    # noise has an eigenvalue of noise sqrt(2 d), the gap is that of the scatter
    spread = privacy.noise_scale * np.sqrt(24)
    gap = (local.explained_variance_[2] - local.noise_variance_) * here.sum() / 2
    angle = subspace_angles(found[0].components_.T, local.components_.T).max()
    assert 0 < angle < 2 * spread / gap
    rows_seen = privacy.noise_scale / (8.0 / 3) ** 2
    assert abs(found[0].n_samples_seen_ - here.sum()) < 5 * rows_seen


def test_an_entry_that_would_be_cut_is_told_and_not_sent():
    update = {"sums": np.diag([1.0, 300.0]), "noise_variance": 0.0}
    with pytest.raises(ValueError, match="above secure_bound=200 and would be cut") as caught:
        module._fit_result(update, 200.0)
    assert "300" not in str(caught.value)  # the server reads it


# -- without an engine ----------------------------------------------------------------------------


def test_masked_sums_need_the_covariance():
    for settings in (FederationSettings(3, "krylov"), FederationSettings(3, standardize=True)):
        with pytest.raises(ValueError, match="a masked sum is all that the server gets"):
            server_app(settings, print, n_clients=3, secure_bound=1.0)


def test_too_few_clients_end_the_run_in_words():
    grid = SimpleNamespace(get_node_ids=lambda: [3, 1])
    with pytest.raises(ValueError, match=r"2 of n_clients=3 clients came within 0.2 s"):
        module._nodes(grid, 3, 0.2)


def test_a_reply_that_comes_twice_counts_once():
    X, groups = make_noniid_clients(3, 40, 6, 2, random_state=0)
    server = FederatedServer(FederationSettings(2), [0, 1, 2])
    clients = [client_app(lambda context, i=i: X[groups == i]) for i in range(3)]
    contexts = [context(i) for i in range(3)]

    def send_and_receive(questions, timeout):
        from flwr.app import Message

        for question in questions:
            node = question.metadata.dst_node_id
            reply = clients[node](question, contexts[node])
            assert isinstance(reply, Message)
            yield reply
            if node == 1:
                yield reply

    grid = SimpleNamespace(send_and_receive=send_and_receive)
    while server.message is not None:
        with pytest.warns(UserWarning, match="Client 1 .* with its second answer"):
            server.aggregate(module._answers(grid, server, 1.0))
    local = FederatedGrassmannPCA(2).fit(X, groups=groups)
    ours = FederatedGrassmannPCA.from_server(server)
    np.testing.assert_allclose(ours.components_, local.components_, atol=1e-12)


def context(node):
    from flwr.app import Context, RecordDict

    return Context(run_id=1, node_id=node, node_config={}, state=RecordDict(), run_config={})


def test_messages_keep_their_bits_in_records(rng):
    from flwr.app import RecordDict

    message = {"task": "product", "step": 3, "rho": 0.1, "block": rng.normal(size=(4, 2)) * 1e-300}
    records = module._put(message)
    assert isinstance(records, RecordDict)
    back = module._message_of(records, module._MESSAGE)
    assert back.keys() == message.keys()
    np.testing.assert_array_equal(back.pop("block"), message.pop("block"))
    assert back == message


def test_the_environment_is_not_changed_by_making_apps():
    before = dict(os.environ)
    client_app(lambda context: None)
    server_app(FederationSettings(2), print, n_clients=1)
    assert dict(os.environ) == before
