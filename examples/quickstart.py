"""
Intrusions in network traffic
=============================

Learn what normal traffic looks like from NSL-KDD's training set, tell attacks in its test set by
how far they are from that, and compare with the alternatives, the embarrassing one included: the
length of the scaled rows, which needs no subspace at all.

The dimension of the subspace is chosen on the training set alone: fit on most of its normal rows,
scored on the other normal rows and a slice of its attacks. The test set is used once, at the end.
The threshold is the 95 % quantile of the scores of the training normals, for every detector alike.

The table is printed, pictures are saved in ``demo_output/``.
"""

import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA, IncrementalPCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import (
    RocCurveDisplay,
    accuracy_score,
    average_precision_score,
    f1_score,
    roc_auc_score,
)
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from subspace_learn import GrassmannPCA, SubspaceDetector
from subspace_learn.datasets import DatasetUnavailableError, fetch_nsl_kdd
from subspace_learn.grassmann import DetectorScoreDisplay

OUTPUT = Path("demo_output")

# %%
# The data
# --------
# Byte counts reach 1.4e9, so that a plain scaler would be ruled by a handful of rows: the numeric
# columns go through a signed log1p first. Where NSL-KDD cannot be had, scikit-learn's own table of
# tumours stands in (benign rows are the normal ones), and the output says so.


def signed_log1p(X):
    return np.sign(X) * np.log1p(np.abs(X))


def features(categorical):
    """Numeric columns on a logarithmic scale, categorical ones one-hot, everything scaled."""
    columns = ColumnTransformer(
        [("one-hot", OneHotEncoder(sparse_output=False, handle_unknown="ignore"), categorical)],
        remainder=FunctionTransformer(signed_log1p, feature_names_out="one-to-one"),
    )
    return make_pipeline(columns, StandardScaler())


def load():
    """Training rows, test rows, their labels (+1 normal, -1 attack), and what they are."""
    try:
        print("reading NSL-KDD ...", flush=True)
        train, test = fetch_nsl_kdd("train"), fetch_nsl_kdd("test")
    except (DatasetUnavailableError, ImportError) as error:
        print(f"NSL-KDD cannot be had here: {error}")
        print("Going on with scikit-learn's breast cancer table instead.\n")
        X, y = load_breast_cancer(return_X_y=True)
        y = np.where(y == 1, 1, -1)
        order = np.random.default_rng(0).permutation(len(y))
        half = len(y) // 2
        first, last = order[:half], order[half:]
        return X[first], y[first], X[last], y[last], [], "breast cancer", [1, 2, 3, 5, 8, 12, 20]
    labels = [np.where(part.target == 0, 1, -1) for part in (train, test)]
    dimensions = [2, 5, 10, 20, 30, 40, 50, 60, 70]
    columns = train.categorical_features
    return train.data, labels[0], test.data, labels[1], columns, "NSL-KDD", dimensions


X_train, y_train, X_test, y_test, categorical, name, dimensions = load()
normal = X_train[y_train == 1]
print(f"{name}: {len(normal):,} normal training rows, {len(X_test):,} test rows", flush=True)

# %%
# The dimension, chosen on the training set
# -----------------------------------------
# One fold: fit on 85 % of the training normals, score on the rest and as many training attacks.

rng = np.random.default_rng(0)
rows = rng.permutation(np.flatnonzero(y_train == 1))
cut = int(0.85 * len(rows))
attacks = rng.permutation(np.flatnonzero(y_train == -1))[: len(rows) - cut]
fold = (rows[:cut], np.concatenate([rows[cut:], attacks]))

pipeline = make_pipeline(features(categorical), SubspaceDetector(GrassmannPCA()))
search = GridSearchCV(
    pipeline,
    {"subspacedetector__subspace__n_components": dimensions},
    scoring="roc_auc",
    cv=[fold],
    refit=False,  # a refit would include the attacks of the validation slice
    verbose=3,
).fit(X_train, y_train)
k = search.best_params_["subspacedetector__subspace__n_components"]
print(f"chosen on the training set: n_components={k}\n", flush=True)

# %%
# The test, once
# --------------
# Each detector is fitted on all training normals. The threshold is the 95 % quantile of its scores
# on them, so every detector is allowed the same share of false alarms in training.
# ``SubspaceDetector`` by itself does better: its ``offset_`` comes from normal rows that the
# subspace did not see. The other detectors have no such threshold, so one rule serves all.

transform = features(categorical).fit(normal)
N, T = (transform.transform(rows).astype(np.float32) for rows in (normal, X_test))


class RowLength:
    """No subspace at all: the squared length of the scaled row."""

    def fit(self, X):
        return self

    def score_samples(self, X):
        return -np.sum(X * X, axis=1)


detectors = {
    "|x|^2, no subspace": RowLength(),
    "IsolationForest": IsolationForest(random_state=0),
    f"scikit-learn PCA, k={k}": SubspaceDetector(PCA(k), statistic="residual"),
    f"IncrementalPCA, k={k}": SubspaceDetector(IncrementalPCA(k), statistic="residual"),
    f"GrassmannPCA, k={k}, residual": SubspaceDetector(GrassmannPCA(k), statistic="residual"),
    f"GrassmannPCA, k={k}, combined": SubspaceDetector(GrassmannPCA(k)),
}

attack = y_test == -1
print(f"{'detector':34s} {'AUC':>6s} {'AP':>6s} {'F1':>6s} {'acc.':>6s} {'seconds':>8s}")
scores = {}
for label, detector in detectors.items():
    start = time.perf_counter()
    detector.fit(N)
    abnormality = -detector.score_samples(T)
    seconds = time.perf_counter() - start
    alarm = abnormality > np.quantile(-detector.score_samples(N), 0.95)
    scores[label] = abnormality
    print(
        f"{label:34s} {roc_auc_score(attack, abnormality):6.3f} "
        f"{average_precision_score(attack, abnormality):6.3f} {f1_score(attack, alarm):6.3f} "
        f"{accuracy_score(attack, alarm):6.3f} {seconds:8.2f}",
        flush=True,
    )

# %%
# Pictures
# --------
# Left of the threshold, here that of the detector itself, are the rows called normal. The curves
# show that the ranking by the length of the rows is nearly as good as any: the subspace moves the
# threshold, not the ranking.

OUTPUT.mkdir(exist_ok=True)
fig, ax = plt.subplots(figsize=(5.5, 5), layout="constrained")
for label, abnormality in scores.items():
    RocCurveDisplay.from_predictions(attack, abnormality, ax=ax, name=label)
ax.set(xlabel="false alarms among normal rows", ylabel="attacks found", title=name)
ax.legend(fontsize=8, loc="lower right")
fig.savefig(OUTPUT / "roc.png", dpi=120)

fig, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
for label, ax in zip(list(detectors)[-2:], axes, strict=True):
    DetectorScoreDisplay.from_estimator(detectors[label], T, y_test, ax=ax)
    ax.set_title(label)
fig.savefig(OUTPUT / "scores.png", dpi=120)
print(f"\npictures: {OUTPUT}/roc.png, {OUTPUT}/scores.png")
