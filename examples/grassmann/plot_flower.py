"""
A federation that Flower runs
=============================

`Flower <https://flower.ai>`_ carries messages between machines. The two apps of
:mod:`subspace_learn.grassmann.flower` make a federated PCA of it. Here Flower's simulation engine
runs them on one machine: twenty clients hold network traffic, NSL-KDD's normal training rows cut
along ``dst_bytes``. What does Flower change in the answer, and what does secure aggregation?

The example needs Flower, ``pip install "subspace-learn[federated]"``. Without it the runs are
skipped, and the picture says so.
"""

import tempfile
import time
from importlib.util import find_spec

import matplotlib.pyplot as plt
import numpy as np
from scipy.linalg import subspace_angles
from sklearn.datasets import load_digits

from subspace_learn import FederatedGrassmannPCA
from subspace_learn.datasets import DatasetUnavailableError, fetch_nsl_kdd
from subspace_learn.grassmann import FederationSettings
from subspace_learn.grassmann.flower import client_app, server_app

FLOWER = all(find_spec(package) is not None for package in ("flwr", "ray"))

# %%
# The clients
# -----------
# Counts and bytes have long tails: their logarithm is taken, and divided by the deviation in a
# table that everybody may see (NSL-KDD's test rows). Each client has a file of its own.

DROPPED = ("land", "logged_in", "is_host_login", "is_guest_login")


def traffic(part):
    """Logarithms of the numeric columns of normal connections, and the column dst_bytes."""
    table = fetch_nsl_kdd(part)
    names = [name for name in table.feature_names[:38] if name not in DROPPED]
    columns = [table.feature_names.index(name) for name in names]
    rows = np.log1p(table.data[table.target == 0][:, columns].astype(np.float64))
    return rows, names.index("dst_bytes")


def clients():
    """Rows, the client of each, and a name for the picture."""
    try:
        X, column = traffic("train")
        public = traffic("test")[0]
    except (DatasetUnavailableError, ImportError) as error:
        print(f"NSL-KDD cannot be had here ({error}); going on with the digits.")
        X, y = load_digits(return_X_y=True)
        return X, y, "digits, one client for each"
    groups = np.empty(len(X), dtype=int)
    order = np.argsort(X[:, column], kind="stable")
    for client, rows in enumerate(np.array_split(order, 20)):
        groups[rows] = client
    spread = np.where(public.std(axis=0) > 0, public.std(axis=0), 1.0)
    return (X - public.mean(axis=0)) / spread, groups, "NSL-KDD, 20 clients"


X, groups, name = clients()
n_clients = len(np.unique(groups))
folder = tempfile.mkdtemp()
for number in range(n_clients):
    np.save(f"{folder}/{number}.npy", X[groups == number])


def rows(context):
    """What a client reads on its own machine; in a simulation Flower numbers the clients."""
    return np.load(f"{folder}/{context.node_config['partition-id']}.npy")


# %%
# The runs
# --------
# "covariance" and "krylov", then "covariance" by SecAgg+, in which the server sees the sum over
# all clients and no single matrix. Masks are integers, so numbers are rounded: ``secure_bound`` is
# the largest entry that a matrix may have, and the steps are a fixed share of it. One client app
# answers all of them. A simulation takes seconds to start, so one runs the servers one by one.

found = []
open_runs = [
    FederationSettings(10, aggregation, seed=0) for aggregation in ("covariance", "krylov")
]
bounds = [1e6, 1e8, 1e10]


def simulate():
    """Run all servers on the clients; with ``flwr run`` each would be a run of its own."""
    from flwr.serverapp import ServerApp
    from flwr.simulation import run_simulation

    runs = [(settings, None) for settings in open_runs]
    runs += [(FederationSettings(10), bound) for bound in bounds]
    app = ServerApp()

    @app.main()
    def main(grid, context):
        for settings, bound in runs:
            server = server_app(settings, found.append, n_clients=n_clients, secure_bound=bound)
            server(grid, context)

    backend = {
        "init_args": {"num_cpus": 2, "log_to_driver": False},
        "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
    }
    run_simulation(app, client_app(rows), n_clients, backend_config=backend)


if FLOWER:
    start = time.perf_counter()
    simulate()
    print(f"{len(found)} federations in {time.perf_counter() - start:.0f} s")
else:
    print("Flower is not installed: its runs are skipped. pip install 'subspace-learn[federated]'")

local = [
    FederatedGrassmannPCA(10, aggregation=aggregation, random_state=0).fit(X, groups=groups)
    for aggregation in ("covariance", "krylov")
]
for ours, theirs in zip(local, found, strict=False):
    gap = np.abs(ours.components_ - theirs.components_).max()
    sent = sum(line["bytes_sent"] for line in theirs.history_)
    print(
        f"{ours.aggregation:10s} in Flower and in one process differ by {gap:.1e}, {sent:,} bytes"
    )

# %%
# What masks cost
# ---------------
# The angle between the open and the masked answer falls with the steps, as it must. A bound that
# is too large costs digits, not safety. One that is too small is noticed by the client whose matrix
# has a larger entry: it sends nothing.

steps = [2 * bound / 2**27 for bound in bounds]  # 20 numbers below 2^27 add up to less than 2^32
angles = [
    np.degrees(subspace_angles(pca.components_.T, local[0].components_.T).max())
    for pca in found[2:]
]
for bound, step, angle in zip(bounds, steps, angles, strict=FLOWER):
    print(f"secure_bound {bound:.0e}: steps of {step:.2g}, angle {angle:.2g} degrees")

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
curves = [
    (local[1], "o-", "krylov, one process"),
    *((p, "x", "krylov, Flower") for p in found[1:2]),
]
for pca, style, label in curves:
    shares = [line["explained_variance_ratio"] for line in pca.history_]
    left.plot(range(1, len(shares) + 1), shares, style, label=label, markersize=9)
best = local[0].explained_variance_ratio_.sum()
left.axhline(best, color="0.5", linestyle="--", label="covariance, one process")
left.set(xlabel="round", ylabel="share of variance explained", title=name)
left.set_xticks(range(1, len(shares) + 1))
left.legend()
right.loglog(steps[: len(angles)], angles, "o-")
right.set(
    xlabel="step of the masked numbers",
    ylabel="angle to the open answer (degrees)",
    title="covariance by SecAgg+" if FLOWER else "skipped: Flower is not installed",
)
plt.show()
