"""FederatedGrassmannPCA: what each aggregation finds and sends on real data, and time a round."""

from __future__ import annotations

import tempfile
import time
import warnings
from functools import cache
from statistics import median

import numpy as np
from scipy.linalg import subspace_angles

from subspace_learn import FederatedGrassmannPCA
from subspace_learn.datasets import fetch_nsl_kdd, make_noniid_clients
from subspace_learn.grassmann import FederationSettings

from .common import Listing, Quality, Speed, timed
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
def normals(part):
    """Normal connections, 34 numeric columns raw, and which column dst_bytes is."""
    table = fetch_nsl_kdd(part)
    columns = [i for i, name in enumerate(table.feature_names[:38]) if name not in DROPPED]
    X = table.data[table.target == 0][:, columns].astype(np.float64)
    return X, [table.feature_names[i] for i in columns].index("dst_bytes")


@cache
def clients():
    """Training normals, 34 numeric columns raw, and 20 clients cut along ``dst_bytes``."""
    X, column = normals("train")
    order = np.argsort(X[:, column])
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


@cache
def public_units():
    """Logarithms of clients' and public rows (NSL-KDD's test normals), in units of the public."""
    rows, public = np.log1p(clients()[0]), np.log1p(normals("test")[0])
    spread = np.where(public.std(axis=0) > 0, public.std(axis=0), 1.0)
    return [(table - public.mean(axis=0)) / spread for table in (rows, public)]


class Privacy(Quality):
    """What epsilon costs: share explained by 10 directions, NSL-KDD, 20 clients, 67,343 rows.

    delta = 1e-6. Logarithms of the columns, centred, scaled and clipped (to the norm that one row
    in a hundred exceeds) by NSL-KDD's test normals, which stand for a public table. The share is of
    the rows as they are, not clipped. The subspace of the public rows needs no client at all. Three
    draws of the noise; refused: it drowns everything.
    """

    needs = ("data",)
    case_name = "epsilon"
    cases = {
        "infinite (clipped)": np.inf,
        "10": 10.0,
        "3": 3.0,
        "1": 1.0,
        "0.3": 0.3,
        "0.1": 0.1,
        "0.03": 0.03,
        "0.01": 0.01,
    }
    seeds = 3

    def make_data(self, epsilon, seed):
        rows, public = public_units()
        return epsilon, seed, rows - rows.mean(axis=0), rows, public

    def methods(self, data):
        epsilon, seed, _, rows, public = data
        clip_norm = np.quantile(np.linalg.norm(public, axis=1), 0.99)

        def private(noise_by):
            pca = FederatedGrassmannPCA(
                10, epsilon=epsilon, clip_norm=clip_norm, noise_by=noise_by, random_state=seed
            )
            try:
                return pca.fit(rows, groups=clients()[1]).components_
            except ValueError:
                return None

        return {
            "every message private": lambda: private("client"),
            "the sum private": lambda: private("share"),
            "public rows alone": lambda: FederatedGrassmannPCA(10).fit(public).components_,
            "exact, not private": lambda: FederatedGrassmannPCA(10).fit(rows).components_,
            "random subspace": lambda: random_basis(rows.shape[1], seed),
        }

    def score(self, data, components):
        centred = data[2]
        return np.sum((centred @ components.T) ** 2) / np.sum(centred**2)


def random_basis(n_features, seed):
    """Ten orthonormal rows that know nothing."""
    draws = np.random.default_rng(seed).normal(size=(n_features, 10))
    return np.linalg.qr(draws)[0].T


class CountedGrid:
    """Flower's transport, with a count of the replies and of their bytes."""

    def __init__(self, grid):
        self.grid, self.replies, self.bytes = grid, 0, 0

    def __getattr__(self, name):
        return getattr(self.grid, name)

    def send_and_receive(self, messages, *, timeout=None):
        replies = list(self.grid.send_and_receive(messages, timeout=timeout))
        self.replies += len(replies)
        self.bytes += sum(r.count_bytes() for reply in replies for r in reply.content.values())
        return replies


class Flower(Listing):
    """What Flower adds: its simulation engine beside one process, NSL-KDD, 20 clients, k = 10.

    Milliseconds a reply: of processor time in one process, and of wall time in the engine, which
    has two workers on one machine and is started before; each the fastest of five federations.
    Bytes are of all replies of a client: of our arrays, and of Flower's records. SecAgg+ takes
    four replies of each client, the keys among them. The difference is the largest of any entry of
    the components.
    """

    needs = ("data", "flwr", "ray")

    def rows(self):
        from subspace_learn.grassmann.flower import client_app, server_app

        rows, n_clients = public_units()[0], 2 if self.quick else 20
        groups = np.arange(len(rows)) % n_clients if self.quick else clients()[1]
        folder = tempfile.mkdtemp()
        for client in range(n_clients):
            np.save(f"{folder}/{client}.npy", rows[groups == client])
        app = client_app(lambda c: np.load(f"{folder}/{c.node_config['partition-id']}.npy"))
        runs = {
            "covariance": ("covariance", None),
            "krylov": ("krylov", None),
            "covariance by SecAgg+": ("covariance", 1e7),
        }
        found = {name: [] for name in runs}

        def main(grid):
            for name in [*runs] * (2 if self.quick else 6):  # the first one loads modules
                aggregation, bound = runs[name]
                settings = FederationSettings(10, aggregation, seed=0)
                models, counted = [], CountedGrid(grid)
                server = server_app(
                    settings, models.append, n_clients=n_clients, secure_bound=bound
                )
                seconds = timed(lambda server=server, grid=counted: server(grid, self.context))[1]
                found[name].append((models[0], counted, seconds))

        self.simulate(main, app, n_clients)
        yield [
            "run",
            *("replies of a client", "one process, CPU ms a reply", "Flower, wall ms a reply"),
            *("bytes of arrays", "bytes in Flower", "difference"),
        ]
        for name, repeats in found.items():
            model, counted, _ = repeats[-1]
            seconds = min(seconds for _, _, seconds in repeats[1:])
            local = FederatedGrassmannPCA(10, aggregation=runs[name][0], random_state=0)
            alone = min(processor_seconds(local, rows, groups) for _ in repeats)
            sent = sum(line["bytes_sent"] for line in model.history_)
            gap = np.abs(model.components_ - local.components_).max()
            yield [
                name,
                str(counted.replies // n_clients),
                1e3 * alone / ((1 + len(local.history_)) * n_clients),
                1e3 * seconds / counted.replies,
                f"{sent:,}",
                f"{counted.bytes // n_clients:,}",
                f"{gap:.1g}",
            ]

    def simulate(self, main, app, n_clients):
        """Start the engine, and call ``main`` with its transport."""
        from flwr.serverapp import ServerApp
        from flwr.simulation import run_simulation

        server = ServerApp()

        @server.main()
        def _main(grid, context):
            self.context = context
            main(grid)

        backend = {
            "init_args": {"num_cpus": 2, "log_to_driver": False},
            "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
        }
        run_simulation(server, app, n_clients, backend_config=backend)


def processor_seconds(pca, rows, groups):
    """Of one fit in this process."""
    begin = time.process_time()
    pca.fit(rows, groups=groups)
    return time.process_time() - begin
