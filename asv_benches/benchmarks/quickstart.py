"""SubspaceDetector on network traffic, beside detectors without a subspace."""

from __future__ import annotations

from functools import cache

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, IncrementalPCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from subspace_learn import GrassmannPCA, SubspaceDetector
from subspace_learn.datasets import fetch_nsl_kdd

from .common import Quality

K = 50  # chosen on the training set by examples/quickstart.py


def signed_log1p(X):
    return np.sign(X) * np.log1p(np.abs(X))


def traffic_features(categorical):
    """Numeric columns on a logarithmic scale, categorical ones one-hot, everything scaled."""
    columns = ColumnTransformer(
        [("one-hot", OneHotEncoder(sparse_output=False, handle_unknown="ignore"), categorical)],
        remainder=FunctionTransformer(signed_log1p),
    )
    return make_pipeline(columns, StandardScaler())


class RowLength:
    """No subspace at all: the squared length of the scaled row."""

    def fit(self, X):
        return self

    def score_samples(self, X):
        return -np.sum(X * X, axis=1)


DETECTORS = {
    "GrassmannPCA, k = 50, combined (default)": lambda: SubspaceDetector(GrassmannPCA(K)),
    "GrassmannPCA, k = 50, residual": lambda: SubspaceDetector(
        GrassmannPCA(K), statistic="residual"
    ),
    "scikit-learn PCA, k = 50, residual": lambda: SubspaceDetector(PCA(K), statistic="residual"),
    "IncrementalPCA, k = 50, residual": lambda: SubspaceDetector(
        IncrementalPCA(K), statistic="residual"
    ),
    "IsolationForest": lambda: IsolationForest(random_state=0),
    "squared length of the row, no subspace": RowLength,
}


@cache
def traffic(every):
    """Training normals, test rows, and which of these attack."""
    train, test = fetch_nsl_kdd("train"), fetch_nsl_kdd("test")
    normal = train.data[train.target == 0]
    transform = traffic_features(train.categorical_features).fit(normal)
    N, T = (transform.transform(rows[::every]).astype(np.float32) for rows in (normal, test.data))
    return N, T, test.target[::every] != 0


class Detection(Quality):
    """NSL-KDD: fitted on training normals, threshold at their 95 % quantile, test set once"""

    needs = ("data",)
    case_name = "detector"
    cases = DETECTORS
    seeds = 1

    def make_data(self, make, seed):
        N, T, attack = traffic(20 if self.quick else 1)
        detector = make().fit(N)
        abnormality = -detector.score_samples(T)
        return attack, abnormality, abnormality > np.quantile(-detector.score_samples(N), 0.95)

    def methods(self, data):
        attack, abnormality, alarm = data
        return {
            "AUC": lambda: roc_auc_score(attack, abnormality),
            "AP": lambda: average_precision_score(attack, abnormality),
            "F1": lambda: f1_score(attack, alarm),
            "accuracy": lambda: accuracy_score(attack, alarm),
        }
