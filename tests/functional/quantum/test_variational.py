"""The circuit beside products of matrices, its gradient beside shifts and differences."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
from scipy.linalg import expm

from subspace_learn.functional.quantum.feature_map import entangled_pairs, feature_map_states
from subspace_learn.functional.quantum.variational import (
    circuit,
    logistic_loss,
    parity,
    parity_gradient,
)

PAULI = {"y": np.array([[0, -1j], [1j, 0]]), "z": np.diag([1.0, -1.0])}


def on_qubit(n, q, gate):
    return reduce(np.kron, [gate if k == q else np.eye(2) for k in reversed(range(n))])


def by_matrices(states, angles, n, depth, pairs):
    """Every gate as a matrix of the whole register."""
    each = angles.reshape(depth + 1, 2, n)
    W = np.eye(2**n)
    for layer in range(depth + 1):
        for i, j in pairs if layer else ():
            both = (on_qubit(n, i, PAULI["z"]) - np.eye(2**n)) @ (
                on_qubit(n, j, PAULI["z"]) - np.eye(2**n)
            )
            W = (np.eye(2**n) - both / 2) @ W
        for axis, name in enumerate("yz"):
            for q in range(n):
                W = expm(-0.5j * each[layer, axis, q] * on_qubit(n, q, PAULI[name])) @ W
    P = reduce(np.matmul, [on_qubit(n, q, PAULI["z"]) for q in range(n)])
    turned = states @ W.T
    return np.einsum("ia,ab,ib->i", turned.conj(), P, turned).real


@pytest.fixture(params=[(1, 0), (2, 1), (3, 2)], ids=str)
def case(request, rng):
    n, depth = request.param
    pairs = entangled_pairs(n, "full")
    states = feature_map_states(rng.uniform(0, 6, size=(6, n)), pairs=pairs)
    given = circuit(n, depth, pairs)
    return states, rng.uniform(-4, 4, size=given.n_angles), given, pairs, rng.normal(size=6)


def test_parity_is_that_of_the_matrices(case):
    states, angles, given, pairs, _ = case
    wanted = by_matrices(states, angles, given.n_qubits, given.depth, pairs)
    np.testing.assert_allclose(parity(states, angles, given), wanted, atol=1e-13)


def test_gradient_is_that_of_the_parameter_shift(case):
    """[f(theta + pi / 2) - f(theta - pi / 2)] / 2, exact for Pauli rotations."""
    states, angles, given, _, weights = case
    shift = np.pi / 2 * np.eye(given.n_angles)
    wanted = [
        weights @ (parity(states, angles + e, given) - parity(states, angles - e, given)) / 2
        for e in shift
    ]
    np.testing.assert_allclose(parity_gradient(states, angles, given, weights), wanted, atol=1e-13)


def test_slope_of_the_loss_is_that_of_differences(rng):
    f, target = rng.uniform(-1, 1, size=9), rng.integers(2, size=9)
    share = rng.dirichlet(np.ones(9))
    loss, slope = logistic_loss(f, target, share, 3.0, 0.2)
    p = 1 / (1 + np.exp(-3.0 * (f + 0.2)))
    wanted = -share @ np.where(target == 1, np.log(p), np.log(1 - p))
    np.testing.assert_allclose(loss, wanted, rtol=1e-12)
    h = 1e-6
    for i in range(9):
        step = h * np.eye(9)[i] / 3.0  # log-odds change by h
        up, down = (logistic_loss(f + s * step, target, share, 3.0, 0.2)[0] for s in (1, -1))
        np.testing.assert_allclose(slope[i], (up - down) / (2 * h), atol=1e-9)
