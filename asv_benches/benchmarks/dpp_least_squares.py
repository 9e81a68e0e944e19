"""DPPLeastSquares on a large pool, and what designs are worth beside uniform rows."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression

from subspace_learn import DPPLeastSquares
from subspace_learn.functional.sampling.dpp_least_squares import (
    design_rows,
    feature_space,
    phi_at,
    weighted_fit,
)
from subspace_learn.functional.sampling.product_bases import basis_values, multi_indices

from .common import Quality, Speed

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
    """Mean squared error on all rows over that of a fit to all labels, by 300 designs of n rows."""

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
