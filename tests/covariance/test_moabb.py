"""moabb's own evaluations, on its own made data: what a benchmark of ours will be run with."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from subspace_learn import AugmentedCovarianceClassifier
from subspace_learn.covariance import AugmentedCovariances

pytest.importorskip("moabb", reason="moabb is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of moabb and MNE


class Vectors(LogisticRegression):
    """Logistic regression on logarithms of matrices."""

    def _vectors(self, S):
        from subspace_learn.covariance import logm, upper_vector

        return upper_vector(logm(S))

    def fit(self, X, y):
        return super().fit(self._vectors(X), y)

    def predict(self, X):
        return super().predict(self._vectors(X))

    def predict_proba(self, X):
        return super().predict_proba(self._vectors(X))

    def decision_function(self, X):
        return super().decision_function(self._vectors(X))


PIPELINES = {
    "fixed": make_pipeline(AugmentedCovarianceClassifier(2, 0.02, sfreq=128, classifier="lr")),
    "search": make_pipeline(
        AugmentedCovarianceClassifier(orders=(1, 2), lags=(1, 2), cv=2, classifier="lr")
    ),
    "matrices": make_pipeline(AugmentedCovariances(2, 2), Vectors()),
    "wasserstein": make_pipeline(
        AugmentedCovarianceClassifier(1, 1, metric="wasserstein", classifier="mdm")
    ),
}


@pytest.fixture(scope="module")
def fake():
    from moabb.datasets.fake import FakeDataset
    from moabb.paradigms.motor_imagery import FakeImageryParadigm

    data = FakeDataset(["left_hand", "right_hand"], n_subjects=2, n_sessions=2, n_runs=2, seed=1)
    return FakeImageryParadigm(), data


@pytest.mark.parametrize("return_epochs", [False, True], ids=["arrays", "epochs"])
@pytest.mark.parametrize("kind", ["WithinSession", "CrossSession", "CrossSubject"])
def test_evaluations_run_and_score_every_session(fake, kind, return_epochs, tmp_path):
    import moabb.evaluations

    paradigm, data = fake
    evaluation = getattr(moabb.evaluations, f"{kind}Evaluation")(
        paradigm=paradigm,
        datasets=[data],
        overwrite=True,
        hdf5_path=str(tmp_path),
        return_epochs=return_epochs,
        error_score="raise",
        random_state=0,
    )
    pipelines = dict(PIPELINES)
    if return_epochs:  # they bring their own rate
        pipelines["fixed"] = make_pipeline(AugmentedCovarianceClassifier(2, 0.02, classifier="lr"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = evaluation.process(pipelines)
    assert set(results["pipeline"]) == set(pipelines)
    counts = results.groupby("pipeline").size()
    assert counts.nunique() == 1, "every pipeline has a score in every place"
    assert np.isfinite(results["score"]).all()
    assert results["score"].between(0, 1).all()
