"""Data go straight down and back once: the walk table of ARCHITECTURE.md must not grow."""

from __future__ import annotations

import pytest

from tests.walk import walk, walks, written

MAX_FILES = 12
FOUND = pytest.fixture(scope="module")(walks)


@pytest.mark.parametrize("name", sorted(written()))
def test_walk_is_not_longer_than_the_table_says(FOUND, name):
    now, files = FOUND[name]
    then = written()[name]
    shown = f"{name}.fit: {now}, in ARCHITECTURE.md {then} (make walk); files: {files}"
    assert all(a <= b for a, b in zip(now, then, strict=True)), shown


@pytest.mark.parametrize("name", sorted(written()))
def test_no_walk_passes_more_than_twelve_files(FOUND, name):
    now, files = FOUND[name]
    assert now.files <= MAX_FILES, f"{name}: {files}"


def test_table_has_a_row_for_each_walk(FOUND):
    assert set(written()) == set(FOUND)


def test_walk_counts_files_functions_and_crossings():
    import numpy as np

    from subspace_learn._array import array_namespace
    from subspace_learn.linalg.moments import row_blocks

    x = np.ones((3, 2))
    assert walk(lambda: [array_namespace(x), array_namespace(x)])[0][:2] == (1, 1)
    counts, files = walk(lambda: list(row_blocks(x)))
    assert files[0] == "linalg/moments.py"
    assert counts.crossings >= counts.files - 1
