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
from threadpoolctl import threadpool_limits

from subspace_learn import KoopmanEDMD
from subspace_learn.functional.dynamics.edmd import koopman_eigenpairs, koopman_fit, koopman_matrix
from subspace_learn.functional.dynamics.kernel_edmd import kernel_matrix, mean_distance
from subspace_learn.functional.dynamics.pair_factors import pair_factors
from subspace_learn.functional.dynamics.resdmd import eigenpair_residuals

from .common import Speed

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
    budget = 8.0

    def setup(self, *case):
        super().setup(*case)
        self.limits.restore_original_limits()
        self.limits = threadpool_limits(1)

    def make_data(self, shape):
        return lifted(shape)

    def nbytes(self, data):
        return data[0].nbytes + data[1].nbytes


class Matrix(OneThread):
    """The Koopman matrix alone."""

    def ours(self, data):
        return koopman_matrix(*data)

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
        return eigenpair_residuals(fit.projected, fit.complement, values, vectors)

    def peers(self, data):
        return {"NumPy Cholesky + eig": lambda: np.linalg.eig(normal_equations(*data))}


class Fit(OneThread):
    """The estimators on the same lifted data: fit and eigenvalues."""

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
        X = rng.standard_normal((10**4, 50))
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
