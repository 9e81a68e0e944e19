"""HiPPO matrices: Legendre's identity, the projections they promise, and the recurrence."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import scipy.linalg
from numpy.polynomial.legendre import leggauss
from scipy.special import eval_legendre

from subspace_learn.functional.sequence.hippo import (
    MEASURES,
    basis_integrals,
    hippo_fout,
    hippo_legs,
    hippo_legt,
    hippo_operator,
    hippo_trajectory,
    legendre_basis,
    normal_part,
)


def fourier_basis(x, n):
    s = 1 - np.asarray(x)
    waves = [np.ones_like(s)]
    for j in range(1, n // 2 + 1):
        waves += [np.sqrt(2) * np.cos(2 * np.pi * j * s), np.sqrt(2) * np.sin(2 * np.pi * j * s)]
    return np.stack(waves, axis=-1)


def basis(measure, x, n):
    return fourier_basis(x, n) if measure == "fout" else legendre_basis(x, n)


def projection(measure, f, n, start, stop):
    """Coefficients of a function on [start, stop], by Gauss quadrature with 200 nodes."""
    nodes, weights = leggauss(200)
    x = (nodes + 1) / 2
    return (weights / 2 * f(start + (stop - start) * x)) @ basis(measure, x, n)


# --- matrices -----------------------------------------------------------------------------------


def test_first_entries_of_legs_are_those_of_the_paper():
    A, B = hippo_legs(4)
    wanted = [
        [-1, 0, 0, 0],
        [-1.7320508, -2, 0, 0],
        [-2.2360680, -3.8729833, -3, 0],
        [-2.6457513, -4.5825757, -5.9160798, -4],
    ]
    np.testing.assert_allclose(A, wanted, atol=5e-8)  # printed to seven digits
    np.testing.assert_allclose(B**2, [1, 3, 5, 7], rtol=1e-15)


@pytest.mark.parametrize("n", [1, 4, 8, 16, 32])
def test_impulse_response_of_legs_is_legendre_in_warped_time(n):
    A, B = hippo_legs(n)
    for t in (0.0, 0.1, 1.0, 3.0):
        wanted = np.exp(-t) * np.sqrt(2 * np.arange(n) + 1)
        wanted *= eval_legendre(np.arange(n), 2 * np.exp(-t) - 1)
        np.testing.assert_allclose(scipy.linalg.expm(t * A) @ B, wanted, rtol=0, atol=1e-12)


def test_window_of_two_gives_the_published_entries():
    n = 5
    root = np.sqrt(2 * np.arange(n) + 1)
    A, B = hippo_legt(n, 2.0)
    for i in range(n):
        for k in range(n):
            sign = 1 if i >= k else (-1) ** (i - k)
            assert A[i, k] == pytest.approx(-0.5 * root[i] * root[k] * sign, rel=1e-15)
    np.testing.assert_allclose(B, root / 2)
    A, B = hippo_fout(n, 2.0)
    skew = A + np.outer(B, B)
    np.testing.assert_allclose(skew, -skew.T, atol=1e-15)
    eigenvalues = np.sort(np.linalg.eigvals(skew).imag)
    np.testing.assert_allclose(eigenvalues, np.pi * np.arange(-2, 3), atol=1e-13)
    np.testing.assert_allclose(B, [1, np.sqrt(2), 0, np.sqrt(2), 0])


@pytest.mark.parametrize("matrices", [hippo_legs, hippo_legt, hippo_fout])
@pytest.mark.parametrize("n", [1, 3, 17])
def test_memories_are_stable(matrices, n):
    assert np.linalg.eigvals(matrices(n)[0]).real.max() < 0


@pytest.mark.parametrize("n", [1, 2, 7, 64])
def test_normal_part_is_diagonal_in_a_unitary_basis(n):
    A, B = hippo_legs(n)
    values, vectors = normal_part(n)
    wanted = A + 0.5 * np.outer(B, B)
    np.testing.assert_allclose(wanted + wanted.T, -np.eye(n), atol=1e-13 * n)
    np.testing.assert_allclose(vectors.conj().T @ vectors, np.eye(n), atol=1e-14 * n)
    np.testing.assert_allclose(
        (vectors * values) @ vectors.conj().T, wanted, rtol=0, atol=1e-14 * n**2
    )
    np.testing.assert_array_equal(values.real, -0.5)


def test_normal_part_has_the_frequencies_of_the_sheet():
    values, _ = normal_part(64)
    np.testing.assert_allclose(values.imag[32:35], [0.264, 0.906, 1.703], atol=5e-4)
    assert values.imag[-1] == pytest.approx(1303.27, abs=5e-3)


# --- projections --------------------------------------------------------------------------------


@pytest.mark.parametrize("measure", MEASURES)
def test_integrals_of_the_basis_agree_with_quadrature(measure):
    edges = np.array([0, 0.05, 0.3, 0.31, 1.0])
    given = basis_integrals(measure, 9, edges)
    for k, (a, b) in enumerate(pairwise(edges)):
        wanted = (b - a) * projection_of_cell(measure, a, b, 9)
        np.testing.assert_allclose(given[k], wanted, rtol=0, atol=1e-14)


def projection_of_cell(measure, a, b, n):
    nodes, weights = leggauss(60)
    return weights / 2 @ basis(measure, a + (b - a) * (nodes + 1) / 2, n)


@pytest.mark.parametrize("measure", MEASURES)
def test_the_basis_is_orthonormal(measure):
    nodes, weights = leggauss(60)
    values = basis(measure, (nodes + 1) / 2, 9)
    np.testing.assert_allclose((values.T * weights / 2) @ values, np.eye(9), atol=1e-13)


def test_legs_solves_its_equation():
    """Over [k, k + 1] of a held input, t c' = A c + B f is a matrix exponential in log t."""
    A, B = hippo_legs(8)
    rng = np.random.default_rng(0)
    x = rng.normal(size=6)
    path = hippo_trajectory(x[None], "legs", 8)[0]
    for k in range(1, 6):
        step = scipy.linalg.expm(A * np.log((k + 1) / k))
        rest = np.linalg.solve(A, (step - np.eye(8)) @ B)
        np.testing.assert_allclose(path[k], step @ path[k - 1] + rest * x[k], atol=1e-12)


@pytest.mark.parametrize("measure", MEASURES)
def test_the_operator_is_the_recurrence_summed_up(measure, rng):
    X = rng.normal(size=(3, 57))
    forward, _ = hippo_operator(measure, 9, 57, 20.5)
    path = hippo_trajectory(X, measure, 9, 20.5)
    np.testing.assert_allclose(path[:, -1], X @ forward, rtol=0, atol=1e-12)
    for k in (1, 2, 30):
        upto, _ = hippo_operator(measure, 9, k, 20.5)
        np.testing.assert_allclose(path[:, k - 1], X[:, :k] @ upto, rtol=0, atol=1e-12)


def test_legs_is_the_projection_of_the_stair_of_samples(rng):
    x = rng.normal(size=40)
    forward, backward = hippo_operator("legs", 12, 40)
    cells = [x[k] / 40 * projection_of_cell("legs", k / 40, (k + 1) / 40, 12) for k in range(40)]
    np.testing.assert_allclose(x @ forward, np.sum(cells, axis=0), atol=1e-14)
    np.testing.assert_allclose(backward, 40 * forward.T)


def test_legs_never_amplifies(rng):
    """It restricts a function and projects it: a contraction, from mean square to norm."""
    for n, n_times in ((4, 3), (16, 16), (64, 500), (30, 5)):
        forward, _ = hippo_operator("legs", n, n_times)
        assert np.linalg.norm(forward, 2) * np.sqrt(n_times) <= 1 + 1e-12


@pytest.mark.parametrize("measure", ["legs", "legt"])
def test_polynomials_are_remembered_exactly(measure):
    """Fine samples of a cubic: what is left is the stair, of height 1 / n_times."""
    n_times, window = 4000, 1000.0

    def cubic(t):
        return (t / n_times) ** 3 - 0.4 * t / n_times + 0.2

    x = cubic(np.arange(n_times) + 0.5)
    forward, _ = hippo_operator(measure, 6, n_times, window)
    start = 0 if measure == "legs" else n_times - window
    wanted = projection(measure, cubic, 6, start, n_times)
    np.testing.assert_allclose(x @ forward, wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("measure", ["legt", "fout"])
def test_more_coefficients_see_a_smooth_window_better(measure):
    t = np.arange(3000) + 0.5
    x = np.sin(2 * np.pi * t / 500) + 0.3 * np.cos(2 * np.pi * t / 250)
    errors = []
    for n in (5, 9, 17):
        forward, backward = hippo_operator(measure, n, 3000, 500.0)
        errors.append(np.sqrt(np.mean((x @ forward @ backward - x[-500:]) ** 2)))
    assert errors[0] > errors[-1]
    assert errors[-1] < 0.01
    if measure == "legt":  # spectral convergence; the waves of "fout" are in its basis from n = 5
        assert errors[1] < errors[0] / 10


def test_fourier_memory_needs_an_odd_number():
    with pytest.raises(ValueError, match="such as 5"):
        hippo_fout(4)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_stream_goes_on_where_it_stopped(measure, rng):
    X = rng.normal(size=(2, 30))
    whole = hippo_trajectory(X, measure, 5, 12.0)
    state, seen, parts = None, 0, []
    for size in (1, 19, 10):
        part = X[:, seen : seen + size]
        parts.append(hippo_trajectory(part, measure, 5, 12.0, state=state, n_before=seen))
        state, seen = parts[-1][:, -1], seen + size
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_a_stream_says_what_it_needs():
    state = np.zeros((1, 3))
    with pytest.raises(ValueError, match="without n_before"):
        hippo_trajectory(np.ones((1, 2)), "legs", 3, state=state)
    with pytest.raises(ValueError, match="without window"):
        hippo_trajectory(np.ones((1, 2)), "legt", 3, state=state, n_before=4)


def test_unknown_measures_are_refused():
    for call in (hippo_operator, lambda *args: hippo_trajectory(np.ones((1, 3)), *args[:2])):
        with pytest.raises(ValueError, match="Use one of"):
            call("lagt", 4, 3)
