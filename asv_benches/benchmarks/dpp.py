"""One draw of a projection DPP after orthonormalisation, beside DPPy where it is installed."""

from __future__ import annotations

import sys
import warnings

import numpy as np

from subspace_learn.functional.sampling.dpp import projection_dpp, row_law

from .common import PeerBenchmark

SHAPES = {"1e5 x 50": (100_000, 50), "1e6 x 10": (1_000_000, 10)}


def orthonormal(shape, seed=0):
    """Orthonormal columns of a Gaussian table."""
    A = np.random.default_rng(seed).standard_normal(shape)
    return A @ np.linalg.inv(np.linalg.cholesky(A.T @ A)).T


def dppy_draw(Q):
    """A call of DPPy's exact sampler for projection kernels, or None with a warning."""
    try:
        from dppy.finite_dpps import FiniteDPP
    except ImportError:
        warnings.warn("DPPy is not installed: no figure for it (pip install dppy)", stacklevel=2)
        print("DPPy is not installed: left out", file=sys.stderr)
        return None
    peer = FiniteDPP("correlation", projection=True, K_eig_dec=(np.ones(Q.shape[1]), Q))
    rng = np.random.RandomState(0)
    return lambda: peer.sample_exact(mode="GS", random_state=rng)


class Draw(PeerBenchmark):
    """Seconds of one exact draw; the law (one pass over Q) is prepared once."""

    param_names = ["shape"]
    params = [list(SHAPES)]

    def make_data(self, shape):
        self.rng = np.random.default_rng(1)
        return row_law(orthonormal(SHAPES[shape]))

    def ours(self, law):
        return projection_dpp(law, self.rng)

    def peers(self, law):
        calls = {"dense": lambda: projection_dpp(law, self.rng, method="dense")}
        dppy = dppy_draw(law.basis)
        return calls if dppy is None else {**calls, "DPPy": dppy}

    def nbytes(self, law):
        return law.basis.nbytes


class Prepare(PeerBenchmark):
    """What precedes the first draw: row lengths and their running sum; numpy's QR beside it."""

    def make_data(self):
        return orthonormal(SHAPES["1e5 x 50"])

    def ours(self, Q):
        return row_law(Q)

    def peers(self, Q):
        return {"numpy.linalg.qr": lambda: np.linalg.qr(Q)}
