"""KoopmanEDMD beside NumPy's normal equations, PyDMD, kooplearn, pykoop and plain ARPACK.

PyDMD, kooplearn and pykoop are looked for in the environment and in SUBSPACE_LEARN_PEERS, a folder
(``pip install --no-deps --target FOLDER pydmd optht kooplearn pykoop picos cvxopt deprecated wrapt
control``); what is not there is left out and said.
"""

from __future__ import annotations

import os
import sys
import warnings

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse.linalg import eigsh
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import PolynomialFeatures

from subspace_learn import KoopmanEDMD
from subspace_learn.datasets import fetch_motor_imagery
from subspace_learn.dynamics import DelayDictionary
from subspace_learn.functional.dynamics.edmd import koopman_eigenpairs, koopman_fit
from subspace_learn.functional.dynamics.kernel_edmd import kernel_matrix, mean_distance
from subspace_learn.functional.dynamics.pair_factors import pair_factors
from subspace_learn.functional.dynamics.resdmd import eigenpair_residuals

from .common import Quality, Speed

SHAPES = ["100000 x 50", "10000 x 300"]


def lifted(shape):
    n, d = (int(part) for part in shape.split(" x "))
    rng = np.random.default_rng(0)
    left = rng.standard_normal((n, d))
    return left, left @ rng.standard_normal((d, d)) / d**0.5 + 0.1 * rng.standard_normal((n, d))


def normal_equations(left, right):
    return cho_solve(cho_factor(left.T @ left), left.T @ right)


def peer(name):
    """A peer package, or None with a word why."""
    folder = os.environ.get("SUBSPACE_LEARN_PEERS")
    if folder and folder not in sys.path:
        sys.path.append(folder)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return __import__(name)
    except ImportError as error:
        print(f"{name} is left out: {error}", file=sys.stderr)
        return None


class OneThread(Speed):
    """Pairs of lifted data on one thread."""

    param_names = ["shape"]
    params = [SHAPES]
    smallest = ("500 x 5",)
    n_threads = 1
    budget = 8.0

    def make_data(self, shape):
        return lifted(shape)


class Matrix(OneThread):
    """The Koopman matrix alone."""

    def ours(self, data):
        return koopman_fit(pair_factors(*data, residuals=False)).matrix

    def peers(self, data):
        return {
            "NumPy Cholesky": lambda: normal_equations(*data),
            "NumPy lstsq": lambda: np.linalg.lstsq(*data, rcond=None)[0],
        }


class Eigenpairs(OneThread):
    """Matrix, eigenpairs and the residual of each; peers have no residuals."""

    def ours(self, data):
        fit = koopman_fit(pair_factors(*data))
        values, vectors = koopman_eigenpairs(fit.operator, normal=False)
        return eigenpair_residuals(fit.projected, fit.unexplained, values, vectors)

    def peers(self, data):
        return {"NumPy Cholesky + eig": lambda: np.linalg.eig(normal_equations(*data))}


class Fit(OneThread):
    """The estimators on the same lifted data: fit and eigenvalues."""

    may_use = ("pydmd", "kooplearn", "pykoop")

    def ours(self, data):
        return KoopmanEDMD().fit(*data)

    def peers(self, data):
        calls = {"NumPy Cholesky + eig": lambda: np.linalg.eig(normal_equations(*data))}
        if (pydmd := peer("pydmd")) is not None:

            def dmd():
                model = pydmd.DMD(svd_rank=-1, exact=True)
                model.fit(data[0].T, data[1].T)
                return model.eigs

            calls["PyDMD"] = dmd
        if peer("kooplearn") is not None:
            from kooplearn.linear_model import Ridge

            def ridge():
                model = Ridge(n_components=data[0].shape[1], alpha=1e-12, eigen_solver="dense")
                return model.fit(*data).eig()

            calls["kooplearn Ridge"] = ridge
        if (pykoop := peer("pykoop")) is not None:

            def edmd():
                model = pykoop.Edmd(alpha=0).fit(*data, n_inputs=0, episode_feature=False)
                return np.linalg.eig(model.coef_)

            calls["pykoop Edmd"] = edmd
        return calls


class Kernel(OneThread):
    """2000 states, 25 kernel features; the peer is the bare Gram matrix and ARPACK."""

    params = [["2000"]]
    smallest = ("200",)

    def make_data(self, case):
        rng = np.random.default_rng(0)
        x = rng.standard_normal((int(case), 2))
        return x, 0.9 * x + 0.1 * rng.standard_normal(x.shape)

    def ours(self, data):
        return KoopmanEDMD(method="kernel", n_components=25, random_state=0).fit(*data)

    def peers(self, data):
        def arpack():
            x, y = data
            scale = mean_distance(x)
            gram = kernel_matrix(x, x, scale=scale)
            values, vectors = eigsh(gram, k=25, v0=np.ones(len(x)))
            features = vectors / values
            moved = kernel_matrix(y, x, scale=scale) @ features
            return np.linalg.eig((gram @ features).T @ moved)

        return {"Gram matrix and ARPACK": arpack}


class Stream(OneThread):
    """A million pairs of 50 observables in batches of 10,000: memory is what counts."""

    params = [["1000000 x 50"]]

    def make_data(self, case):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((100 if self.quick else 10**4, 50))
        return X, 0.9 * X + 0.1 * rng.standard_normal(X.shape)

    def ours(self, data):
        model = KoopmanEDMD()
        for _ in range(100):  # the same batch: only time and memory are measured
            model.partial_fit(*data)
        return model

    def peers(self, data):
        def sums():
            gram, cross = np.zeros((50, 50)), np.zeros((50, 50))
            for _ in range(100):
                gram += data[0].T @ data[0]
                cross += data[0].T @ data[1]
            return np.linalg.eig(cho_solve(cho_factor(gram), cross))

        return {"NumPy sums of products": sums}


# --- accuracy -----------------------------------------------------------------------------------


class LinearMap(Quality):
    """Linear map, polynomials of total degree d, largest error of an eigenvalue"""

    case_name = "d"
    cases = {str(d): d for d in (3, 5, 8, 10)}
    targets = {"3": "1e-12", "5": "1e-10", "8": "5e-9", "10": "1e-5"}
    seeds = 1

    def make_data(self, degree, seed):
        rng = np.random.default_rng(seed)
        A = np.array([[0.9, 0.2], [0.0, 0.7]])
        X = rng.uniform(-1, 1, (2000, 2))
        powers = [(i, k) for i in range(degree + 1) for k in range(degree + 1 - i)]
        exact = np.array([0.9**i * 0.7**k for i, k in powers])
        return degree, X, X @ A.T, exact

    def methods(self, data):
        degree, X, Y, exact = data

        def error(solver):
            model = KoopmanEDMD(PolynomialFeatures(degree), solver=solver).fit(X, Y)
            gaps = np.abs(np.asarray(model.eigenvalues_)[:, None] - exact)
            return f"{max(gaps.min(axis=0).max(), gaps.min(axis=1).max()):.0e}"

        return {"default": lambda: error("qr"), 'solver="gram"': lambda: error("gram")}


class Forecast(Quality):
    """EEG of one subject (six channels, 160 Hz): R2 on 20 epochs left out, by steps ahead"""

    needs = ("data",)
    case_name = "steps"
    cases = {str(ahead): ahead for ahead in (1, 2, 5, 10)}
    seeds = 1
    digits = 2

    def make_data(self, ahead, seed):
        X = np.swapaxes(fetch_motor_imagery(1).data[:40, ::4], 1, 2).astype(float)
        train, test = X[:20] / X[:20].std(), X[20:] / X[:20].std()
        starts = range(0, X.shape[1] - 8 - ahead, 5)
        pieces = np.stack([epoch[i : i + 8 + ahead] for epoch in test for i in starts])
        spread = np.mean((test - test.mean(axis=(0, 1))) ** 2)
        return ahead, train, pieces[:, :8], pieces[:, -1], spread

    def methods(self, data):
        ahead, train, history, _, _ = data

        def koopman(**options):
            model = KoopmanEDMD(DelayDictionary(7), **options).fit(list(train))
            return model.simulate(history, ahead)[:, -1]

        def autoregression():
            past = np.concatenate(
                [np.lib.stride_tricks.sliding_window_view(e[:-1], 8, axis=0) for e in train]
            )
            future = np.concatenate([e[8:] for e in train])
            model = LinearRegression().fit(past.reshape(len(past), -1), future)
            rolled = history
            for _ in range(ahead):
                flat = np.swapaxes(rolled, 1, 2).reshape(len(rolled), -1)
                rolled = np.concatenate([rolled[:, 1:], model.predict(flat)[:, None]], axis=1)
            return rolled[:, -1]

        return {
            "KoopmanEDMD, 7 delays": koopman,
            "the same, rank 24": lambda: koopman(n_components=24),
            "vector autoregression, 8 lags": autoregression,
            "persistence": lambda: history[:, -1],
        }

    def score(self, data, forecast):
        return 1 - np.mean((forecast - data[3]) ** 2) / data[4]
