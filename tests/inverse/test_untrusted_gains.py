"""SelfCalibrationLS where data do not bear the model: wrong atoms, outliers, gaps, bad sensors."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from subspace_learn import SelfCalibrationLS
from subspace_learn.functional.inverse.self_calibration.robust import (
    bisquare_weights,
    gains_by_majority,
    starting_weights,
)
from subspace_learn.inverse import cosine_basis, error_after_best_scalar
from tests.functional.inverse.self_calibration.cases import case, noisy

NOT_DETERMINED = "The gains are not determined: the second singular value is only"


def fields(seed, snr_db, *, n_snapshots=20, n_sensors=32, n_atoms=6, is_complex=False):
    """Smooth fields behind unknown gains in units of 300: X, gains, signals."""
    rng = np.random.default_rng(seed)

    def draw(*shape):
        values = rng.standard_normal(shape)
        return values + 1j * rng.standard_normal(shape) if is_complex else values

    gains = rng.uniform(0.5, 1.5, n_sensors)
    if is_complex:
        gains = gains * np.exp(1j * rng.uniform(0, 1.2, n_sensors))
    x = 300 * draw(n_snapshots, n_atoms)
    X, noise = x @ cosine_basis(n_sensors, n_atoms).T * gains, draw(n_snapshots, n_sensors)
    return X + noise * np.linalg.norm(X) / np.linalg.norm(noise) * 10 ** (-snr_db / 20), gains, x


def with_outliers(X, n_outliers, seed=0):
    rng = np.random.default_rng(seed)
    X, place = X.copy(), rng.choice(X.size, n_outliers, replace=False)
    X.flat[place] += 10 * X.std() * rng.standard_normal(n_outliers)
    return X, place


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("snr_db", [60, 40, 30])
@pytest.mark.parametrize("n_atoms", [4, 5, 7, 8, None])
def test_a_wrong_number_of_atoms_is_recognised_and_the_right_one_is_not_suspected(
    n_atoms, snr_db, is_complex
):
    X, gains, _ = fields(11, snr_db, is_complex=is_complex)
    with pytest.warns(UserWarning, match=NOT_DETERMINED):
        wrong = SelfCalibrationLS(n_atoms=n_atoms).fit(X)
    assert not wrong.gains_determined_
    assert wrong.singular_value_ratio_ < 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        right = SelfCalibrationLS(n_atoms=6).fit(X)
    assert right.gains_determined_
    # 200 at 60 dB, in proportion to the signal-to-noise ratio
    assert right.singular_value_ratio_ > 0.1 * 10 ** (snr_db / 20)
    assert error_after_best_scalar(right.gains_, gains) < 2 * 10 ** (-snr_db / 20)


def test_the_ratio_is_that_of_the_singular_values_and_the_gap_their_difference():
    X, _, _ = fields(3, 30)
    fitted = SelfCalibrationLS(n_atoms=6).fit(X)
    A = cosine_basis(32, 6)
    blocks = np.kron(np.eye(20), A / np.linalg.norm(A) * 6**0.5)
    T = np.concatenate([np.concatenate([np.diag(y) for y in X]), -blocks], axis=1)
    T[:, :32] /= np.linalg.norm(X, axis=0)
    second, first = np.linalg.svd(T, compute_uv=False)[-2:]
    # inverse iteration stops when the second value changes by less than 1e-4
    assert fitted.smallest_singular_gap_ == pytest.approx(second - first, rel=1e-3)
    assert fitted.singular_value_ratio_ == pytest.approx(second / first, rel=1e-3)


@pytest.mark.parametrize(("m", "n", "p"), [(32, 6, 20), (12, 3, 10), (40, 20, 30), (24, 5, 16)])
@pytest.mark.parametrize("is_complex", [False, True])
def test_auto_finds_the_number_of_atoms(m, n, p, is_complex):
    X, gains, _ = fields(5, 40, n_sensors=m, n_atoms=n, n_snapshots=p, is_complex=is_complex)
    fitted = SelfCalibrationLS(n_atoms="auto").fit(X)
    assert fitted.n_atoms_ == n
    assert fitted.signal_.shape == (p, n)
    assert error_after_best_scalar(fitted.gains_, gains) < 0.02
    assert fitted.recover(X[:3]).shape == (3, n)


@pytest.mark.filterwarnings("ignore:The gains are not determined")
def test_score_is_no_guide_to_the_number_of_atoms():
    X, _, _ = fields(5, 40)
    search = GridSearchCV(SelfCalibrationLS(), {"n_atoms": [4, 6, 10]}, cv=3).fit(X)
    assert search.best_params_ == {"n_atoms": 10}


@pytest.mark.parametrize(
    ("model", "params"), [("repeated", {}), ("diverse", {}), ("diverse", {"solver": "lsqr"})]
)
def test_maps_of_another_instrument_are_recognised(rng, model, params):
    X, stack, gains, _ = case(rng, model, 32, 8, 6, phase=0.4)
    X = noisy(rng, X, 30)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        right = SelfCalibrationLS(model, sensing=stack.A, **params).fit(X)
    assert error_after_best_scalar(right.gains_, gains) < 0.05
    other = rng.permutation(stack.A, axis=1)
    with pytest.warns(UserWarning, match=NOT_DETERMINED):
        SelfCalibrationLS(model, sensing=other, method="svd", **params).fit(X)


@pytest.mark.parametrize("method", ["ls", "svd"])
@pytest.mark.parametrize("is_complex", [False, True])
def test_fifty_outliers_in_640_values_cost_less_than_a_factor_of_three(method, is_complex):
    for seed in range(4):
        X, gains, x = fields(seed, 40, is_complex=is_complex)
        clean = SelfCalibrationLS(n_atoms=6, method=method).fit(X)
        bad, place = with_outliers(X, 50, seed)
        robust = SelfCalibrationLS(n_atoms=6, method=method, loss="robust").fit(bad)
        errors = [error_after_best_scalar(model.gains_, gains) for model in (clean, robust)]
        assert errors[1] < 3 * errors[0]
        assert error_after_best_scalar(robust.signal_, x) < 0.05
        assert error_after_best_scalar(robust.recover(bad), x) < 0.05
        weights = robust.measurement_weights_
        others = np.delete(weights.ravel(), place)
        assert np.median(weights.flat[place]) < 0.01
        assert np.median(others) > 0.8


@pytest.mark.parametrize("size", [3, 50, 1e6])
@pytest.mark.parametrize("n_outliers", [1, 3, 12])
@pytest.mark.parametrize(("snr_db", "tol"), [(300, 1e-9), (60, 0.01)])
def test_outliers_take_no_sensor_from_exact_data_however_large_they_are(
    snr_db, tol, n_outliers, size
):
    for seed in range(3):
        X, gains, _ = fields(seed, snr_db, n_sensors=12, n_atoms=3)
        place = np.random.default_rng(seed).choice(X.size, n_outliers, replace=False)
        X.flat[place] += size * X.std()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = SelfCalibrationLS(n_atoms=3, loss="robust").fit(X)
        assert error_after_best_scalar(found.gains_, gains) < tol
        assert not found.measurement_weights_.flat[place].any()
        assert np.delete(found.measurement_weights_.ravel(), place).mean() > 0.8


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_a_sensor_in_another_unit_is_as_robust_as_the_others(unit):
    X, gains, _ = fields(4, 40, n_sensors=12, n_atoms=3)
    X[[2, 7, 11], 4] += 20 * X.std()
    X[5, 9] -= 50 * X.std()
    same = SelfCalibrationLS(n_atoms=3, loss="robust", reference=0).fit(X)
    scale = np.where(np.arange(12) == 4, unit, 1.0)
    found = SelfCalibrationLS(n_atoms=3, loss="robust", reference=0).fit(X * scale)
    assert error_after_best_scalar(found.gains_ / scale, gains) < 0.03
    np.testing.assert_allclose(found.gains_ / scale, same.gains_, rtol=0.02)
    assert not found.measurement_weights_[[2, 7, 11], 4].any()
    assert not found.measurement_weights_[5, 9]


def test_a_sensor_that_measured_nothing_is_not_said_to_disagree():
    X, _, _ = fields(4, 40, n_sensors=12, n_atoms=3)
    X[:, 4] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = SelfCalibrationLS(n_atoms=3, loss="robust").fit(X)
    assert np.flatnonzero(np.isnan(found.gains_)).tolist() == [4]
    with pytest.raises(ValueError, match=r"zero or nothing \(NaN\) in every"):
        SelfCalibrationLS(n_atoms=3, reference=4).fit(X)


@pytest.mark.parametrize("n_atoms", [1, None, "auto"])
def test_gains_that_explain_any_numbers_are_not_called_determined(n_atoms, rng):
    """One atom behind one snapshot: each gain is one measurement by one number."""
    estimator = SelfCalibrationLS(n_atoms=n_atoms, reference=0)
    with pytest.warns(UserWarning, match="leave no equation to spare"):
        found = estimator.fit(300 * rng.standard_normal((1, 12)))
    assert not found.gains_determined_
    assert found.n_atoms_ == 1


def test_a_gain_by_majority_is_that_of_most_measurements():
    z = np.array([[1.0, 2.0], [3.0, -1.0], [2.0, 5.0]])
    Y = z * np.array([0.7, 1.9])
    Y[0, 0] = 1e3
    weights = np.array([[1e-16, 1.0], [1e-16, 1.0], [1e-16, 0.0]])
    gains = gains_by_majority(Y, z, np.array([300.0, 1.8]), weights)
    np.testing.assert_allclose(gains, [0.7, 1.8])  # the second has its say by least squares
    turned = gains_by_majority(Y * 1j, z, np.array([300.0, 1.8j]), weights)
    np.testing.assert_allclose(turned, [0.7j, 1.8j])


@pytest.mark.parametrize("is_complex", [False, True])
def test_the_robust_loss_finds_the_same_in_torch(is_complex):
    torch = pytest.importorskip("torch")
    bad, _ = with_outliers(fields(3, 40, is_complex=is_complex)[0], 50, 3)
    bad[3, 4], bad[7, 1:] = np.nan, np.nan
    with pytest.warns(UserWarning, match="1 of 20 snapshots"):
        here = SelfCalibrationLS(n_atoms=6, loss="robust").fit(bad)
    with pytest.warns(UserWarning, match="1 of 20 snapshots"):
        there = SelfCalibrationLS(n_atoms=6, loss="robust").fit(torch.asarray(bad))
    for name in ("gains_", "signal_", "measurement_weights_", "sensor_residuals_"):
        values = getattr(there, name)
        assert torch.is_tensor(values)
        np.testing.assert_allclose(values.numpy(), getattr(here, name), rtol=1e-6, atol=1e-6)


@pytest.mark.filterwarnings("ignore:The gains are not determined")
def test_least_squares_says_that_outliers_have_spoilt_it():
    bad, _ = with_outliers(fields(1, 40)[0], 50)
    squared = SelfCalibrationLS(n_atoms=6, method="svd").fit(bad)
    assert not squared.gains_determined_
    assert not hasattr(squared, "measurement_weights_")
    robust = SelfCalibrationLS(n_atoms="auto", loss="robust").fit(bad)
    assert robust.n_atoms_ == 6
    assert robust.gains_determined_
    assert not SelfCalibrationLS(n_atoms=4, loss="robust").fit(bad).gains_determined_


@pytest.mark.filterwarnings("ignore:1 of 20 snapshots")
@pytest.mark.parametrize("noise", [0.5, 1.0, 3.0])
def test_one_noisy_sensor_of_twelve_does_not_throw_the_others_off(noise):
    X, gains, _ = fields(2, 40, n_sensors=12, n_atoms=3, n_snapshots=20)
    clean = error_after_best_scalar(SelfCalibrationLS(n_atoms=3).fit(X).gains_, gains)
    bad = X.copy()
    bad[:, 4] += noise * X.std() * np.random.default_rng(0).standard_normal(20)
    others = np.arange(12) != 4
    with pytest.warns(
        UserWarning, match=r"1 of 12 sensors measured little .*: 4\. They had no say"
    ):
        found = SelfCalibrationLS(n_atoms=3, loss="robust").fit(bad)
    assert np.flatnonzero(np.isnan(found.gains_)).tolist() == [4]
    assert error_after_best_scalar(found.gains_[others], gains[others]) < 3 * clean


@pytest.mark.parametrize("solver", ["schur", "lsqr"])
@pytest.mark.parametrize("is_complex", [False, True])
def test_nan_means_not_measured(solver, is_complex):
    X, gains, x = fields(7, 200, is_complex=is_complex)
    gaps = np.random.default_rng(1).random(X.shape) < 0.2
    gaps[:, 9] = True
    gaps[4], gaps[5, 3:] = True, True
    holes = np.where(gaps, np.nan, X)
    estimator = SelfCalibrationLS(n_atoms=6, solver=solver, tol=1e-12)
    with pytest.warns(UserWarning, match="2 of 20 snapshots, the first at row 4, measured fewer"):
        fitted = estimator.fit(holes)
    known, rows = np.arange(32) != 9, np.setdiff1d(np.arange(20), [4, 5])
    assert np.flatnonzero(np.isnan(fitted.gains_)).tolist() == [9]
    assert np.flatnonzero(np.isnan(fitted.signal_[:, 0])).tolist() == [4, 5]
    assert error_after_best_scalar(fitted.gains_[known], gains[known]) < 1e-7
    assert error_after_best_scalar(fitted.signal_[rows], x[rows]) < 1e-7
    assert fitted.null_dim_ == 1
    again = fitted.recover(holes)
    np.testing.assert_allclose(again[rows], fitted.signal_[rows], rtol=1e-5, atol=1e-3)
    assert np.isnan(again[4:6]).all()
    calibrated = fitted.transform(holes)
    np.testing.assert_array_equal(np.isnan(calibrated), gaps)
    # what was not measured says nothing against the model
    assert fitted.score(holes) == pytest.approx(1.0)


def test_gaps_weigh_as_leaving_the_equations_out():
    """Oracle: the rows of the plain matrix, those of the gaps removed."""
    X, _, _ = fields(8, 25, n_snapshots=8, n_sensors=12, n_atoms=3)
    gaps = np.random.default_rng(2).random(X.shape) < 0.2
    fitted = SelfCalibrationLS(n_atoms=3, reference=2).fit(np.where(gaps, np.nan, X))
    rows = np.concatenate([np.diag(y) for y in X])
    T = np.concatenate([rows, -np.kron(np.eye(8), cosine_basis(12, 3))], axis=1)[~gaps.ravel()]
    rest = np.delete(np.arange(T.shape[1]), 2)
    z = np.insert(np.linalg.lstsq(T[:, rest], -T[:, 2])[0], 2, 1.0)
    np.testing.assert_allclose(1 / fitted.gains_, z[:12], rtol=1e-8)
    np.testing.assert_allclose(fitted.signal_.ravel(), z[12:], rtol=1e-6, atol=1e-6)


def test_nothing_measured_is_said_in_its_own_words():
    with pytest.raises(ValueError, match="All measurements are zero"):
        SelfCalibrationLS(reference=0).fit(np.zeros((5, 12)))
    with pytest.raises(ValueError, match="nothing but NaN"):
        SelfCalibrationLS(reference=0).fit(np.full((5, 12), np.nan))
    X, _, _ = fields(1, 40)
    X[0, 0] = np.nan
    with pytest.raises(ValueError, match=r"NaN in 1 snapshot\(s\), the first at row 0"):
        SelfCalibrationLS("blind_deconvolution").fit(X)
    with pytest.raises(ValueError, match="spreads over all frequencies"):
        SelfCalibrationLS("blind_deconvolution", loss="robust").fit(np.nan_to_num(X))


def test_the_trivial_filter_is_no_answer(rng):
    """A subspace that holds a constant is explained by a filter that passes constants only."""
    X = rng.standard_normal((20, 16))
    with pytest.warns(UserWarning, match="15 of 16 sensors .* have no gain"):
        fitted = SelfCalibrationLS("blind_deconvolution", n_atoms=3, method="svd").fit(X)
    assert not fitted.gains_determined_


def test_sparsity_does_not_depend_on_the_strength_of_a_sensor():
    X, _, _ = fields(4, 60)
    weak = X.copy()
    weak[:, 3] *= 1e-6
    found = SelfCalibrationLS(n_atoms=6, sparsity=0.01, reference=0).fit(weak).gains_
    wanted = SelfCalibrationLS(n_atoms=6, sparsity=0.01, reference=0).fit(X).gains_
    wanted[3] *= 1e-6
    np.testing.assert_allclose(found, wanted, rtol=1e-3)


def test_weights_of_residuals_and_sizes():
    sizes = np.array([[1.0, 10.0, 2.0], [1.0, 10.0, np.nan], [1.0, 80.0, 2.0]])
    weights = starting_weights(sizes, 2.0)
    np.testing.assert_allclose(weights, [[1, 1, 1], [1, 1, 0], [1, 1 / 16, 1]])
    given = bisquare_weights(np.array([0.0, 4.685, 9.37, 100.0, np.nan]), 2.0)
    np.testing.assert_allclose(given, [1.0, 0.75**2, 1e-16, 1e-16, 0.0])
