"""A stream of 1e7 rows in blocks: seconds and memory of SensitivitySampler.partial_fit."""

from __future__ import annotations

import numpy as np

from subspace_learn import SensitivitySampler

from .common import Speed

BLOCK, COLUMNS = 100_000, 10


class Stream(Speed):
    """Blocks of 1e5 x 10 float64, the time of drawing them left out; score: the stated error.

    A table of 1e7 rows would take 763 MiB. The error that the stream states is a bound, a product
    of one factor for each reduction.
    """

    param_names = ["blocks"]
    params = [[10, 100]]
    smallest = (1,)

    def make_data(self, n_blocks):
        X = np.random.default_rng(0).standard_normal((BLOCK, COLUMNS))
        return X, n_blocks

    def ours(self, data):
        X, n_blocks = data
        sampler = SensitivitySampler(2000, p=2.0, random_state=0)
        for _ in range(n_blocks):  # the same block: time and memory are what counts
            sampler.partial_fit(X)
        return sampler

    def score(self, data, sampler):
        return sampler.error_
