"""Which directions are kept: scores, turned directions, the user's own choice, any projection."""

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.pipeline import make_pipeline

from subspace_learn import GrassmannPCA, RandomMatrixFilter
from subspace_learn.random_matrix import RobustDirections


def overlap(model, basis):
    """Mean squared cosine between two subspaces, over the larger dimension."""
    cross = model.components_ @ basis
    return np.sum(cross**2) / max(cross.shape)


@pytest.fixture(scope="module")
def fragile():
    """Six planted directions, well apart: the disturbance moves the last three."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((80, 6)))[0]
    Z = rng.standard_normal((500, 6)) * np.sqrt([40, 20, 10, 28, 14, 7])
    X = Z @ basis.T + rng.standard_normal((500, 80))
    moves = rng.standard_normal((500, 6)) * [0.1, 0.1, 0.1, 3, 3, 3]
    return X, X + moves @ basis.T, basis


@pytest.mark.parametrize("how", ["pairs", "callable", "labels"])
def test_robust_directions_are_kept_and_fragile_ones_dropped(fragile, how):
    X, disturbed, basis = fragile
    y = (X @ basis[:, :3] > 0) @ [1, 2, 4]
    options, given = {"selector": "rbns", "quantile": 0.5}, {}
    if how == "callable":
        options["perturbation"] = lambda X, rng: disturbed
    else:
        given["X_perturbed"] = disturbed
    model = RobustDirections(**options).fit(X, y if how == "labels" else None, **given)
    assert model.estimator_.n_components_ == 6
    assert np.sum(model.support_) == 3
    assert overlap(model, basis[:, :3]) > 0.85
    assert np.max(model.scores_[model.support_]) < np.min(model.scores_[~model.support_])
    assert model.transform(X).shape == (500, 3)
    assert list(model.get_feature_names_out())[-1] == "robustdirections2"


def test_turned_directions_do_not_see_a_disturbance_of_low_rank(fragile):
    """Three directions are dropped, so rows moved along three are filtered to where they were."""
    X, _, basis = fragile
    model = RobustDirections(selector="rotated_rbns", quantile=0.5)
    moves = np.random.default_rng(1).standard_normal((500, 3)) @ basis[:, 3:].T
    model.fit(X, X_perturbed=X + moves)
    assert model.estimator_.n_components_ == 6
    np.testing.assert_array_equal(model.support_, [True] * 3 + [False] * 3)
    np.testing.assert_allclose(model.scores_[:3], 0, atol=1e-10)
    np.testing.assert_allclose(model.components_ @ model.components_.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(model.filter(X + moves), model.filter(X), atol=1e-10)
    one_by_one = RobustDirections(selector="rbns", quantile=0.5).fit(X, X_perturbed=X + moves)
    assert np.abs(one_by_one.filter(X + moves) - one_by_one.filter(X)).max() > 0.1
    # what is kept lies in the space of the spikes, and closer to the robust factors
    inside = model.components_ @ model.estimator_.components_.T
    np.testing.assert_allclose(np.sum(inside**2), 3, atol=1e-10)
    assert overlap(model, basis[:, :3]) > overlap(one_by_one, basis[:, :3])


def test_turning_changes_nothing_where_each_direction_moves_by_itself(fragile):
    X, _, _ = fragile
    plain = RandomMatrixFilter().fit(X)
    # moves along the sample's own directions, uncorrelated in the sample
    steps = np.linalg.qr(np.random.default_rng(2).standard_normal((500, 6)))[0] * 500**0.5
    moved = X + steps * [0.1, 2, 0.3, 0.2, 3, 4] @ plain.components_
    fits = [
        RobustDirections(selector=selector, quantile=0.5).fit(X, X_perturbed=moved)
        for selector in ("rbns", "rotated_rbns")
    ]
    P, Q = (fit.components_.T @ fit.components_ for fit in fits)
    np.testing.assert_allclose(P, Q, atol=1e-10)


def test_isotropic_noise_ranks_by_variance_and_resampling_by_class(fragile):
    X, _, basis = fragile
    noisy = RobustDirections(selector="rbns", perturbation=0.5, random_state=0).fit(X)
    assert np.all(np.diff(noisy.scores_) > 0)
    y = (X @ basis[:, 0] > 0).astype(int)
    model = RobustDirections(selector="rbns", perturbation="resample", random_state=0).fit(X, y)
    best = np.argmin(model.scores_)
    assert abs(model.estimator_.components_[best] @ basis[:, 0]) > 0.8


def test_callable_selector_may_score_or_choose(fragile):
    X = fragile[0]
    model = RobustDirections(selector=lambda Z, y: Z.std(axis=0), quantile=0.5).fit(X)
    np.testing.assert_array_equal(model.support_, [False] * 3 + [True] * 3)
    model = RobustDirections(selector=lambda Z, y: np.arange(6) == 1).fit(X)
    assert model.components_.shape == (1, 80)
    assert not hasattr(model, "scores_")
    with pytest.raises(ValueError, match="there are 6 directions"):
        RobustDirections(selector=lambda Z, y: np.ones(2)).fit(X)


def test_wrong_pairs_are_refused(fragile):
    X, disturbed, _ = fragile
    model = RobustDirections(selector="rbns")
    with pytest.raises(ValueError, match="each row of X once"):
        model.fit(X, X_perturbed=disturbed[:-1])
    with pytest.raises(ValueError, match="give y"):
        model.set_params(perturbation="resample").fit(X)
    with pytest.raises(ValueError, match="does not use it"):
        RobustDirections(selector=lambda Z, y: Z[0]).fit(X, X_perturbed=disturbed)
    with pytest.raises(TypeError, match="has no transform"):
        RobustDirections(3).fit(X)


@pytest.mark.parametrize(
    "estimator",
    [
        PCA(6),
        TruncatedSVD(6, algorithm="arpack", random_state=0),
        GrassmannPCA(6),
        RandomMatrixFilter(standardize="features", n_components=6),
    ],
    ids=lambda e: type(e).__name__,
)
@pytest.mark.parametrize("selector", ["rbns", "rotated_rbns"])
def test_any_linear_projection_is_served(fragile, estimator, selector):
    """What is kept lies in the span of the projection, and what is dropped is gone from it."""
    X, disturbed, basis = fragile
    model = RobustDirections(estimator, selector=selector, quantile=0.5)
    Z = model.fit(X, X_perturbed=disturbed).transform(X)
    assert Z.shape == (500, 3)
    np.testing.assert_allclose(Z, model.estimator_.transform(X) @ model.rotation_.T, atol=1e-9)
    np.testing.assert_allclose(model.rotation_ @ model.rotation_.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(
        model.filter(X), model.inverse_transform(model.transform(X)), atol=1e-9
    )
    np.testing.assert_allclose(
        model.components_, model.rotation_ @ model.estimator_.components_, atol=1e-12
    )
    assert overlap(model, basis[:, :3]) > 0.8


def test_weights_are_repeated_rows(fragile, rng):
    X, disturbed, _ = fragile
    weights = rng.integers(0, 4, 500)
    model = RobustDirections(GrassmannPCA(6), selector="rotated_rbns", quantile=0.5)
    weighted = model.fit(X, X_perturbed=disturbed, sample_weight=weights)
    scores, Z = weighted.scores_, weighted.transform(X[:9])
    rows = np.repeat(np.arange(500), weights)
    repeated = model.fit(X[rows], X_perturbed=disturbed[rows])
    np.testing.assert_allclose(repeated.scores_, scores, rtol=1e-6)
    np.testing.assert_allclose(np.abs(repeated.transform(X[:9])), np.abs(Z), atol=1e-6)


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_an_inner_projection_that_gives_data_frames_changes_nothing(fragile, container):
    pytest.importorskip(container)
    X, disturbed, _ = fragile
    plain = RobustDirections(PCA(6), quantile=0.5).fit(X, X_perturbed=disturbed)
    inner = PCA(6).set_output(transform=container)
    wrapped = RobustDirections(inner, quantile=0.5).fit(X, X_perturbed=disturbed)
    np.testing.assert_allclose(wrapped.transform(X), plain.transform(X))
    with config_context(transform_output=container):
        frame = RobustDirections(PCA(6), quantile=0.5).fit(X, X_perturbed=disturbed).transform(X)
    np.testing.assert_allclose(frame.to_numpy(), plain.transform(X))


def test_nothing_kept_warns(fragile):
    with pytest.warns(UserWarning, match="No direction is kept of the 6"):
        model = RobustDirections(selector=lambda Z, y: np.zeros(6, bool)).fit(fragile[0])
    assert model.transform(fragile[0]).shape == (500, 0)


def test_disturbed_rows_are_routed_through_a_pipeline(fragile):
    X, disturbed, _ = fragile
    direct = RobustDirections(PCA(6), quantile=0.5).fit(X, X_perturbed=disturbed)
    with config_context(enable_metadata_routing=True):
        step = RobustDirections(PCA(6), quantile=0.5).set_fit_request(X_perturbed=True)
        routed = make_pipeline(step).fit(X, X_perturbed=disturbed)
    np.testing.assert_array_equal(routed[-1].support_, direct.support_)


def test_disturbed_rows_in_another_order_are_refused():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(50, 4)), index=rng.permutation(50))
    X.columns = list("abcd")
    moved = X + 0.1 * rng.normal(size=(50, 4))
    paired = RobustDirections(PCA(3)).fit(X, X_perturbed=moved)
    with pytest.raises(ValueError, match="index of X in another order"):
        RobustDirections(PCA(3)).fit(X, X_perturbed=moved.sort_index())
    # an index that says nothing about the pairs
    renumbered = RobustDirections(PCA(3)).fit(X, X_perturbed=moved.set_index(X.index + 1000))
    np.testing.assert_array_equal(paired.scores_, renumbered.scores_)


def test_what_is_wrong_with_disturbed_rows_is_said_of_them():
    X = np.random.default_rng(0).normal(size=(50, 4))
    for wrong in (np.where(X > 2, np.nan, X), np.ma.masked_greater(X, 2)):
        with pytest.raises(ValueError, match=r"^X_perturbed: "):
            RobustDirections(PCA(3)).fit(X, X_perturbed=wrong)
