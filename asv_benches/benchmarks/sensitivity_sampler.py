"""SensitivitySampler: a stream of 1e7 rows in blocks, and regression from few rows."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from sklearn.cluster import kmeans_plusplus
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression, QuantileRegressor
from sklearn.metrics import log_loss, pairwise_distances_argmin_min
from sklearn.preprocessing import StandardScaler

from subspace_learn import SensitivitySampler
from subspace_learn.datasets import fetch_nsl_kdd
from subspace_learn.functional.sampling.row_sampling import row_scores, sample_rows

from .common import Quality, Speed, median_and_range

BLOCK, COLUMNS = 100_000, 10


class Stream(Speed):
    """Blocks of 1e5 x 10 float64, the time of drawing them left out; score: the stated error.

    A table of 1e7 rows would take 763 MiB. The error that the stream states is a bound, a product
    of one factor for each reduction.
    """

    param_names = ["blocks"]
    params = [[10, 100]]
    smallest = (1,)

    def make_data(self, n_blocks):
        X = np.random.default_rng(0).standard_normal((BLOCK, COLUMNS))
        return X, n_blocks

    def ours(self, data):
        X, n_blocks = data
        sampler = SensitivitySampler(2000, p=2.0, random_state=0)
        for _ in range(n_blocks):  # the same block: time and memory are what counts
            sampler.partial_fit(X)
        return sampler

    def score(self, data, sampler):
        return sampler.error_


# --- what an expert would use instead -------------------------------------------------------------


def connections(n_rows):
    """NSL-KDD: numeric columns on a logarithmic scale, standardised, their names, attack or not."""
    data = fetch_nsl_kdd("train")
    rows = np.arange(len(data.data))
    if n_rows is not None:
        rows = np.random.default_rng(0).choice(rows, n_rows, replace=False)
    X = np.log1p(np.delete(data.data[rows], data.categorical_features, axis=1).astype(float))
    names = np.delete(data.feature_names, data.categorical_features)[X.std(axis=0) > 1e-9].tolist()
    return StandardScaler().fit_transform(X[:, X.std(axis=0) > 1e-9]), names, data.target[rows] != 0


def traffic(n_rows):
    """Bytes that come back by all other numbers of a connection."""
    X, names, _ = connections(n_rows)
    target = names.index("dst_bytes")
    return np.delete(X, target, axis=1), X[:, target]


def pixels():
    """One pixel of digits by the others that vary."""
    X = load_digits().data
    X = StandardScaler().fit_transform(X[:, X.std(axis=0) > 0])
    return np.delete(X, 27, axis=1), X[:, 27]


def tumours(target):
    """Breast cancer: the largest area by the other numbers, or malignant or not by all."""
    data = load_breast_cancer()
    X = StandardScaler().fit_transform(data.data)
    return (np.delete(X, 23, axis=1), X[:, 23]) if target == "area" else (X, data.target)


def in_proportion(strata, n, rng):
    """Uniform rows of each stratum, as many as its share says, at least one; and weights."""
    rows, weights = [], []
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        size = max(1, round(n * len(members) / len(strata)))
        rows.append(rng.choice(members, size, replace=False))
        weights.append(np.full(size, len(members) / size))
    return np.concatenate(rows), np.concatenate(weights)


def k_means_coreset(X, n, rng, n_centres=20):
    """Rows by their sensitivity for k-means, from centres of k-means++ (Feldman, Langberg 2011)."""
    seeds = kmeans_plusplus(X, min(n_centres, n), random_state=int(rng.integers(1e9)))[0]
    nearest, squares = pairwise_distances_argmin_min(X, seeds, metric="sqeuclidean")
    scores = squares / squares.sum() + 1.0 / np.bincount(nearest)[nearest] / len(seeds)
    rows = rng.choice(len(X), n, p=scores / scores.sum())
    return rows, scores.sum() / scores[rows] / n


class ExpertsRegression(Quality):
    """What an expert would use instead: regression from few rows, sum of p-th powers of residuals
    on all rows over the least, median of ten samples and range

    All samples are weighted. Ours and leverage scores know the target, strata are its deciles.
    k-means++ coreset: 20 centres. Targets: bytes that come back in 10,000 connections of NSL-KDD,
    a pixel of digits, the largest area of breast cancer cells, each by all other columns.
    """

    needs = ("data",)
    case_name = "table, rows, p"
    cases = {
        "NSL-KDD, 400 of 10,000, p = 2": (traffic, 10_000, 400, 2.0),
        "NSL-KDD, 400 of 10,000, p = 1": (traffic, 10_000, 400, 1.0),
        "digits, 300 of 1,797, p = 2": (pixels, None, 300, 2.0),
        "digits, 300 of 1,797, p = 1": (pixels, None, 300, 1.0),
        "breast cancer, 100 of 569, p = 2": (tumours, "area", 100, 2.0),
        "breast cancer, 100 of 569, p = 1": (tumours, "area", 100, 1.0),
    }
    seeds = 10
    digits = 2
    summary = staticmethod(median_and_range)

    def make_data(self, case, seed):
        X, y, best = best_regression(*case[:2], case[3])
        return X, y, best, case[2], case[3], seed

    def methods(self, data):
        X, y, best, n, p, seed = data
        rng = np.random.default_rng(seed)

        def excess(rows, weights):
            c = least_norm(X[rows], y[rows], p, weights)
            return np.sum(np.abs(y - X[:, :-1] @ c[:-1] - c[-1]) ** p) / best

        def scored(row_score):
            settings = {"row_score": row_score, "append_constant": True, "random_state": seed}
            sampler = SensitivitySampler(n, p=p, **settings).fit(X[:, :-1], y)
            return excess(sampler.indices_, sampler.weights_)

        deciles = np.searchsorted(np.quantile(y, np.linspace(0.1, 0.9, 9)), y)
        table = np.column_stack([X[:, :-1], y])
        return {
            "ours (Lewis weights)": lambda: scored("lewis"),
            "leverage scores": lambda: scored("leverage"),
            "stratified": lambda: excess(*in_proportion(deciles, n, rng)),
            "uniform": lambda: excess(rng.choice(len(X), n, replace=False), np.ones(n)),
            "k-means++ coreset": lambda: excess(*k_means_coreset(table, n, rng)),
        }


@lru_cache
def best_regression(function, argument, p):
    """Table with a constant, target, and the least sum of |residual|^p."""
    X, y = function() if argument is None else function(argument)
    X = np.column_stack([X, np.ones(len(X))])
    c = least_norm(X, y, p, np.ones(len(X)))
    return X, y, np.sum(np.abs(y - X @ c) ** p)


def least_norm(X, y, p, weights):
    """Coefficients with the least weighted sum of |residual|^p, the constant being a column."""
    if p == 2:
        root = np.sqrt(weights)
        return np.linalg.lstsq(X * root[:, None], y * root)[0]
    model = QuantileRegressor(alpha=0, fit_intercept=False)
    return model.fit(X, y, sample_weight=weights).coef_


class ExpertsLogistic(Quality):
    """What an expert would use instead: logistic regression from few rows, log-loss on all rows
    over that of the fit to all, median of ten samples and range

    ``LogisticRegression(C=1)``, the weights of a sample adding up to the number of rows. Lewis
    weights of order 1 of the columns and the constant, without the classes. Stratified: each class
    in proportion.
    """

    needs = ("data",)
    case_name = "table, rows"
    cases = {
        "NSL-KDD, 1,260 of 125,973": ("traffic", 1260),
        "NSL-KDD, 300 of 125,973": ("traffic", 300),
        "breast cancer, 114 of 569": ("tumours", 114),
        "breast cancer, 57 of 569": ("tumours", 57),
    }
    seeds = 10
    digits = 2
    summary = staticmethod(median_and_range)

    def make_data(self, case, seed):
        return *best_logistic(case[0]), case[1], seed

    def methods(self, data):
        X, y, best, scores, n, seed = data
        rng = np.random.default_rng(seed)

        def excess(rows, weights):
            weights = weights * len(X) / weights.sum()
            model = LogisticRegression(max_iter=1000).fit(X[rows], y[rows], sample_weight=weights)
            return log_loss(y, model.predict_proba(X)) / best

        def scored(name):
            sample = sample_rows(scores[name], n, rng)
            return excess(sample.indices, sample.weights)

        return {
            "ours (Lewis weights, p = 1)": lambda: scored("lewis"),
            "leverage scores": lambda: scored("leverage"),
            "root leverage": lambda: scored("root_leverage"),
            "stratified": lambda: excess(*in_proportion(y, n, rng)),
            "uniform": lambda: excess(rng.choice(len(X), n, replace=False), np.ones(n)),
            "k-means++ coreset": lambda: excess(*k_means_coreset(X, n, rng)),
        }


@lru_cache
def best_logistic(name):
    """Table, classes, log-loss of the fit to all rows, and scores of rows."""
    X, y = connections(None)[::2] if name == "traffic" else tumours("class")
    model = LogisticRegression(max_iter=1000).fit(X, y)
    A = np.column_stack([X, np.ones(len(X))])
    settings = {"method": "auto", "tol": 0.01, "max_iter": 200, "rng": np.random.default_rng(0)}
    scores = {
        score: row_scores(A, score, p=1.0, **settings)
        for score in ("lewis", "leverage", "root_leverage")
    }
    return X, y, log_loss(y, model.predict_proba(X)), scores
