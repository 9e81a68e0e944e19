"""Compressed linear layers with corrections: the same as scikit-learn's, in any torch net."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: the deep extra is not tested")

from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPRegressor

from subspace_learn.compression import EoRACompensator
from subspace_learn.deep import CompensatedLinear, DeepClassifier, Perceptron, compensated
from subspace_learn.functional.compression.eora import activation_error, quantized

RANK = 3


def made(*sizes, dtype=torch.float64):
    torch.manual_seed(0)
    return Perceptron(sizes[0], sizes[-1], hidden_layer_sizes=sizes[1:-1]).to(dtype)


def correlated(n, n_features, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    mix = torch.randn(n_features, n_features, generator=generator, dtype=torch.float64)
    scale = torch.logspace(0, -2, n_features, dtype=torch.float64)
    rows = torch.randn(n, n_features, generator=generator, dtype=torch.float64) * scale
    return (rows @ mix + 0.3).to(dtype)


def linear_model(n_features, n_outputs):
    """A net that is nothing but a linear layer."""
    return torch.nn.Linear(n_features, n_outputs)


def parts_of(net):
    return {n: part for n, part in net.named_modules() if isinstance(part, CompensatedLinear)}


# --- oracles ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["eora", "act", "svd"])
@pytest.mark.parametrize("calibration", ["original", "sequential"])
@pytest.mark.parametrize("update_bias", [False, True])
def test_a_perceptron_becomes_that_of_the_compensator_of_scikit_learn(
    method, calibration, update_bias
):
    X = correlated(300, 12).numpy()
    y = np.sin(X[:, :2])
    options = {"n_components": RANK, "method": method, "calibration": calibration, "bits": 3}
    options["update_bias"] = update_bias
    theirs = MLPRegressor(hidden_layer_sizes=(9, 7), max_iter=30, random_state=0, tol=1.0).fit(X, y)
    net = made(12, 9, 7, 2)
    linear = [part for part in net.modules() if isinstance(part, torch.nn.Linear)]
    for part, coefs, bias in zip(linear, theirs.coefs_, theirs.intercepts_, strict=True):
        part.weight.data, part.bias.data = torch.tensor(coefs.T), torch.tensor(bias)
    wanted = EoRACompensator(FrozenEstimator(theirs), **options).fit(X)
    given = compensated(net, X, **options, batch_size=64)
    for part, W_hat, (B, A), bias in zip(
        parts_of(given).values(),
        wanted.compressed_,
        wanted.factors_,
        wanted.estimator_.intercepts_,
        strict=True,
    ):
        np.testing.assert_allclose(part.compressed, W_hat, rtol=0, atol=1e-12)
        np.testing.assert_allclose((part.left @ part.right).detach(), B @ A, rtol=0, atol=1e-9)
        np.testing.assert_allclose(part.bias.detach(), bias, rtol=0, atol=1e-9)
    with torch.no_grad():
        outputs = given.eval()(torch.tensor(X))
    np.testing.assert_allclose(outputs, wanted.predict(X), rtol=0, atol=1e-8)
    if not update_bias:
        errors = [part.errors for part in parts_of(given).values()]
        np.testing.assert_allclose(errors, wanted.errors_, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("rank", [1, 2, 5, 9])
def test_the_error_is_the_rest_of_the_spectrum_and_never_above_the_baselines(rank):
    """Eckart and Young in the norm of the inputs: of D H^(1/2) the values after the first r."""
    X, net = correlated(300, 12), made(12, 9, 4)
    W = net.layers[0].weight.detach().numpy()
    D = W - quantized(W, 2)
    values = np.linalg.svd(D @ X.numpy().T, compute_uv=False) / np.sqrt(300)
    errors = {
        method: compensated(net, X, n_components=rank, method=method).layers[0].errors[1]
        for method in ("eora", "act", "svd")
    }
    rest = np.sqrt(np.sum(values[rank:] ** 2))
    assert errors["eora"] == pytest.approx(rest, rel=1e-6, abs=1e-7)
    assert errors["eora"] <= min(errors["act"], errors["svd"]) + 1e-7


def test_errors_are_those_of_the_outputs_that_were_asked():
    X, net = correlated(200, 12), made(12, 9, 4)
    given = compensated(net, X, n_components=2).layers[0]
    W = net.layers[0].weight.detach()
    found = [activation_error(W, V.detach(), X) for V in (given.compressed, given.weight)]
    np.testing.assert_allclose(given.errors, found, rtol=1e-9)
    updated = compensated(net, X, n_components=2, update_bias=True).layers[0]
    assert updated.errors[0] == pytest.approx(given.errors[0], rel=1e-9)  # compression alone
    with torch.no_grad():
        change = updated(X) - net.layers[0](X)
    assert change.mean(0).abs().max() < 1e-12
    assert change.square().sum(1).mean().sqrt().item() == pytest.approx(updated.errors[1], rel=1e-8)


def test_full_rank_gives_the_net_back_and_rank_zero_compresses_only():
    X, net = correlated(200, 12), made(12, 9, 4)
    with torch.no_grad():
        torch.testing.assert_close(
            compensated(net, X, n_components=99, compressor="prune_2_4")(X),
            net(X),
            rtol=0,
            atol=1e-9,
        )
    bare = compensated(net, X, n_components=0, bits=1)
    for name, part in parts_of(bare).items():
        W = net.get_submodule(name).weight
        torch.testing.assert_close(part.weight, quantized(W.detach(), 1), rtol=0, atol=0)
        assert part.left.shape == (len(W), 0)
        assert part.errors[0] == pytest.approx(part.errors[1])


# --- digits, through the adapter ----------------------------------------------------------------


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X / 16, y, test_size=0.3, random_state=0, stratify=y)


@pytest.fixture(scope="module")
def network(digits):
    params = {"module__hidden_layer_sizes": (128, 128), "lr": 0.003, "max_epochs": 30}
    return DeepClassifier(**params, random_state=0).fit(digits[0], digits[2])


def test_two_bits_of_digits(digits, network):
    X, X_test, _, y_test = digits
    full = network.score(X_test, y_test)
    accuracy = {
        name: compensated(network, X, **params).score(X_test, y_test)
        for name, params in {
            "none": {"n_components": 0},
            "svd": {"n_components": 4, "method": "svd"},
            "eora": {"n_components": 4},
        }.items()
    }
    assert network.score(X_test, y_test) == full
    assert accuracy["none"] < accuracy["eora"] <= full + 0.01
    assert accuracy["svd"] <= accuracy["eora"] + 0.005  # three of 540 rows
    assert accuracy["eora"] > full - 0.03


def test_corrections_of_an_estimator_are_trained_further(digits, network):
    X, _, y, _ = digits
    small = compensated(network, X, n_components=2)
    again = pickle.loads(pickle.dumps(small))
    np.testing.assert_array_equal(again.predict_proba(X), small.predict_proba(X))
    before = copy.deepcopy(parts_of(small.module_))
    small.partial_fit(X, y)
    for name, part in parts_of(small.module_).items():
        torch.testing.assert_close(part.compressed, before[name].compressed, rtol=0, atol=0)
        assert (part.left - before[name].left).abs().max() > 0
        assert (part.right - before[name].right).abs().max() > 0
    frozen = compensated(FrozenEstimator(network), X, n_components=2)
    np.testing.assert_array_equal(frozen.predict_proba(X), again.predict_proba(X))


# --- nets ---------------------------------------------------------------------------------------


def test_the_net_is_left_as_it_was():
    X, net = correlated(50, 12), made(12, 9, 4).train()
    state = {name: value.clone() for name, value in net.state_dict().items()}
    small = compensated(net, X, calibration="sequential")
    assert net.training
    assert all(part.training for part in small.modules())
    assert not any(part._forward_hooks for m in (net, small) for part in m.modules())
    assert state.keys() == net.state_dict().keys()
    for name, value in net.state_dict().items():
        torch.testing.assert_close(value, state[name], rtol=0, atol=0)
    small.layers[0].bias.data += 1
    torch.testing.assert_close(net.layers[0].bias, state["layers.0.bias"], rtol=0, atol=0)


def test_a_net_is_pickled_copied_and_described():
    X, net = correlated(50, 12), made(12, 9, 4)
    small = compensated(net, X, n_components=2)
    for copied in (pickle.loads(pickle.dumps(small)), copy.deepcopy(small)):
        torch.testing.assert_close(copied(X), small(X), rtol=0, atol=0)
    other = compensated(made(12, 9, 4), 2 * X, n_components=2)
    other.load_state_dict(small.state_dict())
    torch.testing.assert_close(other(X), small(X), rtol=0, atol=0)
    assert "n_components=2, bias=True" in repr(small)


def test_a_layer_used_twice_is_one_layer_and_sees_both_inputs():
    torch.manual_seed(0)
    shared = torch.nn.Linear(6, 6, bias=False).double()
    X = correlated(100, 6)
    net = torch.nn.Sequential(shared, torch.nn.Tanh(), shared)
    small = compensated(net, X, n_components=2)
    assert small[0] is small[2]
    with torch.no_grad():
        inputs = torch.cat([X, torch.tanh(shared(X))])
    error = activation_error(shared.weight.detach(), small[0].weight.detach(), inputs)
    assert small[0].errors[1] == pytest.approx(error, rel=1e-9)
    assert small[0].bias is None


def test_a_net_that_is_one_layer_is_replaced_as_a_whole():
    torch.manual_seed(0)
    assert isinstance(compensated(torch.nn.Linear(5, 4), torch.randn(20, 5)), CompensatedLinear)
    X, y = load_digits(n_class=3, return_X_y=True)
    clf = DeepClassifier(linear_model, max_epochs=2, random_state=0).fit(X / 16, y)
    small = compensated(clf, X / 16, n_components=1)
    assert isinstance(small.module_, CompensatedLinear)
    assert pickle.loads(pickle.dumps(small)).predict(X / 16).shape == y.shape


def test_attention_uses_the_corrected_weights():
    """In evaluation mode torch's encoder reads ``weight`` of its layers and does not run them."""
    torch.manual_seed(0)
    block = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    net = torch.nn.Sequential(torch.nn.Embedding(20, 8), block, torch.nn.Linear(8, 5))
    tokens = torch.randint(20, (30, 6))
    small = compensated(net, tokens, n_components=2)
    assert list(parts_of(small)) == ["1.linear1", "1.linear2", "2"]
    merged = copy.deepcopy(net)
    for name, part in parts_of(small).items():
        merged.get_submodule(name).weight.data = part.weight.detach()
    for mode in (small.eval(), small.train()):
        merged.train(mode.training)
        for m in (mode, merged):
            m[1].dropout.p = m[1].dropout1.p = m[1].dropout2.p = m[1].self_attn.dropout = 0.0
        with torch.no_grad():
            # float32: the sum of two products instead of one
            torch.testing.assert_close(mode(tokens), merged(tokens), rtol=1e-4, atol=1e-5)


def test_layers_are_chosen_by_name():
    X, net = correlated(50, 12), made(12, 9, 7, 4)
    small = compensated(net, X, layers=["layers.2"])
    assert list(parts_of(small)) == ["layers.2"]
    torch.testing.assert_close(small.layers[0].weight, net.layers[0].weight, rtol=0, atol=0)


def test_layers_that_are_not_run_are_named():
    class Half(torch.nn.Sequential):
        def forward(self, X):
            return self[0](X)

    net = Half(torch.nn.Linear(12, 4), torch.nn.Linear(4, 2)).double()
    with pytest.warns(UserWarning, match="left as they are: 1"):
        small = compensated(net, correlated(50, 12))
    assert list(parts_of(small)) == ["0"]


def test_what_cannot_be_compressed_is_said():
    X, net = correlated(50, 12), made(12, 9, 4)
    for options, message in (
        ({"n_components": -1}, "n_components=-1"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"method": "pca"}, "method='pca'"),
        ({"calibration": "none"}, "calibration='none'"),
        ({"compressor": "int8"}, "compressor='int8'"),
        ({"compressor": lambda W: W[:1]}, r"shape \(9, 12\), but gave shape \(1, 12\)"),
        ({"layers": ["last"]}, "no layer 'last'"),
        ({"layers": ["layers.1"]}, r"torch.nn.Linear.*\{'layers.1': 'ReLU'\}"),
    ):
        with pytest.raises(ValueError, match=message):
            compensated(net, X, **options)
    with pytest.raises(ValueError, match=r"no torch\.nn\.Linear"):
        compensated(torch.nn.Conv1d(1, 1, 1), X[:, None])
    with pytest.raises(ValueError, match=r"Inputs of layers\.0, layers\.2 are not finite"):
        compensated(net, X * torch.inf)


def test_rows_of_pandas_and_nets_of_sixteen_bits_are_taken_as_others_are():
    pandas = pytest.importorskip("pandas")
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    rows = 30 * torch.randn(50, 4).numpy()
    found = compensated(net, rows)[2].errors
    assert compensated(net, pandas.DataFrame(rows))[2].errors == pytest.approx(found, abs=1e-5)
    half = compensated(copy.deepcopy(net).bfloat16(), rows)
    assert half[0].compressed.dtype == torch.bfloat16
    assert half[2].errors[0] == pytest.approx(found[0], rel=0.05)  # 8 bits of mantissa
