"""
Which light is the person looking at?
=====================================

Five lights flicker at five frequencies; the visual cortex follows the one that is looked at
(steady-state visual evoked potentials, MAMEM experiment 2, two persons, five sessions each). The
classes differ by their frequency alone. A spatial covariance, the usual feature, has no frequency
in it: it knows how strong the channels are and how they go together, at the same time. An augmented
covariance also knows how they go together with themselves a few samples later.

Four pipelines are compared, each trained on four sessions and tested on the fifth. Segments of one
session are never on both sides: neighbours within a window of 5 s are nearly copies.
"""

import matplotlib.pyplot as plt
import numpy as np
from pyriemann.estimation import Covariances
from pyriemann.tangentspace import TangentSpace
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut
from sklearn.pipeline import make_pipeline

from subspace_learn import AugmentedCovarianceClassifier
from subspace_learn.covariance import CovarianceDisplay, OrderLagDisplay, TangentSpaceDisplay
from subspace_learn.datasets import DatasetUnavailableError, fetch_ssvep

# A part of the default candidates, so that the page builds in a minute. Order 1 is always added.
CANDIDATES = {"orders": (2, 4, 6, 8), "lags": (2, 3, 4)}


def epochs_of(subject):
    """Signals, frequency of each epoch in words, session, and the whole data set."""
    data = fetch_ssvep(subject)
    frequency = np.array([f"{data.frequencies[label]:5.2f} Hz" for label in data.target])
    return data.data.astype(np.float64), frequency, data.session, data


try:
    X, y, session, data = epochs_of(9)
except (DatasetUnavailableError, ImportError) as error:
    print(f"Nothing to show without the recordings: {error}")
    raise SystemExit(0) from None
print(f"U009: {len(X)} epochs of {X.shape[1]} channels, {X.shape[2] / data.sfreq:g} s")

# %%
# One session held out
# --------------------
# Order and lag are chosen on the four training sessions, by cross-validation that keeps sessions
# together; the held-out session plays no part. Order 1, the spatial covariance, is far below all
# others. Scores rise until the embedding spans more than a period (150 ms at 6.66 Hz). The choice
# is the lowest order within one standard error of the best.

train = session != 4
auto = AugmentedCovarianceClassifier(classifier="lr", sfreq=data.sfreq, **CANDIDATES)
auto.fit(X[train], y[train], groups=session[train])
print(f"chosen: order {auto.order_}, lag {auto.lag_}")
print(f"accuracy on the session held out: {auto.score(X[~train], y[~train]):.2f}")
OrderLagDisplay.from_estimator(auto)

# %%
# What the matrices hold
# ----------------------
# The mean matrix of each class. The blocks on the diagonal are the spatial covariance, once for
# each copy. The classes differ beside the diagonal: for 10 Hz the block at 96 ms, nearly one
# period, is strong between POz, PO8 and Oz, and the one at 160 ms, about a period and a half, is
# negative there.

names = {"ch_names": data.ch_names, "unit": "squared units of the recording"}
CovarianceDisplay.from_estimator(auto, X[train], y[train], **names)

# %%
# Every epoch as a point
# ----------------------
# All epochs in the tangent space of this classifier, projected to the two directions of largest
# variance. Those directions belong to the sessions and to artefacts, not to the frequencies; the
# classifier finds the frequencies in other directions. The session held out, group 4, stands apart.
# It is the one with the lowest score below.

TangentSpaceDisplay.from_estimator(auto, X, y, groups=session)

# %%
# All sessions, both persons
# --------------------------
# pyRiemann's pipeline and order 1 are the same features, but for the reference of the tangent
# space: there the mean of the affine-invariant metric, here the arithmetic mean
# (``reference="mean"`` makes them equal). Order 6 and lag 3 were fixed beforehand.


def pipelines():
    """New estimators, by name."""
    ours = AugmentedCovarianceClassifier
    return {
        "pyRiemann": make_pipeline(
            Covariances("oas"), TangentSpace(), LogisticRegression(max_iter=1000)
        ),
        "order 1": ours(order=1, lag=1, classifier="lr"),
        "order 6, lag 3": ours(order=6, lag=3, classifier="lr"),
        'order="auto"': ours(classifier="lr", **CANDIDATES),
    }


def scores_by_session(X, y, session):
    """Accuracy on each session by pipelines trained on the others, and what "auto" chose."""
    scores, choices = {name: [] for name in pipelines()}, []
    for train, test in LeaveOneGroupOut().split(X, y, session):
        for name, model in pipelines().items():
            if "auto" in name:
                model.fit(X[train], y[train], groups=session[train])
                choices.append((model.order_, model.lag_))
            else:
                model.fit(X[train], y[train])
            scores[name].append(model.score(X[test], y[test]))
    return scores, choices


results = {"U009": scores_by_session(X, y, session), "U001": scores_by_session(*epochs_of(1)[:3])}
for subject, (scores, choices) in results.items():
    for name, values in scores.items():
        print(f"{subject} {name:15s} {np.mean(values):.3f}, sd of sessions {np.std(values):.3f}")
    print(f"{subject} chosen (order, lag): {choices}")

# %%
# Bars are means, points the five sessions. Chance is a fifth.

fig, axes = plt.subplots(1, 2, figsize=(10, 3.8), sharey=True, layout="constrained")
colours = ("#999999", "#56B4E9", "#0072B2", "#D55E00")
for ax, (subject, (scores, _)) in zip(axes, results.items(), strict=True):
    for i, values in enumerate(scores.values()):
        ax.bar(i, np.mean(values), color=colours[i], width=0.7)
        ax.plot(i + np.linspace(-0.2, 0.2, len(values)), values, "ko", markersize=4)
        ax.text(i, 0.03, f"{np.mean(values):.2f}", ha="center", color="w", fontweight="bold")
    ax.axhline(0.2, color="k", linestyle="--", linewidth=1)
    ax.set_xticks(range(len(scores)), list(scores), fontsize=9)
    ax.set_title(f"{subject}: one session held out")
axes[0].set(ylabel="accuracy", ylim=(0, 1))
plt.show()
