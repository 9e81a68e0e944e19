"""Floors in pyproject.toml are those `make test-floors` installs; the pins of CI meet them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TESTED_WITHOUT_FLOOR = {"torch"}  # one release only, see constraints-floors.txt
REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9-]+)(\[.*\])?(>=(?P<floor>[\d.]+))?$")


def pins(file):
    """Name -> version of a constraints file."""
    lines = [line.split("#")[0].strip() for line in (ROOT / file).read_text().splitlines()]
    return dict(line.split("==") for line in lines if line)


def floors(requirements):
    """Name -> lowest version, None where there is none. An upper cap does not match."""
    matches = [REQUIREMENT.match(requirement) for requirement in requirements]
    assert all(matches), f"only floors, no caps: {requirements}"
    return {match["name"]: match["floor"] for match in matches}


def version(text):
    return tuple(int(part) for part in text.split("."))


def test_every_dependency_has_the_floor_that_is_tested():
    wanted = floors(PROJECT["dependencies"])
    tested = pins("constraints-floors.txt")
    assert {name: version(tested[name])[: len(version(f))] for name, f in wanted.items()} == {
        name: version(f) for name, f in wanted.items()
    }


def test_floors_of_the_test_extra_are_those_tested():
    tested = pins("constraints-floors.txt")
    for name, floor in floors(PROJECT["optional-dependencies"]["test"]).items():
        if name in tested and name not in TESTED_WITHOUT_FLOOR:
            assert version(tested[name])[: len(version(floor))] == version(floor), name


EXTRAS = {"core": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_requirement_is_pinned_at_or_above_its_floor(extra):
    pinned = pins("constraints.txt")
    for name, floor in floors(EXTRAS[extra]).items():
        if name == PROJECT["name"]:
            continue
        assert name in pinned, f"constraints.txt does not pin {name}"
        assert floor is None or version(pinned[name]) >= version(floor), name


def test_read_the_docs_installs_what_make_doc_installs():
    stamps = re.search(r"^doc: (.*?)  ##", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    made = set(re.findall(r"\$\(STAMPS\)/(\w+)", stamps))
    hosted = re.search(r'"\.\[([\w,]+)\]"', (ROOT / ".readthedocs.yaml").read_text())[1]
    assert set(hosted.split(",")) == made


def test_floors_of_the_extras_are_installed_by_the_floors_run():
    makefile = (ROOT / "Makefile").read_text()
    installed = re.search(r'constraints-floors.txt \\\n\s+-e "\.\[([\w,]+)\]"', makefile)[1].split(
        ","
    )
    tested = pins("constraints-floors.txt")
    extras = PROJECT["optional-dependencies"]
    for extra in installed:
        for name, floor in floors(extras[extra]).items():
            assert name in tested, f"{name} of the extra {extra} is not in constraints-floors.txt"
            if name not in TESTED_WITHOUT_FLOOR:
                assert version(tested[name])[: len(version(floor))] == version(floor), name
