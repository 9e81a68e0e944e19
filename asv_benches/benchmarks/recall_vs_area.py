"""Recall versus area beside sorting, and pools of maps on airfields of the world."""

from __future__ import annotations

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.naive_bayes import CategoricalNB, MultinomialNB
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import KBinsDiscretizer

from subspace_learn.metrics import EqualAngleGrid, LocationPool, area_to_find, location_maps

from .common import Listing, Speed, mean_and_deviation

SHAPES = {"300 x 64800": (300, 1.0), "30 x 7200": (30, 3.0)}
BUDGET = np.pi * 750**2  # km^2


def by_sorting(true, scores, areas):
    """Area of all cells down to the true one, by sorting each row."""
    order = np.argsort(-scores, axis=1)
    return np.cumsum(areas[order], axis=1)[order == true[:, None]]


class Searching(Speed):
    """Area to be searched for each map, seconds (score: largest relative gap to sorting)."""

    param_names = ["maps x cells"]
    params = [["300 x 64800"]]
    smallest = ("30 x 7200",)

    def make_data(self, shape):
        n_maps, step = SHAPES[shape]
        rng, grid = np.random.default_rng(0), EqualAngleGrid(step)
        scores = rng.standard_normal((n_maps, grid.n_cells))
        return rng.integers(grid.n_cells, size=n_maps), scores, grid.areas

    def ours(self, data):
        return area_to_find(*data)

    def peers(self, data):
        return {"NumPy argsort": lambda: by_sorting(*data)}

    def score(self, data, result):
        wanted = by_sorting(*data)
        return float(np.max(np.abs(result - wanted) / wanted))


class Split:
    """Experts trained on most airfields, and their maps of 2,000 and 3,000 others."""

    def __init__(self, seed, n_test=3000):
        import airportsdata

        fields = list(airportsdata.load("ICAO").values())
        places = np.array([[field["lat"], field["lon"]] for field in fields])
        text = np.array([f"{field['name']} {field['city']}" for field in fields])
        height = np.array([[field["elevation"]] for field in fields])
        self.grid = EqualAngleGrid(3.0)
        cells = self.grid.cell_of(*places.T)
        order = np.random.default_rng(seed).permutation(len(fields))
        test, val, train = order[:n_test], order[3000:5000], order[5000:]
        bins = KBinsDiscretizer(
            15, encode="ordinal", strategy="quantile", quantile_method="averaged_inverted_cdf"
        ).fit(height[train])
        level = bins.transform(height)
        by_height = CategoricalNB(fit_prior=False, min_categories=15, alpha=0.1)
        by_height.fit(level[train], cells[train])
        letters = TfidfVectorizer(
            analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, min_df=2, dtype=np.float32
        ).fit(text[train])
        by_name = MultinomialNB(alpha=0.003).fit(letters.transform(text[train]), cells[train])
        density = self.density(places[train])

        def maps(rows):
            every = range(self.grid.n_cells)
            return {
                "density": np.broadcast_to(density, (len(rows), density.size)),
                "name": location_maps([by_name], letters.transform(text[rows]), every)[:, 0],
                "elevation": location_maps([by_height], level[rows], every)[:, 0],
            }

        self.val, self.test = maps(val), maps(test)
        self.true_val, self.true_test = cells[val], cells[test]
        seen = np.bincount(cells[train], minlength=self.grid.n_cells)
        self.sparse = seen[self.true_test] <= 5

    def density(self, places):
        """Log-probability of each cell, by a kernel of two degrees on the sphere."""
        kernel = KernelDensity(bandwidth=np.radians(2.0), metric="haversine", rtol=1e-3)
        kernel.fit(np.radians(places))
        log_density = kernel.score_samples(np.radians(self.grid.centers))
        log_density += np.log(self.grid.areas)
        return np.maximum(log_density, log_density.max() - 30.0)

    def pooled(self, names, **how):
        """Figures of a pool whose weights were found on the 2,000."""
        pool = LocationPool(**how).fit({n: self.val[n] for n in names}, self.true_val)
        log_proba = pool.predict_log_proba({n: self.test[n] for n in names})
        areas = self.grid.areas
        found = area_to_find(self.true_test, log_proba, areas, rank_by="log_density")
        return [np.median(found), np.mean(found <= BUDGET), np.median(found[self.sparse])]


class Airports(Listing):
    """Airfields found by name and elevation: median area searched, and within a disc of 750 km.

    28,298 airfields of the package airportsdata, 7,200 cells of three degrees; weights from 2,000
    rows, tested on 3,000 others; mean and deviation over splits. "sparse" are cells with at most
    five airfields in training. The smoothing of the name's expert was chosen on other splits.
    """

    needs = ("airportsdata",)
    seeds = 3

    def rows(self):
        every = ("density", "name", "elevation")
        pools = {name: ((name,), {"pool": "linear", "weights": "equal"}) for name in every}
        pools |= {
            "name and elevation, equal weights": (every[1:], {"weights": "equal"}),
            "all three, equal weights": (every, {"weights": "equal"}),
            "all three, linear pool, fitted": (every, {"pool": "linear"}),
            "name and elevation, fitted": (every[1:], {}),
            "all three, fitted": (every, {}),
        }
        found = {name: [] for name in pools}
        for seed in self.some(range(self.seeds)):
            split = Split(seed, n_test=200 if self.quick else 3000)
            for name, (names, how) in pools.items():
                found[name].append(split.pooled(names, **how))
        head = ["map", "median km^2", "recall at 750 km", "median km^2, sparse"]
        yield [*head, "of best single map", "sparse of best single map"]
        best = [min(np.mean(found[n], axis=0)[column] for n in every) for column in (0, 2)]
        for name, figures in found.items():
            area, recall, sparse = np.transpose(figures)
            yield [
                name,
                f"{area.mean():.3g} ± {area.std():.2g}",
                mean_and_deviation(recall),
                f"{sparse.mean():.3g} ± {sparse.std():.2g}",
                f"{area.mean() / best[0]:.2f}",
                f"{sparse.mean() / best[1]:.2f}",
            ]
