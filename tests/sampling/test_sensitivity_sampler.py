"""SensitivitySampler: samples that keep regressions, streams, merging, what is refused."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from subspace_learn import SensitivitySampler
from subspace_learn.functional.sampling.row_sampling import SCORES
from subspace_learn.sampling import embedding_error, lewis_weights


@pytest.fixture
def table(rng):
    X = rng.standard_t(3, size=(3000, 4))
    return X, X @ [1.0, 2.0, -1.0, 0.0] + rng.normal(size=3000)


def test_scores_are_those_of_x_beside_y(table):
    X, y = table
    sampler = SensitivitySampler(200, p=1.0, tol=1e-9, random_state=0).fit(X, y)
    wanted = lewis_weights(np.column_stack([X, y]), p=1.0)
    np.testing.assert_allclose(sampler.scores_, wanted, rtol=1e-7)
    assert sampler.total_ == pytest.approx(5.0, abs=1e-7)
    assert sampler.probabilities_.sum() == pytest.approx(1.0, abs=1e-12)
    alone = SensitivitySampler(200, append_target=False, append_constant=True).fit(X, y)
    assert alone.total_ == pytest.approx(5.0, abs=1e-9)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("law", ["replacement", "bernoulli"])
def test_every_score_keeps_least_squares(table, score, law):
    X, y = table
    sampler = SensitivitySampler(600, row_score=score, law=law, random_state=0)
    X_few, y_few, weights = sampler.fit_resample(X, y, return_weights=True)
    full = LinearRegression(fit_intercept=False).fit(X, y)
    few = LinearRegression(fit_intercept=False).fit(X_few, y_few, sample_weight=weights)
    loss = [np.sum((y - model.predict(X)) ** 2) for model in (full, few)]
    # 600 rows for 5 columns: excess loss about d / n, three times that for chance
    assert loss[1] / loss[0] < 1 + 3 * 5 / 600


def test_share_of_rows_and_number_of_rows_mean_the_same(table):
    X, y = table
    by_share = SensitivitySampler(0.1, random_state=0).fit(X, y)
    by_number = SensitivitySampler(300, random_state=0).fit(X, y)
    np.testing.assert_array_equal(by_share.indices_, by_number.indices_)
    everything = SensitivitySampler(1.0, law="bernoulli", random_state=0).fit(X, y)
    np.testing.assert_array_equal(everything.indices_, np.arange(3000))
    assert (everything.weights_ == 1).all()


def test_sparse_rows_give_the_sample_of_dense_rows(rng):
    X = sp.random(800, 5, density=0.5, format="csr", random_state=1)
    sparse = SensitivitySampler(100, p=1.5, random_state=0).fit(X)
    dense = SensitivitySampler(100, p=1.5, random_state=0).fit(X.toarray())
    np.testing.assert_array_equal(sparse.indices_, dense.indices_)
    np.testing.assert_allclose(sparse.weights_, dense.weights_, rtol=1e-9)
    assert sp.issparse(sparse.rows_)
    assert sp.issparse(sparse.fit_resample(X))


def test_weights_that_rows_have_already_count_as_copies(table):
    X, _ = table
    weights = np.ones(3000)
    weights[:50] = 7.0
    weighted = SensitivitySampler(500, random_state=0).fit(X, sample_weight=weights)
    copies = SensitivitySampler(500, random_state=0).fit(np.vstack([X] + [X[:50]] * 6))
    # both stand for the same quadratic form
    form = (X * weights[:, None]).T @ X
    for sampler in (weighted, copies):
        kept = (sampler.rows_ * sampler.weights_[:, None]).T @ sampler.rows_
        values = np.linalg.eigvals(np.linalg.solve(form, kept)).real
        assert np.abs(values - 1).max() < 0.5  # four columns, 500 rows: about 2 sqrt(4 / 500)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_stream_of_batches_keeps_norms_within_its_stated_error(rng, p):
    blocks = [rng.standard_t(3, size=(400, 3)) * (1 + i) for i in range(9)]
    sampler = SensitivitySampler(250, p=p, random_state=0)
    for block in blocks:
        sampler.partial_fit(block)
    whole = np.vstack(blocks)
    np.testing.assert_array_equal(sampler.rows_, whole[sampler.indices_])
    assert sampler.n_samples_seen_ == 3600
    assert len(sampler.indices_) <= 250 * 2  # 9 = 1001 in binary: two buckets
    assert sampler.get_support().sum() == len(np.unique(sampler.indices_))
    error = embedding_error(whole, sampler.indices_, sampler.weights_, p=p, rng=rng)
    # the statement is a bound for p = 2 and a search for others
    assert error <= sampler.error_ * (1 + 1e-9 if p == 2 else 1.2)
    assert sampler.error_ < 2.5


def test_small_stream_is_kept_whole(table):
    X, y = table
    sampler = SensitivitySampler(500)
    for rows in np.array_split(np.arange(300), 7):
        sampler.partial_fit(X[rows], y[rows])
    assert sampler.error_ == 0.0
    order = np.argsort(sampler.indices_)
    np.testing.assert_array_equal(sampler.rows_[order], X[:300])
    np.testing.assert_array_equal(sampler.targets_[order], y[:300])
    assert (sampler.weights_ == 1).all()


def test_merged_samplers_stand_for_all_rows(table):
    X, y = table
    parts = [
        SensitivitySampler(400, random_state=i).fit(X[rows], y[rows])
        for i, rows in enumerate((slice(0, 1000), slice(1000, 3000)))
    ]
    before = parts[1].indices_.copy()
    merged = parts[0].merge(parts[1])
    assert merged.n_samples_seen_ == 3000
    np.testing.assert_array_equal(merged.rows_, X[merged.indices_])
    np.testing.assert_array_equal(merged.targets_, y[merged.indices_])
    np.testing.assert_array_equal(parts[1].indices_, before)
    assert not hasattr(merged, "scores_")
    # three draws of 400 rows for 4 columns, each off by about 2 sqrt(4 / 400)
    assert embedding_error(X, merged.indices_, merged.weights_) < 0.6


def test_batches_and_samples_that_do_not_fit_are_refused(table):
    X, y = table
    sampler = SensitivitySampler(50).partial_fit(X, y)
    for batch in [(X, None), (sp.csr_matrix(X), y), (X, np.column_stack([y, y]))]:
        with pytest.raises(ValueError, match="differs from those before"):
            sampler.partial_fit(*batch)
    with pytest.raises(TypeError, match="SensitivitySampler"):
        sampler.merge(LinearRegression())
    for other, match in [
        (SensitivitySampler(50, p=1.0).fit(X, y), "p=2.0 and rows sampled with p=1.0"),
        (SensitivitySampler(50, append_constant=True).fit(X, y), "append_constant=True"),
        (SensitivitySampler(50, append_target=False).fit(X, y), "append_target=False"),
        (SensitivitySampler(50).fit(X[:, :2], y), "4 and 2 features"),
    ]:
        with pytest.raises(ValueError, match=match):
            sampler.merge(other)
    with pytest.raises(ValueError, match="differs"):
        sampler.merge(SensitivitySampler(50).fit(X))


def test_wrong_input_is_refused(table):
    X, y = table
    for settings, match in [
        ({"n_samples": 0}, "n_samples"),
        ({"n_samples": 3001}, "3000 sample"),
        ({"n_samples": 1.5}, "n_samples"),
        ({"p": 0.5}, "'p' parameter"),
        ({"method": "approximate"}, "does not go with"),
        ({"row_score": "sensitivity", "method": "sketch"}, "does not go with"),
    ]:
        with pytest.raises(ValueError, match=match):
            SensitivitySampler(**settings).fit(X, y)
    with pytest.raises(ValueError, match="Every score is 0"):
        SensitivitySampler().fit(np.zeros((10, 2)))
    with pytest.raises(ValueError, match=r"[Nn]egative"):
        SensitivitySampler().fit(X, sample_weight=np.r_[-1.0, np.ones(2999)])
    with pytest.raises(ValueError, match="append_target=False"):
        SensitivitySampler().fit(X, np.where(y > 0, "yes", "no"))
    words = np.where(y > 0, "yes", "no")
    few = SensitivitySampler(append_target=False, random_state=0).fit_resample(X, words)
    assert set(few[1]) == {"yes", "no"}


def test_indices_serve_as_landmarks_of_nystroem(table):
    X, _ = table
    sampler = SensitivitySampler(50, random_state=0).fit(X)
    landmarks = X[sampler.get_support(indices=True)]
    features = Nystroem(n_components=len(landmarks), random_state=0).fit(landmarks).transform(X)
    assert features.shape == (3000, len(landmarks))


@pytest.mark.parametrize(
    ("score", "p"),
    [
        ("lewis", 2.0),
        ("lewis", 1.0),
        ("leverage", 1.0),
        ("root_leverage", 1.0),
        ("root_leverage", 3.0),
        ("sensitivity", 1.5),
        ("combined", 3.0),
        ("uniform", 2.0),
    ],
)
def test_row_of_weight_two_is_drawn_like_two_equal_rows(table, score, p):
    X, y = table[0][:200] * [1.0, 300.0, 1e-3, 1.0], table[1][:200]
    weights = np.arange(200) % 4  # zeros among them
    copies = np.repeat(np.arange(200), weights)
    settings = {"row_score": score, "p": p, "tol": 1e-8, "random_state": 0}
    weighted = SensitivitySampler(60, **settings).fit(X, y, sample_weight=weights)
    repeated = SensitivitySampler(60, **settings).fit(X[copies], y[copies])
    wanted = np.bincount(copies, repeated.scores_, minlength=200)
    # bounds of sensitivities are certified to 1e-8 only
    np.testing.assert_allclose(weighted.scores_, wanted, rtol=1e-6, atol=1e-12)
    wanted = np.bincount(copies[repeated.indices_], repeated.weights_, minlength=200)
    found = np.bincount(weighted.indices_, weighted.weights_, minlength=200)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_merge_refuses_columns_in_another_order_or_of_other_names(table):
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(table[0], columns=list("abcd"))
    sampler = SensitivitySampler(50, random_state=0).fit(X)
    with pytest.raises(ValueError, match="another order"):
        sampler.merge(SensitivitySampler(50).fit(X[list("bacd")]))
    with pytest.raises(ValueError, match="column names differ"):
        sampler.merge(SensitivitySampler(50).fit(X.rename(columns={"a": "z"})))
    assert sampler.merge(SensitivitySampler(50).fit(X)).n_samples_seen_ == 6000


def test_a_stream_keeps_the_norms_it_began_with(table):
    X, _ = table
    sampler = SensitivitySampler(50, random_state=0).partial_fit(X)
    with pytest.raises(ValueError, match=r"p=2.0 and rows sampled with p=1.0"):
        sampler.set_params(p=1.0).partial_fit(X)
    assert sampler.n_samples_seen_ == 3000


@pytest.mark.parametrize("p", [1.0, 2.0])
def test_a_batch_of_zeros_does_not_end_a_stream(table, p):
    X, _ = table
    sampler = SensitivitySampler(100, p=p, random_state=0)
    for batch in (np.zeros((300, 4)), X[:200], np.zeros((500, 4)), X[200:400]):
        sampler.partial_fit(batch)
    whole = np.vstack([np.zeros((300, 4)), X[:200], np.zeros((500, 4)), X[200:400]])
    assert sampler.n_samples_seen_ == 1200
    np.testing.assert_array_equal(sampler.rows_, whole[sampler.indices_])
    error = embedding_error(whole, sampler.indices_, sampler.weights_, p=p)
    assert error <= sampler.error_ * (1 + 1e-9 if p == 2 else 1.2)
    alone = SensitivitySampler(100).partial_fit(np.zeros((300, 4)))
    assert alone.weights_.sum() == pytest.approx(300)  # they still stand for 300 rows
    assert alone.error_ == 0.0


@pytest.mark.parametrize("cuts", [[1] * 2000, [1999, 1], [500, 700, 800], [2000]])
def test_a_share_of_a_stream_is_a_share_of_all_its_rows_however_they_are_cut(table, cuts):
    X = table[0][:2000] * [1.0, 300.0, 1e-6, 1e4]
    sampler = SensitivitySampler(0.2, random_state=0)
    start = 0
    for size in cuts:
        sampler.partial_fit(X[start : start + size])
        start += size
    assert sampler.n_samples_seen_ == 2000
    np.testing.assert_array_equal(sampler.rows_, X[sampler.indices_])
    error = embedding_error(X, sampler.indices_, sampler.weights_)
    assert error <= sampler.error_ * (1 + 1e-9)
    # 400 draws for 4 columns: about 2 sqrt(4 / 400) each time rows are reduced, which single rows
    # are about five times beyond the first 80
    assert error < 0.8
    assert 100 < len(sampler.indices_) <= 400 * np.log2(2 * len(cuts))


def test_rows_of_weight_zero_take_no_place_in_a_stream(table):
    X, y = table
    weights = np.where(np.arange(100) % 2, 0.0, 3.0)
    sampler = SensitivitySampler(60).partial_fit(X[:100], y[:100], sample_weight=weights)
    np.testing.assert_array_equal(sampler.indices_, np.arange(0, 100, 2))
    np.testing.assert_array_equal(sampler.weights_, 3.0)
    assert (sampler.error_, sampler.n_samples_seen_) == (0.0, 100)


def test_pipelines_are_told_what_to_use_instead(table):
    X, y = table
    with pytest.raises(AttributeError, match="SubsampledEstimator"):
        SensitivitySampler().fit(X).transform(X)
    with pytest.raises(TypeError, match="SubsampledEstimator"):
        make_pipeline(SensitivitySampler(), LinearRegression()).fit(X, y)


def test_float32_and_scales_of_columns_give_the_sample_of_float64(table):
    X = table[0].astype(np.float32)
    sampler = SensitivitySampler(200, random_state=0)
    wanted = sampler.fit(X.astype(np.float64)).indices_
    np.testing.assert_array_equal(sampler.fit(X).indices_, wanted)
    for factor in (300, 1e4, 1e-6, 1e6):
        scaled = X * np.float32([1, factor, 1, 1])
        near = sampler.fit(scaled.astype(np.float64))
        assert np.isin(near.indices_, wanted).mean() > 0.97  # draws beside rounding of the scores


def test_fewer_draws_than_columns_are_warned_of(table):
    X, y = table
    with pytest.warns(UserWarning, match=r"3 draws cannot keep .* rank 5: .* to 50"):
        SensitivitySampler(3, random_state=0).fit(X, y)
    # three columns that lie in a plane: two draws can be enough
    SensitivitySampler(2, random_state=0).fit(np.c_[X[:, :2], X[:, 0] - X[:, 1]])


def test_targets_that_are_no_numbers_are_named(table):
    pandas = pytest.importorskip("pandas")
    X, y = table
    days = np.datetime64("2026-01-01") + np.arange(3000)
    with pytest.raises(ValueError, match="dates"):
        SensitivitySampler().fit(X, days)
    missing = y.astype(object)
    missing[7] = pandas.NA
    with pytest.raises(ValueError, match="row 7 is missing"):
        SensitivitySampler().fit(X, missing)


def test_masked_class_labels_are_refused(table):
    X, y = table
    labels = np.ma.array(y > 0, mask=np.arange(3000) < 7)
    with pytest.raises(ValueError, match="y is a masked array with 7 masked entries"):
        SensitivitySampler(50, append_target=False).fit(X, labels)
