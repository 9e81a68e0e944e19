"""Tables in chunks of Dask: beside dask-ml, beside one process, and what more rows would cost.

Two workers, processes of one thread each, unless a table says otherwise. Data are made in chunks
by the workers; "in memory" means that they hold them before the clock starts. CPU seconds are those
of all processes together: on a machine that does other work they are the number to believe.
"""

from __future__ import annotations

import pickle
import time
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from math import ceil, log

import numpy as np

from subspace_learn import GrassmannPCA, KoopmanEDMD, RandomMatrixFilter, SensitivitySampler

from .common import Listing, timed

K, WIDTH = 10, 100


@cache
def directions(width=WIDTH):
    """Orthonormal rows that carry most of the variance, and by how much."""
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(width, K)))[0].T
    return basis.astype(np.float32), np.geomspace(5.0, 2.0, K, dtype=np.float32)


def spiked(number, n_rows):
    """Float32 rows with ten strong directions, off the origin."""
    rng = np.random.default_rng(number)
    basis, strengths = directions()
    scores = rng.standard_normal((n_rows, K), dtype=np.float32) * strengths
    return scores @ basis + rng.standard_normal((n_rows, WIDTH), dtype=np.float32) + 1.0


def snapshots(number, n_rows):
    """A stretch of a noisy rotation in 50 dimensions."""
    rng = np.random.default_rng(number)
    times = number * n_rows + np.arange(n_rows)
    phases = times[:, None] * np.linspace(0.05, 1.5, 25)
    return np.hstack([np.cos(phases), np.sin(phases)]) + 0.1 * rng.standard_normal((n_rows, 50))


def heavy_tailed(number, n_rows):
    return np.random.default_rng(number).standard_t(3, size=(n_rows, 20))


def lazily(make, n_chunks, n_rows):
    """A Dask array of chunks that ``make`` makes."""
    import dask.array as da
    from dask import delayed

    some = make(0, 2)
    chunk = delayed(make, pure=False)
    parts = [
        da.from_delayed(chunk(i, n_rows), shape=(n_rows, some.shape[1]), dtype=some.dtype)
        for i in range(n_chunks)
    ]
    return da.concatenate(parts)


def angle(components, truth):
    """Largest angle between two subspaces of orthonormal rows, in radians."""
    components, truth = (np.asarray(A, dtype=np.float64) for A in (components, truth))
    gap = truth - (truth @ components.T) @ components
    return float(np.arcsin(min(1.0, np.linalg.norm(gap, 2))))


class OnWorkers(Listing):
    """What the tables share: workers, and the CPU time of all processes."""

    needs = ("dask", "distributed")
    n_threads = 1

    @contextmanager
    def workers(self, n=2):
        """Start ``n`` workers; the smallest run works in threads of this process."""
        import dask
        from distributed import Client, LocalCluster

        with ExitStack() as stack:
            if self.quick:
                stack.enter_context(dask.config.set(scheduler="threads"))
                self.client = None
            else:
                how = {"processes": True, "dashboard_address": None, "silence_logs": 50}
                cluster = LocalCluster(n_workers=n, threads_per_worker=1, memory_limit=0, **how)
                self.client = stack.enter_context(Client(stack.enter_context(cluster)))
                self.client.run(_warmed)
            yield

    def in_memory(self, X):
        """The same array, held by the workers."""
        from distributed import wait

        X = X.persist()
        if self.client is not None:
            wait(X)
        return X

    def cpu(self):
        """CPU seconds of all processes so far."""
        others = {} if self.client is None else self.client.run(time.process_time)
        return time.process_time() + sum(others.values())

    def measured(self, call):
        """Result, wall seconds and CPU seconds of a call: the medians of three, after a first."""
        walls, cpus = [], []
        for _ in self.some(range(3)):
            before = self.cpu()
            result, wall = timed(call)
            walls.append(wall)
            cpus.append(self.cpu() - before)
        return result, float(np.median(walls)), float(np.median(cpus))


def _warmed():
    """Import what tasks need and compile what they call."""
    X = np.random.default_rng(0).standard_t(3, size=(4000, 20))
    GrassmannPCA(n_components=2).partial_fit(X)
    KoopmanEDMD().partial_fit(X)
    SensitivitySampler(100, p=1.0).partial_fit(X)


class Beside(OnWorkers):
    """PCA of 2e6 x 100 float32 in memory, 16 chunks, 10 directions: CPU seconds beside dask-ml.

    Half of the rows asked for (4e6), so that the peers end within minutes; their cost grows with
    the rows as ours does. The angle is to the subspace found in float64. Peers run once.
    """

    may_use = ("dask_ml",)

    def rows(self):
        """Yield one row for each method."""
        n_chunks, n_rows = 16, 2000 if self.quick else 125_000
        yield ["method", "seconds", "CPU seconds", "times as long", "times the CPU", "angle"]
        with self.workers():
            X = self.in_memory(lazily(spiked, n_chunks, n_rows))
            truth = GrassmannPCA(n_components=K).fit(X.astype(np.float64)).components_
            found, took, mine = self.measured(lambda: GrassmannPCA(n_components=K).fit(X))
            yield ["GrassmannPCA", took, mine, "", "", f"{angle(found.components_, truth):.1e}"]
            for name, call in self.peers(X).items():
                before = self.cpu()
                found, wall = timed(call)
                cpu = self.cpu() - before
                gap = f"{angle(found, truth):.1e}"
                yield [name, wall, cpu, wall / took, cpu / mine, gap]

    def peers(self, X):
        """Return each peer's call, as its documentation has it; components come back."""
        try:
            from dask_ml.decomposition import PCA
            from dask_ml.wrappers import Incremental
        except ImportError:
            return {}
        from sklearn.decomposition import IncrementalPCA

        def components(model):
            return model.fit(X).components_

        def incremental():
            how = {"shuffle_blocks": False, "scoring": _no_score}
            model = Incremental(IncrementalPCA(n_components=K), **how)
            return model.fit(X).estimator_.components_

        return {
            "dask-ml PCA, tsqr": lambda: components(PCA(K, svd_solver="tsqr")),
            "dask-ml PCA, randomized": lambda: components(
                PCA(K, svd_solver="randomized", random_state=0)
            ),
            "IncrementalPCA by dask_ml.wrappers": incremental,
        }


def _no_score(model, X, y=None):
    """dask-ml asks for a score, and IncrementalPCA has none."""
    return 0.0


class PerCore(OnWorkers):
    """Chunks on two workers beside one process that has all of it: CPU seconds of the same fit.

    GrassmannPCA of 4e6 x 100 float32 (1.6 GB, 32 chunks, in memory on both sides; `fit` on the
    array). The others go through chunks that are made when asked for, and one process through a
    stream of the same chunks by partial_fit: making them is part of both. RandomMatrixFilter:
    1e6 x 100 float32; KoopmanEDMD: 2e6 snapshots x 50; SensitivitySampler: 1e6 x 20, p = 1 (a
    fifth and a tenth of the rows that were asked for, so that the table takes minutes).
    """

    def rows(self):
        """Yield one row for each estimator."""
        yield ["estimator", "rows", "CPU s, two workers", "CPU s, one process", "ratio", "distance"]
        with self.workers():
            yield self.batch()
            yield from self.streams()

    def batch(self):
        """Return the row of GrassmannPCA."""
        n_chunks, n_rows = (4, 1000) if self.quick else (32, 125_000)
        lazy = self.in_memory(lazily(spiked, n_chunks, n_rows))
        found, _, ours = self.measured(partial(GrassmannPCA(n_components=K).fit, lazy))
        del lazy
        here = np.concatenate([spiked(i, n_rows) for i in range(n_chunks)])
        wanted, _, local = self.measured(partial(GrassmannPCA(n_components=K).fit, here))
        gap = f"{angle(found.components_, wanted.components_):.0e}"
        return ["GrassmannPCA", f"{n_chunks * n_rows:.0e}", ours, local, ours / local, gap]

    def streams(self):
        """Yield the rows of the estimators that are compared with a stream."""
        n = 2000 if self.quick else 125_000
        cases = [
            ("RandomMatrixFilter", RandomMatrixFilter(n_components=K), spiked, 8, _covariance),
            ("KoopmanEDMD", KoopmanEDMD(), snapshots, 16, _eigenvalues),
            ("SensitivitySampler", SensitivitySampler(2000, p=1.0, random_state=0), *_TAIL),
        ]
        for name, model, make, n_chunks, result in cases:
            X = lazily(make, n_chunks, n)
            found, ours = self.once(model.fit, X)
            value = result(found)
            wanted, local = self.once(stream, model, make, n_chunks, n)
            gap = f"{np.abs(value - result(wanted)).max():.0e}" if result is not _no_result else "-"
            yield [name, f"{n_chunks * n:.0e}", ours, local, ours / local, gap]

    def once(self, call, *arguments):
        """Result and CPU seconds of one call."""
        before = self.cpu()
        result = call(*arguments)
        return result, self.cpu() - before


def stream(model, make, n_chunks, n_rows):
    """One process that goes through the same chunks, one after the other."""
    from sklearn.base import clone

    model, last = clone(model), None
    for i in range(n_chunks):
        rows = make(i, n_rows)
        if isinstance(model, KoopmanEDMD):
            rows, last = rows if last is None else np.vstack([last, rows]), rows[-1:]
        model.partial_fit(rows)
    return model


def _covariance(model):
    return model.covariance_ / np.abs(model.covariance_).max()


def _eigenvalues(model):
    return np.sort(np.abs(model.eigenvalues_))


def _no_result(model):
    return np.zeros(1)


_TAIL = (heavy_tailed, 8, _no_result)  # samples are drawn, and differ


class Growth(OnWorkers):
    """GrassmannPCA of 4e6 x 100 float32, made in 32 chunks when asked for: one worker, then two.

    Believe the seconds on a machine of two cores that does nothing else; the CPU seconds always.
    """

    def rows(self):
        """Yield one row for each number of workers."""
        n_chunks, n_rows = (4, 1000) if self.quick else (32, 125_000)
        yield ["workers", "seconds", "CPU seconds", "times faster"]
        first = None
        for n in (1, 2):
            with self.workers(n):
                X = lazily(spiked, n_chunks, n_rows)
                _, wall, cpu = self.measured(lambda X=X: GrassmannPCA(n_components=K).fit(X))
            first = first or wall
            yield [str(n), wall, cpu, first / wall]


class Simulated(Listing):
    """What 100 workers would take for 100 columns of float32, from what one chunk takes here.

    Measured here: CPU seconds of the statistics of one chunk of 1e6 rows, of adding up two
    statistics, and the bytes of one as they are sent. Supposed: workers of one such core; rows in
    memory, or read at 200 MB a second and worker; 100 MB a second between workers; 1 millisecond of
    the scheduler for each task, one after the other. Nothing of this table was run on 100 workers.
    """

    n_threads = 1

    def rows(self):
        """Yield what was measured, then one row for each size."""
        n_rows = 10_000 if self.quick else 1_000_000
        X = spiked(0, n_rows)
        chunk, one = _cpu(lambda: GrassmannPCA(n_components=K).partial_fit(X))
        other = GrassmannPCA(n_components=K).partial_fit(X[: n_rows // 10])
        adding, _ = _cpu(lambda: _sum_of(one, other))
        n_bytes = len(pickle.dumps(one, protocol=5))
        yield [
            "rows",
            "chunks",
            "depth",
            "CPU s of a chunk",
            "kB moved a chunk",
            "s",
            "s with reading",
        ]
        for rows in (1e8, 1e9, 1e11):
            chunks = ceil(rows / n_rows)
            workers, fan = min(100, chunks), 8
            depth = ceil(log(max(chunks, 2), fan))
            rounds = ceil(chunks / workers)
            tree = depth * fan * (adding + n_bytes / 100e6)
            tasks = 1e-3 * chunks * (1 + 1 / (fan - 1))
            seconds = [
                max(rounds * (chunk + read), tasks) + tree for read in (0.0, X.nbytes / 200e6)
            ]
            sizes = [f"{rows:.0e}", str(chunks), str(depth)]
            yield [*sizes, chunk, n_bytes / 1e3, *seconds]


def _sum_of(one, other):
    import copy

    return copy.copy(one).merge(other)


def _cpu(call):
    """CPU seconds of a call, the least of five after a first, and its result."""
    result, spent = call(), []
    for _ in range(5):
        before = time.process_time()
        call()
        spent.append(time.process_time() - before)
    return min(spent), result
