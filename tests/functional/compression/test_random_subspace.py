"""Random subspaces: projections, gradients, and problems whose dimension is known."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression

from subspace_learn.functional.compression.random_subspace import (
    PROJECTIONS,
    NetworkShape,
    initial_parameters,
    network_loss,
    network_outputs,
    random_projection,
)

SHAPE = NetworkShape((5, 7, 4, 3))


def dense(P):
    return P @ np.eye(P.shape[1])


# --- projections --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", PROJECTIONS)
@pytest.mark.parametrize(("n", "d"), [(1, 1), (100, 1), (1000, 37), (1024, 64), (40, 40)])
def test_adjoint_agrees_with_the_map(kind, n, d, rng):
    P = random_projection(kind, n, d, rng)
    assert P.shape == (n, d)
    z, g = rng.normal(size=d), rng.normal(size=n)
    assert g @ (P @ z) == pytest.approx(P.rmatvec(g) @ z, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("kind", PROJECTIONS)
def test_columns_have_unit_length(kind, rng):
    lengths = np.linalg.norm(dense(random_projection(kind, 1024, 60, rng)), axis=0)
    np.testing.assert_allclose(lengths, 1, rtol=1e-12)
    # 1000 is no multiple of 64: the rows cut off leave a spread of their share
    lengths = np.linalg.norm(dense(random_projection(kind, 1000, 60, rng)), axis=0)
    np.testing.assert_allclose(lengths, 1, rtol=1e-12 if kind != "fastfood" else 0.05)


@pytest.mark.parametrize("kind", PROJECTIONS)
def test_columns_are_nearly_orthogonal(kind):
    """Off the diagonal P^T P has mean 0 and variance 1 / D; fastfood's fourth moments add to it."""
    draws = [dense(random_projection(kind, 1024, 16, np.random.default_rng(s))) for s in range(30)]
    products = np.array([P.T @ P for P in draws])[:, *np.triu_indices(16, 1)]
    # 3600 products: the mean errs by 1 / sqrt(3600 D), the variance by some percent
    assert abs(products.mean()) < 5 / np.sqrt(3600 * 1024)
    assert products.std() == pytest.approx(1 / 32 * (1.35 if kind == "fastfood" else 1), rel=0.1)


@pytest.mark.parametrize("kind", PROJECTIONS)
def test_one_seed_gives_one_projection(kind, rng):
    z = rng.normal(size=9)
    twice = [random_projection(kind, 200, 9, np.random.default_rng(3)) @ z for _ in range(2)]
    np.testing.assert_array_equal(*twice)


def test_dense_subspaces_are_nested():
    small, large = (
        dense(random_projection("dense", 50, d, np.random.default_rng(3))) for d in (4, 9)
    )
    np.testing.assert_array_equal(small, large[:, :4])


def test_unknown_options_are_refused(table):
    with pytest.raises(ValueError, match="Use one of"):
        random_projection("hash", 10, 2, np.random.default_rng(0))
    with pytest.raises(ValueError, match="Use 'relu' or 'tanh'"):
        network_loss(np.zeros(SHAPE.n_parameters), SHAPE, *table, activation="gelu")


def test_impossible_sizes_are_refused():
    for d in (0, 11):
        with pytest.raises(ValueError, match="take 1 to 10"):
            random_projection("dense", 10, d, np.random.default_rng(0))


# --- problems of known dimension ----------------------------------------------------------------


def smallest_loss(A, b, P):
    """Least squares in the subspace, relative to the loss at the start."""
    z = np.linalg.lstsq(A @ P, b, rcond=None)[0]
    return np.sum((A @ (P @ z) - b) ** 2) / np.sum(b**2)


@pytest.mark.parametrize("kind", PROJECTIONS)
@pytest.mark.parametrize("codimension", [1, 5, 10, 50])
def test_the_toy_of_the_paper_has_its_dimension_exactly(kind, codimension, rng):
    """1000 parameters, each group sums to a target: solved from d = codimension on."""
    A = np.kron(np.eye(codimension), np.ones(1000 // codimension))
    b = rng.normal(size=codimension)
    enough = dense(random_projection(kind, 1000, codimension, rng))
    assert smallest_loss(A, b, enough) < 1e-16
    if codimension > 1:
        too_few = dense(random_projection(kind, 1000, codimension - 1, rng))
        assert smallest_loss(A, b, too_few) > 1e-8


@pytest.mark.parametrize("d", [2, 5, 9])
def test_below_its_dimension_the_toy_loses_its_share(d):
    """The mean over projections is 1 - d / 10: A P is Gaussian, its span uniform."""
    A = np.kron(np.eye(10), np.ones(100))
    losses = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        P = dense(random_projection("dense", 1000, d, rng))
        losses.append(smallest_loss(A, rng.normal(size=10), P))
    # a Beta variable of standard deviation below 0.2; 300 draws
    assert np.mean(losses) == pytest.approx(1 - d / 10, abs=4 * 0.2 / np.sqrt(300))


# --- networks -----------------------------------------------------------------------------------


@pytest.fixture
def table(rng):
    return rng.normal(size=(30, 5)), rng.integers(0, 3, size=30)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("sizes", [(5, 3), (5, 7, 3), (5, 7, 4, 3)])
def test_gradient_agrees_with_differences(activation, sizes, table, rng):
    X, labels = table
    shape = NetworkShape(sizes)
    theta = rng.normal(size=shape.n_parameters) * 0.5
    options = {"activation": activation, "alpha": 0.7}
    _, gradient = network_loss(theta, shape, X, labels, **options)
    for k in rng.choice(shape.n_parameters, 12, replace=False):
        step = np.zeros_like(theta)
        step[k] = 1e-6
        ends = [network_loss(theta + s * step, shape, X, labels, **options)[0] for s in (1, -1)]
        # eps / step = 2e-10 of rounding
        assert gradient[k] == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=2e-9)


def test_weights_are_repeated_rows(table, rng):
    X, labels = table
    theta, counts = rng.normal(size=SHAPE.n_parameters), rng.integers(1, 4, len(X))
    rows = np.repeat(np.arange(len(X)), counts)
    wanted = network_loss(theta, SHAPE, X[rows], labels[rows], alpha=0.5)
    given = network_loss(theta, SHAPE, X, labels, alpha=0.5, sample_weight=counts.astype(float))
    assert given[0] == pytest.approx(wanted[0], rel=1e-13)  # sums of some dozen terms
    np.testing.assert_allclose(given[1], wanted[1], rtol=0, atol=1e-13)


@pytest.mark.parametrize("kind", PROJECTIONS)
def test_slope_along_a_coordinate_is_the_projected_gradient(kind, table, rng):
    X, labels = table
    theta = initial_parameters(SHAPE, rng)
    P = random_projection(kind, SHAPE.n_parameters, 6, rng)
    slopes = P.rmatvec(network_loss(theta, SHAPE, X, labels)[1])
    for k, column in enumerate(dense(P).T):
        ends = [network_loss(theta + s * column, SHAPE, X, labels)[0] for s in (1e-6, -1e-6)]
        assert slopes[k] == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-8)


def test_layers_are_views_that_fill_the_vector():
    theta = np.arange(SHAPE.n_parameters, dtype=float)
    layers = SHAPE.layers(theta)
    flat = np.concatenate([part.ravel() for pair in layers for part in pair])
    np.testing.assert_array_equal(flat, theta)
    assert all(np.shares_memory(part, theta) for pair in layers for part in pair)
    assert [W.shape for W, _ in layers] == [(5, 7), (7, 4), (4, 3)]


def test_a_sparse_table_gives_the_same(table, rng):
    X, labels = table
    theta = rng.normal(size=SHAPE.n_parameters)
    wanted = network_loss(theta, SHAPE, X, labels)
    given = network_loss(theta, SHAPE, sp.csr_array(X), labels)
    assert given[0] == pytest.approx(wanted[0], rel=1e-12)
    np.testing.assert_allclose(given[1], wanted[1], atol=1e-13)


def test_huge_scores_do_not_overflow(table):
    X, labels = table
    shape = NetworkShape((5, 3))
    theta = np.full(shape.n_parameters, 0.0)
    theta[0] = 1e100
    loss, gradient = network_loss(theta, shape, X, labels)
    assert np.isfinite(loss)
    assert np.isfinite(gradient).all()


def test_without_hidden_units_it_is_softmax_regression(table):
    """scikit-learn's penalty is alpha / 2 |w|^2 beside the sum of losses: C = 1 / alpha."""
    X, labels = table
    shape = NetworkShape((5, 3))
    found = scipy.optimize.minimize(
        lambda theta: network_loss(theta, shape, X, labels, alpha=2.0),
        initial_parameters(shape, np.random.default_rng(0)),
        jac=True,
        options={"gtol": 1e-10},
    )
    peer = LogisticRegression(C=0.5, tol=1e-10, max_iter=1000).fit(X, labels)
    given = network_outputs(found.x, shape, X)[-1]
    wanted = peer.decision_function(X)
    np.testing.assert_allclose(
        given - given.mean(axis=1, keepdims=True),
        wanted - wanted.mean(axis=1, keepdims=True),
        atol=1e-5,
    )
