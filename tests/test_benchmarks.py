"""The benchmarks run, and the numbers of README and documentation are those of their tables."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "asv_benches"))

import measurements
import report

PAGES = measurements.pages_with_figures()
# A number that stands in the text as a measured one: decimals, or so many times faster.
MEASURED = re.compile(
    r"(?<![\w.:/=-])\d*\.\d+(?![\w.]*[/`])|\b\d+\s+times\s+(faster|slower|as long)"
)
ASKED_FOR = re.compile(r"[Tt]arget:?\s+(of |at most )*[\d.]+(\s+times\s+(faster|slower))?")


@pytest.fixture(scope="module")
def figures():
    return measurements.figures()


# --- text and tables ----------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_figures_in_the_text_are_those_of_the_tables(page, figures):
    """`python asv_benches/report.py --fill` mends it."""
    text = page.read_text("utf-8")
    assert measurements.filled(text, figures) == text


def test_a_stale_figure_is_seen(figures):
    name = "grassmann_pca.stream"
    for text in (f":figure:`7777 <{name}>`", f"<!--figure:{name}-->7777<!---->"):
        assert measurements.filled(text, figures) == text.replace("7777", figures[name][0])


def test_every_figure_is_used_and_every_used_one_defined(figures):
    used = set()
    for page in PAGES:
        text = page.read_text("utf-8")
        used |= {m[4] for m in measurements.IN_TEXT[0].finditer(text)}
        used |= {m[2] for m in measurements.IN_TEXT[1].finditer(text)}
    assert used == set(figures)


def test_no_measured_number_is_typed_into_readme_or_benchmarks():
    """In README the tables of estimators; the page of benchmarks as a whole."""
    readme = (ROOT / "README.md").read_text("utf-8")
    rows = "\n".join(line for line in readme.splitlines() if line.startswith("| `"))
    rows = re.sub(r"\]\(http[^)]*\)", "]", measurements.IN_TEXT[1].sub("", rows))
    page = (ROOT / "doc" / "benchmarks.rst").read_text("utf-8")
    page = ASKED_FOR.sub("", measurements.IN_TEXT[0].sub("", page))
    found = [match.group() for text in (rows, page) for match in MEASURED.finditer(text)]
    assert not found, f"typed by hand: {found}. Give them a name in asv_benches/figures.toml."


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.name)
def test_no_speed_is_typed_into_the_guide(page):
    text = ASKED_FOR.sub("", measurements.IN_TEXT[0].sub("", page.read_text("utf-8")))
    assert not re.findall(r"\b[\d.]+\s+times\s+(?:faster|slower|as long)", text)


def test_every_table_has_a_writer_and_a_stamp():
    written = {path.stem for path in measurements.FOLDER.glob("*.json")}
    assert {path.name for path in measurements.FOLDER.iterdir()} == {f"{n}.json" for n in written}
    for name in written:
        source = (ROOT / "asv_benches" / "benchmarks" / f"{name}.py").read_text("utf-8")
        classes = {node.name for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}
        for key, table in measurements.read(name).items():
            assert key in classes, f"doc/_tables/{name}.json: no class writes {key}"
            assert {"date", "machine", "threads", "load before", "versions"} <= set(table["stamp"])
            assert all(len(row) == len(table["columns"]) for row in table["rows"])


def test_every_table_is_shown():
    texts = [page.read_text("utf-8") for page in PAGES]
    shown = {name for text in texts for name in re.findall(r"^\.\. measured:: (\w+)", text, re.M)}
    assert {path.stem for path in measurements.FOLDER.glob("*.json")} <= shown


# --- the benchmarks -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", report.FILES)
def test_each_benchmark_runs_at_its_smallest_size(name):
    try:
        classes = report.benchmark_classes(name)
    except ModuleNotFoundError as missing:
        pytest.skip(f"{missing.name} is not installed")
    skipped = []
    for cls in classes:
        try:
            table = report.measured(cls, quick=True)
        except NotImplementedError as reason:
            skipped.append(f"{cls.__name__}: {reason}")
            continue
        assert table["title"], cls
        assert table["rows"], cls
        assert all(len(row) == len(table["columns"]) for row in table["rows"]), cls
    if skipped:
        pytest.skip("; ".join(skipped))
