"""A user's script with types: `make lint` runs mypy on it, tests/test_typing.py runs it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import Pipeline, make_pipeline

import subspace_learn
from subspace_learn import DPPLeastSquares, GrassmannPCA, KoopmanEDMD, SensitivitySampler
from subspace_learn.grassmann import SubspaceDetector

Table = npt.NDArray[np.float64]


def subspace_of(X: Table, rank: int) -> GrassmannPCA:
    return GrassmannPCA(n_components=rank).fit(X)


def pipeline(rank: int) -> Pipeline:
    return make_pipeline(GrassmannPCA(rank), subspace_learn.NearestSubspaceClassifier(1))


def main() -> list[tuple[int, ...]]:
    rng = np.random.default_rng(0)
    X: Table = rng.standard_normal((60, 5)) * np.linspace(1, 3, 5)
    y = (X[:, 0] > 0).astype(int)
    scores = subspace_of(X, 2).transform(X)
    labels = pipeline(2).fit(X, y).predict(X)
    flags = SubspaceDetector(GrassmannPCA(2)).fit(X).predict(X)
    model: KoopmanEDMD = KoopmanEDMD().fit(np.cumsum(X, axis=0))
    predicted = DPPLeastSquares(random_state=0).fit(X, X[:, 0]).predict(X)
    rows, _ = SensitivitySampler(10, random_state=0).fit_resample(X, y)[:2]
    parts = (scores, labels, flags, model.koopman_matrix_, predicted, rows)
    return [np.shape(part) for part in parts]


if __name__ == "__main__":
    print(main())
