"""RandomMatrixFilter: what it finds, its algebra, its options, its streams, its errors."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.stats import multivariate_normal
from sklearn import config_context
from sklearn.base import clone
from sklearn.covariance import EmpiricalCovariance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from subspace_learn import RandomMatrixFilter
from subspace_learn.datasets import make_spiked_samples

SPIKES = (9.0, 4.0, 2.5)


@pytest.fixture(scope="module")
def spiked():
    """400 rows of 100 features, three spikes, and their directions as columns."""
    return make_spiked_samples(400, 100, spikes=SPIKES, mean=3.0, random_state=0, return_basis=True)


# --- what it finds ------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", ["median", "mle", 1.0])
@pytest.mark.parametrize("shape", [(400, 100), (100, 400), (200, 200)])
def test_planted_spikes_are_found_and_debiased(noise, shape):
    spikes = np.array([40.0, 20.0])
    X, basis = make_spiked_samples(*shape, spikes=spikes, random_state=1, return_basis=True)
    model = RandomMatrixFilter(noise=noise).fit(X)
    assert model.n_components_ == 2
    # The trace of n x p numbers strays by sqrt(2 / (n p)) = .7 %, a median by 1.1 %; that of 200
    # eigenvalues that reach down to 0 is the least certain of these, with 1.8 %.
    square_median = noise == "median" and shape[0] == shape[1]
    assert model.noise_variance_ == pytest.approx(1, abs=0.054 if square_median else 0.03)
    # an eigenvalue of n rows strays by sqrt(2 / n) of itself: three of these
    np.testing.assert_allclose(model.spikes_, spikes + 1, rtol=3 * (2 / shape[0]) ** 0.5)
    # the sample direction may lie on either side
    cosines = np.abs(np.sum(model.components_.T * basis, axis=0))
    np.testing.assert_allclose(model.cosines_, cosines, atol=0.05)


@pytest.mark.parametrize("shape", [(400, 100), (100, 400), (200, 200)])
def test_likelihood_rule_knows_the_noise_of_every_draw_within_3_percent(shape):
    """A trace of n p numbers has a standard deviation of sqrt(2 / (n p)) = .7 %: four are 3 %."""
    for seed in range(30):
        X = make_spiked_samples(*shape, spikes=(40.0, 20.0), random_state=seed)
        variance = RandomMatrixFilter(noise="mle").fit(X).noise_variance_
        assert variance == pytest.approx(1, abs=0.03)


def test_debiased_spikes_are_right_within_3_percent_on_the_mean():
    n, p, spike, n_draws = 400, 200, 20.0, 50
    found = [
        RandomMatrixFilter(noise="mle")
        .fit(make_spiked_samples(n, p, spikes=(spike,), random_state=seed))
        .spikes_[0]
        for seed in range(n_draws)
    ]
    # sd of one: (2 / n)^(1/2) (1 - gamma / spike^2)^(-1/2) = 7.1 %; of the mean of 50: 1 %
    assert np.mean(found) == pytest.approx(spike + 1, rel=0.03)


def test_noise_alone_gives_a_spike_as_often_as_significance_says(rng):
    model = RandomMatrixFilter(significance=0.05, on_empty="ignore")
    counts = [model.fit(rng.standard_normal((120, 60))).n_components_ for _ in range(300)]
    # 15 of 300 expected, standard deviation 3.8; the noise level is estimated, which adds some
    assert 0.02 <= np.mean(np.array(counts) > 0) <= 0.09


@pytest.mark.parametrize("edge", ["tracy_widom", "gavish_donoho", "permutation"])
@pytest.mark.parametrize("standardize", [False, "features", "samples", "both"])
def test_every_edge_and_scale_finds_strong_spikes_in_white_noise(edge, standardize):
    X = make_spiked_samples(400, 100, spikes=(8.0, 5.0), random_state=3)
    model = RandomMatrixFilter(edge=edge, standardize=standardize, random_state=0).fit(X)
    assert model.n_components_ == 2


@pytest.mark.parametrize("kind", ["features", "samples", "tails"])
def test_departures_warn_and_the_robust_options_find_the_planted_spikes(kind):
    rng = np.random.default_rng(5)
    noise = rng.standard_normal((400, 200))
    if kind == "features":
        noise *= np.linspace(0.3, 3, 200)
    elif kind == "samples":
        noise *= np.exp(rng.normal(0, 0.7, 400))[:, None]
    else:
        noise = rng.standard_t(3, noise.shape)
    basis = np.linalg.qr(rng.standard_normal((200, 3)))[0]
    scale = np.mean(noise**2) ** 0.5
    X = noise + scale * rng.standard_normal((400, 3)) * np.sqrt([20, 10, 6]) @ basis.T
    word = {"features": "variances of the features", "samples": "lengths of the rows"}
    with pytest.warns(UserWarning, match=word.get(kind, "heavy tails")):
        assert RandomMatrixFilter().fit(X).n_components_ > 3
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "What is left", UserWarning)  # rows still differ some
        robust = RandomMatrixFilter(edge="permutation", standardize="both", random_state=0).fit(X)
    assert robust.n_components_ == 3


@pytest.mark.parametrize("by", ["features", "samples"])
def test_data_that_are_only_rescaled_are_brought_back(by):
    X = make_spiked_samples(400, 100, spikes=(8.0, 5.0), random_state=2)
    scale = np.random.default_rng(0).uniform(0.2, 3, (1, 100) if by == "features" else (400, 1))
    assert RandomMatrixFilter(standardize=by).fit(X * scale).n_components_ == 2


def test_serial_rows_and_spectra_without_a_bulk_warn(rng):
    X = rng.standard_normal((300, 40))
    for i in range(1, 300):
        X[i] = 0.8 * X[i - 1] + 0.6 * X[i]
    with pytest.warns(UserWarning, match="neighbouring rows are correlated"):
        RandomMatrixFilter(on_empty="ignore").fit(X)
    rotation = np.linalg.qr(rng.standard_normal((40, 40)))[0]
    decaying = rng.standard_normal((300, 40)) * np.arange(1, 41) ** -1.0 @ rotation
    with pytest.warns(UserWarning, match="not white noise"):
        RandomMatrixFilter().fit(decaying)


# --- algebra ------------------------------------------------------------------------------------


@pytest.mark.parametrize("standardize", [False, "features"])
def test_filter_can_be_a_projection(spiked, standardize):
    X = spiked[0] * np.linspace(1, 1.5, 100)
    model = RandomMatrixFilter(gain="projection", standardize=standardize, n_components=3).fit(X)
    filtered = model.filter(X)
    np.testing.assert_allclose(model.filter(filtered), filtered, atol=1e-10)
    np.testing.assert_allclose(model.inverse_transform(model.transform(X)), filtered, atol=1e-10)
    assert np.linalg.matrix_rank(filtered - model.mean_, tol=1e-6) == 3
    np.testing.assert_allclose(model.components_ @ model.components_.T, np.eye(3), atol=1e-12)


def test_rotation_turns_the_directions_and_scaling_scales_the_noise(spiked, rng):
    X, _ = spiked
    rotation = np.linalg.qr(rng.standard_normal((100, 100)))[0]
    plain = RandomMatrixFilter().fit(X)
    turned = RandomMatrixFilter().fit(X @ rotation)
    np.testing.assert_allclose(
        np.abs(np.sum((plain.components_ @ rotation) * turned.components_, axis=1)), 1, atol=1e-9
    )
    scaled = RandomMatrixFilter().fit(1e3 * X)
    assert scaled.noise_variance_ == pytest.approx(1e6 * plain.noise_variance_)
    assert scaled.n_components_ == plain.n_components_
    np.testing.assert_allclose(scaled.p_values_, plain.p_values_, rtol=1e-6)


@pytest.mark.parametrize("shape", [(60, 150), (150, 60)])
def test_gram_and_covariance_agree(shape):
    X = make_spiked_samples(*shape, spikes=(40.0, 20.0), mean=2.0, random_state=0)
    gram = RandomMatrixFilter(solver="gram").fit(X)
    full = RandomMatrixFilter(solver="covariance").fit(X)
    assert (gram.solver_, full.solver_) == ("gram", "covariance")
    np.testing.assert_allclose(gram.eigenvalues_, full.eigenvalues_, rtol=1e-9)
    np.testing.assert_allclose(gram.components_, full.components_, atol=1e-8)
    np.testing.assert_allclose(gram.covariance_, full.covariance_, atol=1e-8)


@pytest.mark.parametrize("shrinkage", ["frobenius", "operator", "stein", "clip", "none"])
@pytest.mark.parametrize("standardize", [False, "features"])
def test_likelihood_is_that_of_the_covariance(spiked, shrinkage, standardize):
    X = spiked[0] * np.linspace(1, 1.2, 100)
    model = RandomMatrixFilter(shrinkage=shrinkage, standardize=standardize, n_components=3).fit(X)
    law = multivariate_normal(model.mean_, model.covariance_)
    np.testing.assert_allclose(model.score_samples(X), law.logpdf(X), rtol=1e-9)
    np.testing.assert_allclose(model.covariance_ @ model.precision_, np.eye(100), atol=1e-9)
    peer = EmpiricalCovariance()
    peer.location_, peer.precision_ = model.mean_, model.precision_
    assert model.score(X) == pytest.approx(peer.score(X))


def test_covariance_without_shrinkage_is_the_sample_covariance(spiked):
    X = spiked[0]
    model = RandomMatrixFilter(shrinkage="none").fit(X)
    np.testing.assert_allclose(model.covariance_, np.cov(X.T), atol=1e-10)
    wide = RandomMatrixFilter(shrinkage="none", n_components=1).fit(X[:50])
    np.testing.assert_allclose(wide.covariance_, np.cov(X[:50].T), atol=1e-10)
    with pytest.raises(ValueError, match=r"singular\. Use shrinkage"):
        wide.score(X)


def test_shrinkage_beats_the_sample_covariance_as_the_sheet_says():
    losses = []
    for seed in range(4):
        d = np.ones(200)
        d[:4] = (10, 5, 3, 1.5)
        X = np.random.default_rng(seed).standard_normal((400, 200)) * d**0.5
        model = RandomMatrixFilter().fit(X)
        losses.append(np.linalg.norm(model.covariance_ - np.diag(d)) / np.linalg.norm(d))
    assert np.median(losses) < 0.24  # .226 over twenty draws, see doc/benchmarks.rst


# --- sparse rows --------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["gram", "covariance"])
@pytest.mark.parametrize("standardize", [False, "features"])
def test_sparse_rows_give_what_dense_rows_give(solver, standardize):
    X = sp.random_array((120, 50), density=0.3, format="csr", rng=0)
    options = {"solver": solver, "standardize": standardize, "n_components": 2}
    sparse = RandomMatrixFilter(**options).fit(X)
    dense = RandomMatrixFilter(**options).fit(X.toarray())
    np.testing.assert_allclose(sparse.eigenvalues_, dense.eigenvalues_, rtol=1e-9)
    np.testing.assert_allclose(sparse.transform(X), dense.transform(X.toarray()), atol=1e-10)
    np.testing.assert_allclose(sparse.score_samples(X), dense.score_samples(X.toarray()))
    np.testing.assert_allclose(sparse.filter(X), dense.filter(X.toarray()), atol=1e-10)


@pytest.mark.parametrize("solver", ["covariance", "gram"])
@pytest.mark.parametrize("standardize", [False, "features"])
def test_rounding_of_sparse_sums_is_no_spike(standardize, solver):
    """Rank 3 about a mean of 1,000: other eigenvalues are rounding, of the mean's square."""
    rng = np.random.default_rng(0)
    X = 1000 + rng.standard_normal((120, 3)) @ rng.standard_normal((3, 50))
    model = RandomMatrixFilter(standardize=standardize, solver=solver)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "What is left", UserWarning)
        assert model.fit(sp.csr_array(X)).n_components_ == 3
        assert model.fit(X).n_components_ == 3


def test_sparse_rows_can_be_equalised_about_the_origin():
    X = sp.random_array((120, 50), density=0.3, format="csr", rng=0)
    options = {"standardize": "both", "center": False, "n_components": 1}
    sparse = RandomMatrixFilter(**options).fit(X)
    dense = RandomMatrixFilter(**options).fit(X.toarray())
    np.testing.assert_allclose(sparse.eigenvalues_, dense.eigenvalues_, rtol=1e-9)


# --- bad input and scikit-learn -----------------------------------------------------------------


def test_nothing_found_warns_raises_or_is_ignored(rng):
    X = rng.standard_normal((100, 20))
    with pytest.warns(UserWarning, match="No direction is kept"):
        model = RandomMatrixFilter().fit(X)
    assert model.transform(X).shape == (100, 0)
    np.testing.assert_allclose(model.filter(X[:2]), np.broadcast_to(model.mean_, (2, 20)))
    np.testing.assert_allclose(model.inverse_transform(model.transform(X[:2])), model.filter(X[:2]))
    with pytest.raises(ValueError, match="needs the 0 coordinates"):
        model.inverse_transform(X)
    assert model.score(X) == pytest.approx(
        multivariate_normal(model.mean_, model.covariance_).logpdf(X).mean()
    )
    with pytest.raises(ValueError, match="largest eigenvalue"):
        RandomMatrixFilter(on_empty="raise").fit(X)
    RandomMatrixFilter(on_empty="ignore").fit(X)


def test_constant_features_are_not_counted(spiked):
    X = spiked[0]
    plain = RandomMatrixFilter().fit(X)
    padded = np.column_stack([X, np.full((400, 300), 1e6)])
    model = RandomMatrixFilter(standardize=False, solver="covariance").fit(padded)
    assert model.n_components_ == plain.n_components_ == 3
    assert model.noise_variance_ == pytest.approx(plain.noise_variance_, rel=1e-6)
    with pytest.raises(ValueError, match="constant"):
        RandomMatrixFilter().fit(np.ones((10, 3)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"significance": 0.0}, "significance"),
        ({"significance": 1.0}, "significance"),
        ({"n_components": 30}, "at most 20"),
        ({"standardize": True}, "say 'features'"),
        ({"edge": "permutation", "significance": 0.001}, "n_permutations >= 999"),
        ({"noise": -1.0}, "noise"),
        ({"shrinkage": "nuclear"}, "shrinkage"),
        ({"gain": "wiener"}, "gain"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message, rng):
    with pytest.raises(ValueError, match=message):
        RandomMatrixFilter(**options).fit(rng.standard_normal((50, 20)))


def test_one_row_nan_and_sparse_permutations_are_refused(rng):
    X = rng.standard_normal((30, 5))
    with pytest.raises(ValueError, match="minimum of 2"):
        RandomMatrixFilter().fit(X[:1])
    with pytest.raises(ValueError, match="NaN"):
        RandomMatrixFilter().fit(np.where(X > 2, np.nan, X))
    permuted = RandomMatrixFilter(edge="permutation")
    with pytest.raises((ValueError, TypeError), match=r"[Ss]parse"):
        permuted.fit(sp.csr_array(X))
    with pytest.raises(ValueError, match="sample_weight"):
        permuted.fit(X, sample_weight=np.ones(30))
    with pytest.raises(ValueError, match="center=False"):
        RandomMatrixFilter(standardize="samples").fit(sp.csr_array(X))
    with pytest.raises(ValueError, match="sum to"):
        RandomMatrixFilter().fit(X, sample_weight=np.full(30, 0.01))


def test_float32_and_set_output(spiked):
    X = spiked[0].astype(np.float32)
    model = RandomMatrixFilter().fit(X)
    assert model.n_components_ == 3
    for values in (model.transform(X), model.filter(X), model.covariance_, model.spikes_):
        assert values.dtype == np.float32
    frame = RandomMatrixFilter().set_output(transform="pandas").fit_transform(X)
    assert list(frame.columns) == [f"randommatrixfilter{i}" for i in range(3)]


@pytest.mark.parametrize("how", ["set_output", "config"])
@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_filter_gives_the_columns_of_x_in_the_container_asked_for(spiked, how, container):
    pytest.importorskip(container)
    frame = pd.DataFrame(spiked[0][:, :30], index=np.arange(400) + 7).rename(columns="f{}".format)
    plain = RandomMatrixFilter(n_components=2).fit(frame)
    if how == "set_output":
        model = clone(plain).set_output(transform=container).fit(frame)
        filtered = model.filter(frame)
    else:
        with config_context(transform_output=container):
            filtered = RandomMatrixFilter(n_components=2).fit(frame).filter(frame)
    assert list(filtered.columns) == list(frame.columns)
    np.testing.assert_allclose(filtered.to_numpy(), plain.filter(frame))
    if container == "pandas":
        np.testing.assert_array_equal(filtered.index, frame.index)


def test_grid_search_compares_likelihoods_and_pipelines_filter(spiked):
    X, basis = spiked
    grid = {"n_components": [1, 3, 20]}
    search = GridSearchCV(RandomMatrixFilter(), grid, cv=3).fit(X)
    assert search.best_params_ == {"n_components": 3}
    y = (X - 3) @ basis[:, 0] > 0
    pipeline = make_pipeline(RandomMatrixFilter(), LogisticRegression())
    assert pipeline.fit(X[:300], y[:300]).score(X[300:], y[300:]) > 0.8


def test_permutations_in_every_library(xp):
    X = make_spiked_samples(100, 30, spikes=(30.0,), random_state=0)
    model = RandomMatrixFilter(edge="permutation", random_state=0)
    given = model.fit(xp.asarray(X)).upper_edge_
    assert model.n_components_ == 1
    assert xp.owns(model.filter(xp.asarray(X)))
    assert given == pytest.approx(model.fit(X).upper_edge_)


@pytest.mark.parametrize("verbose", [0, 1])
def test_verbose_tells_how_many_tables_were_permuted(verbose, capsys):
    model = RandomMatrixFilter(
        edge="permutation", significance=0.1, n_permutations=15, random_state=0, verbose=verbose
    )
    model.fit(make_spiked_samples(60, 10, random_state=0))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        f"[RandomMatrixFilter] permuted tables: {done} of 15" for done in (10, 15) if verbose
    ]
