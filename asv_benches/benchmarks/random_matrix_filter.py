"""RandomMatrixFilter beside the one eigenproblem that it cannot do without, and its peers."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.base import clone
from sklearn.covariance import OAS, EmpiricalCovariance, LedoitWolf
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_sample_image,
    load_wine,
)
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.feature_extraction.image import extract_patches_2d
from sklearn.model_selection import GridSearchCV, KFold, RepeatedKFold
from sklearn.preprocessing import StandardScaler

from subspace_learn import RandomMatrixFilter
from subspace_learn.datasets import fetch_nsl_kdd, make_spiked_samples
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


# --- what an expert would use instead ------------------------------------------------------------


def scaled(load):
    """A table of scikit-learn whose columns have units of their own, brought to one scale."""
    return StandardScaler().fit_transform(load().data)


def patches(size):
    """Squares of a photograph as rows: 3,000 of 8 x 8 pixels, 400 of 16 x 16."""
    image = load_sample_image("china.jpg").mean(axis=2)
    n = 3000 if size == 8 else 400
    return extract_patches_2d(image, (size, size), max_patches=n, random_state=0).reshape(n, -1)


def connections():
    """2,000 connections of NSL-KDD: numeric columns that vary, logarithms, one scale."""
    data = fetch_nsl_kdd("train")
    rows = np.random.default_rng(0).permutation(len(data.data))[:2000]
    X = np.delete(data.data[rows], data.categorical_features, axis=1).astype(float)
    return StandardScaler().fit_transform(np.log1p(X[:, X.std(axis=0) > 0]))


def wiener(X, variance):
    """Wiener's filter along the principal directions, as in the textbook."""
    mean = X.mean(axis=0)
    values, V = np.linalg.eigh(np.cov(X.T))
    gains = np.clip(1 - variance / np.maximum(values, 1e-300), 0, None)
    return lambda rows: mean + (rows - mean) @ V * gains @ V.T


def by_likelihood(model, n_features):
    """Number of components by cross-validated likelihood, as scikit-learn's example does it."""
    ranks = [r for r in (1, 2, 4, 6, 8, 10, 14, 20, 30, 40) if r < n_features]
    return GridSearchCV(model, {"n_components": ranks}, cv=KFold(3, shuffle=True, random_state=0))


def reconstruction(model, X):
    """Rows by PCA or factor analysis: their scores taken back to the features."""
    model = model.fit(X)
    model = getattr(model, "best_estimator_", model)
    return lambda rows: model.transform(rows) @ model.components_ + model.mean_


class Experts(Quality):
    """What an expert would use instead: rows cleaned, relative error after noise was added

    Two thirds of the rows are fitted; "held out" are the others. The noise level is not told but
    where the column says so. Three draws.
    """

    case_name = "table, noise, rows"
    needs = ("data",)
    cases = {
        f"{name}, {noise:g}, {rows}": (load, noise, rows)
        for name, load, noise in (
            ("digits", lambda: load_digits().data, 4.0),
            ("digits", lambda: load_digits().data, 2.0),
            ("breast cancer", lambda: scaled(load_breast_cancer), 1.0),
            ("wine", lambda: scaled(load_wine), 1.0),
            ("diabetes", lambda: scaled(load_diabetes), 0.5),
            ("NSL-KDD numeric", connections, 1.0),
            ("patches 8 x 8", lambda: patches(8), 50.0),
            ("patches 16 x 16", lambda: patches(16), 50.0),
        )
        for rows in ("fitted", "held out")
    }
    seeds = 3

    def make_data(self, case, seed):
        load, noise, rows = case
        truth, rng = load(), np.random.default_rng(seed)
        X = truth + noise * rng.standard_normal(truth.shape)
        train, test = np.split(rng.permutation(len(X)), [2 * len(X) // 3])
        chosen = train if rows == "fitted" else test
        return X[train], X[chosen], truth[chosen], noise**2

    def methods(self, data):
        X, rows, truth, variance = data
        ours = RandomMatrixFilter().fit(X)

        def error(cleaned):
            return np.linalg.norm(cleaned - truth) / np.linalg.norm(truth - truth.mean(axis=0))

        def filtered(**options):
            return error(RandomMatrixFilter(**options).fit(X).filter(rows))

        def rebuilt(model):
            return error(reconstruction(model, X)(rows))

        p = X.shape[1]
        return {
            "RandomMatrixFilter": lambda: error(ours.filter(rows)),
            'gain="fitted_rows"': lambda: filtered(gain="fitted_rows"),
            'gain="projection"': lambda: filtered(gain="projection"),
            "Wiener, our level": lambda: error(wiener(X, ours.noise_variance_)(rows)),
            "factor analysis, CV": lambda: rebuilt(by_likelihood(FactorAnalysis(), p)),
            "PCA, CV": lambda: rebuilt(by_likelihood(PCA(svd_solver="full"), p)),
            'PCA("mle")': lambda: rebuilt(PCA("mle", svd_solver="full")),
            "ours, level known": lambda: filtered(noise=variance),
            "Wiener, level known": lambda: error(wiener(X, variance)(rows)),
            "level found / true": lambda: (ours.noise_variance_ / variance) ** 0.5,
        }


def description_length(X):
    """Number of directions by the minimum description length (Wax and Kailath 1985, eq. 16)."""
    n, p = X.shape
    values = np.linalg.eigvalsh(np.cov(X.T))[::-1][: min(n - 1, p)]
    lengths = []
    for k in range(len(values) - 1):
        rest = values[k:]
        fit = n * len(rest) * (np.log(rest.mean()) - np.log(rest).mean())
        lengths.append(fit + 0.5 * k * (2 * p - k) * np.log(n))
    return int(np.argmin(lengths))


def parallel_analysis(X, seed, n_tables=50):
    """Horn's parallel analysis of the correlations, columns permuted, 95 % quantiles in order."""
    Z, rng = StandardScaler().fit_transform(X), np.random.default_rng(seed)
    values = np.linalg.svd(Z, compute_uv=False)
    null = [np.linalg.svd(rng.permuted(Z, axis=0), compute_uv=False) for _ in range(n_tables)]
    above = values > np.quantile(null, 0.95, axis=0)
    return int(np.argmin(above)) if not above.all() else len(above)


class ExpertsDirections(Quality):
    """What an expert would use instead: number of directions found, where it is known

    "unequal": the deviations of the noise differ from column to column by a factor of e^0.7. Real
    tables are projected on so many of their principal directions before noise is added.
    """

    case_name = "table, directions"
    needs = ("data",)
    cases = {
        "white noise, 400 x 200, 3": "white",
        "unequal columns, 400 x 200, 3": "unequal features",
        "t3 noise, 400 x 200, 3": "t3 tails",
        "digits, 10": (lambda: load_digits().data, 10, 2.0),
        "breast cancer, 5": (lambda: scaled(load_breast_cancer), 5, 0.5),
        "NSL-KDD numeric, 8": (connections, 8, 0.5),
        "patches 16 x 16, 8": (lambda: patches(16), 8, 20.0),
    }
    seeds = 5
    digits = 1

    def make_data(self, case, seed):
        if isinstance(case, str):
            return unequal(case, seed), seed
        load, rank, noise = case
        X = load()
        model = PCA(rank, svd_solver="full").fit(X)
        X = model.inverse_transform(model.transform(X))
        return X + noise * np.random.default_rng(seed).standard_normal(X.shape), seed

    def methods(self, data):
        X, seed = data

        def found(**options):
            return RandomMatrixFilter(on_empty="ignore", random_state=0, **options).fit(X)

        both = {"standardize": "both", "edge": "permutation"}
        rank = by_likelihood(PCA(svd_solver="full"), X.shape[1])
        return {
            "RandomMatrixFilter": lambda: found().n_components_,
            'edge="permutation"': lambda: found(edge="permutation").n_components_,
            "both, permutation": lambda: found(**both).n_components_,
            "parallel analysis": lambda: parallel_analysis(X, seed),
            "description length": lambda: description_length(X),
            'PCA("mle")': lambda: PCA("mle", svd_solver="full").fit(X).n_components_,
            "PCA, CV": lambda: rank.fit(X).best_params_["n_components"],
        }
