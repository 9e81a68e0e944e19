"""
A network at two bits, corrected at low rank
============================================

The weights of a perceptron that reads digits are rounded to four levels. A low-rank term is added
to each layer: the plain SVD of what is missing, or EoRA, which spends its rank on the directions
that the inputs of the layer take. Neither looks at labels or takes a gradient.

The inputs of a trained layer lie near a few directions, so it matters where the rank is spent.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from subspace_learn.compression import EoRACompensator

X, y = load_digits(return_X_y=True)
ranks = [0, 1, 2, 4, 8, 16]
accuracy = {"svd": [], "eora": []}
full = []
for seed in range(4):
    X_train, X_test, y_train, y_test = train_test_split(
        X / 16, y, test_size=0.3, random_state=seed, stratify=y
    )
    network = MLPClassifier((128, 128), random_state=seed, max_iter=500, tol=1e-3)
    network = FrozenEstimator(network.fit(X_train, y_train))
    full.append(network.score(X_test, y_test))
    for method, rows in accuracy.items():
        models = [
            EoRACompensator(network, n_components=r, method=method).fit(X_train) for r in ranks
        ]
        rows.append([model.score(X_test, y_test) for model in models])

print(f"32 bits: {np.mean(full):.3f}, 2 bits: {np.mean(accuracy['svd'], axis=0)[0]:.3f}")
for method, rows in accuracy.items():
    print(f"rank 4, {method:4s}: {np.mean(rows, axis=0)[3]:.3f} ± {np.std(rows, axis=0)[3]:.3f}")

# %%
# What a rank costs
# -----------------
# A layer of 128 x 128 at rank 4 holds 4 (128 + 128) numbers more: at 16 bits each that is one bit a
# weight. Rounded to 8 levels instead, the same networks have:

three_bits = EoRACompensator(network, n_components=0, bits=3).fit(X_train).score(X_test, y_test)
print(f"3 bits, no correction, last seed: {three_bits:.3f}")

errors = EoRACompensator(network, n_components=4).fit(X_train).errors_
plain = EoRACompensator(network, n_components=4, method="svd").fit(X_train).errors_

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
styles = {"svd": ("#d55e00", "s--", "SVD"), "eora": ("#0072b2", "o-", "EoRA")}
for method, (color, mark, name) in styles.items():
    mean, spread = np.mean(accuracy[method], axis=0), np.std(accuracy[method], axis=0)
    left.errorbar(ranks, mean, spread, fmt=mark, color=color, capsize=3, label=f"2 bits and {name}")
left.axhline(np.mean(full), color="black", linewidth=1, label="not compressed")
left.set(xlabel="rank of each correction", ylabel="test accuracy, four seeds", title="Digits")
left.legend(loc="lower right")
layers = np.arange(3)
for shift, values, color, name in (
    (-0.25, errors[:, 0], "#999999", "2 bits"),
    (0, plain[:, 1], "#d55e00", "and SVD of rank 4"),
    (0.25, errors[:, 1], "#0072b2", "and EoRA of rank 4"),
):
    right.bar(layers + shift, values, 0.25, color=color, label=name)
right.set(
    xticks=layers,
    xticklabels=["64 to 128", "128 to 128", "128 to 10"],
    xlabel="layer",
    ylabel="RMS change of the outputs",
    title="One network, training rows",
    ylim=(0, 7),
)
right.legend()
plt.show()
