"""
How many snapshots does self-calibration need?
==============================================

Unknown gains of m sensors and unknown signals can be told apart if there are at least as many
equations as unknowns. That is necessary. Is it enough? Success over the number of atoms n and of
snapshots p, without noise, for the two kinds of counting.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np

from subspace_learn import SelfCalibrationLS

M, DRAWS = 16, 4
SNAPSHOTS = np.arange(1, 9)
ATOMS = np.arange(1, 24, 2)
warnings.simplefilter("ignore", UserWarning)  # below the bound each fit says so: that is the point


def gaussian(rng, *shape):
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def error(estimate, truth):
    factor = np.vdot(estimate, truth) / np.vdot(estimate, estimate)
    return np.linalg.norm(factor * estimate - truth) / np.linalg.norm(truth)


def succeeds(model, n, p, seed):
    """One random instrument: are its gains found to 1e-6?"""
    rng = np.random.default_rng([n, p, seed])
    gains = rng.uniform(0.5, 1.5, M) * np.exp(2j * np.pi * rng.uniform(size=M))
    A = gaussian(rng, p, M, n)
    x = gaussian(rng, n) if model == "repeated" else gaussian(rng, p, n)
    signals = A @ x if model == "repeated" else (A @ x[:, :, None])[:, :, 0]
    found = SelfCalibrationLS(model, method="svd", sensing=A).fit(gains * signals)
    return error(found.gains_, gains) < 1e-6, found.null_dim_ == 1


# %%
# White is success in every draw. The line is the count: p m = m + n - 1 for one signal seen again
# and again ("repeated"), p (m - n) = m - 1 for a signal of its own in each snapshot ("diverse").

fig, axes = plt.subplots(1, 2, figsize=(9.5, 4.4), layout="constrained", sharey=True)
for ax, model in zip(axes, ("repeated", "diverse"), strict=True):
    rate, agree = np.zeros((len(SNAPSHOTS), len(ATOMS))), True
    for i, p in enumerate(SNAPSHOTS):
        for j, n in enumerate(ATOMS):
            results = [succeeds(model, n, p, seed) for seed in range(DRAWS)]
            rate[i, j] = np.mean([found for found, _ in results])
            agree = agree and all(found == single for found, single in results)
    edges = [
        np.append(values - step / 2, values[-1] + step / 2)
        for values, step in ((ATOMS, 2), (SNAPSHOTS, 1))
    ]
    image = ax.pcolormesh(*edges, rate, cmap="gray", vmin=0, vmax=1)
    p = np.linspace(1, 8.5, 400)
    bound = (p - 1) * M + 1 if model == "repeated" else M - (M - 1) / p
    ax.plot(bound, p, color="#D55E00", linewidth=2, label="equations = unknowns")
    ax.set(xlim=edges[0][[0, -1]], ylim=edges[1][[0, -1]], xlabel="atoms n", title=f'"{model}"')
    print(f"{model}: null_dim_ == 1 in every success and in no failure: {agree}")
axes[0].set_ylabel("snapshots p")
axes[1].legend(loc="upper right")
fig.colorbar(image, ax=axes, label=f"share of {DRAWS} draws with gains to 1e-6")
fig.suptitle(f"{M} sensors, Gaussian maps, no noise")
plt.show()

# %%
# Success begins where counting allows it, and ``null_dim_`` says on which side one is, without
# knowing the truth. With noise the number of snapshots should be well above the line: the gap
# between the two smallest singular values, ``smallest_singular_gap_``, is what the noise has to
# stay below.
