"""
How many components?
====================

A table of 400 rows and 200 features holds three directions of signal. The share of variance that
components explain does not tell how many are real; the law of the eigenvalues of noise does. To
clean rows is another matter: what is too weak to be called a component still helps.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.model_selection import GridSearchCV

from subspace_learn import RandomMatrixFilter
from subspace_learn.datasets import make_spiked_samples
from subspace_learn.random_matrix import ScreeDisplay, ShrinkageDisplay, SpectrumDisplay

spikes = np.array([9.0, 4.0, 2.0])
X, basis = make_spiked_samples(400, 200, spikes=spikes, random_state=0, return_basis=True)
model = RandomMatrixFilter().fit(X)
print(f"spikes found: {model.n_components_}, noise variance {model.noise_variance_:.3f} (true: 1)")
for name, values in (
    ("sample", model.eigenvalues_[:3]),
    ("debiased", model.spikes_),
    ("true", spikes + 1),
):
    print(f"{name:>9}: {np.round(values, 2)}")
print(f"components for 90 % of the variance: {PCA(0.9).fit(X).n_components_}")

# %%
# The bulk of the eigenvalues keeps to the Marchenko-Pastur law, and three stand outside. At
# each eigenvalue on the right stands the chance that noise alone has one as large.

fig, pair = plt.subplots(1, 2, figsize=(10.5, 4.2), layout="constrained")
SpectrumDisplay.from_estimator(model, ax=pair[0])
ScreeDisplay.from_estimator(model, ax=pair[1])

# %%
# Sample eigenvalues are too large and sample directions tilted: the covariance is better with
# smaller ones. How much smaller depends on the loss.

ShrinkageDisplay.from_estimator(model)
truth = np.eye(200) + basis * spikes @ basis.T
for name, covariance in (
    ("sample", np.cov(X.T)),
    ("LedoitWolf", LedoitWolf().fit(X).covariance_),
    ("RandomMatrixFilter", model.covariance_),
):
    loss = np.linalg.norm(covariance - truth) / np.linalg.norm(truth)
    print(f"{name:>18}: relative error of the covariance {loss:.3f}")

# %%
# Rows of a real table: digits under noise whose strength nobody tells. Many faint directions hold a
# stroke each. A projection onto the directions that are certain drops them all; ``filter`` keeps of
# each direction the share that lies above the noise. Wiener's filter, three lines of NumPy, is told
# the strength here, and factor analysis finds its rank by cross-validated likelihood.

clean = load_digits().data
noisy = clean + 4 * np.random.default_rng(0).standard_normal(clean.shape)
mean, (values, V) = noisy.mean(axis=0), np.linalg.eigh(np.cov(noisy.T))
ranks = {"n_components": [5, 10, 15, 20, 30]}
factors = GridSearchCV(FactorAnalysis(), ranks, cv=3).fit(noisy).best_estimator_
with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # faint strokes stay in the bulk: it says so
    model = RandomMatrixFilter().fit(noisy)
    projection = RandomMatrixFilter(gain="projection").fit(noisy)
print(f"noise {model.noise_variance_**0.5:.2f} (true: 4), {model.n_components_} certain directions")
cleaned = {
    "noisy": noisy,
    "projection": projection.filter(noisy),
    "FactorAnalysis": factors.transform(noisy) @ factors.components_ + factors.mean_,
    "Wiener, told the noise": mean + (noisy - mean) @ V * np.clip(1 - 16 / values, 0, None) @ V.T,
    "RandomMatrixFilter": model.filter(noisy),
}
spread = np.linalg.norm(clean - clean.mean(axis=0))
fig, axes = plt.subplots(len(cleaned) + 1, 10, figsize=(8, 5.2), layout="constrained")
for row, (name, X) in zip(axes, {**cleaned, "truth": clean}.items(), strict=True):
    error = np.linalg.norm(X - clean) / spread
    print(f"{name:>22}: relative error {error:.3f}")
    for ax, digit in zip(row, X, strict=False):
        ax.imshow(digit.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
        ax.set(xticks=[], yticks=[])
    row[0].set_ylabel(f"{name}\n{error:.2f}", rotation=0, ha="right", va="center", fontsize=8)
plt.show()
