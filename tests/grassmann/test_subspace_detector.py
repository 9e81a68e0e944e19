"""SubspaceDetector: around any subspace, with thresholds from training rows only."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import NMF, PCA, IncrementalPCA, TruncatedSVD
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from subspace_learn import GrassmannPCA, SubspaceDetector


@pytest.fixture
def plane(rng):
    """Rows near a plane in R^6, and a basis of the plane."""
    basis = np.linalg.qr(rng.normal(size=(6, 2)))[0]
    return rng.normal(size=(400, 2)) @ (3 * basis.T) + 0.1 * rng.normal(size=(400, 6)), basis


def test_residual_score_is_the_distance_to_the_subspace(plane):
    X, _ = plane
    pca = PCA(2, svd_solver="full").fit(X)
    gap = X - pca.inverse_transform(pca.transform(X))
    for subspace in (GrassmannPCA(2), PCA(2), IncrementalPCA(2)):
        detector = SubspaceDetector(subspace, statistic="residual").fit(X)
        if not isinstance(subspace, IncrementalPCA):  # approximate by design
            np.testing.assert_allclose(-detector.score_samples(X), (gap**2).sum(axis=1), rtol=1e-9)
        assert ((detector.predict(X) == 1).mean()) >= 0.95


@pytest.mark.parametrize("statistic", ["residual", "combined"])
@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.95])
def test_training_threshold_has_that_share_of_the_training_rows_within(plane, statistic, quantile):
    X, _ = plane
    detector = SubspaceDetector(
        GrassmannPCA(2), quantile=quantile, statistic=statistic, threshold_rows="training"
    ).fit(X)
    inside = (detector.predict(X) == 1).sum()
    assert abs(inside - quantile * len(X)) <= 1
    np.testing.assert_allclose(
        detector.decision_function(X), detector.score_samples(X) - detector.offset_
    )


def _false_alarms(normal, n_splits, **options):
    """Mean share of alarms among normal rows that were not fitted, over halves."""
    shares = []
    for seed in range(n_splits):
        order = np.random.default_rng(seed).permutation(len(normal))
        half = len(normal) // 2
        detector = SubspaceDetector(**options).fit(normal[order[:half]])
        shares.append((detector.predict(normal[order[half:]]) == -1).mean())
    return np.mean(shares)


@pytest.mark.parametrize("statistic", ["residual", "combined"])
@pytest.mark.parametrize(
    ("load", "label"), [(load_digits, 3), (load_digits, 0), (load_wine, 1), (load_breast_cancer, 1)]
)
def test_false_alarms_on_rows_that_were_not_fitted_are_as_promised(load, label, statistic):
    X, y = load(return_X_y=True)
    # Twenty halves: standard errors up to .008. Thresholds of training rows give .06 to .58 here.
    assert 0.03 <= _false_alarms(X[y == label], 20, statistic=statistic) <= 0.07


@pytest.mark.parametrize("statistic", ["residual", "combined"])
def test_false_alarms_in_noise_of_more_features_than_rows_are_as_promised(statistic, rng):
    shares = []
    for _ in range(20):
        detector = SubspaceDetector(statistic=statistic).fit(rng.normal(size=(60, 200)))
        shares.append((detector.predict(rng.normal(size=(300, 200))) == -1).mean())
    assert 0.02 <= np.mean(shares) <= 0.08  # a standard error of .01; 1.00 by training rows


def test_only_the_combined_index_sees_rows_far_out_within_the_subspace(plane):
    X, basis = plane
    far = 100.0 * basis[:, :1].T
    residual = SubspaceDetector(GrassmannPCA(2), statistic="residual").fit(X)
    combined = SubspaceDetector(GrassmannPCA(2)).fit(X)
    # the fitted plane is tilted by about 0.1 / (3 sqrt(400)) against the true one
    assert residual.score_samples(far) > -1.0
    assert combined.predict(far) == -1


def test_outliers_off_the_subspace_are_ranked_first(plane, rng):
    X, _ = plane
    outliers = rng.normal(size=(100, 6)) * 1.5
    detector = SubspaceDetector(GrassmannPCA(2), statistic="residual").fit(X)
    y = np.r_[np.ones(400), np.zeros(100)]
    # a baseline without a subspace, the length of the rows, cannot tell them here
    everything = np.vstack([X, outliers])
    assert roc_auc_score(y, detector.score_samples(everything)) > 0.99
    assert roc_auc_score(y, -(everything**2).sum(axis=1)) < 0.7


@pytest.mark.parametrize("statistic", ["residual", "combined"])
def test_any_subspace_transformer_will_do(plane, statistic):
    X, _ = plane
    for subspace in (
        NMF(2, max_iter=5000),
        TruncatedSVD(2),
        make_pipeline(StandardScaler(), PCA(2)),
    ):
        detector = SubspaceDetector(subspace, statistic=statistic).fit(np.abs(X))
        assert np.isfinite(detector.score_samples(np.abs(X))).all()
        assert not hasattr(subspace, "components_")  # the user's own stays unfitted


def test_sparse_rows_equal_dense_ones(plane):
    X, _ = plane
    for subspace in (GrassmannPCA(2), TruncatedSVD(2, random_state=0)):
        dense = SubspaceDetector(subspace).fit(X)
        sparse = SubspaceDetector(subspace).fit(sp.csr_matrix(X))
        np.testing.assert_allclose(
            sparse.score_samples(sp.csr_matrix(X)), dense.score_samples(X), rtol=1e-6
        )


def test_every_array_library_gives_the_same_labels(xp, plane):
    X, _ = plane
    detector = SubspaceDetector(GrassmannPCA(2)).fit(xp.asarray(X))
    labels = detector.predict(xp.asarray(X))
    assert xp.owns(labels)
    np.testing.assert_array_equal(
        xp.numpy(labels), SubspaceDetector(GrassmannPCA(2)).fit(X).predict(X)
    )


def test_weights_reach_the_subspace_and_the_threshold(plane, rng):
    X, _ = plane
    w = rng.integers(0, 3, size=len(X))
    weighted = SubspaceDetector(GrassmannPCA(2)).fit(X, sample_weight=w)
    repeated = SubspaceDetector(GrassmannPCA(2)).fit(np.repeat(X, w, axis=0))
    np.testing.assert_allclose(weighted.score_samples(X), repeated.score_samples(X), rtol=1e-9)
    assert weighted.offset_ == pytest.approx(repeated.offset_, rel=1e-9)


def test_weights_travel_by_metadata_routing(plane):
    import sklearn

    X, _ = plane
    w = (np.arange(len(X)) < 200).astype(float)
    with sklearn.config_context(enable_metadata_routing=True):
        subspace = GrassmannPCA(2).set_fit_request(sample_weight=True)
        detector = SubspaceDetector(subspace).set_fit_request(sample_weight=True)
        detector = make_pipeline(detector).fit(X, sample_weight=w)[0]
    reference = SubspaceDetector(GrassmannPCA(2)).fit(X[:200])
    assert detector.offset_ == pytest.approx(reference.offset_, rel=1e-9)


@pytest.mark.parametrize("statistic", ["residual", "combined"])
@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("subspace", [None, PCA(2), make_pipeline(StandardScaler(), PCA(2))])
def test_container_of_transformed_rows_changes_no_score(plane, library, statistic, subspace):
    pytest.importorskip(library)
    X, _ = plane
    expected = SubspaceDetector(subspace, statistic=statistic).fit(X)
    scores, labels = expected.score_samples(X), expected.predict(X)
    # columns of a table may lie in memory the other way round: sums differ in their last bit
    with config_context(transform_output=library):
        detector = SubspaceDetector(subspace, statistic=statistic).fit(X)
        np.testing.assert_allclose(detector.score_samples(X), scores, rtol=1e-12)
        np.testing.assert_array_equal(detector.predict(X), labels)
        assert detector.offset_ == pytest.approx(expected.offset_, rel=1e-12)
    if subspace is not None:
        wrapped = clone(subspace).set_output(transform=library)
        detector = SubspaceDetector(wrapped, statistic=statistic).fit(X)
        np.testing.assert_allclose(detector.score_samples(X), scores, rtol=1e-12)


def test_fractional_weights_move_the_threshold_continuously(plane, rng):
    X, _ = plane
    w = rng.uniform(0.5, 1.5, size=len(X))
    offset = SubspaceDetector(GrassmannPCA(2)).fit(X, sample_weight=w).offset_
    nudged = SubspaceDetector(GrassmannPCA(2)).fit(X, sample_weight=w * (1 + 1e-9)).offset_
    assert nudged == pytest.approx(offset, rel=1e-5)


def test_threshold_does_not_depend_on_the_order_of_rows_or_their_unit(plane, rng):
    X, _ = plane
    detector = SubspaceDetector(GrassmannPCA(2), statistic="residual").fit(X)
    moved = SubspaceDetector(GrassmannPCA(2), statistic="residual").fit(
        300 * X[rng.permutation(len(X))]
    )
    assert moved.offset_ == pytest.approx(300**2 * detector.offset_, rel=1e-9)


def test_refit_with_the_other_statistic_leaves_no_attribute_behind(plane):
    X, _ = plane
    detector = SubspaceDetector(GrassmannPCA(2)).fit(X)
    scores = detector.score_samples(X)
    detector.set_params(statistic="residual")
    np.testing.assert_array_equal(detector.score_samples(X), scores)  # as it was fitted
    detector.fit(X)
    assert not hasattr(detector, "score_mean_")
    assert not hasattr(detector, "hotelling_limit_")


def test_metadata_of_rows_follow_the_rows_into_the_folds(plane):
    X, _ = plane

    class Recorder(PCA):
        lengths: list = []

        def fit(self, X, y=None, groups=None, label="none"):
            self.lengths.append((len(X), len(groups), label))
            assert (groups == X[:, 0]).all()
            return super().fit(X)

    SubspaceDetector(Recorder(2)).fit(X, groups=X[:, 0], label="morning")
    assert Recorder.lengths[0] == (400, 400, "morning")
    assert len(Recorder.lengths) == 1 + 7  # 3000 // 400 folds
    assert sum(n for n, _, _ in Recorder.lengths[1:]) == 6 * 400


def test_frozen_subspace_keeps_the_rows_it_was_fitted_on(plane):
    X, _ = plane
    pca = PCA(2).fit(X[:50])
    detector = SubspaceDetector(FrozenEstimator(pca), statistic="residual").fit(X[50:])
    np.testing.assert_array_equal(detector.subspace_.components_, pca.components_)
    gap = X[50:] - pca.inverse_transform(pca.transform(X[50:]))
    expected = np.quantile((gap**2).sum(axis=1), 0.95, method="weibull")
    assert -detector.offset_ == pytest.approx(expected, rel=1e-9)


def test_rows_too_few_to_hold_some_out_are_told(rng):
    X = rng.normal(size=(20, 30))
    with pytest.warns(UserWarning, match=r"20 rows in 20 folds .*n_components=20"):
        detector = SubspaceDetector(GrassmannPCA(20), quantile=0.9).fit(X)
    reference = SubspaceDetector(GrassmannPCA(20), quantile=0.9, threshold_rows="training").fit(X)
    assert detector.offset_ == reference.offset_


def test_rows_too_few_for_the_quantile_are_told(plane):
    X, _ = plane
    with pytest.warns(UserWarning, match=r"0.99 cannot be read off 40 rows.* 2 %.*99 rows"):
        SubspaceDetector(GrassmannPCA(2), quantile=0.99).fit(X[:40])


# -- wrong input -------------------------------------------------------------------------------


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="0 sample"):
        SubspaceDetector().fit(np.empty((0, 3)))


def test_a_transformer_that_cannot_reconstruct_is_named(plane):
    from sklearn.manifold import TSNE

    with pytest.raises(TypeError, match=r"TSNE.*no transform and no inverse_transform"):
        SubspaceDetector(TSNE()).fit(plane[0])


def test_weights_for_a_subspace_that_takes_none_are_refused(plane):
    X, _ = plane
    with pytest.raises(TypeError, match=r"PCA\.fit does not take it"):
        SubspaceDetector(PCA(2)).fit(X, sample_weight=np.ones(len(X)))


def test_a_subspace_that_fills_the_space_is_reported(plane):
    with pytest.warns(UserWarning, match="6 dimensions for 6 features"):
        SubspaceDetector(GrassmannPCA(6), statistic="residual").fit(plane[0])


@pytest.mark.parametrize("quantile", [0.0, 1.0, 1.2])
def test_quantiles_out_of_range_are_refused(plane, quantile):
    with pytest.raises(ValueError, match="quantile"):
        SubspaceDetector(quantile=quantile).fit(plane[0])


def test_constant_rows_give_finite_scores():
    with np.errstate(all="raise"):
        detector = SubspaceDetector().fit(np.ones((20, 3)))
        assert detector.predict(np.array([[1.0, 1.0, 1.0], [1.0, 2.0, 1.0]])).tolist() == [1, -1]


def test_sparse_rows_are_scored_in_less_memory_than_their_coordinates():
    X = sp.random(40_000, 300, density=0.01, format="csc", random_state=0)
    coordinates = 8 * 40_000 * 200
    detector = SubspaceDetector(GrassmannPCA(200))
    tracemalloc.start()
    try:
        detector.fit(X)
        scores = detector.score_samples(X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < coordinates
    some = [0, 17, 39_999]
    np.testing.assert_allclose(detector.score_samples(X.tocsr()[some]), scores[some], rtol=1e-9)


def test_float32_rows_without_residual_are_judged_within_the_subspace():
    rng = np.random.default_rng(0)
    X = np.c_[rng.normal(size=(500, 5)) @ rng.normal(size=(5, 8)), np.full(500, 0.1)]
    double = SubspaceDetector(GrassmannPCA(5)).fit(X)
    single = SubspaceDetector(GrassmannPCA(5)).fit(X.astype(np.float32))
    far_out = double.predict(X) < 0
    assert far_out.sum() >= 15  # of 25
    assert (single.predict(X.astype(np.float32)) == double.predict(X)).mean() > 0.98
    assert (single.predict(X.astype(np.float32))[far_out] < 0).mean() > 0.5
