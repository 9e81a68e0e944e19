"""RandomMatrixFilter: what weights, copies, units, float32 and batches do and do not change."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from subspace_learn import RandomMatrixFilter
from subspace_learn.datasets import make_spiked_samples
from subspace_learn.functional.random_matrix.noise_laws import TableSize, edge_law, edge_sf


@pytest.fixture(scope="module")
def spiked():
    """400 rows of 100 features, three spikes, and their directions as columns."""
    spikes = (9.0, 4.0, 2.5)
    return make_spiked_samples(400, 100, spikes=spikes, mean=3.0, random_state=0, return_basis=True)


@pytest.mark.parametrize("standardize", [False, "features", "samples", "both"])
@pytest.mark.parametrize("solver", ["gram", "covariance"])
def test_moments_and_directions_are_those_of_repeated_rows(standardize, solver, rng):
    X = 7 * make_spiked_samples(80, 30, spikes=(30.0,), mean=2.0, random_state=0)
    weights = rng.integers(0, 4, 80)
    options = {"standardize": standardize, "solver": solver, "n_components": 1}
    weighted = RandomMatrixFilter(**options).fit(X, sample_weight=weights)
    repeated = RandomMatrixFilter(**options).fit(np.repeat(X, weights, axis=0))
    np.testing.assert_allclose(weighted.eigenvalues_, repeated.eigenvalues_, atol=1e-9)
    np.testing.assert_allclose(weighted.components_, repeated.components_, atol=1e-9)
    np.testing.assert_allclose(weighted.mean_, repeated.mean_)
    if standardize in ("features", "both"):
        np.testing.assert_allclose(weighted.scale_, repeated.scale_)


def balanced():
    """Class-balance weights of 20 rows in 200."""
    return np.where(np.arange(200) < 20, 5.0, 5 / 9)


@pytest.mark.parametrize("kind", ["balanced", "frequencies", "exponential"])
@pytest.mark.parametrize("noise", ["median", "mle"])
def test_weights_make_no_spikes_of_noise(kind, noise):
    """60 draws at 1 %: three of them by chance once in 3000 runs. Before, 11 spikes in each."""
    counts = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        X = 3 * rng.standard_normal((200, 40))
        weights = {
            "balanced": balanced(),
            "frequencies": rng.integers(1, 4, 200),
            "exponential": rng.exponential(size=200),
        }[kind]
        model = RandomMatrixFilter(on_empty="ignore", noise=noise).fit(X, sample_weight=weights)
        counts.append(model.n_components_)
    assert np.sum(np.array(counts) > 0) <= 3


def test_planted_spikes_are_found_and_debiased_under_weights():
    X = 2 * make_spiked_samples(600, 60, spikes=(30.0, 12.0), random_state=0)
    weights = np.random.default_rng(0).integers(1, 6, 600)
    model = RandomMatrixFilter().fit(X, sample_weight=weights)
    assert model.n_components_ == 2
    assert model.n_samples_effective_ == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    assert model.noise_variance_ == pytest.approx(4, rel=0.04)
    # (2 / 430)^(1/2) = 7 % each: three of these
    np.testing.assert_allclose(model.spikes_, [124, 52], rtol=0.21)


@pytest.mark.parametrize("noise", ["median", "mle", 4.0])
def test_a_common_factor_of_the_weights_decides_nothing(noise):
    X = 2 * make_spiked_samples(100, 30, spikes=(9.0,), random_state=1)
    plain = RandomMatrixFilter(noise=noise).fit(X)
    tripled = RandomMatrixFilter(noise=noise).fit(X, sample_weight=np.full(100, 3.0))
    np.testing.assert_allclose(tripled.p_values_, plain.p_values_, rtol=1e-8)
    assert tripled.noise_variance_ == pytest.approx(plain.noise_variance_)
    assert tripled.n_samples_effective_ == pytest.approx(100)


@pytest.mark.parametrize("solver", ["covariance", "gram"])
@pytest.mark.parametrize("noise", ["median", "mle"])
@pytest.mark.parametrize("spikes", [(), (20.0, 9.0)])
def test_weights_are_copies_for_every_attribute(solver, noise, spikes, rng):
    X = 3 * make_spiked_samples(90, 60, spikes=spikes, mean=2.0, random_state=0)
    weights = rng.integers(0, 4, 90)
    model = RandomMatrixFilter(solver=solver, noise=noise, on_empty="ignore")
    weighted = clone(model).fit(X, sample_weight=weights)
    copies = np.repeat(X, weights, axis=0)[rng.permutation(weights.sum())]
    repeated = clone(model).fit(copies)
    assert repeated.n_components_ == len(spikes)
    for name in set(READ) - {"n_samples_seen_"}:
        np.testing.assert_allclose(
            getattr(weighted, name), getattr(repeated, name), rtol=1e-7, atol=1e-9, err_msg=name
        )


def test_rows_of_few_levels_coincide_by_chance_and_count(rng):
    levels = rng.integers(0, 3, (900, 4)).astype(float)  # 81 different rows
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "What is left", UserWarning)
        model = RandomMatrixFilter(on_empty="ignore").fit(levels)
    assert model.n_samples_effective_ == pytest.approx(900)


@pytest.mark.parametrize(("n", "p"), [(30, 8), (50, 20)])
@pytest.mark.parametrize("noise", ["median", "mle", 9.0])
def test_default_significance_is_one_percent(n, p, noise):
    """1500 draws: 15 expected, standard deviation 3.9; 2 to 3.3 % before for the median."""
    rng = np.random.default_rng(n)
    model = RandomMatrixFilter(on_empty="ignore", noise=noise)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        counts = [model.fit(3 * rng.standard_normal((n, p)) + 5).n_components_ for _ in range(1500)]
    assert 0.003 < np.mean(np.array(counts) > 0) < 0.0175


def test_default_edge_is_the_one_percent_quantile():
    X = make_spiked_samples(100, 30, random_state=0)
    default, told = RandomMatrixFilter().fit(X), RandomMatrixFilter(significance=0.01).fit(X)
    assert default.upper_edge_ == told.upper_edge_
    assert default.upper_edge_ < RandomMatrixFilter(significance=0.005).fit(X).upper_edge_
    law = edge_law(TableSize(99, 30).without(default.n_components_), "median")
    unit = default.noise_variance_ * (99 - default.n_components_) / 99
    assert edge_sf(default.upper_edge_ / unit, law) == pytest.approx(0.01, rel=1e-6)


# --- scales, widths, streams --------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1.0, 300.0, 1e3, 1e4, 1e-6, 1e6])
@pytest.mark.parametrize("standardize", [False, "features"])
def test_float32_decides_as_float64_does_whatever_the_scale_of_one_column(factor, standardize):
    X = make_spiked_samples(300, 40, spikes=(15.0, 8.0), mean=1.0, random_state=0)
    X[:, 3] *= factor
    X = X.astype(np.float32)
    options = {"standardize": standardize}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "What is left", UserWarning)
        narrow = RandomMatrixFilter(**options).fit(X)
        wide = RandomMatrixFilter(**options).fit(X.astype(np.float64))
    assert narrow.n_components_ == wide.n_components_
    assert narrow.noise_variance_ == wide.noise_variance_ > 0.5
    assert narrow.upper_edge_ == wide.upper_edge_
    assert narrow.components_.dtype == np.float32
    np.testing.assert_allclose(narrow.p_values_, wide.p_values_, rtol=1e-5, atol=1e-37)


def test_noise_lost_to_rounding_is_said(rng):
    X = rng.standard_normal((200, 20)) * np.where(np.arange(20) == 4, 1e9, 1.0)
    with pytest.warns(UserWarning, match="0 to rounding beside the largest"):
        assert RandomMatrixFilter().fit(X).noise_variance_ == 0


@pytest.mark.parametrize("solver", ["covariance", "gram"])
@pytest.mark.parametrize("kind", ["tenth", "residue", "zero"])
def test_constant_columns_change_nothing_when_features_are_divided(solver, kind):
    """A constant .1 has a mean that is not .1: its deviation is a rounding residue."""
    X = make_spiked_samples(1001, 20, spikes=(9.0,), random_state=0)
    constant = np.full(1001, {"tenth": 0.1, "residue": 0.1, "zero": 0.0}[kind])
    if kind == "residue":
        constant[::2] = np.nextafter(0.1, 1)
    options = {"standardize": "features", "solver": solver}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "What is left", UserWarning)  # a spike in few features
        plain = RandomMatrixFilter(**options).fit(X)
        padded = RandomMatrixFilter(**options).fit(np.column_stack([X, constant]))
    assert padded.scale_[-1] == 1
    assert padded.n_components_ == plain.n_components_
    np.testing.assert_allclose(padded.components_[:, :-1], plain.components_, atol=1e-9)
    assert padded.noise_variance_ == pytest.approx(plain.noise_variance_, rel=1e-9)


CUTS = {
    "single rows": np.arange(1, 60),
    "one row first": [1],
    "one row last": [59],
    "uneven": [2, 3, 40],
}
READ = (
    "noise_variance_", "upper_edge_", "n_components_", "eigenvalues_", "p_values_", "spikes_",
    "cosines_", "components_", "mean_", "covariance_", "bulk_distance_", "n_samples_seen_",
    "n_samples_effective_", "gains_",
)  # fmt: skip


@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.parametrize("standardize", [False, "features"])
@pytest.mark.parametrize("weighted", [False, True])
def test_every_cut_into_batches_gives_the_statistics_of_one_fit(cuts, standardize, weighted):
    X = 3 * make_spiked_samples(60, 8, spikes=(30.0,), mean=5.0, random_state=0)
    X = np.column_stack([X, np.full(60, 0.1)])
    weights = np.random.default_rng(0).uniform(0.3, 4, 60) if weighted else np.ones(60)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "What is left", UserWarning)
        whole = RandomMatrixFilter(standardize=standardize).fit(X, sample_weight=weights)
        stream = RandomMatrixFilter(standardize=standardize)
        for rows in np.split(np.arange(60), CUTS[cuts]):
            stream.partial_fit(X[rows], sample_weight=weights[rows])
        assert stream.n_components_ == whole.n_components_  # solves
    for name in READ:
        np.testing.assert_allclose(
            getattr(stream, name), getattr(whole, name), rtol=1e-8, atol=1e-9, err_msg=name
        )
    if standardize:
        np.testing.assert_allclose(stream.scale_, whole.scale_)


def test_a_stream_solves_once_and_warns_once_when_it_is_asked(rng):
    batches = np.split(rng.standard_normal((400, 10)), 40)
    model = RandomMatrixFilter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for batch in batches:
            model.partial_fit(batch)
    with pytest.warns(UserWarning, match="No direction is kept") as caught:
        shape = model.n_components_, model.transform(batches[0]).shape
    assert shape == (0, (10, 0))
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_one_row_is_not_fitted_yet(rng):
    model = RandomMatrixFilter(n_components=1).partial_fit(rng.standard_normal((1, 4)))
    with pytest.raises(NotFittedError, match="seen one row"):
        model.transform(rng.standard_normal((1, 4)))
    model.partial_fit(rng.standard_normal((5, 4)))
    assert model.transform(rng.standard_normal((1, 4))).shape == (1, 1)


def test_attributes_do_not_change_when_parameters_are_set(spiked):
    X = spiked[0]
    fitted = RandomMatrixFilter().fit(X)
    stream = RandomMatrixFilter().partial_fit(X)  # not solved yet
    changes = {"center": False, "standardize": "features", "n_components": 7, "noise": "mle"}
    for model in (fitted, stream):
        model.set_params(**changes)
        for name in READ:
            np.testing.assert_allclose(
                getattr(model, name), getattr(RandomMatrixFilter().fit(X), name), err_msg=name
            )
    with pytest.raises(ValueError, match="center=False, but the rows seen so far"):
        fitted.partial_fit(X)


@pytest.mark.parametrize("standardize", [False, "features"])
def test_batches_and_merging_give_one_fit(spiked, standardize):
    X, options = spiked[0], {"standardize": standardize}
    whole = RandomMatrixFilter(**options).fit(X)
    stream = RandomMatrixFilter(**options, n_components=0)
    for rows in np.split(X, [50, 51, 300]):
        stream.partial_fit(rows)
    halves = RandomMatrixFilter(**options).fit(X[:150])
    halves.merge(RandomMatrixFilter(**options).fit(X[150:]))
    stream.set_params(n_components=None).merge(RandomMatrixFilter(**options).fit(X))
    for model, factor in ((halves, 1), (stream, 2)):
        assert model.n_samples_seen_ == 400 * factor
    np.testing.assert_allclose(halves.components_, whole.components_, atol=1e-9)
    np.testing.assert_allclose(halves.eigenvalues_, whole.eigenvalues_, rtol=1e-9)


def test_fits_that_cannot_be_continued_say_so(spiked):
    X = spiked[0]
    wide = RandomMatrixFilter(n_components=1).fit(X[:50])
    with pytest.raises(ValueError, match="kept no covariance sums"):
        wide.partial_fit(X[50:])
    with pytest.raises(AttributeError):
        RandomMatrixFilter(edge="permutation").partial_fit(X)
    model = RandomMatrixFilter().fit(X)
    with pytest.raises(TypeError, match="another fitted RandomMatrixFilter"):
        model.merge("other")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"center": False, "n_components": 1}, "center=True and center=False"),
        ({"standardize": "features"}, "standardize=False and standardize='features'"),
    ],
)
def test_fits_that_are_not_comparable_are_not_merged(spiked, other, message):
    X = spiked[0]
    with pytest.raises(ValueError, match=message):
        RandomMatrixFilter().fit(X).merge(RandomMatrixFilter(**other).fit(X))


def test_fits_of_other_columns_are_not_merged(spiked):
    frame = pd.DataFrame(spiked[0]).rename(columns=str)
    model = RandomMatrixFilter().fit(frame)
    with pytest.raises(ValueError, match="column names differ"):
        model.merge(RandomMatrixFilter().fit(frame.rename(columns={"3": "three"})))
    with pytest.raises(ValueError, match="another order"):
        model.merge(RandomMatrixFilter().fit(frame[frame.columns[::-1]]))


def test_batch_of_weight_zero_changes_nothing():
    rng = np.random.default_rng(0)
    X, weights = rng.normal(size=(60, 6)), rng.integers(0, 3, 60) * 0.5
    weights[[0, 30, 59]] = 0
    stream = RandomMatrixFilter(n_components=2)
    for i in range(60):
        stream.partial_fit(X[i : i + 1], sample_weight=weights[i : i + 1])
    whole = RandomMatrixFilter(n_components=2, solver="covariance").fit(X, sample_weight=weights)
    np.testing.assert_allclose(stream.eigenvalues_, whole.eigenvalues_, rtol=1e-10)
    assert stream.n_samples_seen_ == pytest.approx(whole.n_samples_seen_)


def test_merge_with_a_table_without_names_warns_once():
    X = np.random.default_rng(0).normal(size=(60, 3))
    named = RandomMatrixFilter(n_components=1).partial_fit(pd.DataFrame(X, columns=list("abc")))
    with pytest.warns(UserWarning, match="Only one of the two tables has column names") as told:
        named.merge(RandomMatrixFilter(n_components=1).partial_fit(X))
    assert len(told) == 1
