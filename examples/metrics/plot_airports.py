"""
Where is this airfield? Maps of the world, pooled and scored
============================================================

28,298 airfields of the package ``airportsdata`` (``pip install airportsdata``). The Earth is cut
into 7,200 cells of three degrees. Three experts each give a map of log-probabilities for every
airfield: where airfields are dense, what its name sounds like, and how high it lies.

A map is worth the area that has to be searched, best cells first, until the true cell is found.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.naive_bayes import CategoricalNB, MultinomialNB
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer

from subspace_learn.metrics import (
    EqualAngleGrid,
    LocationPool,
    RecallVsAreaDisplay,
    area_at_recall,
    area_to_find,
    location_maps,
)

try:
    import airportsdata
except ImportError as error:
    print(f"Nothing to show without the airfields: {error}. pip install airportsdata")
    raise SystemExit(0) from None

fields = pd.DataFrame(airportsdata.load("ICAO").values())
fields["text"] = fields["name"] + " " + fields["city"]
grid = EqualAngleGrid(step=3.0)
cell = grid.cell_of(fields["lat"], fields["lon"])
order = np.random.default_rng(0).permutation(len(fields))
test, held_out, train = order[:1000], order[3000:4000], order[5000:]

# %%
# Three experts
# -------------
# Two are classifiers of scikit-learn. They know the cells that they saw in training:
# ``location_maps`` matches their columns to all cells by label. The third is a density on the
# sphere, the same map for every airfield.

by_name = make_pipeline(
    TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, min_df=2),
    MultinomialNB(alpha=0.003),
).fit(fields["text"].iloc[train], cell[train])
by_elevation = make_pipeline(
    KBinsDiscretizer(15, encode="ordinal", quantile_method="averaged_inverted_cdf"),
    CategoricalNB(fit_prior=False, min_categories=15, alpha=0.1),
).fit(fields[["elevation"]].iloc[train], cell[train])
places = np.radians(fields[["lat", "lon"]].to_numpy())
kernel = KernelDensity(bandwidth=np.radians(2.0), metric="haversine", rtol=1e-3)
density = kernel.fit(places[train]).score_samples(np.radians(grid.centers)) + np.log(grid.areas)
density = np.maximum(density, density.max() - 30)  # far out at sea the kernel is 0


def maps(rows):
    """A map from each expert for each row."""
    every = range(grid.n_cells)
    return {
        "density": np.broadcast_to(density, (len(rows), grid.n_cells)),
        "name": location_maps([by_name], fields["text"].iloc[rows], every)[:, 0],
        "elevation": location_maps([by_elevation], fields[["elevation"]].iloc[rows], every)[:, 0],
    }


# %%
# One map out of three
# --------------------
# Weights come from airfields that no expert was trained on. The name's expert knows where airfields
# are dense already, so the density gets little weight or none.

maps_held_out, maps_test = maps(held_out), maps(test)
pool = LocationPool().fit(maps_held_out, cell[held_out])
print(dict(zip(pool.feature_names_in_, pool.weights_.round(2).tolist(), strict=True)))

log_probabilities = {
    name: LocationPool("linear", weights="equal")
    .fit([maps_held_out[name]], cell[held_out])
    .predict_log_proba([single])
    for name, single in maps_test.items()
}
log_probabilities["pool, equal weights"] = (
    LocationPool(weights="equal").fit(maps_held_out, cell[held_out]).predict_log_proba(maps_test)
)
log_probabilities["pool, fitted"] = pool.predict_log_proba(maps_test)

# %%
# How much has to be searched
# ---------------------------
# Cells differ in area, so they are ranked by probability per area. Lines mark discs of a given
# radius.

budgets = {"200 km": np.pi * 200**2, "750 km": np.pi * 750**2, "2500 km": np.pi * 2500**2}
figure, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for name, scores in log_probabilities.items():
    RecallVsAreaDisplay.from_predictions(
        cell[test],
        scores,
        grid.areas,
        rank_by="log_density",
        name=name,
        budgets=budgets if name == "density" else None,
        unit="km²",
        ax=ax,
    )
    median = area_at_recall(cell[test], scores, grid.areas, rank_by="log_density")
    print(f"{name:20s} half are found within {median:12,.0f} km²")
ax.set_xlim(3e4, 6e8)

# %%
# Four maps of one airfield
# -------------------------
# One that the pool places well and that single maps do not; the cross is where it lies.

found = {
    name: area_to_find(cell[test], scores, grid.areas, rank_by="log_density")
    for name, scores in log_probabilities.items()
}
singles = np.min([found["name"], found["elevation"]], axis=0)
row = int(np.argmax(singles / found["pool, fitted"]))
airfield = fields.iloc[test[row]]
figure, axes = plt.subplots(2, 2, figsize=(9, 4.8), layout="constrained", sharex=True, sharey=True)
for ax, name in zip(axes.flat, ("density", "name", "elevation", "pool, fitted"), strict=True):
    per_area = log_probabilities[name][row] - np.log(grid.areas)
    image = per_area.reshape(60, 120)
    ax.imshow(
        image,
        origin="lower",
        extent=(-180, 180, -90, 90),
        vmin=image.max() - 10,
        cmap="cividis",
        aspect="auto",
    )
    ax.plot(airfield["lon"], airfield["lat"], "+", color="white", markersize=12)
    ax.set_title(f"{name}: {found[name][row]:,.0f} km²", fontsize="medium")
figure.suptitle(f"{airfield['name']}, {airfield['city']}, {airfield['elevation']:.0f} feet")
figure.supxlabel("longitude (degrees)")
figure.supylabel("latitude (degrees)")
plt.show()
