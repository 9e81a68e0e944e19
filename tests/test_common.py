"""Every estimator keeps its manners: scikit-learn's checks with no expected failure, and our own.

Estimators are discovered; tests/common_checks/instances.py holds the settings they are tried in,
and one file there for each kind of X the checks of our own.
"""

from __future__ import annotations

import os
import warnings
from contextlib import contextmanager

import pytest
import sklearn
from sklearn.base import clone
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from subspace_learn import _HEADLINE
from subspace_learn._capabilities import kind_of_input
from subspace_learn._discovery import estimators
from tests.common_checks import (
    complex_table,
    epochs,
    graph,
    maps,
    matrices,
    mesh,
    sampler,
    system,
    table,
)
from tests.common_checks.instances import (
    EXPECTED_WARNINGS,
    default_instances,
    instances,
    longer_instances,
)

CHECKS_OF_KIND = {
    "complex_table": complex_table,
    "epochs": epochs,
    "graph": graph,
    "maps": maps,
    "matrices": matrices,
    "mesh": mesh,
    "sampler": sampler,
    "system": system,
    "table": table,
}
INSTANCES = instances()
ARRAY_API = os.environ.get("SCIPY_ARRAY_API") == "1"


@contextmanager
def may_warn(estimator):
    """An estimator may say what it has to say of the tables of the checks."""
    with warnings.catch_warnings():
        message = EXPECTED_WARNINGS.get(type(estimator).__name__)
        if message is not None:
            warnings.filterwarnings("ignore", message, UserWarning)
        yield


def cases(which):
    """Each instance with each check of its kind."""
    return [
        pytest.param(estimator, check, id=f"{estimator!r}-{check.__name__}")
        for estimator in [*INSTANCES, *longer_instances()]
        for check in getattr(CHECKS_OF_KIND[kind_of_input(estimator)], which)
    ]


def test_every_estimator_is_of_a_kind_that_has_checks():
    without = {
        repr(e): kind_of_input(e) for e in INSTANCES if kind_of_input(e) not in CHECKS_OF_KIND
    }
    assert not without, f"write tests/common_checks/<kind>.py for these: {without}"


def test_every_headline_estimator_is_discovered():
    assert set(_HEADLINE) <= set(estimators())


# scikit-learn's checks send tables and know nothing else.
@parametrize_with_checks(
    [e for e in [*INSTANCES, *default_instances()] if get_tags(e).input_tags.two_d_array]
)
def test_scikit_learn_check(estimator, check):
    name = getattr(check, "func", check).__name__
    if repr(estimator) == "GrassmannPCA()" and name.startswith("check_array_api"):
        pytest.skip("its table has rank 8 of 10: score refuses in words, as no density exists")
    is_circuit = type(estimator).__name__ == "VariationalQuantumClassifier"
    if is_circuit and name.startswith("check_sample_weight_equivalence"):
        pytest.skip("30 columns are 30 qubits, which no memory holds: tests/quantum has fewer")
    with may_warn(estimator):
        check(estimator)


@pytest.mark.parametrize(("estimator", "check"), cases("CHECKS"))
def test_our_check(estimator, check):
    with may_warn(estimator):
        check(clone(estimator))


@pytest.mark.parametrize(("estimator", "check"), cases("LIBRARY_CHECKS"))
def test_our_check_in_every_library(estimator, check, xp):
    with may_warn(estimator):
        check(clone(estimator), xp)


if ARRAY_API:  # scikit-learn refuses the flag without it

    @pytest.mark.parametrize(("estimator", "check"), cases("LIBRARY_CHECKS"))
    def test_our_check_in_every_library_with_array_dispatch(estimator, check, xp):
        with may_warn(estimator), sklearn.config_context(array_api_dispatch=True):
            check(clone(estimator), xp)
