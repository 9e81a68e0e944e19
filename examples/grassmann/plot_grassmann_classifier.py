"""
One subspace per class
======================

Handwritten digits, each class a subspace of the 64 pixels. How large should it be? What does
training change, beside taking the principal subspace of each class (CLAFIC)? And what do such
subspaces look like?
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import normalize

from subspace_learn import GrassmannClassifier, NearestSubspaceClassifier
from subspace_learn.grassmann import principal_angles

X, y = load_digits(return_X_y=True)
DIMENSIONS = (1, 2, 4, 8, 16)
SEEDS = range(3)
warnings.simplefilter("ignore", ConvergenceWarning)  # 200 iterations are enough for a picture

# %%
# Accuracy against the dimension
# ------------------------------
# Half of the rows train, half test, three times. Without training k matters much; small subspaces
# gain most from training. ``alpha`` holds the trained subspaces near those of CLAFIC.

# Pixels share a unit: the rows are compared as directions, as in the paper.
directions = {"center": False, "standardize": False, "constant": 0.0}
models = {
    "NearestSubspaceClassifier (CLAFIC)": lambda k: NearestSubspaceClassifier(k, constant=0.0),
    "GrassmannClassifier": lambda k: GrassmannClassifier(k, gamma=50, alpha=0.0, **directions),
    "GrassmannClassifier, alpha=10": lambda k: GrassmannClassifier(
        k, gamma=50, alpha=10, **directions
    ),
}
splits = [train_test_split(X, y, test_size=0.5, random_state=seed, stratify=y) for seed in SEEDS]
accuracy = {name: np.empty((len(DIMENSIONS), len(splits))) for name in models}
fits = {}
for i, k in enumerate(DIMENSIONS):
    for j, (X_train, X_test, y_train, y_test) in enumerate(splits):
        for name, make in models.items():
            fits[name, k, j] = make(k).fit(X_train, y_train)
            accuracy[name][i, j] = fits[name, k, j].score(X_test, y_test)
    print(f"k={k:2d}  " + "  ".join(f"{name}: {a[i].mean():.4f}" for name, a in accuracy.items()))

linear = np.mean(
    [
        LogisticRegression(C=100, max_iter=2000).fit(normalize(a), c).score(normalize(b), d)
        for a, b, c, d in splits
    ]
)
print(f"logistic regression: {linear:.4f}")

# %%
# Angles against the dimension
# ----------------------------
# How far training turned each subspace, and how far apart the subspaces of two classes are: the
# smallest angle between them. Training drives them apart, up to right angles for lines; the larger
# they are, the less room there is, and from k = 32 on any two of them share a direction.


def angles_to_start(name, k):
    """Largest principal angle between trained and untrained subspaces, per class, in degrees."""
    start, trained = fits["NearestSubspaceClassifier (CLAFIC)", k, 0], fits[name, k, 0]
    return np.degrees(principal_angles(start.subspaces_, trained.subspaces_)[:, -1])


def angles_between(name, k):
    """Smallest principal angle between the subspaces of any two classes, in degrees."""
    S = fits[name, k, 0].subspaces_
    first, second = np.triu_indices(len(S), 1)
    return np.degrees(principal_angles(S[first], S[second])[:, 0])


STYLES = {
    name: {"color": color, "marker": marker}
    for name, color, marker in zip(models, ("#0072B2", "#D55E00", "#009E73"), "os^", strict=True)
}
fig, axes = plt.subplots(1, 3, figsize=(11, 4.2), layout="constrained")
for name in models:
    mean, sd = accuracy[name].mean(axis=1), accuracy[name].std(axis=1, ddof=1)
    axes[0].errorbar(DIMENSIONS, mean, sd, capsize=3, label=name, **STYLES[name])
    axes[2].plot(DIMENSIONS, [angles_between(name, k).mean() for k in DIMENSIONS], **STYLES[name])
for name in list(models)[1:]:
    axes[1].plot(DIMENSIONS, [angles_to_start(name, k).mean() for k in DIMENSIONS], **STYLES[name])
axes[0].axhline(linear, color="0.6", linestyle="--", label="logistic regression")
titles = (
    ("test accuracy", "accuracy"),
    ("turned by training", "largest angle to CLAFIC (degrees)"),
    ("between classes", "smallest angle, mean of pairs (degrees)"),
)
for ax, (title, label) in zip(axes, titles, strict=True):
    ax.set(xscale="log", xticks=DIMENSIONS, title=title, xlabel="dimension k", ylabel=label)
    ax.set_xticklabels(DIMENSIONS)
    ax.minorticks_off()
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)

# %%
# The subspaces as images
# -----------------------
# A subspace has no basis of its own. Drawn are the three directions within it along which the
# training rows of the class are strongest, for k = 4. Red and blue are opposite signs, which mean
# nothing. Class PCA spends its first direction on the mean shape of the digit. Free training gives
# that up, since most digits have most of it in common, and keeps the ways in which the digit varies
# and others do not; ``alpha=10`` keeps the shape.

X_train, _, y_train, _ = splits[0]


def principal_directions(subspace, rows):
    """Basis of a subspace by descending energy of the rows."""
    return subspace @ np.linalg.svd(normalize(rows) @ subspace)[2].T


blocks = {
    "class PCA": "NearestSubspaceClassifier (CLAFIC)",
    "alpha = 10": "GrassmannClassifier, alpha=10",
    "trained freely": "GrassmannClassifier",
}
fig, axes = plt.subplots(9, 10, figsize=(10, 9.4), layout="constrained")
for block, (label, name) in enumerate(blocks.items()):
    axes[3 * block + 1, 0].set_ylabel(label, fontsize=11)
    for c in range(10):
        basis = principal_directions(fits[name, 4, 0].subspaces_[c], X_train[y_train == c])
        for direction in range(3):
            ax = axes[3 * block + direction, c]
            image = basis[:, direction].reshape(8, 8)
            image = image * np.sign(image.flat[np.abs(image).argmax()])
            limit = np.abs(image).max()
            ax.imshow(image, cmap="RdBu_r", vmin=-limit, vmax=limit)
            ax.set(xticks=[], yticks=[])
for c in range(10):
    axes[0, c].set_title(str(c))
fig.suptitle("directions of each class's subspace, strongest first (k = 4)")
plt.show()
