"""SubspaceDetector: around any subspace, with thresholds from training rows only."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.decomposition import NMF, PCA, IncrementalPCA, TruncatedSVD
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
def test_share_of_training_rows_within_the_threshold_is_the_quantile(plane, statistic, quantile):
    X, _ = plane
    detector = SubspaceDetector(GrassmannPCA(2), quantile=quantile, statistic=statistic).fit(X)
    inside = (detector.predict(X) == 1).sum()
    assert inside == np.ceil(quantile * len(X))
    np.testing.assert_allclose(
        detector.decision_function(X), detector.score_samples(X) - detector.offset_
    )


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
        detector = SubspaceDetector().fit(np.ones((10, 3)))
        assert detector.predict(np.array([[1.0, 1.0, 1.0], [1.0, 2.0, 1.0]])).tolist() == [1, -1]
