"""Sensing operators as SciPy LinearOperators and on other libraries; the adjoint test."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy.linalg import circulant, dft, hadamard
from scipy.sparse.linalg import LinearOperator, aslinearoperator, lsqr

from subspace_learn.inverse import (
    ConvolutionSensing,
    FourierSensing,
    HadamardSensing,
    check_adjoint,
)


def operators(rng):
    signs, kernel = rng.choice([-1.0, 1.0], size=5), rng.standard_normal(16)
    return {
        "fourier": (FourierSensing(16, 5, codes=signs), dft(16, scale="sqrtn")[:, :5] * signs),
        "hadamard": (HadamardSensing(16, 5, codes=1j * signs), hadamard(16)[:, :5] * 0.25j * signs),
        "convolution": (ConvolutionSensing(kernel, 5), circulant(kernel)[:, :5]),
        "whole convolution": (ConvolutionSensing(kernel), circulant(kernel)),
    }


def test_operators_are_their_matrices(rng):
    for name, (operator, A) in operators(rng).items():
        assert isinstance(operator, LinearOperator)
        assert operator.dtype == A.dtype, name
        np.testing.assert_allclose(operator @ np.eye(A.shape[1]), A, atol=1e-13, err_msg=name)
        np.testing.assert_allclose(operator.H @ np.eye(16), A.conj().T, atol=1e-13, err_msg=name)
        x, y = rng.standard_normal(A.shape[1]), rng.standard_normal((16, 1))
        np.testing.assert_allclose(operator.matvec(x), A @ x, atol=1e-13)
        np.testing.assert_allclose(operator.rmatvec(y), A.conj().T @ y, atol=1e-13)
        assert check_adjoint(operator) < 1e-14
        copy = pickle.loads(pickle.dumps(operator))
        np.testing.assert_array_equal(copy @ x, operator @ x)


def test_scipys_solvers_take_them(rng):
    operator, A = operators(rng)["fourier"]
    x = rng.standard_normal(5)
    np.testing.assert_allclose(lsqr(operator, A @ x, atol=1e-14, btol=1e-14)[0], x, atol=1e-10)


def test_products_stay_in_the_array_library(xp, rng):
    for name, (operator, A) in operators(rng).items():
        x, y = rng.standard_normal(A.shape[1]), rng.standard_normal(16)
        forward, back = operator.matvec(xp.asarray(x)), operator.rmatvec(xp.asarray(y))
        assert xp.owns(forward), name
        assert xp.owns(back), name
        np.testing.assert_allclose(xp.numpy(forward), A @ x, atol=1e-13, err_msg=name)
        np.testing.assert_allclose(xp.numpy(back), A.conj().T @ y, atol=1e-13, err_msg=name)


def test_wrong_adjoints_are_told_apart(rng):
    A = rng.standard_normal((6, 4)) + 1j * rng.standard_normal((6, 4))
    assert check_adjoint(A) < 1e-14
    assert check_adjoint(aslinearoperator(A)) < 1e-14

    def made(rmatvec):
        return LinearOperator((6, 4), matvec=lambda x: A @ x, rmatvec=rmatvec, dtype=complex)

    with pytest.raises(ValueError, match="conjugate it"):
        check_adjoint(made(lambda y: A.T @ y))
    with pytest.raises(ValueError, match=r"\(6, 4\) is wrong") as caught:
        check_adjoint(made(lambda y: 2 * A.conj().T @ y))
    assert "conjugate it" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FourierSensing(8, 9), "n_atoms=9"),
        (lambda: FourierSensing(8, 0), "n_atoms=0"),
        (lambda: FourierSensing(8, 3, codes=np.ones(4)), "4 entries"),
        (lambda: FourierSensing(8, 4, codes=np.ones((2, 2))), "vector"),
        (lambda: HadamardSensing(12, 3), "power of two"),
        (lambda: ConvolutionSensing(np.ones((2, 2))), "vector"),
        (lambda: ConvolutionSensing([1.0, 2.0], 3), "n_atoms=3"),
    ],
)
def test_impossible_sizes_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
