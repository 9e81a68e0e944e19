"""The battery: each estimator, with its defaults and in the settings of the common checks."""

from __future__ import annotations

import itertools

import pytest
from sklearn.base import clone

from tests.battery import structures, tables
from tests.battery.readings import settings

CHECKS = [*tables.CHECKS, *structures.CHECKS]
EXEMPT = {**tables.EXEMPT, **structures.EXEMPT}


def variants(check):
    """Keyword arguments of a check, from its parametrize marks."""
    marks = [m for m in getattr(check, "pytestmark", []) if m.name == "parametrize"]
    choices = [[(m.args[0], value) for value in m.args[1]] for m in marks]
    return [dict(pairs) for pairs in itertools.product(*choices)]


CASES = [
    pytest.param(estimator, check, how, id=f"{estimator!r}-{check.__name__}-{list(how.values())}")
    for check in CHECKS
    for how in variants(check)
    for estimator in settings()
]


@pytest.mark.parametrize(("estimator", "check", "how"), CASES)
def test_battery(estimator, check, how):
    reason = EXEMPT.get((type(estimator).__name__, check.__name__))
    if reason:
        pytest.skip(reason)
    check(clone(estimator), **how)


def test_exemptions_name_what_exists():
    names = {type(e).__name__ for e in settings()}
    checks = {check.__name__ for check in CHECKS}
    assert {name for name, _ in EXEMPT} <= names
    assert {check for _, check in EXEMPT} <= checks
