"""What HiPPO memories and their diagonal forms keep, for doc/_tables.

python asv_benches/hippo_tables.py            # the whole page, about a minute
python asv_benches/hippo_tables.py spikes     # one of them, printed only
"""

from __future__ import annotations

import time

import numpy as np
import scipy.fft
from sklearn.decomposition import PCA
from tables import write_page

from subspace_learn import HiPPOTransformer
from subspace_learn.datasets import fetch_ssvep
from subspace_learn.functional.sequence.approximate_diagonalization import perturb_then_diagonalize
from subspace_learn.functional.sequence.hippo import hippo_legs, normal_part
from subspace_learn.functional.sequence.state_space import (
    diagonal_init,
    transfer_function,
)


def spikes():
    """Largest deviation from the response of LegS, first coefficient, ten draws of E."""
    yield "n", "S4D-LegS", "PTD, eps = 0.1: median (worst)", "PTD, eps = 0.01: median (worst)"
    for n in (16, 32, 64, 128):
        values, B = diagonal_init(n)
        spike = values.imag[-1]
        omega = np.concatenate([np.linspace(0, 3 * spike, 100_000), values.imag])
        exact = 1 / (1 + 1j * omega)

        def deviation(values, B, C, omega=omega, exact=exact):
            return np.abs(transfer_function(values, B, C, omega) - exact).max()

        row = [n, f"{deviation(values, B, normal_part(n)[1][0, n // 2 :]):.4f}"]
        for eps in (0.1, 0.01):
            found = [deviation(*_whole(n, eps, seed)) for seed in range(10)]
            row.append(f"{np.median(found):.4f} ({max(found):.4f})")
        yield row


def _whole(n, eps, seed):
    """First coefficient of a perturbed model, all modes: half of them has B halved twice."""
    A, B = hippo_legs(n)
    found = perturb_then_diagonalize(A, eps, n_tries=1, rng=np.random.default_rng(seed))
    inputs = np.linalg.solve(found.eigenvectors, B.astype(complex))
    return found.eigenvalues, inputs / 2, found.eigenvectors[0]


def condition():
    """Condition of the eigenvectors of LegS, directly and with the best of ten draws of E."""
    yield "n", "eps = 0", "eps = 0.1", "backward error less 0.1", "largest real part", "seconds"
    for n in (8, 12, 16, 32, 64, 128):
        A, _ = hippo_legs(n)
        try:
            direct = f"{perturb_then_diagonalize(A, 0).condition:.1e}"
        except ValueError:
            direct = f"refused ({np.linalg.cond(np.linalg.eig(A)[1]):.0e})"
        start = time.perf_counter()
        found = perturb_then_diagonalize(A, 0.1)
        yield (
            n,
            direct,
            f"{found.condition:.1e}",
            f"{found.backward_error - 0.1:.0e}",
            f"{found.eigenvalues.real.max():.2f}",
            f"{time.perf_counter() - start:.2f}",
        )


def memory():
    """Relative error of SSVEP epochs of one channel, 125 samples, kept as n numbers each."""
    yield "n", "legs", "legt", "fout", "cosine transform", "means", "PCA of the other half"
    X = fetch_ssvep(1).data.astype(float)
    X = (X - X.mean(axis=2, keepdims=True)).reshape(-1, X.shape[2])
    train, test = X[::2], X[1::2]

    def error(back):
        return f"{np.linalg.norm(back - test) / np.linalg.norm(test):.3f}"

    for n in (9, 25, 51):
        row = [n]
        for measure in ("legs", "legt", "fout"):
            model = HiPPOTransformer(n, measure=measure).fit(test)
            row.append(error(model.inverse_transform(model.transform(test))))
        spectrum = scipy.fft.dct(test, norm="ortho")
        spectrum[:, n:] = 0
        row.append(error(scipy.fft.idct(spectrum, norm="ortho")))
        parts = np.array_split(test, n, axis=1)
        row.append(error(np.hstack([p.mean(1, keepdims=True) + 0 * p for p in parts])))
        pca = PCA(n).fit(train)
        row.append(error(pca.inverse_transform(pca.transform(test))))
        yield row


if __name__ == "__main__":
    write_page("hippo", __doc__.splitlines()[0], spikes, condition, memory)
