"""The building has storeys, and imports go down only: read off the sources, nothing is run."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = "subspace_learn"
ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / PACKAGE).rglob("*.py"))
OUR_FILES = [
    path
    for folder in (PACKAGE, "tests", "examples", "asv_benches", "doc/_ext")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "auto_examples" not in path.parts
]

# Room -> storey. Any other folder without an underscore is a family.
STOREY = {
    "_array": 0,
    "_warnings": 0,
    "kernels": 0,
    "linalg": 1,
    "functional": 2,
    "_base": 3,
    "_chunk_tasks": 3,
    "_distributed": 3,
    "_checks": 3,
    "_drawing": 3,
    "_wrapped_predictor": 3,
    "_to_device": 4,
    "deep": 5,
    "_discovery": 6,
    "_capabilities": 7,
    "__init__": 8,
}
FAMILY = 4
TOP_MAY_BE_READ_BY = {"_discovery"}  # the table of names in subspace_learn/__init__.py

# Library -> the rooms, or modules within a room, that may name it.
ONLY_IN = {
    "cupy": ("_array",),
    "torch": ("_array", "deep"),
    "skorch": ("deep",),
    "numba": ("kernels",),
    "dask": ("_distributed",),
    "distributed": ("_distributed",),
    "flwr": ("grassmann.flower",),
}
PRIVATE_SKLEARN_IN = ("_base", "_checks")
LAZY = {
    "dask",
    "distributed",
    "flwr",
    "matplotlib",
    "pandas",
    "pymanopt",
    "pyriemann",
    "pooch",
    "mne",
    "pyamg",
}
MAX_LINES = 250  # of code: neither blank, nor comment, nor docstring
MAX_LINES_BESIDE = 350  # of tests, examples, benchmarks: lists of cases
MAX_LINES_OF_A_FUNCTION = 50  # of code, signature left out


class Import(NamedTuple):
    """One imported name: who imports it, on which line, and whether at import time."""

    importer: str
    line: int
    target: str
    at_top: bool

    def __str__(self):
        return f"{self.importer}:{self.line} -> {self.target}"


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module):
    """First part below the package: subspace_learn.linalg.eig -> linalg."""
    return [*module.split("."), "__init__"][1]


def absolute(node, path):
    """Modules and names that an import statement mentions, as absolute dotted paths."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        package = path.relative_to(ROOT).with_suffix("").parts[:-1]
        package = package[: len(package) - node.level + 1]
        base = ".".join([*package, base] if base else package)
    return [f"{base}.{alias.name}" for alias in node.names]


def _is_type_checking(node):
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def imports_of(path):
    """Every import of a file; those in functions or under TYPE_CHECKING are not ``at_top``."""

    def visit(node, at_top):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import | ast.ImportFrom):
                for target in absolute(child, path):
                    yield Import(module_name(path), child.lineno, target, at_top)
            lazy = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from visit(child, at_top and not lazy and not _is_type_checking(child))

    return list(visit(ast.parse(path.read_text(encoding="utf-8")), True))


MODULES = {module_name(path) for path in SOURCES}
IMPORTS = [found for path in SOURCES for found in imports_of(path)]


def our_module(target):
    """Longest prefix of ``target`` that is one of our modules; None if it is not ours."""
    parts = target.split(".")
    while parts and ".".join(parts) not in MODULES:
        parts.pop()
    return ".".join(parts) or None


OUR_ARROWS = [(found, our_module(found.target)) for found in IMPORTS if our_module(found.target)]


def show(arrows):
    return "".join(f"\n  {arrow}" for arrow in arrows)


def storey(module):
    room = room_of(module)
    return STOREY[room] if room in STOREY else FAMILY


def group_of(module):
    """Family whose formulas a module of functional/ holds; None elsewhere."""
    parts = module.split(".")
    return parts[2] if parts[1:2] == ["functional"] and len(parts) > 2 else None


def test_every_private_room_has_a_storey():
    unknown = sorted({room_of(module) for module in MODULES} - set(STOREY))
    private = [room for room in unknown if room.startswith("_")]
    assert not private, f"rooms without a storey in {Path(__file__).name}: {private}"


def test_imports_go_down_only():
    """To a lower storey, within a room, or among what all estimators share (storey 3)."""

    def goes_up(found, target):
        here, there = room_of(found.importer), room_of(target)
        if here == there or (there == "__init__" and here in TOP_MAY_BE_READ_BY):
            return False
        if storey(target) == storey(found.importer) == STOREY["_base"]:
            return False
        return storey(target) >= storey(found.importer)

    wrong = [found for found, target in OUR_ARROWS if goes_up(found, target)]
    assert not wrong, f"imports must go to a lower storey (ARCHITECTURE.md):{show(wrong)}"


def test_formulas_of_one_family_do_not_import_those_of_another():
    def crosses(found, target):
        here, there = group_of(found.importer), group_of(target)
        return there is not None and here is not None and here != there

    wrong = [found for found, target in OUR_ARROWS if crosses(found, target)]
    assert not wrong, f"what two families share belongs in linalg/:{show(wrong)}"


def test_a_family_imports_its_own_formulas_only():
    def crosses(found, target):
        is_family = storey(found.importer) == FAMILY
        return is_family and group_of(target) not in (None, room_of(found.importer))

    wrong = [found for found, target in OUR_ARROWS if crosses(found, target)]
    assert not wrong, f"what two families share belongs in linalg/:{show(wrong)}"


def test_linalg_holds_what_two_families_use():
    """A module that serves one family stands with the formulas of that family."""
    importers = {}
    for found, target in OUR_ARROWS:
        importers.setdefault(target, set()).add(found.importer)

    def families(module, seen):
        if module in seen:
            return set()
        seen.add(module)
        group = group_of(module)
        if group is not None:
            return {group}
        if storey(module) >= FAMILY:
            return {room_of(module)}
        return {f for user in importers.get(module, ()) for f in families(user, seen)}

    for module in MODULES:
        if room_of(module) == "linalg" and module.count(".") == 2:
            served = families(module, set()) - {"__init__"}
            assert len(served) >= 2, f"{module} serves {sorted(served)} alone: move it there"


def test_modules_import_one_another_in_no_circle():
    graph = {module: set() for module in MODULES}
    for found, target in OUR_ARROWS:
        if target != found.importer:
            graph[found.importer].add(target)
    circle = find_circle(graph)
    assert circle is None, f"modules import one another: {' -> '.join(circle)}"


def find_circle(graph):
    """Some path that returns to its start, or None (depth-first search)."""
    done, path = set(), []

    def walk(module):
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return None
        path.append(module)
        for target in sorted(graph[module]):
            if circle := walk(target):
                return circle
        done.add(path.pop())
        return None

    return next((circle for module in sorted(graph) if (circle := walk(module))), None)


def test_find_circle_finds_one():
    assert find_circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a", "b", "c", "a"]
    assert find_circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None


@pytest.mark.parametrize("library", sorted(ONLY_IN))
def test_library_stays_in_its_rooms(library):
    rooms = tuple(f"{PACKAGE}.{room}." for room in ONLY_IN[library])
    wrong = [
        found
        for found in IMPORTS
        if found.target.split(".")[0] == library and not f"{found.importer}.".startswith(rooms)
    ]
    assert not wrong, f"only {' and '.join(ONLY_IN[library])} may import {library}:{show(wrong)}"


def names_in_code(path):
    """Identifiers and strings of a file, docstrings left out, with their lines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    prose = set(docstring_lines(tree))
    for node in ast.walk(tree):
        for value in (
            getattr(node, field, None) for field in ("id", "attr", "arg", "value", "name")
        ):
            if isinstance(value, str) and node.lineno not in prose:
                yield node.lineno, value


def test_one_module_knows_dask():
    """Others tell readers of it in docstrings, and have no code for it."""
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {name!r}"
        for path in SOURCES
        for line, name in names_in_code(path)
        if "dask" in name.lower() and path.stem != "_distributed"
    ]
    assert not wrong, f"only _distributed.py may know it by name:{show(wrong)}"


def test_private_scikit_learn_comes_in_through_two_files():
    wrong = [
        found
        for found in IMPORTS
        if found.target.split(".")[0] == "sklearn"
        and any(part.startswith("_") and part != "__version__" for part in found.target.split("."))
        and room_of(found.importer) not in PRIVATE_SKLEARN_IN
    ]
    assert not wrong, f"private scikit-learn names belong in _base.py or _checks/:{show(wrong)}"


def test_heavy_libraries_are_imported_inside_functions():
    wrong = [found for found in IMPORTS if found.at_top and found.target.split(".")[0] in LAZY]
    assert not wrong, f"import these where they are used, not at import time:{show(wrong)}"


def test_kernels_are_imported_inside_functions():
    wrong = [
        found
        for found, target in OUR_ARROWS
        if found.at_top and room_of(target) == "kernels" and room_of(found.importer) != "kernels"
    ]
    assert not wrong, f"kernels load numba: import them in the function that calls:{show(wrong)}"


def docstring_lines(tree):
    """Numbers of the lines that docstrings take."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            if isinstance(node.value.value, str):
                yield from range(node.lineno, node.end_lineno + 1)


def code_lines(path):
    """Numbers of the lines that hold code."""
    text = path.read_text(encoding="utf-8")
    lines = enumerate(text.splitlines(), start=1)
    code = {number for number, line in lines if line.strip() and line.strip()[0] != "#"}
    return code - set(docstring_lines(ast.parse(text)))


@pytest.mark.parametrize("path", OUR_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_fits_in_one_sitting(path):
    n = len(code_lines(path))
    limit = MAX_LINES if path in SOURCES else MAX_LINES_BESIDE
    assert n <= limit, f"{n} lines of code, at most {limit}: split by subject"


def functions_of(path):
    """Name and number of code lines below the signature, of each function of a file."""
    code = code_lines(path)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = range(node.body[0].lineno, node.end_lineno + 1)
            yield node.name, len(code.intersection(body))


def test_function_fits_a_screen():
    long = [
        f"{path.relative_to(ROOT)}: {name}, {n} lines"
        for path in SOURCES
        for name, n in functions_of(path)
        if n > MAX_LINES_OF_A_FUNCTION
    ]
    assert not long, f"at most {MAX_LINES_OF_A_FUNCTION} lines, split these:{show(long)}"
