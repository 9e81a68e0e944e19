"""Is a detector's threshold worth its promise, and which statistic ranks better.

Normal rows are the rows of one class, outliers those of all others. The subspace is the default,
``GrassmannPCA(n_components=0.9)``.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module

import numpy as np
from sklearn import datasets
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from subspace_learn import GrassmannPCA, SubspaceDetector
from subspace_learn.datasets import fetch_nsl_kdd

from .common import Quality


def by_class(loader, labels=None):
    """Normal rows and outliers, for each class (or those named) as the normal one."""
    X, y = loader(return_X_y=True)
    return [(X[y == k], X[y != k]) for k in (np.unique(y) if labels is None else labels)]


def nsl_kdd():
    """The 38 numeric columns, signed logarithms, 6,000 rows drawn once."""
    data = fetch_nsl_kdd()
    chosen = np.random.default_rng(0).permutation(len(data.target))[:6000]
    X = data.data[chosen, :38].astype(float)
    X = np.sign(X) * np.log1p(np.abs(X))
    return [(X[data.target[chosen] == 0], X[data.target[chosen] == 1])]


def diabetes():
    X, y = datasets.load_diabetes(return_X_y=True)
    return [(X[y < np.median(y)], X[y >= np.median(y)])]


def off_a_plane(within=False):
    """600 rows near 5 of 30 dimensions; 200 outliers near 5 others, or far out within these."""
    rng = np.random.default_rng(0)
    basis, other = (np.linalg.qr(rng.normal(size=(30, 5)))[0].T for _ in range(2))
    normal = 3 * rng.normal(size=(600, 5)) @ basis + 0.5 * rng.normal(size=(600, 30))
    spread, plane = (7.5, basis) if within else (3.0, other)
    outliers = spread * rng.normal(size=(200, 5)) @ plane + 0.5 * rng.normal(size=(200, 30))
    return [(normal, outliers)]


def off_one_axis():
    """The same normal rows; outliers that differ by six deviations in one feature."""
    normal = off_a_plane()[0][0]
    rng = np.random.default_rng(1)
    return [(normal, normal[:200] + 3.0 * np.eye(30)[rng.integers(30, size=200)])]


class FalseAlarms(Quality):
    """False alarms on held-out normal rows at a nominal .05: means of 50 random halves"""

    needs = ("data",)
    case_name = "normal rows"
    cases = {
        **{f"digits {k}": partial(by_class, datasets.load_digits, [k]) for k in range(10)},
        **{f"wine {k}": partial(by_class, datasets.load_wine, [k]) for k in range(3)},
        "breast cancer malignant": partial(by_class, datasets.load_breast_cancer, [0]),
        "breast cancer benign": partial(by_class, datasets.load_breast_cancer, [1]),
        "NSL-KDD normal": nsl_kdd,
        "noise, 60 x 200": None,
    }
    seeds = 50
    summary = staticmethod(lambda values, digits: f"{np.mean(values):.{digits}f}")

    def make_data(self, load, seed):
        if load is None:
            rng = np.random.default_rng(seed)
            return rng.normal(size=(60, 200)), rng.normal(size=(500, 200))
        return train_test_split(load()[0][0], test_size=0.5, random_state=seed)

    def methods(self, data):
        fitted, fresh = data

        def alarms(statistic, rows):
            detector = SubspaceDetector(statistic=statistic, threshold_rows=rows).fit(fitted)
            return np.mean(detector.predict(fresh) == -1)

        return {
            "combined": lambda: alarms("combined", "held_out"),
            "residual": lambda: alarms("residual", "held_out"),
            "combined, threshold of training rows": lambda: alarms("combined", "training"),
            "residual, threshold of training rows": lambda: alarms("residual", "training"),
            "rows fitted": lambda: len(fitted),
        }


class Statistics(Quality):
    """AUC against the other classes: means of classes and of 5 halves, raw and standardised"""

    needs = ("data",)
    case_name = "data"
    cases = {
        "digits": partial(by_class, datasets.load_digits),
        "wine": partial(by_class, datasets.load_wine),
        "breast cancer": partial(by_class, datasets.load_breast_cancer),
        "NSL-KDD": nsl_kdd,
        "iris": partial(by_class, datasets.load_iris),
        "diabetes, low half": diabetes,
        "made: another subspace": off_a_plane,
        "made: far out within it": partial(off_a_plane, True),
        "made: one feature off": off_one_axis,
    }
    summary = FalseAlarms.summary

    def make_data(self, load, seed):
        return self.some(load()), seed

    def methods(self, data):
        sets, seed = data

        def area(statistic, scaler):
            areas = []
            for normal, outliers in sets:
                fitted, fresh = train_test_split(normal, test_size=0.5, random_state=seed)
                detector = SubspaceDetector(
                    GrassmannPCA(n_components=0.9), statistic=statistic, threshold_rows="training"
                )
                detector = make_pipeline(scaler, detector).fit(fitted)
                is_outlier = np.repeat([0, 1], [len(fresh), len(outliers)])
                scores = -detector.score_samples(np.vstack([fresh, outliers]))
                areas.append(roc_auc_score(is_outlier, scores))
            return np.mean(areas)

        return {
            "combined": lambda: area("combined", "passthrough"),
            "residual": lambda: area("residual", "passthrough"),
            "combined, standardised": lambda: area("combined", StandardScaler()),
            "residual, standardised": lambda: area("residual", StandardScaler()),
        }


# --- what an expert would use instead ------------------------------------------------------------


class RowLength:
    """No subspace at all: the squared length of the scaled row."""

    def fit(self, X):
        return self

    def score_samples(self, X):
        return -np.sum(X * X, axis=1)


class FewNeighbours(LocalOutlierFactor):
    """LocalOutlierFactor on every sixth row, since all of them take minutes."""

    def fit(self, X, y=None):
        return super().fit(X[::6])


class PyOD:
    """A detector of PyOD by name, at its defaults, with the scores of scikit-learn's."""

    def __init__(self, name):
        self.name = name

    def fit(self, X):
        module = import_module(f"pyod.models.{self.name.lower()}")
        self.model = getattr(module, self.name)().fit(X)
        return self

    def score_samples(self, X):
        return -self.model.decision_function(X)


def scores_of_fit(detector, X):
    """Abnormality of the rows fitted, as kept in the fit where they must not be scored anew."""
    if isinstance(detector, PyOD):
        return detector.model.decision_scores_
    if isinstance(detector, LocalOutlierFactor):
        return -detector.negative_outlier_factor_
    return -detector.score_samples(X)


class Experts(Quality):
    """What an expert would use instead: attacks of NSL-KDD from its numeric columns

    Signed logarithms, brought to one scale; fitted on 60,000 of the training normals
    (LocalOutlierFactor: 10,000), three draws; the whole test set. Every detector at its defaults,
    with the threshold at the 95 % quantile of its scores of the rows fitted.
    """

    needs = ("data",)
    may_use = ("pyod",)
    case_name = "detector"
    cases = {
        "SubspaceDetector": SubspaceDetector,
        "squared length of the row": RowLength,
        "PyOD ECOD": partial(PyOD, "ECOD"),
        "PyOD COPOD": partial(PyOD, "COPOD"),
        "PyOD PCA": partial(PyOD, "PCA"),
        "IsolationForest": partial(IsolationForest, random_state=0),
        "LocalOutlierFactor": partial(FewNeighbours, novelty=True),
    }
    seeds = 3

    def make_data(self, make, seed):
        train, test = fetch_nsl_kdd("train"), fetch_nsl_kdd("test")
        rng = np.random.default_rng(seed)
        normal = train.data[train.target == 0][:, :38].astype(float)
        normal = normal[rng.permutation(len(normal))[: 500 if self.quick else 60_000]]
        normal, rows = (
            np.sign(X) * np.log1p(np.abs(X)) for X in (normal, test.data[:, :38].astype(float))
        )
        varies = normal.std(axis=0) > 0
        scaler = StandardScaler().fit(normal[:, varies])
        X, rows = (scaler.transform(part[:, varies]) for part in (normal, rows))
        try:
            detector = make().fit(X)
        except ModuleNotFoundError:
            return None
        abnormality = -detector.score_samples(rows)
        return test.target != 0, abnormality, np.quantile(scores_of_fit(detector, X), 0.95)

    def methods(self, data):
        if data is None:
            return dict.fromkeys(("AUC", "AP", "F1"), lambda: None)
        attack, abnormality, threshold = data
        return {
            "AUC": lambda: roc_auc_score(attack, abnormality),
            "AP": lambda: average_precision_score(attack, abnormality),
            "F1": lambda: f1_score(attack, abnormality > threshold),
        }
