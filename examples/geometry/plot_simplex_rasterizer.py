"""
Shapes as images without sampling error
=======================================

A polygon drawn on a coarse grid loses what falls between the points. The Fourier modes of a mesh of
triangles, edges or points have a closed form, so that an image of 8 x 8 pixels can hold the exact
low modes: it blurs, but nothing is lost by sampling, and a shape that moves by half a pixel is not
another image.

Triangles, squares and hexagons are told apart from images of 8 x 8 pixels, by the same support
vector machine.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.path import Path
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC

from subspace_learn.geometry import SimplexRasterizer, cone


def polygon(n_sides, rng):
    angles = 2 * np.pi * (np.arange(n_sides) + rng.uniform()) / n_sides
    corners = rng.uniform(0.2, 0.4) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return 0.5 + corners + 0.01 * rng.normal(size=corners.shape)


def outline_mesh(corners):
    """Signed triangles that fill a closed outline, whatever its shape."""
    n = len(corners)
    return cone(corners, np.stack([np.arange(n), np.roll(np.arange(n), -1)], axis=1))


def point_samples(corners, r):
    axis = np.arange(r) / r
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    return Path(corners).contains_points(points).astype(float)


rng = np.random.default_rng(0)
y = np.tile([3, 4, 6], 60)
corners = [polygon(n, rng) for n in y]
meshes = [outline_mesh(c) for c in corners]

# %%
# Accuracy against the number of pixels
# -------------------------------------

sizes = [4, 6, 8, 12, 16]
accuracy = {"exact modes": [], "point samples": []}
for r in sizes:
    rasterizer = SimplexRasterizer(r, bounds=(0, 1), smoothing=0.0, signed=True)
    images = {
        "exact modes": rasterizer.fit_transform(meshes),
        "point samples": np.stack([point_samples(c, r) for c in corners]),
    }
    for name, X in images.items():
        accuracy[name].append(cross_val_score(SVC(C=100), X, y, cv=5))
        print(f"{r:2d} x {r:2d}, {name:13s}: {accuracy[name][-1].mean():.3f}")

# %%
# One hexagon, and the same with edges alone
# ------------------------------------------
# A mesh of edges gives an outline, one of points a density.

hexagon = corners[2]
outline = (hexagon, np.stack([np.arange(6), np.roll(np.arange(6), -1)], axis=1))
filled = SimplexRasterizer(16, bounds=(0, 1), signed=True, flatten=False)
edges = SimplexRasterizer(16, bounds=(0, 1), flatten=False)
pictures = {
    "point samples": point_samples(hexagon, 16).reshape(16, 16),
    "exact modes, filled": filled.fit_transform([outline_mesh(hexagon)])[0],
    "exact modes, edges": edges.fit_transform([outline])[0],
}

fig, axes = plt.subplots(1, 4, figsize=(11, 3.2), layout="constrained")
closed = 16 * np.vstack([hexagon, hexagon[:1]])
for ax, (title, image) in zip(axes, pictures.items(), strict=False):
    drawn = ax.imshow(image.T, origin="lower", cmap="cividis")
    ax.plot(*closed.T, color="#d55e00", linewidth=1.2)
    ax.set(title=title, xlabel="pixel", ylabel="pixel")
    fig.colorbar(drawn, ax=ax, shrink=0.8, label="density")
for (name, values), color, mark in zip(
    accuracy.items(), ("#0072b2", "#d55e00"), ("o-", "s--"), strict=True
):
    axes[3].errorbar(
        sizes, np.mean(values, axis=1), np.std(values, axis=1), fmt=mark, color=color, label=name
    )
axes[3].set(xlabel="pixels a side", ylabel="accuracy, 5 folds", ylim=(0.3, 1.02))
axes[3].legend(loc="lower right")
plt.show()
