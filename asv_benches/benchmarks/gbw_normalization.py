"""Session alignment of covariance matrices on real SSVEP epochs, beside re-centring."""

from __future__ import annotations

import warnings

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

from .augmented_covariance import ssvep
from .common import Quality, mean_and_error

THETAS = (1.0, 0.5, 0.1, -0.5)
TOL = 1e-5  # of means: far below what a prediction notices


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
CHOSEN_FOR = list(DATA)[:3]  # choosing the power takes most of the time


# --- alignments: functions of training matrices, their sessions, test matrices --------------------


def each_session_alone(function):
    def aligned(A, sessions, B):
        out = np.empty_like(A)
        for name in np.unique(sessions):
            out[sessions == name] = function(A[sessions == name])
        return out, function(B)

    return aligned


def recentred(A):
    return whiten(A, mean_spd(A, "riemann", tol=TOL).mean)


def log_recentred(A):
    logs = logm(A)
    return expm(logs - logs.mean(axis=0))


def gbw(theta, dispersion="pooled"):
    def aligned(A, sessions, B):
        model = GBWNormalizer(theta, dispersion=dispersion, tol=10 * TOL)
        new = np.full(len(B), -1)  # a session that fit has not seen
        return model.fit_transform(A, groups=sessions), model.transform(B, groups=new)

    return aligned


ALIGNMENTS = {
    "GBW, theta = 1": gbw(1.0),
    "GBW, theta = 1, centring only": gbw(1.0, None),
    "none": lambda A, sessions, B: (A, B),
    "affine-invariant re-centring": each_session_alone(recentred),
    "log-Euclidean re-centring": each_session_alone(log_recentred),
}


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


class U001(Quality):
    """Subject U001: accuracy on the session left out, mean of five and standard error.

    Augmented covariances of order 6 and lag 3, each session aligned, tangent space at the
    arithmetic mean of the training matrices, logistic regression. The session left out is aligned
    by its own epochs without labels. "theta chosen": by leaving one of the four training sessions
    out in turn; the powers are listed below.
    """

    needs = ("data", "pyriemann")
    case_name = "alignment"
    cases = {name: name for name in DATA}
    transposed = True
    summary = staticmethod(mean_and_error)
    subject = 1

    def make_data(self, name, session):
        X, y, sessions, _ = ssvep(self.subject)
        if self.quick:
            X, y, sessions = X[::5, :2], y[::5], sessions[::5]
        return name, DATA[name](X), y, sessions, sessions != session, sessions == session

    def methods(self, data):
        name, A, y, sessions, train, test = data
        calls = {
            alignment: lambda align=align: accuracy(align, A, y, sessions, train, test)
            for alignment, align in ALIGNMENTS.items()
        }
        found = []

        def chosen():
            if name not in CHOSEN_FOR or self.quick:
                return "-"
            found.append(chosen_theta(A, y, sessions, train))
            return accuracy(gbw(found[0]), A, y, sessions, train, test)

        def condition():
            values = np.linalg.eigvalsh(A)
            return f"{np.median(values[:, -1] / np.abs(values[:, 0])):.0e}"

        return calls | {
            "GBW, theta chosen": chosen,
            "theta chosen": lambda: str(found[0]) if found else "-",
            "condition": condition,
        }

    def cell(self, values):
        if all(value == values[0] for value in values) and isinstance(values[0], str):
            return values[0]
        return super().cell(values)


class U009(U001):
    """Subject U009"""

    subject = 9
