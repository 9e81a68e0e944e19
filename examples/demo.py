"""The eight headline estimators at work on real data: one table, and a picture per family.

``make demo`` runs this; pictures go to ``demo_output/``. Every row has a baseline that knows
nothing of the method and the peer a user would pick otherwise. Choices (number of directions,
order, lag) are fixed beforehand or made on training data. Data that cannot be had here are named,
and their row is left out.
"""

import sys
import time
import warnings
from functools import partial
from pathlib import Path
from typing import NamedTuple

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from pyriemann.estimation import Covariances
from pyriemann.tangentspace import TangentSpace
from scipy.linalg import dft
from scipy.sparse import block_array
from sklearn.cluster import KMeans, SpectralClustering
from sklearn.datasets import load_diabetes, load_digits, load_sample_image
from sklearn.decomposition import FactorAnalysis, IncrementalPCA
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import normalized_mutual_info_score
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from subspace_learn import (
    AugmentedCovarianceClassifier,
    DPPLeastSquares,
    GrassmannPCA,
    KoopmanEDMD,
    RandomMatrixFilter,
    SelfCalibrationLS,
    SensitivitySampler,
    SpectralAMGClustering,
)
from subspace_learn.covariance import CovarianceDisplay
from subspace_learn.datasets import (
    DatasetUnavailableError,
    fetch_attributed_graph,
    fetch_motor_imagery,
    fetch_nsl_kdd,
    fetch_ssvep,
)
from subspace_learn.dynamics import (
    DelayDictionary,
    KoopmanSpectrumDisplay,
    multi_step_score,
)
from subspace_learn.graph import SortedAdjacencyDisplay
from subspace_learn.inverse import ConvolutionSensing
from subspace_learn.random_matrix import SpectrumDisplay
from subspace_learn.sampling import DesignDisplay

OUTPUT = Path("demo_output")


class Row(NamedTuple):
    """What one estimator did."""

    estimator: str
    task: str
    measure: str
    baseline: tuple[str, float]
    peer: tuple[str, float]
    ours: float
    seconds: float


def timed(function, *args, **kwargs):
    """Result of a call, and how long it took."""
    start = time.perf_counter()
    result = function(*args, **kwargs)
    return result, time.perf_counter() - start


def save(figure, name):
    OUTPUT.mkdir(exist_ok=True)
    figure.savefig(OUTPUT / f"{name}.png", dpi=120, bbox_inches="tight")
    plt.close(figure)


def largest_angle(A, B):
    """Largest principal angle of two row spaces, in radians."""
    A, B = (np.linalg.qr(np.asarray(M, dtype=float).T)[0] for M in (A, B))
    return float(np.arcsin(min(1.0, np.linalg.norm(A - B @ (B.T @ A), 2))))


def traffic():
    """Numeric columns of NSL-KDD's training set on a logarithmic scale, and which rows attack."""
    data = fetch_nsl_kdd("train")
    names = np.delete(data.feature_names, data.categorical_features).tolist()
    X = np.delete(data.data, data.categorical_features, axis=1).astype(float)
    return names, np.log1p(X), data.target != 0


def grassmann_pca():
    """The principal subspace of network traffic that streams past in batches."""
    _, X, attack = traffic()
    X = StandardScaler().fit_transform(X[~attack])
    exact = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)[2][:10]

    def streamed(model):
        for first in range(0, len(X), 1000):
            model.partial_fit(X[first : first + 1000])
        return model

    peer = streamed(IncrementalPCA(10))
    ours, seconds = timed(streamed, GrassmannPCA(10))
    one_batch = GrassmannPCA(10).fit(X[:1000])
    figure, ax = plt.subplots(figsize=(5, 4), layout="constrained")
    Z = ours.transform(X[::10])
    ax.plot(Z[:, 0], Z[:, 1], ".", markersize=2, color="#0072B2")
    ax.set(xlabel="component 1", ylabel="component 2", title="normal traffic, NSL-KDD")
    save(figure, "grassmann")
    return Row(
        "GrassmannPCA",
        f"stream {len(X):,} x {X.shape[1]} in batches of 1,000",
        "angle to the exact subspace",
        ("first batch only", largest_angle(one_batch.components_, exact)),
        ("IncrementalPCA", largest_angle(peer.components_, exact)),
        largest_angle(ours.components_, exact),
        seconds,
    )


def augmented_covariance():
    """Which light someone looks at, from EEG of sessions never seen."""
    data = fetch_ssvep(9)
    X, y, session = data.data.astype(float), data.target, data.session
    peer = make_pipeline(Covariances("oas"), TangentSpace(), LogisticRegression(max_iter=1000))
    ours = AugmentedCovarianceClassifier(order=6, lag=3, classifier="lr")
    folds = list(LeaveOneGroupOut().split(X, y, session))
    theirs = cross_val_score(peer, X, y, cv=folds).mean()
    scores, seconds = timed(cross_val_score, ours, X, y, cv=folds)
    names = {"ch_names": data.ch_names, "unit": "squared units of the recording"}
    display = CovarianceDisplay.from_estimator(ours.fit(X, y), X, y, **names)
    save(display.figure_, "covariance")
    return Row(
        "AugmentedCovarianceClassifier",
        f"{len(X)} EEG epochs, one of {len(folds)} sessions held out",
        "accuracy",
        ("chance", np.bincount(y).max() / len(y)),
        ("pyRiemann", float(theirs)),
        float(scores.mean()),
        seconds,
    )


def graph_clustering():
    """Subjects of papers, from who cites whom and the words they use."""
    data = fetch_attributed_graph("cora")
    A, words, truth = data.adjacency, data.attributes, data.target
    k = len(np.unique(truth))
    seed = {"random_state": 0}
    plain = KMeans(k, n_init=3, **seed).fit_predict(words)
    # the peer gets citations and words too: each word is a vertex of one larger graph
    joint = block_array([[A, words], [words.T, None]], format="csr")
    peer = SpectralClustering(k, affinity="precomputed", **seed)
    ours = SpectralAMGClustering(k, **seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a few papers stand apart
        theirs = peer.fit_predict(joint)[: len(truth)]
    found, seconds = timed(ours.fit, words, adjacency=A)
    display = SortedAdjacencyDisplay.from_estimator(found)
    save(display.figure_, "graph")
    return Row(
        "SpectralAMGClustering",
        f"{A.shape[0]:,} papers, {A.nnz // 2:,} citations, {words.shape[1]:,} words",
        "NMI with the subjects",
        ("k-means on words", normalized_mutual_info_score(truth, plain)),
        ("SpectralClustering", normalized_mutual_info_score(truth, theirs)),
        normalized_mutual_info_score(truth, found.labels_),
        seconds,
    )


def dpp_least_squares():
    """Progression of diabetes from few patients whose labels were paid for."""
    X, y = load_diabetes(return_X_y=True)
    best = np.mean((y - LinearRegression().fit(X, y).predict(X)) ** 2)

    def excess(sampling):
        """Mean squared error on all patients, over the best possible, of 100 designs."""
        models = [DPPLeastSquares(sampling=sampling, random_state=i).fit(X, y) for i in range(100)]
        return np.mean([np.mean((y - m.predict(X)) ** 2) for m in models]) / best

    ours, seconds = timed(excess, "repeated_dpp")
    line = np.linspace(-1, 1, 2000)[:, None]
    design = DPPLeastSquares("legendre", random_state=0)
    design.design(line)
    save(DesignDisplay.from_estimator(design, line).figure_, "sampling")
    return Row(
        "DPPLeastSquares",
        f"{len(y)} patients, {2 * (X.shape[1] + 1)} of them labelled",
        "squared error / best",
        ("uniform rows", excess("uniform")),
        ("optimal i.i.d. rows", excess("christoffel")),
        ours,
        seconds / 100,
    )


def sensitivity_sampler():
    """Least squares on 125,973 rows from 400 of them."""
    names, X, _ = traffic()
    target = names.index("dst_bytes")
    y, X = X[:, target], StandardScaler().fit_transform(np.delete(X, target, axis=1))
    X = np.hstack([X, np.ones((len(X), 1))])

    def loss(coefficients):
        return np.mean((y - X @ coefficients) ** 2)

    best = loss(np.linalg.lstsq(X, y)[0])

    def excess(row_score):
        """Loss on all rows over the best, median of 20 samples."""
        ratios = []
        for seed in range(20):
            sampler = SensitivitySampler(400, row_score=row_score, random_state=seed).fit(X, y)
            root = np.sqrt(sampler.weights_)
            A, b = X[sampler.indices_] * root[:, None], y[sampler.indices_] * root
            ratios.append(loss(np.linalg.lstsq(A, b)[0]) / best)
        return float(np.median(ratios))

    ours, seconds = timed(excess, "lewis")
    return Row(
        "SensitivitySampler",
        f"regression on 400 of {len(X):,} connections",
        "squared error / best",
        ("uniform rows", excess("uniform")),
        ("root leverage", excess("root_leverage")),
        ours,
        seconds / 20,
    )


def self_calibration():
    """A photograph read out by a camera that smears its rows in an unknown way."""
    n, m = 160, 192
    image = load_sample_image("china.jpg").mean(axis=2)[:420, :640]
    image = image.reshape(105, 4, n, 4).mean(axis=(1, 3)) / 255
    smear = np.exp(-np.arange(m) / 3.0)
    smear[7] += 0.4
    smear /= smear.sum()
    frame = np.zeros((len(image), m))
    frame[:, :n] = image
    rows = np.fft.ifft(np.fft.fft(frame) * np.fft.fft(smear)).real
    noise = np.random.default_rng(0).standard_normal(rows.shape)
    rows += noise * np.linalg.norm(rows) / np.linalg.norm(noise) * 10 ** (-50 / 20)

    def error(estimate):
        factor = np.vdot(estimate, image) / np.vdot(estimate, estimate)
        return float(np.linalg.norm(factor * estimate - image) / np.linalg.norm(image))

    pixels = ConvolutionSensing(np.eye(1, m)[0], n)
    taps = {"gain_basis": dft(m)[:, :32], "refine": 5}
    model = SelfCalibrationLS("blind_deconvolution", sensing=pixels, method="svd", **taps)
    _, seconds = timed(model.fit, rows)
    known = (np.fft.fft(np.eye(m)[:n]) * np.fft.fft(smear)).T
    oracle = np.linalg.lstsq(known, np.fft.fft(rows).T)[0].T.real
    figure, axes = plt.subplots(1, 3, figsize=(11, 3), layout="constrained")
    scale = np.vdot(model.signal_, image) / np.vdot(model.signal_, model.signal_)
    pictures = {"the camera gives": rows[:, :n], "found": model.signal_ * scale, "truth": image}
    for ax, (title, picture) in zip(axes, pictures.items(), strict=True):
        ax.imshow(picture, cmap="gray", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[], title=title)
    save(figure, "inverse")
    return Row(
        "SelfCalibrationLS",
        f"{len(rows)} smeared image rows, 50 dB, filter unknown",
        "relative error",
        ("not sharpened", error(rows[:, :n])),
        ("filter known", error(oracle)),
        error(model.signal_),
        seconds,
    )


def koopman():
    """The next 31 ms of six EEG channels from at most the last 100 ms."""
    choices, ahead = (3, 7, 15), 5  # earlier states beside the present one
    X = np.swapaxes(fetch_motor_imagery(1).data[:40, ::4], 1, 2).astype(float)
    train, test = X[:20] / X[:20].std(), X[20:] / X[:20].std()
    longest = max(choices) + 1
    starts = range(0, X.shape[1] - longest - ahead, 5)
    pieces = np.stack([epoch[i : i + longest + ahead] for epoch in test for i in starts])
    history, future = pieces[:, :longest], pieces[:, -1]

    def r2(forecast):
        spread = np.mean((test - test.mean(axis=(0, 1))) ** 2)
        return float(1 - np.mean((forecast - future) ** 2) / spread)

    def autoregression(window):
        """Akaike's criterion, and the forecasts, of a vector autoregression."""
        past = [np.lib.stride_tricks.sliding_window_view(e[:-1], window, axis=0) for e in train]
        past = np.concatenate(past).reshape(-1, window * X.shape[2])
        now = np.concatenate([e[window:] for e in train])
        model = LinearRegression().fit(past, now)
        logdet = np.linalg.slogdet(np.cov((now - model.predict(past)).T))[1]
        rolled = history[:, -window:]
        for _ in range(ahead):
            flat = np.swapaxes(rolled, 1, 2).reshape(len(rolled), -1)
            rolled = np.concatenate([rolled[:, 1:], model.predict(flat)[:, None]], axis=1)
        return len(now) * logdet + 2 * model.coef_.size, rolled[:, -1]

    _, theirs = min((autoregression(n + 1) for n in choices), key=lambda pair: pair[0])
    search = GridSearchCV(
        KoopmanEDMD(DelayDictionary(), time_step=1 / 160),
        {"dictionary__n_delays": choices},
        scoring=partial(multi_step_score, n_steps=ahead),
        cv=4,  # epochs are left out whole
    )
    _, seconds = timed(search.fit, train)
    model = search.best_estimator_
    window = model.dictionary_.window_
    save(KoopmanSpectrumDisplay.from_estimator(model).figure_, "dynamics")
    return Row(
        "KoopmanEDMD",
        f"six channels of EEG, {ahead} samples ahead",
        "R^2 on epochs held out",
        ("persistence", r2(history[:, -1])),
        ("vector autoregression by AIC", r2(theirs)),
        r2(model.simulate(history[:, -window:], ahead)[:, -1]),
        seconds,
    )


def random_matrix_filter():
    """Handwritten digits under noise of a strength that nobody tells."""
    X = load_digits().data
    noisy = X + 4 * np.random.default_rng(0).standard_normal(X.shape)

    def error(Z):
        """Relative to the spread of the clean digits about their mean."""
        return float(np.linalg.norm(Z - X) / np.linalg.norm(X - X.mean(axis=0)))

    # Wiener's filter is told the strength; factor analysis finds its rank by cross-validation
    values, V = np.linalg.eigh(np.cov(noisy.T))
    mean, gains = noisy.mean(axis=0), np.clip(1 - 16 / values, 0, None)
    wiener = mean + (noisy - mean) @ V * gains @ V.T
    search = GridSearchCV(FactorAnalysis(), {"n_components": [5, 10, 15, 20, 30]}, cv=3)
    peer = search.fit(noisy).best_estimator_
    model = RandomMatrixFilter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # faint strokes stay in the bulk: it says so
        _, seconds = timed(model.fit, noisy)
    save(SpectrumDisplay.from_estimator(model).figure_, "random_matrix")
    return Row(
        "RandomMatrixFilter",
        f"{len(X):,} noisy digits; noise 4, found {model.noise_variance_**0.5:.1f}",
        "relative error",
        ("Wiener, told the noise", error(wiener)),
        ("FactorAnalysis", error(peer.transform(noisy) @ peer.components_ + peer.mean_)),
        error(model.filter(noisy)),
        seconds,
    )


TASKS = (
    grassmann_pca,
    augmented_covariance,
    graph_clustering,
    dpp_least_squares,
    sensitivity_sampler,
    self_calibration,
    koopman,
    random_matrix_filter,
)


def main():
    """Run all tasks and print the table."""
    rows, begun = [], time.perf_counter()
    for number, task in enumerate(TASKS, 1):
        print(f"{number} of {len(TASKS)}: {task.__doc__}", file=sys.stderr, flush=True)
        try:
            rows.append(task())
        except (DatasetUnavailableError, ImportError) as error:
            print(f"   left out: {error}", file=sys.stderr, flush=True)
    line = "    {:28s} {:>30s} {:>26s} {:>10s} {:>9s}"
    print(line.format("measure", "baseline", "peer", "ours", "seconds"))
    for row in rows:
        print(f"{row.estimator}: {row.task}")
        cells = [f"{name} {value:.3g}" for name, value in (row.baseline, row.peer)]
        print(line.format(row.measure, *cells, f"{row.ours:.3g}", f"{row.seconds:.2f}"))
    pictures = sorted(path.name for path in OUTPUT.glob("*.png"))
    print(f"\npictures in {OUTPUT}/: {', '.join(pictures)}")
    print(f"{time.perf_counter() - begun:.0f} s in all")


if __name__ == "__main__":
    main()
