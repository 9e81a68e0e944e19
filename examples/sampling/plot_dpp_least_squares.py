"""
Which points to measure before fitting a polynomial
===================================================

A curve is to be fitted by a polynomial of degree 9, ten coefficients, and every measurement is
expensive. Where to measure, how often, and with which weights to fit? Compared are uniform points,
independent points from the optimal law, and points of repeated determinantal point processes
(DPP), with 20 measurements each: two per coefficient. At the end the labels are noisy, and there a
penalty matters more than the rows.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.preprocessing import StandardScaler

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
# The same 100 times for each way of choosing, without a penalty: the error over that of the best
# polynomial, which nobody can beat. Uniform points are often poor and sometimes a disaster.
# ``DPPLeastSquares`` as it comes draws 20 designs of two DPPs each and takes the one whose fit
# varies least; no measurement is needed to tell.

Phi = basis.fit_transform(X)
best = np.sqrt(np.mean((y - Phi @ np.linalg.lstsq(Phi, y, rcond=None)[0]) ** 2))
schemes = {
    "uniform": {"sampling": "uniform", "alpha": 0},
    "independent,\noptimal law": {"sampling": "christoffel", "alpha": 0},
    "volume\nsampling": {"sampling": "volume", "alpha": 0},
    "repeated DPP,\nfirst design": {"n_candidates": 1, "alpha": 0},
    "DPPLeastSquares()": {},
}


def strips(ratios, label, title):
    """One strip of points and its median for each way."""
    _, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
    rng = np.random.default_rng(0)
    for place, values in enumerate(ratios.values()):
        spread = place + rng.uniform(-0.25, 0.25, len(values))
        ax.plot(spread, values, ".", color="#0072B2", alpha=0.4, markersize=5)
        ax.plot([place - 0.3, place + 0.3], [np.median(values)] * 2, color="#D55E00", linewidth=2)
    ax.set(yscale="log", ylabel=label, title=title)
    ax.set_xticks(range(len(ratios)), ratios, fontsize=8)
    plt.show()


ratios = {}
for label, settings in schemes.items():
    errors = []
    for seed in range(100):
        fit = DPPLeastSquares(basis, random_state=seed, **settings).fit(X, y)
        errors.append(np.sqrt(np.mean((fit.predict(X) - y) ** 2)) / best)
    ratios[label] = np.array(errors)
    name = label.replace("\n", " ")
    print(f"{name:28s} median {np.median(errors):7.2f}   worst of 100 {np.max(errors):10.2f}")
strips(
    ratios,
    "error / error of the best polynomial",
    "20 measurements, 10 coefficients; line: median of 100 draws",
)

# %%
# Noisy labels
# ------------
# How diabetes progresses says little about how it will in the next patient: half of the variance is
# noise. Of 442 patients 22 are followed, two per coefficient. The penalty of a ridge, chosen by
# leaving one of the 22 out, now gains more than any choice of patients. Rows that are each farthest
# from those before, in standardised columns, are as good as ours with the same penalty.

patients, progression = load_diabetes(return_X_y=True)
Z = StandardScaler().fit_transform(patients)
least = np.mean((progression - LinearRegression().fit(Z, progression).predict(Z)) ** 2)
penalties = 22 * np.geomspace(1e-4, 1e2, 49)


def farthest_first(seed):
    rows = [np.random.default_rng(seed).integers(len(Z))]
    while len(rows) < 22:
        rows.append(np.argmax(pairwise_distances_argmin_min(Z, Z[rows])[1]))
    return rows


def uniform(seed):
    return np.random.default_rng(seed).choice(len(Z), 22, replace=False)


def on_rows(model, rows):
    return model.fit(Z[rows], progression[rows]).predict(Z)


def designed(seed, **settings):
    model = DPPLeastSquares(random_state=seed, **settings)
    return model.fit(patients, progression).predict(patients)


ways = {
    "uniform,\nplain": lambda seed: on_rows(LinearRegression(), uniform(seed)),
    "uniform,\nridge": lambda seed: on_rows(RidgeCV(penalties), uniform(seed)),
    "farthest-first,\nplain": lambda seed: on_rows(LinearRegression(), farthest_first(seed)),
    "farthest-first,\nridge": lambda seed: on_rows(RidgeCV(penalties), farthest_first(seed)),
    "ours,\nalpha=0": lambda seed: designed(seed, alpha=0),
    "ours,\nas it comes": designed,
}
ratios = {}
for label, way in ways.items():
    errors = [np.mean((progression - way(seed)) ** 2) / least for seed in range(60)]
    ratios[label] = np.array(errors)
    name = label.replace("\n", " ")
    print(f"{name:28s} mean {np.mean(errors):6.2f}   worst of 60 {np.max(errors):8.2f}")
strips(
    ratios,
    "squared error / that of all labels",
    "22 noisy labels, 11 coefficients; line: median of 60 draws",
)

# %%
# Points in the plane, from the basis itself
# ------------------------------------------
# Without a table of candidates ``design_points`` draws from the domain. An oracle, any function of
# one row, is then asked point by point.

plane = DPPLeastSquares(ProductBasis("legendre", degree=6), random_state=0)
points, weights = plane.design_points(domain=[[-1, 1], [-1, 1]])
plane.fit(points, lambda row: np.exp(row[0, 0]) * np.cos(2 * row[0, 1]))
grid = np.random.default_rng(0).uniform(-1, 1, size=(5000, 2))
gap = plane.predict(grid) - np.exp(grid[:, 0]) * np.cos(2 * grid[:, 1])
print(
    f"{len(points)} evaluations for {plane.coef_.size + 1} coefficients, largest error "
    f"{np.abs(gap).max():.1e}"
)

pool = DPPLeastSquares(ProductBasis("legendre", degree=6, domain=(-1, 1)), random_state=0)
pool.design(grid)
DesignDisplay.from_estimator(pool, grid)
plt.show()
