"""DPPLeastSquares on a large pool, and what designs are worth beside uniform rows."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import scipy.linalg
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.linear_model import LinearRegression

from subspace_learn import DPPLeastSquares
from subspace_learn.datasets import fetch_nsl_kdd
from subspace_learn.functional.sampling.dpp_least_squares import (
    design_rows,
    feature_space,
    phi_at,
    weighted_fit,
)
from subspace_learn.functional.sampling.label_ridge import ridge_fit
from subspace_learn.functional.sampling.product_bases import basis_values, multi_indices

from .common import Listing, Quality, Speed, mean_and_error

SCHEMES = ("repeated_dpp", "uniform", "christoffel", "volume", "volume_without_replacement")


class Fit(Speed):
    """1e5 rows, 20 columns, 42 labels; least squares on all labels beside it (score: R^2)."""

    def make_data(self):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((2000 if self.quick else 100_000, 20))
        return X, X @ rng.standard_normal(20) + 0.1 * rng.standard_normal(len(X))

    def ours(self, data):
        return DPPLeastSquares(random_state=0).fit(*data)

    def peers(self, data):
        return {"LinearRegression, all labels": lambda: LinearRegression().fit(*data)}

    def score(self, data, result):
        return result.score(*data)


class Designs(Quality):
    """Mean squared error on all rows over that of a fit to all labels, by 300 designs of n rows.

    Each design is the first drawn, and the fit has no penalty: what the law of the rows is worth.
    """

    case_name = "n"
    seeds = 300

    @abstractmethod
    def pool(self):
        """Feature space, features and labels."""

    def make_data(self, n, seed):
        space, phi, y = self.pool()
        best = np.mean((y - phi @ np.linalg.lstsq(phi, y)[0]) ** 2)
        return space, phi, y, n, seed, best

    def methods(self, data):
        space, phi, y, n, seed, best = data

        def excess(scheme):
            design = design_rows(space, n, np.random.default_rng(seed), scheme=scheme)
            i = design.indices
            found = weighted_fit(space, phi_at(space, i), y[i], design.weights).orthonormal
            return np.mean((y - phi @ found) ** 2) / best

        return {scheme: lambda scheme=scheme: excess(scheme) for scheme in SCHEMES}


class Runge(Designs):
    """Runge function, ten Legendre polynomials, 300 draws: error over the best error, root mean
    square (median)"""

    cases = {f"{factor} m": round(10 * factor) for factor in (1, 1.5, 2, 3, 4)}
    targets = {"1 m": "2.6 to 4.0", "2 m": "1.7", "4 m": "1.15"}

    def pool(self):
        x = ((np.arange(20000) + 0.5) / 10000 - 1)[:, None]
        F = basis_values(x, "legendre", multi_indices(1, 9, "total_degree"))
        space = feature_space(F, intercept=False)
        return space, space.features(F), 1 / (1 + 5 * x**2)

    @staticmethod
    def summary(values, digits):
        return f"{np.mean(values) ** 0.5:.3g} ({np.median(values) ** 0.5:.3g})"


class Diabetes(Designs):
    """Diabetes (442 rows, m = 11), 300 draws: mean squared error on all rows over that of a fit to
    all labels, mean and standard error"""

    cases = {f"{11 * factor} ({factor} m)": 11 * factor for factor in (1, 2, 3, 5, 10)}
    targets = {"22 (2 m)": "1.95"}

    def pool(self):
        X, y = load_diabetes(return_X_y=True)
        space = feature_space(X)
        return space, space.features(X), y[:, None]

    @staticmethod
    def summary(values, digits):
        return f"{np.mean(values):.3g} ± {np.std(values) / len(values) ** 0.5:.2g}"


# --- what an expert would use instead -------------------------------------------------------------


def diabetes():
    return load_diabetes(return_X_y=True)


def wine():
    X = load_wine().data
    return X[:, 1:], X[:, 0]


def concavity():
    X = load_breast_cancer().data
    return X[:, :10], X[:, 26]


def area():
    X = load_breast_cancer().data
    return np.delete(X, 23, axis=1), X[:, 23]


def petals():
    X = load_iris().data
    return X[:, :3], X[:, 3]


def pixels(target):
    """Digits: the pixels that vary, and one of them or whether the digit is a 3."""
    data = load_digits()
    X = data.data[:, data.data.std(axis=0) > 0]
    if target == "three":
        return X, (data.target == 3).astype(float)
    return np.delete(X, 27, axis=1), X[:, 27]


def traffic(target):
    """NSL-KDD: 5,000 connections, numeric columns on a logarithmic scale, one as the target."""
    data = fetch_nsl_kdd("train")
    names = np.delete(data.feature_names, data.categorical_features).tolist()
    rows = np.random.default_rng(0).choice(len(data.data), 5000, replace=False)
    X = np.log1p(np.delete(data.data[rows], data.categorical_features, axis=1).astype(float))
    y = X[:, names.index(target)]
    X = np.delete(X, names.index(target), axis=1)
    return X[:, X.std(axis=0) > 1e-9], y


def farthest_first(Z, n, rng):
    """Rows each farthest from those before, the first at random (greedy k-centre)."""
    rows = [int(rng.integers(len(Z)))]
    nearest = np.sum((Z - Z[rows[0]]) ** 2, axis=1)
    while len(rows) < n:
        rows.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, np.sum((Z - Z[rows[-1]]) ** 2, axis=1))
    return np.array(rows)


def centres(Z, n, seed):
    """Rows nearest to the centres of k-means, and how many rows each stands for."""
    means = KMeans(n, n_init=1, random_state=seed).fit(Z)
    rows, first = np.unique(means.transform(Z).argmin(axis=0), return_index=True)
    return rows, np.bincount(means.labels_, minlength=n)[first].astype(float)


def d_optimal(phi, n):
    """Greedy maximum of the determinant, a millionth of the identity to begin with."""
    inverse, rows = np.eye(phi.shape[1]) * 1e6, []
    for _ in range(n):
        gain = np.einsum("ij,jk,ik->i", phi, inverse, phi)
        gain[rows] = -1.0
        rows.append(int(np.argmax(gain)))
        v = inverse @ phi[rows[-1]]
        inverse -= np.outer(v, v) / (1.0 + phi[rows[-1]] @ v)
    return np.array(rows)


class Experts(Quality):
    """What an expert would use instead: two labels a coefficient on real tables, squared error on
    all rows over that of a fit to all labels, 60 designs (6 of digits and NSL-KDD), mean and
    standard error

    Ridge is the same in all columns: on columns standardised over the pool, its penalty chosen by
    leaving one of the bought labels out. Ours is DPPLeastSquares as it comes. All peers but the
    last column know the standardised columns alone. Only diabetes was made for regression: of the
    other tables one column (or the class, as 0 and 1) is the target and the others the features.
    Each table has one set of labels: the spread is that of the designs. Greedy D-optimal rows are
    the same each time.
    """

    needs = ("data",)
    case_name = "table, target"
    cases = {
        "diabetes, progression": (diabetes,),
        "wine, alcohol": (wine,),
        "breast cancer, worst concavity by ten means": (concavity,),
        "breast cancer, worst area by the others": (area,),
        "iris, petal width": (petals,),
        "digits, one pixel by the others": (pixels, "pixel"),
        "digits, is it a 3?": (pixels, "three"),
        "NSL-KDD, dst_bytes": (traffic, "dst_bytes"),
        "NSL-KDD, dst_host_srv_count": (traffic, "dst_host_srv_count"),
    }
    n_labels = 2.0  # for each coefficient
    summary = staticmethod(mean_and_error)

    def n_seeds(self, name):
        return 6 if name.startswith(("digits", "NSL-KDD")) else 60

    def make_data(self, case, seed):
        function, *arguments = case
        X, y = function(*arguments)
        X = (X - X.mean(axis=0)) / X.std(axis=0)
        space = feature_space(X)
        return X, y, space, round(self.n_labels * space.law.basis.shape[1]), seed

    def methods(self, data):
        X, y, space, n, seed = data
        phi = space.features(X)
        best = np.mean((y - phi @ np.linalg.lstsq(phi, y)[0]) ** 2)
        rng = np.random.default_rng(seed)

        def excess(found):
            return np.mean((y - found) ** 2) / best

        def fitted(rows, weights=None, alpha="loo"):
            weights = np.ones(len(rows)) if weights is None else weights
            fit = ridge_fit(space, X[rows], phi[rows], y[rows, None], weights, alpha)
            return excess((X @ fit.coef + fit.intercept)[:, 0])

        def ours(**settings):
            model = DPPLeastSquares(n_points=n, random_state=seed, **settings)
            return excess(model.fit(X, y).predict(X))

        far, uniform = farthest_first(X, n, rng), rng.choice(len(X), n, replace=False)
        near, sizes = centres(X, n, seed)
        return {
            "ours": ours,
            "ours, no penalty": lambda: ours(alpha=0),
            "uniform, plain": lambda: fitted(uniform, alpha=0),
            "uniform, ridge": lambda: fitted(uniform),
            "farthest-first, plain": lambda: fitted(far, alpha=0),
            "farthest-first, ridge": lambda: fitted(far),
            "k-means centres, ridge": lambda: fitted(near),
            "the same, weighted by the size of the cluster": lambda: fitted(near, sizes),
            "D-optimal, ridge": lambda: fitted(d_optimal(phi, n)),
        }


class ExpertsWide(Experts):
    """What an expert would use instead: fewer labels than coefficients, squared error over the
    variance of the target, 6 designs, mean and standard error

    As above, with .5 labels a coefficient. One-hot columns of NSL-KDD are the protocol, the service
    and the flag beside the numeric ones.
    """

    cases = {
        "digits, one pixel by the others": (pixels, "pixel"),
        "digits, is it a 3?": (pixels, "three"),
        "NSL-KDD, dst_bytes": (traffic, "dst_bytes"),
    }
    n_labels = 0.5

    def methods(self, data):
        X, y, space, _, _ = data
        calls = super().methods(data)
        phi = space.features(X)
        scale = np.mean((y - phi @ np.linalg.lstsq(phi, y)[0]) ** 2) / np.var(y)
        wanted = ("ours", "uniform, ridge", "farthest-first, ridge", "k-means centres, ridge")
        wanted += ("the same, weighted by the size of the cluster",)
        return {name: lambda name=name: scale * calls[name]() for name in wanted}


class ExpertsSmooth(Quality):
    """What an expert would use instead: smooth functions without noise, two labels a coefficient,
    root mean squared error over the best, 20 designs, root mean square (largest)

    Points are chosen among 4,000 uniform ones; without a penalty but for ours. Fekete: m rows by
    pivoted QR of the features, then m more of the rest. Chebyshev: the pool's points nearest to
    Chebyshev points, with their weights, in one dimension.
    """

    case_name = "function, coefficients"
    cases = {
        "1 / (1 + 5 x^2), 10": (1, 9, "runge"),
        "exp(x), 10": (1, 9, "exp"),
        "exp(x) cos(2 y), 28": (2, 6, "wave"),
        "1 / (1 + x^2 + y^2), 28": (2, 6, "runge"),
        "exp(mean), five inputs, 56": (5, 3, "exp"),
    }
    seeds = 20

    def make_data(self, case, seed):
        n_inputs, degree, name = case
        rng = np.random.default_rng(99)
        x = rng.uniform(-1, 1, (4000, n_inputs))
        functions = {
            "runge": lambda x: 1 / (1 + (5 if n_inputs == 1 else 1) * np.sum(x**2, axis=1)),
            "exp": lambda x: np.exp(x.mean(axis=1)),
            "wave": lambda x: np.exp(x[:, 0]) * np.cos(2 * x[:, 1]),
        }
        F = basis_values(x, "legendre", multi_indices(n_inputs, degree, "total_degree"))
        space = feature_space(F, intercept=False)
        return x, space, space.features(F), functions[name](x), seed

    def methods(self, data):
        x, _, phi, y, seed = data
        m = phi.shape[1]
        n, rng = 2 * m, np.random.default_rng(seed)
        best = np.mean((y - phi @ np.linalg.lstsq(phi, y)[0]) ** 2)

        def plain(rows, weights=None):
            root = np.ones(len(rows)) if weights is None else np.sqrt(weights)
            c = np.linalg.lstsq(phi[rows] * root[:, None], y[rows] * root)[0]
            return np.sqrt(np.mean((y - phi @ c) ** 2) / best)

        def ours(n_candidates, alpha):
            model = DPPLeastSquares(
                n_candidates=n_candidates, alpha=alpha, fit_intercept=False, random_state=seed
            )
            return np.sqrt(np.mean((y - model.fit(phi, y).predict(phi)) ** 2) / best)

        def fekete():
            first = scipy.linalg.qr(phi.T, mode="r", pivoting=True)[1][:m]
            rest = np.setdiff1d(np.arange(len(phi)), first)
            second = rest[scipy.linalg.qr(phi[rest].T, mode="r", pivoting=True)[1][:m]]
            return plain(np.concatenate([first, second]))

        def chebyshev():
            if x.shape[1] > 1:
                return np.nan
            nodes = np.cos(np.pi * (np.arange(n) + 0.5) / n)
            rows = np.argmin(np.abs(x - nodes), axis=0)
            return plain(rows, np.sqrt(1 - x[rows, 0] ** 2))

        calls = {
            "ours": lambda: ours(None, "loo"),
            "ours, first design, no penalty": lambda: ours(1, 0),
            "uniform": lambda: plain(rng.choice(len(phi), n, replace=False)),
            "farthest-first": lambda: plain(farthest_first(x, n, rng)),
            "k-means centres": lambda: plain(centres(x, n, seed)[0]),
            "D-optimal": lambda: plain(d_optimal(phi, n)),
            "Fekete": fekete,
            "Chebyshev": chebyshev,
        }
        return {name: calls[name] for name in self.some(calls)}

    @staticmethod
    def summary(values, digits):
        if np.isnan(values).all():
            return "-"
        return f"{np.mean(np.square(values)) ** 0.5:.3g} ({np.max(values):.3g})"


class WorstTarget(Listing):
    """What an expert would use instead: the worst target there is, mean squared error over the best

    Diabetes (442 rows, m = 11), 22 labels, plain (weighted) least squares. An adversary who knows
    the features and the method, but not the random numbers, chooses the labels: the ones with the
    largest mean error over 200 designs. The mean over 200 others is shown; 1 is the best fit, and
    theory says at most 12 (m + 1) for one DPP. A method without chance has nothing to hide.
    """

    def rows(self):
        X, _ = load_diabetes(return_X_y=True)
        Z = (X - X.mean(axis=0)) / X.std(axis=0)
        space = feature_space(X)
        phi = space.features(X)
        m, n_designs = phi.shape[1], 10 if self.quick else 400

        def design(n_candidates, n=2 * m, scheme="repeated_dpp"):
            return lambda rng: design_rows(space, n, rng, scheme=scheme, n_candidates=n_candidates)[
                :2
            ]

        def unweighted(rows):
            return rows, np.ones(len(rows))

        greedy = d_optimal(phi, 2 * m)
        laws = {
            "one DPP, 11 labels": design(1, m, "dpp"),
            "ours, first design": design(1),
            "ours, best of 20 designs": design(20),
            "uniform": design(1, scheme="uniform"),
            "farthest-first, first row at random": lambda rng: unweighted(
                farthest_first(Z, 2 * m, rng)
            ),
            "k-means centres": lambda rng: unweighted(centres(Z, 2 * m, int(rng.integers(1e9)))[0]),
            "D-optimal": lambda rng: unweighted(greedy),
        }
        yield "rows", "worst target, mean error / best"
        for name in self.some(laws):
            yield name, self.worst(phi, laws[name], n_designs)

    def worst(self, phi, law, n_designs):
        """Mean excess of the target that is worst for half of the designs, on the other half."""
        n, m = phi.shape
        rng = np.random.default_rng(0)
        away = np.eye(n) - phi @ phi.T / n  # what no coefficient explains
        halves = np.zeros((2, n, n))
        for k in range(n_designs):
            rows, weights = law(rng)
            root = np.sqrt(weights)[:, None]
            solve = np.zeros((m, n))
            np.add.at(solve.T, rows, (np.linalg.pinv(phi[rows] * root) * root.T).T)
            halves[k % 2] += solve.T @ solve / (n_designs / 2)
        worst = away @ np.linalg.eigh(away @ halves[0] @ away)[1][:, -1]
        worst *= np.sqrt(n) / np.linalg.norm(worst)  # mean square 1: the best error
        return 1.0 + float(worst @ halves[1] @ worst)
