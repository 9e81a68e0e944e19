"""Session alignment of covariance matrices on real SSVEP epochs, for doc/_tables.

python asv_benches/gbw_normalization_tables.py   # 20 minutes; --cache FILE goes on where it stopped

Subjects 1 and 9 of MAMEM-SSVEP-II, five sessions, leave one session out. Augmented covariances of
order 6 and lag 3, alignment of each session, tangent space at the arithmetic mean of the
training matrices, logistic regression. The test session is aligned by the mean of its own epochs
without labels. The power of GBWNormalizer is chosen by leaving one of the four training sessions
out in turn; this takes most of the time and is done for the first three kinds of matrices.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from subspace_learn.covariance import (
    AugmentedCovariances,
    GBWNormalizer,
    expm,
    logm,
    mean_spd,
    tangent_vectors,
    whiten,
)
from subspace_learn.datasets import fetch_ssvep

OUTPUT = Path(__file__).resolve().parents[1] / "doc" / "_tables" / "gbw_normalization.rst"
SUBJECTS = (1, 9)
THETAS = (1.0, 0.5, 0.1, -0.5)
TOL = 1e-5  # of means: far below what a prediction notices


# --- data -----------------------------------------------------------------------------------------


def average_referenced(X):
    return X - X.mean(axis=1, keepdims=True)


def covariances(X, estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return AugmentedCovariances(order=6, lag=3, estimator=estimator).fit_transform(X)


def jittered(A, share=1e-8):
    """What is often done to a singular covariance: a little of the identity."""
    level = share * np.trace(A, axis1=1, axis2=2) / A.shape[1]
    return A + level[:, None, None] * np.eye(A.shape[1])


DATA = {
    "as recorded, OAS": lambda X: covariances(X, "oas"),
    "average reference, OAS": lambda X: covariances(average_referenced(X), "oas"),
    "average reference, sample covariance": lambda X: covariances(average_referenced(X), "scm"),
    "the same plus 1e-8 of the identity": lambda X: jittered(
        covariances(average_referenced(X), "scm")
    ),
    "the same, one channel dropped": lambda X: covariances(average_referenced(X)[:, 1:], "scm"),
}


# --- alignments: functions of training matrices, their sessions, test matrices --------------------


def by_session(function, A, sessions):
    out = np.empty_like(A)
    for name in np.unique(sessions):
        out[sessions == name] = function(A[sessions == name])
    return out


def recentred(A):
    return whiten(A, mean_spd(A, "riemann", tol=TOL).mean)


def log_recentred(A):
    logs = logm(A)
    return expm(logs - logs.mean(axis=0))


def each_session_alone(function):
    def aligned(A, sessions, B):
        return by_session(function, A, sessions), function(B)

    return aligned


def gbw(theta, dispersion="pooled"):
    def aligned(A, sessions, B):
        model = GBWNormalizer(theta, dispersion=dispersion, tol=10 * TOL)
        new = np.full(len(B), -1)  # a session that fit has not seen
        return model.fit_transform(A, groups=sessions), model.transform(B, groups=new)

    return aligned


ALIGNMENTS = {
    "none": lambda A, sessions, B: (A, B),
    "affine-invariant re-centring": each_session_alone(recentred),
    "log-Euclidean re-centring": each_session_alone(log_recentred),
    "GBW, theta = 1": gbw(1.0),
    "GBW, theta = 1, centring only": gbw(1.0, None),
}
CHOSEN = "GBW, theta chosen in training"


# --- protocol -------------------------------------------------------------------------------------


def accuracy(align, A, y, sessions, train, test):
    """Share of correct predictions on the test rows; None if a matrix is not positive definite."""
    try:
        Z, Z_test = align(A[train], sessions[train], A[test])
        M = Z.mean(axis=0)
        T, T_test = tangent_vectors(Z, M), tangent_vectors(Z_test, M)
    except ValueError as error:
        if "not positive definite" not in str(error):
            raise
        return None
    return LogisticRegression(max_iter=3000).fit(T, y[train]).score(T_test, y[test])


def chosen_theta(A, y, sessions, train):
    """The power that is best when one training session at a time is left out."""
    names, means = np.unique(sessions[train]), {}
    for theta in THETAS:
        scores = [
            accuracy(gbw(theta), A, y, sessions, train & (sessions != name), sessions == name)
            for name in names
        ]
        if None not in scores:  # singular matrices have no negative powers
            means[theta] = np.mean(scores)
    return max(means, key=means.get)


def results(A, y, sessions, *, choose):
    """Accuracies of the test sessions by alignment, and the powers that were chosen."""
    table = {name: [] for name in [*ALIGNMENTS, CHOSEN]}
    powers = []
    for name in np.unique(sessions):
        train, test = sessions != name, sessions == name
        for alignment, align in ALIGNMENTS.items():
            table[alignment].append(accuracy(align, A, y, sessions, train, test))
        if not choose:
            continue
        powers.append(chosen_theta(A, y, sessions, train))
        table[CHOSEN].append(accuracy(gbw(powers[-1]), A, y, sessions, train, test))
    return table, powers


def cell(values):
    """Mean over the test sessions ± standard error of that mean."""
    if not values:
        return "not run"
    if None in values:
        return "refused: not positive definite"
    error = np.std(values, ddof=1) / len(values) ** 0.5
    return f"{np.mean(values):.3f} ± {error:.3f}".replace("0.", ".")


def measured(subject, name):
    """Condition number, accuracies and powers for one kind of matrices of one subject."""
    data = fetch_ssvep(subject)
    A = DATA[name](data.data.astype(np.float64))
    values = np.linalg.eigvalsh(A)
    condition = float(np.median(values[:, -1] / np.abs(values[:, 0])))
    choose = name in list(DATA)[:3]
    table, powers = results(A, data.target, data.session, choose=choose)
    return {"condition": condition, "table": table, "powers": powers}


def page(found):
    lines = []
    for subject in SUBJECTS:
        columns = {name: found[f"{subject} {name}"] for name in DATA}
        lines += [f".. list-table:: Subject U{subject:03d}", "   :header-rows: 1", ""]
        header = ["alignment"]
        header += [f"{name} (condition {c['condition']:.0e})" for name, c in columns.items()]
        body = [[a, *(cell(c["table"][a]) for c in columns.values())] for a in ALIGNMENTS]
        body.append([CHOSEN, *(cell(c["table"][CHOSEN]) for c in columns.values())])
        body.append(
            [
                "theta chosen",
                *(", ".join(map(str, c["powers"])) or "not run" for c in columns.values()),
            ]
        )
        for row in [header, *body]:
            lines += [f"   {'  -' if i else '* -'} {text}".rstrip() for i, text in enumerate(row)]
        lines.append("")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, help="JSON file of what is done already")
    cache = parser.parse_args().cache
    found = json.loads(cache.read_text()) if cache and cache.exists() else {}
    for subject in SUBJECTS:
        for name in DATA:
            key, start = f"{subject} {name}", time.perf_counter()
            if key not in found:
                found[key] = measured(subject, name)
                if cache:
                    cache.write_text(json.dumps(found))
                print(f"{key}: {time.perf_counter() - start:.0f} s", flush=True)
    text = page(found)
    print(text)
    OUTPUT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
