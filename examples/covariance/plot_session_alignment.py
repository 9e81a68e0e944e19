"""
Sessions brought to one centre
==============================

Five sessions of EEG from one person (MAMEM, flickering lights, subject U009). The covariance
matrices of a session lie together, apart from those of the others: electrodes were placed anew.
:class:`~subspace_learn.covariance.GBWNormalizer` moves each session to one centre and one spread,
without labels. Does a classifier gain by it? Here it does not, and the last lines say so.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut

from subspace_learn.covariance import AugmentedCovariances, GBWNormalizer, logm, upper_vector
from subspace_learn.datasets import DatasetUnavailableError, fetch_ssvep

try:
    data = fetch_ssvep(9)
except (DatasetUnavailableError, ImportError) as error:
    print(f"Nothing to show without the recordings: {error}")
    raise SystemExit(0) from None
y, session = data.target, data.session
S = AugmentedCovariances(order=6, lag=3).fit_transform(data.data.astype(float))
Z = GBWNormalizer(theta=0.5).fit_transform(S, groups=session)

# %%
# How far sessions are apart
# --------------------------
# Each matrix as a point: its logarithm, seen along the two directions of largest variance. The
# titles say what share of the variance lies between the means of the sessions.


def share_between(points):
    """Variance of the means of the sessions over that of all points."""
    means = np.stack([points[session == s].mean(axis=0) for s in np.unique(session)])
    return np.sum(np.var(means, axis=0)) / np.sum(np.var(points, axis=0))


figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
colors = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
points = {}
for ax, (name, matrices) in zip(axes, {"as recorded": S, "aligned": Z}.items(), strict=True):
    points[name] = upper_vector(logm(matrices))
    plane = PCA(2).fit_transform(points[name])
    for s, color, marker in zip(np.unique(session), colors, "os^Dv", strict=True):
        rows = plane[session == s]
        ax.plot(*rows.T, marker, color=color, markersize=4, alpha=0.7, label=f"session {s + 1}")
    share = share_between(points[name])
    ax.set(xlabel="component 1 of the logarithms", ylabel="component 2")
    ax.set_title(f"{name}: {100 * share:.0f} % of the variance between sessions")
axes[1].legend(fontsize=8)
plt.show()

# %%
# And the classifier?
# -------------------
# Trained on four sessions, tested on the fifth; each session aligned by its own epochs, which uses
# no label but all epochs of the session at once. No gain.

for name, X in points.items():
    scores = [
        LogisticRegression(max_iter=1000).fit(X[train], y[train]).score(X[test], y[test])
        for train, test in LeaveOneGroupOut().split(X, y, session)
    ]
    print(f"{name:12s} accuracy {np.mean(scores):.3f}, by session {np.round(scores, 2).tolist()}")
