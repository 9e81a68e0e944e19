"""RandomMatrixFilter beside the one eigenproblem that it cannot do without, and its peers."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.covariance import OAS, LedoitWolf

from subspace_learn import RandomMatrixFilter
from subspace_learn.datasets import make_spiked_samples
from subspace_learn.random_matrix import AnalyticShrinkage

from .common import PeerBenchmark

SPIKES = (40.0, 20.0, 10.0)


def eigh_of_scatter(X):
    """Centre, multiply, decompose: p x p or n x n, whichever is smaller."""
    centred = X - X.mean(axis=0)
    wide = X.shape[0] < X.shape[1]
    gram = centred @ centred.T if wide else centred.T @ centred
    return np.linalg.eigh(gram / (len(X) - 1))


class Fit(PeerBenchmark):
    """One fit; the target is 1.3 times the product and one eigh."""

    param_names = ["shape"]
    params = [["2000 x 500", "500 x 5000", "10000 x 200"]]

    def make_data(self, shape):
        n, p = (int(part) for part in shape.split(" x "))
        return make_spiked_samples(n, p, spikes=SPIKES, random_state=0)

    def ours(self, X):
        return RandomMatrixFilter().fit(X)

    def peers(self, X):
        return {"NumPy product and eigh": lambda: eigh_of_scatter(X)}


class Covariance(PeerBenchmark):
    """Estimates of a spiked covariance; the score is the relative Frobenius loss."""

    param_names = ["shape"]
    params = [["400 x 200", "2000 x 500"]]

    def make_data(self, shape):
        n, p = (int(part) for part in shape.split(" x "))
        X, basis = make_spiked_samples(n, p, spikes=SPIKES, random_state=0, return_basis=True)
        self.truth = np.eye(p) + basis * np.array(SPIKES) @ basis.T
        return X

    def ours(self, X):
        return RandomMatrixFilter().fit(X).covariance_

    def peers(self, X):
        calls = {
            "AnalyticShrinkage": lambda: AnalyticShrinkage().fit(X).covariance_,
            "sklearn LedoitWolf": lambda: LedoitWolf().fit(X).covariance_,
            "sklearn OAS": lambda: OAS().fit(X).covariance_,
        }
        return calls | skfolio_calls(X)

    def score(self, X, covariance):
        return np.linalg.norm(covariance - self.truth) / np.linalg.norm(self.truth)


def skfolio_calls(X):
    """Call skfolio's clipping to the Marchenko-Pastur edge, if it is installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from skfolio.moments import DenoiseCovariance
    except ImportError:
        return {}
    return {"skfolio DenoiseCovariance": lambda: DenoiseCovariance().fit(X).covariance_}


class Filter(PeerBenchmark):
    """20,000 rows of 2,000 features through three directions: two thin products a row."""

    def make_data(self):
        X = make_spiked_samples(20_000, 2_000, spikes=SPIKES, random_state=0)
        self.model = RandomMatrixFilter(n_components=3).fit(X[:2000])
        return X

    def ours(self, X):
        return self.model.filter(X)

    def peers(self, X):
        mean, V = self.model.mean_, self.model.components_
        return {"NumPy": lambda: ((X - mean) @ V.T) @ V + mean}
