"""Sums that hide rows: calibration by the definition, sensitivity by brute force, the noise."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from subspace_learn.functional.grassmann.federated_privacy import (
    PrivacySettings,
    clipped_rows,
    read_sums,
    row_sums,
    symmetric_noise,
)
from subspace_learn.grassmann import gaussian_delta, gaussian_noise_scale

C = 2.5


def delta_by_integration(epsilon, scale):
    """The definition: largest excess of probability of N(1, s^2) over exp(epsilon) N(0, s^2)."""
    p, q = norm(1.0, scale).pdf, norm(0.0, scale).pdf
    where = 0.5 + epsilon * scale**2  # the densities cross here
    return quad(lambda x: p(x) - np.exp(epsilon) * q(x), where, where + 40 * scale)[0]


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 4.0])
@pytest.mark.parametrize("scale", [0.4, 1.0, 3.0])
def test_delta_is_the_excess_of_probability_in_the_definition(epsilon, scale):
    expected = delta_by_integration(epsilon, scale)
    assert gaussian_delta(epsilon, scale) == pytest.approx(expected, rel=1e-6, abs=1e-13)


@pytest.mark.parametrize("delta", [1e-10, 1e-6, 0.01])
@pytest.mark.parametrize("epsilon", [1e-3, 0.1, 0.9, 1.0, 8.0, 50.0, 1000.0])
def test_the_noise_is_the_least_that_keeps_delta(epsilon, delta):
    scale = gaussian_noise_scale(epsilon, delta)
    assert gaussian_delta(epsilon, scale) <= delta
    assert gaussian_delta(epsilon, scale * (1 - 1e-6)) > delta
    if epsilon < 1:  # the classical bound is valid here, and never less
        assert scale < np.sqrt(2 * np.log(1.25 / delta)) / epsilon


def test_known_noise_of_the_analytic_mechanism():
    # from the same formula, solved by bisection with 40-digit arithmetic (mpmath)
    assert gaussian_noise_scale(1.0, 1e-5) == pytest.approx(3.730631634815942, rel=1e-9)


def test_delta_falls_with_epsilon_and_noise_and_never_leaves_its_range():
    epsilons, scales = np.geomspace(1e-4, 1e4, 30), np.geomspace(1e-3, 1e3, 30)
    table = np.array([[gaussian_delta(e, s) for s in scales] for e in epsilons])
    assert ((table >= 0) & (table <= 1)).all()
    assert (np.diff(table, axis=0) <= 1e-15).all()
    assert (np.diff(table, axis=1) <= 1e-15).all()


@pytest.mark.parametrize(("epsilon", "delta"), [(0.0, 0.1), (np.inf, 0.1), (1, 0.0), (1, 1.0)])
def test_wrong_epsilon_or_delta_is_refused(epsilon, delta):
    with pytest.raises(ValueError, match="must be above 0 and finite"):
        gaussian_noise_scale(epsilon, delta)


def test_rows_are_scaled_down_to_the_norm_and_shorter_ones_kept(xp, rng):
    X = rng.normal(size=(50, 4)) * rng.uniform(0.1, 4.0, size=(50, 1))
    X[0] = 0.0
    found = xp.numpy(clipped_rows(xp.asarray(X), C))
    norms = np.linalg.norm(X, axis=1)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), np.minimum(norms, C), rtol=1e-14)
    np.testing.assert_array_equal(found[norms <= C], X[norms <= C])
    cosine = np.sum(found * X, axis=1) / np.where(norms > 0, norms * np.minimum(norms, C), 1)
    np.testing.assert_allclose(cosine[1:], 1.0, rtol=1e-13)


def test_one_row_more_changes_the_sums_by_at_most_the_sensitivity(rng):
    """Brute force over neighbours, the worst ones (rows of norm C) among them."""
    sensitivity = PrivacySettings(1.0, 1e-6, C).sensitivity
    changes = []
    for _ in range(200):
        X = rng.normal(size=(rng.integers(1, 12), 5)) * rng.uniform(0.1, 5.0)
        row = rng.normal(size=(1, 5)) * rng.choice([0.1, 1.0, 100.0])
        more = row_sums(np.concatenate([X, row]), None, C)
        less = row_sums(X, None, C)
        changes.append(np.linalg.norm(more - less))  # Frobenius
    assert max(changes) <= sensitivity * (1 + 1e-12)
    assert max(changes) > sensitivity * (1 - 1e-12)  # and the bound is reached


def test_noise_is_isotropic_on_symmetric_matrices(rng):
    draws = np.stack([symmetric_noise(np.empty((6, 6)), 3.0, rng) for _ in range(4000)])
    np.testing.assert_array_equal(draws, draws.transpose(0, 2, 1))
    spread = draws.std(axis=0)
    expected = np.where(np.eye(6, dtype=bool), 3.0, 3.0 / np.sqrt(2))
    # a deviation of 4000 draws is off by 1.1 %; five of that for 21 of them
    np.testing.assert_allclose(spread, expected, rtol=0.056)
    svec = draws[:, *np.triu_indices(6)] * np.where(np.eye(6), 1, np.sqrt(2))[np.triu_indices(6)]
    off = np.corrcoef(svec.T)[~np.eye(21, dtype=bool)]
    assert np.abs(off).max() < 5 / np.sqrt(4000)


@pytest.mark.parametrize("clip_norm", [np.inf, C])
def test_sums_hold_mean_scatter_and_number_of_rows(xp, rng, clip_norm):
    X = rng.normal(size=(300, 4)) * [1.0, 2.0, 0.5, 0.1] + [0.3, 0.0, -1.0, 2.0]
    weights = rng.integers(0, 4, size=300).astype(float)
    found = read_sums(row_sums(xp.asarray(X), xp.asarray(weights), clip_norm), clip_norm)
    rows = np.repeat(clipped_rows(X, clip_norm), weights.astype(int), axis=0)
    assert found.weight == pytest.approx(weights.sum(), rel=1e-12)
    np.testing.assert_allclose(xp.numpy(found.mean), rows.mean(axis=0), atol=1e-12)
    expected = (rows - rows.mean(axis=0)).T @ (rows - rows.mean(axis=0))
    np.testing.assert_allclose(xp.numpy(found.scatter), expected, atol=1e-9)
    assert xp.owns(found.scatter)


def test_sums_that_are_all_noise_are_refused_in_words():
    sums = np.diag([5.0, 5.0, -1.0])
    with pytest.raises(ValueError, match="number of rows is -1: the noise drowns everything"):
        read_sums(sums, np.inf)
    with pytest.raises(ValueError, match="variance of all features together is negative"):
        read_sums(np.diag([-5.0, 1.0, 10.0]), np.inf)


@pytest.mark.parametrize(
    ("noise_by", "of_client"), [("client", 1.0), ("share", 0.25), ("server", 0.0)]
)
def test_noise_of_a_client_by_who_is_trusted(noise_by, of_client):
    privacy = PrivacySettings(0.5, 1e-5, C, noise_by)
    # sensitivity C^2 (1 + 1/9), variance by the number of clients
    expected = (10 / 9) * C**2 * gaussian_noise_scale(0.5, 1e-5)
    assert privacy.noise_scale == pytest.approx(expected, rel=1e-12)
    assert privacy.scale_of_client(4) ** 2 == pytest.approx(of_client * expected**2, rel=1e-12)
    assert PrivacySettings(np.inf, 1e-5, C, noise_by).noise_scale == 0.0
