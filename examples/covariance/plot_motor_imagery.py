"""
Left fist or right fist, imagined
=================================

Trained on movements that were really made, tested on movements that were only imagined: motor
imagery data of PhysioNet, 21 channels over the sensorimotor cortex, 45 epochs each. Left and right
differ by where the rhythm of 8 to 30 Hz becomes weaker, which a spatial covariance sees. Do delays
add to that?

It depends on the person. S015 gains much. S001 gains nothing, and loses with a support vector
machine. Both are shown.
"""

import matplotlib.pyplot as plt
import numpy as np
from pyriemann.estimation import Covariances
from pyriemann.tangentspace import TangentSpace
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline

from subspace_learn import AugmentedCovarianceClassifier
from subspace_learn.covariance import (
    AugmentedCovariances,
    CovarianceDisplay,
    OrderLagDisplay,
    TangentSpaceDisplay,
)
from subspace_learn.datasets import DatasetUnavailableError, fetch_motor_imagery


def executed_and_imagined(subject):
    """Training set (executed) and test set (imagined) of left and right fist."""
    return (
        fetch_motor_imagery(subject, task="hands", mode="exec"),
        fetch_motor_imagery(subject, task="hands", mode="imag"),
    )


try:
    train, test = executed_and_imagined(15)
except (DatasetUnavailableError, ImportError) as error:
    print(f"Nothing to show without the recordings: {error}")
    raise SystemExit(0) from None
print(f"S015: {len(train.data)} epochs executed, {len(test.data)} imagined, {train.sfreq:g} Hz")

# %%
# Order and lag from the executed movements
# -----------------------------------------
# Three runs were recorded, one is held out at a time. With 15 epochs in a fold the map is rough:
# the standard error of a cell is about six points. The rule of one standard error therefore takes
# the lowest order among those that cannot be told from the best.

auto = AugmentedCovarianceClassifier(classifier="lr", sfreq=train.sfreq)
auto.fit(train.data, train.target, groups=train.run)
print(f"chosen: order {auto.order_}, lag {auto.lag_} ({1000 * auto.lag_ / train.sfreq:.3g} ms)")
OrderLagDisplay.from_estimator(auto)

# %%
# The mean matrix of each class, and the epochs of the test set in the tangent space.

CovarianceDisplay.from_estimator(
    auto, train.data, train.target, ch_names=train.ch_names, unit="µV²"
)
TangentSpaceDisplay.from_estimator(auto, test.data, test.target)

# %%
# Beside order 1, for two persons and two classifiers
# ---------------------------------------------------
# Orders 3 and 4 with these lags were fixed beforehand, "auto" chooses as above. The standard error
# of a score is that of 45 epochs.

FIXED = {"order 1": (1, 1), "order 3, lag 4": (3, 4), "order 4, lag 2": (4, 2)}


def accuracies(train, test, classifier):
    """Right or wrong for each test epoch, by name of the pipeline."""
    ours = AugmentedCovarianceClassifier
    models = {name: ours(*cell, classifier=classifier) for name, cell in FIXED.items()}
    models['order="auto"'] = ours(classifier=classifier)
    if classifier == "lr":
        linear = LogisticRegression(max_iter=1000)
        models = {"pyRiemann": make_pipeline(Covariances("oas"), TangentSpace(), linear), **models}
    right = {}
    for name, model in models.items():
        groups = {"groups": train.run} if "auto" in name else {}
        model.fit(train.data.astype(np.float64), train.target, **groups)
        right[name] = model.predict(test.data.astype(np.float64)) == test.target
        if groups:
            print(f"  auto chose order {model.order_}, lag {model.lag_}")
    return right


results = {}
for subject in (15, 1):
    sets = executed_and_imagined(subject)
    for classifier in ("lr", "svm"):
        print(f"S{subject:03d}, {classifier}")
        right = results[subject, classifier] = accuracies(*sets, classifier)
        for name, hits in right.items():
            error = np.sqrt(hits.mean() * (1 - hits.mean()) / len(hits))
            print(f"  {name:15s} {hits.mean():.3f} +- {error:.3f}")

# %%
# Bars are the accuracy with logistic regression on all imagined movements, with one standard
# error; points are its three runs. For S001 no order is above order 1 by more than its error. The
# choice of "auto", which looked good on executed movements, is .04 below order 1, less than one
# standard error; with the support vector machine it is .09 below (.78 and .87), which is more.

fig, axes = plt.subplots(1, 2, figsize=(11, 3.8), sharey=True, layout="constrained")
colours = ("#999999", "#56B4E9", "#009E73", "#0072B2", "#D55E00")
for ax, subject in zip(axes, (15, 1), strict=True):
    right, run = results[subject, "lr"], executed_and_imagined(subject)[1].run
    for i, hits in enumerate(right.values()):
        mean = hits.mean()
        error = np.sqrt(mean * (1 - mean) / len(hits))
        ax.bar(i, mean, yerr=error, capsize=5, color=colours[i], width=0.7)
        by_run = [hits[run == r].mean() for r in np.unique(run)]
        ax.plot(i + np.array([-0.2, 0.0, 0.2]), by_run, "ko", markersize=4)
        ax.text(i, 0.03, f"{mean:.2f}", ha="center", color="w", fontweight="bold")
    ax.axhline(0.5, color="k", linestyle="--", linewidth=1)
    ax.set_xticks(range(len(right)), list(right), fontsize=8)
    ax.set_title(f"S{subject:03d}: trained on executed, tested on imagined")
axes[0].set(ylabel="accuracy", ylim=(0, 1.05))

# %%
# The same search with other people's tools
# -----------------------------------------
# AugmentedCovariances is a transformer. In a Pipeline with pyRiemann's TangentSpace, GridSearchCV
# can choose order and lag along with everything else; it takes the best mean, without the rule of
# one standard error, and computes each matrix anew for every fold.

pipeline = Pipeline(
    [
        ("covariances", AugmentedCovariances()),
        ("tangent", TangentSpace()),
        ("classifier", LogisticRegression(max_iter=1000)),
    ]
)
grid = [
    {"covariances__order": [1], "classifier__C": [0.1, 1.0]},
    {
        "covariances__order": [2, 3, 4],
        "covariances__lag": [2, 4],
        "classifier__C": [0.1, 1.0],
    },
]
search = GridSearchCV(pipeline, grid, cv=GroupKFold(3))
search.fit(train.data, train.target, groups=train.run)
print(search.best_params_)
print(f"S015: cross-validated {search.best_score_:.3f} on executed movements,")
print(f"      {search.score(test.data, test.target):.3f} on imagined movements")
plt.show()
