"""Print the peer benchmarks as Markdown tables, every peer named; doc/benchmarks.rst uses them.

python asv_benches/report.py                  # all files
python asv_benches/report.py grassmann_pca    # one file
"""

from __future__ import annotations

import argparse
import inspect
import itertools
import os
import platform
from importlib import import_module
from importlib.metadata import version
from math import isnan
from pathlib import Path

from benchmarks.common import N_THREADS, PeerBenchmark
from threadpoolctl import threadpool_info

PACKAGES = ("subspace-learn", "numpy", "scipy", "scikit-learn", "numba")
NO_METHOD = {"common", "federated_pca", "sensitivity_sampler", "startup", "__init__"}


def machine():
    """One paragraph: processor, cores, Python, package versions, linear algebra libraries."""
    cpu = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].split(":", 1)[1].strip() if names else cpu
    blas = {f"{pool['internal_api']} {pool['version']}" for pool in threadpool_info()}
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{cpu}, {os.cpu_count()} cores, {N_THREADS} threads; Python {platform.python_version()}, "
        f"{packages}; {', '.join(sorted(blas))}."
    )


def benchmarks_in(name):
    """The concrete PeerBenchmark classes of a benchmark file."""
    module = import_module(f"benchmarks.{name}")
    return [
        cls
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, PeerBenchmark) and not inspect.isabstract(cls)
        if cls.__module__ == module.__name__
    ]


def rows(cls):
    """One row for each case and each call: case, name, seconds, ratio to ours, MiB, score."""
    for case in itertools.product(*getattr(cls, "params", [])):
        bench = cls()
        bench.setup(*case)
        try:
            seconds, memory, scores = bench.seconds(), bench.megabytes(), bench.scores()
            for name in seconds:
                score = "" if isnan(scores[name]) else f"{scores[name]:.3g}"
                yield (
                    ", ".join(map(str, case)),
                    name,
                    f"{seconds[name]:.4g}",
                    f"{seconds['ours'] / seconds[name]:.2f}",
                    f"{memory[name]:.1f}",
                    score,
                )
        finally:
            bench.teardown(*case)


def main():
    files = sorted(path.stem for path in (Path(__file__).parent / "benchmarks").glob("*.py"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {sorted(set(files) - NO_METHOD)}")
    names = parser.parse_args().names or sorted(set(files) - NO_METHOD)

    for name in names:
        for cls in benchmarks_in(name):
            print(f"\n### {name}.{cls.__name__}\n\n{inspect.getdoc(cls) or ''}\n")
            print("| case | call | seconds | ours / this | extra MiB | score |")
            print("|---|---|---|---|---|---|")
            for row in rows(cls):
                print("| " + " | ".join(row) + " |", flush=True)
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
