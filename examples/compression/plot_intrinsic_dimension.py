"""
How many numbers does a problem need?
=====================================

A perceptron for digits has thousands of parameters. Train it along a random subspace of d of them,
start and subspace fixed by a seed, and watch how the accuracy grows with d: it reaches 90 % of that
of full training near d = 100, for a network three times as large as well.

Digits with shuffled labels can only be learnt by heart: there the training accuracy needs
far more dimensions.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from subspace_learn.compression import RandomSubspaceClassifier, intrinsic_dimension

warnings.simplefilter("ignore", ConvergenceWarning)  # one budget for all dimensions, on purpose

X, y = load_digits(return_X_y=True)
X = X / 16
dims = [5, 10, 20, 40, 80, 120, 160]
curves = {}
for hidden in ((), (32,), (100,)):
    model = RandomSubspaceClassifier(hidden, max_iter=100)
    found = intrinsic_dimension(model, X, y, dims=dims, n_repeats=2)
    n = sum((a + 1) * b for a, b in zip((64, *hidden), (*hidden, 10), strict=True))
    name = f"{hidden[0]} hidden units" if hidden else "softmax regression"
    curves[f"{name}, {n:,} parameters"] = found
    print(
        f"{name}: full training {np.median(found.baseline):.3f}, "
        f"90 % of it from d = {found.dimension} on"
    )

# %%
# Learning by heart
# -----------------
# Training accuracy on 300 rows, with their labels and with shuffled ones.

rng = np.random.default_rng(0)
rows = rng.permutation(len(y))[:300]
by_heart = {}
for name, labels in (("labels", y[rows]), ("shuffled labels", rng.permutation(y[rows]))):
    by_heart[name] = [
        RandomSubspaceClassifier((32,), n_components=d, max_iter=150, random_state=0)
        .fit(X[rows], labels)
        .score(X[rows], labels)
        for d in dims
    ]
    print(f"{name:16s}: " + ", ".join(f"{a:.2f}" for a in by_heart[name]))

fig, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4.2), layout="constrained")
for (name, found), color, mark in zip(
    curves.items(), ("#009e73", "#0072b2", "#d55e00"), ("^:", "o-", "s--"), strict=True
):
    share = found.scores / np.median(found.baseline)
    left.plot(dims, np.median(share, axis=1), mark, color=color, label=name)
left.axhline(0.9, color="black", linewidth=1)
left.text(3, 0.915, "threshold")
left.set(
    xlabel="dimension of the subspace",
    ylabel="accuracy over that of full training",
    title="Digits, held-out rows",
    ylim=(0, 1.05),
)
left.legend(loc="lower right")
for (name, values), color, mark in zip(
    by_heart.items(), ("#0072b2", "#cc79a7"), ("o-", "D--"), strict=True
):
    right.plot(dims, values, mark, color=color, label=name)
right.set(
    xlabel="dimension of the subspace",
    ylabel="training accuracy",
    title="300 rows, 32 hidden units",
    ylim=(0, 1.05),
)
right.legend()
plt.show()
