"""
A network's layers before and after training
============================================

The eigenvalues of the weights of a trained layer have a tail that those of random weights lack. How
heavy it is depends on the shape of the layer as much as on the training, unless eigenvalues are
pooled over windows of one shape. A perceptron on digits, before and after.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from subspace_learn.random_matrix import HeavyTailSpectrum

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
settings = {"hidden_layer_sizes": (512, 128), "random_state": 0}


def trained(labels, max_iter=150, **options):
    """A perceptron, stopped after ``max_iter`` epochs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return MLPClassifier(max_iter=max_iter, **settings, **options).fit(X_train, labels)


# One epoch of steps that move nothing leaves the weights where they were drawn.
shuffled = np.random.default_rng(0).permutation(y_train)
networks = {
    "before": trained(y_train, 1, solver="sgd", learning_rate_init=1e-12),
    "trained": trained(y_train),
    "trained on shuffled labels": trained(shuffled),
}

# %%
# Exponents
# ---------
# One window shape, 64 x 64, for the two layers that hold it. Beside each exponent stands the
# distance of the tail to a power law: above about 0.1 it is none, and the exponent only a number.

layers = {}
for name, network in networks.items():
    layers[name] = HeavyTailSpectrum(64).fit(network.coefs_[:2])
    shapes = [" x ".join(map(str, shape)) for shape in layers[name].shapes_]
    cells = [
        f"{shape}: exponent {alpha:.2f} (distance {distance:.2f})"
        for shape, alpha, distance in zip(
            shapes, layers[name].alpha_, layers[name].goodness_, strict=True
        )
    ]
    score = network.score(X_test, y_test)
    print(f"{name:28s} accuracy {score:.2f}; " + "; ".join(cells))

# %%
# The spectra themselves
# ----------------------
# Eigenvalues over their mean: the share of those above each value. A straight line would be a power
# law. The random weights end at a sharp edge; training pulls a few eigenvalues far out of it, by
# true labels and by shuffled ones: the tail tells that something was learnt, not that it
# generalises.

fig, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained", sharey=True)
styles = {"before": ("0.4", ":"), "trained": ("#0072B2", "-")}
styles["trained on shuffled labels"] = ("#D55E00", "--")
for layer, ax in enumerate(axes):
    for name, (colour, line) in styles.items():
        values = layers[name].eigenvalues_[layer]
        above = 1 - np.arange(len(values)) / len(values)
        ax.loglog(values / values.mean(), above, color=colour, linestyle=line, label=name)
    rows, columns = layers["trained"].shapes_[layer]
    ax.set(xlabel="eigenvalue over the mean", title=f"layer {layer + 1}, {rows} x {columns}")
    ax.set_xlim(left=1e-2)
axes[0].set_ylabel("share above")
axes[0].legend()
plt.show()
