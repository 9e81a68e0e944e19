"""Low-rank compensation: the optimum, the baselines, invariances, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from subspace_learn.functional.compression.eora import (
    METHODS,
    activation_error,
    activation_gram,
    compressed,
    eora_factors,
    pruned_2_4,
    quantized,
)


@pytest.fixture
def layer(rng):
    """The sheet's case: 48 outputs, 64 inputs whose spectrum falls from 1 to 1e-3."""
    Q = np.linalg.qr(rng.normal(size=(64, 64)))[0]
    X = rng.normal(size=(500, 64)) * np.geomspace(1, 1e-3, 64) @ Q.T
    W = rng.normal(size=(48, 64))
    return W, quantized(W, 2), X


def naive(W, W_hat, X, rank):
    """As published: a square root of the gram, an SVD, the inverse of the root."""
    values, Q = np.linalg.eigh(X.T @ X / len(X))
    P = Q * np.sqrt(values)
    U, s, Vt = np.linalg.svd((W - W_hat) @ P)
    root = np.sqrt(s[:rank])
    return U[:, :rank] * root, root[:, None] * Vt[:rank] @ np.linalg.inv(P), s


@pytest.mark.parametrize("rank", [1, 8, 47])
def test_factors_are_those_of_the_paper(layer, rank, xp):
    W, W_hat, X = layer
    B, A = eora_factors(*map(xp.asarray, layer), rank)
    assert xp.owns(B)
    wanted_b, wanted_a, s = naive(W, W_hat, X, rank)
    given = xp.numpy(B) @ xp.numpy(A)
    # the inverse of a root of condition 1e3 and a gap of singular values lose a few digits
    np.testing.assert_allclose(given, wanted_b @ wanted_a, rtol=0, atol=1e-7)
    rest = activation_error(W, W_hat + given, X)
    assert rest**2 == pytest.approx(np.sum(s[rank:] ** 2), rel=1e-9)


def test_never_above_the_baselines(layer):
    """Eckart and Young in the weighted norm; and no method is above doing nothing."""
    W, W_hat, X = layer
    errors = {
        method: [
            activation_error(W, W_hat + np.matmul(*eora_factors(W, W_hat, X, r, method=method)), X)
            for r in range(1, 49)
        ]
        for method in METHODS
    }
    for method in ("svd", "act"):
        assert all(np.array(errors["eora"]) <= np.array(errors[method]) + 1e-12)
    assert all(np.diff(errors["eora"]) <= 1e-12)
    assert errors["eora"][7] < 0.6 * errors["svd"][7]
    assert max(values[-1] for values in errors.values()) < 1e-12  # rank of all outputs


def test_inputs_alike_in_all_directions_make_it_the_svd(rng):
    W = rng.normal(size=(6, 9))
    X = np.linalg.qr(rng.normal(size=(40, 9)))[0]
    given = np.matmul(*eora_factors(W, quantized(W, 2), X, 3))
    wanted = np.matmul(*eora_factors(W, quantized(W, 2), n_components=3, method="svd"))
    np.testing.assert_allclose(given, wanted, atol=1e-12)
    U, s, Vt = np.linalg.svd(W - quantized(W, 2))
    np.testing.assert_allclose(wanted, U[:, :3] * s[:3] @ Vt[:3], atol=1e-12)


def test_both_halves_carry_the_same_weight(layer):
    W, W_hat, X = layer
    B, A = eora_factors(W, W_hat, X, 5)
    balance = B.T @ B
    np.testing.assert_allclose(balance, np.diag(np.diag(balance)), atol=1e-12)
    np.testing.assert_allclose(A @ activation_gram(X) @ A.T, balance, atol=1e-10)


def test_rotated_inputs_change_nothing(layer, rng):
    W, W_hat, X = layer
    R = np.linalg.qr(rng.normal(size=(64, 64)))[0]
    given = np.matmul(*eora_factors(W @ R.T, W_hat @ R.T, X @ R.T, 6))
    np.testing.assert_allclose(given, np.matmul(*eora_factors(W, W_hat, X, 6)) @ R.T, atol=1e-9)


def test_a_gram_serves_as_well_as_the_rows(layer):
    W, W_hat, X = layer
    given = eora_factors(W, W_hat, n_components=4, gram=activation_gram(X))
    for a, b in zip(given, eora_factors(W, W_hat, X, 4), strict=True):
        np.testing.assert_array_equal(a, b)


def test_dead_inputs_and_few_rows_are_no_special_case(layer):
    """A gram of rank 3: at rank 3 nothing of the outputs is lost, and no number is wild."""
    W, W_hat, X = layer
    few = X[:3].copy()
    few[:, ::2] = 0
    B, A = eora_factors(W, W_hat, few, 5)
    assert np.isfinite(B).all()
    assert np.isfinite(A).all()
    size = np.linalg.norm(few @ (W - W_hat).T)
    # the eigenproblem squares the singular values: half of the digits
    assert np.linalg.norm(few @ (W - W_hat - B @ A).T) < 1e-7 * size
    assert np.linalg.norm(B @ A) <= np.linalg.norm(W - W_hat) * (1 + 1e-9)


def test_compressors_go_by_name_or_are_functions_of_a_copy(xp, rng):
    values = rng.normal(size=(5, 8))
    W = xp.asarray(values)
    np.testing.assert_array_equal(
        xp.numpy(compressed(W, "quantize", bits=3)), xp.numpy(quantized(W, 3))
    )
    np.testing.assert_array_equal(xp.numpy(compressed(W, "prune_2_4")), xp.numpy(pruned_2_4(W)))

    def scribble(weight):
        weight[0, :] = 0
        return weight

    found = compressed(W, scribble)
    assert xp.owns(found)
    np.testing.assert_array_equal(xp.numpy(found)[0], 0)
    np.testing.assert_array_equal(xp.numpy(W), values)
    with pytest.raises(ValueError, match="'prune_2_4' or a function"):
        compressed(W, "int8")
    with pytest.raises(ValueError, match="finite numbers of shape"):
        compressed(W, lambda weight: weight[:, :2])


def test_nothing_to_correct_gives_zeros(layer):
    W, _, X = layer
    np.testing.assert_array_equal(np.matmul(*eora_factors(W, W, X, 2)), 0)


def test_float32_stays_and_is_computed_in_double(layer, xp):
    W, W_hat, X = (xp.asarray(a.astype(np.float32)) for a in layer)
    B, A = eora_factors(W, W_hat, X, 3)
    assert B.dtype == A.dtype == xp.namespace.float32
    wanted = np.matmul(*eora_factors(*layer, 3))
    np.testing.assert_allclose(xp.numpy(B) @ xp.numpy(A), wanted, atol=1e-3)


@pytest.mark.parametrize("bits", [1, 2, 3, 8])
def test_quantized_rows_have_few_levels_and_are_near(bits, rng, xp):
    W = rng.normal(size=(5, 200))
    W[3] = 0
    W_hat = xp.numpy(quantized(xp.asarray(W), bits))
    for row, rounded in zip(W, W_hat, strict=True):
        assert len(np.unique(rounded)) <= 2**bits
        step = np.abs(row).max() / (2 ** (bits - 1) - 0.5)
        assert np.abs(row - rounded).max() <= step / 2 * (1 + 1e-12)
        assert np.abs(rounded).max() == pytest.approx(np.abs(row).max())


def test_two_of_four_are_kept(rng, xp):
    W = rng.normal(size=(6, 10))
    W[0] = 1  # ties: the first two stay
    given = xp.numpy(pruned_2_4(xp.asarray(W)))
    np.testing.assert_array_equal(given[0], [1, 1, 0, 0, 1, 1, 0, 0, 1, 1])
    for row, pruned in zip(W[1:], given[1:], strict=True):
        for group in (slice(0, 4), slice(4, 8)):
            kept = np.sort(np.abs(row[group]))[2:]
            np.testing.assert_array_equal(np.sort(np.abs(pruned[group]))[2:], kept)
            assert np.count_nonzero(pruned[group]) == 2
        np.testing.assert_array_equal(pruned[8:], row[8:])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"method": "pca"}, "Use one of"),
        ({"n_components": 49}, "between 1 and 48"),
        ({"n_components": 0}, "between 1 and 48"),
        ({"compressed_weight": np.zeros((48, 63))}, "one shape"),
        ({"activations": None}, "needs one of them"),
        ({"activations": None, "method": "act"}, "needs activations"),
        ({"activations": np.zeros((3, 63))}, "64 inputs, but .* 63"),
        ({"activations": np.zeros((3, 63)), "method": "act"}, "64 inputs, but .* 63"),
        ({"activations": np.zeros((0, 64))}, "at least one row"),
        ({"activations": np.zeros((2, 64, 3))}, "Unfold"),
        ({"activations": np.full((3, 64), np.nan)}, "NaN"),
        ({"gram": np.eye(3)}, "64 inputs, but .* 3"),
    ],
)
def test_what_does_not_fit_is_refused(layer, change, match):
    given = dict(zip(("weight", "compressed_weight", "activations"), layer, strict=True))
    with pytest.raises(ValueError, match=match):
        eora_factors(**(given | change))


def test_gram_of_activations_is_their_mean_square_not_their_sum(xp, rng):
    X = 3.0 * rng.standard_normal((7, 4))
    found = xp.numpy(activation_gram(xp.asarray(X)))
    np.testing.assert_allclose(found, sum(np.outer(x, x) for x in X) / 7, rtol=1e-13)
