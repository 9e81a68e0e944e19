"""
Two bits for each weight of a torch net
=======================================

The linear layers of a net that reads digits are rounded to four levels. A correction of low rank is
added to each: the plain SVD of what is missing, or EoRA, which spends its rank on what the inputs
of the layer need (:func:`~subspace_learn.deep.compensated`). Neither looks at labels; then the
corrections are trained for a few epochs, which does.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from subspace_learn.deep import CompensatedLinear, DeepClassifier, compensated

X, y = load_digits(return_X_y=True)
X = X.astype("float32")  # nets have the precision of their rows
RANKS, SEEDS = [0, 1, 2, 4, 8, 16], range(4)
accuracy = {"svd": [], "eora": [], "eora, trained on": []}
full = []
for seed in SEEDS:
    X_train, X_test, y_train, y_test = train_test_split(
        X / 16, y, test_size=0.3, stratify=y, random_state=seed
    )
    net = DeepClassifier(
        module__hidden_layer_sizes=(128, 128), lr=0.003, max_epochs=30, random_state=seed
    ).fit(X_train, y_train)
    full.append(net.score(X_test, y_test))
    for curve in accuracy.values():
        curve.append([])
    for rank in RANKS:
        for method in ("svd", "eora"):
            small = compensated(net, X_train, n_components=rank, method=method)
            accuracy[method][-1].append(small.score(X_test, y_test))
        for _ in range(5):  # from the corrections of EoRA
            small.partial_fit(X_train, y_train)
        accuracy["eora, trained on"][-1].append(small.score(X_test, y_test))

print(f"32 bits: {np.mean(full):.3f}, 2 bits: {np.mean(accuracy['svd'], axis=0)[0]:.3f}")
for name, scores in accuracy.items():
    mean, spread = np.mean(scores, axis=0)[3], np.std(scores, axis=0)[3]
    print(f"rank 4, {name:17s} {mean:.3f} ± {spread:.3f}")

# %%
# The change of the outputs of each layer on the training rows is kept with it.

small = compensated(net, X_train, n_components=4)
for name, part in small.module_.named_modules():
    if isinstance(part, CompensatedLinear):
        before, after = part.errors
        print(f"{name}: {before:.2f} by rounding, {after:.2f} after the correction")

fig, ax = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
styles = {
    "svd": ("#d55e00", "s--", "2 bits and SVD"),
    "eora": ("#0072b2", "o-", "2 bits and EoRA"),
    "eora, trained on": ("#009e73", "^:", "and five epochs of training"),
}
for name, (color, mark, label) in styles.items():
    mean, spread = np.mean(accuracy[name], axis=0), np.std(accuracy[name], axis=0)
    ax.errorbar(RANKS, mean, spread, fmt=mark, color=color, capsize=3, label=label)
ax.axhline(np.mean(full), color="black", linewidth=1, label="not compressed")
ax.set(xlabel="rank of each correction", ylabel="test accuracy, four seeds", title="Digits")
ax.legend(loc="lower right")
plt.show()
