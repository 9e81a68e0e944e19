"""FederatedGrassmannPCA as one driver of clients and server, and its private fits."""

import warnings

import numpy as np
import pytest
from scipy.linalg import subspace_angles
from sklearn.exceptions import ConvergenceWarning

from subspace_learn import FederatedGrassmannPCA
from subspace_learn.datasets import make_noniid_clients
from subspace_learn.grassmann import (
    FederatedClient,
    FederatedServer,
    FederationSettings,
    PrivacySettings,
)

# Variances and bytes before server and clients became objects (commit 185713f).
EARLIER = {
    "covariance": ([4.146432281124106, 3.2562109178167025, 2.8915369249894955], 2040),
    "krylov": ([4.146432005288453, 3.2561160896014987, 2.891503220220287], 1680),
    "chordal": ([3.3767915615290622, 3.2014793821131406, 2.4168975653507125], 672),
    "karcher": ([3.3824401885483097, 3.2068768090618214, 2.3973331258794794], 672),
    "admm": ([3.313882532913011, 3.114676271064552, 2.333124263146501], 4632),
}


@pytest.fixture(scope="module")
def clients():
    return make_noniid_clients(5, 80, 15, 3, random_state=3)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("aggregation", EARLIER)
def test_results_are_those_of_the_loop_before_the_messages(clients, aggregation):
    X, groups = clients
    settings = {"aggregation": aggregation, "n_rounds": 4, "standardize": True}
    pca = FederatedGrassmannPCA(3, **settings, participation=0.6, random_state=7)
    pca.fit(X, groups=groups)
    variances, sent = EARLIER[aggregation]
    # on one machine equal to the last bit; other BLAS round otherwise
    np.testing.assert_allclose(pca.explained_variance_, variances, rtol=1e-10)
    assert sum(line["bytes_sent"] for line in pca.history_) == sent


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("aggregation", EARLIER)
def test_a_loop_by_hand_gives_the_estimator(clients, aggregation):
    X, groups = clients
    settings = {"aggregation": aggregation, "n_rounds": 4, "standardize": True}
    pca = FederatedGrassmannPCA(3, **settings, participation=0.6, random_state=7)
    pca.fit(X, groups=groups)
    sites = {name: FederatedClient(X[groups == name]) for name in range(5)}
    server = FederatedServer(
        FederationSettings(3, **settings, participation=0.6, seed=7), list(sites)
    )
    while server.message is not None:
        server.aggregate([(name, sites[name].answer(server.message)) for name in server.asked])
    by_hand = FederatedGrassmannPCA.from_server(server)
    np.testing.assert_array_equal(by_hand.transform(X), pca.transform(X))
    np.testing.assert_array_equal(by_hand.score_samples(X), pca.score_samples(X))
    assert by_hand.clients_ == pca.clients_
    assert by_hand.get_params()["aggregation"] == aggregation
    assert by_hand.get_params()["participation"] == 0.6


def test_a_federation_that_is_not_done_gives_no_estimator():
    server = FederatedServer(FederationSettings(3), ["Oslo"])
    with pytest.raises(ValueError, match=r"not done: it waits for answers to \{'task': 'moments'"):
        FederatedGrassmannPCA.from_server(server)


def test_a_federation_without_convergence_warns_when_it_becomes_an_estimator(clients):
    X = clients[0]
    server = FederatedServer(FederationSettings(3, "krylov", n_rounds=1, seed=0), [0])
    site = FederatedClient(X)
    while server.message is not None:
        server.aggregate([(0, site.answer(server.message))])
    with pytest.warns(ConvergenceWarning, match="did not reach tol"):
        FederatedGrassmannPCA.from_server(server)


# -- privacy --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many(clients):
    """Rows enough for noise to leave something: ten copies of each, moved a little."""
    X, groups = clients
    noise = np.random.default_rng(0).normal(scale=0.05, size=(100, *X.shape))
    rows = (X + noise).reshape(-1, X.shape[1])
    return rows / np.linalg.norm(rows, axis=1).mean() * 3.0, np.tile(groups, 100)


def share(pca, X):
    Z = X - X.mean(axis=0)
    return np.sum((Z @ pca.components_.T) ** 2) / np.sum(Z**2)


@pytest.mark.parametrize("noise_by", ["client", "share", "server"])
def test_infinite_epsilon_is_no_privacy(many, noise_by):
    X, groups = many
    private = FederatedGrassmannPCA(3, epsilon=np.inf, clip_norm=np.inf, noise_by=noise_by)
    private.fit(X, groups=groups)
    plain = FederatedGrassmannPCA(3).fit(X, groups=groups)
    np.testing.assert_allclose(private.components_, plain.components_, atol=1e-9)
    np.testing.assert_allclose(private.explained_variance_, plain.explained_variance_, rtol=1e-11)
    np.testing.assert_allclose(private.mean_, plain.mean_, atol=1e-13)
    assert private.n_samples_seen_ == len(X)
    assert private.privacy_noise_ == 0.0


def test_infinite_epsilon_with_a_norm_is_the_fit_of_clipped_rows(many):
    X, groups = many
    clipped = X * np.minimum(1.0, 2.5 / np.linalg.norm(X, axis=1))[:, None]
    private = FederatedGrassmannPCA(3, epsilon=np.inf, clip_norm=2.5).fit(X, groups=groups)
    plain = FederatedGrassmannPCA(3).fit(clipped, groups=groups)
    np.testing.assert_allclose(private.explained_variance_, plain.explained_variance_, rtol=1e-9)
    assert subspace_angles(private.components_.T, plain.components_.T).max() < 1e-7


@pytest.mark.parametrize(
    ("noise_by", "factor"), [("client", 5**0.5), ("share", 1.0), ("server", 1.0)]
)
def test_the_noise_of_the_summed_matrix_is_as_promised(many, noise_by, factor):
    """Measured off the diagonal of the noised scatter minus that of the same rows without noise."""
    X, groups = many
    settings = {"clip_norm": 4.0, "delta": 1e-6}
    exact = FederatedGrassmannPCA(15, epsilon=np.inf, **settings).fit(X, groups=groups)
    sums = [
        fit.components_.T * fit.explained_variance_ @ fit.components_ * (fit.n_samples_seen_ - 1)
        for fit in (
            exact,
            *(
                FederatedGrassmannPCA(
                    15, epsilon=50.0, noise_by=noise_by, random_state=seed, **settings
                ).fit(X, groups=groups)
                for seed in range(12)
            ),
        )
    ]
    moved = np.stack([found - sums[0] for found in sums[1:]])[:, *np.triu_indices(15, 1)]
    promised = factor * PrivacySettings(50.0, 1e-6, 4.0).noise_scale / np.sqrt(2)
    # 12 x 105 draws: 2 % each deviation; the mean, which is noised too, adds a few percent
    assert np.sqrt(np.mean(moved**2)) == pytest.approx(promised, rel=0.1)


def test_private_fits_repeat_with_the_seed_and_differ_without(many):
    X, groups = many

    def fit(seed):
        return (
            FederatedGrassmannPCA(1, epsilon=20.0, clip_norm=4.0, random_state=seed)
            .fit(X, groups=groups)
            .components_
        )

    np.testing.assert_array_equal(fit(1), fit(1))
    assert np.abs(fit(1) - fit(2)).max() > 1e-6
    assert np.abs(fit(None) - fit(None)).max() > 1e-6


def test_less_privacy_explains_more(many):
    X, groups = many
    shares = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the components of small epsilon are noise, as it says
        for epsilon in (1.0, 10.0, 1000.0):
            settings = {"epsilon": epsilon, "clip_norm": 4.0, "noise_by": "share"}
            fits = [FederatedGrassmannPCA(3, **settings, random_state=seed) for seed in range(5)]
            shares.append(np.mean([share(fit.fit(X, groups=groups), X) for fit in fits]))
    best = share(FederatedGrassmannPCA(3).fit(X, groups=groups), X)
    assert shares[0] < shares[1] < shares[2]
    assert best - 0.001 < shares[2] <= best + 1e-12


def test_components_that_are_noise_and_a_large_delta_are_told(clients):
    X, groups = clients
    private = FederatedGrassmannPCA(
        3, epsilon=0.02, delta=0.01, clip_norm=4.0, noise_by="share", random_state=0
    )
    with (
        pytest.warns(UserWarning, match="noise alone has eigenvalues up to .* of the 3 components"),
        pytest.warns(UserWarning, match=r"delta=0.01 is not below one over the number of rows"),
    ):
        private.fit(X, groups=groups)


def test_a_fit_that_drowns_in_noise_leaves_the_earlier_one(many):
    X, groups = many
    pca = FederatedGrassmannPCA(3).fit(X, groups=groups)
    before = pca.components_
    pca.set_params(epsilon=1e-4, clip_norm=4.0, random_state=0)
    with pytest.raises(ValueError, match="the noise drowns everything"):
        pca.fit(X, groups=groups)
    assert pca.components_ is before or np.array_equal(pca.components_, before)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"epsilon": 1.0}, "epsilon=1.0 and clip_norm=None do not belong together"),
        ({"clip_norm": 1.0}, "epsilon=None and clip_norm=1.0 do not belong together"),
        ({"epsilon": 1.0, "clip_norm": np.inf}, "clip_norm=inf do not belong together"),
        ({"epsilon": 1.0, "clip_norm": 1.0, "aggregation": "krylov"}, "aggregation='krylov'"),
        ({"epsilon": 1.0, "clip_norm": 1.0, "standardize": True}, "standardize=True"),
        ({"epsilon": 0.0, "clip_norm": 1.0}, "'epsilon' parameter"),
        ({"epsilon": 1.0, "clip_norm": 1.0, "delta": 1.0}, "'delta' parameter"),
        ({"epsilon": 1.0, "clip_norm": 1.0, "noise_by": "nobody"}, "'noise_by' parameter"),
    ],
)
def test_what_cannot_be_private_is_refused(clients, parameters, words):
    X, groups = clients
    with pytest.raises(ValueError, match=words):
        FederatedGrassmannPCA(3, **parameters).fit(X, groups=groups)


def test_weights_are_refused_with_privacy(clients):
    X, groups = clients
    pca = FederatedGrassmannPCA(3, epsilon=1.0, clip_norm=1.0)
    with pytest.raises(ValueError, match="Repeat rows instead"):
        pca.fit(X, groups=groups, sample_weight=np.ones(len(X)))
