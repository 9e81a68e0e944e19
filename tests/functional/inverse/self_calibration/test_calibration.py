"""Self-calibration: exactness, the laws of the model, and agreement of the three solvers."""

from __future__ import annotations

import numpy as np
import pytest

from subspace_learn.functional.inverse.self_calibration.calibration import (
    calibrated,
    live_sensors,
    resolved_solver,
)
from subspace_learn.functional.inverse.self_calibration.system import (
    BalancedSystem,
    CalibrationOptions,
)
from subspace_learn.functional.inverse.sensing import FourierStack, MatrixStack
from subspace_learn.inverse import error_after_best_scalar
from tests.functional.inverse.self_calibration.cases import (
    MODELS,
    case,
    gaussian,
    mean,
    noisy,
    reference,
)
from tests.functional.inverse.self_calibration.dense import dense_matrix

SOLVERS = ("dense", "schur", "lsqr")
# (n_sensors, n_atoms, n_snapshots): well above the counting bound, and exactly at it
ABOVE = {"repeated": (48, 16, 4), "diverse": (48, 16, 4), "snapshots": (48, 16, 4)}
AT_BOUND = {"repeated": (15, 16, 2), "diverse": (9, 5, 2), "snapshots": (9, 5, 2)}


def solve(Y, stack, model, method="ls", solver="schur", **options):
    w = options.pop("w", reference(Y.shape[1]) if method == "ls" else None)
    shared = model == "repeated"
    options = {"method": method, "solver": solver, "shared_signal": shared, **options}
    return calibrated(Y, stack, CalibrationOptions(normalization=w, **options))


def errors(found, d, x):
    return error_after_best_scalar(found.gains, d), error_after_best_scalar(found.signals, x)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("method", ["ls", "svd"])
@pytest.mark.parametrize("kind", ["gaussian", "dft"])
@pytest.mark.parametrize("model", MODELS)
def test_exact_measurements_give_exact_gains_and_signals(rng, model, kind, method, solver):
    Y, stack, d, x = case(rng, model, *ABOVE[model], kind=kind)
    found = solve(Y, stack, model, method, solver, tol=1e-11)
    # direct solvers: rounding times the condition number (up to 1e2, squared by "schur");
    # LSQR: its tol times the same
    assert max(errors(found, d, x)) <= {"dense": 1e-12, "schur": 1e-10, "lsqr": 1e-8}[solver]
    assert found.spectrum.null_dim == 1
    assert found.converged
    assert found.residual_norm <= 1e-8 * np.linalg.norm(Y)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("method", ["ls", "svd"])
@pytest.mark.parametrize("model", MODELS)
def test_it_is_exact_at_the_counting_bound(rng, model, method, solver):
    m, n, p = AT_BOUND[model]
    equations = p * m
    unknowns = m + n - 1 if model == "repeated" else m + p * n - 1
    assert equations == unknowns
    Y, stack, d, x = case(rng, model, m, n, p)
    found = solve(Y, stack, model, method, solver, tol=1e-13)
    assert max(errors(found, d, x)) <= 1e-8
    assert found.spectrum.null_dim == 1


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("model", "m", "n", "p", "null_dim"),
    [("repeated", 10, 14, 2, 4), ("diverse", 12, 6, 1, 6), ("snapshots", 12, 8, 2, 4)],
)
@pytest.mark.parametrize("snr_db", [np.inf, 20])
def test_below_the_bound_the_dimension_of_the_solutions_is_told(
    rng, solver, model, m, n, p, null_dim, snr_db
):
    Y, stack, _, _ = case(rng, model, m, n, p)
    found = solve(noisy(rng, Y, snr_db), stack, model, solver=solver)
    assert found.spectrum.null_dim == null_dim


@pytest.mark.parametrize("solver", SOLVERS)
def test_equal_snapshots_count_once(rng, solver):
    Y, stack, _, _ = case(rng, "snapshots", 16, 8, 1)
    found = solve(np.repeat(Y, 4, axis=0), stack, "snapshots", solver=solver)
    assert found.spectrum.null_dim > 1


@pytest.mark.parametrize("penalty", [{}, {"damp": 0.1}])
@pytest.mark.parametrize("method", ["ls", "svd"])
@pytest.mark.parametrize("model", MODELS)
def test_solvers_agree_in_noise(rng, model, method, penalty):
    Y, stack, d, _ = case(rng, model, *ABOVE[model], phase=0.4)
    Y = noisy(rng, Y, 15)
    w = mean(48) if method == "ls" else None
    dense, schur, iterative = (
        solve(Y, stack, model, method, solver, tol=1e-12, w=w, **penalty) for solver in SOLVERS
    )
    assert error_after_best_scalar(dense.gains, d) > 0.01  # the noise matters
    for other in (schur, iterative):
        np.testing.assert_allclose(other.gains, dense.gains, rtol=0, atol=1e-8)
        np.testing.assert_allclose(other.signals, dense.signals, rtol=0, atol=1e-8)
        assert other.residual_norm == pytest.approx(dense.residual_norm, rel=1e-8)
        assert other.spectrum.values[0] == pytest.approx(dense.spectrum.values[0], rel=0.01)
        # an estimate from above where it is iterative
        assert other.spectrum.values[1] == pytest.approx(dense.spectrum.values[1], rel=0.03)


@pytest.mark.parametrize("model", MODELS)
def test_the_operator_is_the_dense_matrix_and_the_truth_is_its_null_vector(rng, model):
    Y, stack, d, x = case(rng, model, 12, 4, 3)
    q = x.shape[0]
    penalty = rng.uniform(1, 2, size=(q, 4))
    for weights in (None, penalty):
        system = BalancedSystem(Y, stack, shared_signal=model == "repeated", penalty=weights)
        T = dense_matrix(system)
        z, r = gaussian(rng, T.shape[1]), gaussian(rng, T.shape[0])
        np.testing.assert_allclose(system.image(z), T @ z, atol=1e-12)
        np.testing.assert_allclose(system.adjoint(r), T.conj().T @ r, atol=1e-12)
    truth = system.joined(system.s_scale / d, system.x_scale * x)
    np.testing.assert_allclose(system.image(truth)[: Y.size], 0, atol=1e-12)
    lengths = np.linalg.norm(T[: Y.size], axis=0)
    np.testing.assert_allclose(lengths[:12], 1.0)
    assert np.mean(lengths[12:] ** 2) == pytest.approx(1.0)


@pytest.mark.parametrize("model", MODELS)
def test_scaled_measurements_scale_the_signal_and_leave_the_gains(rng, model):
    Y, stack, _, _ = case(rng, model, *ABOVE[model], phase=0.4)
    Y = noisy(rng, Y, 30)
    one = solve(Y, stack, model, w=mean(48))
    other = solve((2 - 3j) * Y, stack, model, w=mean(48))
    np.testing.assert_allclose(other.gains, one.gains, rtol=1e-9)
    np.testing.assert_allclose(other.signals, (2 - 3j) * one.signals, rtol=0, atol=1e-8)


@pytest.mark.parametrize("method", ["ls", "svd"])
def test_permuted_sensors_and_snapshots_permute_the_answer(rng, method):
    Y, stack, _, _ = case(rng, "diverse", *ABOVE["diverse"], phase=0.4)
    Y = noisy(rng, Y, 30)
    w = mean(48) if method == "ls" else None
    sensors, rows = rng.permutation(48), rng.permutation(4)
    one = solve(Y, stack, "diverse", method, w=w)
    permuted = MatrixStack(np.ascontiguousarray(stack.A[rows][:, sensors]))
    other = solve(np.ascontiguousarray(Y[rows][:, sensors]), permuted, "diverse", method, w=w)
    scalar = one.gains[sensors][0] / other.gains[0]  # "svd" makes the first gain positive
    np.testing.assert_allclose(other.gains * scalar, one.gains[sensors], rtol=0, atol=1e-8)
    np.testing.assert_allclose(other.signals / scalar, one.signals[rows], rtol=0, atol=1e-8)


def test_equal_gains_leave_ordinary_least_squares(rng):
    Y, stack, d, _ = case(rng, "diverse", *ABOVE["diverse"])
    Y = Y / d
    found = solve(Y, stack, "diverse", w=mean(48))
    np.testing.assert_allclose(found.gains, 1.0, atol=1e-10)
    wanted = [np.linalg.lstsq(A, y)[0] for A, y in zip(stack.A, Y, strict=True)]
    np.testing.assert_allclose(found.signals, wanted, atol=1e-10)


def test_first_singular_value_grows_with_the_noise_and_the_second_does_not(rng):
    Y, stack, _, _ = case(rng, "repeated", 64, 16, 4)
    values = np.stack(
        [solve(noisy(rng, Y, snr), stack, "repeated").spectrum.values[:2] for snr in (80, 60, 40)]
    )
    ratios = values[1:, 0] / values[:-1, 0]
    np.testing.assert_allclose(ratios, 10, rtol=0.3)  # other draws of the noise
    np.testing.assert_allclose(values[:, 1], values[0, 1], rtol=0.1)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("model", MODELS)
def test_dead_sensor_has_no_gain_and_spoils_no_other(rng, model, solver):
    Y, stack, d, x = case(rng, model, *ABOVE[model])
    Y[:, [3, 40]] = 0
    found = solve(Y, stack, model, solver=solver, tol=1e-12)
    live = np.ones(48, dtype=bool)
    live[[3, 40]] = False
    np.testing.assert_array_equal(live_sensors(Y), live)
    np.testing.assert_array_equal(np.isnan(found.gains), ~live)
    assert error_after_best_scalar(found.gains[live], d[live]) <= 1e-8
    assert error_after_best_scalar(found.signals, x) <= 1e-8
    assert np.isfinite(found.residual_norm)


def test_a_snapshot_without_signal_does_no_harm(rng):
    Y, stack, d, x = case(rng, "snapshots", 24, 6, 5)
    Y[2], x[2] = 0, 0
    assert max(errors(solve(Y, stack, "snapshots"), d, x)) <= 1e-10


def test_all_zero_measurements_are_refused():
    with pytest.raises(ValueError, match="zero"):
        solve(np.zeros((4, 8)), MatrixStack(np.ones((1, 8, 2))), "snapshots")


@pytest.mark.parametrize("solver", SOLVERS)
def test_inverse_gains_of_zero_mean_are_detected(rng, solver):
    Y, stack, d, x = case(rng, "repeated", 48, 16, 4)
    zero_mean = d * np.mean(1 / d)  # 1 / (1/d - mean(1/d)) is the gain with mean 1/gain zero
    gains = d / (1 - zero_mean)
    Y = noisy(rng, Y / d * gains, 60)
    with pytest.raises(ValueError, match="svd"):
        solve(Y, stack, "repeated", solver=solver, w=mean(48))
    found = solve(Y, stack, "repeated", "svd", solver=solver)
    assert error_after_best_scalar(found.signals, x) < 0.05


def test_phases_all_over_the_circle_need_no_mean(rng):
    Y, stack, d, x = case(rng, "diverse", *ABOVE["diverse"], phase=2.0)
    for found in (solve(Y, stack, "diverse", "svd"), solve(Y, stack, "diverse")):
        assert max(errors(found, d, x)) <= 1e-10


def test_svd_fixes_the_scalar_by_unit_inverse_gains_and_a_positive_first(rng):
    Y, stack, _, _ = case(rng, "repeated", 24, 6, 3)
    gains = solve(Y, stack, "repeated", "svd").gains
    assert np.mean(abs(1 / gains) ** 2) == pytest.approx(1.0)
    assert gains[0].imag == pytest.approx(0.0, abs=1e-12)
    assert gains[0].real > 0


def test_real_measurements_stay_real(rng):
    for model in MODELS:
        Y, stack, d, x = case(rng, model, 24, 6, 5, is_complex=False)
        for method in ("ls", "svd"):
            found = solve(Y, stack, model, method)
            assert found.gains.dtype == found.signals.dtype == np.float64
            assert max(errors(found, d, x)) <= 1e-10


def test_auto_takes_elimination_for_matrices_and_lsqr_for_fast_or_large_maps():
    dense = MatrixStack(np.ones((4, 512, 128)))
    assert resolved_solver("auto", dense, 4, True) == "schur"
    assert resolved_solver("dense", dense, 4, True) == "dense"
    fast = FourierStack(np.ones((4, 128)), 512)
    assert resolved_solver("auto", fast, 4, True) == "lsqr"
    assert resolved_solver("auto", FourierStack(np.ones((4, 16)), 64), 4, True) == "schur"
    shared = FourierStack(np.ones((1, 128)), 512)
    assert resolved_solver("auto", shared, 100, False) == "schur"
    wide = MatrixStack(np.broadcast_to(np.ones(1), (1, 3000, 10)))
    assert resolved_solver("auto", wide, 9, False) == "lsqr"


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("model", MODELS)
def test_every_library_gives_the_same(xp, rng, model, solver):
    Y, stack, _, _ = case(rng, model, 20, 6, 4)
    Y = noisy(rng, Y, 40)
    Y[:, 7] = 0
    wanted = solve(Y, stack, model, solver=solver, refine=2)
    w, shared = xp.asarray(reference(20)), model == "repeated"
    options = CalibrationOptions(solver=solver, shared_signal=shared, normalization=w, refine=2)
    found = calibrated(xp.asarray(Y), MatrixStack(xp.asarray(stack.A)), options)
    assert xp.owns(found.gains)
    assert xp.owns(found.signals)
    np.testing.assert_allclose(xp.numpy(found.gains), wanted.gains, atol=1e-8)
    np.testing.assert_allclose(xp.numpy(found.signals), wanted.signals, atol=1e-8)
    np.testing.assert_allclose(found.spectrum.values[:2], wanted.spectrum.values[:2], rtol=0.02)
