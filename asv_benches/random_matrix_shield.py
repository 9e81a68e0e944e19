"""A linear classifier on digits and network traffic, attacked, with and without a filter."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.preprocessing import StandardScaler
from tables import spread

from subspace_learn import RandomMatrixFilter
from subspace_learn.datasets import fetch_nsl_kdd
from subspace_learn.random_matrix import RobustDirections

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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # these tables are not noise, and it says so
        pairs = {"X_perturbed": rows.disturbed} if options.pop("pairs", False) else {}
        spikes = RandomMatrixFilter(on_empty="raise")
        if not options:
            model = spikes.fit(rows.X)
            return model.components_, model.mean_
        model = RobustDirections(spikes, random_state=0, **options).fit(rows.X, **pairs)
    return model.components_, model.estimator_.mean_


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


def chosen_quantile(rows, selector, seed):
    """The quantile of the best accuracy in cross-validation, clean and attacked rows together.

    The attack is the defender's own, in the directions that were seen to move.
    """
    scores = []
    for quantile in QUANTILES:
        options = {"selector": selector, "quantile": quantile, "pairs": True}
        for train, test in StratifiedKFold(3, shuffle=True, random_state=seed).split(
            rows.X, rows.y
        ):
            fitted, held = rows.take(train), rows.take(test)
            model = classifier(fitted, *fitted_filter(fitted, **options))
            moved = attacked(held.X, held.y, *model, MOVE, seen_subspace(fitted))
            scores.append(accuracy(held.X, held.y, *model) + accuracy(moved, held.y, *model))
    return QUANTILES[int(np.argmax(np.reshape(scores, (len(QUANTILES), 3)).mean(axis=1)))]


def shielded(X, y, seed):
    """Accuracies clean, under noise and two attacks, and the dimension kept, for each filter."""
    Z, fragile = embedding(X, y, seed)
    Z, Z_test, y, y_test = train_test_split(Z, y, test_size=0.5, random_state=seed, stratify=y)
    rng = np.random.default_rng(seed + 1)
    # what the defender saw of the disturbance: random moves in the fragile subspace, training rows
    seen = Z + MOVE * rng.standard_normal((len(Z), fragile.shape[1])) @ fragile.T / 2
    rows, p = Rows(Z, seen, y), Z.shape[1]
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
        quantile = chosen_quantile(rows, selector, seed)
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


def shield_table(X, y, n_seeds=5):
    """Rows of a table over seeds."""
    runs = [shielded(X, y, seed) for seed in range(n_seeds)]
    header = ("features", "clean", "noise", "attack in the fragile subspace", "attacker knows")
    rows = [(*header, "dimension")]
    for name in runs[0]:
        values = np.array([run[name] for run in runs])
        cells = (spread(values[:, i], 1) for i in range(4))
        rows.append((name, *cells, f"{values[:, 4].mean():.0f}"))
    return rows


def reason(X, y, seed):
    """Clean and attacked accuracy with as many directions dropped as are fragile."""
    Z, fragile = embedding(X, y, seed)
    Z, Z_test, y, y_test = train_test_split(Z, y, test_size=0.5, random_state=seed, stratify=y)
    rng = np.random.default_rng(seed + 1)
    seen = Z + MOVE * rng.standard_normal((len(Z), fragile.shape[1])) @ fragile.T / 2
    results = {}
    for standardize in (False, "features"):
        for labels in (None, y):
            for selector in ("rbns", "rotated_rbns"):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", UserWarning)
                    model = RandomMatrixFilter(standardize=standardize).fit(Z)
                    share = 1 - fragile.shape[1] / model.n_components_
                    robust = RobustDirections(model, selector=selector, quantile=share)
                    robust.fit(Z, labels, X_perturbed=seen)
                rows = robust.components_ / (1.0 if model.scale_ is None else model.scale_)
                fitted = classifier(Rows(Z, seen, y), rows, model.mean_)
                inside = attacked(Z_test, y_test, *fitted, MOVE, fragile)
                key = (selector, standardize, "no" if labels is None else "yes")
                results[key] = [100 * accuracy(T, y_test, *fitted) for T in (Z_test, inside)]
    return results


def reasons_table(tables, n_seeds=5):
    """Rows of a table: does the score, the scaling or the want of labels cost accuracy?"""
    head = [f"{name}, {what}" for name in tables for what in ("clean", "attacked")]
    rows = [("selector", "standardize", "labels", *head)]
    runs = [[reason(X, y, seed) for seed in range(n_seeds)] for X, y in tables.values()]
    for key in runs[0][0]:
        values = [np.array([run[key] for run in table]) for table in runs]
        rows.append((*key, *(spread(v[:, i], 1) for v in values for i in range(2))))
    return rows
