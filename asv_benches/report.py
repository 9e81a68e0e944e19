"""Run the benchmarks, write their tables to doc/_tables and their figures into the text.

python asv_benches/report.py                            # all files
python asv_benches/report.py grassmann_pca eora.Digits  # a file, one table; the others stay
python asv_benches/report.py --budget 2                 # less time for each case of speed
python asv_benches/report.py --smallest                 # one small case of each, printed only
python asv_benches/report.py --fill                     # measure nothing, fill the text alone

Each file is run in a process of its own, so that no library that one of them loads slows the next.
Peers that are looked for in the folder SUBSPACE_LEARN_PEERS (``pip install --no-deps --target
FOLDER``) are left out where they are not there.
"""

from __future__ import annotations

import argparse
import inspect
import os
import subprocess
import sys
import time
from importlib import import_module

import measurements
from benchmarks.common import Benchmark

FILES = sorted(path.stem for path in (measurements.HERE / "benchmarks").glob("*.py"))
FILES = [name for name in FILES if name not in ("__init__", "common", "published_variants")]


def benchmark_classes(name):
    """Classes of a file, in the order they stand there."""
    module = import_module(f"benchmarks.{name}")
    found = [
        cls
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, Benchmark) and cls.__module__ == module.__name__
        if not inspect.isabstract(cls)
    ]
    return sorted(found, key=lambda cls: inspect.getsourcelines(cls)[1])


def measured(cls, budget=None, quick=False):
    """The table of a class, with title, note and stamp."""
    bench, before, began = cls(), measurements.load(), time.perf_counter()
    bench.quick = quick
    columns, *rows = (list(row) for row in bench.table(budget))
    title, _, note = inspect.getdoc(cls).partition("\n\n")
    peers = [name for name in (*bench.needs, *bench.may_use) if name != "data"]
    took = time.perf_counter() - began
    return {
        "title": " ".join(title.split()).rstrip("."),
        **({"note": " ".join(note.split())} if note else {}),
        "stamp": measurements.stamp(bench.n_threads, before, took, peers, budget),
        "columns": columns,
        "rows": rows,
    }


def run(name, budget, smallest):
    """Measure the tables of a file, or the one named behind a point; skipped ones stay."""
    name, _, chosen = name.partition(".")
    page = measurements.read(name)
    classes = benchmark_classes(name)
    for cls in classes:
        if chosen in ("", cls.__name__):
            try:
                page[cls.__name__] = table = measured(cls, budget, smallest)
            except NotImplementedError as reason:
                print(f"{name}.{cls.__name__} not run: {reason}", file=sys.stderr)
                continue
            print(measurements.as_list_table(table["title"], [table["columns"], *table["rows"]]))
    if not smallest:
        order = [cls.__name__ for cls in classes if cls.__name__ in page]
        measurements.write(name, {key: page[key] for key in order})


def run_apart(names, options):
    """Each file in its own process; those that failed, whose pages stay as they were."""
    failed = []
    for i, name in enumerate(names, 1):
        began = time.perf_counter()
        command = [sys.executable, __file__, name, *options]
        code = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode
        word = "failed" if code else "done"
        print(
            f"{i} of {len(names)}: {name} {word}, {time.perf_counter() - began:.0f} s", flush=True
        )
        failed += [name] if code else []
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(FILES)}")
    parser.add_argument("--budget", type=float, help="seconds of runs a case at most (default 20)")
    parser.add_argument("--smallest", action="store_true", help="one small case, printed only")
    parser.add_argument("--fill", action="store_true", help="fill the text, measure nothing")
    given = parser.parse_args()
    if unknown := {name.partition(".")[0] for name in given.names} - set(FILES):
        parser.error(
            f"no benchmark named {', '.join(sorted(unknown))}; there are {', '.join(FILES)}"
        )
    if peers := os.environ.get("SUBSPACE_LEARN_PEERS"):
        sys.path.append(peers)
    failed = []
    if len(given.names) == 1:
        run(given.names[0], given.budget, given.smallest)
    elif not given.fill:
        options = ["--budget", str(given.budget)] if given.budget else []
        options += ["--smallest"] if given.smallest else []
        failed = run_apart(given.names or FILES, options)
    if not given.smallest:
        print("filled:", *measurements.fill_pages())
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
