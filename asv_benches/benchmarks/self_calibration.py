"""SelfCalibrationLS with Fourier maps beside dense least squares, and how it grows.

Targets: at 512 sensors 50 times faster than dense lstsq; at 65,536 sensors at most 100 steps, less
than 500 MB beside the input; time as p m log m.
"""

from __future__ import annotations

import time

import numpy as np

from subspace_learn import SelfCalibrationLS
from subspace_learn.functional.inverse.self_calibration.calibration import error_after_best_scalar
from subspace_learn.inverse import FourierSensing

from .common import Speed, extra_memory

P = 4


def instrument(m, seed=0):
    """One signal of m / 4 atoms, seen four times through signs and a DFT: X, maps, gains."""
    rng = np.random.default_rng(seed)
    n = m // 4
    codes = rng.choice([-1.0, 1.0], size=(P, n))
    maps = [FourierSensing(m, n, codes=code) for code in codes]
    gains = rng.uniform(0.5, 1.5, m) * np.exp(0.4j * np.pi * rng.uniform(size=m))
    x = rng.standard_normal(n) + 1j * rng.standard_normal(n)
    return gains * np.stack([A.matvec(x) for A in maps]), maps, gains


def dense_system(X, maps):
    """The matrix of the least squares problem, and its right side."""
    p, m = X.shape
    n = maps[0].shape[1]
    T = np.zeros((p * m + 1, m + n), dtype=complex)
    for row, (y, A) in enumerate(zip(X, maps, strict=True)):
        block = slice(row * m, (row + 1) * m)
        T[block, :m] = np.diag(y)
        T[block, m:] = -A.matmat(np.eye(n))
    T[-1, :m] = 1 / m
    return T, np.eye(1, p * m + 1, p * m, dtype=complex)[0]


class Repeated(Speed):
    """One fit, p = 4; the dense peer gets its matrix for nothing. Score: error of the gains."""

    param_names = ["n_sensors"]
    params = [[512]]
    budget = 30.0

    def make_data(self, m):
        X, maps, self.gains = instrument(m)
        self.system = dense_system(X, maps)
        self.n_sensors = m
        return X, maps

    def ours(self, data):
        X, maps = data
        return SelfCalibrationLS("repeated", sensing=maps).fit(X)

    def peers(self, data):
        return {"numpy lstsq, dense": lambda: np.linalg.lstsq(*self.system)[0]}

    def nbytes(self, data):
        return data[0].nbytes

    def score(self, data, result):
        found = 1 / result[: self.n_sensors] if isinstance(result, np.ndarray) else result.gains_
        return error_after_best_scalar(found, self.gains)


class Growth:
    """Time, steps and memory of one fit against the number of sensors."""

    param_names = ["n_sensors"]
    params = [[4096, 16384, 65536]]
    timeout = 600.0
    rounds = 1
    number = 1
    warmup_time = 0.0

    def setup(self, m):
        self.X, self.maps, self.gains = instrument(m)
        self.call()

    def call(self):
        return SelfCalibrationLS("repeated", sensing=self.maps).fit(self.X)

    def time_fit(self, m):
        self.call()

    def track_steps(self, m):
        return self.call().n_iter_

    track_steps.unit = "steps of LSQR"

    def track_extra_memory(self, m):
        return extra_memory(self.call) / 2**20

    track_extra_memory.unit = "MiB"

    def track_error(self, m):
        return error_after_best_scalar(self.call().gains_, self.gains)

    track_error.unit = "relative error of the gains"


def growth_exponent(sizes=(4096, 8192, 16384, 32768, 65536), n_rounds=3):
    """Slope of log time against log(m log m): 1 is as announced. Prints the times."""
    cases = [instrument(m) for m in sizes]
    seconds = np.full((n_rounds, len(sizes)), np.nan)
    for row in range(n_rounds):  # interleaved: a machine that slows down slows all sizes
        for column, (X, maps, _) in enumerate(cases):
            begin = time.perf_counter()
            SelfCalibrationLS("repeated", sensing=maps).fit(X)
            seconds[row, column] = time.perf_counter() - begin
    best = seconds.min(axis=0)
    work = np.log(np.array(sizes) * np.log(sizes))
    slope = np.polyfit(work, np.log(best), 1)[0]
    print(dict(zip(sizes, best.round(3).tolist(), strict=True)), f"exponent {slope:.2f}")
    return slope


class Exponent:
    """How time grows with p m log m, fitted over five sizes: 1 is proportional."""

    timeout = 600.0

    def track_exponent_of_m_log_m(self):
        return growth_exponent()
