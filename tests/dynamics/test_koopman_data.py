"""KoopmanEDMD: forms of data, weights, and what it refuses."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.kernel_approximation import Nystroem
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, StandardScaler

from subspace_learn import KoopmanEDMD
from subspace_learn.dynamics import (
    HermiteDictionary,
    RBFDictionary,
)
from tests.dynamics.systems import TURN, spiral


def test_forms_of_the_same_pairs_give_the_same_model():
    a, b = spiral(), spiral((0.0, 2.0))
    stacked = np.vstack([a, b])
    models = [
        KoopmanEDMD().fit([a, b]),
        KoopmanEDMD().fit(np.stack([a, b])),
        KoopmanEDMD().fit(stacked, lengths=[40, 40]),
        KoopmanEDMD().fit(stacked, groups=np.repeat(["a", "b"], 40)),
        KoopmanEDMD().fit(np.vstack([a[:-1], b[:-1]]), np.vstack([a[1:], b[1:]])),
        KoopmanEDMD().fit(a[:-1].tolist(), a[1:].tolist()),
    ]
    for model in models:
        np.testing.assert_allclose(model.koopman_matrix_, TURN.T, atol=1e-12)
        exact = 0.95 * np.exp(1j * np.array([0.3, -0.3]))
        np.testing.assert_allclose(model.eigenvalues_, exact, atol=1e-12)
        assert model.residuals_.max() < 1e-12


def test_pairs_never_straddle_two_trajectories():
    stacked = np.vstack([spiral(), spiral((0.0, 2.0))])
    assert KoopmanEDMD().fit(stacked).residuals_.max() > 1e-3
    assert KoopmanEDMD().fit(stacked, lengths=[40, 40]).residuals_.max() < 1e-12


def test_pairs_in_any_order_give_the_same(noisy):
    X, Y = noisy
    order = np.random.default_rng(0).permutation(len(X))
    a, b = KoopmanEDMD().fit(X, Y), KoopmanEDMD().fit(X[order], Y[order])
    np.testing.assert_allclose(a.koopman_matrix_, b.koopman_matrix_, atol=1e-13)


def test_labels_are_ignored_and_other_shapes_refused(noisy):
    X, Y = noisy
    plain, labelled = KoopmanEDMD().fit(X), KoopmanEDMD().fit(X, np.arange(300) % 2)
    np.testing.assert_array_equal(plain.koopman_matrix_, labelled.koopman_matrix_)
    for wrong in (Y[:, :2], Y[:-1], Y[:, :1], np.zeros((2, 3, 4))):
        with pytest.raises(ValueError, match="shape"):
            KoopmanEDMD().fit(X, wrong)


def test_weights_are_repetitions_of_pairs(noisy):
    X, Y = noisy
    counts = np.random.default_rng(1).integers(0, 3, size=300)
    weighted = KoopmanEDMD().fit(X, Y, sample_weight=counts)
    repeated = KoopmanEDMD().fit(np.repeat(X, counts, axis=0), np.repeat(Y, counts, axis=0))
    np.testing.assert_allclose(weighted.koopman_matrix_, repeated.koopman_matrix_, atol=1e-12)
    np.testing.assert_allclose(weighted.residuals_, repeated.residuals_, atol=1e-12)
    np.testing.assert_allclose(np.abs(weighted.modes_), np.abs(repeated.modes_), atol=1e-12)


def test_weights_can_be_routed(noisy):
    X, _ = noisy
    with config_context(enable_metadata_routing=True):
        model = KoopmanEDMD().set_fit_request(sample_weight=True, groups=True)
        pipe = make_pipeline(HermiteDictionary(1), model)
        pipe.fit(X, sample_weight=np.ones(300), groups=np.repeat([0, 1, 2], 100))
    assert pipe[-1].n_pairs_seen_ == 297
    with pytest.raises(TypeError, match="no_such"):
        KoopmanEDMD().fit(X, no_such=1)


@pytest.mark.parametrize(
    "dictionary",
    [
        PolynomialFeatures(2),
        make_pipeline(StandardScaler(), HermiteDictionary(2)),
        Nystroem(n_components=10, random_state=0),
        RBFDictionary(10, random_state=0),
    ],
    ids=lambda d: type(d).__name__,
)
def test_dictionaries_of_scikit_learn_and_ours_work(dictionary, noisy):
    X, Y = noisy
    model = KoopmanEDMD(dictionary).fit(X, Y)
    assert model.score(X, Y) > 0.5
    assert model.verified(model.residuals_.max() * 1.01).size == len(model.eigenvalues_)


def test_the_dictionarys_own_inverse_leads_back_to_states(noisy):
    X, Y = noisy
    own = KoopmanEDMD(StandardScaler(with_mean=False), reconstruction="inverse").fit(X, Y)
    np.testing.assert_allclose(own.predict(X), KoopmanEDMD().fit(X, Y).predict(X), atol=1e-12)
    with pytest.raises(ValueError, match="inverse_transform"):
        KoopmanEDMD(PolynomialFeatures(2), reconstruction="inverse").fit(X, Y)


def test_float32_is_solved_for_in_double_precision(noisy):
    X, Y = (a.astype(np.float32) for a in noisy)
    model = KoopmanEDMD().fit(X, Y)
    wanted = KoopmanEDMD().fit(X.astype(float), Y.astype(float))
    np.testing.assert_allclose(model.eigenvalues_, wanted.eigenvalues_, atol=1e-12)
    assert model.predict(X).dtype == model.simulate(X[:2], 3).dtype == np.float32


def test_short_trajectories_are_skipped_with_a_warning_unless_none_is_left():
    with pytest.warns(UserWarning, match="1 of 2 trajectories"):
        model = KoopmanEDMD().fit([spiral(), spiral(n=1)])
    assert model.n_pairs_seen_ == 39
    with pytest.raises(ValueError, match="n_samples = 1"):
        KoopmanEDMD().fit([spiral(n=1), spiral(n=1)])


def test_as_many_observables_as_pairs_are_warned_of():
    with pytest.warns(UserWarning, match="mean nothing"):
        KoopmanEDMD(PolynomialFeatures(4)).fit(np.random.default_rng(0).normal(size=(9, 2)))


def test_bad_input_is_named():
    a = spiral()
    with pytest.raises(ValueError, match="unequal numbers of features"):
        KoopmanEDMD().fit([a, a[:, :1]])
    with pytest.raises(ValueError, match="time_step"):
        KoopmanEDMD(time_step=0).fit(a)
    logs = FunctionTransformer(_log, feature_names_out="one-to-one")
    with pytest.raises(ValueError, match="x1"):
        KoopmanEDMD(logs).fit(np.abs(a) * [1, 0])
    with pytest.raises(ValueError, match="sum to the 40 rows"):
        KoopmanEDMD().fit(a, lengths=[3, 4])
    with pytest.raises(ValueError, match="not both"):
        KoopmanEDMD().fit(a, lengths=[40], groups=np.zeros(40))
    with pytest.raises(ValueError, match="nothing to fit"):
        KoopmanEDMD().fit(np.zeros((5, 2)))
    model = KoopmanEDMD().fit(a)
    for call in (
        lambda: model.verified(0),
        lambda: model.local_spectrum([1.0], cut=0),
        lambda: model.spectral_measure([0.0], order=0),
        lambda: model.spectral_measure([0.0], observable=[1.0]),
        lambda: model.autocorrelation_measure(a, [0.0]),
        lambda: model.autocorrelation_measure(a[:, 0], [0.0], smoothing="none"),
        lambda: model.simulate(a[:1], 0),
        lambda: model.variance_residual(a, a, None),
    ):
        with pytest.raises(ValueError, match=r"\w"):
            call()


def _log(X):
    with np.errstate(divide="ignore"):
        return np.log(X)
