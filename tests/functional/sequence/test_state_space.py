"""Diagonal state space models: stability, spikes, kernels, and how errors are told."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import scipy.signal

from subspace_learn.functional.sequence.approximate_diagonalization import perturb_then_diagonalize
from subspace_learn.functional.sequence.hippo import hippo_legs, normal_part
from subspace_learn.functional.sequence.state_space import (
    causal_convolution,
    conjugate_half,
    diagonal_init,
    discretized,
    ptd_legs,
    s4d_kernel,
    s4d_recurrence,
    transfer_function,
)


def modes(rng, *shape):
    values = -rng.uniform(0.1, 2, shape) + 1j * rng.uniform(0, 40, shape)
    return values, rng.normal(size=shape) + 1j * rng.normal(size=shape)


# --- models of HiPPO ---------------------------------------------------------------------------


def test_half_of_the_modes_is_the_whole_model(rng):
    """Real modes and pairs alike; C = e_0 reads the first coefficient."""
    A, B = hippo_legs(9)
    found = perturb_then_diagonalize(A, 0.1)
    V = found.eigenvectors
    half = conjugate_half(found.eigenvalues, np.linalg.solve(V, B.astype(complex)), V[0])
    omega = np.linspace(-30, 30, 41)
    wanted = [np.linalg.solve(1j * w * np.eye(9) - A - found.perturbation, B)[0] for w in omega]
    np.testing.assert_allclose(transfer_function(*half, omega), wanted, rtol=0, atol=1e-12)


# --- the paper's claim --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "spike"), [(16, 80.966), (32, 325.426), (64, 1303.274), (128, 5214.666)]
)
def test_s4d_keeps_a_spike_that_perturbing_does_not_have(n, spike):
    """The first coefficient of LegS has response 1 / (1 + i w)."""
    values, B = diagonal_init(n, "legs")
    C = normal_part(n)[1][0, n // 2 :]
    omega = np.concatenate([np.linspace(0, 2 * spike, 4001), [values.imag[-1]]])
    exact = 1 / (1 + 1j * omega)
    gap = np.abs(transfer_function(values, B, C, omega) - exact)
    assert omega[gap.argmax()] == pytest.approx(spike, rel=1e-5)
    assert gap.max() == pytest.approx(2 / np.pi, abs=0.0025)  # .6386 at 16, tends to .6366
    assert np.median(gap[omega < spike / 2]) < 0.8 / n  # halves when n doubles: weak convergence
    values, B, C = ptd_legs(n, n_tries=1)
    gap = np.abs(transfer_function(values, B, C[0], omega) - exact)
    # the paper's first-order bound is (2 ln n + 4) eps, about 1 here; the sheet's worst seed .02
    assert gap.max() < 0.03
    assert values.real.max() < -0.5


def test_largest_frequency_of_s4d_grows_with_the_square():
    for n in (32, 64):
        assert diagonal_init(n)[0].imag[-1] == pytest.approx(n**2 / np.pi, rel=2e-3)
    np.testing.assert_allclose(diagonal_init(8, "lin")[0], -0.5 + 1j * np.pi * np.arange(4))
    inverse = diagonal_init(64, "inv")[0]
    assert inverse.imag[0] == pytest.approx(64 / np.pi * 63)
    np.testing.assert_array_equal(diagonal_init(6, "real")[0], [-1, -2, -3])
    for n in (0, 5):
        with pytest.raises(ValueError, match="even"):
            diagonal_init(n)


# --- sampled models -----------------------------------------------------------------------------


def test_held_input_is_integrated_exactly(rng):
    values, B = modes(rng, 6)
    A_bar, B_bar = discretized(values, B, 0.3)
    for k in range(6):
        block = scipy.linalg.expm(0.3 * np.array([[values[k], B[k]], [0, 0]]))
        np.testing.assert_allclose([A_bar[k], B_bar[k]], block[0], rtol=1e-13)


def test_tiny_steps_do_not_cancel():
    """(exp(z) - 1) / z against its series with many terms, across the switch at 1e-2."""
    z = -np.array([1e-14, 1e-8, 1e-5, 9.9e-3, 1.01e-2]) * (1 - 2j)
    _, B_bar = discretized(z, np.ones(5), 1.0)
    terms = np.cumprod(z[:, None] / np.arange(2, 20), axis=1)
    np.testing.assert_allclose(B_bar, 1 + terms.sum(axis=1), rtol=3e-14)


def test_bilinear_is_scipy_s(rng):
    A, B = hippo_legs(4)
    wanted = scipy.signal.cont2discrete(
        (A, B[:, None], np.eye(4), np.zeros((4, 1))), 0.1, method="bilinear"
    )[0]
    found = perturb_then_diagonalize(A, 0)
    V = found.eigenvectors
    A_bar, _ = discretized(found.eigenvalues, V[0], 0.1, method="bilinear")
    np.testing.assert_allclose((V * A_bar) @ np.linalg.inv(V), wanted, atol=1e-12)


def test_both_rules_agree_to_second_order(rng):
    values, B = modes(rng, 6)
    gaps = []
    for dt in (1e-3, 5e-4):
        held, trapezoid = (discretized(values, B, dt, method=m)[0] for m in ("zoh", "bilinear"))
        gaps.append(np.abs(held - trapezoid).max())
        assert np.abs(held).max() < 1
        assert np.abs(trapezoid).max() < 1
    assert gaps[1] < gaps[0] / 7  # local error of third order


@pytest.mark.parametrize("method", ["zoh", "bilinear"])
@pytest.mark.parametrize("length", [1, 2, 7, 100])
def test_kernel_is_the_vandermonde_product(method, length, rng, xp):
    values, B = modes(rng, 3, 5)
    C = rng.normal(size=(3, 5)) + 1j * rng.normal(size=(3, 5))
    dt = rng.uniform(0.001, 0.1, (3, 1))
    A_bar, B_bar = discretized(values, B, dt, method=method)
    powers = A_bar[..., None] ** np.arange(length)
    wanted = 2 * np.einsum("hn,hnl->hl", C * B_bar, powers).real
    given = s4d_kernel(*map(xp.asarray, (values, B, C, dt)), length, method=method)
    assert xp.owns(given)
    np.testing.assert_allclose(xp.numpy(given), wanted, rtol=0, atol=1e-12)


def test_bilinear_kernel_of_a_mode_that_dies_at_once():
    kernel = s4d_kernel(np.array([-20 + 0j]), np.ones(1), np.ones(1), 0.1, 5, method="bilinear")
    np.testing.assert_allclose(kernel, [0.1, 0, 0, 0, 0], atol=1e-300)


@pytest.mark.parametrize("method", ["zoh", "bilinear"])
def test_convolution_equals_recurrence(method, rng, xp):
    values, B = diagonal_init(16, "lin")
    C = rng.normal(size=8) + 1j * rng.normal(size=8)
    u = rng.normal(size=300)
    kernel = s4d_kernel(values, B, C, 0.02, 300, method=method)
    given = causal_convolution(xp.asarray(u), xp.asarray(kernel))
    wanted = s4d_recurrence(values, B, C, 0.02, u, method=method)
    np.testing.assert_allclose(xp.numpy(given), wanted, rtol=0, atol=1e-12)


def test_a_sequence_of_length_one_is_its_first_tap(rng):
    values, B = modes(rng, 4)
    kernel = s4d_kernel(values, B, B, 0.1, 1)
    np.testing.assert_allclose(causal_convolution(np.array([3.0]), kernel), 3 * kernel)
    np.testing.assert_allclose(s4d_recurrence(values, B, B, 0.1, [3.0]), 3 * kernel)


def test_the_modes_keep_the_memory_of_legs():
    """Coefficients of an impulse after time t, through n / 2 complex modes: error of order eps."""
    n, dt, length = 32, 0.01, 300
    A, B = hippo_legs(n)
    values, inputs, C = ptd_legs(n, 0.02)
    kernels = s4d_kernel(values, inputs, C, dt, length)
    exact = [scipy.linalg.expm(dt * k * A) for k in range(0, length, 50)]
    hold = np.linalg.solve(A, (scipy.linalg.expm(dt * A) - np.eye(n)) @ B)
    for k, power in zip(range(0, length, 50), exact, strict=True):
        np.testing.assert_allclose(kernels[:, k], power @ hold, rtol=0, atol=0.02)


def test_unknown_options_are_refused(rng):
    with pytest.raises(ValueError, match="Use one of"):
        diagonal_init(4, "fout")
    with pytest.raises(ValueError, match="Use 'zoh' or 'bilinear'"):
        s4d_kernel(*modes(rng, 3), np.ones(3), 0.1, 4, method="euler")
