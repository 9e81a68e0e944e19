"""Gains of directions: what is best in tables whose signal is known, closed forms, laws."""

import numpy as np
import pytest
import scipy.sparse as sp

from subspace_learn.functional.random_matrix.beside_spikes import (
    RowFilter,
    direction_gains,
    filtered_rows,
)
from subspace_learn.functional.random_matrix.noise_laws import (
    TableSize,
    marchenko_pastur_quantile,
)
from subspace_learn.functional.random_matrix.spiked_model import (
    excess_spread,
    sample_eigenvalue,
    squared_cosine,
)

NOISE = 4.0  # variance


def planted(n, p, kind, rng):
    """Signal and noisy rows, and the covariance of the signal: three strong directions, or many."""
    strength = np.zeros(p)
    if kind == "spikes":
        strength[:3] = np.array([40.0, 20.0, 12.0]) * max(1.0, (p / n) ** 0.5)
    else:
        strength[:] = 60.0 / np.arange(1, p + 1)
    signal = rng.standard_normal((n, p)) * strength**0.5
    return signal, signal + NOISE**0.5 * rng.standard_normal((n, p)), strength


def spectrum(X):
    """Eigenvalues, descending, and eigenvectors as columns, of rows about 0."""
    _, singular, vectors = np.linalg.svd(X, full_matrices=False)
    return singular**2 / len(X), vectors.T


@pytest.mark.parametrize("kind", ["spikes", "decaying"])
@pytest.mark.parametrize("shape", [(400, 100), (200, 200), (100, 400)])
@pytest.mark.parametrize("fitted_rows", [False, True])
def test_gains_come_near_the_best_that_the_eigenvectors_allow(kind, shape, fitted_rows, rng):
    """The error beside that of gains which know the signal; without debiasing it is far off."""
    signal, X, strength = planted(*shape, kind, rng)
    values, V = spectrum(X)
    found = direction_gains(values, TableSize(*shape), NOISE, fitted_rows=fitted_rows)
    if fitted_rows:
        inside = np.einsum("ij,ij->j", V, signal.T @ X @ V) / shape[0]  # of signal and row
        signal_power, row_power = np.sum(signal**2) / shape[0], values
    else:
        inside = np.einsum("ij,i,ij->j", V, strength, V)
        signal_power, row_power = strength.sum(), inside + NOISE

    def error(gains):
        """Mean squared error of a row within the span of the eigenvectors, and beyond."""
        return signal_power - np.sum(2 * gains * inside) + np.sum(gains**2 * row_power)

    best = error(inside / row_power)
    plain = error(np.clip(1 - NOISE / values, 0, None))
    assert error(found.leading) < 1.16 * best
    assert error(found.leading) < plain
    if kind == "spikes" and max(shape) < 2 * min(shape):
        assert plain > 2 * best


@pytest.mark.parametrize("shape", [(4000, 1000), (1000, 4000)])
def test_isolated_eigenvalues_get_the_gains_of_the_spiked_model(shape):
    """Wiener's with the variance along a tilted direction; Gavish and Donoho's shrinkage."""
    n, p = shape
    gamma, spikes = p / n, np.array([400.0, 60.0]) * max(1.0, (p / n) ** 0.5)
    ranks = (np.arange(min(n, p) - 2) + 0.5) / (min(n, p) - 2)
    bulk = marchenko_pastur_quantile(ranks, gamma, nonzero=True)[::-1]
    values = np.concatenate([sample_eigenvalue(spikes, gamma), bulk])
    size = TableSize(n, p)
    new = direction_gains(NOISE * values, size, NOISE, fitted_rows=False)
    seen = (spikes - 1) * squared_cosine(spikes, gamma)
    np.testing.assert_allclose(new.leading[:2], seen / (seen + 1), rtol=3e-3)
    fitted = direction_gains(NOISE * values, size, NOISE, fitted_rows=True)
    shrunk = ((values[:2] - gamma - 1) ** 2 - 4 * gamma) ** 0.5 / values[:2]
    np.testing.assert_allclose(fitted.leading[:2], shrunk, rtol=3e-3)
    # of the bulk, which is all noise, nothing or little is kept
    for gains in (new, fitted):
        assert np.mean(gains.leading[2:]) < 0.03
        assert gains.rest == 0


@pytest.mark.parametrize("fitted_rows", [False, True])
def test_many_rows_give_the_textbook_filter(fitted_rows):
    values = np.linspace(9, 4.5, 20)
    gains = direction_gains(values, TableSize(10**8, 20), NOISE, fitted_rows=fitted_rows)
    np.testing.assert_allclose(gains.leading, 1 - NOISE / values, rtol=1e-3)


@pytest.mark.parametrize("fitted_rows", [False, True])
@pytest.mark.parametrize("shape", [(60, 20), (20, 60), (2, 5)])
def test_gains_fall_with_the_eigenvalue_and_know_no_unit(fitted_rows, shape, rng):
    values = spectrum(planted(*shape, "decaying", rng)[1])[0]
    gains = direction_gains(values, TableSize(*shape), NOISE, fitted_rows=fitted_rows)
    assert np.all(np.diff(gains.leading) <= 0)
    assert 0 <= gains.rest <= gains.leading[-1] <= gains.leading[0] <= 1
    tiny = direction_gains(
        1e-12 * values, TableSize(*shape), 1e-12 * NOISE, fitted_rows=fitted_rows
    )
    np.testing.assert_allclose(tiny.leading, gains.leading, rtol=1e-9)
    # a table whose eigenvalues are three times too large has noise three times as strong
    threefold = TableSize(*shape)._replace(unit=3.0)
    scaled = direction_gains(3 * values, threefold, NOISE, fitted_rows=fitted_rows)
    np.testing.assert_allclose(scaled.leading, gains.leading, rtol=1e-9)


def test_directions_that_no_row_shows_keep_their_share():
    """Variance 9 everywhere, of which 4 is noise: every direction is five ninths signal."""
    n, p = 100, 4000
    X = 3 * np.random.default_rng(0).standard_normal((n, p))
    gains = direction_gains(spectrum(X)[0], TableSize(n, p), NOISE, fitted_rows=False)
    assert gains.rest == pytest.approx(5 / 9, rel=0.03)
    fitted = direction_gains(spectrum(X)[0], TableSize(n, p), NOISE, fitted_rows=True)
    assert fitted.rest == 0  # rows of the fit have nothing there


def test_without_noise_everything_that_varies_is_kept():
    values = np.array([3.0, 1.0, 0.0])
    gains = direction_gains(values, TableSize(30, 3), 0.0, fitted_rows=False)
    np.testing.assert_array_equal(gains.leading, [1, 1, 0])
    assert gains.rest == 0


@pytest.mark.parametrize("rest", [0.0, 0.3])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_filtered_rows_are_the_matrix_of_the_gains_times_the_deviations(xp, rest, dtype, rng):
    X, scale = 5 + rng.standard_normal((7, 6)), np.linspace(1, 3, 6)
    directions = np.linalg.qr(rng.standard_normal((6, 2)))[0].T
    mean, gains = X.mean(axis=0), np.array([0.9, 0.5])
    matrix = rest * np.eye(6) + directions.T * (gains - rest) @ directions
    expected = mean + (X - mean) / scale @ matrix * scale
    parts = (xp.asarray(part) for part in (mean, scale, directions, gains))
    given = xp.asarray(X.astype(dtype))
    rows = filtered_rows(given, RowFilter(*parts, rest))
    assert xp.owns(rows)
    assert rows.dtype == given.dtype
    np.testing.assert_allclose(xp.numpy(rows), expected, rtol=1e-5 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("rest", [0.0, 0.3])
def test_sparse_rows_are_filtered_as_dense_ones(rest, rng):
    X = sp.csr_array(np.where(rng.random((9, 6)) < 0.4, rng.random((9, 6)), 0.0))
    directions = np.linalg.qr(rng.standard_normal((6, 2)))[0].T
    filter_ = RowFilter(np.ones(6), None, directions, np.array([0.9, 0.5]), rest)
    np.testing.assert_allclose(filtered_rows(X, filter_), filtered_rows(X.toarray(), filter_))


@pytest.mark.parametrize("shape", [(400, 50), (100, 100), (60, 600)])
@pytest.mark.parametrize("n_spikes", [0, 3])
def test_spread_of_noise_is_standard_normal_and_that_of_signal_is_not(shape, n_spikes, rng):
    n, p = shape
    scale = np.where(np.arange(p) < n_spikes, 10.0 * max(1.0, p / n), 1.0)
    values = [spectrum(7 * rng.standard_normal(shape) * scale)[0] for _ in range(100)]
    found = [excess_spread(v, TableSize(*shape), n_spikes) for v in values]
    # mean and standard deviation of 100 draws stray by .1 and .07
    assert np.mean(found) == pytest.approx(0, abs=0.4)
    assert np.std(found) == pytest.approx(1, abs=0.25)
    lifted = np.where(np.arange(p) < p // 3, 1 + 0.6 * (p / n) ** 0.5, 1.0)  # none stands out
    values = spectrum(7 * rng.standard_normal(shape) * (scale + lifted - 1))[0]
    assert excess_spread(values, TableSize(*shape), n_spikes) > 2


def test_spread_of_nothing_is_no_excess():
    assert excess_spread(np.array([2.0, 0.0, 0.0]), TableSize(20, 3), 1) == 0
