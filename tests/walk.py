"""Follow ``fit`` of the eight headline estimators through the package: ``make walk``.

For each it counts the files and functions of ours that run, and the calls that go from one file of
ours into another. A reader who follows the data takes the same way. The table in ARCHITECTURE.md is
written by ``make walk``; tests/test_walk.py keeps it from growing.
"""

from __future__ import annotations

import argparse
import re
import sys
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = str(ROOT / "subspace_learn")
PAGE = ROOT / "ARCHITECTURE.md"
BEGIN, END = "<!-- walk: begin -->\n", "<!-- walk: end -->\n"


class Walk(NamedTuple):
    """How far data travel in one call."""

    files: int
    functions: int
    crossings: int
    """Calls from a file of ours into another."""


def walk(call) -> tuple[Walk, list[str]]:
    """Count what runs while ``call()`` does; also return the files, in the order of first use."""
    functions, files, crossings = set(), {}, 0

    def ours(frame):
        while frame is not None and not frame.f_code.co_filename.startswith(PACKAGE):
            frame = frame.f_back
        return frame

    def look(frame, event, arg):
        nonlocal crossings
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(PACKAGE):
            return
        if code.co_name in {"<module>", "<listcomp>", "<genexpr>", "<lambda>", "<dictcomp>"}:
            return
        files.setdefault(code.co_filename, None)
        functions.add(code)
        caller = ours(frame.f_back)
        crossings += caller is not None and caller.f_code.co_filename != code.co_filename

    sys.setprofile(look)
    try:
        call()
    finally:
        sys.setprofile(None)
    names = [str(Path(name).relative_to(PACKAGE)) for name in files]
    return Walk(len(files), len(functions), crossings), names


def fits() -> dict:
    """Name -> a call that fits each headline estimator, with its defaults, to a small example."""
    from subspace_learn import (
        AugmentedCovarianceClassifier,
        DPPLeastSquares,
        GrassmannClassifier,
        GrassmannPCA,
        KoopmanEDMD,
        RandomMatrixFilter,
        SelfCalibrationLS,
        SensitivitySampler,
        SpectralAMGClustering,
    )

    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 8)) * np.linspace(1, 3, 8)
    spiked = rng.normal(size=(300, 20)) + 3 * rng.normal(size=(300, 1))
    epochs = rng.normal(size=(24, 3, 60)) * np.repeat([1.0, 2.0], 12)[:, None, None]
    codes = rng.normal(size=(24, 5))
    fields = rng.normal(size=(8, 5)) @ codes.T * rng.uniform(0.5, 1.5, 24)
    ring = np.roll(np.eye(60), 1, axis=0) + np.roll(np.eye(60), -1, axis=0)
    return {
        "GrassmannPCA": lambda: GrassmannPCA(3).fit(X),
        "AugmentedCovarianceClassifier": lambda: AugmentedCovarianceClassifier(
            orders=(1, 2), lags=(1,), cv=2
        ).fit(epochs, np.repeat([0, 1], 12)),
        "SpectralAMGClustering": lambda: SpectralAMGClustering(
            3, affinity="precomputed", random_state=0
        ).fit(ring),
        "DPPLeastSquares": lambda: DPPLeastSquares(random_state=0).fit(X, X[:, 0]),
        "SensitivitySampler": lambda: SensitivitySampler(50, random_state=0).fit(X),
        "SelfCalibrationLS": lambda: SelfCalibrationLS("snapshots").fit(fields, sensing=codes),
        "KoopmanEDMD": lambda: KoopmanEDMD().fit(np.cumsum(X, axis=0)),
        "RandomMatrixFilter": lambda: RandomMatrixFilter().fit(spiked),
        "GrassmannClassifier": lambda: GrassmannClassifier(max_iter=5, random_state=0).fit(
            X, np.arange(300) % 3
        ),
    }


def walks() -> dict[str, tuple[Walk, list[str]]]:
    """Walk each fit a second time, when all modules and kernels are loaded."""
    found = {}
    for name, fit in fits().items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit()
            found[name] = walk(fit)
    return found


def table(found: dict[str, tuple[Walk, list[str]]]) -> str:
    """Markdown of the walks."""
    rows = [
        f"| `{name}` | {w.files} | {w.functions} | {w.crossings} |"
        for name, (w, _) in found.items()
    ]
    head = "| `fit` of | files | functions | calls from file to file |"
    return "\n".join([head, "|---|---|---|---|", *rows, ""])


def written() -> dict[str, Walk]:
    """Read the table of ARCHITECTURE.md back."""
    page = PAGE.read_text(encoding="utf-8")
    text = page[page.index(BEGIN) : page.index(END)]
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    return {name: Walk(*map(int, numbers)) for name, *numbers in rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", help="show the files of these estimators, write nothing"
    )
    names = parser.parse_args().names
    found = walks()
    print(table(found))
    for name in names:
        print(name, *found[name][1], sep="\n  ")
    if not names:
        page = PAGE.read_text(encoding="utf-8")
        start, stop = page.index(BEGIN) + len(BEGIN), page.index(END)
        PAGE.write_text(page[:start] + table(found) + page[stop:], encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
