"""EoRACompensator: digits at two bits, calibration, biases, and other people's networks."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor

from subspace_learn.compression import (
    EoRACompensator,
    RandomSubspaceClassifier,
    eora_factors,
)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X / 16, y, test_size=0.3, random_state=0, stratify=y)


@pytest.fixture(scope="module")
def network(digits):
    """A fitted network of the sheet's size."""
    model = MLPClassifier((128, 128), random_state=0, max_iter=500, tol=1e-3)
    return FrozenEstimator(model.fit(digits[0], digits[2]))


def test_two_bits_of_digits(digits, network):
    """The order of the paper: compressed, plain SVD, EoRA, on rows that were not used."""
    X, X_test, y, y_test = digits
    accuracy = {
        name: EoRACompensator(network, **parameters).fit(X, y).score(X_test, y_test)
        for name, parameters in {
            "none": {"n_components": 0},
            "svd": {"n_components": 4, "method": "svd"},
            "eora": {"n_components": 4},
        }.items()
    }
    full = network.estimator.score(X_test, y_test)
    assert accuracy["none"] < accuracy["eora"] <= full + 0.01
    assert accuracy["svd"] <= accuracy["eora"] + 0.005  # three of 540 rows
    assert accuracy["eora"] > full - 0.03


@pytest.mark.parametrize("calibration", ["original", "sequential"])
def test_errors_fall_layer_by_layer(digits, network, calibration):
    errors = {
        method: EoRACompensator(network, method=method, calibration=calibration).fit(digits[0])
        for method in ("eora", "act", "svd")
    }
    eora = errors["eora"].errors_
    assert (eora[:, 1] < eora[:, 0]).all()
    if calibration == "original":  # inputs are the same then
        for other in ("act", "svd"):
            assert (eora[:, 1] <= errors[other].errors_[:, 1]).all()


def test_an_updated_bias_leaves_no_mean_change(digits, network):
    """Of the first layer, whose inputs compression does not touch."""
    X = digits[0]
    plain, updated = (
        EoRACompensator(network, n_components=2, update_bias=update).fit(X)
        for update in (False, True)
    )
    first = network.estimator
    wanted = X @ first.coefs_[0] + first.intercepts_[0]
    changes = []
    for model in (plain, updated):
        compressed = model.estimator_
        changes.append(X @ compressed.coefs_[0] + compressed.intercepts_[0] - wanted)
    np.testing.assert_allclose(changes[1].mean(axis=0), 0, atol=1e-12)
    assert np.linalg.norm(changes[1]) < np.linalg.norm(changes[0])


@pytest.mark.parametrize("update_bias", [False, True])
@pytest.mark.parametrize("method", ["eora", "act", "svd"])
def test_errors_are_the_changes_of_the_outputs_of_each_layer(digits, network, update_bias, method):
    X = 300 * digits[0] + 7.0  # a scale that is not 1, and a mean that a bias can take away
    model = EoRACompensator(network, n_components=3, update_bias=update_bias, method=method).fit(X)
    before, after, inputs = network.estimator, model.estimator_, X
    for layer, W_hat in enumerate(model.compressed_):
        W, b = before.coefs_[layer], before.intercepts_[layer]
        changes = [
            inputs @ (W_hat.T - W),
            inputs @ (after.coefs_[layer] - W) + after.intercepts_[layer] - b,
        ]
        wanted = [np.sqrt(np.mean(np.sum(change**2, axis=1))) for change in changes]
        np.testing.assert_allclose(model.errors_[layer], wanted, rtol=1e-9)
        inputs = np.maximum(inputs @ W + b, 0)


def test_defaults_are_four_components_at_two_bits(digits, network):
    X = digits[0]
    model = EoRACompensator(network).fit(X)
    W = network.estimator.coefs_[0].T
    assert all(len(np.unique(row)) <= 4 for row in model.compressed_[0])
    B, A = eora_factors(W, model.compressed_[0], X, 4)
    np.testing.assert_allclose(np.matmul(*model.factors_[0]), B @ A, atol=1e-12)
    np.testing.assert_array_equal(model.estimator_.intercepts_[0], network.estimator.intercepts_[0])


def test_rank_of_all_gives_the_network_back(digits, network):
    X, X_test = digits[:2]
    model = EoRACompensator(network, n_components=1000, compressor="prune_2_4").fit(X)
    np.testing.assert_allclose(
        model.predict_proba(X_test), network.predict_proba(X_test), rtol=0, atol=1e-6
    )
    assert [B.shape[1] for B, _ in model.factors_] == [64, 128, 10]
    np.testing.assert_array_equal(model.classes_, np.arange(10))


def test_the_network_given_is_not_touched(digits, network):
    before = [coefs.copy() for coefs in network.estimator.coefs_]
    EoRACompensator(network).fit(digits[0])
    for now, then in zip(network.estimator.coefs_, before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_every_activation_is_followed(activation, rng):
    """Inputs of the second layer as scikit-learn makes them: all-rank correction is exact."""
    X = rng.normal(size=(80, 5))
    network = MLPRegressor(
        hidden_layer_sizes=(6, 4), activation=activation, solver="lbfgs", tol=1.0, random_state=0
    )
    network = FrozenEstimator(network.fit(X, X[:, :2]))
    model = EoRACompensator(network, n_components=2, bits=3).fit(X)
    hidden = X
    for W_hat, (B, A), coefs, bias in zip(
        model.compressed_,
        model.factors_,
        network.estimator.coefs_,
        network.estimator.intercepts_,
        strict=True,
    ):
        change = hidden @ (coefs - (W_hat + B @ A).T)
        singular = np.linalg.svd(hidden @ (coefs - W_hat.T), compute_uv=False)
        assert np.linalg.norm(change) == pytest.approx(np.linalg.norm(singular[2:]), abs=1e-6)
        hidden = hidden @ coefs + bias
        hidden = {
            "identity": lambda x: x,
            "logistic": lambda x: 1 / (1 + np.exp(-x)),
            "tanh": np.tanh,
            "relu": lambda x: np.maximum(x, 0),
        }[activation](hidden)


def test_a_compressor_of_one_s_own(digits, network):
    model = EoRACompensator(network, n_components=1, compressor=np.round).fit(digits[0])
    assert all((W == np.round(W)).all() for W in model.compressed_)
    with pytest.raises(ValueError, match=r"shape \(128, 64\), but gave shape \(1, 64\)"):
        EoRACompensator(network, compressor=lambda W: W[:1]).fit(digits[0])
    with pytest.raises(ValueError, match="finite"):
        EoRACompensator(network, compressor=lambda W: W * np.nan).fit(digits[0])


def test_models_without_layers_are_refused(digits):
    with pytest.raises(TypeError, match="LogisticRegression has no coefs_"):
        EoRACompensator(LogisticRegression(max_iter=1000)).fit(digits[0], digits[2])


@pytest.mark.parametrize("estimator", [EoRACompensator(), RandomSubspaceClassifier()])
def test_arrays_of_another_library_are_refused_by_name(estimator):
    xp = pytest.importorskip("array_api_strict")
    X = xp.asarray(np.random.default_rng(0).normal(size=(20, 3)))
    with pytest.raises(ValueError, match=r"array_api_strict.*ToDevice"):
        estimator.fit(X, np.arange(20) % 2)
