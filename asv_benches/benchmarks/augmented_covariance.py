"""Augmented covariances beside the moabb-style pipeline: embed, pyRiemann Covariances, classify."""

from __future__ import annotations

import numpy as np
from pyriemann.classification import MDM
from pyriemann.estimation import Covariances
from pyriemann.tangentspace import TangentSpace
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline

from subspace_learn import AugmentedCovarianceClassifier
from subspace_learn.covariance import AugmentedCovariances
from subspace_learn.datasets import fetch_motor_imagery, fetch_ssvep

from .common import Listing, Speed


class Embedding(TransformerMixin, BaseEstimator):
    """Delay embedding trial by trial, as the moabb pipeline does it (without its lost lag)."""

    def __init__(self, order=1, lag=1):
        self.order = order
        self.lag = lag

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        length = X.shape[2] - (self.order - 1) * self.lag
        starts = range(0, self.order * self.lag, self.lag)
        return np.array([np.concatenate([x[:, t : t + length] for t in starts]) for x in X])

    def __sklearn_is_fitted__(self):
        return True


def peer(order, lag, classifier):
    """The pipeline a user would write today."""
    return make_pipeline(Embedding(order, lag), Covariances("oas"), *classifier)


def tangent_lr():
    return TangentSpace(), LogisticRegression(max_iter=1000)


def ssvep(subject):
    """Epochs, classes, sessions, and splits that leave one session out."""
    bunch = fetch_ssvep(subject)
    groups = np.asarray(bunch.session)
    splits = [(np.flatnonzero(groups != s), np.flatnonzero(groups == s)) for s in range(5)]
    return bunch.data.astype(np.float64), bunch.target, groups, splits


def motor(subject):
    """Left and right fist: train on executed, test on imagined movements; runs are the groups."""
    bunch = fetch_motor_imagery(subject)
    rows = np.isin(bunch.target, ["left_fist", "right_fist"])
    mode, groups = bunch["mode"][rows], bunch.run[rows]
    split = (np.flatnonzero(mode == "exec"), np.flatnonzero(mode == "imag"))
    return bunch.data[rows].astype(np.float64), bunch.target[rows], groups, [split]


class EEG(Speed):
    """Real epochs, one thread."""

    needs = ("data", "pyriemann")
    n_threads = 1
    budget = 6.0

    def make_data(self, *case):
        return motor(15)[:2]

    def nbytes(self, data):
        return data[0].nbytes


class CovarianceStage(EEG):
    """Epochs to OAS covariances: 500 of SSVEP (8 x 125), 90 of motor imagery (21 x 480).

    The score is the largest difference to the peer over the largest entry.
    """

    param_names = ["data", "order", "lag"]
    params = [["ssvep", "motor"], [1, 4, 6], [3]]

    def make_data(self, name, order, lag):
        self.cell = order, lag
        return ssvep(1)[:2] if name == "ssvep" else super().make_data()

    def ours(self, data):
        return AugmentedCovariances(*self.cell).fit_transform(data[0])

    def peers(self, data):
        pipe = peer(*self.cell, ())
        return {"embedding + pyriemann": lambda: pipe.fit_transform(data[0])}

    def score(self, data, result):
        exact = self.results["embedding + pyriemann"]
        return np.abs(result - exact).max() / np.abs(exact).max()


class Fit(EEG):
    """One fit at d = 84 (motor imagery, order 4, lag 2, 90 epochs), one thread.

    "mean": at the affine-invariant mean, as the peer; "arithmetic": our default; "mdm": means of
    the classes.
    """

    param_names = ["how"]
    params = [["mean", "arithmetic", "mdm"]]
    smallest = ("arithmetic",)

    def make_data(self, how):
        self.how = how
        return super().make_data()

    def ours(self, data):
        return AugmentedCovarianceClassifier(
            4,
            2,
            reference="arithmetic" if self.how == "arithmetic" else "mean",
            classifier="mdm" if self.how == "mdm" else "lr",
            n_jobs=self.n_threads,
        ).fit(*data)

    def peers(self, data):
        classifier = (MDM(),) if self.how == "mdm" else tangent_lr()
        pipe = peer(4, 2, classifier)
        return {"moabb-style + pyriemann": lambda: pipe.fit(*data)}


class FitTwoThreads(Fit):
    """The same with two threads."""

    n_threads = 2


class Grid(EEG):
    """96 fits (16 cells of order and lag, 6 folds) and a refit, on 45 imagined epochs.

    The peer is GridSearchCV over the pipeline. "mean": means iterated by both; "arithmetic": our
    default beside the same peer.
    """

    param_names = ["reference"]
    params = [["arithmetic", "mean"]]
    budget = 1.0

    def make_data(self, reference):
        self.reference = reference
        self.orders = (1, 2) if self.quick else (1, 2, 3, 4)
        self.lags = (1,) if self.quick else (1, 2, 3, 4, 6)
        X, y, _, [(_, imagined)] = motor(15)
        return X[imagined], y[imagined]

    def ours(self, data):
        return AugmentedCovarianceClassifier(
            orders=self.orders,
            lags=self.lags,
            reference=self.reference,
            classifier="lr",
            cv=StratifiedKFold(6),
        ).fit(*data)

    def peers(self, data):
        grid = [
            {"embedding__order": [1]},
            {"embedding__order": self.orders[1:], "embedding__lag": self.lags},
        ]
        search = GridSearchCV(peer(1, 1, tangent_lr()), grid, cv=StratifiedKFold(6))
        return {"GridSearchCV over moabb-style + pyriemann": lambda: search.fit(*data)}


class Toeplitz(EEG):
    """One fit on 500 SSVEP epochs, order 6, lag 3: block-Toeplitz with the Siegel metric.

    Beside it our own fit on full matrices, and the pipeline of pyRiemann.
    """

    param_names = ["how"]
    params = [["lr", "mdm"]]

    def make_data(self, how):
        self.how = how
        return ssvep(1)[:2]

    def ours(self, data):
        return AugmentedCovarianceClassifier(
            6, 3, structure="toeplitz", metric="siegel", classifier=self.how
        ).fit(*data)

    def peers(self, data):
        full = AugmentedCovarianceClassifier(6, 3, classifier=self.how)
        pipe = peer(6, 3, (MDM(),) if self.how == "mdm" else tangent_lr())
        return {
            "ours, full": lambda: full.fit(*data),
            "moabb-style + pyriemann": lambda: pipe.fit(*data),
        }


# --- accuracy -----------------------------------------------------------------------------------


def ours(*cell, **options):
    return AugmentedCovarianceClassifier(*cell, **options)


SIX_THREE = {"order": 6, "lag": 3, "classifier": "lr"}
METHODS = {
    "order 1, LR": ours(1, 1, classifier="lr"),
    "order 6, lag 3, LR": ours(**SIX_THREE),
    "order 4, lag 2, LR": ours(4, 2, classifier="lr"),
    "auto, LR": ours(classifier="lr"),
    "auto, SVM (default)": ours(),
    "mdop, LR": ours(selection="mdop", classifier="lr"),
    "afnn, LR": ours(selection="afnn", classifier="lr"),
    "order 6, lag 3, MDM": ours(6, 3, classifier="mdm"),
    "order 6, lag 3, LR, log-Euclidean": ours(metric="logeuclid", **SIX_THREE),
    "order 6, lag 3, LR, Bures-Wasserstein": ours(metric="wasserstein", **SIX_THREE),
    "order 6, lag 3, LR, block-Toeplitz": ours(structure="toeplitz", **SIX_THREE),
    "order 6, lag 3, LR, Siegel": ours(structure="toeplitz", metric="siegel", **SIX_THREE),
    "pyRiemann, order 1, LR": peer(1, 1, tangent_lr()),
    "pyRiemann, order 6, lag 3, LR": peer(6, 3, tangent_lr()),
    "pyRiemann, order 6, lag 3, MDM": peer(6, 3, (MDM(),)),
}
TASKS = {
    "SSVEP U001": lambda: ssvep(1),
    "SSVEP U009": lambda: ssvep(9),
    "motor S015": lambda: motor(15),
    "motor S001": lambda: motor(1),
}


class Accuracy(Listing):
    """Accuracy on real EEG; chance is .20 on SSVEP and .50 on motor imagery.

    SSVEP: five classes, one of five sessions held out in turn, sessions as groups of the search;
    in parentheses the standard deviation over sessions. Motor imagery: left and right fist,
    trained on executed, tested on imagined movements, runs as groups; in parentheses the binomial
    standard error of 45 epochs. In brackets the order and lag that were chosen.
    """

    needs = ("data", "pyriemann")
    n_threads = 1

    def rows(self):
        tasks = {name: TASKS[name]() for name in self.some(TASKS)}
        yield "method", *tasks
        for name in self.some(METHODS):
            yield name, *(self._accuracy(METHODS[name], *data) for data in tasks.values())
        if not self.quick:
            worst = (most_differing(*data) for data in tasks.values())
            yield "predictions in which pyRiemann differs, worst cell of the search", *worst

    def _accuracy(self, estimator, X, y, groups, splits):
        """Mean accuracy, its spread, and the cells in use."""
        scores, cells = [], []
        for train, test in self.some(splits):
            model = clone(estimator)
            grouped = isinstance(model, AugmentedCovarianceClassifier)
            model.fit(X[train], y[train], **({"groups": groups[train]} if grouped else {}))
            scores.append(model.score(X[test], y[test]))
            if grouped and "auto" in (estimator.order, estimator.lag):
                cells.append(f"{model.order_}/{model.lag_}")
        mean = np.mean(scores)
        error = (
            np.std(scores, ddof=1) if len(scores) > 1 else (mean * (1 - mean) / len(test)) ** 0.5
        )
        return f"{mean:.3f} ({error:.3f})" + (f" [{', '.join(cells)}]" if cells else "")


def most_differing(X, y, groups, splits):
    """Most test predictions, over all cells of the default search, in which pyRiemann differs."""
    train, test = splits[0]
    worst = 0
    for order in (1, 2, 3, 4, 6, 8):
        for lag in (1, 2, 3, 4, 6, 8) if order > 1 else (1,):
            if X.shape[2] - (order - 1) * lag < order * X.shape[1]:
                continue
            model = ours(order, lag, classifier="lr", reference="mean").fit(X[train], y[train])
            other = peer(order, lag, tangent_lr()).fit(X[train], y[train])
            worst = max(worst, int(np.sum(model.predict(X[test]) != other.predict(X[test]))))
    return f"{worst} of {len(test)}"
