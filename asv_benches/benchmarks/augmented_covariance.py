"""Augmented covariances beside the moabb-style pipeline: embed, pyRiemann Covariances, classify."""

from __future__ import annotations

import os

import numpy as np
from pyriemann.classification import MDM
from pyriemann.estimation import Covariances
from pyriemann.tangentspace import TangentSpace
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from subspace_learn import AugmentedCovarianceClassifier
from subspace_learn.covariance import AugmentedCovariances
from subspace_learn.datasets import fetch_motor_imagery, fetch_ssvep

from .common import PeerBenchmark


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


class EEG(PeerBenchmark):
    """Real epochs; skipped where the data are absent."""

    n_threads = 2

    def setup(self, *case):
        if not os.environ.get("SUBSPACE_LEARN_DATA"):
            raise NotImplementedError("set SUBSPACE_LEARN_DATA")  # asv's way to skip
        super().setup(*case)
        self.narrower = threadpool_limits(self.n_threads)

    def teardown(self, *case):
        self.narrower.restore_original_limits()
        super().teardown(*case)

    def make_data(self, *case):
        bunch = fetch_motor_imagery(15)
        rows = np.isin(bunch.target, ["left_fist", "right_fist"])
        return bunch.data[rows].astype(np.float64), bunch.target[rows]

    def nbytes(self, data):
        return data[0].nbytes


class CovarianceStage(EEG):
    """Epochs to OAS covariances: 500 of SSVEP (8 x 125), 90 of motor imagery (21 x 480).

    The score is the largest difference to the peer over the largest entry.
    """

    param_names = ["data", "order", "lag"]
    params = [["ssvep", "motor"], [1, 4, 6], [3]]
    n_threads = 1

    def make_data(self, name, order, lag):
        self.cell = order, lag
        if name == "ssvep":
            bunch = fetch_ssvep(1)
            return bunch.data.astype(np.float64), bunch.target
        return super().make_data()

    def ours(self, data):
        return AugmentedCovariances(*self.cell).fit_transform(data[0])

    def peers(self, data):
        pipe = peer(*self.cell, ())
        return {"embedding + pyriemann": lambda: pipe.fit_transform(data[0])}

    def score(self, data, result):
        exact = peer(*self.cell, ()).fit_transform(data[0])
        return float(np.abs(result - exact).max() / np.abs(exact).max())


class Fit(EEG):
    """One fit at d = 84 (motor imagery, order 4, lag 2, 90 epochs), one thread.

    "mean": at the affine-invariant mean, as the peer; "arithmetic": our default; "mdm": means of
    the classes.
    """

    param_names = ["how"]
    params = [["mean", "arithmetic", "mdm"]]
    n_threads = 1

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
    n_threads = 1
    budget = 1.0

    def make_data(self, reference):
        self.reference = reference
        bunch = fetch_motor_imagery(15)
        rows = np.isin(bunch.target, ["left_fist", "right_fist"]) & (bunch["mode"] == "imag")
        return bunch.data[rows].astype(np.float64), bunch.target[rows]

    def ours(self, data):
        return AugmentedCovarianceClassifier(
            orders=(1, 2, 3, 4),
            lags=(1, 2, 3, 4, 6),
            reference=self.reference,
            classifier="lr",
            cv=StratifiedKFold(6),
        ).fit(*data)

    def peers(self, data):
        grid = [
            {"embedding__order": [1]},
            {"embedding__order": [2, 3, 4], "embedding__lag": [1, 2, 3, 4, 6]},
        ]
        search = GridSearchCV(peer(1, 1, tangent_lr()), grid, cv=StratifiedKFold(6))
        return {"GridSearchCV over moabb-style + pyriemann": lambda: search.fit(*data)}


class Toeplitz(EEG):
    """One fit on 500 SSVEP epochs, order 6, lag 3: block-Toeplitz with the Siegel metric.

    Beside it our own fit on full matrices, and the pipeline of pyRiemann.
    """

    param_names = ["how"]
    params = [["lr", "mdm"]]
    n_threads = 1

    def make_data(self, how):
        self.how = how
        bunch = fetch_ssvep(1)
        return bunch.data.astype(np.float64), bunch.target

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
