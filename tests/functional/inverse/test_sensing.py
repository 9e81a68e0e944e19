"""Stacks of sensing maps: their products are those of the matrices they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.fft import dct
from scipy.linalg import circulant, dft, hadamard
from scipy.sparse.linalg import aslinearoperator

from subspace_learn.functional.inverse.sensing import (
    ConvolutionStack,
    FourierStack,
    HadamardStack,
    LiveSensors,
    MatrixStack,
    OperatorStack,
    TransformedStack,
    cosine_basis,
)

M, N, K = 16, 5, 3


def made(rng, xp):
    """Every kind of stack, with the matrices that it should be."""
    signs = rng.choice([-1.0, 1.0], size=(K, N))
    phases = np.exp(1j * rng.uniform(0, 6, size=(K, N)))
    kernels = rng.standard_normal((K, M))
    A = rng.standard_normal((K, M, N))
    C = A + 1j * rng.standard_normal((K, M, N))
    F, H = dft(M, scale="sqrtn"), hadamard(M) / M**0.5
    live = np.arange(M) % 4 != 1
    circulants = np.stack([circulant(kernel)[:, :N] for kernel in kernels])
    stacks = {
        "matrix": (MatrixStack(xp.asarray(A)), A),
        "complex matrix": (MatrixStack(xp.asarray(C)), C),
        "shared matrix": (MatrixStack(xp.asarray(C[:1])), C[:1]),
        "fourier": (FourierStack(xp.asarray(signs), M), F[:, :N] * signs[:, None, :]),
        "fourier phases": (FourierStack(xp.asarray(phases), M), F[:, :N] * phases[:, None, :]),
        "hadamard": (HadamardStack(xp.asarray(signs), M), H[:, :N] * signs[:, None, :]),
        "convolution": (ConvolutionStack(xp.asarray(kernels), N), circulants),
        "complex convolution": (
            ConvolutionStack(xp.asarray(1j * kernels), N),
            1j * circulants,
        ),
        "transformed": (TransformedStack(MatrixStack(xp.asarray(A))), F @ A),
        "live": (LiveSensors(MatrixStack(xp.asarray(C)), live), C[:, live]),
    }
    if xp.name == "numpy":
        operators = [aslinearoperator(matrix) for matrix in C]
        stacks["operators"] = (OperatorStack(operators), C)
        stacks["shared operator"] = (OperatorStack(operators[:1]), C[:1])
    return stacks


def test_products_adjoints_and_matrices_agree_with_dense_algebra(xp, rng):
    for name, (stack, A) in made(rng, xp).items():
        for is_complex in (False, True):
            x = rng.standard_normal((K, N)) + 1j * is_complex * rng.standard_normal((K, N))
            y = rng.standard_normal((K, A.shape[1])) * (1 + 1j * is_complex)
            x, y = (v if is_complex else v.real.copy() for v in (x, y))
            given = xp.numpy(stack.apply(xp.asarray(x)))
            wanted = np.einsum("kmn,kn->km", np.broadcast_to(A, (K, *A.shape[1:])), x)
            np.testing.assert_allclose(given, wanted, atol=1e-12, err_msg=name)
            given = xp.numpy(stack.adjoint(xp.asarray(y)))
            wanted = np.einsum("kmn,km->kn", np.broadcast_to(A.conj(), (K, *A.shape[1:])), y)
            np.testing.assert_allclose(given, wanted, atol=1e-12, err_msg=name)
        assert stack.shape == A.shape, name
        matrices = stack.matrices(xp.asarray(np.empty(0)))
        np.testing.assert_allclose(xp.numpy(matrices), A, atol=1e-12, err_msg=name)


def test_one_signal_for_several_maps_is_broadcast(xp, rng):
    x = rng.standard_normal((1, N))
    for name, (stack, A) in made(rng, xp).items():
        given = xp.numpy(stack.apply(xp.asarray(x)))
        np.testing.assert_allclose(given, A @ x[0], atol=1e-12, err_msg=name)


def test_real_maps_keep_real_signals_real(xp, rng):
    x = xp.asarray(rng.standard_normal((K, N)))
    for name, (stack, A) in made(rng, xp).items():
        result = xp.numpy(stack.apply(x))
        assert np.iscomplexobj(result) == stack.is_complex == np.iscomplexobj(A), name


def test_column_energy_is_the_mean_squared_length(xp, rng):
    for name, (stack, A) in made(rng, xp).items():
        wanted = np.sum(abs(A) ** 2) / (A.shape[0] * A.shape[2])
        # probed for operators (eight vectors), assumed even over the sensors where some are dead
        rel = {"operators": 0.5, "shared operator": 0.5, "live": 0.3}.get(name, 1e-12)
        assert stack.column_energy() == pytest.approx(wanted, rel=rel), name


def test_cosines_are_those_of_the_inverse_dct():
    wanted = dct(np.eye(12), axis=0, norm="ortho").T[:, :5]
    np.testing.assert_allclose(cosine_basis(12, 5), wanted, atol=1e-14)
