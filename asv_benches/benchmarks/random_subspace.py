"""Products with random projections: fastfood and sparse beside the stored Gaussian matrix."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.random_projection import GaussianRandomProjection

from subspace_learn.compression import RandomSubspaceClassifier, intrinsic_dimension
from subspace_learn.functional.compression.random_subspace import PROJECTIONS, random_projection

from .common import Listing, Quality, Speed, mean_and_deviation


class Product(Speed):
    """P z and P^T g, D = 2^16 parameters; score: length of P z over that of z."""

    param_names = ["dim"]
    params = [[100, 1000]]
    smallest = (10,)
    budget = 8.0

    def make_data(self, dim):
        rng = np.random.default_rng(0)
        self.fastfood, self.sparse, self.dense = (
            random_projection(kind, 2**16, dim, rng) for kind in ("fastfood", "sparse", "dense")
        )
        return rng.normal(size=dim), rng.normal(size=2**16)

    def ours(self, data):
        return self._both(self.fastfood, data)

    def peers(self, data):
        return {
            "dense": lambda: self._both(self.dense, data),
            "sparse": lambda: self._both(self.sparse, data),
        }

    @staticmethod
    def _both(P, data):
        z, g = data
        return P @ z, P.rmatvec(g)

    def score(self, data, result):
        return float(np.linalg.norm(result[0]) / np.linalg.norm(data[0]))

    def nbytes(self, data):
        return sum(part.nbytes for part in data)


class Toy(Quality):
    """Relative loss of the paper's toy, 1,000 parameters in 10 groups, mean of 100 projections.

    Theory: 1 - d / 10, and 0 for d = 10.
    """

    case_name = "projection"
    cases = {kind: kind for kind in PROJECTIONS}
    seeds = 100
    summary = staticmethod(lambda values, digits: f"{np.mean(values):.{digits}f}")

    def make_data(self, kind, seed):
        return kind, seed

    def methods(self, data):
        kind, seed = data
        A = np.kron(np.eye(10), np.ones(100))

        def loss(d):
            rng = np.random.default_rng(seed)
            P, b = random_projection(kind, 1000, d, rng) @ np.eye(d), rng.normal(size=10)
            z = np.linalg.lstsq(A @ P, b)[0]
            return np.sum((A @ (P @ z) - b) ** 2) / np.sum(b**2)

        return {f"d = {d}": lambda d=d: loss(d) for d in (2, 5, 9, 10)}


class Digits(Listing):
    """Digits: test accuracy over that of full training, 70 % for training; three seeds.

    150 iterations of L-BFGS for every dimension and for full training. d90: the smallest dimension
    that reaches nine tenths.
    """

    def rows(self):
        dims = (5, 10, 20, 40, 60, 80, 120, 200)
        head = "model, projection", "parameters", "full"
        yield *head, *(f"d = {d}" for d in dims), "d90"
        X, y = load_digits(return_X_y=True)
        for name, hidden, projection in self.some(
            (
                ("32 hidden, dense", (32,), "dense"),
                ("32 hidden, sparse", (32,), "sparse"),
                ("32 hidden, fastfood", (32,), "fastfood"),
                ("softmax, dense", (), "dense"),
                ("100 hidden, dense", (100,), "dense"),
            )
        ):
            model = RandomSubspaceClassifier(
                hidden, projection=projection, max_iter=2 if self.quick else 150
            )
            found = intrinsic_dimension(model, X / 16, y, dims=dims)
            n = sum((a + 1) * b for a, b in pairwise((64, *hidden, 10)))
            share = np.median(found.scores, axis=1) / np.median(found.baseline)
            shares = (f"{s:.2f}" for s in share)
            yield name, str(n), mean_and_deviation(found.baseline), *shares, str(found.dimension)


class Experts(Quality):
    """What an expert would use instead: test accuracy on digits of models of as few numbers, three
    seeds

    70 % for training, penalties chosen within them. d numbers and a seed are the whole model in the
    first two rows; in the next, its ten directions for d = 110 are 640 numbers more. The last three
    rows have 160, 650 and 2,410 numbers, whatever d is.
    """

    case_name = "numbers d"
    cases = {str(d): d for d in (60, 110, 210)}
    seeds = 3
    transposed = True

    def make_data(self, d, seed):
        X, y = load_digits(return_X_y=True)
        return d, seed, train_test_split(X / 16, y, test_size=0.3, random_state=seed, stratify=y)

    def methods(self, data):
        d, seed, (X, X_test, y, y_test) = data
        n_iter = 5 if self.quick else 150

        def accuracy(model, **grid):
            return GridSearchCV(model, grid, cv=3).fit(X, y).score(X_test, y_test)

        def ours():
            model = RandomSubspaceClassifier((32,), n_components=d, max_iter=n_iter)
            return accuracy(model.set_params(random_state=seed), alpha=[1e-4, 1e-2])

        def softmax(*before):
            """Ten classes of d / 10 numbers each, one of them the constant."""
            model = make_pipeline(*before, LogisticRegression(max_iter=1000))
            return accuracy(model, logisticregression__C=[0.1, 1.0, 10.0, 100.0])

        def perceptron(n_hidden):
            options = {"solver": "lbfgs", "max_iter": n_iter, "random_state": seed}
            return accuracy(MLPClassifier((n_hidden,), **options), alpha=[1e-4, 1e-2, 1.0])

        k = d // 10 - 1
        return {
            "RandomSubspaceClassifier, 32 hidden units": ours,
            "random projection, logistic regression": lambda: softmax(
                GaussianRandomProjection(k, random_state=seed)
            ),
            "PCA, logistic regression": lambda: softmax(PCA(k, random_state=seed)),
            "perceptron, 2 hidden units": lambda: perceptron(2),
            "logistic regression": softmax,
            "perceptron, 32 hidden units": lambda: perceptron(32),
        }
