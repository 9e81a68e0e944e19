"""
Bring your own torch module
===========================

A convolutional net, written in plain torch, becomes a scikit-learn estimator: it stands in a
Pipeline, its sizes are searched over, its training is watched. Is it worth it on small images of
digits? Two classical models answer.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from subspace_learn.deep import DeepClassifier, LossCurveDisplay

X, y = load_digits(return_X_y=True)
X = X.astype("float32")  # nets have the precision of their rows
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0, stratify=y)

# %%
# The module
# ----------
# Any module that maps a batch of rows to one logit for each class. Arguments named ``n_features``
# and ``n_outputs`` are filled in from the data; the others are parameters of the estimator, with
# the prefix ``module__``. The class is handed over, not an object of it: every fit makes a new one.


class ConvNet(torch.nn.Module):
    def __init__(self, n_outputs, channels=8, dropout=0.0):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Unflatten(1, (1, 8, 8)),
            torch.nn.Conv2d(1, channels, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.MaxPool2d(2),
            torch.nn.Conv2d(channels, 2 * channels, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.Flatten(),
            torch.nn.Dropout(dropout),
            torch.nn.Linear(2 * channels * 16, n_outputs),
        )

    def forward(self, X):
        return self.layers(X)


net = DeepClassifier(ConvNet, lr=0.005, max_epochs=15, random_state=0)
print(net.fit(X_train / 16, y_train).score(X_test / 16, y_test))

# %%
# A search over its parameters
# ----------------------------

search = GridSearchCV(
    make_pipeline(StandardScaler(), net),
    {
        "deepclassifier__module__channels": [4, 16],
        "deepclassifier__module__dropout": [0.0, 0.5],
    },
    cv=3,
).fit(X_train, y_train)
models = {
    "logistic regression": LogisticRegression(C=0.1, max_iter=1000),
    "support vectors, RBF": SVC(C=10),
}
accuracy = {
    name: make_pipeline(StandardScaler(), model).fit(X_train, y_train).score(X_test, y_test)
    for name, model in models.items()
}
accuracy["ConvNet, searched"] = search.score(X_test, y_test)
print("chosen:", search.best_params_)
for name, value in accuracy.items():
    print(f"{name:22s} {value:.4f}")

# %%
# Watching the training
# ---------------------
# Nothing is set aside unless ``validation_fraction`` asks for it. With ``early_stopping`` the
# parameters of the best epoch are kept.

watched = DeepClassifier(
    ConvNet,
    module__channels=16,
    lr=0.005,
    max_epochs=60,
    validation_fraction=0.2,
    early_stopping=True,
    n_iter_no_change=8,
    random_state=0,
).fit(X_train / 16, y_train)

fig, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
LossCurveDisplay.from_estimator(watched, ax=axes[0])
axes[0].set_title(f"early stopping after {watched.n_iter_} epochs")

# What it gets wrong, and how sure it was.
proba = watched.predict_proba(X_test / 16)
sure = proba.max(axis=1)
right = watched.classes_[proba.argmax(axis=1)] == y_test
bins = np.linspace(0.3, 1, 15)
axes[1].hist(sure[right], bins, alpha=0.6, color="#0072B2", label=f"right ({right.sum()} rows)")
axes[1].hist(sure[~right], bins, alpha=0.8, color="#D55E00", label=f"wrong ({(~right).sum()} rows)")
axes[1].set(yscale="log", xlabel="largest probability", ylabel="test rows")
axes[1].legend(loc="upper left")
plt.show()
