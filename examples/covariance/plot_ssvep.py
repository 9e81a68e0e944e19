"""
Which light is the person looking at?
=====================================

Five lights flicker at five frequencies; the visual cortex follows the one that is looked at
(steady-state visual evoked potentials, MAMEM experiment 2, two persons, five sessions each). The
classes differ by their frequency alone. A spatial covariance, the usual feature, has no frequency
in it: it knows how strong the channels are and how they go together, at the same time. An augmented
covariance also knows how they go together with themselves a few samples later.

Pipelines that know nothing of the five frequencies are compared with what the field uses when it
knows them: canonical correlation with waves of each frequency, and pyRiemann's recipe for these
signals. Each is trained on four sessions and tested on the fifth. Segments of one session are never
on both sides: neighbours within a window of 5 s are nearly copies.
"""

import matplotlib.pyplot as plt
import numpy as np
from pyriemann.estimation import Covariances
from pyriemann.tangentspace import TangentSpace
from scipy.signal import butter, sosfiltfilt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

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
# ``bands`` filters each epoch into frequency bands before all else. Two wide ones, 5 to 15 and 13
# to 27 Hz, are no statement about the lights: they would be the same for any others. Order 6 and
# lag 3 were fixed beforehand; ``bands="auto"`` decides for each training set whether bands help.
#
# The other three rows know the frequencies. Canonical correlation asks how well the channels
# together can follow sines and cosines of a frequency and two harmonics, and takes the frequency
# that is followed best; it needs no training at all. pyRiemann's recipe stacks the channels
# filtered around each frequency and its second harmonic, and takes spatial covariances of that.
# Whoever knows the frequencies can give them to ``bands`` as well.

FREQUENCIES = [float(frequency) for frequency in data.frequencies]
AROUND = [(h * f - 1, h * f + 1) for f in FREQUENCIES for h in (1, 2)]


class CanonicalCorrelation(ClassifierMixin, BaseEstimator):
    """The frequency whose waves the channels follow best."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        by_label = {f"{frequency:5.2f} Hz": frequency for frequency in FREQUENCIES}
        self.frequencies_ = [by_label[label] for label in self.classes_]
        return self

    def predict(self, X):
        angle = 2 * np.pi * np.arange(X.shape[2]) / data.sfreq
        centred = (X - X.mean(axis=2, keepdims=True)).swapaxes(1, 2)
        epochs, scores = np.linalg.qr(centred)[0].swapaxes(1, 2), []
        for frequency in self.frequencies_:
            harmonics = np.outer([frequency, 2 * frequency, 3 * frequency], angle)
            waves = np.vstack([np.sin(harmonics), np.cos(harmonics)]).T
            basis = np.linalg.qr(waves - waves.mean(axis=0))[0]
            scores.append(np.linalg.svd(epochs @ basis, compute_uv=False)[:, 0])
        return self.classes_[np.argmax(scores, axis=0)]


def extended(X):
    """Channels filtered around each frequency and its second harmonic, on top of one another."""
    filters = [butter(2, band, "bandpass", fs=data.sfreq, output="sos") for band in AROUND]
    return np.concatenate([sosfiltfilt(sections, X, axis=-1) for sections in filters], axis=1)


def pipelines():
    """New estimators, by name; whether they know the frequencies."""
    tangent = TangentSpace({"mean": "logeuclid", "map": "riemann"})
    logistic = LogisticRegression(max_iter=1000)

    def ours(*cell, **options):
        return AugmentedCovarianceClassifier(*cell, classifier="lr", sfreq=data.sfreq, **options)

    return {
        "pyRiemann,\nspatial": (make_pipeline(Covariances("oas"), tangent, logistic), False),
        "order 6,\nlag 3": (ours(6, 3), False),
        'bands=\n"auto"': (ours(6, 3, bands="auto"), False),
        "canonical\ncorrelation": (CanonicalCorrelation(), True),
        "pyRiemann,\nextended": (
            make_pipeline(FunctionTransformer(extended), Covariances("oas"), tangent, logistic),
            True,
        ),
        "bands at the\nstimuli": (ours(1, 1, bands=AROUND), True),
    }


def scores_by_session(X, y, session):
    """Accuracy on each session by pipelines trained on the others."""
    scores = {name: [] for name in pipelines()}
    for train, test in LeaveOneGroupOut().split(X, y, session):
        for name, (model, _) in pipelines().items():
            searches = isinstance(model, AugmentedCovarianceClassifier) and model.bands == "auto"
            model.fit(X[train], y[train], **({"groups": session[train]} if searches else {}))
            scores[name].append(model.score(X[test], y[test]))
    return scores


results = {"U009": scores_by_session(X, y, session), "U001": scores_by_session(*epochs_of(1)[:3])}
for subject, scores in results.items():
    for name, values in scores.items():
        shown = name.replace("\n", " ")
        print(f"{subject} {shown:22s} {np.mean(values):.3f}, sd of sessions {np.std(values):.3f}")

# %%
# Bars are means, points the five sessions. Chance is a fifth. Orange bars were told the
# frequencies.

fig, axes = plt.subplots(1, 2, figsize=(11, 3.8), sharey=True, layout="constrained")
knowing = [told for _, told in pipelines().values()]
for ax, (subject, scores) in zip(axes, results.items(), strict=True):
    for i, (name, values) in enumerate(scores.items()):
        own = "0.6" if "pyRiemann" in name or "canonical" in name else "#0072B2"
        ax.bar(i, np.mean(values), color="#D55E00" if knowing[i] else own, width=0.7)
        ax.plot(i + np.linspace(-0.2, 0.2, len(values)), values, "ko", markersize=4)
        ax.text(i, 0.03, f"{np.mean(values):.2f}", ha="center", color="w", fontweight="bold")
    ax.axhline(0.2, color="k", linestyle="--", linewidth=1)
    ax.set_xticks(range(len(scores)), list(scores), fontsize=8)
    ax.set_title(f"{subject}: one session held out")
axes[0].set(ylabel="accuracy", ylim=(0, 1))
plt.show()
