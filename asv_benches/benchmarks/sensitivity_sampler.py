"""A stream of 1e7 rows in blocks: seconds and memory of SensitivitySampler.partial_fit."""

from __future__ import annotations

import time

import numpy as np
from threadpoolctl import threadpool_limits

from subspace_learn import SensitivitySampler

from .common import N_THREADS, extra_memory

BLOCK, COLUMNS = 100_000, 10


def stream(n_blocks, p=2.0):
    """The sampler after a stream that is never held, and the seconds spent in it."""
    rng, seconds = np.random.default_rng(0), 0.0
    sampler = SensitivitySampler(2000, p=p, random_state=0)
    for _ in range(n_blocks):
        X = rng.standard_normal((BLOCK, COLUMNS))
        begin = time.perf_counter()
        sampler.partial_fit(X)
        seconds += time.perf_counter() - begin
    return sampler, seconds


class Stream:
    """Blocks of 1e5 x 10 float64; a table of 1e7 rows would take 763 MiB."""

    param_names = ["blocks"]
    params = [[10, 100]]
    timeout = 600.0

    def setup(self, blocks):
        stream(2)  # kernels and BLAS are warm

    def track_seconds(self, blocks):
        with threadpool_limits(N_THREADS):
            return stream(blocks)[1]

    track_seconds.unit = "s"

    def track_extra_memory(self, blocks):
        return extra_memory(lambda: stream(blocks)) / 2**20

    track_extra_memory.unit = "MiB"

    def track_error(self, blocks):
        return stream(blocks)[0].error_

    track_error.unit = "embedding error, bound"
