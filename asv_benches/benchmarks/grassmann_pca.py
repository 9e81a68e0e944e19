"""GrassmannPCA beside scikit-learn's PCA solvers, IncrementalPCA and sparse PCA."""

from __future__ import annotations

from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import scipy.sparse as sp
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD

from subspace_learn import GrassmannPCA
from subspace_learn.datasets import fetch_nsl_kdd

from .common import Speed
from .published_variants import trust_region_basis

K = 10


def onedal(name):
    """An estimator of scikit-learn-intelex on one thread, or None where it is not installed."""
    try:
        import daal4py
        import sklearnex.decomposition
        import sklearnex.preview.decomposition
    except ImportError:
        return None
    daal4py.daalinit(nthreads=1)
    place = sklearnex.preview if name == "IncrementalPCA" else sklearnex
    return getattr(place.decomposition, name)


def faiss_pca(X):
    """The principal subspace of all rows by faiss, on one thread; by itself it takes a sample."""
    import faiss

    faiss.omp_set_num_threads(1)
    matrix = faiss.PCAMatrix(X.shape[1], K)
    matrix.max_points_per_d = len(X)
    matrix.train(X)
    rows = faiss.vector_to_array(matrix.A).reshape(K, X.shape[1])
    return SimpleNamespace(components_=rows)


def experts_calls(X):
    """Peers that are not scikit-learn's, as far as they are installed."""
    calls, peer = {}, onedal("PCA")
    if peer is not None:
        calls["scikit-learn-intelex"] = lambda: peer(K, svd_solver="covariance_eigh").fit(X)
    if find_spec("faiss"):
        calls["faiss PCAMatrix"] = lambda: faiss_pca(X)
    return calls


def spiked(n, d, seed=0):
    """float32 rows with standard deviations from 3 down to 1 and a mean off the origin."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, d), dtype=np.float32)
    return rows * np.linspace(3, 1, d, dtype=np.float32) + np.float32(0.3)


def exact_subspace(X):
    """Leading eigenvectors of the float64 covariance, block by block."""
    mean = X.mean(axis=0, dtype=np.float64)
    scatter = np.zeros((X.shape[1], X.shape[1]))
    for rows in np.array_split(X, max(1, len(X) // 10000)):
        gap = rows - mean
        scatter += gap.T @ gap
    return np.linalg.eigh(scatter)[1][:, -K:]


class SubspaceBenchmark(Speed):
    """Scores a fit by its largest principal angle (radians) to the float64 eigenvectors."""

    def make_data(self, case):
        X = self.rows_of(case)
        self.truth = exact_subspace(X.toarray() if sp.issparse(X) else X)
        return X

    def score(self, X, result):
        components = np.asarray(result.components_, dtype=np.float64)
        return float(subspace_angles(components.T, self.truth).max())


class Shapes(SubspaceBenchmark):
    """One fit of float64 tables of five shapes: noise of full rank, or singular values like 1/j

    Target: at most 1.1 of the fastest solver of scikit-learn whose angle is as small.
    """

    param_names = ["table"]
    params = [
        [
            f"{shape} {kind}"
            for shape in ("3000 x 1500", "2000 x 2000", "20000 x 1000", "500 x 5000", "300 x 20000")
            for kind in ("noise", "decaying")
        ]
    ]
    smallest = ("300 x 100 decaying",)

    def make_data(self, case):
        n, _, d, kind = case.split()
        n, d = int(n), int(d)
        rng = np.random.default_rng(0)
        X = rng.standard_normal((n, d))
        if kind == "decaying":
            r = min(n, d, 400)
            left, right = (np.linalg.qr(rng.standard_normal((m, r)))[0] for m in (n, d))
            X = (left * (1000.0 / np.arange(1, r + 1))) @ right.T + 0.01 * X
        Z = X - X.mean(axis=0)
        if n < d:
            self.truth = np.linalg.qr(Z.T @ np.linalg.eigh(Z @ Z.T)[1][:, -K:])[0]
        else:
            self.truth = np.linalg.eigh(Z.T @ Z)[1][:, -K:]
        return X

    def ours(self, X):
        return GrassmannPCA(K, random_state=0).fit(X)

    def peers(self, X):
        solvers = ["arpack", "randomized", *(["covariance_eigh"] if X.shape[1] <= 2000 else [])]
        return {
            f"sklearn {name}": lambda name=name: PCA(K, svd_solver=name, random_state=0).fit(X)
            for name in solvers
        }


class Batch(SubspaceBenchmark):
    """One fit of a tall float32 table."""

    param_names = ["shape"]
    params = [["67343 x 122", "1e6 x 100"]]
    smallest = ("2000 x 30",)

    def rows_of(self, case):
        n, d = (int(float(part)) for part in case.split(" x "))
        return spiked(n, d)

    def ours(self, X):
        return GrassmannPCA(K).fit(X)

    def peers(self, X):
        solvers = (
            ("covariance_eigh", "randomized", "full")
            if len(X) < 10**5
            else (
                "covariance_eigh",
                "randomized",
            )
        )
        return {
            f"sklearn {solver}": lambda solver=solver: PCA(
                K, svd_solver=solver, random_state=0
            ).fit(X)
            for solver in solvers
        }


class OffCentre(Batch):
    """The same rows a hundred standard deviations from the origin."""

    params = [["67343 x 122"]]

    def rows_of(self, case):
        return super().rows_of(case) + np.float32(100)


class Solvers(SubspaceBenchmark):
    """What each solver of ours costs on one table; scikit-learn's exact one beside it."""

    needs = ("pymanopt",)
    param_names = ["solver"]
    params = [["covariance", "svd", "randomized"]]

    def rows_of(self, case):
        return spiked(1000 if self.quick else 20000, 100)

    def make_data(self, case):
        self.solver = case
        return super().make_data(case)

    def ours(self, X):
        return GrassmannPCA(K, solver=self.solver, random_state=0).fit(X)

    def peers(self, X):
        return {
            "sklearn covariance_eigh": lambda: PCA(K, svd_solver="covariance_eigh").fit(X),
            "trust region on the manifold": lambda: SimpleNamespace(
                components_=trust_region_basis(np.cov(X.T), K, seed=0).T
            ),
        }


class Wide(SubspaceBenchmark):
    """A wide float64 table with a spectrum that decays: pixels, spectra, expression levels."""

    param_names = ["shape"]
    params = [["500 x 5000", "2000 x 2000"]]
    smallest = ("100 x 200",)

    def rows_of(self, case):
        n, d = (int(part) for part in case.split(" x "))
        rng = np.random.default_rng(1)
        return rng.standard_normal((n, d)) * (1.0 / np.arange(1, d + 1) ** 0.5)

    def ours(self, X):
        return GrassmannPCA(K, random_state=0).fit(X)

    def peers(self, X):
        return {
            "sklearn full": lambda: PCA(K, svd_solver="full").fit(X),
            "sklearn arpack": lambda: PCA(K, svd_solver="arpack", random_state=0).fit(X),
            "sklearn randomized": lambda: PCA(K, svd_solver="randomized", random_state=0).fit(X),
        }


class Stream(SubspaceBenchmark):
    """67,343 rows of 122 features in batches of 1,000."""

    param_names = ["batch"]
    params = [[1000]]

    def rows_of(self, case):
        self.batch = case
        return spiked(3000 if self.quick else 67343, 122)

    def ours(self, X):
        return self._streamed(GrassmannPCA(K), X)

    def peers(self, X):
        return {"sklearn IncrementalPCA": lambda: self._streamed(IncrementalPCA(K), X)}

    def _streamed(self, estimator, X):
        for start in range(0, len(X), self.batch):
            estimator.partial_fit(X[start : start + self.batch])
        estimator.components_  # noqa: B018  (ours decomposes when it is asked)
        return estimator


class Experts(Batch):
    """What an expert would use instead: one fit of a tall float32 table, one thread"""

    n_threads = 1
    may_use = ("sklearnex", "faiss")

    def peers(self, X):
        solver = "covariance_eigh"
        calls = {f"sklearn {solver}": lambda: PCA(K, svd_solver=solver).fit(X)}
        return calls | experts_calls(X)


class ExpertsStream(Stream):
    """What an expert would use instead: 67,343 x 122 in batches of 1,000, one thread"""

    n_threads = 1
    may_use = ("sklearnex",)

    def peers(self, X):
        calls, peer = super().peers(X), onedal("IncrementalPCA")
        if peer is None:
            return calls
        return calls | {"scikit-learn-intelex IncrementalPCA": lambda: self._streamed(peer(K), X)}


class Sparse(SubspaceBenchmark):
    """NSL-KDD training normals, categorical columns one-hot, as CSR (real data)."""

    needs = ("data",)
    param_names = ["data"]
    params = [["NSL-KDD one-hot"]]

    def rows_of(self, case):
        from sklearn.preprocessing import OneHotEncoder

        train = fetch_nsl_kdd("train")
        rows = train.data[train.target == 0]
        numeric = np.log1p(np.abs(rows[:, :38]))
        coded = OneHotEncoder(dtype=np.float32).fit_transform(rows[:, 38:])
        return sp.hstack([sp.csr_matrix(numeric), coded]).tocsr()

    def nbytes(self, X):
        return X.data.nbytes + X.indices.nbytes + X.indptr.nbytes

    def ours(self, X):
        return GrassmannPCA(K).fit(X)

    def peers(self, X):
        return {
            "sklearn PCA covariance_eigh": lambda: PCA(K, svd_solver="covariance_eigh").fit(X),
            "sklearn PCA arpack": lambda: PCA(K, svd_solver="arpack", random_state=0).fit(X),
            "sklearn TruncatedSVD (not centred)": lambda: TruncatedSVD(K, random_state=0).fit(X),
        }
