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
from .published_variants import fedpe_basis, locally_scaled

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
def parts_of_clients():
    """Rows of each client, centred and scaled by all of them, and as published: each by itself."""
    X, groups = clients()
    gap = (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1)
    return [[rows[groups == name] for name in np.unique(groups)] for rows in (gap, X)]


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
        parts, raw = parts_of_clients()
        S = np.cov(np.concatenate(parts).T)
        if options == "FedPE":
            return fedpe_basis(parts, 10, seed=seed), "20", "-", S
        if options == "alone":
            options, parts = self.cases["admm, 30 local steps"], locally_scaled(raw)
        groups = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        pca = FederatedGrassmannPCA(10, random_state=seed, **options)
        pca.fit(np.concatenate(parts), groups=groups)
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
