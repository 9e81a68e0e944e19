"""
Which eigenvalues to believe: the pendulum
==========================================

A pendulum without friction keeps its energy, and the spectrum of its Koopman operator is the whole
unit circle. EDMD gives as many eigenvalues as there are observables, and most of them lie inside
the circle: they belong to the dictionary, not to the pendulum. The residual beside each eigenvalue
tells which is which, without knowing the answer.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.preprocessing import FunctionTransformer

from subspace_learn import KoopmanEDMD
from subspace_learn.dynamics import KoopmanSpectrumDisplay


def pendulum(X, time, n_steps=100):
    """States a while later: x'' = -sin x by leapfrog, which preserves areas."""
    x, p = X.T.copy()
    h = time / n_steps
    for _ in range(n_steps):
        p = p - h / 2 * np.sin(x)
        x = x + h * p
        p = p - h / 2 * np.sin(x)
    return np.stack([x, p], axis=1)


def observables(X, n=10):
    """Waves in the angle times Hermite functions of the momentum, a hyperbolic cross of them."""
    waves = np.exp(1j * X[:, :1] * np.arange(-n, n + 1))
    p, table = X[:, 1], [np.exp(-(X[:, 1] ** 2) / 2)]
    table.append(np.sqrt(2) * p * table[0])
    for k in range(1, n):
        table.append(np.sqrt(2 / (k + 1)) * p * table[k] - np.sqrt(k / (k + 1)) * table[k - 1])
    columns = [
        waves[:, j] * table[k]
        for j in range(2 * n + 1)
        for k in range(n + 1)
        if (abs(j - n) + 1) * (k + 1) <= n + 1
    ]
    return np.stack(columns, axis=1)


axes = np.meshgrid(np.linspace(-np.pi, np.pi, 60, endpoint=False), np.linspace(-8, 8, 100))
X = np.stack(axes, axis=-1).reshape(-1, 2)  # equal weights on a grid: an exact enough quadrature
Y = pendulum(X, 0.5)
lift = FunctionTransformer(observables)
edmd = KoopmanEDMD(lift).fit(X, Y)
unitary = KoopmanEDMD(lift, method="measure_preserving").fit(X, Y)

inside = np.abs(edmd.eigenvalues_) < 0.9
print(f"{len(inside)} eigenvalues, {inside.sum()} of them with modulus below 0.9")
print(f"residuals: median {np.median(edmd.residuals_):.2f}, largest {edmd.residuals_.max():.2f}")
print(f"smallest residual among the {inside.sum()}: {edmd.residuals_[inside].min():.2f}")
print(f"accepted at 0.1: {len(edmd.verified(0.1))} of {len(inside)}")
gap = np.abs(np.abs(unitary.eigenvalues_) - 1).max()
print(f"measure-preserving: moduli within {gap:.0e} of 1, but median residual ", end="")
print(f"{np.median(unitary.residuals_):.2f}")

# %%
# On the left each eigenvalue with its residual: the lighter, the better; dark ones are not to be
# believed. On the right the measure-preserving fit. All of its eigenvalues lie on the circle, where
# the truth lies, and most are no better than before: modulus 1 is no proof.

fig, pair = plt.subplots(1, 2, figsize=(10.5, 4.4), layout="constrained")
for ax, model, name in zip(pair, (edmd, unitary), ("EDMD", "measure-preserving"), strict=True):
    KoopmanSpectrumDisplay.from_estimator(model, ax=ax)
    ax.set_title(name)

# %%
# Where no eigenvalue helps
# -------------------------
# The pseudospectrum asks at each point of a grid how small a residual the dictionary can reach
# there, and `local_spectrum` keeps the local minima with a bound on their error. This operator is
# unitary, so that a ball of radius tau (``c=1``) about a point is sure to hold some of the
# spectrum; the default of 5 is the cautious choice for operators nobody knows, and needs a larger
# dictionary.

side = np.linspace(-1.3, 1.3, 40)
spectrum = edmd.local_spectrum(side[None, :] + 1j * side[:, None], c=1.0)
print(f"{len(spectrum.points)} grid points, error bound {spectrum.error_bound:.2f}")
away = np.abs(np.abs(spectrum.points) - 1).max()
print(f"farthest from the circle: {away:.2f}")
display = KoopmanSpectrumDisplay.from_estimator(edmd, pseudospectrum=True, n_grid=31)
display.ax_.scatter(
    spectrum.points.real, spectrum.points.imag, marker="+", s=14, color="#D55E00", label="local"
)
display.ax_.set_title("+: local minima of tau")
plt.show()
