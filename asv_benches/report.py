"""Run the benchmarks and write their tables as pages, which doc/benchmarks.rst includes.

python asv_benches/report.py                            # all files, a page each
python asv_benches/report.py grassmann_pca dpp          # these; the other pages stay as they are
python asv_benches/report.py --budget 2                 # less time for each case

Each file is run in a process of its own, so that no library that one of them loads slows the next.
A page says when and on what machine it was measured, and how busy that machine was before. Peers
that are looked for in the folder SUBSPACE_LEARN_PEERS (``pip install --no-deps --target FOLDER``)
are left out, and named, where they are not there.
"""

from __future__ import annotations

import argparse
import inspect
import itertools
import os
import platform
import subprocess
import sys
import time
import warnings
from datetime import date
from importlib import import_module
from importlib.metadata import version
from math import isnan
from pathlib import Path

from benchmarks.common import N_THREADS, PeerBenchmark, extra_memory, interleaved_medians
from tables import FOLDER, as_list_table
from threadpoolctl import threadpool_info

HERE = Path(__file__).resolve().parent
PAGES = FOLDER / "speed"
PACKAGES = ("numpy", "scipy", "scikit-learn", "numba")
PREFIXES = ("time_", "track_", "peakmem_")
NOT_RUN = "not run"


def machine():
    """Processor, cores, Python, package versions, linear algebra libraries."""
    cpu = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].split(":", 1)[1].strip() if names else cpu
    pools = threadpool_info()
    blas = {f"{pool['internal_api']} {pool['version']}" for pool in pools if pool["version"]}
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{cpu}, {os.cpu_count()} cores, at most {N_THREADS} threads; Python "
        f"{platform.python_version()}, {packages}; {', '.join(sorted(blas))}"
    )


def load():
    """How many processes wanted a processor in the minute before."""
    return f"load {os.getloadavg()[0]:.1f} before" if hasattr(os, "getloadavg") else "load unknown"


def benchmark_classes(name):
    """Classes of a benchmark file that asv would run, in the order they stand there."""
    module = import_module(f"benchmarks.{name}")
    found = [
        cls
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if cls.__module__ == module.__name__ and not inspect.isabstract(cls)
        if any(method.startswith(PREFIXES) for method in dir(cls))
    ]
    return sorted(found, key=lambda cls: inspect.getsourcelines(cls)[1])


def cases(cls):
    """Each case and how it is written."""
    for case in itertools.product(*getattr(cls, "params", [])):
        yield case, ", ".join(map(str, case)) or "-"


# --- ours beside the peers -----------------------------------------------------------------------


def peer_rows(cls):
    """One row for each case and each call."""
    yield [
        ", ".join(getattr(cls, "param_names", [])) or "case",
        *("call", "seconds", "ours / this", "extra MiB", "score", "runs"),
    ]
    for case, label in cases(cls):
        bench = cls()
        try:
            bench.setup(*case)
        except NotImplementedError as reason:  # asv's way to skip
            yield [label, f"{NOT_RUN}: {reason}", "", "", "", "", ""]
            continue
        try:
            seconds, memory, scores = bench.seconds(), bench.megabytes(), bench.scores()
            for name in seconds:
                yield [
                    label,
                    name,
                    f"{seconds[name]:.3g}",
                    f"{seconds['ours'] / seconds[name]:.2g}" if name != "ours" else "",
                    f"{memory[name]:.1f}",
                    "" if isnan(scores[name]) else f"{scores[name]:.3g}",
                    bench.n_runs,
                ]
                label = ""
        finally:
            bench.teardown(*case)


# --- numbers without a peer ----------------------------------------------------------------------


def lone_methods(cls):
    """Names of what a class measures besides ours beside the peers."""
    return [
        name for name in dir(cls) if name.startswith(PREFIXES) and not hasattr(PeerBenchmark, name)
    ]


def lone_rows(cls, budget):
    """One row for each case and each thing measured."""
    yield [", ".join(getattr(cls, "param_names", [])) or "case", "what", "value", "unit"]
    for case, label in cases(cls):
        bench = cls()
        getattr(bench, "setup", lambda *case: None)(*case)
        for name in lone_methods(cls):
            kind, what = name.split("_", 1)
            value, unit = measured(kind, getattr(bench, name), case, budget)
            yield [label, what.replace("_", " "), f"{value:.3g}", unit]
            label = ""
        getattr(bench, "teardown", lambda *case: None)(*case)


def measured(kind, method, case, budget):
    """Value and unit of one asv method."""
    if kind == "time":
        return interleaved_medians({"": lambda: method(*case)}, budget)[0][""], "s"
    if kind == "peakmem":
        return extra_memory(lambda: method(*case)) / 2**20, "MiB above before"
    return method(*case), getattr(method, "unit", "")


# --- pages ---------------------------------------------------------------------------------------


def page(name, budget):
    """The page of a benchmark file."""
    parts, before, began = [], load(), time.perf_counter()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("default")
        for cls in benchmark_classes(name):
            title, _, rest = inspect.getdoc(cls).partition("\n\n")
            title = f"{cls.__name__}: {' '.join(title.split()).rstrip('.')}"
            if issubclass(cls, PeerBenchmark):
                parts.append(as_list_table(title, list(peer_rows(cls))))
                title = f"{cls.__name__}, beside it"
            if lone_methods(cls):
                rows = lone_rows(cls, budget or PeerBenchmark.budget)
                parts.append(as_list_table(title, list(rows)))
            parts += [f"{rest}\n"] if rest else []
            print(parts[-1], flush=True)
    absent = {str(warning.message) for warning in said if "not installed" in str(warning.message)}
    facts = [
        f"{date.today().isoformat()}, {before}, took {time.perf_counter() - began:.0f} s",
        machine(),
        *sorted(absent),
    ]
    if budget:
        facts.append(f"at most {budget:g} s of interleaved runs a case")
    head = f"*Measured by* ``make bench-report BENCH={name}``: {'; '.join(facts)}.\n"
    return "\n".join([head, *parts])


def write(name, budget):
    if budget:
        for cls in benchmark_classes(name):
            if issubclass(cls, PeerBenchmark):
                cls.budget = min(cls.budget, budget)
    PAGES.mkdir(exist_ok=True)
    (PAGES / f"{name}.rst").write_text(page(name, budget), "utf-8")


def run_apart(names, budget):
    """Each file in its own process; those that failed, whose pages stay as they were."""
    failed = []
    for number, name in enumerate(names, 1):
        began = time.perf_counter()
        command = [sys.executable, __file__, name, *(["--budget", str(budget)] if budget else [])]
        code = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode
        word = "failed" if code else "done"
        print(f"{number} of {len(names)}: {name} {word}, {time.perf_counter() - began:.0f} s")
        failed += [name] if code else []
    return failed


def main():
    files = sorted(path.stem for path in (HERE / "benchmarks").glob("*.py"))
    files = [name for name in files if name not in ("__init__", "common")]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(files)}")
    parser.add_argument("--budget", type=float, help="seconds of runs a case at most (default 20)")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(files):
        parser.error(
            f"no benchmark named {', '.join(sorted(unknown))}; there are {', '.join(files)}"
        )
    if peers := os.environ.get("SUBSPACE_LEARN_PEERS"):
        sys.path.append(peers)

    if len(arguments.names) == 1:
        write(arguments.names[0], arguments.budget)
    elif failed := run_apart(arguments.names or files, arguments.budget):
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
