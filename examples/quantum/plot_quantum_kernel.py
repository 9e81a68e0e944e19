"""
What a quantum kernel sees, and what an RBF sees as well
========================================================

A quantum feature map turns a row into a state of a few qubits; two rows are as near as their states
overlap. Two pictures: on data that are made from the map itself it wins with few rows, and on a
real table it is best where it is hardly quantum.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

from subspace_learn.quantum import (
    QuantumKernel,
    VariationalQuantumClassifier,
    make_ad_hoc_quantum,
)

# %%
# Data made for the kernel
# ------------------------
# The label is the sign of a random observable of the state of the row. The kernel knows that space.
# An RBF machine has to learn it, and with more rows it does.

X, y = make_ad_hoc_quantum(3000, random_state=0)
test = slice(2000, 3000)
sizes = [40, 100, 250, 600, 1500]
rbf = GridSearchCV(SVC(), {"gamma": [0.3, 1, 3, 10, 30], "C": [1, 10, 100, 1000]}, cv=4)
curves = {"quantum kernel": [], "RBF, tuned": [], "trained circuit": []}
for n in sizes:
    kernel = make_pipeline(QuantumKernel(), SVC(kernel="precomputed", C=1e3))
    circuit = VariationalQuantumClassifier(depth=4, random_state=0)
    for name, model in zip(curves, (kernel, rbf, circuit), strict=True):
        curves[name].append(model.fit(X[:n], y[:n]).score(X[test], y[test]))
    print(n, {name: round(values[-1], 3) for name, values in curves.items()})

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
side = np.linspace(0, 2 * np.pi, 120)
plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
kernel = make_pipeline(QuantumKernel(), SVC(kernel="precomputed", C=1e3)).fit(X[:250], y[:250])
border = kernel.decision_function(plane).reshape(120, 120)
left.contourf(side, side, border, levels=[-9, 0, 9], colors=["#56B4E9", "#E69F00"], alpha=0.5)
for label, colour in ((-1, "#0072B2"), (1, "#D55E00")):
    left.scatter(*X[:250][y[:250] == label].T, s=8, color=colour)
left.set(xlabel="first angle (radians)", ylabel="second angle (radians)", title="250 rows, kernel")
for (name, values), style in zip(curves.items(), ("o-", "s-", "D:"), strict=True):
    right.semilogx(sizes, values, style, label=name, markersize=9 if name[0] == "q" else 5)
right.set(xlabel="training rows", ylabel="accuracy on 1,000 new rows", title="Made from the kernel")
right.legend(frameon=False)

# %%
# A real table
# ------------
# Breast cancer, five principal directions as angles. The smaller the scale, the more the kernel
# resembles an RBF. At scale 1, as published, most rows look unrelated.

scales = [0.01, 0.03, 0.1, 0.3, 0.6, 1.0]
cancer, kind = load_breast_cancer(return_X_y=True)
first = [StandardScaler(), PCA(5), MinMaxScaler((0, 2 * np.pi), clip=True)]
scores, overlaps = [], []
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it says that the kernel is nearly the identity
    for scale in scales:
        model = make_pipeline(*first, QuantumKernel(scale=scale), SVC(kernel="precomputed", C=10))
        scores.append(cross_val_score(model, cancer, kind, cv=5).mean())
        overlaps.append(model.fit(cancer, kind)[-2].mean_overlap_)
        print(f"scale {scale:4g}: accuracy {scores[-1]:.3f}, mean overlap {overlaps[-1]:.3f}")
plain = cross_val_score(make_pipeline(*first, SVC(C=10)), cancer, kind, cv=5).mean()
print(f"RBF on the same angles: {plain:.3f}")

figure, ax = plt.subplots(figsize=(5.5, 3.8), layout="constrained")
ax.semilogx(scales, scores, "o-", label="quantum kernel")
ax.semilogx(scales, overlaps, "s--", color="0.6", label="mean overlap of two rows")
ax.axhline(plain, color="#D55E00", label="RBF, same angles")
ax.set(xlabel="scale of the angles", ylabel="accuracy, five folds", title="Breast cancer")
ax.legend(frameon=False)
plt.show()
