"""The base class of all benchmarks: ours against the peers, in one process, on the same data.

A benchmark of a method names its data, our call and the peers' calls, nothing else::

    class Batch(PeerBenchmark):
        param_names = ["shape"]
        params = [["67k x 122", "1e6 x 100"]]

        def make_data(self, shape):            # once per case, seeded; whatever the calls need
            return table(shape)

        def ours(self, X):                     # one call that does the whole job
            return GrassmannPCA(n_components=10).fit(X)

        def peers(self, X):                    # name -> call without arguments
            return {
                "sklearn full": lambda: PCA(10, svd_solver="full").fit(X),
                "sklearn covariance_eigh": lambda: PCA(10, svd_solver="covariance_eigh").fit(X),
            }

        def score(self, X, result):            # optional: what the result is worth
            return principal_angle(result.components_, truth)

        def nbytes(self, X):                   # optional: memory is reported as a share of this
            return X.nbytes

It then has, for each case: ``time_ours`` (s), ``track_time_fastest_peer`` (s), ``track_ratio_time``
(ours over the fastest peer, below 1 is faster), ``track_extra_memory`` (MiB above what was there
before the call), ``track_ratio_memory`` (that over the input), ``track_score`` and
``track_score_gap_to_peers``. ``report.py`` writes the same numbers as a page with every peer.

Ratios are medians of interleaved runs: ours, peer, ours, peer, ..., in one process with the thread
pools held to `N_THREADS`, so that a machine that slows down slows both. The first call of each,
which compiles kernels and touches memory, is done in ``setup`` and not counted.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from abc import ABC, abstractmethod
from math import nan
from pathlib import Path
from statistics import median

from threadpoolctl import threadpool_limits

N_THREADS = 2
MIN_ROUNDS, MAX_ROUNDS = 3, 51
# The idle threads of a BLAS spin for some 25 ms after a call. NumPy and SciPy bring one each, so
# without a pause a call pays for the library that the call before it used.
PAUSE = 0.06


class PeerBenchmark(ABC):
    """Time, extra memory and score of ``ours`` beside ``peers``. Abstract: asv passes it over."""

    timeout = 600.0
    rounds = 1  # asv's own repeats for the track_* numbers; the medians below are repeats enough
    warmup_time = 0.0
    number = 1
    budget = 20.0  # seconds of interleaved runs behind each ratio

    # --- what a benchmark says -------------------------------------------------------------------

    @abstractmethod
    def make_data(self, *case):
        """Return the data of a case: whatever ``ours`` and ``peers`` need. Seeded."""

    @abstractmethod
    def ours(self, data):
        """Do the whole job with subspace_learn and return the result (a fitted estimator, say)."""

    @abstractmethod
    def peers(self, data):
        """Return ``{name: call}``; each call takes nothing and does the same job."""

    def score(self, data, result):
        """Return what a result is worth, larger or smaller being better as the subclass says."""
        return nan

    def nbytes(self, data):
        """Return the size of the input in bytes."""
        return data.nbytes

    # --- what asv calls --------------------------------------------------------------------------

    def setup(self, *case):
        self.limits = threadpool_limits(N_THREADS)
        _limit_numba(N_THREADS)
        self.data = self.make_data(*case)
        self.calls = {"ours": lambda: self.ours(self.data), **self.peers(self.data)}
        self.results = {name: call() for name, call in self.calls.items()}

    def teardown(self, *case):
        self.limits.restore_original_limits()
        del self.data, self.calls, self.results

    def time_ours(self, *case):
        self.calls["ours"]()

    def track_time_fastest_peer(self, *case):
        return min(self._peer_values(self.seconds()))

    track_time_fastest_peer.unit = "s"

    def track_ratio_time(self, *case):
        seconds = self.seconds()
        return seconds["ours"] / min(self._peer_values(seconds))

    track_ratio_time.unit = "ours / fastest peer"

    def track_extra_memory(self, *case):
        return extra_memory(self.calls["ours"]) / 2**20

    track_extra_memory.unit = "MiB"

    def track_ratio_memory(self, *case):
        return extra_memory(self.calls["ours"]) / self.nbytes(self.data)

    track_ratio_memory.unit = "extra / input"

    def track_score(self, *case):
        return self.scores()["ours"]

    def track_score_gap_to_peers(self, *case):
        """Ours minus the mean over the peers, both by ``score``."""
        scores = self.scores()
        peers = self._peer_values(scores)
        return scores["ours"] - sum(peers) / len(peers)

    # --- what report.py reads too ----------------------------------------------------------------

    def seconds(self):
        """Median seconds by name, from interleaved runs of about ``budget`` seconds in all."""
        medians, self.n_runs = interleaved_medians(self.calls, self.budget)
        return medians

    def megabytes(self):
        """Extra memory in MiB by name."""
        return {name: extra_memory(call) / 2**20 for name, call in self.calls.items()}

    def scores(self):
        """Score by name, from the results of ``setup``."""
        return {name: float(self.score(self.data, result)) for name, result in self.results.items()}

    @staticmethod
    def _peer_values(by_name):
        return [value for name, value in by_name.items() if name != "ours"]


def _limit_numba(n_threads):
    """Hold numba's own pool to ``n_threads``; threadpoolctl does not know it."""
    import numba

    numba.set_num_threads(min(n_threads, numba.config.NUMBA_NUM_THREADS))


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
    """Let glibc return freed pages, lest a call be served from memory that counts already."""
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
