"""
Where a layer is active: Eigen-CAM and its sign
===============================================

Eigen-CAM maps the leading principal direction of a layer's activations: no class, no gradient. The
direction has no sign of its own, and after the cut at 0 a wrong one shows everything but the
object. Here the layer is a dictionary of patches, learnt from digits without labels; a digit lies
at a random place among pieces of others.

The plain mean of the channels is the baseline, and a strong one.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import MiniBatchKMeans
from sklearn.datasets import load_digits

from subspace_learn.activations import eigen_cam, mean_activation_map

digits = load_digits().images / 16
rng = np.random.default_rng(0)
side, n_scenes = 24, 150


def patches(images):
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), axis=(1, 2))
    return windows.reshape(*windows.shape[:3], 25)


training = patches(digits[:300]).reshape(-1, 25)
dictionary = MiniBatchKMeans(32, random_state=0, n_init=1).fit(training).cluster_centers_
dictionary /= np.linalg.norm(dictionary, axis=1, keepdims=True)

# %%
# Scenes
# ------

scenes = rng.uniform(0, 0.3, (n_scenes, side, side))
boxes = np.zeros(scenes.shape, dtype=bool)
corners = rng.integers(0, side - 7, (n_scenes, 2))
for scene, box, (row, column) in zip(scenes, boxes, corners, strict=True):
    for r, c in rng.integers(0, side - 2, (6, 2)):
        scene[r : r + 3, c : c + 3] += digits[rng.integers(300, 1797), 2:5, 2:5]
    scene[row : row + 8, column : column + 8] += digits[rng.integers(300, 1797)]
    box[row : row + 8, column : column + 8] = True
activations = np.maximum(patches(scenes) @ dictionary.T - 0.5, 0).transpose(0, 3, 1, 2)

# %%
# Maps
# ----


def without_a_rule(activations):
    """The sign that LAPACK happens to give, after centring."""
    M = activations.reshape(len(activations), 32, -1)
    L = np.linalg.svd(M - M.mean(axis=2, keepdims=True), full_matrices=False)[2][:, 0]
    return (np.maximum(L, 0) / L.max(axis=1, keepdims=True)).reshape(-1, side, side)


maps = {
    "Eigen-CAM": eigen_cam(activations),
    "sign left to chance": without_a_rule(activations),
    "mean activation": mean_activation_map(activations),
}
for name, drawn in maps.items():
    peaks = drawn.reshape(n_scenes, -1).argmax(axis=1)
    inside = boxes.reshape(n_scenes, -1)[np.arange(n_scenes), peaks]
    print(f"{name:20s}: peak inside the box in {inside.mean():.2f} of the scenes (chance 0.11)")

fig, axes = plt.subplots(2, 4, figsize=(10, 5.2), layout="constrained")
for row, k in enumerate((0, 3)):
    for ax, (title, image) in zip(axes[row], {"scene": scenes, **maps}.items(), strict=True):
        drawn = ax.imshow(image[k], cmap="gray" if title == "scene" else "cividis", vmin=0)
        corner = corners[k][::-1] - 0.5
        ax.add_patch(plt.Rectangle(corner, 8, 8, fill=False, edgecolor="#d55e00", linewidth=2))
        ax.set(xticks=[], yticks=[], title=title if row == 0 else None)
fig.colorbar(drawn, ax=axes, label="map, share of its peak", shrink=0.8)
plt.show()
