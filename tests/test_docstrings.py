"""Every public name explains itself: numpydoc's rules from pyproject.toml, and typed signatures."""

from __future__ import annotations

import importlib.util
import inspect
import tomllib
from pathlib import Path

import pytest
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import validate

from subspace_learn._discovery import estimators, public_names

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = ROOT / "pyproject.toml"
LEFT_OUT = set(tomllib.loads(PYPROJECT.read_text())["tool"]["numpydoc_validation"]["checks"])
# `make lint` reads the source of every helper and cannot ask for these; of public names they are
# asked: a docstring, every parameter in it, and what is returned.
LEFT_OUT -= {"all", "GL08", "PR01", "RT01"}

NAMES = public_names()
CLASSES = [found for found in NAMES if inspect.isclass(found.value)]
ESTIMATORS = [found for found in CLASSES if found.name in estimators()]
FUNCTIONS = [found for found in NAMES if inspect.isfunction(found.value)]
OURS = [found.path for found in CLASSES + FUNCTIONS] + [
    f"{found.path}.{name}"
    for found in CLASSES
    for name, member in inspect.getmembers(found.value, inspect.isfunction)
    if not name.startswith("_") and inspect.unwrap(member).__module__.startswith("subspace_learn")
]


NAMED_TUPLES = {found.path for found in CLASSES if hasattr(found.value, "_fields")}


@pytest.mark.parametrize("path", OURS)
def test_docstring_passes_numpydoc_validation(path):
    # The fields of a NamedTuple are documented one by one, below each field.
    left_out = LEFT_OUT | {"PR01"} if path in NAMED_TUPLES else LEFT_OUT
    errors = [f"{code}: {text}" for code, text in validate(path)["errors"] if code not in left_out]
    assert not errors, "\n".join([path, *errors])


@pytest.mark.parametrize("found", FUNCTIONS, ids=lambda found: found.path)
def test_function_is_typed(found):
    signature = inspect.signature(found.value)
    bare = [name for name, p in signature.parameters.items() if p.annotation is p.empty]
    if signature.return_annotation is signature.empty:
        bare.append("return")
    assert not bare, f"{found.path}: no annotation on {', '.join(bare)}"


@pytest.mark.parametrize("found", [f for f in CLASSES if f.name in estimators()], ids=str)
def test_html_view_links_to_the_page_of_the_api_reference(found):
    """The pages are named by doc/_ext/api_pages.py, the link by _base.py: both from the path."""
    assert found.value()._get_doc_link().endswith(f"/api/generated/{found.path}.html")


@pytest.mark.parametrize("name", estimators())
def test_estimator_shows_an_example(name):
    assert NumpyDocString(inspect.getdoc(estimators()[name]))["Examples"], f"{name} has no Examples"


@pytest.fixture(scope="module")
def api_pages():
    """The writer of the API pages, which stands with the documentation and needs no Sphinx."""
    spec = importlib.util.spec_from_file_location("api_pages", ROOT / "doc/_ext/api_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("found", CLASSES, ids=lambda found: found.path)
def test_page_of_the_api_has_an_entry_for_every_public_method(found, api_pages):
    """Own methods come by ``:members:``, those of our base classes by name."""
    page = api_pages.object_page(found)
    assert f".. autoclass:: {found.name}\n   :members:\n" in page
    inherited = [
        path.rpartition(".")[2]
        for path in OURS
        if path.startswith(f"{found.path}.") and path.rpartition(".")[2] not in vars(found.value)
    ]
    missing = [name for name in inherited if f".. automethod:: {found.name}.{name}\n" not in page]
    assert not missing, f"{found.path}: no entry for {', '.join(missing)}"
