"""Isometric layers by reflections: exact at any parameters, and right at the start."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: the deep extra is not tested")

from sklearn.datasets import load_iris
from sklearn.preprocessing import StandardScaler

from subspace_learn.deep import DeepClassifier, HouseholderLinear
from subspace_learn.deep._householder import orthonormal_columns, reflected

SHAPES = [(6, 6, None), (9, 6, None), (6, 9, None), (9, 6, 4), (6, 9, 1), (6, 6, 5)]
each_shape = pytest.mark.parametrize(("n_in", "n_out", "rank"), SHAPES)


def made(n_in, n_out, rank, dtype=torch.float64):
    torch.manual_seed(0)
    return HouseholderLinear(n_in, n_out, rank).to(dtype)


def normal(*shape, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=dtype)


# --- oracles ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("d", "m"), [(1, 1), (5, 1), (7, 4), (8, 8)])
def test_columns_are_those_of_the_product_of_reflections(d, m):
    vectors = normal(d, m)
    product = torch.eye(d, dtype=torch.float64)
    for v in vectors.T:
        product @= torch.eye(d, dtype=torch.float64) - 2 * torch.outer(v, v) / (v @ v)
    given = orthonormal_columns(vectors)
    torch.testing.assert_close(given, product[:, :m], rtol=0, atol=1e-14)
    if d == m:
        assert torch.linalg.det(given).item() == pytest.approx((-1) ** m)


@pytest.mark.parametrize(("d", "m"), [(5, 3), (40, 33), (70, 70)])
@pytest.mark.parametrize("back", [False, True])
def test_rows_are_reflected_in_blocks_as_one_after_the_other(d, m, back):
    """33 and 70 vectors fill one and two blocks and begin another."""
    vectors, rows = normal(d, m), normal(6, d)
    wanted = rows
    for v in reversed(vectors.T) if back else vectors.T:
        wanted = wanted - 2 * torch.outer(wanted @ v, v) / (v @ v)
    torch.testing.assert_close(reflected(rows, vectors, back=back), wanted, rtol=0, atol=1e-13)


def test_a_zero_vector_is_no_reflection():
    shortened = normal(6, 4)
    shortened[:, 1] = 0
    wanted = reflected(torch.eye(6, dtype=torch.float64), shortened[:, [0, 2, 3]])
    given = reflected(torch.eye(6, dtype=torch.float64), shortened)
    torch.testing.assert_close(given, wanted, rtol=0, atol=1e-15)
    shortened.requires_grad_()
    reflected(normal(2, 6), shortened).sum().backward()
    assert torch.isfinite(shortened.grad).all()


@pytest.mark.parametrize("d", [64, 256])
@pytest.mark.parametrize(("dtype", "tol"), [(torch.float32, 2e-6), (torch.float64, 4e-15)])
def test_columns_are_orthonormal_to_rounding(d, dtype, tol):
    """Sums of up to 256 products, in an order that depends on the machine: 16 roundings."""
    Q = orthonormal_columns(normal(d, d, dtype=dtype))
    assert (Q.T @ Q - torch.eye(d, dtype=dtype)).abs().max() <= tol


@each_shape
def test_singular_values_are_ones_and_zeros(n_in, n_out, rank):
    layer = made(n_in, n_out, rank)
    A = layer.weight
    wanted = torch.zeros(min(n_in, n_out), dtype=torch.float64)
    wanted[: layer.n_components] = 1
    torch.testing.assert_close(torch.linalg.svdvals(A), wanted, rtol=0, atol=1e-14)
    torch.testing.assert_close(A @ A.T @ A, A, rtol=0, atol=1e-14)
    for shape in [(n_in,), (1, n_in), (3, 4, n_in)]:  # few rows are reflected, many multiplied
        X = normal(*shape)
        torch.testing.assert_close(layer(X), X @ A.T, rtol=0, atol=1e-14)
    lengths = (X @ layer.directions.T).square().sum(-1)
    torch.testing.assert_close(layer(X).square().sum(-1), lengths, rtol=1e-12, atol=0)


@each_shape
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_trained_layer_is_where_it_starts(n_in, n_out, rank, dtype):
    """U_r V_r^T of the singular vectors, which the code of the paper misses by order 1."""
    torch.manual_seed(3)
    linear = torch.nn.Linear(n_in, n_out).to(dtype)
    layer = HouseholderLinear.from_linear(linear, rank)
    U, _, Vt = torch.linalg.svd(linear.weight.detach().double(), full_matrices=False)
    r = layer.n_components
    assert layer.weight.dtype == dtype
    tol = 1e-6 if dtype == torch.float32 else 1e-13
    wanted = U[:, :r] @ Vt[:r]
    torch.testing.assert_close(layer.weight.double(), wanted, rtol=0, atol=tol)
    torch.testing.assert_close(layer.bias, linear.bias, rtol=0, atol=0)
    if rank is not None:  # directions in the order of the singular values
        overlap = (layer.directions.double() * Vt[:r]).sum(1).abs()
        torch.testing.assert_close(overlap, torch.ones_like(overlap), rtol=0, atol=tol)


def test_axes_and_their_opposites_are_reached_too():
    """Columns that need no reflection, or only a sign."""
    for diagonal in ([1.0, 1.0, 1.0], [1.0, -1.0, 1.0], [-1.0, -1.0, -1.0]):
        linear = torch.nn.Linear(3, 3, bias=False).double()
        linear.weight.data = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
        layer = HouseholderLinear.from_linear(linear)
        torch.testing.assert_close(layer.weight, linear.weight, rtol=0, atol=1e-15)


# --- gradients and training -----------------------------------------------------------------------


@each_shape
@pytest.mark.parametrize("n_rows", [2, 13])  # reflected, and multiplied by the matrix
def test_gradients_are_those_of_finite_differences(n_in, n_out, rank, n_rows):
    layer, X = made(n_in, n_out, rank), normal(n_rows, n_in)
    names, values = zip(*layer.named_parameters(), strict=True)

    def call(*values):
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (X,))

    assert torch.autograd.gradcheck(call, values)


def test_lengths_of_the_vectors_mean_nothing():
    vectors = normal(7, 4).requires_grad_()
    scaled = vectors.detach() * torch.tensor([2.0, -1.0, 1e-6, 1e6], dtype=torch.float64)
    torch.testing.assert_close(
        orthonormal_columns(scaled), orthonormal_columns(vectors.detach()), rtol=0, atol=1e-14
    )
    (orthonormal_columns(vectors) * normal(7, 4)).sum().backward()
    assert (vectors * vectors.grad).sum(0).abs().max() < 1e-13


def test_training_finds_a_rotation_and_stays_orthogonal():
    rotation = torch.linalg.qr(normal(8, 8, dtype=torch.float32))[0]
    linear = torch.nn.Linear(8, 8, bias=False)
    linear.weight.data = rotation + 0.2 * torch.randn(
        8, 8, generator=torch.Generator().manual_seed(2)
    )
    layer = HouseholderLinear.from_linear(linear)
    X = normal(200, 8, dtype=torch.float32)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.02)
    for _ in range(200):
        optimizer.zero_grad()
        (layer(X) - X @ rotation.T).square().mean().backward()
        optimizer.step()
    assert (layer.weight - rotation).abs().max() < 1e-2
    assert (layer.weight.T @ layer.weight - torch.eye(8)).abs().max() < 1e-6


class IsometricNet(torch.nn.Sequential):
    """A classifier with an isometric layer inside."""

    def __init__(self, n_features, n_outputs):
        super().__init__(
            HouseholderLinear(n_features, 8), torch.nn.Tanh(), torch.nn.Linear(8, n_outputs)
        )


def test_an_estimator_with_such_a_layer_trains_and_is_pickled():
    """The module of torch's own parametrisation cannot be."""
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    clf = DeepClassifier(IsometricNet, lr=0.02, random_state=0).fit(X, y)
    assert clf.score(X, y) > 0.9
    again = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    weight = again.module_[0].weight
    assert (weight.T @ weight - torch.eye(4)).abs().max() < 1e-6


# --- the rest -------------------------------------------------------------------------------------


def test_layers_are_pickled_copied_and_described():
    layer, X = made(9, 6, 4), normal(2, 9)
    for copied in (pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer)):
        torch.testing.assert_close(copied(X), layer(X), rtol=0, atol=0)
    assert "n_components=4" in repr(layer)
    assert HouseholderLinear(3, 2, bias=False).bias is None


def test_what_a_layer_cannot_be_is_said():
    for rank in (0, 4):
        with pytest.raises(ValueError, match=r"\[1, 3\]"):
            HouseholderLinear(3, 5, rank)
    linear = torch.nn.Linear(4, 4)
    linear.weight.data = torch.outer(torch.ones(4), torch.arange(4.0))
    with pytest.raises(ValueError, match="rank 1, so 1 of 2"):
        HouseholderLinear.from_linear(linear, 2)
    assert np.isfinite(HouseholderLinear.from_linear(linear, 1).weight.detach().numpy()).all()
