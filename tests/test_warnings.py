"""A warning points at the line of the user who called, not into the package."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from subspace_learn._base import SubspaceEstimator, fit_method
from subspace_learn._warnings import warn

SOURCES = sorted((Path(__file__).parents[1] / "subspace_learn").rglob("*.py"))


# Functions whose globals are those of a module of the package, as a formula's would be.
FORMULA = {"__name__": "subspace_learn.functional.x", "warn": warn}
exec(
    "def formula(category=UserWarning):\n    warn('too few rows: 3', category)\n"
    "def fit(self, X, y=None):\n    formula()\n    return self\n",
    FORMULA,
)
HERE = Path(__file__).name


class Complaining(SubspaceEstimator):
    _parameter_constraints: dict = {}
    fit = fit_method(FORMULA["fit"])


def where(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [(Path(w.filename).name, str(w.message), w.category) for w in caught]


def test_warning_from_a_formula_points_here():
    found = where(lambda: FORMULA["formula"](RuntimeWarning))
    assert found == [(HERE, "too few rows: 3", RuntimeWarning)]


def test_warning_from_a_class_passes_over_the_wrappers_of_scikit_learn():
    pipeline = make_pipeline(FunctionTransformer(), Complaining())
    expected = [(HERE, "too few rows: 3", UserWarning)]
    assert where(lambda: Complaining().fit(np.ones((3, 2)))) == expected
    assert where(lambda: pipeline.fit(np.ones((3, 2)))) == expected


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_module_counts_frames_by_hand(path):
    if path.stem != "_warnings":
        assert not re.search(r"warnings\.warn\(|stacklevel", path.read_text("utf-8")), (
            f"{path}: use _warnings.warn, which finds the user's line by itself"
        )
