"""Every deep estimator keeps its manners: the checks of tests/test_common.py, here with torch."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="torch is not installed: the deep extra is not tested")

from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from subspace_learn._capabilities import kind_of_input
from subspace_learn._discovery import estimators
from tests.common_checks import sequences, table
from tests.common_checks.instances import SETTINGS, deep_instances, needs_torch

# the net that images are shown to in these checks takes tables, of any width
CHECKS_OF_KIND = {
    "images": table.CHECKS,
    "sequences": sequences.CHECKS,
    "table": table.CHECKS,
}
INSTANCES = deep_instances()
DEFAULTS = [cls() for name, cls in estimators().items() if needs_torch(cls) and name != "EigenCAM"]


def test_every_deep_estimator_has_settings_that_hold_to_rounding():
    deep = {name for name, cls in estimators().items() if needs_torch(cls)}
    assert deep <= set(SETTINGS)


@parametrize_with_checks([*DEFAULTS, *INSTANCES])
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        pytest.param(estimator, check, id=f"{estimator!r}-{check.__name__}")
        for estimator in INSTANCES
        for check in CHECKS_OF_KIND[kind_of_input(estimator)]
    ],
)
def test_our_check(estimator, check):
    check(clone(estimator))
