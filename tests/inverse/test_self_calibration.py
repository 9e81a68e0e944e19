"""SelfCalibrationLS: every way to give the sensing, pipelines, filters, new data, bad input."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
import sklearn
from scipy.sparse.linalg import LinearOperator, aslinearoperator
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from subspace_learn import SelfCalibrationLS
from subspace_learn.functional.inverse.sensing import cosine_basis
from subspace_learn.inverse import (
    ConvolutionSensing,
    FourierSensing,
    HadamardSensing,
    error_after_best_scalar,
)
from tests.functional.inverse.self_calibration.cases import case, gaussian, noisy

MODELS = ("repeated", "diverse", "snapshots", "blind_deconvolution")


def smooth_fields(rng, n_snapshots=12, n_sensors=20, n_atoms=4):
    """Real fields spanned by cosines behind positive gains: X, gains, signals."""
    x = rng.standard_normal((n_snapshots, n_atoms))
    gains = rng.uniform(0.5, 1.5, n_sensors)
    return x @ cosine_basis(n_sensors, n_atoms).T * gains, gains, x


def blurred(rng, *, n_snapshots=4, m=32, n=8, is_complex=False):
    """Signals through known random codes and an unknown filter: X, codes C, filter, signals."""
    draw = gaussian if is_complex else lambda rng, *shape: rng.standard_normal(shape)
    C, x, h = draw(rng, n_snapshots, m, n), draw(rng, n_snapshots, n), draw(rng, m)
    X = np.fft.ifft(np.fft.fft(h) * np.fft.fft((C @ x[:, :, None])[:, :, 0]))
    return X if is_complex else X.real.copy(), C, h, x


@pytest.mark.parametrize("solver", ["auto", "schur", "lsqr"])
@pytest.mark.parametrize("method", ["ls", "svd"])
@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_all_models_are_exact(rng, model, is_complex, method, solver):
    if model == "blind_deconvolution":
        X, A, gains, x = blurred(rng, is_complex=is_complex)
    else:
        X, stack, gains, x = case(rng, model, 32, 8, 4, is_complex=is_complex)
        A = stack.A[0] if model == "snapshots" else stack.A
    estimator = SelfCalibrationLS(model, method=method, solver=solver, tol=1e-12)
    fitted = estimator.fit(X, sensing=A)
    found = fitted.filter_ if model == "blind_deconvolution" else fitted.gains_
    assert found.dtype == X.dtype
    assert fitted.signal_.dtype == X.dtype
    assert error_after_best_scalar(found, gains) <= 1e-8
    assert error_after_best_scalar(fitted.signal_, x) <= 1e-8
    assert fitted.signal_.shape == ((8,) if model == "repeated" else (4, 8))
    assert fitted.null_dim_ == 1
    assert fitted.smallest_singular_gap_ > 0.01
    assert fitted.score(X) == pytest.approx(1.0)
    np.testing.assert_allclose(fitted.recover(X), fitted.signal_, atol=1e-6)
    if model == "blind_deconvolution":
        np.testing.assert_allclose(np.fft.fft(fitted.filter_), fitted.gains_, atol=1e-8)
        ideal = (A @ fitted.signal_[:, :, None])[:, :, 0]
        np.testing.assert_allclose(fitted.transform(X), ideal, atol=1e-6)


@pytest.mark.filterwarnings("ignore:The gains are not determined")
def test_named_subspaces_are_their_matrices(rng):
    X, gains, _ = smooth_fields(rng)
    by_name = SelfCalibrationLS(n_atoms=4).fit(X)
    by_matrix = SelfCalibrationLS(sensing=cosine_basis(20, 4)).fit(X)
    np.testing.assert_allclose(by_name.gains_, by_matrix.gains_)
    assert error_after_best_scalar(by_name.gains_, gains) <= 1e-10
    Z = rng.standard_normal((9, 16))
    for name, operator in (("fourier", FourierSensing), ("hadamard", HadamardSensing)):
        given = SelfCalibrationLS(sensing=name, n_atoms=5, method="svd").fit(Z)
        wanted = SelfCalibrationLS(sensing=operator(16, 5), method="svd").fit(Z)
        np.testing.assert_array_equal(given.gains_, wanted.gains_)


@pytest.mark.filterwarnings("ignore:The gains are not determined")
def test_a_quarter_of_the_sensors_is_the_default_where_data_allow(rng):
    fit = SelfCalibrationLS().fit
    assert fit(rng.standard_normal((30, 20))).signal_.shape == (30, 5)
    assert fit(rng.standard_normal((1, 20))).signal_.shape == (1, 1)
    assert fit(rng.standard_normal((2, 3))).signal_.shape == (2, 1)


def test_operators_of_ours_of_scipy_and_matrices_agree(rng):
    signs = rng.choice([-1.0, 1.0], size=(4, 8))
    ours = [FourierSensing(32, 8, codes=row) for row in signs]
    A = np.stack([operator @ np.eye(8) for operator in ours])
    d, x = rng.uniform(0.5, 1.5, 32) * np.exp(1j * rng.uniform(0, 1, 32)), gaussian(rng, 8)
    X = noisy(rng, d * (A @ x), 30)
    wanted = SelfCalibrationLS("repeated", sensing=A, solver="schur").fit(X)
    scipys = [aslinearoperator(a) for a in A]
    mixed = [ours[0], *scipys[1:]]
    for sensing in (ours, tuple(ours), scipys, mixed, A.tolist()):
        for solver in ("schur", "lsqr"):
            found = SelfCalibrationLS("repeated", sensing=sensing, solver=solver, tol=1e-12).fit(X)
            np.testing.assert_allclose(found.gains_, wanted.gains_, atol=1e-8)
            np.testing.assert_allclose(found.signal_, wanted.signal_, atol=1e-8)
            assert found.score(X) == pytest.approx(wanted.score(X))
            again = pickle.loads(pickle.dumps(found)) if sensing is ours else found
            np.testing.assert_array_equal(again.transform(X), found.transform(X))
            clone(found).fit(X)


def test_sensing_of_fit_overrules_and_is_routed_through_a_pipeline(rng):
    X, stack, d, _ = case(rng, "diverse", 24, 6, 5)
    A = stack.A
    wanted = SelfCalibrationLS("diverse", sensing=A).fit(X)
    given = SelfCalibrationLS("diverse", sensing="dct").fit(X, sensing=A)
    np.testing.assert_array_equal(given.gains_, wanted.gains_)
    with sklearn.config_context(enable_metadata_routing=True):
        step = SelfCalibrationLS("diverse").set_fit_request(sensing=True)
        pipeline = make_pipeline(step).fit(X, sensing=A)
    np.testing.assert_array_equal(pipeline[-1].gains_, wanted.gains_)
    assert error_after_best_scalar(pipeline[-1].gains_, d) <= 1e-8


def test_gains_learnt_on_some_snapshots_calibrate_others_in_a_pipeline(rng):
    X, gains, x = smooth_fields(rng, n_snapshots=60)
    y = x @ [1.0, -2.0, 0.5, 3.0]
    model = make_pipeline(SelfCalibrationLS(n_atoms=4), LinearRegression()).fit(X[:40], y[:40])
    assert model.score(X[40:], y[40:]) > 0.999
    scale = np.mean(1 / gains)
    np.testing.assert_allclose(model[0].transform(X[40:]) * gains * scale, X[40:], atol=1e-10)


def test_transform_divides_by_the_gains_and_back(rng):
    X, gains, x = smooth_fields(rng)
    fitted = SelfCalibrationLS(n_atoms=4, reference=7).fit(X)
    assert fitted.gains_[7] == pytest.approx(1.0)
    np.testing.assert_allclose(fitted.gains_, gains / gains[7])
    new = rng.standard_normal((3, 4)) @ cosine_basis(20, 4).T
    np.testing.assert_allclose(fitted.transform(new * gains), new * gains[7])
    np.testing.assert_allclose(fitted.inverse_transform(fitted.transform(X)), X)
    np.testing.assert_allclose(fitted.recover(X), x * gains[7], atol=1e-10)
    np.testing.assert_allclose(fitted.signal_, x * gains[7], atol=1e-10)


def test_normalisations(rng):
    X, _, _ = smooth_fields(rng)
    assert np.mean(1 / SelfCalibrationLS(n_atoms=4).fit(X).gains_) == pytest.approx(1)
    w = rng.uniform(0, 1, 20)
    given = SelfCalibrationLS(n_atoms=4, normalization=w).fit(X).gains_
    assert np.sum(w / given) == pytest.approx(1)
    given = SelfCalibrationLS(n_atoms=4, method="svd").fit(X).gains_
    assert np.mean(given**-2.0) == pytest.approx(1)
    given = SelfCalibrationLS(n_atoms=4, method="svd", reference=2, normalization=None).fit(X)
    assert given.gains_[2] == pytest.approx(1)


def test_dead_sensor_gets_nan_and_only_its_column(rng):
    X, gains, x = smooth_fields(rng)
    X[:, 5] = 0
    live = np.arange(20) != 5
    fitted = SelfCalibrationLS(n_atoms=4).fit(X)
    assert np.isnan(fitted.gains_[5])
    assert error_after_best_scalar(fitted.gains_[live], gains[live]) <= 1e-10
    for given, model in ((X, fitted), (X * 1j, SelfCalibrationLS(n_atoms=4).fit(X * 1j))):
        calibrated = model.transform(given)
        assert np.isnan(calibrated[:, 5]).all()
        assert np.isfinite(calibrated[:, live]).all()
    X[:, 5] = 7.0  # it may say anything later
    assert error_after_best_scalar(fitted.recover(X), x) <= 1e-10
    assert fitted.score(X) == pytest.approx(1.0)


def test_a_frequency_that_the_filter_does_not_pass_stays_zero(rng):
    X, C, h, x = blurred(rng)
    transfer = np.fft.fft(h)
    transfer[[5, 27]] = 0  # a conjugate pair
    X = np.fft.ifft(np.fft.fft(X) / np.fft.fft(h) * transfer).real
    fitted = SelfCalibrationLS("blind_deconvolution", sensing=C).fit(X)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(fitted.gains_)), [5, 27])
    assert error_after_best_scalar(fitted.filter_, np.fft.ifft(transfer).real) <= 1e-8
    assert error_after_best_scalar(fitted.signal_, x) <= 1e-8
    spectrum = np.fft.fft(fitted.transform(X))
    np.testing.assert_allclose(spectrum[:, [5, 27]], 0, atol=1e-10)


def test_known_pulses_through_an_unknown_channel(rng):
    pulses = rng.choice([-1.0, 1.0], size=(4, 64))
    operators = [ConvolutionSensing(pulse, 12) for pulse in pulses]
    x, h = rng.standard_normal((4, 12)), np.exp(-np.arange(64) / 3.0)
    ideal = np.stack([A @ row for A, row in zip(operators, x, strict=True)])
    X = np.fft.ifft(np.fft.fft(h) * np.fft.fft(ideal)).real
    for solver in ("schur", "lsqr"):
        fitted = SelfCalibrationLS("blind_deconvolution", solver=solver).fit(X, sensing=operators)
        assert error_after_best_scalar(fitted.filter_, h) <= 1e-7
        np.testing.assert_allclose(fitted.inverse_transform(fitted.transform(X)), X, atol=1e-9)


def test_reference_frequency_leaves_the_filter_complex(rng):
    X, C, h, _ = blurred(rng)
    fitted = SelfCalibrationLS("blind_deconvolution", sensing=C, reference=3).fit(X)
    assert fitted.gains_[3] == pytest.approx(1.0)
    assert np.iscomplexobj(fitted.filter_)
    assert error_after_best_scalar(fitted.filter_, h.astype(complex)) <= 1e-8


def test_recover_takes_new_maps_and_needs_them_where_those_of_fit_do_not_fit(rng):
    X, stack, d, _ = case(rng, "diverse", 24, 6, 5)
    fitted = SelfCalibrationLS("diverse", sensing=stack.A, reference=0).fit(X)
    A, x = gaussian(rng, 2, 24, 6), gaussian(rng, 2, 6)
    new = d * (A @ x[:, :, None])[:, :, 0]
    np.testing.assert_allclose(fitted.recover(new, A), x * d[0], atol=1e-8)
    assert fitted.score(new, sensing=A) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="5 maps, but X has 2"):
        fitted.recover(new)
    with pytest.raises(ValueError, match="5 maps, but X has 2"):
        fitted.score(new)


@pytest.mark.filterwarnings("ignore:The gains are not determined")
def test_real_measurements_with_complex_maps_give_complex_gains(rng):
    X = rng.standard_normal((9, 16))
    fitted = SelfCalibrationLS(sensing="fourier", n_atoms=3, method="svd").fit(X)
    assert fitted.gains_.dtype == np.complex128
    assert fitted.transform(X.astype(np.float32)).dtype == np.complex128
    single = SelfCalibrationLS(sensing="fourier", n_atoms=3, method="svd").fit(X.astype(np.float32))
    assert single.gains_.dtype == np.complex64
    assert single.transform(X.astype(np.float32)).dtype == np.complex64


def test_too_few_snapshots_warn_and_tell_the_dimension(rng):
    X, _, _ = smooth_fields(rng, n_snapshots=2, n_atoms=12)
    with pytest.warns(UserWarning, match=r"dimension 4 \(null_dim_\)"):
        fitted = SelfCalibrationLS(n_atoms=12).fit(X)
    assert fitted.null_dim_ == 4
    X, _, _ = smooth_fields(rng, n_snapshots=2, n_atoms=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fitted.set_params(n_atoms=3).fit(X).null_dim_ == 1


def test_lsqr_that_stops_early_says_so(rng):
    X, stack, _, _ = case(rng, "repeated", 64, 16, 4)
    with pytest.warns(ConvergenceWarning, match="3 steps"):
        SelfCalibrationLS("repeated", sensing=stack.A, solver="lsqr", max_iter=3).fit(X)


def test_verbose_prints_and_silence_does_not(rng, capsys):
    X, _, _ = smooth_fields(rng)
    SelfCalibrationLS(n_atoms=4).fit(X)
    assert capsys.readouterr().out == ""
    SelfCalibrationLS(n_atoms=4, refine=3, verbose=1).fit(X)
    out = capsys.readouterr().out
    assert "[SelfCalibrationLS] smallest singular values" in out
    assert "refining step" in out


@pytest.mark.filterwarnings("ignore:The gains are not determined")
def test_a_second_fit_of_another_model_leaves_no_filter_behind(rng):
    X, C, _, _ = blurred(rng)
    estimator = SelfCalibrationLS("blind_deconvolution", sensing=C).fit(X)
    assert hasattr(estimator, "filter_")
    estimator.set_params(model="diverse").fit(rng.standard_normal((4, 32)))
    assert not hasattr(estimator, "filter_")


def wrong_adjoint(A):
    return LinearOperator(A.shape, matvec=lambda x: A @ x, rmatvec=lambda y: A.T @ y, dtype=complex)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"sensing": np.ones((7, 3))}, "7 sensors, but X has 12 columns"),
        ({"sensing": np.ones(12)}, r"shape \(12,\)"),
        ({"sensing": "wavelets"}, "not known"),
        ({"sensing": [["a"] * 3] * 12}, "dtype"),
        ({"sensing": np.full((12, 3), np.nan)}, "NaN"),
        ({"sensing": np.ones((5, 12, 3))}, "model='diverse'"),
        ({"model": "diverse", "sensing": np.ones((4, 12, 3))}, "4 maps, but X has 5"),
        ({"sensing": np.ones((12, 3)), "n_atoms": 4}, "Leave n_atoms out"),
        ({"n_atoms": 13}, "n_atoms=13"),
        ({"sensing": "hadamard"}, "power of two"),
        ({"sensing": [FourierSensing(12, 2), FourierSensing(12, 3)]}, "differ in shape"),
        ({"sensing": wrong_adjoint(np.exp(1j * np.arange(36.0)).reshape(12, 3))}, "conjugate it"),
        ({"reference": 12}, "reference=12"),
        ({"reference": 3}, "dead sensor"),
        ({"normalization": None}, "needs a normalization"),
        ({"normalization": np.ones(4)}, r"shape \(4,\)"),
        ({"normalization": np.zeros(12)}, "not all zero"),
        ({"normalization": np.full(12, np.inf)}, "NaN or infinity"),
        ({"gain_basis": np.ones((4, 2))}, "one row for each"),
        ({"sparsity": 0.1, "method": "svd"}, "sparsity needs method='ls'"),
    ],
)
def test_bad_parameters_say_what_is_needed(rng, params, message):
    X = rng.standard_normal((5, 12))
    X[:, 3] = 0
    with pytest.raises(ValueError, match=message):
        SelfCalibrationLS(**params).fit(X)


def test_bad_measurements_say_what_is_needed(rng):
    X, _, _ = smooth_fields(rng)
    with pytest.raises(ValueError, match="zero"):
        SelfCalibrationLS().fit(np.zeros((4, 6)))
    with pytest.raises(ValueError, match="NaN or infinity"):
        SelfCalibrationLS().fit(np.where(X > 1, np.inf, X) + 0j)
    fitted = SelfCalibrationLS(n_atoms=4).fit(X)
    with pytest.raises(ValueError, match="19 features"):
        fitted.transform(X[:, 1:])
    with pytest.raises(ValueError, match="real measurements"):
        fitted.transform(X + 0j)
    with pytest.raises(ValueError, match="no energy"):
        fitted.score(np.zeros((2, 20)))
    signs = np.tile([1.0, -1.0], 10)  # inverse gains of zero mean
    with pytest.raises(ValueError, match="svd"):
        SelfCalibrationLS(n_atoms=4).fit(_noisy_fields(rng) * signs)
    found = SelfCalibrationLS(n_atoms=4, method="svd").fit(_noisy_fields(rng) * signs)
    np.testing.assert_allclose(found.gains_, signs, atol=0.05)


def _noisy_fields(rng):
    fields = rng.standard_normal((12, 4)) @ cosine_basis(20, 4).T
    return fields + 1e-3 * rng.standard_normal(fields.shape)


def test_scipy_operators_need_numpy_measurements(xp, rng):
    if xp.name == "numpy":
        pytest.skip("NumPy is what they take")
    X, _, _ = smooth_fields(rng)
    with pytest.raises(ValueError, match="LinearOperators of SciPy"):
        SelfCalibrationLS(sensing=aslinearoperator(np.ones((20, 3)))).fit(xp.asarray(X))


@pytest.mark.parametrize("solver", ["schur", "lsqr"])
@pytest.mark.parametrize("kind", ["fourier", "hadamard", "convolution"])
def test_fast_operators_work_in_every_library(xp, rng, kind, solver):
    codes = rng.choice([-1.0, 1.0], size=(4, 8))
    kernels = rng.standard_normal((4, 32))
    operators = {
        "fourier": [FourierSensing(32, 8, codes=code) for code in codes],
        "hadamard": [HadamardSensing(32, 8, codes=code) for code in codes],
        "convolution": [ConvolutionSensing(kernel, 8) for kernel in kernels],
    }[kind]
    d, x = rng.uniform(0.5, 1.5, 32) * np.exp(1j * rng.uniform(0, 1, 32)), gaussian(rng, 8)
    X = d * np.stack([A @ x for A in operators])
    found = SelfCalibrationLS("repeated", sensing=operators, solver=solver).fit(xp.asarray(X))
    assert xp.owns(found.gains_)
    assert xp.owns(found.signal_)
    assert error_after_best_scalar(xp.numpy(found.gains_), d) <= 1e-8
    assert xp.owns(found.recover(xp.asarray(X)))
    assert found.score(xp.asarray(X)) == pytest.approx(1.0)
