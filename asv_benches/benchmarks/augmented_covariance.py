"""Augmented covariances beside the moabb-style pipeline: embed, pyRiemann Covariances, classify."""

from __future__ import annotations

import functools

import numpy as np
from pyriemann.classification import MDM
from pyriemann.estimation import Covariances
from pyriemann.spatialfilters import CSP
from pyriemann.tangentspace import TangentSpace
from scipy.signal import butter, sosfiltfilt
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import SelectKBest, mutual_info_classif
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    LeaveOneGroupOut,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer

from subspace_learn import AugmentedCovarianceClassifier
from subspace_learn.covariance import AugmentedCovariances
from subspace_learn.datasets import fetch_motor_imagery, fetch_ssvep

from .common import Listing, Quality, Speed


class Embedding(TransformerMixin, BaseEstimator):
    """Delay embedding trial by trial, as the moabb pipeline does it (without its lost lag)."""

    def __init__(self, order=1, lag=1):
        self.order = order
        self.lag = lag

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        length = X.shape[2] - (self.order - 1) * self.lag
        starts = range(0, self.order * self.lag, self.lag)
        return np.array([np.concatenate([x[:, t : t + length] for t in starts]) for x in X])

    def __sklearn_is_fitted__(self):
        return True


def peer(order, lag, classifier):
    """The pipeline a user would write today."""
    return make_pipeline(Embedding(order, lag), Covariances("oas"), *classifier)


def tangent_lr():
    return TangentSpace(), LogisticRegression(max_iter=1000)


def ssvep(subject):
    """Epochs, classes, sessions, and splits that leave one session out."""
    bunch = fetch_ssvep(subject)
    groups = np.asarray(bunch.session)
    splits = [(np.flatnonzero(groups != s), np.flatnonzero(groups == s)) for s in range(5)]
    return bunch.data.astype(np.float64), bunch.target, groups, splits


def motor(subject):
    """Left and right fist: train on executed, test on imagined movements; runs are the groups."""
    bunch = fetch_motor_imagery(subject)
    rows = np.isin(bunch.target, ["left_fist", "right_fist"])
    mode, groups = bunch["mode"][rows], bunch.run[rows]
    split = (np.flatnonzero(mode == "exec"), np.flatnonzero(mode == "imag"))
    return bunch.data[rows].astype(np.float64), bunch.target[rows], groups, [split]


class EEG(Speed):
    """Real epochs, one thread."""

    needs = ("data", "pyriemann")
    n_threads = 1
    budget = 6.0

    def make_data(self, *case):
        return motor(15)[:2]

    def nbytes(self, data):
        return data[0].nbytes


class CovarianceStage(EEG):
    """Epochs to OAS covariances: 500 of SSVEP (8 x 125), 90 of motor imagery (21 x 480).

    The score is the largest difference to the peer over the largest entry.
    """

    param_names = ["data", "order", "lag"]
    params = [["ssvep", "motor"], [1, 4, 6], [3]]

    def make_data(self, name, order, lag):
        self.cell = order, lag
        return ssvep(1)[:2] if name == "ssvep" else super().make_data()

    def ours(self, data):
        return AugmentedCovariances(*self.cell).fit_transform(data[0])

    def peers(self, data):
        pipe = peer(*self.cell, ())
        return {"embedding + pyriemann": lambda: pipe.fit_transform(data[0])}

    def score(self, data, result):
        exact = self.results["embedding + pyriemann"]
        return np.abs(result - exact).max() / np.abs(exact).max()


class Fit(EEG):
    """One fit at d = 84 (motor imagery, order 4, lag 2, 90 epochs), one thread.

    "mean": at the affine-invariant mean, as the peer; "arithmetic": our default; "mdm": means of
    the classes.
    """

    param_names = ["how"]
    params = [["mean", "arithmetic", "mdm"]]
    smallest = ("arithmetic",)

    def make_data(self, how):
        self.how = how
        return super().make_data()

    def ours(self, data):
        return AugmentedCovarianceClassifier(
            4,
            2,
            reference="arithmetic" if self.how == "arithmetic" else "mean",
            classifier="mdm" if self.how == "mdm" else "lr",
            n_jobs=self.n_threads,
        ).fit(*data)

    def peers(self, data):
        classifier = (MDM(),) if self.how == "mdm" else tangent_lr()
        pipe = peer(4, 2, classifier)
        return {"moabb-style + pyriemann": lambda: pipe.fit(*data)}


class FitTwoThreads(Fit):
    """The same with two threads."""

    n_threads = 2


class Grid(EEG):
    """96 fits (16 cells of order and lag, 6 folds) and a refit, on 45 imagined epochs.

    The peer is GridSearchCV over the pipeline. "mean": means iterated by both; "arithmetic": our
    default beside the same peer.
    """

    param_names = ["reference"]
    params = [["arithmetic", "mean"]]
    budget = 1.0

    def make_data(self, reference):
        self.reference = reference
        self.orders = (1, 2) if self.quick else (1, 2, 3, 4)
        self.lags = (1,) if self.quick else (1, 2, 3, 4, 6)
        X, y, _, [(_, imagined)] = motor(15)
        return X[imagined], y[imagined]

    def ours(self, data):
        return AugmentedCovarianceClassifier(
            orders=self.orders,
            lags=self.lags,
            reference=self.reference,
            classifier="lr",
            cv=StratifiedKFold(6),
        ).fit(*data)

    def peers(self, data):
        grid = [
            {"embedding__order": [1]},
            {"embedding__order": self.orders[1:], "embedding__lag": self.lags},
        ]
        search = GridSearchCV(peer(1, 1, tangent_lr()), grid, cv=StratifiedKFold(6))
        return {"GridSearchCV over moabb-style + pyriemann": lambda: search.fit(*data)}


class Toeplitz(EEG):
    """One fit on 500 SSVEP epochs, order 6, lag 3: block-Toeplitz with the Siegel metric.

    Beside it our own fit on full matrices, and the pipeline of pyRiemann.
    """

    param_names = ["how"]
    params = [["lr", "mdm"]]

    def make_data(self, how):
        self.how = how
        return ssvep(1)[:2]

    def ours(self, data):
        return AugmentedCovarianceClassifier(
            6, 3, structure="toeplitz", metric="siegel", classifier=self.how
        ).fit(*data)

    def peers(self, data):
        full = AugmentedCovarianceClassifier(6, 3, classifier=self.how)
        pipe = peer(6, 3, (MDM(),) if self.how == "mdm" else tangent_lr())
        return {
            "ours, full": lambda: full.fit(*data),
            "moabb-style + pyriemann": lambda: pipe.fit(*data),
        }


# --- accuracy -----------------------------------------------------------------------------------


def ours(*cell, **options):
    return AugmentedCovarianceClassifier(*cell, **options)


SIX_THREE = {"order": 6, "lag": 3, "classifier": "lr"}
METHODS = {
    "order 1, LR": ours(1, 1, classifier="lr"),
    "order 6, lag 3, LR": ours(**SIX_THREE),
    "order 4, lag 2, LR": ours(4, 2, classifier="lr"),
    "auto, LR": ours(classifier="lr"),
    "auto, SVM (default)": ours(),
    "mdop, LR": ours(selection="mdop", classifier="lr"),
    "afnn, LR": ours(selection="afnn", classifier="lr"),
    "order 6, lag 3, MDM": ours(6, 3, classifier="mdm"),
    "order 6, lag 3, LR, log-Euclidean": ours(metric="logeuclid", **SIX_THREE),
    "order 6, lag 3, LR, Bures-Wasserstein": ours(metric="wasserstein", **SIX_THREE),
    "order 6, lag 3, LR, block-Toeplitz": ours(structure="toeplitz", **SIX_THREE),
    "order 6, lag 3, LR, Siegel": ours(structure="toeplitz", metric="siegel", **SIX_THREE),
    "pyRiemann, order 1, LR": peer(1, 1, tangent_lr()),
    "pyRiemann, order 6, lag 3, LR": peer(6, 3, tangent_lr()),
    "pyRiemann, order 6, lag 3, MDM": peer(6, 3, (MDM(),)),
}
TASKS = {
    "SSVEP U001": lambda: ssvep(1),
    "SSVEP U009": lambda: ssvep(9),
    "motor S015": lambda: motor(15),
    "motor S001": lambda: motor(1),
}


class Accuracy(Listing):
    """Accuracy on real EEG; chance is .20 on SSVEP and .50 on motor imagery.

    SSVEP: five classes, one of five sessions held out in turn, sessions as groups of the search;
    in parentheses the standard deviation over sessions. Motor imagery: left and right fist,
    trained on executed, tested on imagined movements, runs as groups; in parentheses the binomial
    standard error of 45 epochs. In brackets the order and lag that were chosen.
    """

    needs = ("data", "pyriemann")
    n_threads = 1

    def rows(self):
        tasks = {name: TASKS[name]() for name in self.some(TASKS)}
        yield "method", *tasks
        for name in self.some(METHODS):
            yield name, *(self._accuracy(METHODS[name], *data) for data in tasks.values())
        if not self.quick:
            worst = (most_differing(*data) for data in tasks.values())
            yield "predictions in which pyRiemann differs, worst cell of the search", *worst

    def _accuracy(self, estimator, X, y, groups, splits):
        """Mean accuracy, its spread, and the cells in use."""
        scores, cells = [], []
        for train, test in self.some(splits):
            model = clone(estimator)
            grouped = isinstance(model, AugmentedCovarianceClassifier)
            model.fit(X[train], y[train], **({"groups": groups[train]} if grouped else {}))
            scores.append(model.score(X[test], y[test]))
            if grouped and "auto" in (estimator.order, estimator.lag):
                cells.append(f"{model.order_}/{model.lag_}")
        mean = np.mean(scores)
        error = (
            np.std(scores, ddof=1) if len(scores) > 1 else (mean * (1 - mean) / len(test)) ** 0.5
        )
        return f"{mean:.3f} ({error:.3f})" + (f" [{', '.join(cells)}]" if cells else "")


def most_differing(X, y, groups, splits):
    """Most test predictions, over all cells of the default search, in which pyRiemann differs."""
    train, test = splits[0]
    worst = 0
    for order in (1, 2, 3, 4, 6, 8):
        for lag in (1, 2, 3, 4, 6, 8) if order > 1 else (1,):
            if X.shape[2] - (order - 1) * lag < order * X.shape[1]:
                continue
            model = ours(order, lag, classifier="lr", reference="mean").fit(X[train], y[train])
            other = peer(order, lag, tangent_lr()).fit(X[train], y[train])
            worst = max(worst, int(np.sum(model.predict(X[test]) != other.predict(X[test]))))
    return f"{worst} of {len(test)}"


# --- what an expert would use instead -----------------------------------------------------------


def lr(C=1.0):
    return LogisticRegression(C=C, max_iter=1000)


def chosen_inside(candidates, y, groups):
    """Pair of training and test features, and model, best over the groups left out in turn."""
    scores = [
        cross_val_score(model, train, y, groups=groups, cv=LeaveOneGroupOut()).mean()
        for (train, _), model in candidates
    ]
    (train, test), model = candidates[int(np.argmax(scores))]
    return model.fit(train, y).predict(test)


def in_band(X, low, high, sfreq):
    sections = butter(2, [low, high], "bandpass", fs=sfreq, output="sos")
    return sosfiltfilt(sections, X, axis=-1)


def canonical_correlations(X, frequencies, sfreq, n_harmonics=3):
    """Correlations (n, n_frequencies, n) of epochs with waves of each frequency."""
    angle = 2 * np.pi * np.arange(X.shape[2]) / sfreq
    centred = X - X.mean(axis=2, keepdims=True)
    epochs, found = np.linalg.qr(centred.swapaxes(1, 2))[0].swapaxes(1, 2), []
    for frequency in frequencies:
        harmonics = frequency * np.arange(1, n_harmonics + 1)[:, None]
        waves = np.vstack([np.sin(harmonics * angle), np.cos(harmonics * angle)]).T
        basis = np.linalg.qr(waves - waves.mean(axis=0))[0]
        found.append(np.linalg.svd(epochs @ basis, compute_uv=False))
    return np.stack(found, axis=1)


def around(frequencies, width, harmonics=(1, 2)):
    return [(h * f - width, h * f + width) for f in frequencies for h in harmonics]


WIDTHS = (0.5, 1.0, 2.0)  # Hz on both sides of a stimulus
GENERIC = ((5, 15), (13, 27))


@functools.cache
def flicker(subject):
    """What all folds share: epochs, classes, sessions, splits, and the features of peers."""
    X, y, groups, splits = ssvep(subject)
    frequencies = fetch_ssvep(subject).frequencies.tolist()
    wide = [
        np.concatenate([in_band(X, *b, 125) for b in around(frequencies, w)], 1) for w in WIDTHS
    ]
    extended = [Covariances("oas").transform(Z) for Z in wide]
    correlations = canonical_correlations(X, frequencies, 125.0)
    return X, y, groups, splits, frequencies, extended, correlations


class ExpertsFlicker(Quality):
    """What an expert would use instead: accuracy on five flicker frequencies, a session held out.

    Mean and standard deviation over the five sessions; chance is .20. The first five rows are told
    nothing of the frequencies (their bands are 5 to 15 and 13 to 27 Hz, whatever flickers). The
    others know all five and use them and their harmonics. What is open (order, lag and bands; width
    of the bands; C) is chosen on the training sessions.
    """

    needs = ("data", "pyriemann")
    case_name = "method"
    cases = {"U009": 9, "U001": 1}
    seeds = 5
    transposed = True

    def make_data(self, subject, session):
        return flicker(subject), session

    def methods(self, data):
        (X, y, groups, splits, frequencies, extended, correlations), session = data
        train, test = splits[session]
        candidates = {"orders": (2,), "lags": (3,)} if self.quick else {}

        def fitted(model, **options):
            return model.fit(X[train], y[train], **options).predict(X[test])

        def two_bands(*cell, **options):
            return ours(*cell, classifier="lr", sfreq=125.0, **{"bands": GENERIC} | options)

        def at_the_stimuli():
            grid = {"bands": [tuple(around(frequencies, width)) for width in WIDTHS]}
            search = GridSearchCV(two_bands(1, 1), grid, cv=LeaveOneGroupOut())
            return fitted(search, groups=groups[train])

        def recipe():
            pairs = []
            for S in extended:
                tangent = TangentSpace({"mean": "logeuclid", "map": "riemann"}).fit(S[train])
                turned = PCA(svd_solver="full").fit(tangent.transform(S[train]))  # changes no score
                parts = (turned.transform(tangent.transform(S[rows])) for rows in (train, test))
                pairs.append((tuple(parts), lr()))
            return chosen_inside(pairs, y[train], groups[train])

        def correlations_and_lr():
            flat = correlations.reshape(len(X), -1)
            models = [((flat[train], flat[test]), lr(C)) for C in (0.1, 1.0, 10.0, 100.0)]
            return chosen_inside(models, y[train], groups[train])

        return {
            "ours, bands, order and lag auto": lambda: fitted(
                two_bands(bands="auto", **candidates), groups=groups[train]
            ),
            "ours, two bands, order 6, lag 3": lambda: fitted(two_bands(6, 3)),
            "ours, two bands, order 4, lag 3": lambda: fitted(two_bands(4, 3)),
            "ours, one band, order 6, lag 3": lambda: fitted(ours(**SIX_THREE)),
            "pyRiemann, spatial covariances": lambda: fitted(peer(1, 1, tangent_lr())),
            "canonical correlation, no training": lambda: correlations[test, :, 0].argmax(axis=1),
            "canonical correlations, LR": correlations_and_lr,
            "pyRiemann, epochs extended by the stimuli's bands": recipe,
            "ours, the stimuli's bands, order 1": at_the_stimuli,
        }

    def score(self, data, predicted):
        (_, y, _, splits, *_), session = data
        return float(np.mean(predicted == y[splits[session][1]]))


FOUR_HERTZ = [(low, low + 4) for low in range(8, 32, 4)]


def shrunk_lda():
    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")


def banded_csp(n_filters, n_kept):
    """Common spatial patterns in bands of 4 Hz, the most informative of them or all, LDA."""
    bands = (FunctionTransformer(lambda S, b=b: S[:, b]) for b in range(len(FOUR_HERTZ)))
    informative = functools.partial(mutual_info_classif, random_state=0)
    parts = make_union(*(make_pipeline(band, CSP(n_filters)) for band in bands))
    return make_pipeline(parts, SelectKBest(informative, k=n_kept), shrunk_lda())


@functools.cache
def fists(subject):
    """Epochs, classes, runs, whether the movement was made, and covariances, whole and in bands."""
    bunch = fetch_motor_imagery(subject)
    rows = np.isin(bunch.target, ["left_fist", "right_fist"])
    X, y = bunch.data[rows].astype(np.float64), bunch.target[rows]
    whole = Covariances("oas").transform(X)
    bands = [Covariances("oas").transform(in_band(X, *band, 160)) for band in FOUR_HERTZ]
    made = bunch["mode"][rows] == "exec"
    return X, y, bunch.run[rows], made, whole, np.stack(bands, axis=1)


@functools.cache
def fists_predicted(subject, held_out, quick):
    """Labels of a run by each method; runs that share their training epochs are one."""
    X, y, run, made, whole, banded = fists(subject)
    train, test = (made, ~made) if held_out is None else (run != held_out, run == held_out)
    groups, classes = run[train], y[train]
    options = {"orders": (2, 3, 4)[: 1 if quick else 3], "lags": (2, 4, 6)[: 1 if quick else 3]}

    def fitted(model):
        return model.fit(X[train], classes, groups=groups).predict(X[test])

    def inside(S, models):
        return chosen_inside([((S[train], S[test]), m) for m in models], classes, groups)

    power = np.log(np.diagonal(banded, axis1=2, axis2=3)).reshape(len(X), -1)
    found = {
        "ours, order 6, lag 3": fitted(ours(**SIX_THREE)),
        "ours, order and lag auto": fitted(ours(classifier="lr", **options)),
        "ours, bands, order and lag auto": fitted(
            ours(classifier="lr", bands="auto", sfreq=160.0, **options)
        ),
        "CSP, LDA": inside(
            whole, [make_pipeline(CSP(n), LinearDiscriminantAnalysis()) for n in (2, 4, 6)]
        ),
        "filter-bank CSP, LDA": inside(
            banded, [banded_csp(n, kept) for n in (2, 4) for kept in (8, "all")]
        ),
        "pyRiemann, tangent space, LR": inside(whole, [make_pipeline(*tangent_lr())]),
        "log power in bands of 4 Hz, LDA": inside(power, [shrunk_lda()]),
    }
    return np.flatnonzero(test), found


class ExpertsFists(Quality):
    """What an expert would use instead: accuracy on left or right fist, mean and sd over 3 runs.

    S015, S001: trained on 45 executed, tested on 45 imagined movements. S003, S007: 45 movements,
    one of three runs held out. Chance is .50; the standard error of 45 epochs is .05 to .07. What
    is open (orders 1 to 4, lags 2, 4, 6, bands; filters of common spatial patterns, CSP, and how
    many are kept) is chosen on the training runs.
    """

    needs = ("data", "pyriemann")
    case_name = "method"
    cases = {"S015": 15, "S001": 1, "S003": 3, "S007": 7}
    seeds = 3
    transposed = True

    def make_data(self, subject, seed):
        _, y, run, made, *_ = fists(subject)
        across = subject in (15, 1)
        held_out = np.unique(run[~made] if across else run)[seed]
        rows, found = fists_predicted(subject, None if across else held_out, self.quick)
        here = run[rows] == held_out
        return {name: np.mean((labels == y[rows])[here]) for name, labels in found.items()}

    def methods(self, data):
        return {name: lambda accuracy=accuracy: accuracy for name, accuracy in data.items()}
