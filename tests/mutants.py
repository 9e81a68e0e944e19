"""Change one operator or number of the package at a time and see whether a test notices.

``make mutants`` tries a seeded sample, spread evenly over the rooms, and prints what survived:
each survivor is a test to write, or a change that changes no behaviour. The tests of the same file
stem run first, then those of the family, then the common checks and the battery on its estimators.
Needs cosmic-ray, whose operators it uses; takes about a minute a mutant, so CI does not run it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from difflib import unified_diff
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "subspace_learn"
NOT_COPIED = (".git", ".venv*", "__pycache__", "_build", "auto_examples")
LEFT_OUT = {"datasets", "_capabilities", "_discovery", "__init__"}
OPERATORS = (
    "ReplaceBinaryOperator_Add_Sub",
    "ReplaceBinaryOperator_Sub_Add",
    "ReplaceBinaryOperator_Mul_Div",
    "ReplaceBinaryOperator_Div_Mul",
    "ReplaceBinaryOperator_Pow_Mul",
    "ReplaceComparisonOperator_Lt_GtE",
    "ReplaceComparisonOperator_Gt_LtE",
    "ReplaceComparisonOperator_LtE_Gt",
    "ReplaceComparisonOperator_GtE_Lt",
    "ReplaceComparisonOperator_Eq_NotEq",
    "ReplaceComparisonOperator_Is_IsNot",
    "ReplaceUnaryOperator_USub_UAdd",
    "ReplaceUnaryOperator_Delete_Not",
    "ReplaceAndWithOr",
    "ReplaceOrWithAnd",
    "ReplaceTrueWithFalse",
    "ReplaceFalseWithTrue",
    "NumberReplacer",
)
STAGES = ("own tests", "family", "common")
# Lines whose change shows in no result: declarations, texts.
IDLE = (
    "_parameter_constraints",
    "Interval(",
    "raise ",
    "__all__",
    "import ",
    'f"',
    "verbose",
    ">>>",
)


class Mutant(NamedTuple):
    """One change of one file."""

    path: Path
    operator: str
    occurrence: int


def room_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return "/".join(parts[:2]) if parts[0] == "functional" else parts[0]


def mutated(mutant: Mutant) -> str | None:
    """Source of the file after the change; None if there is none, or it is not code that runs."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    source = mutant.path.read_text("utf-8")
    operator = get_operator(f"core/{mutant.operator}")()
    changed = mutate_code(source, operator, mutant.occurrence)
    if changed is None or changed == source:
        return None
    lines = [line for line in diff_of(mutant, changed) if line[:1] == "-" and line[:3] != "---"]
    return None if any(word in line for line in lines for word in IDLE) else changed


def diff_of(mutant: Mutant, changed: str) -> list[str]:
    source = mutant.path.read_text("utf-8")
    name = str(mutant.path.relative_to(ROOT))
    return list(unified_diff(source.splitlines(), changed.splitlines(), name, "", n=0, lineterm=""))


def sample(n: int, seed: int, only: str = "") -> list[tuple[Mutant, str]]:
    """``n`` mutants, room after room, each drawn from the places where an operator applies."""
    rng = random.Random(seed)
    rooms: dict[str, list[Path]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        room = room_of(path)
        counted = path.name != "__init__.py" and room not in LEFT_OUT
        if counted and "display" not in path.stem and re.search(only, room):
            rooms.setdefault(room, []).append(path)
    found: dict[Mutant, str] = {}
    while len(found) < n:
        for room in sorted(rooms):
            for _ in range(60):
                sizes = [path.stat().st_size for path in rooms[room]]
                path = rng.choices(rooms[room], sizes)[0]
                mutant = Mutant(path, rng.choice(OPERATORS), rng.randrange(40))
                if mutant not in found and (changed := mutated(mutant)) is not None:
                    found[mutant] = changed
                    break
    return list(found.items())[:n]


def stages(path: Path) -> list[list[str]]:
    """Arguments of pytest, from the tests that are nearest to the file outwards."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    stem = parts[-1].lstrip("_")
    family = parts[1] if parts[0] == "functional" else parts[0]
    nearest = sorted(str(p.relative_to(ROOT)) for p in ROOT.glob(f"tests/**/test_{stem}.py"))
    rooms = [f"tests/functional/{family}", f"tests/{family}", f"tests/{family.lstrip('_')}"]
    folders = sorted({room for room in rooms if (ROOT / room).is_dir()})
    from subspace_learn._discovery import estimators

    names = [n for n, cls in estimators().items() if f".{family}." in cls.__module__]
    wide = ["tests/test_common.py", "tests/battery", "tests/test_units.py"]
    if not names:  # what all share: everything that is quick
        return [nearest, ["tests/linalg", "tests/grassmann", "tests/random_matrix"], wide[1:2]]
    return [nearest, folders, [*wide, "-k", " or ".join(names)]]


def verdict(mutant: Mutant, changed: str, folder: Path, seconds: int) -> str:
    """Name of the stage that notices the change, or "survived"."""
    place = folder / mutant.path.relative_to(ROOT)
    original = place.read_text("utf-8")
    place.write_text(changed, "utf-8")
    threads = {f"{lib}_NUM_THREADS": "1" for lib in ("OMP", "OPENBLAS", "NUMBA")}
    env = {**os.environ, **threads, "PYTHONPATH": str(folder)}
    python = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    how = {"cwd": folder, "env": env, "capture_output": True, "timeout": seconds}
    try:
        for name, arguments in zip(STAGES, stages(mutant.path), strict=True):
            if not arguments:
                continue
            try:
                run = subprocess.run([*python, *arguments], **how)  # type: ignore[call-overload]
            except subprocess.TimeoutExpired:
                return f"{name} (time)"
            if run.returncode not in (0, 5):
                return name
    finally:
        place.write_text(original, "utf-8")
    return "survived"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=200, help="mutants to try")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="regular expression of rooms")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=300, help="limit of one stage of tests")
    parser.add_argument("--log", type=Path, help="a line of JSON for each mutant")
    options = parser.parse_args()
    mutants = sample(options.n, options.seed, options.only)
    folders: SimpleQueue[Path] = SimpleQueue()
    with tempfile.TemporaryDirectory() as scratch:
        for job in range(options.jobs):
            copy = Path(scratch) / str(job)
            ignored = shutil.ignore_patterns(
                ".git", ".venv*", "__pycache__", "_build", "auto_examples"
            )
            shutil.copytree(ROOT, copy, ignore=ignored)
            folders.put(copy)

        def tried(case: tuple[Mutant, str]) -> str:
            folder = folders.get()
            try:
                found = verdict(*case, folder, options.seconds)
            finally:
                folders.put(folder)
            diff = "\n".join(diff_of(*case)[2:])
            print(
                f"{found}: {case[0].path.relative_to(ROOT)} {case[0].operator}\n{diff}", flush=True
            )
            if options.log:
                row = {"file": str(case[0].path.relative_to(ROOT)), "verdict": found, "diff": diff}
                with options.log.open("a") as log:
                    log.write(json.dumps(row) + "\n")
            return found

        with ThreadPoolExecutor(options.jobs) as pool:
            verdicts = list(pool.map(tried, mutants))
    survived = verdicts.count("survived")
    noticed = f"{1 - survived / len(verdicts):.1%}"
    print(f"{len(verdicts)} mutants, {survived} survived, {noticed} noticed. Judge the survivors.")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
