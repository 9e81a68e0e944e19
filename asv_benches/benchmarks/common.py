"""The base of all benchmarks: what a method is worth beside its peers, in speed and in quality.

A benchmark names its data, our call and the peers' calls. asv's methods and the tables of
doc/_tables come from the same class. Three kinds::

    class Batch(Speed):                        # seconds, extra memory, score; ours beside peers
        param_names = ["shape"]
        params = [["67k x 122", "1e6 x 100"]]
        smallest = ("1000 x 20",)              # a case that takes no time (default: the first)

        def make_data(self, shape):            # once per case, seeded; whatever the calls need
            return table(shape)

        def ours(self, X):                     # one call that does the whole job
            return GrassmannPCA(n_components=10).fit(X)

        def peers(self, X):                    # name -> call without arguments
            return {"sklearn full": lambda: PCA(10, svd_solver="full").fit(X)}

        def score(self, X, result):            # optional: what the result is worth
            return principal_angle(result.components_, truth)

    class Pointing(Quality):                   # a score for each case and method, over seeds
        cases = {"little noise": 0.3, "much noise": 0.6}
        seeds = 5

        def make_data(self, noise, seed): ...

        def methods(self, data):               # name -> call without arguments; ours first
            return {"ours": lambda: ..., "theirs": lambda: ...}

        def score(self, data, result): ...     # default: the result itself

    class Spikes(Listing):                     # any other table: the first row is its head
        def rows(self): ...

``needs`` names what a benchmark cannot do without: modules, or "data" for the real data sets. A
thing that is not there raises `NotImplementedError`, asv's way to skip. ``self.quick`` asks for the
smallest case, one seed and little work: `Benchmark.some` cuts a list to its first entry then.

Ratios are medians of interleaved runs: ours, peer, ours, peer, ..., in one process with the thread
pools held to ``n_threads``, so that a machine that slows down slows both. The first call of each,
which compiles kernels and touches memory, is not counted.
"""

from __future__ import annotations

import gc
import itertools
import os
import time
import tracemalloc
import warnings
from abc import ABC, abstractmethod
from contextlib import contextmanager
from importlib.util import find_spec
from math import isnan, nan
from pathlib import Path
from statistics import median

import numpy as np
from threadpoolctl import threadpool_limits

N_THREADS = 2
MIN_ROUNDS, MAX_ROUNDS = 3, 51
# The idle threads of a BLAS spin for some 25 ms after a call. NumPy and SciPy bring one each, so
# without a pause a call pays for the library that the call before it used.
PAUSE = 0.06


class Benchmark(ABC):
    """What the three kinds share. The first line of its docstring is the title of its table."""

    timeout = 1200.0
    rounds = 1  # asv's own repeats; medians and seeds below are repeats enough
    warmup_time = 0.0
    number = 1
    n_threads = N_THREADS
    needs: tuple = ()
    may_use: tuple = ()  # packages of peers; the stamp names those that are not there
    quick = False

    @abstractmethod
    def table(self, budget=None):
        """Return the rows of the table, the first of them its head."""

    def some(self, values):
        """All of the values, or the first where the smallest run is asked for."""
        values = list(values)
        return values[:1] if self.quick else values

    def check_needs(self):
        """Raise `NotImplementedError` if something is missing."""
        for name in self.needs:
            if name == "data":
                if not os.environ.get("SUBSPACE_LEARN_DATA"):
                    raise NotImplementedError("SUBSPACE_LEARN_DATA names no folder of real data")
            elif find_spec(name) is None:
                raise NotImplementedError(f"{name} is not installed")

    @contextmanager
    def held_threads(self):
        """Hold BLAS, numba and torch (where it is needed) to ``n_threads``; quick runs to one."""
        import numba

        n = 1 if self.quick else self.n_threads
        numba.set_num_threads(min(n, numba.config.NUMBA_NUM_THREADS))
        if "torch" in self.needs:
            import torch

            torch.set_num_threads(n)
        with threadpool_limits(n):
            yield


# --- speed --------------------------------------------------------------------------------------


class Speed(Benchmark):
    """Time, extra memory and score of ``ours`` beside ``peers``."""

    param_names: list = []
    params: list = []
    smallest: tuple | None = None
    budget = 20.0  # seconds of interleaved runs behind each ratio

    @abstractmethod
    def make_data(self, *case):
        """Return the data of a case: whatever ``ours`` and ``peers`` need. Seeded."""

    @abstractmethod
    def ours(self, data):
        """Do the whole job with subspace_learn and return the result (a fitted estimator, say)."""

    def peers(self, data):
        """Return ``{name: call}``; each call takes nothing and does the same job."""
        return {}

    def score(self, data, result):
        """Return what a result is worth, larger or smaller being better as the title says."""
        return nan

    def nbytes(self, data):
        """Return the size of the input in bytes."""
        arrays = data if isinstance(data, tuple) else (data,)
        return sum(getattr(array, "nbytes", 0) for array in arrays)

    def extras(self, data, result, seconds):
        """Return further columns of the row of ours: ``{name: value}``."""
        return {}

    # asv calls these

    def setup(self, *case):
        self.check_needs()
        self.held = self.held_threads()
        self.held.__enter__()
        self.data = self.make_data(*case)
        self.calls = {"ours": lambda: self.ours(self.data), **self.peers(self.data)}
        first = {name: timed(call) for name, call in self.calls.items()}
        self.results = {name: result for name, (result, _) in first.items()}
        self.first_seconds = {name: seconds for name, (_, seconds) in first.items()}

    def teardown(self, *case):
        self.held.__exit__(None, None, None)
        del self.data, self.calls, self.results

    def time_ours(self, *case):
        self.calls["ours"]()

    def track_ratio_time(self, *case):
        if len(self.calls) == 1:
            return nan
        seconds = interleaved_medians(self.calls, self.budget)[0]
        return seconds.pop("ours") / min(seconds.values())

    track_ratio_time.unit = "ours / fastest peer"

    def track_ratio_memory(self, *case):
        return extra_memory(self.calls["ours"]) / max(self.nbytes(self.data), 1)

    track_ratio_memory.unit = "extra / input"

    def track_score(self, *case):
        return float(self.score(self.data, self.results["ours"]))

    # the table

    def table(self, budget=None):
        """Yield one row for each case and each call."""
        cases = list(itertools.product(*self.params))
        rows = []
        for case in [self.smallest or cases[0]] if self.quick else cases:
            self.setup(*case)
            try:
                rows += self._rows_of(", ".join(map(str, case)), budget)
            finally:
                self.teardown(*case)
        extra = list(rows[0][1])
        yield [
            ", ".join(self.param_names) or "case",
            *("call", "seconds", "ours / this", "extra MiB", "score", "runs"),
            *extra,
        ]
        for cells, extras in rows:
            yield [*cells, *(extras.get(name, "") for name in extra)]

    def _rows_of(self, label, budget):
        seconds, n_runs = self.first_seconds, 1
        if not self.quick:
            budget = self.budget if budget is None else min(budget, self.budget)
            seconds, n_runs = interleaved_medians(self.calls, budget)
        for name, call in self.calls.items():
            score = float(self.score(self.data, self.results[name]))
            cells = [
                label or "-",
                name,
                f"{seconds[name]:.3g}",
                "" if name == "ours" else f"{seconds['ours'] / seconds[name]:.2g}",
                "" if self.quick else f"{extra_memory(call) / 2**20:.1f}",
                "" if isnan(score) else f"{score:.3g}",
                str(n_runs),
            ]
            extras = {}
            if name == "ours":
                extras = self.extras(self.data, self.results[name], seconds[name])
            yield cells, {name: shown(value) for name, value in extras.items()}


def interleaved_medians(calls, budget):
    """Median wall seconds of each (warm) call, run in turn a, b, a, b, ..., and how many runs.

    At least three, unless those would take five times the budget.
    """
    times = {name: [] for name in calls}
    start = time.perf_counter()
    for done in range(1, MAX_ROUNDS + 1):
        for name, call in calls.items():
            gc.collect()
            time.sleep(PAUSE)
            begin = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - begin)
        spent = time.perf_counter() - start
        if spent > budget and (done >= MIN_ROUNDS or spent > 5 * budget):
            break
    return {name: median(values) for name, values in times.items()}, done


def timed(call):
    """Result and wall seconds of one call."""
    begin = time.perf_counter()
    result = call()
    return result, time.perf_counter() - begin


# --- quality ------------------------------------------------------------------------------------


def shown(value, digits=3):
    """A cell: text as it is, numbers with three figures."""
    return value if isinstance(value, str) else f"{value:.{digits}g}"


def mean_and_deviation(values, digits=3):
    return f"{np.mean(values):.{digits}f} ± {np.std(values):.{digits}f}"


def mean_and_error(values, digits=3):
    """Mean and its standard error."""
    error = np.std(values, ddof=1) / len(values) ** 0.5 if len(values) > 1 else nan
    return f"{np.mean(values):.{digits}f} ± {error:.{digits}f}"


def median_and_range(values, digits=3):
    """Median, and the range where there is one."""
    middle, low, high = (f"{f(values):.{digits}f}" for f in (np.median, np.min, np.max))
    return middle if low == high else f"{middle} ({low} to {high})"


class Quality(Benchmark):
    """A score for each case and each method, over seeds. The first method is ours."""

    n_threads = 1  # scores do not depend on it
    cases: dict = {}
    case_name = "case"
    seeds = 5
    digits = 3
    transposed = False  # a row for each method
    targets: dict = {}  # case -> what was asked of ours, a column of its own
    summary = staticmethod(mean_and_deviation)

    @abstractmethod
    def make_data(self, case, seed):
        """Return the data: whatever ``methods`` and ``score`` need."""

    @abstractmethod
    def methods(self, data):
        """Return ``{name: call}``; each call takes nothing."""

    def score(self, data, result):
        """Return what a result is worth."""
        return result

    def n_seeds(self, name):
        """Return how many seeds a case has."""
        return self.seeds

    def scores(self, name):
        """Scores over the seeds by method. None stands for a method that refuses."""
        found = {}
        for seed in self.some(range(self.n_seeds(name))):
            data = self.make_data(self.cases[name], seed)
            for method, call in self.methods(data).items():
                result = call()
                value = None if result is None else self.score(data, result)
                found.setdefault(method, []).append(value)
        return found

    @property
    def params(self):
        """Cases, for asv."""
        return [list(self.cases)]

    @property
    def param_names(self):
        """What a case is called, for asv."""
        return [self.case_name]

    def setup(self, *case):
        self.check_needs()

    def track_score(self, case):
        with self.held_threads():
            return float(np.mean(next(iter(self.scores(case).values()))))

    def table(self, budget=None):
        """Return one row for each case, or for each method."""
        self.check_needs()
        with self.held_threads(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of small tables and few steps, meant here
            found = {name: self.scores(name) for name in self.some(self.cases)}
        rows = [[self.case_name, *next(iter(found.values()))]]
        rows += [[name, *map(self.cell, scores.values())] for name, scores in found.items()]
        if self.targets:
            rows = [[*row, self.targets.get(row[0], "")] for row in rows]
            rows[0][-1] = "target"
        return list(zip(*rows, strict=True)) if self.transposed else rows

    def cell(self, values):
        """How the scores of one case and method are written."""
        if None in values:
            return "refused"
        if isinstance(values[0], str):
            return ", ".join(values)
        if len(values) == 1:
            return f"{values[0]:.{self.digits}f}"
        return self.summary(values, self.digits)


class Listing(Benchmark):
    """A table of any other form."""

    @abstractmethod
    def rows(self):
        """Yield the head, then the rows."""

    def table(self, budget=None):
        """Yield the rows as text."""
        self.check_needs()
        with self.held_threads(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of small tables and few steps, meant here
            for row in self.rows():
                yield [cell if isinstance(cell, str) else shown(cell, 4) for cell in row]


# --- memory -------------------------------------------------------------------------------------


def extra_memory(call):
    """Peak bytes in use during ``call`` above those before it.

    On Linux the resident size, whose high-water mark the kernel resets and keeps: it sees the
    workspace of LAPACK and numba too. Elsewhere tracemalloc, which sees NumPy's arrays only.
    """
    gc.collect()
    _give_back_free_memory()
    if not _reset_peak():
        return _traced_peak(call)
    before = _status("VmRSS")
    kept = call()
    peak = _status("VmHWM")
    del kept
    return max(peak - before, 0)


def _give_back_free_memory():
    """Let glibc return freed pages: a call served from them would seem to need no memory."""
    import ctypes

    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        pass  # not glibc: small results may be under-counted


def _status(field):
    """A field of /proc/self/status in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def _reset_peak():
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return _status("VmHWM") <= _status("VmRSS") * 1.01
    except (OSError, LookupError):
        return False


def _traced_peak(call):
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
