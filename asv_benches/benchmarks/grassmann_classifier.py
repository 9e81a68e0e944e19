"""Epochs of GrassmannClassifier beside the same head trained by a loop in torch; full fits."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.svm import SVC

from subspace_learn import GrassmannClassifier, NearestSubspaceClassifier
from subspace_learn.datasets import fetch_nsl_kdd
from subspace_learn.functional.grassmann.grassmann_classifier import Labelled, rsgd_epoch
from subspace_learn.linalg.grassmann import random_point

from .common import Quality, Speed, timed
from .quickstart import traffic_features

N, D, C, K = 60_000, 100, 10, 8
GAMMA, RATE, MOMENTUM = 25.0, 0.01, 0.9


def planes(n, dtype=np.float32, seed=0):
    """Rows of length 1 near one K-dimensional subspace per class, and their classes."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, C, n)
    S = random_point(D, K, rng, shape=(C,))
    X = np.einsum("ndk,nk->nd", S[codes], rng.standard_normal((n, K)))
    X += 0.3 * rng.standard_normal((n, D))
    return (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(dtype), codes


class TorchHead:
    """The head as one writes it in torch: autograd, thin SVD for the geodesic, ambient momentum."""

    def __init__(self, X, codes, start):
        import torch

        self.torch = torch
        self.X, self.y = torch.from_numpy(X), torch.from_numpy(codes)
        self.S = torch.from_numpy(start.copy()).requires_grad_(True)
        self.buffer = torch.zeros_like(self.S)

    def epoch(self, batch_size, retraction):
        torch = self.torch
        order = torch.randperm(len(self.X))
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            coordinates = torch.einsum("nd,cdk->nck", self.X[rows], self.S)
            logits = GAMMA * torch.linalg.vector_norm(coordinates, dim=2)
            loss = torch.nn.functional.cross_entropy(logits, self.y[rows])
            (gradient,) = torch.autograd.grad(loss, self.S)
            with torch.no_grad():
                self.buffer.mul_(MOMENTUM).add_(gradient)
                tangent = self.buffer - self.S @ (self.S.mT @ self.buffer)
                self.S.copy_(retraction(torch, self.S, RATE * tangent))
        return self


def geodesic(torch, S, step):
    """The published step."""
    U, s, Vh = torch.linalg.svd(step, full_matrices=False)
    return (S @ Vh.mT * torch.cos(s)[:, None, :] - U * torch.sin(s)[:, None, :]) @ Vh


def qr(torch, S, step):
    """The cheapest step that torch offers."""
    return torch.linalg.qr(S - step)[0]


class Epoch(Speed):
    """One epoch of 60,000 x 100 float32 rows, 10 classes, k=8, one thread.

    The bound is 4 n d C k flops at the rate of a square product of order 2000.
    """

    needs = ("torch",)
    n_threads = 1
    param_names = ["batch_size"]
    params = [[256, 1024, 2048]]
    budget = 12.0

    def make_data(self, batch_size):
        self.batch_size = batch_size
        X, codes = planes(1000 if self.quick else N)
        start = random_point(D, K, np.random.default_rng(1), shape=(C,)).astype(np.float32)
        return Labelled(X, codes, np.ones(len(X), np.float32), GAMMA, 0.0), start

    def nbytes(self, data):
        return data[0].X.nbytes

    def ours(self, data):
        rows, start = data
        return rsgd_epoch(
            start,
            np.zeros_like(start),
            rows,
            batch_size=self.batch_size,
            learning_rate=RATE,
            momentum=MOMENTUM,
            rng=np.random.default_rng(0),
        )

    def peers(self, data):
        rows, start = data
        heads = {name: TorchHead(rows.X, rows.codes, start) for name in ("geodesic", "QR")}
        return {
            "torch loop, geodesic by SVD": lambda: heads["geodesic"].epoch(
                self.batch_size, geodesic
            ),
            "torch loop, QR retraction": lambda: heads["QR"].epoch(self.batch_size, qr),
        }

    def extras(self, data, result, seconds):
        """Seconds over those of the flops at the rate of a large square product."""
        n = 200 if self.quick else 2000
        A = np.ones((n, n), np.float32)
        product = min(timed(lambda: A @ A)[1] for _ in range(5))
        flops = 4 * len(data[0].X) * D * C * K
        return {"over the flop bound": seconds / (flops / (2 * n**3 / product))}


class EpochTwoThreads(Epoch):
    """The same with two threads"""

    n_threads = 2


class Fit(Speed):
    """A whole fit of 10,000 rows by each solver beside the start; score: accuracy on others."""

    param_names = ["solver"]
    params = [["conjugate_gradient", "trust_region", "rsgd"]]
    needs = ("pymanopt",)

    def make_data(self, solver):
        self.solver = solver
        n = 500 if self.quick else 10_000
        X, y = planes(2 * n)
        return X[:n], y[:n], X[n:], y[n:]

    def nbytes(self, data):
        return data[0].nbytes

    def ours(self, data):
        X, y, *_ = data
        directions = {"center": False, "standardize": False, "constant": 0.0}
        return GrassmannClassifier(K, solver=self.solver, **directions, random_state=0).fit(X, y)

    def peers(self, data):
        X, y, *_ = data
        return {
            "NearestSubspaceClassifier": lambda: NearestSubspaceClassifier(K, constant=0.0).fit(
                X, y
            )
        }

    def score(self, data, result):
        return result.score(*data[2:])


# --- accuracy -----------------------------------------------------------------------------------


# Rows as directions, the published form: both classifiers then see the same.
DIRECTIONS = {"center": False, "standardize": False, "constant": 0.0, "alpha": 0.0}


class Searched(Quality):
    """Models whose parameters are chosen by cross-validation on the training half."""

    case_name = "model"
    cases: dict = {}  # name -> model and grid
    folds, scoring = 5, "accuracy"
    digits = 4

    @abstractmethod
    def halves(self, seed):
        """Training rows, test rows, and their classes."""

    def make_data(self, model_and_grid, seed):
        model, grid = model_and_grid
        X, X_test, y, y_test = self.halves(seed)
        if self.quick:
            grid = {name: values[:1] for name, values in grid.items()}
        cv = StratifiedKFold(self.folds, shuffle=True, random_state=seed)
        search = GridSearchCV(model, grid, cv=cv, scoring=self.scoring)
        search, seconds = timed(lambda: search.fit(X, y))
        return y_test, search.predict(X_test), seconds, search.best_params_

    def methods(self, data):
        y_test, found, seconds, chosen = data
        return {
            "accuracy": lambda: accuracy_score(y_test, found),
            "macro-F1": lambda: f1_score(y_test, found, average="macro"),
            "search, s": lambda: seconds,
            "chosen": lambda: ", ".join(f"{key}={value}" for key, value in chosen.items()),
        }

    def cell(self, values):
        """Most frequent text, and how often; mean and standard deviation of numbers."""
        if isinstance(values[0], str):
            common = max(values, key=values.count)
            return f"{common} ({values.count(common)} of {len(values)})"
        return super().cell(values)


class Digits(Searched):
    """Digits: rows divided by their lengths, half of them for training, five splits"""

    cases = {
        "GrassmannClassifier": (
            GrassmannClassifier(**DIRECTIONS),
            {"n_components": [8, 12, 16], "gamma": [25, 50, 100], "alpha": [0, 1, 10, 100]},
        ),
        "GrassmannClassifier, alpha=0": (
            GrassmannClassifier(**DIRECTIONS),
            {"n_components": [4, 8, 12, 16], "gamma": [25, 50, 100]},
        ),
        "NearestSubspaceClassifier (CLAFIC)": (
            NearestSubspaceClassifier(constant=0.0),
            {"n_components": [4, 6, 8, 10, 12, 16]},
        ),
        "logistic regression": (LogisticRegression(max_iter=2000), {"C": [1, 10, 100, 1000]}),
        "SVC, rbf kernel": (SVC(), {"C": [1, 10, 100], "gamma": ["scale", 1.0, 3.0]}),
    }
    targets = {"GrassmannClassifier": ".985"}

    def halves(self, seed):
        X, y = load_digits(return_X_y=True)
        X = Normalizer().fit_transform(X)
        return train_test_split(X, y, test_size=0.5, random_state=seed, stratify=y)


LOADERS = (load_iris, load_wine, load_breast_cancer, load_digits)


class EarlyStopping(Quality):
    """Digits: early stopping beside its own start, other parameters at their defaults.

    The start is class PCA on the 90 % of the rows that are left for training.
    """

    case_name = "k"
    cases = {str(k): k for k in (4, 8, 12, 16)}
    digits = 4

    def make_data(self, k, seed):
        return k, seed, Digits().halves(seed)

    def methods(self, data):
        k, seed, (X, X_test, y, y_test) = data
        early = {"early_stopping": True, "random_state": seed, **DIRECTIONS}

        def score(model):
            return lambda: model.fit(X, y).score(X_test, y_test)

        return {
            "early stopping": score(GrassmannClassifier(k, **early)),
            "its start": score(GrassmannClassifier(k, max_iter=0, **early)),
            "no stopping, all rows": score(GrassmannClassifier(k, **DIRECTIONS)),
            "CLAFIC, all rows": score(NearestSubspaceClassifier(k, constant=0.0)),
        }


class Defaults(Quality):
    """Small tables, raw and standardised, all parameters at their defaults; five folds"""

    case_name = "table"
    cases = {
        f"{load.__name__.removeprefix('load_')}, {how}": (load, how == "standardised")
        for load in LOADERS
        for how in ("raw", "standardised")
    }

    def make_data(self, case, fold):
        load, standardised = case
        X, y = load(return_X_y=True)
        X = StandardScaler().fit_transform(X) if standardised else X
        splits = StratifiedKFold(5, shuffle=True, random_state=0).split(X, y)
        return X, y, *list(splits)[fold]

    def methods(self, data):
        X, y, train, test = data
        models = {
            "GrassmannClassifier": GrassmannClassifier(),
            "NearestSubspaceClassifier": NearestSubspaceClassifier(),
            "logistic regression": LogisticRegression(max_iter=10_000),
        }
        return {
            name: lambda model=model: model.fit(X[train], y[train]).score(X[test], y[test])
            for name, model in models.items()
        }


def shrunk_qda(shrinkage):
    """QDA with shrunk covariances; before scikit-learn 1.8 it took them in another form."""
    if hasattr(QuadraticDiscriminantAnalysis(), "shrinkage"):
        return QuadraticDiscriminantAnalysis(solver="eigen"), {"shrinkage": shrinkage}
    return QuadraticDiscriminantAnalysis(), {"reg_param": shrinkage}


def expert_searches(n_features):
    """Models and their grids, on standardized columns: `Experts`."""
    ranks = [k for k in (1, 2, 3, 4, 6, 8, 12) if k < n_features]
    shrinkage = [0.0, 0.01, 0.1, 0.3, 0.6]
    return {
        "GrassmannClassifier": (
            GrassmannClassifier(random_state=0),
            {"n_components": ranks[1::2], "gamma": [25, 100]},
        ),
        "NearestSubspaceClassifier": (
            NearestSubspaceClassifier(),
            {"n_components": ranks, "metric": ["projection", "residual"], "center": [False, True]},
        ),
        "LDA": (LinearDiscriminantAnalysis(solver="lsqr"), {"shrinkage": shrinkage}),
        "QDA": shrunk_qda(shrinkage[1:]),
        "SVC, rbf": (SVC(), {"C": [1, 10, 100], "gamma": [0.1 / n_features, "scale"]}),
        "k nearest": (KNeighborsClassifier(), {"n_neighbors": [1, 3, 5, 9, 15]}),
        "logistic": (LogisticRegression(max_iter=2000), {"C": [0.01, 0.1, 1, 10]}),
    }


class Experts(Quality):
    """What an expert would use instead: accuracy on the other half of small tables

    Columns standardized, parameters chosen by three folds within the training half; three splits.
    """

    case_name = "table"
    cases = {load.__name__.removeprefix("load_"): load for load in LOADERS}
    seeds = 3

    def make_data(self, load, seed):
        X, y = load(return_X_y=True)
        return train_test_split(X, y, test_size=0.5, random_state=seed, stratify=y)

    def methods(self, data):
        X, X_test, y, y_test = data
        folds = StratifiedKFold(3, shuffle=True, random_state=0)

        def accuracy(model, grid):
            pipeline = Pipeline([("scaler", StandardScaler()), ("model", model)])
            grid = {f"model__{k}": v[:1] if self.quick else v for k, v in grid.items()}
            return GridSearchCV(pipeline, grid, cv=folds).fit(X, y).score(X_test, y_test)

        searches = expert_searches(X.shape[1])
        return {name: lambda s=search: accuracy(*s) for name, search in searches.items()}


class Intrusions(Searched):
    """NSL-KDD, five families, 20,000 rows of the training set, half for training, five samples.

    All of r2l and u2r among them; one-hot, signed log1p, standardised; parameters chosen for
    macro-F1.
    """

    needs = ("data",)
    folds, scoring = 3, "f1_macro"
    cases = {
        "GrassmannClassifier": (
            GrassmannClassifier(**DIRECTIONS, max_iter=100),
            {"n_components": [2, 4, 8], "gamma": [25, 100], "constant": [0, 5]},
        ),
        "NearestSubspaceClassifier (CLAFIC)": (
            NearestSubspaceClassifier(constant=0.0),
            {"n_components": [2, 4, 8, 16], "constant": [0, 5, 10]},
        ),
        "NearestSubspaceClassifier, residual": (
            NearestSubspaceClassifier(metric="residual", center=True),
            {"n_components": [2, 4, 8, 16]},
        ),
        "logistic regression": (LogisticRegression(max_iter=300), {"C": [1, 10, 100]}),
        "LDA": (
            LinearDiscriminantAnalysis(solver="lsqr"),
            {"shrinkage": [None, "auto", 0.01, 0.1]},
        ),
    }

    def halves(self, seed):
        train = fetch_nsl_kdd("train")
        is_rare = np.isin(train.family, ["r2l", "u2r"])
        rng = np.random.default_rng(seed)
        n_others = 1000 if self.quick else 20_000 - is_rare.sum()
        others = rng.choice(np.flatnonzero(~is_rare), n_others, replace=False)
        rows = np.concatenate([np.flatnonzero(is_rare), others])
        raw, family = train.data[rows].astype(np.float64), train.family[rows]
        raw, raw_test, y, y_test = train_test_split(
            raw, family, test_size=0.5, random_state=seed, stratify=family
        )
        transform = traffic_features(train.categorical_features).fit(raw)
        return transform.transform(raw), transform.transform(raw_test), y, y_test
