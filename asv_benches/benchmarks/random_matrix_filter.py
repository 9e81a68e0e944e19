"""RandomMatrixFilter beside the one eigenproblem that it cannot do without, and its peers."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.base import clone
from sklearn.covariance import OAS, EmpiricalCovariance, LedoitWolf
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.model_selection import GridSearchCV, KFold, RepeatedKFold
from sklearn.preprocessing import StandardScaler

from subspace_learn import RandomMatrixFilter
from subspace_learn.datasets import make_spiked_samples
from subspace_learn.random_matrix import AnalyticShrinkage

from .common import Listing, Quality, Speed, mean_and_deviation

SPIKES = (40.0, 20.0, 10.0)


def eigh_of_scatter(X):
    """Centre, multiply, decompose: p x p or n x n, whichever is smaller."""
    centred = X - X.mean(axis=0)
    wide = X.shape[0] < X.shape[1]
    gram = centred @ centred.T if wide else centred.T @ centred
    return np.linalg.eigh(gram / (len(X) - 1))


class Fit(Speed):
    """One fit; the target is 1.3 times the product and one eigh."""

    param_names = ["shape"]
    params = [["2000 x 500", "500 x 5000", "10000 x 200"]]
    smallest = ("100 x 20",)

    def make_data(self, shape):
        n, p = (int(part) for part in shape.split(" x "))
        return make_spiked_samples(n, p, spikes=SPIKES, random_state=0)

    def ours(self, X):
        return RandomMatrixFilter().fit(X)

    def peers(self, X):
        return {"NumPy product and eigh": lambda: eigh_of_scatter(X)}


class Covariance(Speed):
    """Estimates of a spiked covariance; the score is the relative Frobenius loss."""

    param_names = ["shape"]
    params = [["400 x 200", "2000 x 500"]]
    smallest = ("100 x 20",)
    may_use = ("skfolio",)

    def make_data(self, shape):
        n, p = (int(part) for part in shape.split(" x "))
        X, basis = make_spiked_samples(n, p, spikes=SPIKES, random_state=0, return_basis=True)
        self.truth = np.eye(p) + basis * np.array(SPIKES) @ basis.T
        return X

    def ours(self, X):
        return RandomMatrixFilter().fit(X).covariance_

    def peers(self, X):
        calls = {
            "AnalyticShrinkage": lambda: AnalyticShrinkage().fit(X).covariance_,
            "sklearn LedoitWolf": lambda: LedoitWolf().fit(X).covariance_,
            "sklearn OAS": lambda: OAS().fit(X).covariance_,
        }
        return calls | skfolio_calls(X)

    def score(self, X, covariance):
        return np.linalg.norm(covariance - self.truth) / np.linalg.norm(self.truth)


def skfolio_calls(X):
    """Call skfolio's clipping to the Marchenko-Pastur edge, if it is installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from skfolio.moments import DenoiseCovariance
    except ImportError:
        return {}
    return {"skfolio DenoiseCovariance": lambda: DenoiseCovariance().fit(X).covariance_}


class Filter(Speed):
    """20,000 rows of 2,000 features through three directions: two thin products a row."""

    def make_data(self):
        n, p = (500, 50) if self.quick else (20_000, 2_000)
        X = make_spiked_samples(n, p, spikes=SPIKES, random_state=0)
        self.model = RandomMatrixFilter(n_components=3).fit(X[:2000])
        return X

    def ours(self, X):
        return self.model.filter(X)

    def peers(self, X):
        mean, V = self.model.mean_, self.model.components_
        return {"NumPy": lambda: ((X - mean) @ V.T) @ V + mean}


# --- spikes -------------------------------------------------------------------------------------


def planted(n, p, seed, tails=None):
    """Rows with population eigenvalues 10, 5, 3, 1.5 along the axes, and the covariance."""
    d = np.ones(p)
    d[:4] = (10, 5, 3, 1.5)
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((n, p)) if tails is None else rng.standard_t(tails, (n, p))
    if tails is not None:
        noise *= ((tails - 2) / tails) ** 0.5
    return noise * d**0.5, np.diag(d)


def loss(covariance, truth):
    return np.linalg.norm(covariance - truth) / np.linalg.norm(truth)


def oracle(X, truth):
    """Best eigenvalues for the sample's eigenvectors."""
    vectors = np.linalg.eigh(np.cov(X.T))[1]
    return vectors * np.einsum("ij,ij->j", vectors, truth @ vectors) @ vectors.T


class Losses(Quality):
    """Relative Frobenius loss of the covariance, spikes 10, 5, 3, 1.5 along the axes; 20 draws"""

    case_name = "n, p"
    cases = {
        "400, 200": (400, 200, None),
        "200, 200": (200, 200, None),
        "200, 400": (200, 400, None),
        "400, 200, t5 noise": (400, 200, 5),
    }
    may_use = ("skfolio",)
    targets = {"400, 200": ".226", "200, 200": ".308", "200, 400": ".305"}
    seeds = 20

    def make_data(self, case, seed):
        n, p, tails = case
        return planted(n, p, seed, tails)

    def methods(self, data):
        X, truth = data
        estimators = (RandomMatrixFilter(), AnalyticShrinkage(), LedoitWolf(), OAS())
        calls = {type(e).__name__: lambda e=e: e.fit(X).covariance_ for e in estimators}
        calls |= {name: call for name, call in skfolio_calls(X).items()}
        return calls | {"oracle": lambda: oracle(X, truth)}

    def score(self, data, covariance):
        return loss(covariance, data[1])


class LossesTurned(Losses):
    """The same, spikes along random directions"""

    targets: dict = {}
    cases = {"400, 200": (400, 200), "2000, 200": (2000, 200)}

    def make_data(self, case, seed):
        n, p = case
        spikes = (9.0, 4.0, 2.0, 0.5)
        X, basis = make_spiked_samples(n, p, spikes=spikes, random_state=seed, return_basis=True)
        return X, np.eye(p) + basis * np.array(spikes) @ basis.T


class Level(Listing):
    """White noise, 2,000 draws, significance .01 (target: a spike in .005 to .015 of them)"""

    n_threads = 1

    def rows(self):
        yield "n, p", "noise", "draws with a spike", "noise variance (truth 1)"
        for n, p in self.some(((30, 8), (50, 20), (100, 40), (100, 100), (40, 200), (400, 200))):
            for name, noise in (("known", 1.0), ("median", "median"), ("mle", "mle")):
                model = RandomMatrixFilter(noise=noise, on_empty="ignore")
                found = []
                for seed in range(3 if self.quick else 2000):
                    model.fit(5 + np.random.default_rng(seed).standard_normal((n, p)))
                    found.append((model.n_components_ > 0, model.noise_variance_))
                spiked, variance = np.transpose(found)
                yield f"{n}, {p}", name, f"{spiked.mean():.4f}", mean_and_deviation(variance)


class SingleDraws(Quality):
    """Noise level and debiased spike of one draw, 200 draws (spikes 41 and 21, noise 1).

    One draw of the spike strays by the root of 2 / n of itself.
    """

    case_name = "n, p, noise"
    cases = {
        f"{n}, {p}, {noise}": (n, p, noise)
        for n, p in ((400, 100), (100, 400), (200, 200), (1000, 200))
        for noise in ("median", "mle")
    }
    seeds = 200
    n_threads = 1

    def make_data(self, case, seed):
        n, p, noise = case
        X = make_spiked_samples(n, p, spikes=(40.0, 20.0), random_state=seed)
        return RandomMatrixFilter(noise=noise, n_components=2).fit(X), n

    def methods(self, data):
        model, n = data
        return {
            "noise variance": lambda: model.noise_variance_,
            "share within 3 %": lambda: float(abs(model.noise_variance_ - 1) < 0.03),
            "first spike / truth": lambda: float(model.spikes_[0]) / 41,
            "root of 2 / n": lambda: (2 / n) ** 0.5,
        }


def unequal(kind, seed, n=400, p=200):
    """Three spikes of 20, 10 and 6 times the mean variance of a noise that is not white."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((n, p))
    if kind == "unequal features":
        noise *= np.exp(rng.normal(0, 0.7, p))
    elif kind == "unequal rows":
        noise *= np.exp(rng.normal(0, 0.7, n))[:, None]
    elif kind == "t3 tails":
        noise = rng.standard_t(3, (n, p))
    basis = np.linalg.qr(rng.standard_normal((p, 3)))[0]
    scale = np.mean(noise**2) ** 0.5
    return noise + scale * rng.standard_normal((n, 3)) * np.sqrt([20, 10, 6]) @ basis.T


class Departures(Listing):
    """Number of spikes found (3 are planted) and how often a fit warned, 5 draws"""

    n_threads = 1

    def rows(self):
        options = {
            "default": {},
            "features": {"standardize": "features"},
            "samples": {"standardize": "samples"},
            "both": {"standardize": "both"},
            "permutation": {"edge": "permutation"},
            "both, permutation": {"standardize": "both", "edge": "permutation"},
        }
        yield "noise", *options
        for kind in self.some(("white", "unequal features", "unequal rows", "t3 tails")):
            yield kind, *(self._cell(kind, given) for given in options.values())

    def _cell(self, kind, given):
        counts, warned = [], 0
        for seed in self.some(range(5)):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                model = RandomMatrixFilter(random_state=0, **given).fit(unequal(kind, seed))
            counts.append(model.n_components_)
            warned += bool(caught)
        low, high = min(counts), max(counts)
        return f"{low} to {high}; warned {warned}" if high > low else f"{low}; warned {warned}"


# --- likelihoods --------------------------------------------------------------------------------


def chosen_rank(n_rows, n_features):
    """RandomMatrixFilter whose number of spikes is chosen by cross-validated likelihood."""
    limit = min(n_features - 1, 2 * n_rows // 3 - 2)
    ranks = [r for r in (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50) if r <= limit]
    model = RandomMatrixFilter(noise="mle", shrinkage="stein")
    return GridSearchCV(model, {"n_components": ranks}, cv=KFold(3, shuffle=True, random_state=0))


LOADERS = {"wine": load_wine, "breast cancer": load_breast_cancer}
LOADERS |= {"diabetes": load_diabetes, "digits": load_digits}


class Likelihoods(Quality):
    """Mean Gaussian log-likelihood of held-out rows, training rows standardized; ten folds.

    "few": two training rows for each feature; "all": four fifths of the table.
    """

    case_name = "table, training rows"
    cases = {f"{name}, {rows}": (name, rows) for name in LOADERS for rows in ("few", "all")}
    seeds = 10
    digits = 1
    n_threads = 1

    def make_data(self, case, fold):
        name, rows = case
        X = LOADERS[name]().data
        X = X[:, X.std(axis=0) > 0.5] if name == "digits" else X
        splitter = RepeatedKFold(n_splits=5, n_repeats=2, random_state=0)
        train, test = list(splitter.split(X))[fold]
        if rows == "few":
            train = np.random.default_rng(fold).choice(train, 2 * X.shape[1], replace=False)
        scaler = StandardScaler().fit(X[train])
        kept = scaler.var_ > 0  # with few rows, features may not vary
        return scaler.transform(X[train])[:, kept], scaler.transform(X[test])[:, kept]

    def methods(self, data):
        train, test = data
        quiet = RandomMatrixFilter(on_empty="ignore")
        stein = clone(quiet).set_params(noise="mle", shrinkage="stein")
        models = {
            "RandomMatrixFilter": quiet,
            "mle, stein": stein,
            "mle, stein, rank by CV": chosen_rank(*train.shape),
            "AnalyticShrinkage": AnalyticShrinkage(),
            "LedoitWolf": LedoitWolf(),
            "OAS": OAS(),
            "sample": EmpiricalCovariance(),
        }
        return {name: lambda m=m: m.fit(train).score(test) for name, m in models.items()}
