"""What a first use costs, of every public estimator: a table of imports and of first fits.

``python asv_benches/startup_tables.py [NAME ...]`` from the root of the repository. Every number is
the median of fresh interpreters, warm caches (byte code, kernels, files), interleaved with those of
NumPy and scikit-learn. Seconds are those of the processor, which other work on the machine does not
add to; on an idle machine with one thread they are those of the clock. "fit 1" less "fit 2" is what
the first fit pays for being the first: libraries that waited until then, kernels read from their
cache. Data are the small ones of the common tests.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import joblib

ROUNDS = 3
ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "asv_benches")]

from benchmarks.startup import OURS, PEERS, run

from tests.common_checks.instances import deep_instances, instances
from tests.fuzz.good_input import good_input
from tests.fuzz.robust import is_supervised

FIT = """
import json, sys, time, warnings
begin = time.process_time()
import sklearn.decomposition, joblib
peers = time.process_time()
warnings.simplefilter("ignore")
from {module} import {name}
imported = time.process_time()
estimator, arguments = joblib.load({file!r})
loaded = time.process_time()
estimator.fit(*arguments)
first = time.process_time()
estimator.fit(*arguments)
print(json.dumps([imported - peers, first - loaded, time.process_time() - first]))
"""


def estimators(names):
    """First setting of each public estimator, and what its `fit` takes, by name."""
    found = instances()
    if find_spec("torch") is not None:
        found += deep_instances()
    chosen = {}
    for estimator in found:
        name = type(estimator).__name__
        if name not in chosen and (not names or name in names):
            X, y, _ = good_input(estimator)
            chosen[name] = estimator, (X, y) if is_supervised(estimator) else (X,)
    return chosen


def processor(code):
    """Seconds of processor that an interpreter needs for ``code``."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(code)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def import_ratios(classes):
    """Seconds of NumPy and scikit-learn, and of each class, less those of an empty interpreter."""
    statements = {
        **PEERS,
        "subspace_learn": OURS,
        **{name: f"from {cls.__module__} import {name}" for name, cls in classes.items()},
    }
    seconds = {name: [] for name in statements}
    nothing = []
    for _ in range(ROUNDS):
        nothing.append(processor("pass"))
        for name, code in statements.items():
            seconds[name].append(processor(code))
    return {name: median(times) - median(nothing) for name, times in seconds.items()}


def first_fits(estimator, arguments, folder):
    """Medians: import after scikit-learn, first fit, second fit."""
    file = str(folder / "case.joblib")
    joblib.dump((estimator, arguments), file)
    cls = type(estimator)
    code = FIT.format(module=cls.__module__, name=cls.__name__, file=file)
    run(code)  # caches
    rows = [json.loads(run(code).stdout.splitlines()[-1]) for _ in range(ROUNDS)]
    return [median(column) for column in zip(*rows, strict=True)]


def main(names):
    """Print the table."""
    chosen = estimators(names)
    imports = import_ratios({name: type(case[0]) for name, case in chosen.items()})
    print(
        f"import numpy {imports['numpy']:.3f} s, sklearn.decomposition {imports['sklearn']:.3f} s"
    )
    ratio = imports["subspace_learn"] / imports["numpy"]
    print(f"import subspace_learn {imports['subspace_learn']:.3f} s: {ratio:.2f} x NumPy\n")
    print(f"{'estimator':32} {'import s':>9} {'/sklearn':>9} {'fit 1 s':>9} {'fit 2 s':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for name, (estimator, arguments) in chosen.items():
            _, first, second = first_fits(estimator, arguments, Path(folder))
            over = imports[name] / imports["sklearn"]
            mark = " <" if over > 1.3 or first > 1 else ""
            print(
                f"{name:32} {imports[name]:9.3f} {over:9.2f} {first:9.3f} {second:9.3f}{mark}",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
