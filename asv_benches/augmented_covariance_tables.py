"""Accuracy of AugmentedCovarianceClassifier on the real EEG sets, beside pyRiemann.

python asv_benches/augmented_covariance_tables.py > doc/_tables/augmented_covariance.rst
"""

from __future__ import annotations

import warnings

import numpy as np
from benchmarks.augmented_covariance import peer, tangent_lr
from pyriemann.classification import MDM
from sklearn.base import clone

from subspace_learn import AugmentedCovarianceClassifier
from subspace_learn.datasets import fetch_motor_imagery, fetch_ssvep


def ours(*cell, **options):
    return AugmentedCovarianceClassifier(*cell, **options)


ROWS = {
    "order 1, LR": ours(1, 1, classifier="lr"),
    "order 6, lag 3, LR": ours(6, 3, classifier="lr"),
    "order 4, lag 2, LR": ours(4, 2, classifier="lr"),
    "auto, LR": ours(classifier="lr"),
    "auto, SVM (default)": ours(),
    "mdop, LR": ours(selection="mdop", classifier="lr"),
    "afnn, LR": ours(selection="afnn", classifier="lr"),
    "order 6, lag 3, MDM": ours(6, 3, classifier="mdm"),
    "order 6, lag 3, LR, log-Euclidean": ours(6, 3, classifier="lr", metric="logeuclid"),
    "order 6, lag 3, LR, Bures-Wasserstein": ours(6, 3, classifier="lr", metric="wasserstein"),
    "order 6, lag 3, LR, block-Toeplitz": ours(6, 3, classifier="lr", structure="toeplitz"),
    "order 6, lag 3, LR, Siegel": ours(
        6, 3, classifier="lr", structure="toeplitz", metric="siegel"
    ),
    "pyRiemann, order 1, LR": peer(1, 1, tangent_lr()),
    "pyRiemann, order 6, lag 3, LR": peer(6, 3, tangent_lr()),
    "pyRiemann, order 6, lag 3, MDM": peer(6, 3, (MDM(),)),
}


def ssvep(subject):
    """Leave one session out: (train, test) rows, and the sessions as groups."""
    bunch = fetch_ssvep(subject)
    groups = np.asarray(bunch.session)
    splits = [(np.flatnonzero(groups != s), np.flatnonzero(groups == s)) for s in range(5)]
    return bunch.data.astype(np.float64), bunch.target, groups, splits


def motor(subject):
    """Train on executed, test on imagined left and right fist; runs are the groups."""
    bunch = fetch_motor_imagery(subject)
    rows = np.isin(bunch.target, ["left_fist", "right_fist"])
    mode, groups = bunch["mode"][rows], bunch.run[rows]
    split = (np.flatnonzero(mode == "exec"), np.flatnonzero(mode == "imag"))
    return bunch.data[rows].astype(np.float64), bunch.target[rows], groups, [split]


def accuracy(estimator, X, y, groups, splits):
    """Mean accuracy, its spread, and the cells in use."""
    scores, cells = [], []
    for train, test in splits:
        model = clone(estimator)
        grouped = isinstance(model, AugmentedCovarianceClassifier)
        model.fit(X[train], y[train], **({"groups": groups[train]} if grouped else {}))
        scores.append(model.score(X[test], y[test]))
        if grouped and "auto" in (estimator.order, estimator.lag):
            cells.append(f"{model.order_}/{model.lag_}")
    error = np.std(scores, ddof=1) if len(scores) > 1 else None
    if error is None:
        p, n = scores[0], len(splits[0][1])
        error = np.sqrt(p * (1 - p) / n)
    text = f"{np.mean(scores):.3f} ({error:.3f})".replace("0.", ".")
    return text + (f" [{', '.join(cells)}]" if cells else "")


def most_differing(X, y, groups, splits):
    """Most test predictions, over all cells of the default search, in which pyRiemann differs."""
    train, test = splits[0]
    worst = 0
    for order in (1, 2, 3, 4, 6, 8):
        for lag in (1, 2, 3, 4, 6, 8) if order > 1 else (1,):
            if X.shape[2] - (order - 1) * lag < order * X.shape[1]:
                continue
            model = ours(order, lag, classifier="lr", reference="mean").fit(X[train], y[train])
            other = peer(order, lag, tangent_lr()).fit(X[train], y[train])
            worst = max(worst, int(np.sum(model.predict(X[test]) != other.predict(X[test]))))
    return f"{worst} of {len(test)}"


def main():
    warnings.simplefilter("error")
    tasks = {
        "SSVEP U001": ssvep(1),
        "SSVEP U009": ssvep(9),
        "motor S015": motor(15),
        "motor S001": motor(1),
    }
    caption = "Accuracy, the same in volts and microvolts; chance is .20 on SSVEP, .50 on motor"
    print(f".. list-table:: {caption} imagery")
    print("   :header-rows: 1\n")
    print("   * - method")
    for task in tasks:
        print(f"     - {task}")
    for name, estimator in ROWS.items():
        print(f"   * - {name}")
        for data in tasks.values():
            print(f"     - {accuracy(estimator, *data)}", flush=True)
    print("   * - predictions in which pyRiemann differs, worst cell of the search")
    for data in tasks.values():
        print(f"     - {most_differing(*data)}", flush=True)


if __name__ == "__main__":
    main()
