"""Pooled eigenvalues of windows: batched beside loops over windows."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from subspace_learn.functional.random_matrix.heavy_tail_spectrum import pooled_eigenvalues
from subspace_learn.random_matrix import (
    HeavyTailSpectrum,
    hessian_spectrum,
    hill_exponent,
    mlp_hvp,
    top_gap,
)

from .common import Listing, Quality, Speed, mean_and_deviation


class Windows(Speed):
    """12 x 12 windows of a 1024 x 1024 matrix. The target is a fifth of a loop over windows."""

    param_names = ["window"]
    params = [[16, 32, 64, 128]]
    budget = 8.0

    def make_data(self, window):
        self.window = window
        return np.random.default_rng(0).standard_normal((1024, 1024))

    def ours(self, W):
        return pooled_eigenvalues(W, (self.window, self.window), (12, 12))

    def peers(self, W):
        size = self.window
        starts = [(1024 - size) * i // 11 for i in range(12)]
        windows = [W[i : i + size, j : j + size] for i in starts for j in starts]

        def values():
            return [np.linalg.svd(part, compute_uv=False) for part in windows]

        def all_of_it():
            return [np.linalg.svd(part)[1] for part in windows]

        return {"loop of svd, values only": values, "loop of svd": all_of_it}


# --- exponents ----------------------------------------------------------------------------------


def plain_exponents(layers):
    """Hill's exponent of each whole matrix."""
    return [hill_exponent(np.linalg.svd(W, compute_uv=False) ** 2).alpha for W in layers]


class Shapes(Quality):
    """Exponents of Gaussian matrices by shape, mean of ten draws (target of the spread: .06)"""

    case_name = "exponent"
    cases = {"HeavyTailSpectrum(64)": lambda layers: HeavyTailSpectrum(64).fit(layers).alpha_}
    cases["plain Hill"] = plain_exponents
    seeds = 10
    digits = 2
    summary = staticmethod(lambda values, digits: f"{np.mean(values):.{digits}f}")

    def make_data(self, exponents, seed):
        rng = np.random.default_rng(seed)
        sizes = ((128, 128), (128, 256), (128, 512), (128, 1280), (512, 100))
        return sizes, exponents([rng.standard_normal(size) for size in sizes])

    def methods(self, data):
        sizes, alphas = data
        spread = {"spread of one draw": lambda: np.ptp(alphas)}
        return spread | {
            f"{m} x {n}": lambda a=a: a for (m, n), a in zip(sizes, alphas, strict=True)
        }


def windowed(layers, window=64):
    return HeavyTailSpectrum(window).fit(layers).alpha_


def clauset(layers):
    """Maximum likelihood above the start that fits best: the estimate of WeightWatcher."""
    import powerlaw

    values = [np.linalg.svd(W, compute_uv=False) ** 2 for W in layers]
    return [powerlaw.Fit(v, xmax=v.max(), verbose=False).power_law.alpha for v in values]


def estimators():
    """Exponents of some layers, by name."""
    found = {"HeavyTailSpectrum(64)": windowed, "plain Hill": plain_exponents}
    if find_spec("powerlaw") is not None:
        found["WeightWatcher's (powerlaw, start chosen)"] = clauset
    return found


class Experts(Quality):
    """What an expert would use instead: what the shape of a layer does to its exponent, and whether
    the exponent ranks layers by their tails

    Spread of the exponents of 128 x 128, 128 x 256, 128 x 512, 128 x 1280 and 512 x 100 entries
    that are drawn alike; and the share of pairs of layers of other shapes and other tails (Student
    with 2 and 4 degrees of freedom, Gaussian) in which the heavier tail has the smaller exponent.
    Five draws.
    """

    may_use = ("powerlaw",)
    case_name = "entries"
    cases = {
        "spread: Gaussian": (None,),
        "spread: Student, 4 degrees": (4,),
        "spread: Student, 2 degrees": (2,),
        "pairs in the right order: all three": (2, 4, None),
    }
    seeds = 5
    digits = 2
    transposed = True

    def make_data(self, degrees, seed):
        rng = np.random.default_rng(seed)
        shapes = ((128, 128), (128, 256), (128, 512), (128, 1280), (512, 100))
        draws = [partial(rng.standard_t, k) if k else rng.standard_normal for k in degrees]
        return [[draw(size=size) for size in shapes] for draw in draws]

    def methods(self, data):
        return {
            name: lambda exponents=exponents: [exponents(layers) for layers in data]
            for name, exponents in estimators().items()
        }

    def score(self, data, alphas):
        if len(alphas) == 1:
            return np.ptp(alphas[0])
        right = [
            a < b
            for i, heavier in enumerate(alphas)
            for lighter in alphas[i + 1 :]
            for j, a in enumerate(heavier)
            for k, b in enumerate(lighter)
            if j != k
        ]
        return np.mean(right)


class NarrowLayers(Listing):
    """Exponents of a 64-32-512-10 perceptron on digits, windows of 10 x 10, five seeds"""

    hidden, window, n_seeds = (32, 512), 10, 5

    def rows(self):
        found = {}
        for seed in self.some(range(self.n_seeds)):
            for name, run in self._networks(seed):
                found.setdefault(name, []).append(run)
        yield "layer", "weights", "plain Hill", "windows", "distance", "test accuracy"
        for i, shape in enumerate(found["drawn"][0][0]):
            for name, runs in found.items():
                columns = [[run[k][i] for run in runs] for k in (1, 2, 3)]
                columns.append([run[4] for run in runs])
                cells = (mean_and_deviation(values, 2) for values in columns)
                yield f"{shape[0]} x {shape[1]}", name, *cells

    def _networks(self, seed):
        """Networks as drawn, trained, and trained on shuffled labels."""
        X, y = load_digits(return_X_y=True)
        X, X_test, y, y_test = train_test_split(X / 16, y, random_state=seed)
        shuffled = np.random.default_rng(seed).permutation(y)
        # steps that move nothing leave the weights as they were drawn
        still = {"solver": "sgd", "learning_rate_init": 1e-12, "max_iter": 1}
        long = {"max_iter": 2 if self.quick else 200}
        for name, labels, options in (
            ("drawn", y, still),
            ("trained", y, long),
            ("trained on shuffled labels", shuffled, long),
        ):
            network = MLPClassifier(self.hidden, random_state=seed, **options).fit(X, labels)
            layers = [W for W in network.coefs_ if min(W.shape) >= self.window]
            fit = HeavyTailSpectrum(self.window).fit(layers)
            score = network.score(X_test, y_test)
            yield name, (fit.shapes_, plain_exponents(layers), fit.alpha_, fit.goodness_, score)


class WideLayers(NarrowLayers):
    """Exponents of a 64-512-128-10 perceptron on digits, windows of 64 x 64, five seeds"""

    hidden, window = (512, 128), 64


# --- Hessians -----------------------------------------------------------------------------------


def digits_of(n_classes, centred, per_class=60):
    X, y = load_digits(return_X_y=True)
    rows = np.concatenate([np.flatnonzero(y == k)[:per_class] for k in range(n_classes)])
    X = X[rows] / 16
    return (X - X.mean(axis=0) if centred else X), y[rows]


def stopped(X, y, width, seed, activation, loss):
    """A network trained until its loss falls below a number."""
    network = MLPClassifier(
        (width,), activation=activation, batch_size=50, learning_rate_init=0.003, random_state=seed
    )
    for _ in range(1000):
        if network.partial_fit(X, y, classes=np.unique(y)).loss_ < loss:
            break
    return network


def place_of_the_gap(hvp, n, n_classes):
    """After how many eigenvalues the widest gap lies, among the first 2 K + 2."""
    H = LinearOperator((n, n), matvec=lambda v: hvp(np.ravel(v)), dtype=float)
    values = eigsh(H, 2 * n_classes + 2, which="LA", return_eigenvectors=False, tol=1e-4)
    return top_gap(np.sort(values)[::-1], 1.0)


class Hessians(Quality):
    """After how many eigenvalues the widest gap lies, digits of K classes, rectified units, pixels
    in [0, 1], three seeds; share of the Hessian's eigenvalues beyond 1 % of the first"""

    case_name = "K, width, loss / log K"
    cases = {
        f"{n_classes}, {width}, {share}": (n_classes, width, share, "relu", False)
        for share in (0.5, 0.1, 0.01)
        for n_classes in (2, 3, 5, 10)
        for width in (32, 64, 128)
    }
    seeds = 3
    summary = staticmethod(lambda values, digits: f"{np.mean(values):.1f} %")

    def make_data(self, case, seed):
        n_classes, width, share, activation, centred = case
        X, y = digits_of(n_classes, centred)
        network = stopped(X, y, width, seed, activation, share * np.log(n_classes))
        return network, X, y, n_classes

    def methods(self, data):
        network, X, y, n_classes = data

        def place(gauss_newton):
            hvp, n = mlp_hvp(network, X, y, gauss_newton=gauss_newton)
            return str(place_of_the_gap(hvp, n, n_classes))

        def beyond():
            hvp, n = mlp_hvp(network, X, y)
            s = hessian_spectrum(hvp, n, n_steps=60, n_probes=3, rng=0)
            return 100 * s.weights[np.abs(s.nodes) > 0.01 * s.nodes[-1]].sum()

        return {
            "Hessian": lambda: place(False),
            "Gauss-Newton": lambda: place(True),
            "beyond 1 %": beyond,
            "parameters": lambda: str(sum(W.size for W in network.coefs_ + network.intercepts_)),
        }

    def cell(self, values):
        """Parameters do not depend on the seed."""
        return (
            values[0] if isinstance(values[0], str) and len(values[0]) > 2 else super().cell(values)
        )


class HessianConditions(Hessians):
    """The same for five classes, width 64, at half the loss of guessing: what makes the gap"""

    case_name = "activation, pixels"
    cases = {
        f"{activation}, {'centred' if centred else 'in [0, 1]'}": (5, 64, 0.5, activation, centred)
        for activation in ("relu", "logistic", "tanh")
        for centred in (False, True)
    }
    seeds = 5
