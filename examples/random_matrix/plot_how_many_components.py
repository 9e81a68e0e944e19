"""
How many components?
====================

A table of 400 rows and 200 features holds three directions of signal. The share of variance that
components explain does not tell how many are real; the law of the eigenvalues of noise does.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA

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
plt.show()
