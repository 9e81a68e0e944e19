"""A model saved with joblib or skops gives, in a process that never saw it, the same answers."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import joblib
import pytest
from sklearn.base import clone

from subspace_learn.deep import BaseDeepEstimator
from tests.fuzz.good_input import good_input, settings_of_every_estimator
from tests.fuzz.robust import answers, is_supervised

ROOT = Path(__file__).resolve().parents[2]
INSTANCES = {
    f"{'deep ' if isinstance(estimator, BaseDeepEstimator) else ''}{name} {i}": estimator
    for name, each in settings_of_every_estimator().items()
    for i, estimator in enumerate(each)
}


@pytest.fixture(scope="module")
def wrong(tmp_path_factory):
    """Messages of a fresh process, by file, where a model it loads says something else."""
    skops_io = pytest.importorskip("skops.io", reason="skops is not installed")
    folder = tmp_path_factory.mktemp("models")
    for name, estimator in INSTANCES.items():
        X, y, query = good_input(estimator)
        targets = (y,) if is_supervised(estimator) else ()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cheap settings do not converge
            model = clone(estimator).fit(X, *targets)
        joblib.dump((query, answers(model, query)), folder / f"said {name}.joblib")
        joblib.dump(model, folder / f"{name}.joblib")
        skops_io.dump(model, folder / f"{name}.skops")
    run = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.reload", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize("suffix", ["joblib", "skops"])
@pytest.mark.parametrize("name", INSTANCES)
def test_saved_model_says_the_same_in_a_fresh_process(wrong, name, suffix):
    assert wrong["compared"] == 2 * len(INSTANCES)
    assert wrong.get(f"{name}.{suffix}") is None


def test_a_file_with_a_type_that_nobody_vouches_for_is_refused(tmp_path):
    skops_io = pytest.importorskip("skops.io", reason="skops is not installed")
    from tests.fuzz.reload import types_to_trust

    skops_io.dump(Path("somewhere"), tmp_path / "model.skops")
    with pytest.raises(LookupError, match="PosixPath"):
        types_to_trust(tmp_path / "model.skops", deep=True)
