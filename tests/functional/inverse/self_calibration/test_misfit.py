"""Steps on the true misfit, penalties, gain bases, and filters in the Fourier domain."""

from __future__ import annotations

import numpy as np
import pytest

from subspace_learn.functional.inverse.self_calibration.calibration import (
    calibrated,
)
from subspace_learn.functional.inverse.self_calibration.fourier import (
    filter_of,
    filtered,
    known,
    real_filter,
    spectra,
)
from subspace_learn.functional.inverse.self_calibration.misfit import (
    recovered_signals,
    refined,
    updated_gains,
)
from subspace_learn.functional.inverse.self_calibration.system import CalibrationOptions
from subspace_learn.functional.inverse.sensing import MatrixStack
from subspace_learn.inverse import error_after_best_scalar
from tests.functional.inverse.self_calibration.cases import MODELS, case, gaussian, mean, noisy

SIZE = (48, 12, 4)


def solve(Y, stack, model, **options):
    options = {"normalization": mean(Y.shape[1]), **options}
    return calibrated(Y, stack, CalibrationOptions(shared_signal=model == "repeated", **options))


@pytest.mark.parametrize("solver", ["schur", "lsqr"])
@pytest.mark.parametrize("model", MODELS)
def test_signals_of_known_gains_are_least_squares(rng, model, solver):
    Y, stack, d, _ = case(rng, model, *SIZE)
    Y = noisy(rng, Y, 10)
    shared = model == "repeated"
    options = CalibrationOptions(solver=solver, shared_signal=shared, tol=1e-13)
    given = recovered_signals(Y, d, stack, options)
    A = np.broadcast_to(d[:, None] * stack.A, (4, 48, 12))
    if shared:
        wanted = np.linalg.lstsq(A.reshape(-1, 12), Y.ravel())[0][None]
    else:
        wanted = np.stack([np.linalg.lstsq(a, y)[0] for a, y in zip(A, Y, strict=True)])
    np.testing.assert_allclose(given, wanted, atol=1e-10)


@pytest.mark.parametrize("model", MODELS)
def test_penalised_signals_are_those_of_ridge_regression(rng, model):
    Y, stack, d, x = case(rng, model, *SIZE)
    shared = model == "repeated"
    penalty = rng.uniform(1, 5, size=x.shape)
    A = np.broadcast_to(d[:, None] * stack.A, (4, 48, 12))
    rows = [(A.reshape(-1, 12), Y.ravel())] if shared else list(zip(A, Y, strict=True))
    wanted = [
        np.linalg.solve(a.conj().T @ a + np.diag(r), a.conj().T @ y)
        for (a, y), r in zip(rows, penalty, strict=True)
    ]
    for solver in ("schur", "lsqr"):
        options = CalibrationOptions(solver=solver, shared_signal=shared, tol=1e-13)
        given = recovered_signals(Y, d, stack, options, penalty=penalty)
        np.testing.assert_allclose(given, wanted, atol=1e-10)


def test_more_atoms_than_equations_give_the_signal_of_least_norm(rng):
    A, y = gaussian(rng, 1, 6, 10), gaussian(rng, 1, 6)
    given = recovered_signals(y, np.ones(6), MatrixStack(A), CalibrationOptions())
    np.testing.assert_allclose(given[0], np.linalg.pinv(A[0]) @ y[0], atol=1e-10)


def test_gains_of_known_signals_minimise_the_misfit(rng):
    Y, stack, _, x = case(rng, "diverse", *SIZE)
    Y = noisy(rng, Y, 10)
    images = stack.apply(x)
    given = updated_gains(Y, images)
    wanted = [np.linalg.lstsq(images[:, [i]], Y[:, i])[0][0] for i in range(48)]
    np.testing.assert_allclose(given, wanted, atol=1e-12)
    B = gaussian(rng, 48, 3)
    projected = updated_gains(Y, images, B)
    system = (images[:, :, None] * B).reshape(-1, 3)
    np.testing.assert_allclose(projected, B @ np.linalg.lstsq(system, Y.ravel())[0], atol=1e-12)


@pytest.mark.parametrize("model", MODELS)
def test_refining_never_raises_the_misfit(rng, model):
    Y, stack, _, _ = case(rng, model, *SIZE, phase=0.4)
    Y = noisy(rng, Y, 15)
    x = solve(Y, stack, model).signals
    misfits = []
    for n_steps in (1, 2, 5, 20):
        options = CalibrationOptions(shared_signal=model == "repeated")
        d, better = refined(Y, x, stack, n_steps, options)
        misfits.append(np.linalg.norm(Y - d * stack.apply(better)))
    assert np.all(np.diff(misfits) <= 1e-12)
    start = solve(Y, stack, model).residual_norm
    assert misfits[0] < start
    assert solve(Y, stack, model, refine=20).residual_norm == pytest.approx(misfits[-1])


def test_refined_gains_keep_their_normalisation(rng):
    Y, stack, _, _ = case(rng, "snapshots", *SIZE, phase=0.4)
    found = solve(noisy(rng, Y, 20), stack, "snapshots", refine=5)
    assert np.mean(1 / found.gains) == pytest.approx(1.0)


def test_a_gain_basis_keeps_exact_gains_and_averages_noise(rng):
    Y, stack, _, _ = case(rng, "diverse", *SIZE)
    B = np.stack([np.ones(48), np.linspace(-1, 1, 48), np.linspace(-1, 1, 48) ** 2], axis=1)
    d = B @ np.array([1.0, 0.3 + 0.2j, -0.2j])
    x = gaussian(rng, 4, 12)
    Y = d * stack.apply(x)
    exact = solve(Y, stack, "diverse", gain_basis=B)
    assert error_after_best_scalar(exact.gains, d) <= 1e-10
    Y = noisy(rng, Y, 20)
    plain = error_after_best_scalar(solve(Y, stack, "diverse").gains, d)
    found = solve(Y, stack, "diverse", gain_basis=B, refine=5)
    # three numbers instead of 48: the noise is averaged
    assert error_after_best_scalar(found.gains, d) < plain / 2
    residual = found.gains - B @ np.linalg.lstsq(B, found.gains)[0]
    np.testing.assert_allclose(residual, 0, atol=1e-12)


@pytest.mark.parametrize("solver", ["dense", "schur", "lsqr"])
def test_a_sparse_signal_is_found_below_the_counting_bound(rng, solver):
    m, n, p = 32, 48, 2  # 64 equations, 79 unknowns
    _, stack, d, _ = case(rng, "repeated", m, n, p, phase=0.2)
    x = np.zeros((1, n), dtype=complex)
    x[0, [3, 17, 40]] = [1.0, -0.8j, 0.6]
    Y = d * stack.apply(x)
    lines = []
    options = CalibrationOptions(
        solver=solver, shared_signal=True, normalization=mean(m), sparsity=1e-3, max_iter=3000
    )
    found = calibrated(Y, stack, options, report=lines.append)
    assert found.spectrum.null_dim == 16
    assert error_after_best_scalar(found.signals, x) < 0.02
    largest = np.argsort(abs(found.signals[0]))[-3:]
    assert set(largest.tolist()) == {3, 17, 40}
    assert any("sparse step" in line for line in lines)


def test_damping_shrinks_the_signal_towards_zero(rng):
    Y, stack, _, _ = case(rng, "repeated", *SIZE, phase=0.4)
    norms = [
        np.linalg.norm(solve(Y, stack, "repeated", damp=damp).signals) for damp in (0, 0.1, 1, 10)
    ]
    assert np.all(np.diff(norms) < 0)
    assert norms[-1] < 0.05 * norms[0]
    # nothing is lost on the way to none
    tiny = solve(Y, stack, "repeated", damp=1e-8)
    np.testing.assert_allclose(tiny.gains, solve(Y, stack, "repeated").gains, atol=1e-8)


def test_spectra_make_a_circular_convolution_entrywise(xp, rng):
    h, X = rng.standard_normal(16), rng.standard_normal((3, 16))
    wanted = np.stack([np.fft.ifft(np.fft.fft(h) * np.fft.fft(row)).real for row in X])
    transfer = xp.asarray(np.fft.fft(h))
    np.testing.assert_allclose(xp.numpy(filtered(xp.asarray(X), transfer)), wanted, atol=1e-12)
    np.testing.assert_allclose(xp.numpy(filter_of(transfer)), h, atol=1e-12)
    given = xp.numpy(spectra(xp.asarray(wanted)))
    np.testing.assert_allclose(given, np.fft.fft(h) * np.fft.fft(X, norm="ortho"), atol=1e-12)


def test_the_phase_of_a_real_filter_is_found(xp, rng):
    h, x = rng.standard_normal(16), rng.standard_normal((3, 4))
    phase = np.exp(2.1j)
    transfer, signals, found = real_filter(xp.asarray(np.fft.fft(h) * phase), xp.asarray(x / phase))
    sign = np.sign(xp.numpy(found) @ h)
    np.testing.assert_allclose(xp.numpy(found), sign * h, atol=1e-12)
    np.testing.assert_allclose(xp.numpy(signals), sign * x, atol=1e-12)
    np.testing.assert_allclose(xp.numpy(transfer), sign * np.fft.fft(h), atol=1e-12)


def test_unknown_numbers_become_zero(xp):
    given = known(xp.asarray(np.array([1.0 + 1j, np.nan, 2.0])))
    np.testing.assert_array_equal(xp.numpy(given), [1.0 + 1j, 0.0, 2.0])
