"""
The colours of one photograph for another
=========================================

Pixels of a photograph are rows of three numbers. A light Schrödinger bridge carries their
distribution to that of another photograph. Nothing is paired: the two have no pixel in common. The
second picture shows in two dimensions what the bridge is: a diffusion, steered as little as
possible.
"""

# %%
# Two photographs, and a bridge between random pixels of them
# -----------------------------------------------------------
# ``eps`` is the variance of the noise. Colours are in [0, 1] with a standard deviation of about .3,
# so .005, a standard deviation of .07, is small beside them.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_images

from subspace_learn import LightSchrodingerBridge

china, flower = (image / 255.0 for image in load_sample_images().images)
rng = np.random.default_rng(0)


def pixels(image, n):
    rows = image.reshape(-1, 3)
    return rows[rng.choice(len(rows), n, replace=False)]


n = 5000
X = np.concatenate([pixels(china, n), pixels(flower, n)])
y = np.repeat(["china", "flower"], n)  # "china" is the smaller label: the source
bridge = LightSchrodingerBridge(20, eps=0.005, random_state=0).fit(X, y)
print(f"{bridge.n_iter_} iterations, loss {bridge.loss_:.2f}")

# %%
# All pixels of the first photograph in the colours of the second
# ---------------------------------------------------------------
# `transform` gives each pixel its mean colour: smooth, but a little pale, for means vary less than
# what they are means of. `sample` draws a colour: the distribution is that of the second
# photograph, with grain.

rows = china.reshape(-1, 3)
pictures = {
    "source": china,
    "target": flower,
    "transform: mean colour": bridge.transform(rows).reshape(china.shape),
    "sample: drawn colour": bridge.sample(rows).reshape(china.shape),
}
fig, axes = plt.subplots(2, 4, figsize=(13, 5.6), height_ratios=[1, 1.15])
for (title, image), top, bottom in zip(pictures.items(), axes[0], axes[1], strict=True):
    image = np.clip(image, 0, 1)
    top.imshow(image)
    top.set_title(title)
    top.set_axis_off()
    some = pixels(image, 3000)
    bottom.scatter(some[:, 0], some[:, 2], s=4, c=some, rasterized=True)
    bottom.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xlabel="red", aspect="equal")
axes[1, 0].set_ylabel("blue")
fig.suptitle("A photograph in the colours of another, and a palette below each")
fig.tight_layout()

# %%
# Paths
# -----
# From a disc in the middle to eight spots around it. A path starts at its row, and wanders by
# Brownian motion of variance ``eps`` towards a target drawn from the plan. The arrows are the drift
# halfway.

angles = np.arange(8) * np.pi / 4
spots = 4 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
source = 0.6 * rng.standard_normal((2000, 2))
target = spots[rng.integers(0, 8, 2000)] + 0.25 * rng.standard_normal((2000, 2))
X, y = np.concatenate([source, target]), np.repeat([0, 1], 2000)

fig, axes = plt.subplots(1, 2, figsize=(10.5, 5.2), sharey=True)
times = np.linspace(0, 1, 60)
for ax, eps in zip(axes, (0.03, 1.0), strict=True):
    eight = LightSchrodingerBridge(8, eps=eps, random_state=0).fit(X, y)
    paths = eight.sample_path(source[:120], times)
    ax.scatter(*target[:600].T, s=4, color="tab:orange", alpha=0.5, label="target")
    for path in paths:
        ax.plot(*path.T, lw=0.5, color="0.6", zorder=1)
    ax.scatter(*source[:120].T, s=8, color="tab:blue", label="source", zorder=3)
    half = paths[::3, 30]
    steer = eight.drift(half, times[30])
    ax.quiver(*half.T, *steer.T, angles="xy", scale=40, width=0.004, zorder=4)
    ax.set(title=f"eps = {eps}", aspect="equal", xlim=(-5.6, 5.6), ylim=(-5.6, 5.6))
axes[0].legend(loc="upper right")
fig.suptitle("Small noise: straight ways to the nearest spot. Large noise: any spot may be reached")
fig.tight_layout()
plt.show()

# %%
# How many components?
# --------------------
# `score` on rows that were not fitted says so: minus the loss, larger is better. Folds must hold
# both domains.

from sklearn.model_selection import GridSearchCV, StratifiedKFold

search = GridSearchCV(
    LightSchrodingerBridge(eps=0.03, random_state=0),
    {"n_components": [2, 4, 8]},
    cv=StratifiedKFold(3, shuffle=True, random_state=0),
    refit=False,
).fit(X, y)
for parameters, score in zip(
    search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
):
    print(f"{parameters['n_components']} components: {score:.2f}")
