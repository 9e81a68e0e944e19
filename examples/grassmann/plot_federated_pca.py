"""
One subspace for clients that keep their rows
=============================================

Twenty clients hold network traffic that differs from client to client: NSL-KDD's normal training
rows, cut along ``dst_bytes``. Which subspace of dimension 10 explains all of their traffic, when no
row may leave its client? Compared are what the clients send, and how near the answer comes to the
exact one.

Without NSL-KDD the ten digits of scikit-learn serve, one client for each digit.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.linalg import subspace_angles
from sklearn.datasets import load_digits

from subspace_learn import FederatedGrassmannPCA
from subspace_learn.datasets import DatasetUnavailableError, fetch_nsl_kdd
from subspace_learn.grassmann import RoundsDisplay

DROPPED = ("land", "logged_in", "is_host_login", "is_guest_login")


def clients():
    """Rows, the client of each, and a name for the picture."""
    try:
        train = fetch_nsl_kdd("train")
    except (DatasetUnavailableError, ImportError) as error:
        print(f"NSL-KDD cannot be had here ({error}); going on with the digits.")
        X, y = load_digits(return_X_y=True)
        return X, y, "digits, one client for each"
    names = train.feature_names[:38]
    columns = [i for i, name in enumerate(names) if name not in DROPPED]
    X = train.data[train.target == 0][:, columns].astype(np.float64)
    order = np.argsort(X[:, columns.index(names.index("dst_bytes"))], kind="stable")
    groups = np.empty(len(X), dtype=int)
    for client, rows in enumerate(np.array_split(order, 20)):
        groups[rows] = client
    return X, groups, "NSL-KDD, 20 clients cut along dst_bytes"


X, groups, name = clients()
exact = FederatedGrassmannPCA(n_components=10, standardize=True).fit(X, groups=groups)
best = exact.explained_variance_ratio_.sum()
print(f"{name}: {X.shape[0]:,} rows, {X.shape[1]} features, exact share {best:.4f}")

# %%
# Every round, every aggregation
# ------------------------------
# "krylov" needs no d x d message and is exact after a few rounds. "admm" is the published FedPG,
# with its consensus and its duals repaired. The means of local subspaces send once and lose a
# quarter of what could be explained: these clients see different subspaces. They lie so far apart
# that the Karcher mean does not settle, which it says in a warning.

runs = {
    "krylov": {},
    "admm, 30 local steps": {"aggregation": "admm"},
    "admm, 1 local step": {"aggregation": "admm", "local_steps": 1},
}
fits = {}
for label, settings in runs.items():
    settings = {"aggregation": "krylov", "random_state": 0, **settings}
    fit = FederatedGrassmannPCA(10, standardize=True, **settings).fit(X, groups=groups)
    angle = np.degrees(subspace_angles(fit.components_.T, exact.components_.T).max())
    found = fit.explained_variance_ratio_.sum()
    sent = sum(line["bytes_sent"] for line in fit.history_)
    print(f"{label:28s} share {found:.4f}, angle {angle:6.2f} degrees, {sent:7,} bytes sent")
    fits[label] = fit

for mean in ("chordal", "karcher"):
    fit = FederatedGrassmannPCA(10, standardize=True, aggregation=mean).fit(X, groups=groups)
    found = fit.explained_variance_ratio_.sum()
    print(f"{mean + ' mean':28s} share {found:.4f}, one round")
    fits[f"{mean} mean"] = fit

shares, rounds = [], [1, 2, 3, 5, 7, 10, 15, 20]
for n_rounds in rounds:  # scored on all clients, which a history of drawn ones is not
    settings = {"aggregation": "admm", "participation": 0.1, "n_rounds": n_rounds}
    fit = FederatedGrassmannPCA(10, standardize=True, random_state=0, **settings)
    fit.fit(X, groups=groups)
    shares.append(fit.explained_variance_ratio_.sum())
print("admm, 10 % of the clients:", dict(zip(rounds, np.round(shares, 3).tolist(), strict=True)))

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained", sharey=True)
RoundsDisplay.from_estimators(fits, exact=best, ax=left)
left.plot(rounds, shares, ":", color="0.4", label="admm, 10 % of the clients")
RoundsDisplay.from_estimators(fits, exact=best, against="bytes", ax=right)
fig.suptitle(name)
left.get_legend().remove()
right.get_legend().remove()
fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
plt.show()

# %%
# With two of twenty clients a round, each round moves the consensus towards those two: the curve
# does not settle. Ask all clients, or use "krylov" with those that can always answer.
