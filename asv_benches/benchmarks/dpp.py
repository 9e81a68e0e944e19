"""One draw of a projection DPP after orthonormalisation, beside DPPy where it is installed."""

from __future__ import annotations

import numpy as np

from subspace_learn.functional.sampling.dpp import projection_dpp, row_law

from .common import Speed

SHAPES = {"1e5 x 50": (100_000, 50), "1e6 x 10": (1_000_000, 10)}
SMALL = (2000, 10)


def orthonormal(shape, seed=0):
    """Orthonormal columns of a Gaussian table."""
    A = np.random.default_rng(seed).standard_normal(shape)
    return A @ np.linalg.inv(np.linalg.cholesky(A.T @ A)).T


def dppy_draw(Q):
    """Return a call of DPPy's exact sampler for projection kernels, if it is installed."""
    try:
        from dppy.finite_dpps import FiniteDPP
    except ImportError:
        return {}
    peer = FiniteDPP("correlation", projection=True, K_eig_dec=(np.ones(Q.shape[1]), Q))
    rng = np.random.RandomState(0)
    return {"DPPy": lambda: peer.sample_exact(mode="GS", random_state=rng)}


class Draw(Speed):
    """Seconds of one exact draw; the law (one pass over Q) is prepared once."""

    may_use = ("dppy",)
    param_names = ["shape"]
    params = [list(SHAPES)]
    smallest = ("2000 x 10",)

    def make_data(self, shape):
        self.rng = np.random.default_rng(1)
        return row_law(orthonormal(SHAPES.get(shape, SMALL)))

    def ours(self, law):
        return projection_dpp(law, self.rng)

    def peers(self, law):
        dense = {"dense": lambda: projection_dpp(law, self.rng, method="dense")}
        return dense | dppy_draw(law.basis)

    def nbytes(self, law):
        return law.basis.nbytes


class Prepare(Speed):
    """What precedes the first draw: row lengths and their running sum; numpy's QR beside it."""

    def make_data(self):
        return orthonormal(SMALL if self.quick else SHAPES["1e5 x 50"])

    def ours(self, Q):
        return row_law(Q)

    def peers(self, Q):
        return {"numpy.linalg.qr": lambda: np.linalg.qr(Q)}
