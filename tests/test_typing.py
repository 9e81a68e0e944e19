"""What type checkers and editors see is what there is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import subspace_learn
from subspace_learn._discovery import estimators
from tests import typed_user

TOP = Path(subspace_learn.__file__)


def test_static_imports_are_the_headline_names():
    """mypy does not run __getattr__: each name stands in the TYPE_CHECKING block too."""
    block = next(n for n in ast.parse(TOP.read_text("utf-8")).body if isinstance(n, ast.If))
    assert ast.unparse(block.test) == "_TYPE_CHECKING"
    found = {i.names[0].name: i.module for i in block.body if isinstance(i, ast.ImportFrom)}
    assert found == subspace_learn._HEADLINE


def test_package_says_that_it_is_typed():
    assert TOP.with_name("py.typed").exists()


@pytest.mark.parametrize(
    "name", [n for n, cls in estimators().items() if ".deep" not in cls.__module__]
)
def test_constructor_is_typed_for_strict_callers(name):
    """Without a word about what it returns, mypy --strict refuses each call in a user's script."""
    assert estimators()[name].__init__.__annotations__.get("return") == "None"


def test_typed_script_of_a_user_runs():
    shapes = typed_user.main()
    assert shapes[:3] == [(60, 2), (60,), (60,)]
    assert shapes[4] == (60,)
