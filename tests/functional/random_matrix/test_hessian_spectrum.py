"""Lanczos quadrature and Hessian products against dense matrices and finite differences."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from subspace_learn.functional.random_matrix.curvature import logistic_hvp, mlp_hvp, mlp_parameters
from subspace_learn.functional.random_matrix.hessian_spectrum import (
    hessian_spectrum,
    lanczos,
    top_gap,
)


def test_quadrature_is_exact_with_as_many_steps_as_eigenvalues():
    spectrum = hessian_spectrum(lambda v: np.arange(1.0, 41) * v, 40, n_probes=1, rng=0)
    np.testing.assert_allclose(spectrum.nodes, np.arange(1.0, 41), atol=1e-10)
    np.testing.assert_allclose(spectrum.weights, 1 / 40, atol=1e-10)
    assert spectrum.trace() == pytest.approx(820)  # one sign probe is exact for a diagonal
    assert np.trapezoid(spectrum.density, spectrum.grid) == pytest.approx(1, abs=1e-4)


def test_moments_of_the_probe_are_exact_up_to_twice_the_steps(rng):
    A = rng.normal(size=(30, 30))
    A, z = A + A.T, rng.normal(size=30)
    run = lanczos(lambda v: A @ v, z, 6)
    for power in range(12):
        exact = z @ np.linalg.matrix_power(A, power) @ z / (z @ z)
        assert run.weights @ run.nodes**power == pytest.approx(exact, rel=1e-9, abs=1e-6)


def test_ritz_values_lie_within_their_errors_of_eigenvalues(rng):
    A = rng.normal(size=(40, 40))
    A = A + A.T
    run = lanczos(lambda v: A @ v, rng.normal(size=40), 12)
    gaps = np.abs(run.nodes[:, None] - np.linalg.eigvalsh(A)[None, :]).min(axis=1)
    assert np.all(gaps <= run.errors + 1e-10)


def test_lanczos_stops_when_the_space_is_invariant():
    run = lanczos(lambda v: 3.0 * v, np.ones(50), 20)
    np.testing.assert_allclose(run.nodes, [3.0])
    np.testing.assert_allclose(run.weights, [1.0])


def test_density_keeps_no_ghost_eigenvalues():
    values = np.concatenate([[100.0], np.linspace(0, 1, 199)])
    spectrum = hessian_spectrum(lambda v: values * v, 200, n_steps=120, n_probes=1, rng=0)
    assert np.sum(spectrum.nodes > 50) == 1
    np.testing.assert_allclose(spectrum.outliers, [100.0])


def test_wrong_products_are_refused():
    with pytest.raises(ValueError, match=r"needed is \(5,\)"):
        hessian_spectrum(lambda v: v[:-1], 5)
    with pytest.raises(ValueError, match="NaN"):
        hessian_spectrum(lambda v: v * np.nan, 5)
    with pytest.raises(ValueError, match="n_probes=0"):
        hessian_spectrum(lambda v: v, 5, n_probes=0)


def test_widest_gap_counts_the_outliers():
    assert top_gap(np.array([9.0, 8.0, 7.0, 1.0, 0.9])) == 3
    assert top_gap(np.array([9.0, 8.0, 7.0, 6.0])) == 0
    assert top_gap(np.array([-1.0, -2.0])) == 0
    assert top_gap(np.ones(1)) == 0


def test_softmax_at_zero_weights_has_its_known_spectrum(rng):
    X = rng.normal(size=(60, 4))
    hvp, n = logistic_hvp(X, np.zeros((3, 4)), np.zeros(3))
    H = np.stack([hvp(e) for e in np.eye(n)])
    table = np.column_stack([X, np.ones(60)])
    once = np.linalg.eigvalsh(table.T @ table / 60) / 3
    expected = np.sort(np.concatenate([once, once, np.zeros(5)]))
    np.testing.assert_allclose(np.linalg.eigvalsh(H), expected, atol=1e-12)


def test_binary_hessian_is_the_weighted_gram_matrix(rng):
    X, coef = rng.normal(size=(50, 3)), rng.normal(size=(1, 3))
    hvp, n = logistic_hvp(X, coef, np.array([0.3]), alpha=0.1)
    p = 1 / (1 + np.exp(-(X @ coef[0] + 0.3)))
    table = np.column_stack([X, np.ones(50)])
    wanted = table.T @ (table * (p * (1 - p))[:, None]) / 50 + 0.1 * np.diag([1, 1, 1, 0])
    np.testing.assert_allclose(np.stack([hvp(e) for e in np.eye(n)]), wanted, atol=1e-14)


def fitted(n_classes, activation, hidden=(6, 4)):
    X, y = make_blobs(60, 5, centers=n_classes, random_state=0)
    model = MLPClassifier(hidden, activation=activation, alpha=0.1, max_iter=5, random_state=0)
    with pytest.warns(ConvergenceWarning):
        return model.fit(X / 5, y), X / 5, y


def loss(model, parameters, X, y):
    """scikit-learn's loss, from its own forward pass at other parameters."""
    start = 0
    arrays = [*model.coefs_, *model.intercepts_]
    for array in arrays:
        array[...] = parameters[start : start + array.size].reshape(array.shape)
        start += array.size
    p = model.predict_proba(X)[np.arange(len(y)), y]
    penalty = sum(np.sum(w**2) for w in model.coefs_)
    return -np.mean(np.log(p)) + model.alpha / 2 / len(y) * penalty


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("activation", ["identity", "tanh", "logistic", "relu"])
def test_product_of_a_network_is_the_second_difference_of_its_loss(n_classes, activation, rng):
    model, X, y = fitted(n_classes, activation)
    hvp, n = mlp_hvp(model, X, y)
    at = mlp_parameters(model)
    u, v = rng.normal(size=(2, n))
    product, other, h = hvp(v), hvp(u), 1e-4
    second = sum(
        weight * loss(model, at + step * v, X, y) for weight, step in ((1, h), (-2, 0.0), (1, -h))
    )
    # truncation h^2 and rounding 1e-16 / h^2: both 1e-8, times the size of higher derivatives
    assert v @ product == pytest.approx(second / h**2, rel=1e-5, abs=1e-5)
    assert u @ product == pytest.approx(v @ other, rel=1e-10)


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_gauss_newton_matrix_is_the_fisher_information(n_classes, activation):
    """For cross-entropy both are one: sum_c p_c grad(log p_c) grad(log p_c)^T, by differences."""
    model, X, y = fitted(n_classes, activation, hidden=(4,))
    hvp, n = mlp_hvp(model, X, y, gauss_newton=True)
    G = np.stack([hvp(e) for e in np.eye(n)])
    at, h = mlp_parameters(model), 1e-5
    p = model.predict_proba(X)
    slopes = []
    for e in np.eye(n):
        moved = []
        for sign in (1, -1):
            loss(model, at + sign * h * e, X, y)  # sets the parameters
            moved.append(np.log(model.predict_proba(X)))
        slopes.append((moved[0] - moved[1]) / (2 * h))
    loss(model, at, X, y)
    slopes = np.stack(slopes)  # parameters, rows, classes
    fisher = np.einsum("aic,bic,ic->ab", slopes, slopes, p) / len(y)
    n_weights = sum(w.size for w in model.coefs_)
    penalty = np.diag(np.arange(n) < n_weights) * model.alpha / len(y)
    # central differences: h^2 and 1e-16 / h, both about 1e-10, times sizes of a hundred
    np.testing.assert_allclose(G, fisher + penalty, atol=1e-7)


def test_network_that_is_no_classifier_is_refused(rng):
    X, y = rng.normal(size=(20, 2)), rng.normal(size=20)
    with pytest.warns(ConvergenceWarning):
        regressor = MLPRegressor(hidden_layer_sizes=(3,), max_iter=2).fit(X, y)
    with pytest.raises(ValueError, match="MLPClassifier"):
        mlp_hvp(regressor, X, y)
    model, X, y = fitted(2, "tanh")
    with pytest.raises(ValueError, match=r"not fitted on: \[2\]"):
        mlp_hvp(model, X, y + 1)
