"""What RandomMatrixFilter finds, beside its targets and peers, for doc/_tables.

python asv_benches/random_matrix_tables.py             # the whole page, 6 minutes
python asv_benches/random_matrix_tables.py shield_digits   # one table, printed only

Seeds are fixed, parameters are chosen on training rows, and spreads over seeds are given.
``random_matrix_shield.py`` holds the attacks.
"""

from __future__ import annotations

import warnings

import numpy as np
from random_matrix_shield import digits_rows, nsl_rows, reasons_table, shield_table
from sklearn.covariance import OAS, EmpiricalCovariance, LedoitWolf
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.model_selection import GridSearchCV, KFold, RepeatedKFold
from sklearn.preprocessing import StandardScaler
from tables import spread, write_page
from threadpoolctl import threadpool_limits

from subspace_learn import RandomMatrixFilter
from subspace_learn.datasets import make_spiked_samples
from subspace_learn.random_matrix import AnalyticShrinkage, RobustDirections

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


def losses(n_seeds=20):
    """Relative Frobenius loss, spikes 10, 5, 3, 1.5; medians of 20 draws."""
    estimators = (LedoitWolf(), OAS(), AnalyticShrinkage(), RandomMatrixFilter())
    rows = [("n, p", *(type(e).__name__ for e in estimators), "oracle", "target")]
    for n, p, tails, target in (
        (400, 200, None, ".226"),
        (200, 200, None, ".308"),
        (200, 400, None, ".305"),
        (400, 200, 5, ""),
    ):
        found = []
        for seed in range(n_seeds):
            X, truth = planted(n, p, seed, tails)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of the heavy tails
                fits = [estimator.fit(X).covariance_ for estimator in estimators]
            found.append([loss(fit, truth) for fit in (*fits, oracle(X, truth))])
        values = [f"{value:.3f}"[1:] for value in np.median(found, axis=0)]
        rows.append((f"{n}, {p}" + (f", t{tails} noise" if tails else ""), *values, target))
    return rows


def level(n_draws=2000):
    """White noise, 2000 draws, significance .01 (target: a spike in .005 to .015 of them)."""
    rows = [("n, p", "noise", "draws with a spike", "noise variance (truth 1)")]
    for n, p in ((30, 8), (50, 20), (100, 40), (100, 100), (40, 200), (400, 200)):
        for noise in (1.0, "median", "mle"):
            model = RandomMatrixFilter(noise=noise, on_empty="ignore")
            found = []
            for seed in range(n_draws):
                X = 5 + np.random.default_rng(seed).standard_normal((n, p))
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", UserWarning)  # a spike in noise is a departure
                    model.fit(X)
                found.append((model.n_components_ > 0, model.noise_variance_))
            found = np.array(found)
            name = "known" if noise == 1.0 else noise
            rows.append((f"{n}, {p}", name, f"{found[:, 0].mean():.4f}", spread(found[:, 1])))
    return rows


def single_draws(n_seeds=200):
    """Noise level and debiased spikes of one draw, 200 draws (spikes 41 and 21; target 3 %)."""
    rows = [
        (
            "n, p",
            "noise",
            "noise variance (truth 1)",
            "draws within 3 %",
            "first spike / truth",
            ":math:`(2 / n)^{1/2}`",
        )
    ]
    for n, p in ((400, 100), (100, 400), (200, 200), (1000, 200)):
        for noise in ("median", "mle"):
            variance, spikes = [], []
            for seed in range(n_seeds):
                X = make_spiked_samples(n, p, spikes=(40.0, 20.0), random_state=seed)
                model = RandomMatrixFilter(noise=noise, n_components=2).fit(X)
                variance.append(model.noise_variance_)
                spikes.append(float(model.spikes_[0]) / 41)
            share = np.mean(np.abs(np.array(variance) - 1) < 0.03)
            known = (spread(variance), f"{100 * share:.0f} %", spread(spikes))
            rows.append((f"{n}, {p}", noise, *known, f"{(2 / n) ** 0.5:.3f}"))
    return rows


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


def departures(n_seeds=5):
    """Number of spikes found (3 are planted) and how often a fit warned, 5 draws."""
    options = {
        "default": {},
        "features": {"standardize": "features"},
        "samples": {"standardize": "samples"},
        "both": {"standardize": "both"},
        "permutation": {"edge": "permutation"},
        "both, permutation": {"standardize": "both", "edge": "permutation"},
    }
    rows = [("noise", *options)]
    for kind in ("white", "unequal features", "unequal rows", "t3 tails"):
        cells = [kind]
        for given in options.values():
            counts, warned = [], 0
            for seed in range(n_seeds):
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    model = RandomMatrixFilter(random_state=0, **given).fit(unequal(kind, seed))
                counts.append(model.n_components_)
                warned += bool(caught)
            low, high = min(counts), max(counts)
            cells.append(f"{low} to {high}; warned {warned}" if high > low else f"{low}; {warned}")
        rows.append(cells)
    return rows


def overlaps(n_seeds=20):
    """Overlap of what is kept with three robust factors, three fragile (500 x 80, 20 draws)."""
    rows = [("selector", "overlap", "smallest", "target")]
    for selector in ("rbns", "rotated_rbns"):
        found = []
        for seed in range(n_seeds):
            rng = np.random.default_rng(seed)
            basis = np.linalg.qr(rng.standard_normal((80, 6)))[0]
            Z = rng.standard_normal((500, 6)) * np.sqrt([40, 20, 10, 28, 14, 7])
            X = Z @ basis.T + rng.standard_normal((500, 80))
            moves = rng.standard_normal((500, 6)) * [0.1, 0.1, 0.1, 3, 3, 3]
            model = RobustDirections(selector=selector, quantile=0.5)
            model.fit(X, X_perturbed=X + moves @ basis.T)
            found.append(np.sum((model.components_ @ basis[:, :3]) ** 2) / 3)
        rows.append((selector, spread(found), f"{min(found):.3f}", "above .85"))
    return rows


def shield_digits():
    """Digits, embedded in 256 dimensions: accuracy in %, 5 seeds."""
    return shield_table(*digits_rows())


def shield_nsl_kdd():
    """NSL-KDD, embedded in 256 dimensions: accuracy in %, 5 seeds."""
    return shield_table(*nsl_rows())


def shield_reasons():
    """As many directions dropped as are fragile: what costs accuracy, in %, 5 seeds."""
    return reasons_table({"digits": digits_rows(), "NSL-KDD": nsl_rows()})


# --- likelihoods --------------------------------------------------------------------------------


class AnalyticBulk(AnalyticShrinkage):
    """Spikes by Stein's loss, all other eigenvalues by analytic shrinkage, for this table only."""

    def fit(self, X, y=None):
        super().fit(X)
        model = RandomMatrixFilter(on_empty="ignore", noise="mle", shrinkage="stein").fit(X)
        spikes = np.linalg.eigvalsh(model.covariance_)[::-1][: model.n_components_]
        gaussian = self._fit.gaussian
        values = gaussian.leading.copy()
        values[: model.n_components_] = spikes[: len(values)]
        self._fit = self._fit._replace(gaussian=gaussian._replace(leading=values))
        return self


def chosen_rank(n_rows, n_features):
    """RandomMatrixFilter whose number of spikes is chosen by cross-validated likelihood."""
    limit = min(n_features - 1, 2 * n_rows // 3 - 2)
    ranks = [r for r in (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50) if r <= limit]
    model = RandomMatrixFilter(noise="mle", shrinkage="stein")
    return GridSearchCV(model, {"n_components": ranks}, cv=KFold(3, shuffle=True, random_state=0))


def likelihoods():
    """Mean Gaussian log-likelihood of held-out rows, training rows standardized; 10 folds."""
    ours = {"on_empty": "ignore"}
    models = {
        "sample": EmpiricalCovariance(),
        "LedoitWolf": LedoitWolf(),
        "OAS": OAS(),
        "AnalyticShrinkage": AnalyticShrinkage(),
        "RandomMatrixFilter": RandomMatrixFilter(**ours),
        "mle, stein": RandomMatrixFilter(**ours, noise="mle", shrinkage="stein"),
        "mle, stein, rank by CV": None,
        "stein, analytic bulk": AnalyticBulk(),
    }
    loaders = (load_wine, load_breast_cancer, load_diabetes, load_digits)
    rows = [("table, training rows", *models)]
    for load in loaders:
        name, X = load.__name__.removeprefix("load_").replace("_", " "), load().data
        X = X[:, X.std(axis=0) > 0.5] if name == "digits" else X
        for n_train in (2 * X.shape[1], None):
            scores = {model: [] for model in models}
            for train, test in folds(X, n_train):
                for model, estimator in models.items():
                    estimator = estimator or chosen_rank(*train.shape)
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")  # real tables are not white noise
                        scores[model].append(estimator.fit(train).score(test))
            size = f"{n_train or 4 * len(X) // 5} x {X.shape[1]}"
            rows.append((f"{name}, {size}", *(spread(v, 1) for v in scores.values())))
    return rows


def folds(X, n_train):
    """Standardized training and test rows of ten folds; with few rows, those that all vary."""
    splitter = RepeatedKFold(n_splits=5, n_repeats=2, random_state=0)
    for seed, (train, test) in enumerate(splitter.split(X)):
        if n_train is not None:
            train = np.random.default_rng(seed).choice(train, n_train, replace=False)
        scaler = StandardScaler().fit(X[train])
        if (scaler.var_ > 0).all():
            yield scaler.transform(X[train]), scaler.transform(X[test])


if __name__ == "__main__":
    with threadpool_limits(1):
        write_page(
            "random_matrix",
            __doc__.splitlines()[0],
            level,
            single_draws,
            losses,
            departures,
            likelihoods,
            overlaps,
            shield_digits,
            shield_nsl_kdd,
            shield_reasons,
        )
