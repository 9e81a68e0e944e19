"""
Landmarks for Nystroem
======================

Nystroem's method approximates a kernel by a few landmark rows. Which rows? Those with a high
leverage in a cheap feature space are the ones that uniform draws tend to miss when clusters are of
unequal size. The rows of a ``SensitivitySampler`` serve: `indices_` is all that is needed.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_blobs
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.metrics.pairwise import rbf_kernel

from subspace_learn import SensitivitySampler

# one large cluster and eight small ones, one per cent of the rows each
centres = np.vstack(
    [[0, 0], 8 * np.array([[np.cos(a), np.sin(a)] for a in np.arange(8) * np.pi / 4])]
)
X, cluster = make_blobs([920] + [10] * 8, centers=centres, random_state=0)
gamma = 0.2
kernel = rbf_kernel(X, gamma=gamma)

# %%
# Scores in random Fourier features
# ---------------------------------
# Leverage scores of the kernel itself would need the kernel. Those of 100 random Fourier features
# cost a leverage pass over a thin table. So few draws cannot keep the norms of 100 columns, and the
# sampler warns of that. Landmarks need no norms, only rows, so the warning is switched off here.

warnings.filterwarnings("ignore", message=".*cannot keep the norms")
features = RBFSampler(gamma=gamma, n_components=100, random_state=0).fit_transform(X)


def error(rows):
    """Relative error of the kernel in Frobenius norm."""
    landmarks = X[rows]
    Z = (
        Nystroem(gamma=gamma, n_components=len(landmarks), random_state=0)
        .fit(landmarks)
        .transform(X)
    )
    return np.linalg.norm(kernel - Z @ Z.T) / np.linalg.norm(kernel)


sizes = [10, 20, 40, 80, 160]
curves = {}
for name in ("uniform", "leverage"):
    curves[name] = np.empty((len(sizes), 6))
    for i, size in enumerate(sizes):
        for seed in range(6):
            sampler = SensitivitySampler(size, row_score=name, random_state=seed).fit(features)
            curves[name][i, seed] = error(sampler.indices_)
    print(f"{name:9s}", np.round(np.median(curves[name], axis=1), 4))

# %%
# What it buys
# ------------
# Left the landmarks of one draw, right the error of the kernel over six draws. Rows drawn twice
# count once, so that a sample of 160 draws has somewhat fewer landmarks.
#
# With few draws uniform landmarks are better: the norm is ruled by the large cluster, and leverage
# spends its draws on the small ones. Once all clusters have a landmark, between 40 and 80 draws
# here, that pays: uniform draws go on missing what is rare.

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
left.plot(*X.T, ".", color="#BBBBBB", markersize=2, label="rows")
for name, colour, marker in (("uniform", "#0072B2", "o"), ("leverage", "#D55E00", "^")):
    rows = SensitivitySampler(40, row_score=name, random_state=0).fit(features).indices_
    left.plot(*X[rows].T, marker, color=colour, markersize=5, fillstyle="none", label=name)
    right.plot(sizes, np.median(curves[name], axis=1), marker=marker, color=colour, label=name)
    right.fill_between(sizes, curves[name].min(1), curves[name].max(1), color=colour, alpha=0.15)
left.set(xlabel="first feature", ylabel="second feature", title="40 draws", aspect="equal")
right.set(xscale="log", yscale="log", xlabel="draws", ylabel="relative error of the kernel")
right.set_title("median and range of 6 samples", fontsize=10)
left.legend()
right.legend()
plt.show()
