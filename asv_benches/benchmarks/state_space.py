"""S4D kernels beside the Vandermonde product, and a HiPPO memory beside a cosine transform."""

from __future__ import annotations

import numpy as np
import scipy.fft

from subspace_learn import HiPPOTransformer
from subspace_learn.functional.sequence.state_space import (
    causal_convolution,
    diagonal_init,
    discretized,
    s4d_kernel,
)

from .common import PeerBenchmark


class Kernel(PeerBenchmark):
    """Kernels of 32 channels of 32 modes; the target is 1.5 times product and convolution."""

    param_names = ["length"]
    params = [[512, 4096]]
    budget = 8.0

    def make_data(self, length):
        rng = np.random.default_rng(0)
        values, B = diagonal_init(64, "lin")
        C = rng.normal(size=(32, 32)) + 1j * rng.normal(size=(32, 32))
        dt = np.exp(rng.uniform(np.log(1e-3), np.log(1e-1), (32, 1)))
        return values, B, C, dt, rng.normal(size=(32, length))

    def ours(self, data):
        values, B, C, dt, u = data
        return s4d_kernel(values, B, C, dt, u.shape[1])

    def peers(self, data):
        values, B, C, dt, u = data

        def vandermonde():
            steps = np.arange(u.shape[1])
            powers = np.exp((dt * values)[:, :, None] * steps)
            weights = C * discretized(values, B, dt)[1]
            return 2 * np.einsum("hn,hnl->hl", weights, powers).real

        def vandermonde_and_convolution():
            return causal_convolution(u, vandermonde())

        return {
            "Vandermonde product": vandermonde,
            "Vandermonde product and FFT convolution": vandermonde_and_convolution,
        }

    def nbytes(self, data):
        return data[4].nbytes


class Memory(PeerBenchmark):
    """Coefficients of 1,000 series of 1,000 samples; score: relative error of the series."""

    param_names = ["n_coefficients"]
    params = [[32]]
    budget = 8.0

    def make_data(self, n):
        rng = np.random.default_rng(0)
        self.n = n
        return np.cumsum(rng.normal(size=(1000, 1000)), axis=1)

    def ours(self, X):
        memory = HiPPOTransformer(self.n).fit(X)
        return memory.inverse_transform(memory.transform(X))

    def peers(self, X):
        def cosine_transform():
            spectrum = scipy.fft.dct(X, norm="ortho")
            spectrum[:, self.n :] = 0
            return scipy.fft.idct(spectrum, norm="ortho")

        return {"scipy dct": cosine_transform}

    def score(self, X, result):
        return float(np.linalg.norm(result - X) / np.linalg.norm(X))
