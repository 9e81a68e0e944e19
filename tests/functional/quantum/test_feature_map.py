"""States beside products of matrices, kernels beside closed forms, shots beside their law."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
from scipy.linalg import expm

from subspace_learn.functional.quantum.feature_map import (
    bytes_of_states,
    cone_projection,
    entangled_pairs,
    feature_map_states,
    fidelity_kernel,
    pauli_signs,
    sampled_kernel,
    target_alignment,
)

H = np.array([[1, 1], [1, -1]]) / np.sqrt(2)
Z = np.diag([1.0, -1.0])


def on_qubits(n, gates):
    """Tensor product with these gates on their qubits; qubit 0 is the last factor."""
    return reduce(np.kron, [gates.get(q, np.eye(2)) for q in reversed(range(n))])


def by_matrices(x, reps, pairs):
    """The circuit of the paper, gate by gate, on one row."""
    n = len(x)
    angle = sum(x[i] * on_qubits(n, {i: Z}) for i in range(n))
    for i, j in pairs:
        angle = angle + (np.pi - x[i]) * (np.pi - x[j]) * on_qubits(n, {i: Z, j: Z})
    layer = expm(1j * angle) @ on_qubits(n, dict.fromkeys(range(n), H))
    return np.linalg.matrix_power(layer, reps)[:, 0]


@pytest.mark.parametrize("reps", [1, 2, 3])
@pytest.mark.parametrize("entanglement", ["full", "linear", "circular", [(0, 2)]])
def test_states_are_those_of_the_gates(reps, entanglement, rng, xp):
    X = rng.uniform(-4, 9, size=(5, 3))
    pairs = entangled_pairs(3, entanglement)
    given = feature_map_states(xp.asarray(X), reps=reps, pairs=pairs)
    assert xp.owns(given)
    wanted = [by_matrices(x, reps, pairs) for x in X]
    np.testing.assert_allclose(xp.numpy(given), wanted, atol=1e-13)


def test_one_layer_has_a_closed_form(rng):
    X = rng.uniform(0, 6, size=(6, 4))
    pairs, signs = entangled_pairs(4, "full"), pauli_signs(4)
    phase = X @ signs.T
    for i, j in pairs:
        phase += np.outer((np.pi - X[:, i]) * (np.pi - X[:, j]), signs[:, i] * signs[:, j])
    wanted = abs(np.exp(1j * (phase[:, None] - phase)).mean(axis=2)) ** 2
    S = feature_map_states(X, reps=1, pairs=pairs)
    np.testing.assert_allclose(fidelity_kernel(S, S), wanted, atol=1e-13)


def test_one_layer_of_single_qubits_is_a_product_of_cosines(rng, xp):
    X, Y = rng.uniform(-9, 9, size=(2, 7, 5))
    A, B = (feature_map_states(xp.asarray(T), feature_map="z", reps=1) for T in (X, Y))
    wanted = np.prod(np.cos(X[:, None] - Y) ** 2, axis=2)
    np.testing.assert_allclose(xp.numpy(fidelity_kernel(A, B)), wanted, atol=1e-13)


def test_columns_in_another_order_give_the_same_kernel(rng):
    """Where every pair is entangled, or those of a list that is moved along."""
    X, order = rng.uniform(0, 6, size=(8, 4)), np.array([2, 0, 3, 1])
    place = np.argsort(order)
    for entanglement in ("full", [(0, 1), (1, 3)]):
        pairs = entangled_pairs(4, entanglement)
        moved = [tuple(sorted((place[i], place[j]))) for i, j in pairs]
        S = feature_map_states(X, pairs=pairs)
        T = feature_map_states(X[:, order], pairs=moved)
        np.testing.assert_allclose(fidelity_kernel(T, T), fidelity_kernel(S, S), atol=1e-13)


def test_kernel_is_positive_with_a_unit_diagonal_in_blocks_too(rng, monkeypatch):
    S = feature_map_states(rng.uniform(0, 6, size=(30, 3)), pairs=[(0, 1)])
    K = fidelity_kernel(S, S)
    np.testing.assert_allclose(np.diag(K), 1.0, atol=1e-14)
    np.testing.assert_allclose(K, K.T, atol=1e-15)
    assert np.linalg.eigvalsh(K).min() > -1e-13
    monkeypatch.setattr("subspace_learn.functional.quantum.feature_map._BLOCK", 100)
    np.testing.assert_allclose(fidelity_kernel(S, S), K, atol=1e-15)


def test_kernel_is_the_trace_over_pauli_strings(rng):
    """Tr(rho sigma) = 2^-n sum_P <P> <P>'."""
    paulis = [np.eye(2), np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), Z]
    S = feature_map_states(rng.uniform(0, 6, size=(4, 2)), pairs=[(0, 1)])
    strings = np.stack([np.kron(a, b) for a in paulis for b in paulis])
    values = np.einsum("ia,pab,ib->ip", S.conj(), strings, S).real
    np.testing.assert_allclose(fidelity_kernel(S, S), values @ values.T / 4, atol=1e-13)


def test_float32_stays(rng):
    S = feature_map_states(rng.uniform(0, 6, size=(4, 3)).astype(np.float32), pairs=[(0, 2)])
    assert S.dtype == np.complex64
    assert fidelity_kernel(S, S).dtype == np.float32


def test_pairs_are_those_of_the_pattern():
    assert entangled_pairs(4, "full") == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    assert entangled_pairs(4, "linear") == [(0, 1), (1, 2), (2, 3)]
    assert entangled_pairs(4, "circular") == [(0, 1), (1, 2), (2, 3), (0, 3)]
    assert entangled_pairs(2, "circular") == [(0, 1)]
    assert entangled_pairs(1, "full") == []
    assert entangled_pairs(3, [(2, 0)]) == [(0, 2)]
    for wrong in ([(0, 3)], [(1, 1)], [(0, 1), (1, 0)], [(-1, 0)], [(0, 1, 2)]):
        with pytest.raises(ValueError, match="pairs of different qubits in 0 to 2"):
            entangled_pairs(3, wrong)


def test_memory_is_counted():
    S = feature_map_states(np.zeros((3, 5)), pairs=[])
    assert bytes_of_states(3, 5) == S.nbytes


@pytest.mark.parametrize("shots", [10, 1000])
def test_shots_have_the_mean_and_variance_of_a_binomial(shots, rng):
    K = np.full((300, 300), 0.3)
    drawn = sampled_kernel(K, shots, rng, symmetric=False)
    # 90,000 draws: five standard errors of the mean, and of the variance
    sd = np.sqrt(0.21 / shots)
    assert abs(drawn.mean() - 0.3) < 5 * sd / 300
    assert abs(drawn.var() / sd**2 - 1) < 5 * np.sqrt(2) / 300 + 1 / shots
    np.testing.assert_allclose(drawn * shots, np.rint(drawn * shots), atol=1e-9)


def test_symmetric_shots_measure_each_pair_once(rng):
    K = np.full((40, 40), 0.4)
    drawn = sampled_kernel(K, 50, rng, symmetric=True)
    np.testing.assert_array_equal(drawn, drawn.T)
    np.testing.assert_array_equal(np.diag(drawn), 1.0)
    assert np.linalg.eigvalsh(drawn).min() < -1e-3  # the shots break it
    assert np.linalg.eigvalsh(cone_projection(drawn)).min() > -1e-12


def test_projection_is_the_nearest_positive_matrix(rng):
    A = rng.normal(size=(6, 6))
    A = 30 * (A + A.T)
    nearest = cone_projection(A)
    for _ in range(50):  # the angle to every other positive matrix is not acute
        B = rng.normal(size=(6, 6))
        B = 40 * B @ B.T
        assert np.sum((A - nearest) * (B - nearest)) <= 1e-8 * np.sum(A**2)
    np.testing.assert_allclose(cone_projection(nearest), nearest, atol=1e-12)


def test_alignment_is_a_cosine(rng, xp):
    K = rng.normal(size=(5, 5))
    T = rng.normal(size=(5, 5))
    given = target_alignment(xp.asarray(7.0 * K), xp.asarray(T))
    wanted = (K.ravel() @ T.ravel()) / np.linalg.norm(K) / np.linalg.norm(T)
    np.testing.assert_allclose(given, wanted, rtol=1e-12)
    np.testing.assert_allclose(target_alignment(3 * T, T), 1.0, rtol=1e-12)
