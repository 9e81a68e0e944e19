"""Whatever a page, an example or a docstring of a family names, users import from a family."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

import subspace_learn

ROOT = Path(__file__).resolve().parents[1]
PROVISIONAL = (*subspace_learn._PROVISIONAL, "kernels")
FAMILIES = sorted(set(subspace_learn._ROOMS) - set(PROVISIONAL))
# Pages that speak to developers name the rooms inside.
FOR_DEVELOPERS = {"development.rst"}
PAGES = [
    ROOT / "README.md",
    *(p for p in sorted((ROOT / "doc").glob("*.rst")) if p.name not in FOR_DEVELOPERS),
    *sorted((ROOT / "doc" / "user_guide").glob("*.rst")),
    *sorted((ROOT / "doc" / "tutorials").glob("*.rst")),
    *sorted((ROOT / "examples").rglob("*.py")),
]
SOURCES = [
    path for room in FAMILIES for path in sorted((ROOT / "subspace_learn" / room).glob("*.py"))
]
DOTTED = re.compile(r"(?<![\w.])subspace_learn((?:\.\w+)+)")
IMPORTED = re.compile(r"from (subspace_learn[\w.]*) import (\([^)]*\)|[^\n]*)")


def mentioned(text):
    """Dotted names of ours in a text, those that it imports too."""
    found = {f"subspace_learn{rest}" for rest in DOTTED.findall(text)}
    for module, names in IMPORTED.findall(text):
        names = re.sub(r"#[^\n]*|[()>.]|\bas \w+", " ", names)
        found |= {f"{module}.{name}" for name in re.findall(r"\w+", names)}
    return sorted(found)


def docstrings(path):
    """All docstrings of a file, as one text."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    nodes = [n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, kinds)]
    return "\n".join(ast.get_docstring(node) or "" for node in nodes)


TEXTS = [
    *(pytest.param(p.read_text("utf-8"), id=str(p.relative_to(ROOT))) for p in PAGES),
    *(pytest.param(docstrings(p), id=str(p.relative_to(ROOT))) for p in SOURCES),
]


@pytest.mark.parametrize("text", TEXTS)
def test_no_provisional_name_is_shown_to_users(text):
    inside = [name for name in mentioned(text) if name.split(".")[1] in PROVISIONAL]
    assert not inside, "export these from their family, and name them there"


@pytest.mark.parametrize("text", TEXTS)
def test_every_name_shown_exists(text):
    for name in mentioned(text):
        parts = name.split(".")
        if parts[1] in {*PROVISIONAL, "_discovery"} or "torch" in name:
            continue
        thing = subspace_learn
        for i, part in enumerate(parts[1:], start=2):
            try:
                thing = getattr(thing, part)
            except AttributeError:
                thing = import_module(".".join(parts[:i]))
            except ImportError as error:
                pytest.skip(f"needs {error.name}")


def test_no_two_news_fragments_share_issue_type_and_counter():
    """towncrier stops at such a pair; it reads a counter that is no number as none."""
    found = {}
    for path in sorted((ROOT / "news").glob("[0-9]*.md")):
        issue, kind, *counter = path.name.split(".")[:-1]
        number = next((int(part) for part in counter if part.isdigit()), 0)
        found.setdefault((issue, kind, number), []).append(path.name)
    doubled = [names for names in found.values() if len(names) > 1]
    assert not doubled, f"give these numbers of their own: {doubled}"


def test_mentions_are_found():
    text = (
        "See :func:`~subspace_learn.sampling.lewis_weights`.\n"
        ">>> from subspace_learn import (\n...     A,\n...     B as C,\n... )\n"
    )
    assert mentioned(text) == [
        "subspace_learn.A",
        "subspace_learn.B",
        "subspace_learn.sampling.lewis_weights",
    ]
