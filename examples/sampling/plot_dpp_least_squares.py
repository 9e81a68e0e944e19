"""
Which points to measure before fitting a polynomial
===================================================

A curve is to be fitted by a polynomial of degree 9, ten coefficients, and every measurement is
expensive. Where to measure, how often, and with which weights to fit? Compared are uniform points,
independent points from the optimal law, and points of repeated determinantal point processes
(DPP), with 20 measurements each: two per coefficient.
"""

import matplotlib.pyplot as plt
import numpy as np

from subspace_learn import DPPLeastSquares
from subspace_learn.sampling import DesignDisplay, ProductBasis

X = ((np.arange(4000) + 0.5) / 2000 - 1)[:, None]


def curve(X):
    return 1 / (1 + 5 * X[:, 0] ** 2)


y = curve(X)
basis = ProductBasis("legendre", degree=9, domain=(-1, 1))

# %%
# A design, before any label exists
# ---------------------------------
# ``design`` names the rows to measure and the weights of the fit. Rows are drawn more densely at
# the ends, where the Christoffel function is small: there a polynomial is hard to predict, and
# each row gets a smaller weight in return.

model = DPPLeastSquares(basis, random_state=0)
rows, weights = model.design(X)
print(
    f"{len(rows)} rows to measure, condition number of the Gram matrix {model.gram_condition_:.1f}"
)
DesignDisplay.from_estimator(model, X)
plt.show()

# %%
# Measure there, and nowhere else; every other label stays NaN.

labels = np.full(len(X), np.nan)
labels[rows] = curve(X[rows])
model.fit(X, labels)
print(f"largest error {np.abs(model.predict(X) - y).max():.3f}")

# %%
# How much of this is luck?
# -------------------------
# The same 100 times for each way of choosing: the error over that of the best polynomial, which
# nobody can beat. Uniform points are often poor and sometimes a disaster; two DPPs were
# within a factor of four each time.

Phi = basis.fit_transform(X)
best = np.sqrt(np.mean((y - Phi @ np.linalg.lstsq(Phi, y, rcond=None)[0]) ** 2))
schemes = {
    "uniform": "uniform",
    "christoffel": "independent,\noptimal law",
    "volume": "volume\nsampling",
    "repeated_dpp": "repeated\nDPP",
}
ratios = {}
for scheme, label in schemes.items():
    errors = []
    for seed in range(100):
        fit = DPPLeastSquares(basis, sampling=scheme, random_state=seed).fit(X, y)
        errors.append(np.sqrt(np.mean((fit.predict(X) - y) ** 2)) / best)
    ratios[label] = np.array(errors)
    print(f"{scheme:14s} median {np.median(errors):7.2f}   worst of 100 {np.max(errors):10.2f}")

_, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
rng = np.random.default_rng(0)
for place, values in enumerate(ratios.values()):
    spread = place + rng.uniform(-0.25, 0.25, len(values))
    ax.plot(spread, values, ".", color="#0072B2", alpha=0.4, markersize=5)
    ax.plot([place - 0.3, place + 0.3], [np.median(values)] * 2, color="#D55E00", linewidth=2)
ax.set(
    yscale="log",
    xticks=range(len(ratios)),
    xticklabels=ratios,
    ylabel="error / error of the best polynomial",
    title="20 measurements, 10 coefficients; line: median of 100 draws",
)
plt.show()

# %%
# Points in the plane, from the basis itself
# ------------------------------------------
# Without a table of candidates ``design_points`` draws from the domain. An oracle, any function of
# one row, is then asked point by point.

plane = DPPLeastSquares(ProductBasis("legendre", degree=6), random_state=0)
points, weights = plane.design_points(domain=[[-1, 1], [-1, 1]])
plane.fit(points, lambda row: np.exp(row[0, 0]) * np.cos(2 * row[0, 1]))
grid = rng.uniform(-1, 1, size=(5000, 2))
gap = plane.predict(grid) - np.exp(grid[:, 0]) * np.cos(2 * grid[:, 1])
print(
    f"{len(points)} evaluations for {plane.coef_.size + 1} coefficients, largest error "
    f"{np.abs(gap).max():.1e}"
)

pool = DPPLeastSquares(ProductBasis("legendre", degree=6, domain=(-1, 1)), random_state=0)
pool.design(grid)
DesignDisplay.from_estimator(pool, grid)
plt.show()
