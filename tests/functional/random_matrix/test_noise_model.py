"""Noise level, edge and shrinkage from eigenvalues alone."""

import numpy as np
import pytest

from subspace_learn.functional.random_matrix.noise_laws import (
    TableSize,
    marchenko_pastur_quantile,
)
from subspace_learn.functional.random_matrix.spiked_model import (
    NoiseRule,
    bulk_distance,
    debiased_spikes,
    noise_model,
    noise_variance,
    sample_eigenvalue,
    shrunk_spectrum,
)

SIZE = TableSize(400, 100)


def ideal(variance=2.0, spikes=(), size=SIZE):
    """Eigenvalues at the quantiles of the law of noise, and spikes at their limits."""
    gamma, rest = size.aspect(len(spikes)), size.without(len(spikes))
    ranks = (np.arange(rest.n_features) + 0.5) / rest.n_features
    bulk = marchenko_pastur_quantile(ranks, rest.aspect())[::-1] * rest.n_samples / size.n_samples
    return variance * np.concatenate([sample_eigenvalue(np.array(spikes, float), gamma), bulk])


@pytest.mark.parametrize("spikes", [(), (9.0, 4.0), tuple(np.linspace(20, 3, 15))])
def test_variance_and_spikes_of_an_ideal_spectrum_are_found(spikes):
    model = noise_model(ideal(2.0, spikes), SIZE, NoiseRule())
    assert model.n_components == len(spikes)
    assert model.variance == pytest.approx(2.0, rel=2e-3)  # 100 quantiles stand for a law
    found = debiased_spikes(ideal(2.0, spikes)[: len(spikes)], SIZE, 2.0)
    np.testing.assert_allclose(found.eigenvalues, 2.0 * np.array(spikes, float), rtol=1e-9)


@pytest.mark.parametrize(
    ("shape", "n_spikes"), [((400, 100), 15), ((200, 200), 10), ((100, 400), 10)]
)
def test_median_is_not_biased_by_strong_spikes(shape, n_spikes, rng):
    """Strong spikes take rows as well as columns: counted, the median is right on the mean."""
    n, p = shape
    scale = np.ones(p)
    scale[:n_spikes] = 30**0.5
    found = []
    for _ in range(30):
        singular = np.linalg.svd(rng.standard_normal(shape) * scale, compute_uv=False)
        found.append(noise_variance(singular**2 / n, TableSize(n, p), n_spikes, "median"))
    # one draw has a standard deviation of 1.3 to 1.6 %, the mean of 30 of .3 %; spikes of 30 are
    # not infinite, which leaves .4 %. Without the count of rows the mean is off by 4 and 8 %.
    assert np.mean(found) == pytest.approx(1, abs=0.012)


def test_likelihood_rule_shares_out_the_trace():
    values = ideal(2.0, (9.0, 4.0))
    variance = noise_variance(values, SIZE, 2, "mle")
    spikes = debiased_spikes(values[:2], SIZE, variance).eigenvalues
    assert 98 * variance + spikes.sum() == pytest.approx(values.sum())
    assert noise_variance(ideal(2.0), SIZE, 0, "mle") == pytest.approx(2.0, rel=1e-3)


def test_known_noise_is_given_back():
    assert noise_variance(ideal(), SIZE, 0, 0.7) == 0.7


def test_edges_are_ordered_as_their_purposes_are():
    edges = {
        edge: noise_model(ideal(), SIZE, NoiseRule(edge=edge)).edge
        for edge in ("marchenko_pastur", "tracy_widom", "gavish_donoho")
    }
    assert edges["marchenko_pastur"] < edges["tracy_widom"] < edges["gavish_donoho"]


def test_gavish_donoho_edge_does_not_depend_on_which_side_is_long():
    tall, wide = TableSize(400, 100), TableSize(100, 400)
    values = ideal(1.0)
    rule = NoiseRule(1.0, "gavish_donoho")
    # singular values of X: sqrt(n times eigenvalue)
    assert noise_model(values, tall, rule).edge * 400 == pytest.approx(
        noise_model(values, wide, rule).edge * 100
    )


def test_permutation_edge_leaves_the_asked_share_of_null_values_above():
    null = np.arange(1.0, 100.0)
    values = np.concatenate([[99.5, 98.5], ideal(1.0)])
    model = noise_model(values, SIZE, NoiseRule(edge="permutation", significance=0.02), null)
    assert model.edge == 98.0
    assert model.n_components == 2
    np.testing.assert_allclose(model.p_values[:2], [0.01, 0.02])
    assert np.all(model.p_values[2:] > 0.02)


def test_p_values_agree_with_the_edge():
    values = ideal(1.0, (5.0, 1.6))
    model = noise_model(values, SIZE, NoiseRule(significance=0.05))
    np.testing.assert_array_equal(values > model.edge, model.p_values < 0.05)


def test_exact_low_rank_has_no_noise():
    values = np.concatenate([[3.0, 1.0], np.zeros(98)])
    model = noise_model(values, SIZE, NoiseRule())
    assert (model.variance, model.n_components) == (0.0, 2)
    spikes = debiased_spikes(values[:2], SIZE, 0.0)
    np.testing.assert_array_equal(spikes.eigenvalues, [3.0, 1.0])
    assert shrunk_spectrum(values, SIZE, 0.0, spikes, "stein").rest == 0
    assert bulk_distance(values, SIZE, model) == 1


def test_clipping_keeps_the_trace_and_none_keeps_everything():
    values = ideal(2.0, (9.0, 4.0))
    spikes = debiased_spikes(values[:2], SIZE, 2.0)
    clip = shrunk_spectrum(values, SIZE, 2.0, spikes, "clip")
    assert clip.leading.sum() + 98 * clip.rest == pytest.approx(values.sum())
    none = shrunk_spectrum(values, SIZE, 2.0, spikes, "none")
    np.testing.assert_array_equal(none.leading, values)


@pytest.mark.parametrize("shrinkage", ["frobenius", "operator", "stein"])
def test_shrunk_values_lie_between_noise_and_spike(shrinkage):
    values = ideal(2.0, (9.0, 4.0))
    spikes = debiased_spikes(values[:2], SIZE, 2.0)
    shrunk = shrunk_spectrum(values, SIZE, 2.0, spikes, shrinkage)
    assert np.all(shrunk.leading <= spikes.eigenvalues)
    assert np.all(shrunk.leading > 2.0)
    assert shrunk.rest == 2.0


def test_bulk_distance_tells_noise_from_a_spectrum_that_decays():
    noise = ideal(1.0)
    assert bulk_distance(noise, SIZE, noise_model(noise, SIZE, NoiseRule())) < 0.02
    decays = np.arange(1.0, 101.0) ** -1.0
    assert bulk_distance(decays, SIZE, noise_model(decays, SIZE, NoiseRule())) > 0.2
