"""
A code whose directions mean something: an isometric decoder
============================================================

An autoencoder finds a code of eight numbers for images of digits. To read what the code means, one
moves along an axis of it and looks at what the decoder draws. The linear layer at the start of an
ordinary decoder stretches some directions of the code and shrinks others, as training had it. A
:class:`~subspace_learn.deep.HouseholderLinear` layer is an isometry, exactly, at every step of
training: equal steps of the code stay equal, and axes at right angles stay so.

The layer is put into a trained net, by its singular vectors, and the net is trained on; an ordinary
net that is trained as long is the yardstick. Then a chain of such layers, where isometry pays.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from subspace_learn.deep import DeepClassifier, DeepTransformer, HouseholderLinear

X, y = load_digits(return_X_y=True)
X = X.astype("float32")  # nets have the precision of their rows
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, test_size=0.4, random_state=0)
CODE, LATENT = 8, 32
TRAINING = {"lr": 0.003, "max_epochs": 60, "random_state": 0, "warm_start": True}


class Coder(torch.nn.Module):
    """Code of 8 numbers, 32 linear features of it, then a hidden layer and 64 pixels."""

    def __init__(self, n_features):
        super().__init__()
        self.encoder = torch.nn.Sequential(
            torch.nn.Linear(n_features, 64), torch.nn.Tanh(), torch.nn.Linear(64, CODE)
        )
        self.first = torch.nn.Linear(CODE, LATENT)
        self.rest = torch.nn.Sequential(
            torch.nn.Tanh(), torch.nn.Linear(LATENT, 64), torch.nn.Tanh(), torch.nn.Linear(64, 64)
        )

    def encode(self, X):
        return self.encoder(X)

    def decode(self, codes):
        return self.rest(self.first(codes))

    def forward(self, X):
        return self.decode(self.encode(X))


class IsometricCoder(Coder):
    """The same after surgery: all of a trained net, but its layer ``first`` made isometric."""

    def __init__(self, n_features, trained):
        super().__init__(n_features)
        self.load_state_dict(trained)
        self.first = HouseholderLinear.from_linear(self.first)


def error(coder):
    """Share of the variance of new images that is lost."""
    rest = X_test - coder.inverse_transform(coder.transform(X_test))
    return np.sum(rest**2) / np.sum((X_test - X_train.mean(axis=0)) ** 2)


def singular_values(coder):
    return np.linalg.svd(coder.module_.first.weight.detach().numpy(), compute_uv=False)


plain = DeepTransformer(Coder, **TRAINING).fit(X_train)
errors = {"trained": error(plain)}
isometric = DeepTransformer(IsometricCoder, module__trained=plain.module_.state_dict(), **TRAINING)
errors["after surgery, one epoch"] = error(isometric.partial_fit(X_train))
isometric.fit(X_train)
errors["isometric, trained on"] = error(isometric)
errors["ordinary, trained on"] = error(plain.fit(X_train))
for name, value in errors.items():
    print(f"{name:26s} {value:.3f} of the variance lost")
values = {"ordinary": singular_values(plain), "isometric": singular_values(isometric)}
for name, s in values.items():
    print(f"{name:10s} singular values {s.min():.6f} to {s.max():.6f}")

# %%
# The layer gives up all its singular values, and the net makes up for them elsewhere: the loss is
# that of the ordinary net.
#
# Many layers, one after the other
# --------------------------------
# Signals and gradients keep their lengths in a chain of isometries, which is what lets it learn at
# all. 24 layers with tanh between them are given the pixels of digits. An orthogonal matrix at the
# start is the simple remedy, and enough as long as the steps are short: nothing holds it there.


def layer(kind, size):
    if kind == "isometric":
        return HouseholderLinear(size, size)
    linear = torch.nn.Linear(size, size)
    if kind == "orthogonal at first":
        torch.nn.init.orthogonal_(linear.weight)
        torch.nn.init.zeros_(linear.bias)
    return linear


class Chain(torch.nn.Sequential):
    def __init__(self, n_features, n_outputs, kind):
        pairs = ((layer(kind, n_features), torch.nn.Tanh()) for _ in range(24))
        parts = [part for pair in pairs for part in pair]
        super().__init__(*parts, torch.nn.Linear(n_features, n_outputs))


scaler = StandardScaler().fit(X_train)
rates = [3e-4, 1e-3, 3e-3, 1e-2]
accuracy = {
    kind: [
        DeepClassifier(Chain, module__kind=kind, lr=rate, max_epochs=10, random_state=0)
        .fit(scaler.transform(X_train), y_train)
        .score(scaler.transform(X_test), y_test)
        for rate in rates
    ]
    for kind in ("ordinary", "orthogonal at first", "isometric")
}
for kind, scores in accuracy.items():
    print(
        f"{kind:20s}",
        *(f"{score:.2f} at {rate:g}" for score, rate in zip(scores, rates, strict=True)),
        sep="  ",
    )

# %%
# The ordinary chain learns nothing. With short steps an orthogonal start is enough, and at its best
# rate better than layers that are held; with long steps it is lost, and they are not.
#
# The pictures
# ------------

fig = plt.figure(figsize=(12, 4), layout="constrained")
left, middle, right = fig.subfigures(1, 3, width_ratios=(1.5, 1, 1))
codes = isometric.transform(X_train)
steps = np.linspace(-2, 2, 9)
axes_of_code = np.eye(CODE)[:4]
for row, axis in zip(left.subplots(4, len(steps)), axes_of_code, strict=True):
    moved = codes.mean(axis=0) + steps[:, None] * axis * codes.std()
    for ax, image in zip(row, isometric.inverse_transform(moved), strict=True):
        ax.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
left.suptitle("Steps of half a deviation along four axes of the code")
ax = middle.subplots()
for name, colour, mark in (("ordinary", "#d55e00", "s--"), ("isometric", "#0072b2", "o-")):
    ax.plot(np.arange(1, CODE + 1), values[name], mark, color=colour, label=name)
ax.set(xlabel="singular value of the layer", ylabel="size", ylim=(0, None), title="Layer")
ax.legend()
ax = right.subplots()
for (kind, scores), colour, mark in zip(
    accuracy.items(), ("#d55e00", "#009e73", "#0072b2"), ("s--", "^:", "o-"), strict=True
):
    ax.semilogx(rates, scores, mark, color=colour, label=kind)
ax.set(xlabel="learning rate", ylabel="test accuracy", ylim=(0, 1), title="Chain of 24 layers")
ax.legend()
plt.show()
