"""
A principal subspace while the rows still come
==============================================

Handwritten digits arrive in batches of thirty. After each batch the subspace found so far is
compared with that of all rows seen: an exact summary gives the same answer, whatever the batches;
``IncrementalPCA`` keeps a few directions only and drifts off.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.linalg import subspace_angles
from sklearn.datasets import load_digits
from sklearn.decomposition import IncrementalPCA

from subspace_learn import GrassmannPCA

X = load_digits().data
K, BATCH = 10, 30
models = {"IncrementalPCA": IncrementalPCA(K), "GrassmannPCA": GrassmannPCA(K)}
angles = {name: [] for name in models}
seen = np.arange(BATCH, len(X) + 1, BATCH)
for last in seen:
    for model in models.values():
        model.partial_fit(X[last - BATCH : last])
    exact = np.linalg.svd(X[:last] - X[:last].mean(axis=0), full_matrices=False)[2][:K]
    for name, model in models.items():
        angles[name].append(subspace_angles(model.components_.T, exact.T).max())

# %%
# The weights of a row are as exact: a row of weight 2 is a row given twice, and two streams merge
# into the fit of both tables.

half = len(X) // 2
halves = [GrassmannPCA(K).partial_fit(part) for part in (X[:half], X[half:])]
merged = halves[0].merge(halves[1])
whole = GrassmannPCA(K).fit(X)
gap = subspace_angles(merged.components_.T, whole.components_.T).max()
print(f"two halves merged: angle {gap:.1e} to the fit of all rows")

figure, axes = plt.subplot_mosaic(
    [["angle", "angle", *"abc"], ["angle", "angle", *"def"]],
    figsize=(10, 3.8),
    layout="constrained",
)
styles = {"IncrementalPCA": ("#D55E00", "s"), "GrassmannPCA": ("#0072B2", "o")}
for name, (color, marker) in styles.items():
    axes["angle"].semilogy(seen, angles[name], color=color, marker=marker, ms=3, label=name)
axes["angle"].set(xlabel="rows seen", ylabel="largest angle to the exact subspace (radians)")
axes["angle"].legend(loc="center right")
for place, row, variance in zip(
    "abcdef", whole.components_[:6], whole.explained_variance_[:6], strict=True
):
    limit = abs(row).max()
    axes[place].imshow(row.reshape(8, 8), cmap="RdBu_r", vmin=-limit, vmax=limit)
    axes[place].set(xticks=[], yticks=[], title=f"variance {variance:.0f}")
plt.show()
