"""FederatedGrassmannPCA: what each aggregation finds and sends on real data, and time a round."""

from __future__ import annotations

import warnings
from functools import cache
from statistics import median

import numpy as np
from scipy.linalg import subspace_angles

from subspace_learn import FederatedGrassmannPCA
from subspace_learn.datasets import fetch_nsl_kdd, make_noniid_clients

from .common import Quality, Speed

DROPPED = ("land", "logged_in", "is_host_login", "is_guest_login")


class Rounds(Speed):
    """Eight rounds on 20,000 rows in all, one process."""

    param_names = ["aggregation", "features", "clients"]
    params = [["krylov", "admm"], [50, 200, 800], [5, 50]]
    smallest = ("krylov", 10, 2)
    budget = 6.0

    def make_data(self, aggregation, features, clients):
        self.aggregation = aggregation
        n_rows = 1000 if self.quick else 20_000
        return make_noniid_clients(clients, n_rows // clients, features, 5, random_state=0)

    def ours(self, data):
        pca = FederatedGrassmannPCA(
            5, aggregation=self.aggregation, n_rounds=8, local_steps=5, tol=0.0, random_state=0
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tol=0 is never reached: that is the point
            return pca.fit(data[0], groups=data[1])

    def extras(self, data, pca, seconds):
        rounds = [line["seconds"] for line in pca.history_[1:]]
        return {"ms a round": 1e3 * median(rounds) if rounds else 0.0}


@cache
def clients():
    """Training normals, 34 numeric columns raw, and 20 clients cut along ``dst_bytes``."""
    train = fetch_nsl_kdd("train")
    columns = [i for i, name in enumerate(train.feature_names[:38]) if name not in DROPPED]
    X = train.data[train.target == 0][:, columns].astype(np.float64)
    order = np.argsort(X[:, [train.feature_names[i] for i in columns].index("dst_bytes")])
    groups = np.empty(len(X), dtype=int)
    for client, rows in enumerate(np.array_split(order, 20)):
        groups[rows] = client
    return X, groups


@cache
def scaled_clients(alone=False):
    """Rows divided by the deviations of all rows, or of each client by itself, as published."""
    X, groups = clients()
    every = [X[groups == name] for name in np.unique(groups)] if alone else [X.copy()]
    for part in every:
        deviation = part.std(axis=0)
        part -= part.mean(axis=0)
        part /= np.where(deviation > 1e-12, deviation, 1)
    return np.concatenate(every), np.sort(groups) if alone else groups


def published_mean(scatters, n_components, n_rounds=20, n_steps=30, rho=1.0):
    """FedPE as published: gradient steps at each client, then a plain mean of their bases.

    The step is taken relative to the local curvature, and the duals start at 0.
    """
    rng = np.random.default_rng(0)
    Z = np.linalg.qr(rng.standard_normal((len(scatters[0]), n_components)))[0]
    duals = [np.zeros_like(Z) for _ in scatters]
    bounds = [np.zeros((n_components, n_components)) for _ in scatters]
    identity = np.eye(n_components)
    for _ in range(n_rounds):
        bases = []
        for S, dual, bound in zip(scatters, duals, bounds, strict=True):
            U, step = Z, 1 / (6 * np.linalg.norm(S, 2) + rho)
            for _ in range(n_steps):
                gram, image = U.T @ U, S @ U
                excess = np.maximum(gram - identity, 0)
                pull = U @ ((bound + rho * excess**2) * 4 * excess)
                gradient = -4 * image + 2 * (image @ gram + U @ (U.T @ image))
                U = U - step * (gradient + dual + rho * (U - Z) + pull)
            bound += rho * np.maximum(U.T @ U - identity, 0) ** 2
            bases.append(U)
        Z = np.mean(bases, axis=0)
        for dual, U in zip(duals, bases, strict=True):
            dual += rho * (U - Z)
    return np.linalg.qr(Z)[0]


class Aggregations(Quality):
    """NSL-KDD training normals, 34 numeric columns, 20 clients cut along dst_bytes, k = 10.

    Angle in degrees to the exact subspace; bytes that a client sends. Two published variants stand
    below: a plain mean of bases, and each client scaled by itself.
    """

    needs = ("data",)
    case_name = "aggregation"
    cases = {
        "covariance (exact)": {},
        "krylov": {"aggregation": "krylov", "n_rounds": 10},
        "admm, 30 local steps": {"aggregation": "admm", "n_rounds": 20, "local_steps": 30},
        "admm, 1 local step": {"aggregation": "admm", "n_rounds": 20, "local_steps": 1},
        "chordal mean": {"aggregation": "chordal"},
        "Karcher mean": {"aggregation": "karcher"},
        "euclidean (FedPE), as published": "FedPE",
        "admm, each client scaled by itself, as published": "alone",
    }
    targets = {"covariance (exact)": "about .66", "admm, 30 local steps": ".6387"}
    seeds = 1
    digits = 4

    def make_data(self, options, seed):
        X, groups = scaled_clients()
        S = np.cov(X.T)
        if options == "FedPE":
            parts = [X[groups == name] for name in np.unique(groups)]
            scatters = [part.T @ part / len(part) for part in parts]  # about the mean of all
            return published_mean(scatters, 10), "20", "-", S
        if options == "alone":
            options, (X, groups) = self.cases["admm, 30 local steps"], scaled_clients(alone=True)
        pca = FederatedGrassmannPCA(10, random_state=seed, **options).fit(X, groups=groups)
        sent = sum(line["bytes_sent"] for line in pca.history_)
        return pca.components_.T, str(len(pca.history_)), f"{sent:,}", S

    def methods(self, data):
        basis, rounds, sent, S = data

        def angle():
            exact = np.linalg.eigh(S)[1][:, -10:]
            return f"{np.degrees(subspace_angles(basis, exact).max()):.2g}"

        return {
            "share explained": lambda: np.trace(basis.T @ S @ basis) / np.trace(S),
            "angle": angle,
            "rounds": lambda: rounds,
            "bytes": lambda: sent,
        }
