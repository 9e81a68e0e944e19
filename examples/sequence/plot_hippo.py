"""
A memory of fixed size for a series, and its diagonal form
==========================================================

A HiPPO memory keeps n numbers of a series that comes sample by sample: coefficients of polynomials
or waves on its past. First what it remembers of a chirp, all of it ("legs") or a window ("legt"
and "fout"), beside as many numbers of a cosine transform, which needs the whole series at once.

Then the same memory as a set of independent complex modes, as state space layers use it. The
normal part of the matrix (S4D) is a poor stand-in at one frequency; the eigenvectors of a matrix
nearby (perturb, then diagonalise) are not.
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.fft

from subspace_learn import HiPPOTransformer
from subspace_learn.sequence import diagonal_init, normal_part, ptd_legs, transfer_function

# %%
# What 25 numbers remember of 1,000 samples
# -----------------------------------------

n, n_times = 25, 1000
t = np.linspace(0, 1, n_times)
X = np.sin(2 * np.pi * (2 + 5 * t) * t)[None] * (1 - 0.5 * t)
remembered = {}
for measure, window in (("legs", None), ("legt", 400), ("fout", 400)):
    memory = HiPPOTransformer(n, measure=measure, window=window).fit(X)
    remembered[measure] = memory.inverse_transform(memory.transform(X))[0]
spectrum = scipy.fft.dct(X[0], norm="ortho")
spectrum[n:] = 0
remembered["cosine transform"] = scipy.fft.idct(spectrum, norm="ortho")
for name, series in remembered.items():
    error = np.linalg.norm(series - X[0, -len(series) :]) / np.linalg.norm(X[0, -len(series) :])
    print(f"{name:17s} last {len(series):4d} samples: relative error {error:.3f}")

# %%
# Frequency responses of the first coefficient
# --------------------------------------------
# That of the exact memory is 1 / (1 + i omega). S4D has a spike of height 2 / pi near n^2 / pi
# however large n is.

size = 64
omega = np.geomspace(0.1, 1e5, 4000)
values, B = diagonal_init(size, "legs")
omega = np.sort(np.concatenate([omega, values.imag[values.imag > 1]]))
exact = 1 / (1 + 1j * omega)
s4d = transfer_function(values, B, normal_part(size)[1][0, size // 2 :], omega)
values, B, C = ptd_legs(size, 0.1)
ptd = transfer_function(values, B, C[0], omega)
for name, response in (("S4D", s4d), ("PTD", ptd)):
    print(f"{name}: largest deviation {np.abs(response - exact).max():.4f}")

fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
left.plot(X[0], color="black", linewidth=1, label="series")
styles = {"legs": ("#0072b2", "-"), "legt": ("#d55e00", "--"), "fout": ("#009e73", ":")}
for measure, (color, line) in styles.items():
    series = remembered[measure]
    times = np.arange(n_times - len(series), n_times)
    left.plot(times, series, line, color=color, linewidth=2, label=measure)
left.set(xlabel="sample", ylabel="value", title=f"Remembered by {n} numbers", ylim=(-1.3, 1.3))
left.legend(ncols=4, loc="upper center")
right.loglog(omega, np.abs(exact), color="black", linewidth=3, alpha=0.4, label="LegS, exact")
right.loglog(omega, np.abs(s4d), color="#d55e00", linewidth=1, label="S4D: normal part")
right.loglog(omega, np.abs(ptd), "--", color="#0072b2", linewidth=1.2, label="PTD, eps = 0.1")
right.set(
    xlabel="angular frequency times time scale",
    ylabel="modulus of the response",
    title=f"First coefficient, n = {size}",
    ylim=(1e-5, 3),
)
right.legend(loc="lower left")
plt.show()
