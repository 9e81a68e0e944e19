"""
Outliers of a Hessian
=====================

The second derivatives of a network's loss by its thousands of parameters: nearly all eigenvalues
are close to 0, and a few stand far out. How many depends on the data, not on the network: one less
than there are classes (Sagun et al. 2017).
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from subspace_learn.random_matrix import SpectralDensityDisplay, hessian_spectrum, mlp_hvp

X, y = load_digits(return_X_y=True)
X = X / 16


def spectrum(n_classes, width):
    """Of a perceptron on the first digits, stopped at half the loss of guessing."""
    rows = np.concatenate([np.flatnonzero(y == k)[:60] for k in range(n_classes)])
    network = MLPClassifier((width,), batch_size=50, learning_rate_init=0.003, random_state=0)
    loss = np.inf
    while loss > 0.5 * np.log(n_classes):
        loss = network.partial_fit(X[rows], y[rows], classes=np.arange(n_classes)).loss_
    # 3 times 60 products with the Hessian, which is never formed
    hvp, n = mlp_hvp(network, X[rows], y[rows])
    return hessian_spectrum(hvp, n, n_steps=60, n_probes=3, rng=0)


# %%
# Wider networks
# --------------
# Five classes, networks of 32 and 128 hidden units: four times the parameters scale the bulk around
# 0 and leave four outliers.

fig, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
for width in (32, 128):
    found = spectrum(5, width)
    label = f"{width} units, {found.n:,} parameters"
    SpectralDensityDisplay.from_spectrum(found, ax=axes[0], label=label)
axes[0].set_title("five classes")

# %%
# More classes
# ------------
# The same width, the first three and all ten digits: the number of outliers follows the data.

for n_classes in (3, 10):
    found = spectrum(n_classes, 64)
    print(f"{n_classes} classes: {found.outliers.size} outliers {found.outliers.round(2)}")
    SpectralDensityDisplay.from_spectrum(found, ax=axes[1], label=f"{n_classes} classes")
axes[1].set_title("64 units")
plt.show()

# %%
# All pixels are positive and so are the hidden units: each layer's input has one strong direction,
# and softmax sees it once for each class but one. Where nothing has a mean, centred pixels through
# tanh, the gap is blurred; it also fades when the loss is trained to nearly 0. The benchmarks count
# both.
