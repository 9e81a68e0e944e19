"""FederatedGrassmannPCA: the class, its reports, failures of clients, and wrong input."""

import numpy as np
import pytest
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import subspace_learn.functional.grassmann.federated_client as module
from subspace_learn import FederatedGrassmannPCA, GrassmannPCA, SubspaceDetector
from subspace_learn.datasets import make_noniid_clients


@pytest.fixture(scope="module")
def clients():
    return make_noniid_clients(5, 80, 15, 3, random_state=3)


def test_covariance_equals_pca_of_the_standardised_rows(clients):
    X, groups = clients
    ours = FederatedGrassmannPCA(3, standardize=True).fit(X, groups=groups)
    Z = StandardScaler().fit_transform(X)
    reference = GrassmannPCA(3).fit(Z)
    assert subspace_angles(ours.components_.T, reference.components_.T).max() < 1e-7
    np.testing.assert_allclose(ours.transform(X), reference.transform(Z), atol=1e-8)
    for name in ("explained_variance_", "explained_variance_ratio_", "singular_values_"):
        np.testing.assert_allclose(getattr(ours, name), getattr(reference, name), rtol=1e-9)
    assert ours.noise_variance_ == pytest.approx(reference.noise_variance_, rel=1e-9)


def test_unsorted_string_groups_are_the_same_clients(clients, rng):
    X, groups = clients
    order = rng.permutation(len(X))
    names = np.array([f"site {g}" for g in groups])
    a = FederatedGrassmannPCA(2, aggregation="chordal").fit(X, groups=groups)
    b = FederatedGrassmannPCA(2, aggregation="chordal").fit(X[order], groups=names[order])
    assert subspace_angles(a.components_.T, b.components_.T).max() < 1e-7
    assert b.clients_ == [f"site {i}" for i in range(5)]


def test_training_and_test_rows_are_scaled_alike(clients):
    X, groups = clients
    ours = FederatedGrassmannPCA(15, standardize=True).fit(X, groups=groups)
    np.testing.assert_allclose(ours.inverse_transform(ours.transform(X[:5])), X[:5], atol=1e-10)
    np.testing.assert_allclose(ours.mean_, X.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(ours.scale_, X.std(axis=0), rtol=1e-12)


def test_translation_changes_nothing(clients):
    X, groups = clients
    a = FederatedGrassmannPCA(3).fit(X, groups=groups)
    b = FederatedGrassmannPCA(3).fit(X + 7.0, groups=groups)
    assert subspace_angles(a.components_.T, b.components_.T).max() < 1e-7


def test_krylov_sends_less_than_the_covariance_when_features_are_many(rng):
    X, groups = make_noniid_clients(4, 100, 200, 2, random_state=0)
    krylov = FederatedGrassmannPCA(2, aggregation="krylov", n_rounds=10, random_state=0)
    krylov.fit(X, groups=groups)
    exact = FederatedGrassmannPCA(2).fit(X, groups=groups)
    assert subspace_angles(krylov.components_.T, exact.components_.T).max() < np.radians(1)
    sent = sum(line["bytes_sent"] for line in krylov.history_)
    assert sent < exact.history_[0]["bytes_sent"] / 3


def test_drawn_clients_repeat_with_the_seed_and_are_scored_on_all(clients):
    X, groups = clients
    fits = [
        FederatedGrassmannPCA(
            3, aggregation="admm", participation=0.4, n_rounds=6, standardize=True, random_state=1
        ).fit(X, groups=groups)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(fits[0].components_, fits[1].components_)
    assert {line["n_clients"] for line in fits[0].history_} == {2}
    Z = StandardScaler().fit_transform(X)
    share = np.sum((Z @ fits[0].components_.T) ** 2) / np.sum(Z**2)
    assert fits[0].explained_variance_ratio_.sum() == pytest.approx(share, rel=1e-9)


def test_a_failing_client_is_reported_and_the_fit_goes_on(clients, monkeypatch):
    X, groups = clients
    calls = []

    def unreliable(message, rows, memory=None, *, weights=None):
        calls.append(message["task"])
        if message["task"] == "scatter" and calls.count("scatter") == 2:
            raise ConnectionError("line is down")
        return original(message, rows, memory, weights=weights)

    original = module.client_update
    monkeypatch.setattr(module, "client_update", unreliable)
    with pytest.warns(UserWarning, match=r"Client 1 failed at 'scatter'.*line is down"):
        ours = FederatedGrassmannPCA(3).fit(X, groups=groups)
    assert ours.history_[0]["failed"] == [1]
    assert ours.history_[0]["n_clients"] == 4
    assert np.isfinite(ours.transform(X)).all()


def test_when_all_clients_fail_the_earlier_fit_stays(clients, monkeypatch):
    X, groups = clients
    ours = FederatedGrassmannPCA(3).fit(X, groups=groups)
    before = ours.components_.copy()

    def down(*args, **kwargs):
        raise ConnectionError

    monkeypatch.setattr(module, "client_update", down)
    with pytest.warns(UserWarning, match="failed"), pytest.raises(ValueError, match="No client"):
        ours.fit(X, groups=groups)
    np.testing.assert_array_equal(ours.components_, before)


def test_verbose_prints_one_line_a_round(clients, capsys):
    X, groups = clients
    FederatedGrassmannPCA(3, aggregation="admm", n_rounds=3, verbose=1).fit(X, groups=groups)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "round 2: explains 0." in lines[1]


def test_groups_travel_by_metadata_routing_and_into_a_detector(clients):
    import sklearn

    X, groups = clients
    with sklearn.config_context(enable_metadata_routing=True):
        pca = FederatedGrassmannPCA(3, aggregation="chordal").set_fit_request(groups=True)
        pipe = make_pipeline(pca).fit(X, groups=groups)
        assert pipe[0].clients_ == [0, 1, 2, 3, 4]
        detector = SubspaceDetector(pca).fit(X, groups=groups)
    assert detector.subspace_.clients_ == [0, 1, 2, 3, 4]


def test_weights_equal_repetition(clients, rng):
    X, groups = clients
    w = rng.integers(0, 3, size=len(X))
    a = FederatedGrassmannPCA(3).fit(X, sample_weight=w, groups=groups)
    b = FederatedGrassmannPCA(3).fit(np.repeat(X, w, axis=0), groups=np.repeat(groups, w))
    assert subspace_angles(a.components_.T, b.components_.T).max() < 1e-7
    np.testing.assert_allclose(a.explained_variance_, b.explained_variance_, rtol=1e-10)
    assert a.n_samples_seen_ == b.n_samples_seen_ == w.sum()


def test_few_weighted_rows_have_the_noise_variance_of_their_repetition(rng):
    X = rng.normal(size=(8, 12)) * 3.0
    w = np.array([3, 1, 2, 2, 1, 3, 1, 2])
    a = FederatedGrassmannPCA(2, standardize=True).fit(X, sample_weight=w)
    b = FederatedGrassmannPCA(2, standardize=True).fit(np.repeat(X, w, axis=0))
    assert a.noise_variance_ == pytest.approx(b.noise_variance_, rel=1e-10)
    # 15 rows by their weights: 12 features, of which 2 are kept
    Z = StandardScaler().fit_transform(np.repeat(X, w, axis=0))
    variances = np.linalg.eigvalsh(np.cov(Z.T))
    assert a.noise_variance_ == pytest.approx(variances[:-2].sum() / 10, rel=1e-10)
    assert FederatedGrassmannPCA(12).fit(X, sample_weight=w).n_components_ == 12


@pytest.mark.parametrize("standardize", [True, False])
def test_score_is_the_log_likelihood_of_the_rows_in_their_own_units(clients, standardize):
    X, groups = clients
    X = X * np.linspace(0.5, 20.0, 15)
    ours = FederatedGrassmannPCA(3, standardize=standardize).fit(X, groups=groups)
    Z = StandardScaler(with_std=standardize)
    theirs = PCA(3, svd_solver="full").fit(Z.fit_transform(X))
    jacobian = np.log(Z.scale_).sum() if standardize else 0.0
    expected = theirs.score_samples(Z.transform(X)) - jacobian
    np.testing.assert_allclose(ours.score_samples(X), expected, rtol=1e-9)
    assert ours.score(X) == pytest.approx(expected.mean(), rel=1e-9)
    np.testing.assert_allclose(
        ours.reconstruction_error(X),
        ((Z.transform(X) - theirs.inverse_transform(theirs.transform(Z.transform(X)))) ** 2).sum(
            axis=1
        ),
        rtol=1e-7,
    )


def test_defaults_are_those_of_grassmann_pca(clients):
    X, groups = clients
    ours, one = FederatedGrassmannPCA(4).fit(X, groups=groups), GrassmannPCA(4).fit(X)
    np.testing.assert_allclose(ours.components_, one.components_, atol=1e-8)
    np.testing.assert_array_equal(ours.scale_, 1.0)
    assert ours.noise_variance_ == pytest.approx(one.noise_variance_, rel=1e-9)
    assert FederatedGrassmannPCA().n_components == 2


def test_fitted_attributes_do_not_read_parameters(clients):
    X, groups = clients
    ours = FederatedGrassmannPCA(3, standardize=True).fit(X, groups=groups)
    before = ours.transform(X), ours.explained_variance_, ours.score(X), ours.n_iter_
    ours.set_params(standardize=False, n_components=1, aggregation="krylov", n_rounds=2)
    for a, b in zip(before, (ours.transform(X), ours.explained_variance_), strict=False):
        np.testing.assert_array_equal(a, b)
    assert before[2:] == (ours.score(X), ours.n_iter_)


# -- wrong input -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("groups", "message"),
    [(np.zeros(3), r"shape \(3,\).*400 rows"), ([None] * 400, "400 missing")],
)
def test_wrong_groups_are_refused(clients, groups, message):
    with pytest.raises(ValueError, match=message):
        FederatedGrassmannPCA(2).fit(clients[0], groups=groups)


def test_wrong_parameters_are_refused(clients):
    X, groups = clients
    with pytest.raises(ValueError, match="at most 15"):
        FederatedGrassmannPCA(16).fit(X, groups=groups)
    with pytest.raises(ValueError, match="'aggregation' parameter"):
        FederatedGrassmannPCA(2, aggregation="mean").fit(X, groups=groups)
    with pytest.raises(ValueError, match="'participation' parameter"):
        FederatedGrassmannPCA(2, participation=0.0).fit(X, groups=groups)


def test_a_client_whose_rows_carry_no_weight_has_no_say(clients):
    X, groups = clients
    w = (groups != 2).astype(float)
    with pytest.warns(UserWarning, match="Client 2 failed at 'moments'"):
        ours = FederatedGrassmannPCA(3).fit(X, sample_weight=w, groups=groups)
    reference = FederatedGrassmannPCA(3).fit(X[groups != 2], groups=groups[groups != 2])
    assert subspace_angles(ours.components_.T, reference.components_.T).max() < 1e-7


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_samples", [101, 1001])
def test_constant_columns_have_scale_one_and_no_direction(rng, n_samples, dtype):
    X = rng.normal(size=(n_samples, 46)).astype(dtype)
    constants = np.r_[0.1, rng.uniform(-50, 50, size=39).round(2)]
    X[:, 6:] = constants  # a plain mean of equal values is off by its rounding in a third of them
    weights = rng.integers(1, 4, size=n_samples)
    groups = rng.integers(0, 5, size=n_samples)
    pca = FederatedGrassmannPCA(2, standardize=True).fit(X, sample_weight=weights, groups=groups)
    np.testing.assert_array_equal(pca.scale_[6:], 1.0)
    np.testing.assert_array_equal(pca.mean_[6:], X[0, 6:])
    np.testing.assert_array_equal(pca.components_[:, 6:], 0.0)
    spread = np.sqrt(np.cov(X[:, :6].T, fweights=weights, ddof=0).diagonal())
    np.testing.assert_allclose(pca.scale_[:6], spread, rtol=1e-5)
