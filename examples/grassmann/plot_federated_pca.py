"""
One subspace for clients that keep their rows
=============================================

Twenty clients hold network traffic that differs from client to client: NSL-KDD's normal training
rows, cut along ``dst_bytes``. Which subspace of dimension 10 explains all of their traffic, when no
row may leave its client? Compared are what the clients send, and how near the answer comes to the
exact one.

Without NSL-KDD the ten digits of scikit-learn serve, one client for each digit.
"""

import warnings

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

# %%
# What privacy costs
# ------------------
# With ``epsilon`` the answer hardly depends on any single row. Rows have to be centred, scaled and
# clipped by numbers that are known without them: here the logarithms are scaled by NSL-KDD's test
# rows, which stand for a public table, and clipped to the norm that one in a hundred of these
# exceeds. Who adds the noise decides how much of it there is. The lines without clients at all
# are the ones to beat: the principal subspace of the public rows, and a random one.

EPSILONS = [0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0]


def public_rows():
    """A table that everybody may see, with the same columns; half of the digits without NSL-KDD."""
    if not name.startswith("NSL-KDD"):
        return X[::2], X[1::2], groups[1::2]
    test = fetch_nsl_kdd("test")
    columns = [i for i, c in enumerate(test.feature_names[:38]) if c not in DROPPED]
    public = np.log1p(test.data[test.target == 0][:, columns].astype(np.float64))
    return public, np.log1p(X), groups


def share(basis):
    """Of the variance of the rows of all clients, neither clipped nor noised."""
    return np.sum((centred @ basis) ** 2) / np.sum(centred**2)


public, Z, sites = public_rows()
spread = np.where(public.std(axis=0) > 0, public.std(axis=0), 1.0)
Z, public = (Z - public.mean(axis=0)) / spread, (public - public.mean(axis=0)) / spread
clip_norm = np.quantile(np.linalg.norm(public, axis=1), 0.99)
centred = Z - Z.mean(axis=0)

curves = {}
for noise_by in ("share", "client"):
    for epsilon in EPSILONS:
        reached = []
        for seed in range(3):
            fit = FederatedGrassmannPCA(
                10, epsilon=epsilon, clip_norm=clip_norm, noise_by=noise_by, random_state=seed
            )
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # it warns of components that are noise
                    reached.append(share(fit.fit(Z, groups=sites).components_.T))
            except ValueError:  # the noise drowns everything, and the fit says so
                reached.append(np.nan)
        curves.setdefault(noise_by, []).append(reached)

lines = {
    "exact": share(FederatedGrassmannPCA(10).fit(Z, groups=sites).components_.T),
    "clipped, no noise": share(
        FederatedGrassmannPCA(10, epsilon=np.inf, clip_norm=clip_norm)
        .fit(Z, groups=sites)
        .components_.T
    ),
    "public rows alone": share(FederatedGrassmannPCA(10).fit(public).components_.T),
    "a random subspace": 10 / Z.shape[1],
}
fig, ax = plt.subplots(figsize=(7, 4.4), layout="constrained")
for noise_by, label in (("share", "the sum is private"), ("client", "each message is private")):
    reached = np.array(curves[noise_by])
    ax.fill_between(EPSILONS, reached.min(axis=1), reached.max(axis=1), alpha=0.2)
    ax.semilogx(EPSILONS, np.median(reached, axis=1), "o-", label=f'{label} ("{noise_by}")')
for (label, height), style in zip(lines.items(), ("-", "--", "-.", ":"), strict=True):
    ax.axhline(height, color="0.4", linestyle=style, linewidth=1)
    ax.annotate(label, (EPSILONS[0], height), xytext=(0, 3), textcoords="offset points")
ax.set(
    xlabel="epsilon (delta = 1e-6): smaller hides more",
    ylabel="share of variance explained",
    title=f"ten components of {len(Z):,} rows, three draws of the noise",
)
ax.legend(loc="lower right", bbox_to_anchor=(1.0, 0.12))
plt.show()

# %%
# Clipping costs before any noise does, since long rows hold much of the variance. Below the line of
# the public rows nothing useful is left: a table that is public anyway explains more.

for noise_by, label in (("share", "the sum"), ("client", "each message")):
    lowest = np.min(curves[noise_by], axis=1)
    worth = [e for e, low in zip(EPSILONS, lowest, strict=True) if low > lines["public rows alone"]]
    least = f"from epsilon = {min(worth):g}" if worth else "at no epsilon here"
    print(f"private in {label}: more than the public rows in all draws {least}")
print({label: round(float(height), 3) for label, height in lines.items()})
