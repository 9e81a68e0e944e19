"""
What a layer looks at: Eigen-CAM on photographs
===============================================

A small convolutional net learns to read a digit that was written somewhere into a photograph, in
black or in white. It is never told where. Does a layer of it know?
:class:`~subspace_learn.deep.EigenCAM` maps the leading direction of the activations of a layer,
without class or gradient. Two baselines: the plain mean of the channels, and the brightness of the
image itself.

Digits and photographs of the test were not seen in training: the left halves of the photographs
serve for one, the right halves for the other.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits, load_sample_images
from sklearn.model_selection import train_test_split

from subspace_learn.deep import DeepClassifier, EigenCAM, EigenCAMDisplay

SIDE, DIGIT, SEED = 40, 16, 0
photographs = [photo.mean(axis=2) / 255 for photo in load_sample_images().images]
digits, labels = load_digits(return_X_y=True)
digits = digits.reshape(-1, 8, 8).repeat(2, axis=1).repeat(2, axis=2) / 16


def scenes(digits, part, rng):
    """Crops of photographs with a digit in black or white ink, and the corner where it lies."""
    images = np.empty((len(digits), SIDE, SIDE))
    corners = rng.integers(0, SIDE - DIGIT + 1, (len(digits), 2))
    for image, digit, (row, column) in zip(images, digits, corners, strict=True):
        photo = photographs[rng.integers(len(photographs))]
        half = photo[:, part * photo.shape[1] // 2 :][:, : photo.shape[1] // 2]
        i, j = (rng.integers(0, n - SIDE + 1) for n in half.shape)
        image[:] = half[i : i + SIDE, j : j + SIDE]
        box = image[row : row + DIGIT, column : column + DIGIT]
        box += digit * (rng.integers(2) - box)
    return images, corners


rng = np.random.default_rng(SEED)
train, test, y, y_test = train_test_split(digits, labels, test_size=300, random_state=SEED)
train, y = np.concatenate([train, train]), np.concatenate([y, y])  # each digit in two places
X, _ = scenes(train, 0, rng)
X_test, corners = scenes(test, 1, rng)

# %%
# The net
# -------


class ConvNet(torch.nn.Sequential):
    def __init__(self, n_outputs, channels=16):
        super().__init__()
        self.append(torch.nn.Unflatten(1, (1, SIDE, SIDE)))
        for i, n_in in enumerate((1, channels, channels)):
            self.add_module(f"conv{i + 1}", torch.nn.Conv2d(n_in, channels, 5, padding=2))
            self.add_module(f"norm{i + 1}", torch.nn.BatchNorm2d(channels))
            self.add_module(f"relu{i + 1}", torch.nn.ReLU())
            if i < 2:
                self.add_module(f"pool{i + 1}", torch.nn.MaxPool2d(2))
        self.add_module("anywhere", torch.nn.AdaptiveMaxPool2d(1))
        self.add_module("flat", torch.nn.Flatten())
        self.add_module("last", torch.nn.Linear(channels, n_outputs))


rows, rows_test = X.reshape(len(X), -1), X_test.reshape(len(X_test), -1)
clf = DeepClassifier(ConvNet, lr=0.005, max_epochs=15, random_state=SEED).fit(rows, y)
print(f"digits read on new photographs: {clf.score(rows_test, y_test):.2f} (chance 0.10)")

# %%
# Where are the layers active?
# ----------------------------
# A map points right if its peak lies in the square of the digit.


def inside(maps):
    """Share of the maps whose peak lies on the digit."""
    peaks = np.stack(np.unravel_index(maps.reshape(len(maps), -1).argmax(axis=1), (SIDE, SIDE)))
    offset = peaks.T - corners
    return np.mean(((offset >= 0) & (offset < DIGIT)).all(axis=1))


layers = ("relu1", "relu2", "relu3")
cams = {
    (method, layer): EigenCAM(clf, layer, method=method, size=(SIDE, SIDE)).fit(rows_test)
    for method in ("eigen", "mean")
    for layer in layers
}
points = {key: inside(cam.transform(rows_test)) for key, cam in cams.items()}
points["brightness"] = inside(X_test)
chance = (DIGIT / SIDE) ** 2
for key, share in points.items():
    print(f"{' of '.join(key) if isinstance(key, tuple) else key:15s} {share:.2f}")

# %%
# The deeper the layer, the better it knows where the digit is, though the labels never said so. The
# plain mean of the channels knows as much: over four seeds neither was better in the last layer.
#
# The picture
# -----------

fig = plt.figure(figsize=(12, 7), layout="constrained")
above, below = fig.subfigures(2, 1, height_ratios=(1.25, 1))
shown = 4
for ax, layer in zip(above.subplots(1, 3), layers, strict=True):
    EigenCAMDisplay.from_estimator(
        cams["eigen", layer], rows_test[[shown]], image=X_test[shown], ax=ax
    )
    corner = corners[shown][::-1] - 0.5
    ax.add_patch(plt.Rectangle(corner, DIGIT, DIGIT, fill=False, edgecolor="#d55e00", linewidth=2))
    ax.set_title(f"Eigen-CAM of {layer}")
ax = below.subplots()
places = np.arange(3)
for shift, method, colour in ((-0.2, "eigen", "#0072b2"), (0.2, "mean", "#e69f00")):
    name = {"eigen": "Eigen-CAM", "mean": "mean activation"}[method]
    shares = [points[method, layer] for layer in layers]
    ax.bar(places + shift, shares, 0.36, color=colour, label=name)
ax.axhline(points["brightness"], color="black", linestyle="--", label="brightest pixel")
ax.axhline(chance, color="black", linestyle=":", label="chance")
ax.set(xticks=places, xticklabels=layers, ylim=(0, 1.02), ylabel="peak on the digit, share")
ax.set_xlabel("layer, from the first to the last")
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()
