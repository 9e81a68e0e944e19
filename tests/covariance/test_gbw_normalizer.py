"""GBWNormalizer: groups, known or not, running statistics, routing, singular matrices."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from subspace_learn.covariance import GBWNormalizer
from subspace_learn.functional.covariance import spd
from subspace_learn.functional.covariance.gbw_normalization import GBWGeometry, domain_statistics
from subspace_learn.functional.covariance.spd_distance import distance
from subspace_learn.functional.covariance.spd_mean import mean_spd
from subspace_learn.functional.covariance.spd_tangent import tangent_vectors

N = 4


def random_spd(rng, *shape, n=N, spread=0.3):
    """Matrices ``exp(S)`` with normal S: their condition number is about ``e^(4 spread)``."""
    S = spread * rng.standard_normal((*shape, n, n)) / n**0.5
    return np.asarray(spd.expm(S + S.mT))


@pytest.fixture
def sessions(rng):
    """Three sessions of twelve matrices, each seen through a mixing of its own."""
    names = np.repeat(["a", "b", "c"], 12)
    mixing = np.eye(N) + 0.3 * rng.standard_normal((3, N, N))
    W = mixing[np.repeat([0, 1, 2], 12)]
    return W @ random_spd(rng, 36) @ W.mT, names


def bw_mean(A, model):
    geometry = GBWGeometry(model.theta, model.metric_parameter_)
    return domain_statistics(A, None, geometry, tol=1e-11)[0]


@pytest.mark.parametrize("theta", [1.0, 0.5, -0.5])
@pytest.mark.parametrize("metric_parameter", ["mean", "matrix"])
def test_each_session_gets_the_same_centre_and_spread(sessions, rng, theta, metric_parameter):
    X, names = sessions
    M = random_spd(rng) if metric_parameter == "matrix" else "mean"
    model = GBWNormalizer(theta, metric_parameter=M, dispersion=0.05).fit(X, groups=names)
    Z = model.transform(X, groups=names)
    for name in "abc":
        domain = bw_mean(Z[names == name], model)
        np.testing.assert_allclose(domain.mean, model.metric_parameter_, rtol=1e-6, atol=1e-7)
        assert domain.dispersion == pytest.approx(0.05, rel=1e-5)
    np.testing.assert_allclose(model.inverse_transform(Z, groups=names), X, rtol=1e-7, atol=1e-8)


def test_pooled_dispersion_is_the_mean_and_none_keeps_each(sessions):
    X, names = sessions
    model = GBWNormalizer(0.5).fit(X, groups=names)
    pooled = model.dispersions_.mean()  # equal sizes
    for setting, wanted in [("pooled", [pooled] * 3), (None, model.dispersions_)]:
        model.set_params(dispersion=setting)
        Z = model.transform(X, groups=names)
        found = [bw_mean(Z[names == name], model).dispersion for name in "abc"]
        np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_statistics_are_those_of_the_functions(sessions):
    X, names = sessions
    model = GBWNormalizer(0.5, metric_parameter=None).fit(X, groups=names)
    np.testing.assert_array_equal(model.groups_, ["a", "b", "c"])
    for i, name in enumerate("abc"):
        domain, _, _ = domain_statistics(X[names == name], None, GBWGeometry(0.5))
        np.testing.assert_allclose(model.means_[i], domain.mean, rtol=1e-7)
        assert model.dispersions_[i] == pytest.approx(domain.dispersion, rel=1e-7)
    np.testing.assert_allclose(
        model.mean_,
        domain_statistics(X, None, GBWGeometry(0.5))[0].mean,
        rtol=1e-6,
        atol=1e-7,
    )


def test_bias_is_the_common_centre(sessions, rng):
    X, names = sessions
    B = random_spd(rng)
    for bias in (B, "mean"):
        model = GBWNormalizer(0.2, bias=bias).fit(X, groups=names)
        Z = model.transform(X, groups=names)
        wanted = model.mean_ if isinstance(bias, str) else B
        np.testing.assert_allclose(bw_mean(Z[:12], model).mean, wanted, rtol=1e-6, atol=1e-7)


def test_one_domain_with_its_mean_as_bias_is_left_alone(sessions):
    X, _ = sessions
    Z = GBWNormalizer(bias="mean").fit_transform(X)
    np.testing.assert_allclose(Z, X, rtol=1e-9, atol=1e-9)


def test_small_powers_are_log_euclidean_re_centring(sessions):
    X, names = sessions
    model = GBWNormalizer(1e-4, metric_parameter=None, dispersion=None)
    Z = model.fit_transform(X, groups=names)
    for name in "abc":
        logs = spd.logm(X[names == name])
        wanted = spd.expm(logs - logs.mean(axis=0))
        np.testing.assert_allclose(Z[names == name], wanted, rtol=2e-3, atol=2e-3)  # order theta


@pytest.mark.parametrize("theta", [1.0, 0.5])
def test_units_do_not_matter_with_the_mean_as_parameter(sessions, theta):
    X, names = sessions
    model = GBWNormalizer(theta)
    Z = model.fit_transform(X, groups=names)
    Y = clone(model).fit_transform(1e-12 * X, groups=names)
    np.testing.assert_allclose(1e12 * Y, Z, rtol=1e-6, atol=1e-8)


def test_unknown_group_is_fitted_on_its_own_matrices(sessions):
    X, names = sessions
    model = GBWNormalizer(0.5).fit(X[:24], groups=names[:24])
    before = pickle.dumps(model)
    Z = model.transform(X, groups=names)
    domain = bw_mean(Z[24:], model)
    np.testing.assert_allclose(domain.mean, model.metric_parameter_, rtol=1e-6, atol=1e-7)
    assert domain.dispersion == pytest.approx(model.dispersions_.mean(), rel=1e-5)
    assert pickle.dumps(model) == before, "transform keeps nothing"
    with pytest.raises(ValueError, match="'c' was not fitted"):
        model.inverse_transform(Z, groups=names)


def test_unknown_group_can_use_the_statistics_of_all_or_be_refused(sessions):
    X, names = sessions
    model = GBWNormalizer(0.5, unknown="global").fit(X[:24], groups=names[:24])
    Z = model.transform(X[24:], groups=names[24:])
    np.testing.assert_array_equal(Z, model.transform(X[24:]))
    np.testing.assert_allclose(
        model.inverse_transform(Z, groups=names[24:]), X[24:], rtol=1e-7, atol=1e-8
    )
    with pytest.raises(ValueError, match=r"'c' was not fitted. Fitted groups: \['a', 'b'\]"):
        model.set_params(unknown="error").transform(X, groups=names)


def test_groups_may_come_in_any_order_and_any_type(sessions, rng):
    X, names = sessions
    order = rng.permutation(36)
    Z = GBWNormalizer(0.5).fit_transform(X, groups=names)
    for labels in (names, np.repeat([7, -1, 3], 12), np.repeat([0.5, 2.0, 1.0], 12)):
        Y = GBWNormalizer(0.5).fit_transform(X[order], groups=labels[order])
        np.testing.assert_allclose(Y, Z[order], rtol=1e-7, atol=1e-8)


def test_weights_are_repetitions(sessions, rng):
    X, names = sessions
    weights = rng.integers(0, 3, 36)
    weights[:12] = 0  # the first session is not there at all
    index = np.repeat(np.arange(36), weights)
    weighted = GBWNormalizer(0.5).fit(X, sample_weight=weights, groups=names)
    repeated = GBWNormalizer(0.5).fit(X[index], groups=names[index])
    np.testing.assert_array_equal(weighted.groups_, repeated.groups_)
    np.testing.assert_allclose(weighted.means_, repeated.means_, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(weighted.dispersions_, repeated.dispersions_, rtol=1e-6)
    np.testing.assert_allclose(weighted.mean_, repeated.mean_, rtol=1e-6, atol=1e-7)


def test_momentum_one_on_the_same_batch_is_fit(sessions):
    X, names = sessions
    fitted = GBWNormalizer(0.5, momentum=1.0, dispersion=None).fit(X, groups=names)
    # other statistics first; the parameter, which the first batch sets, is given
    running = clone(fitted).set_params(metric_parameter=fitted.metric_parameter_)
    running.partial_fit(X[:30], groups=names[:30]).partial_fit(X, groups=names)
    np.testing.assert_allclose(running.means_, fitted.means_, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(running.dispersions_, fitted.dispersions_, rtol=1e-6)
    np.testing.assert_allclose(
        running.transform(X, groups=names), fitted.transform(X, groups=names), rtol=1e-6, atol=1e-8
    )


def test_running_mean_moves_by_the_momentum_and_learns_new_groups(sessions):
    X, names = sessions
    model = GBWNormalizer(metric_parameter=None, momentum=0.25).partial_fit(X[:24])
    start = model.mean_
    batch = mean_spd(X[24:], "wasserstein").mean
    whole = distance(start, batch, "wasserstein")
    model.partial_fit(X[24:], groups=names[24:])
    share = 1 - (1 - 0.25) ** 12  # of twelve matrices
    assert distance(start, model.mean_, "wasserstein") == pytest.approx(share * whole, rel=1e-5)
    np.testing.assert_array_equal(model.groups_, ["c"])
    np.testing.assert_allclose(model.means_[0], batch, rtol=1e-6)


def test_one_step_is_the_paper_and_is_near_the_mean(sessions):
    X, names = sessions
    one = GBWNormalizer(n_steps=1).fit(X, groups=names)
    exact = GBWNormalizer().fit(X, groups=names)
    assert one.n_iter_ == 1 < exact.n_iter_
    assert np.max(np.abs(one.means_ - exact.means_)) < 0.01 * np.max(exact.means_)


def test_average_referenced_epochs_need_no_shrinkage(rng):
    signals = rng.standard_normal((60, 5, 200)) * rng.uniform(0.7, 1.4, (60, 5, 1))
    signals -= signals.mean(axis=1, keepdims=True)
    X, names = signals @ signals.mT / 200, np.repeat([0, 1, 2], 20)
    with pytest.raises(ValueError, match="average"):
        mean_spd(X)
    for theta in (1.0, 0.5):
        Z = GBWNormalizer(theta).fit_transform(X, groups=names)
        T = tangent_vectors(Z, mean_spd(Z).mean)  # needs positive definite matrices
        # what GBWNormalizer does to the four directions that are not null
        basis = np.linalg.eigh(X.mean(axis=0))[1][:, 1:]
        small = GBWNormalizer(theta).fit_transform(basis.T @ X @ basis, groups=names)
        np.testing.assert_allclose(
            np.linalg.norm(T, axis=1),
            np.linalg.norm(tangent_vectors(small, mean_spd(small).mean), axis=1),
            rtol=1e-6,
        )


def test_a_matrix_stopped_at_the_boundary_is_announced(rng):
    X = np.concatenate([random_spd(rng, 10) * 400, random_spd(rng, 2)])
    with pytest.warns(UserWarning, match=r"of 12 matrices would have left .* theta closer to 0"):
        Z = GBWNormalizer(metric_parameter=None).fit_transform(X)
    assert np.all(np.linalg.eigvalsh(Z) > 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GBWNormalizer(0.2).fit_transform(X)


def test_groups_are_routed_through_a_pipeline(sessions):
    X, names = sessions
    y = (X[:, 0, 0] > np.median(X[:, 0, 0])).astype(int)
    with sklearn.config_context(enable_metadata_routing=True):
        normalizer = GBWNormalizer(0.5).set_fit_request(groups=True)
        normalizer.set_transform_request(groups=True)
        tangent = FunctionTransformer(lambda Z: tangent_vectors(Z, np.eye(N)))
        pipeline = make_pipeline(normalizer, tangent, LogisticRegression())
        pipeline.fit(X[:24], y[:24], groups=names[:24])
        given = pipeline.predict_proba(X[24:], groups=names[24:])
    model = GBWNormalizer(0.5).fit(X[:24], groups=names[:24])
    T, T_new = (
        tangent_vectors(model.transform(A, groups=g), np.eye(N))
        for A, g in [(X[:24], names[:24]), (X[24:], names[24:])]
    )
    np.testing.assert_allclose(given, LogisticRegression().fit(T, y[:24]).predict_proba(T_new))


def test_cross_validation_aligns_the_session_left_out(rng):
    session, y = np.repeat(np.arange(4), 30), np.tile([0, 1], 60)
    signals = rng.standard_normal((120, N, 80))
    signals[y == 1, 0] *= 1.6
    signals = (np.eye(N) + 0.8 * rng.standard_normal((4, N, N)))[session] @ signals
    X = signals @ signals.mT / 80
    tangent = FunctionTransformer(lambda Z: tangent_vectors(Z, np.eye(N)))
    with sklearn.config_context(enable_metadata_routing=True):
        normalizer = GBWNormalizer(0.5).set_fit_request(groups=True)
        normalizer.set_transform_request(groups=True)
        scores = [
            cross_validate(
                make_pipeline(*first, tangent, LogisticRegression()),
                X,
                y,
                cv=LeaveOneGroupOut(),
                params={"groups": session},
            )["test_score"]
            for first in ([normalizer], [])
        ]
    # the mixtures of the sessions hide the classes, and alignment takes them away
    assert scores[0].mean() > 0.85
    assert scores[1].mean() < 0.7


def test_pyriemann_works_on_the_output(sessions):
    from pyriemann.classification import MDM
    from pyriemann.tangentspace import TangentSpace

    X, names = sessions
    y = (X[:, 0, 0] > np.median(X[:, 0, 0])).astype(int)
    for last in (MDM(), make_pipeline(TangentSpace(), LogisticRegression())):
        pipeline = make_pipeline(GBWNormalizer(0.5), last).fit(X, y, gbwnormalizer__groups=names)
        assert pipeline.predict(X).shape == (36,)


def test_the_library_is_kept(xp, sessions):
    X, names = sessions
    model = GBWNormalizer(0.5, bias=xp.asarray(np.eye(N))).fit(xp.asarray(X), groups=names)
    Z = model.transform(xp.asarray(X), groups=names)
    assert xp.owns(Z)
    assert xp.owns(model.means_)
    wanted = GBWNormalizer(0.5, bias=np.eye(N)).fit_transform(X, groups=names)
    np.testing.assert_allclose(xp.numpy(Z), wanted, rtol=1e-7, atol=1e-8)
    back = model.inverse_transform(Z, groups=names)
    np.testing.assert_allclose(xp.numpy(back), X, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_float32_stays_and_is_as_good_as_its_input(sessions, n_jobs):
    X, names = sessions
    Z = GBWNormalizer(0.5, n_jobs=n_jobs).fit_transform(X.astype(np.float32), groups=names)
    assert Z.dtype == np.float32
    wanted = GBWNormalizer(0.5).fit_transform(X, groups=names)
    np.testing.assert_allclose(Z, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"theta": 0.0}, "theta must not be 0"),
        ({"metric_parameter": np.eye(3)}, "metric_parameter has shape"),
        ({"momentum": 0.0}, "momentum"),
        ({"unknown": "guess"}, "unknown"),
    ],
)
def test_wrong_parameters_are_refused(sessions, parameters, words):
    with pytest.raises(ValueError, match=words):
        GBWNormalizer(**parameters).fit(sessions[0])


def test_wrong_input_is_refused(sessions):
    X, names = sessions
    with pytest.raises(ValueError, match="one group name for"):
        GBWNormalizer().fit(X, groups=names[:3])
    bad = X.copy()
    bad[5] = -bad[5]
    with pytest.raises(ValueError, match="Matrix 5"):
        GBWNormalizer().fit(bad, groups=names)
    model = GBWNormalizer().fit(X)
    with pytest.raises(ValueError, match="bias has shape"):
        model.set_params(bias=np.eye(2)).transform(X)
    with pytest.raises(ValueError, match="not symmetric"):
        GBWNormalizer().fit(X + np.triu(np.ones((N, N)), 1))


@pytest.mark.parametrize("momentum", [None, 0.3])
def test_another_theta_after_fit_does_not_change_the_fitted_geometry(sessions, momentum):
    X, names = sessions
    model = GBWNormalizer(0.5, momentum=momentum).fit(X, groups=names)
    wanted = model.transform(X, groups=names)
    model.set_params(theta=1.0)
    np.testing.assert_array_equal(model.transform(X, groups=names), wanted)


@pytest.mark.parametrize("name", ["bias", "metric_parameter"])
def test_a_given_matrix_that_would_lose_a_part_is_refused(sessions, name):
    X, names = sessions
    eye = np.eye(N)
    for wrong, words in (
        (eye + np.triu(np.full((N, N), 0.1), 1), f"{name} is not symmetric"),
        (np.ma.masked_array(eye, mask=eye > 0), "masked"),
        (eye + 1j * (np.tri(N) - np.tri(N).T), "Complex data not supported"),
    ):
        with pytest.raises(ValueError, match=words):
            GBWNormalizer(**{name: wrong}).fit(X, groups=names).transform(X, groups=names)


def test_a_number_and_the_word_for_it_are_two_groups_in_a_stream(sessions):
    X, _ = sessions
    model = GBWNormalizer().partial_fit(X[:12], groups=[1] * 12)
    model.partial_fit(X[12:24], groups=["1"] * 12)
    assert model.groups_.tolist() == [1, "1"]
