"""What state space layers learn, and how robust they are, for doc/_tables.

python asv_benches/state_space_tables.py            # the whole page, about 15 minutes
python asv_benches/state_space_tables.py digits     # one of them, printed only
"""

from __future__ import annotations

import time

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tables import spread, write_page
from threadpoolctl import threadpool_limits

from subspace_learn import AugmentedCovarianceClassifier
from subspace_learn.datasets import fetch_ssvep
from subspace_learn.deep import SSMClassifier
from subspace_learn.functional.sequence.state_space import diagonal_init

INITS = ("legs", "lin", "inv", "ptd")


def split_digits(seed):
    """Images of 8 x 8 pixels as 64 steps, of mean 0 and variance 1 over all pixels."""
    X, y = load_digits(return_X_y=True)
    X = ((X - X.mean()) / X.std()).astype(np.float32)
    return train_test_split(X, y, test_size=0.3, stratify=y, random_state=seed)


def digits():
    """Test accuracy on digits, one pixel after the other, 10 epochs, three seeds."""
    yield "layer", "start", "accuracy", "seconds of a fit"
    scores = []
    for seed in range(3):
        X, X_test, y, y_test = split_digits(seed)
        scores.append(LogisticRegression(max_iter=1000).fit(X, y).score(X_test, y_test))
    yield "logistic regression on all pixels", "", spread(scores), ""
    for layer in ("s4d", "s5"):
        for init in INITS:
            scores, seconds = [], []
            for seed in range(3):
                X, X_test, y, y_test = split_digits(seed)
                start = time.perf_counter()
                clf = SSMClassifier(layer, init=init, max_epochs=10, random_state=seed).fit(X, y)
                seconds.append(time.perf_counter() - start)
                scores.append(clf.score(X_test, y_test))
            yield layer, init, spread(scores), f"{np.median(seconds):.0f}"


def robustness():
    """Test accuracy on digits with a sinusoid added at test, four seeds."""
    yield (
        "model",
        "modes",
        "clean",
        "spike, amplitude 0.3",
        "spike, amplitude 1",
        "a third of that frequency, 0.3",
        "a third of that frequency, 1",
    )
    dt = 0.008  # the spike, n^2 / pi times dt, must lie below pi
    spike = diagonal_init(32, "legs")[0].imag.max() * dt
    noises = [(0.0, 0.0), (spike, 0.3), (spike, 1.0), (spike / 3, 0.3), (spike / 3, 1.0)]

    def scores_of(model, seed):
        X, X_test, y, y_test = split_digits(seed)
        model.fit(X, y)
        phase = np.random.default_rng(seed).uniform(0, 2 * np.pi, (len(X_test), 1))
        wave = [amplitude * np.sin(w * np.arange(64) + phase) for w, amplitude in noises]
        return [model.score(X_test + w, y_test) for w in wave]

    def row(make):
        scores = np.array([scores_of(make(seed), seed) for seed in range(4)])
        return [spread(column) for column in scores.T]

    yield "logistic regression", "", *row(lambda seed: LogisticRegression(max_iter=1000))
    for modes, state_lr in (("trained", 1e-3), ("fixed", 0.0)):
        for init in ("legs", "ptd"):
            params = {"init": init, "dt_min": dt, "dt_max": dt, "state_lr": state_lr}
            yield (
                f"s4d, {init}",
                modes,
                *row(lambda seed, p=params: SSMClassifier(max_epochs=10, random_state=seed, **p)),
            )


def held():
    """Digits, each pixel held for 8 steps: a sinusoid of 10 % of their range added, four seeds."""
    yield (
        "model",
        "clean",
        "at the spike of legs",
        "at the largest response of the trained layer above 0.6",
        "worst of 25 frequencies",
    )
    dt, steps = 0.008, np.arange(512)
    spike = diagonal_init(32, "legs")[0].imag.max() * dt

    def scores_of(make, seed):
        X, X_test, y, y_test = split_digits(seed)
        X, X_test, y_test = X.repeat(8, axis=1), X_test[:300].repeat(8, axis=1), y_test[:300]
        model = make(seed).fit(X[:800], y[:800])
        phase = np.random.default_rng(seed).uniform(0, 2 * np.pi, (len(X_test), 1))
        amplitude = 0.1 * (X.max() - X.min())

        def score(omega):
            return model.score(X_test + amplitude * np.sin(omega * steps + phase), y_test)

        peak = largest_response(model) if hasattr(model, "module_") else spike
        worst = min(score(omega) for omega in np.linspace(0.1, 3.1, 25))
        return model.score(X_test, y_test), score(spike), score(peak), worst

    def row(make):
        return [spread(column) for column in np.array([scores_of(make, s) for s in range(4)]).T]

    yield "logistic regression", *row(lambda seed: LogisticRegression(max_iter=1000))
    for init in ("legs", "ptd", "lin"):
        params = {"init": init, "dt_min": dt, "dt_max": dt, "d_model": 16, "max_epochs": 10}
        yield f"s4d, {init}", *row(lambda seed, p=params: SSMClassifier(random_state=seed, **p))


def largest_response(clf):
    """Frequency above 0.6 at which the first layer responds most, mean square over its channels."""
    kernels = clf.module_.blocks[0].layer.kernel(2048)[0].detach().numpy()
    omega = 2 * np.pi * np.fft.rfftfreq(2048)
    response = np.mean(np.abs(np.fft.rfft(kernels)) ** 2, axis=0)
    return omega[np.where(omega > 0.6, response, 0).argmax()]


def ssvep():
    """Accuracy on a session held out, five sessions, five flicker frequencies (chance 0.2)."""
    yield "model", "U001", "U009", "seconds of a fit"
    for name, make, seeds in models_of_epochs():
        cells, seconds = [], []
        for subject in (1, 9):
            data = fetch_ssvep(subject)
            scores = np.zeros((seeds, 5))
            for k, (train, test) in enumerate(
                LeaveOneGroupOut().split(data.data, groups=data.session)
            ):
                X = data.data / data.data[train].std(axis=(0, 2), keepdims=True)
                for seed in range(seeds):
                    start = time.perf_counter()
                    model, turn = make(seed)
                    model.fit(turn(X[train]), data.target[train])
                    seconds.append(time.perf_counter() - start)
                    scores[seed, k] = model.score(turn(X[test]), data.target[test])
            cells.append(spread(scores.mean(axis=0)))
        yield name, *cells, f"{np.median(seconds):.1f}"


def models_of_epochs():
    """Name, factory of a model and of what turns epochs into its input, and number of seeds."""
    raw = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    covariance = AugmentedCovarianceClassifier(order=6, lag=3, classifier="lr")
    yield (
        "logistic regression on raw epochs",
        lambda seed: (raw, lambda X: X.reshape(len(X), -1)),
        1,
    )
    yield "augmented covariance, order 6, lag 3", lambda seed: (covariance, lambda X: X), 1
    for layer, init in (("s4d", "lin"), ("s4d", "ptd"), ("s5", "lin")):

        def make(seed, layer=layer, init=init):
            clf = SSMClassifier(layer, init=init, max_epochs=20, random_state=seed)
            return clf, lambda X: X.transpose(0, 2, 1)

        yield f"SSM, {layer}, {init}, 20 epochs, mean of 3 seeds", make, 3


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)  # batches are small
    with threadpool_limits(1):
        write_page("state_space", __doc__.splitlines()[0], digits, robustness, held, ssvep)
