"""
Classes as subspaces of learnt features
=======================================

The last layer of a net holds one vector for each class. Replaced by a subspace of dimension k, it
leaves the features of a class room to differ. The authors of this idea find that accuracy grows
with k up to about 8, and so does the angle between features of the same class. Here the same
question on digits, at a size that takes seconds.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from subspace_learn.deep import DeepClassifier, GrassmannNetClassifier
from subspace_learn.grassmann import principal_angles

X, y = load_digits(return_X_y=True)
DIMENSIONS = (1, 2, 4, 8, 16)
SEEDS = range(4)
TRAINING = {"max_epochs": 40, "lr": 0.05}

# %%
# The same net with a linear last layer
# -------------------------------------


class LinearHead(torch.nn.Module):
    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.features = torch.nn.Sequential(
            torch.nn.Linear(n_features, 128), torch.nn.ReLU(), torch.nn.Linear(128, 64)
        )
        self.head = torch.nn.Linear(64, n_outputs)

    def forward(self, X):
        return self.head(self.features(X))


def split(seed):
    """Standardised rows, 60 % of them for training."""
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.4, random_state=seed, stratify=y
    )
    scaler = StandardScaler().fit(X_train)
    return scaler.transform(X_train), scaler.transform(X_test), y_train, y_test


def intra_class_angle(features, labels):
    """Mean angle, in degrees, between the lines through two features of the same class."""
    means = []
    for label in np.unique(labels):
        rows = features[labels == label]
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        cosines = np.abs(rows @ rows.T)[np.triu_indices(len(rows), 1)]
        means.append(np.degrees(np.arccos(np.clip(cosines, 0, 1))).mean())
    return np.mean(means)


# %%
# Accuracy and angles against the dimension
# -----------------------------------------
# Medians of four splits. The head does not know a feature from its negative, so angles are between
# lines.

accuracy = np.empty((len(DIMENSIONS) + 1, len(SEEDS)))
angle = np.empty_like(accuracy)
fits = {}
for j, seed in enumerate(SEEDS):
    X_train, X_test, y_train, y_test = split(seed)
    linear = DeepClassifier(
        LinearHead,
        optimizer="sgd",
        net_params={"optimizer__momentum": 0.9},
        random_state=seed,
        **TRAINING,
    ).fit(X_train, y_train)
    with torch.no_grad():
        rows = torch.tensor(X_test, dtype=torch.float32)
        features = linear.module_.features(rows).numpy()
    accuracy[-1, j] = linear.score(X_test, y_test)
    angle[-1, j] = intra_class_angle(features, y_test)
    for i, k in enumerate(DIMENSIONS):
        fits[k] = GrassmannNetClassifier(subspace_dim=k, random_state=seed, **TRAINING)
        fits[k].fit(X_train, y_train)
        accuracy[i, j] = fits[k].score(X_test, y_test)
        angle[i, j] = intra_class_angle(fits[k].transform(X_test), y_test)

for name, a, b in zip((*DIMENSIONS, "linear"), accuracy, angle, strict=True):
    print(f"k={name!s:7s} accuracy {np.median(a):.4f} [{a.min():.4f}, {a.max():.4f}], ", end="")
    print(f"angle {np.median(b):.1f} [{b.min():.1f}, {b.max():.1f}]")

# %%
# With one dimension the head is worse than a linear one; from four on it is as good, and the
# difference is far below that between splits. The angles within classes grow from k = 2 on. The
# linear head, which does not fix the lengths of features, leaves larger ones. Lines of different
# classes are driven to right angles; the larger the subspaces, the less room for that is left
# in the 64 dimensions of the features.

BLUE, GREY = "#0072B2", "0.5"
fig, axes = plt.subplots(1, 3, figsize=(10.5, 3.6), layout="constrained")
titles = ("test accuracy", "angle within classes (degrees)")
for ax, values, label in zip(axes, (accuracy, angle), titles, strict=False):
    middle = np.median(values, axis=1)
    ax.plot(DIMENSIONS, middle[:-1], "o-", color=BLUE, label="subspaces")
    ax.fill_between(DIMENSIONS, *np.quantile(values[:-1], [0, 1], axis=1), color=BLUE, alpha=0.15)
    ax.axhline(middle[-1], color=GREY, linestyle="--", label="linear head")
    ax.set(ylabel=label)
    ax.legend()


def smallest_angles(S):
    """Smallest principal angle between the subspaces of each two classes, in degrees."""
    first, second = np.triu_indices(len(S), 1)
    return np.degrees(principal_angles(S[first], S[second])[:, 0])


pairs = [smallest_angles(fits[k].subspaces_) for k in DIMENSIONS]
axes[2].boxplot(pairs, positions=np.log2(DIMENSIONS), widths=0.4)
axes[2].set(ylabel="angle between classes (degrees)", ylim=(0, 92))
axes[2].set_xticks(np.log2(DIMENSIONS), DIMENSIONS)
for ax in axes[:2]:
    ax.set_xscale("log", base=2)
    ax.set_xticks(DIMENSIONS, DIMENSIONS)
for ax in axes:
    ax.set(xlabel="dimension k of a class")
plt.show()
