"""A linear classifier on digits and network traffic, attacked, with and without a filter."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.preprocessing import StandardScaler

from subspace_learn import RandomMatrixFilter
from subspace_learn.datasets import fetch_nsl_kdd
from subspace_learn.random_matrix import RobustDirections

from .common import Quality, mean_and_deviation

MOVE, ANY_MOVE, NOISE = 8.0, 2.0, 6.0  # lengths of a step: in the fragile subspace, anywhere, noise
QUANTILES = (0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98)


def digits_rows():
    X, y = load_digits(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def nsl_rows(n_rows=6000):
    data = fetch_nsl_kdd("train")
    rng = np.random.default_rng(0)
    rows = rng.choice(len(data.target), n_rows, replace=False)
    numeric = np.log1p(np.abs(data.data[rows][:, :38].astype(float)))
    return StandardScaler().fit_transform(numeric), (data.target[rows] != 0).astype(int)


def embedding(X, y, seed, p=256, n_fragile=6):
    """Rows turned into p dimensions with noise, and weak class codes along fragile directions."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.standard_normal((p, X.shape[1] + n_fragile)))[0]
    content, fragile = axes[:, : X.shape[1]], axes[:, X.shape[1] :]
    codes = rng.standard_normal((int(y.max()) + 1, n_fragile))
    scale = np.linspace(5, 8, n_fragile)  # stronger than the content: spikes that stand apart
    message = scale * (0.3 * codes[y] + rng.standard_normal((len(y), n_fragile)))
    noise = 0.3 * rng.standard_normal((len(y), p))
    return X @ content.T + message @ fragile.T + noise, fragile


def attacked(X, y, weights, intercept, size, subspace=None):
    """Rows moved by ``size`` against a linear classifier, best within a subspace (exact)."""
    if subspace is not None:
        moves = weights @ subspace @ subspace.T
    else:
        moves = weights
    margins = X @ weights.T + intercept
    own = np.arange(len(y)), y
    best, step = np.full(len(y), np.inf), np.zeros_like(X)
    for label in range(len(weights)):
        direction = moves[label] - moves[y]
        length = np.linalg.norm(direction, axis=1)
        length[length == 0] = np.inf
        need = np.where(y == label, np.inf, (margins[own] - margins[:, label]) / length)
        closer = need < best
        best[closer] = need[closer]
        step[closer] = (direction / length[:, None])[closer]
    return X + size * step


def linear(classifier, columns, mean):
    """Weights and intercepts in the input space, one row for each class."""
    coef, intercept = classifier.coef_, classifier.intercept_
    if len(coef) == 1:
        coef, intercept = np.vstack([-coef, coef]) / 2, np.concatenate([-intercept, intercept]) / 2
    weights = coef @ columns
    return weights, intercept - weights @ mean


class Rows(NamedTuple):
    """Rows, the same disturbed as the defender has seen it, and their classes."""

    X: np.ndarray
    disturbed: np.ndarray
    y: np.ndarray

    def take(self, index):
        return Rows(*(part[index] for part in self))


def fitted_filter(rows, **options):
    """Directions and mean of a filter; None keeps every coordinate."""
    pairs = {"X_perturbed": rows.disturbed} if options.pop("pairs", False) else {}
    model = RandomMatrixFilter(on_empty="raise", random_state=0)
    if not options:
        model.fit(rows.X)
        return model.components_, model.mean_
    robust = RobustDirections(model, random_state=0, **options).fit(rows.X, **pairs)
    return robust.components_, robust.estimator_.mean_


def classifier(rows, columns, mean):
    """Weights and intercepts, in the input space, of logistic regression on the coordinates."""
    model = LogisticRegression(max_iter=3000).fit((rows.X - mean) @ columns.T, rows.y)
    return linear(model, columns, mean)


def accuracy(X, y, weights, intercept):
    return np.mean(np.argmax(X @ weights.T + intercept, axis=1) == y)


def seen_subspace(rows):
    """Directions in which the defender saw rows move, as columns."""
    _, lengths, directions = np.linalg.svd(rows.disturbed - rows.X, full_matrices=False)
    return directions[lengths > 1e-6 * lengths[0]].T


def chosen_quantile(rows, selector, seed, quantiles):
    """The quantile of the best accuracy in cross-validation, clean and attacked rows together.

    The attack is the defender's own, in the directions that were seen to move.
    """
    scores = []
    for quantile in quantiles:
        options = {"selector": selector, "quantile": quantile, "pairs": True}
        for train, test in StratifiedKFold(3, shuffle=True, random_state=seed).split(
            rows.X, rows.y
        ):
            fitted, held = rows.take(train), rows.take(test)
            model = classifier(fitted, *fitted_filter(fitted, **options))
            moved = attacked(held.X, held.y, *model, MOVE, seen_subspace(fitted))
            scores.append(accuracy(held.X, held.y, *model) + accuracy(moved, held.y, *model))
    return quantiles[int(np.argmax(np.reshape(scores, (len(quantiles), 3)).mean(axis=1)))]


def shielded(X, y, seed, p=256, quantiles=QUANTILES):
    """Accuracies clean, under noise and two attacks, and the dimension kept, for each filter."""
    Z, fragile = embedding(X, y, seed, p)
    Z, Z_test, y, y_test = train_test_split(Z, y, test_size=0.5, random_state=seed, stratify=y)
    rng = np.random.default_rng(seed + 1)
    # what the defender saw of the disturbance: random moves in the fragile subspace, training rows
    seen = Z + MOVE * rng.standard_normal((len(Z), fragile.shape[1])) @ fragile.T / 2
    rows = Rows(Z, seen, y)
    filters = {
        "no filter": (np.eye(p), Z.mean(axis=0)),
        # what the last row has to be measured by: no spikes, no scores
        "no filter, seen directions taken out": (
            np.linalg.qr(seen_subspace(rows), mode="complete")[0][:, fragile.shape[1] :].T,
            Z.mean(axis=0),
        ),
        "spikes": fitted_filter(rows),
        "rbns, no pairs, defaults": fitted_filter(rows, selector="rbns"),
    }
    for selector in ("rbns", "rotated_rbns"):
        quantile = chosen_quantile(rows, selector, seed, quantiles)
        filters[f"{selector}, pairs, quantile by CV"] = fitted_filter(
            rows, selector=selector, quantile=quantile, pairs=True
        )
    noisy = Z_test + NOISE / p**0.5 * rng.standard_normal(Z_test.shape)
    results = {}
    for name, (columns, mean) in filters.items():
        model = classifier(rows, columns, mean)
        inside = attacked(Z_test, y_test, *model, MOVE, fragile)
        knows = attacked(Z_test, y_test, *model, ANY_MOVE)
        scores = [accuracy(T, y_test, *model) for T in (Z_test, noisy, inside, knows)]
        results[name] = [*(100 * score for score in scores), len(columns)]
    return results


class ShieldDigits(Quality):
    """Digits, embedded in 256 dimensions: accuracy in %, five seeds"""

    case_name = "features"
    cases = {
        name: name
        for name in (
            "rotated_rbns, pairs, quantile by CV",
            "rbns, pairs, quantile by CV",
            "rbns, no pairs, defaults",
            "spikes",
            "no filter",
            "no filter, seen directions taken out",
        )
    }
    digits = 1
    found: dict = {}

    def table_of_rows(self):
        return digits_rows()

    def make_data(self, name, seed):
        key = type(self).__name__, seed
        if key not in self.found:
            X, y = self.table_of_rows()
            small = (X[:300, :10], y[:300], seed, 32, (0.5,))
            self.found[key] = shielded(*small) if self.quick else shielded(X, y, seed)
        return self.found[key][name]

    def methods(self, scores):
        names = ("clean", "noise", "attack in the fragile subspace", "attacker knows", "dimension")
        return {name: lambda v=v: v for name, v in zip(names, scores, strict=True)}


class ShieldTraffic(ShieldDigits):
    """NSL-KDD, embedded in 256 dimensions: accuracy in %, five seeds"""

    needs = ("data",)

    def table_of_rows(self):
        return nsl_rows()


class Overlaps(Quality):
    """Overlap of what is kept with three robust factors, three fragile (500 x 80, 20 draws)"""

    case_name = "selector"
    cases = {"rotated_rbns": "rotated_rbns", "rbns": "rbns"}
    targets = {name: "above .85" for name in cases}
    seeds = 20

    def make_data(self, selector, seed):
        rng = np.random.default_rng(seed)
        basis = np.linalg.qr(rng.standard_normal((80, 6)))[0]
        Z = rng.standard_normal((500, 6)) * np.sqrt([40, 20, 10, 28, 14, 7])
        X = Z @ basis.T + rng.standard_normal((500, 80))
        moves = rng.standard_normal((500, 6)) * [0.1, 0.1, 0.1, 3, 3, 3]
        rows = Rows(X, X + moves @ basis.T, None)
        return fitted_filter(rows, selector=selector, quantile=0.5, pairs=True)[0], basis

    def methods(self, data):
        components, basis = data
        return {"overlap": lambda: np.sum((components @ basis[:, :3]) ** 2) / 3}

    @staticmethod
    def summary(values, digits):
        return f"{mean_and_deviation(values, digits)}, least {min(values):.{digits}f}"
