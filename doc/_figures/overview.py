"""The picture of README.md and the landing page: four estimators on real data.

python doc/_figures/overview.py      # writes doc/_static/overview.png, one minute
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from pyriemann.estimation import Covariances
from pyriemann.tangentspace import TangentSpace
from scipy.linalg import dft, subspace_angles
from scipy.signal import butter, sosfiltfilt
from scipy.sparse import csr_array, csr_matrix, diags_array, eye_array
from sklearn.cluster import KMeans
from sklearn.datasets import load_sample_image
from sklearn.decomposition import IncrementalPCA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import normalized_mutual_info_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, normalize

from subspace_learn import (
    AugmentedCovarianceClassifier,
    GrassmannPCA,
    SelfCalibrationLS,
    SpectralAMGClustering,
)
from subspace_learn.datasets import fetch_attributed_graph, fetch_nsl_kdd, fetch_ssvep
from subspace_learn.inverse import ConvolutionSensing

OUTPUT = Path(__file__).resolve().parents[1] / "_static" / "overview.png"
GREY, BLUE, VERMILION = "0.6", "#0072B2", "#D55E00"


def stream(ax):
    """Angle to the exact subspace of the rows so far, as batches of 1,000 arrive."""
    data = fetch_nsl_kdd("train")
    X = np.delete(data.data, data.categorical_features, axis=1)[data.target == 0].astype(float)
    X = StandardScaler().fit_transform(np.log1p(X))
    models = {"IncrementalPCA": IncrementalPCA(10), "GrassmannPCA": GrassmannPCA(10)}
    rows, angles = [], {name: [] for name in models}
    for first in range(0, len(X) - 999, 1000):
        batch = X[first : first + 1000]
        for model in models.values():
            model.partial_fit(batch)
        if first % 5000 == 0:
            seen = X[: first + 1000]
            exact = np.linalg.svd(seen - seen.mean(axis=0), full_matrices=False)[2][:10]
            rows.append(len(seen))
            for name, model in models.items():
                angles[name].append(subspace_angles(model.components_.T, exact.T).max())
    for (name, values), color in zip(angles.items(), (GREY, BLUE), strict=True):
        ax.semilogy(rows, values, "o-", color=color, markersize=3, label=name)
        print(f"{name}: angle {values[-1]:.2g} after {rows[-1]:,} rows")
    ax.set(title="Principal subspace of a stream", xlabel="rows of network traffic seen")
    ax.set_ylabel("angle to the exact one (radians)")
    ax.legend(fontsize=8)


def followed(X, frequencies, sfreq):
    """Canonical correlation of epochs with waves of each frequency and two harmonics, (n, n_f)."""
    angle = 2 * np.pi * np.arange(X.shape[2]) / sfreq
    centred = (X - X.mean(axis=2, keepdims=True)).swapaxes(1, 2)
    epochs, found = np.linalg.qr(centred)[0].swapaxes(1, 2), []
    for frequency in frequencies:
        harmonics = np.outer([frequency, 2 * frequency, 3 * frequency], angle)
        waves = np.vstack([np.sin(harmonics), np.cos(harmonics)]).T
        basis = np.linalg.qr(waves - waves.mean(axis=0))[0]
        found.append(np.linalg.svd(epochs @ basis, compute_uv=False)[:, 0])
    return np.stack(found, axis=1)


def eeg(ax):
    """Which of five lights someone looks at, one session held out in turn."""
    tangent = TangentSpace({"mean": "logeuclid", "map": "riemann"})
    peer = make_pipeline(Covariances("oas"), tangent, LogisticRegression(max_iter=1000))
    options = {"order": 6, "lag": 3, "bands": ((5, 15), (13, 27)), "sfreq": 125.0}
    ours = AugmentedCovarianceClassifier(classifier="lr", **options)
    for i, subject in enumerate((9, 1)):
        data = fetch_ssvep(subject)
        X, y = data.data.astype(float), data.target
        folds = list(LeaveOneGroupOut().split(X, y, data.session))
        around = [(h * f - 1, h * f + 1) for f in data.frequencies for h in (1, 2)]
        filters = [butter(2, band, "bandpass", fs=125, output="sos") for band in around]
        wide = np.concatenate([sosfiltfilt(sections, X, axis=-1) for sections in filters], axis=1)
        right = followed(X, data.frequencies, 125).argmax(axis=1) == y
        bars = {
            "canonical correlation, told rates": [right[test].mean() for _, test in folds],
            "pyRiemann, told rates": cross_val_score(peer, wide, y, cv=folds),
            "AugmentedCovarianceClassifier": cross_val_score(ours, X, y, cv=folds),
        }
        for j, (name, scores) in enumerate(bars.items()):
            place, color = 3.6 * i + j, ("0.8", GREY, BLUE)[j]
            ax.bar(place, np.mean(scores), color=color, label=None if i else name)
            ax.plot([place] * len(scores), scores, "k.", markersize=4)
            print(f"subject {subject}, {name}: {np.mean(scores):.3f}")
    ax.axhline(0.2, color="black", linestyle="--", linewidth=0.8)
    ax.set(title="Five flickering lights, from EEG", ylabel="accuracy (dashed: chance)")
    ax.set(xticks=[1, 4.6], xticklabels=["person U009", "person U001"], ylim=(0, 1.42))
    ax.set_yticks(np.arange(0, 1.01, 0.2))
    ax.legend(fontsize=7, loc="upper center")


def graph(ax):
    """Groups of papers and of web pages from their links and words, medians of five seeds."""
    names = ("words", "words, averaged over links", "SpectralAMGClustering")
    colours = ("0.8", GREY, BLUE)
    for place, name in enumerate(("cora", "texas")):
        data = fetch_attributed_graph(name)
        A, words, truth = data.adjacency, data.attributes, data.target
        k = len(np.unique(truth))
        loops = csr_array(A + eye_array(len(truth)))
        root = diags_array(1 / np.sqrt(loops.sum(axis=1)))
        table = TfidfTransformer().fit_transform(csr_matrix(words))
        scores = []
        for seed in range(5):
            rows = normalize(TruncatedSVD(100, random_state=seed).fit_transform(table))
            smooth = rows
            for _ in range(4):
                smooth = root @ (loops @ (root @ smooth))
            model = SpectralAMGClustering(k, random_state=seed).fit(words, adjacency=A)
            means = KMeans(k, n_init=10, random_state=seed)
            found = [means.fit_predict(rows), means.fit_predict(normalize(smooth)), model.labels_]
            scores.append([normalized_mutual_info_score(truth, labels) for labels in found])
        middle = np.median(scores, axis=0)
        print(f"NMI, {name}: {np.round(middle, 3).tolist()}")
        for i, label in enumerate(names):
            x = place + 0.3 * (i - 1)
            ax.bar(x, middle[i], 0.26, color=colours[i], label=label if place == 0 else None)
            ax.plot([x] * 5, np.array(scores)[:, i], "k.", markersize=4)
    ax.set(title="Groups from links and words", ylabel="NMI with the true groups", ylim=(0, 0.85))
    ax.set_xticks([0, 1], ["papers (Cora)", "pages (Texas)"])
    ax.legend(fontsize=7.5, loc="upper right")


def camera(above, below):
    """A photograph through a smear that nobody measured, as in examples/demo.py."""
    n, m = 160, 192
    image = load_sample_image("china.jpg").mean(axis=2)[:420, :640]
    image = image.reshape(105, 4, n, 4).mean(axis=(1, 3)) / 255
    smear = np.exp(-np.arange(m) / 3.0)
    smear[7] += 0.4
    smear /= smear.sum()
    rows = np.fft.ifft(np.fft.fft(image, m) * np.fft.fft(smear)).real
    noise = np.random.default_rng(0).standard_normal(rows.shape)
    rows += noise * np.linalg.norm(rows) / np.linalg.norm(noise) * 10 ** (-50 / 20)
    pixels = ConvolutionSensing(np.eye(1, m)[0], n)
    taps = {"gain_basis": dft(m)[:, :32], "refine": 5}
    model = SelfCalibrationLS("blind_deconvolution", sensing=pixels, method="svd", **taps).fit(rows)
    found = model.signal_.real * np.vdot(model.signal_, image).real
    found /= np.vdot(model.signal_, model.signal_).real
    pictures = ((above, rows[:, :n], "camera"), (below, found, "SelfCalibrationLS"))
    for ax, picture, name in pictures:
        error = np.linalg.norm(picture - image) / np.linalg.norm(image)
        print(f"{name}: relative error {error:.3f}")
        ax.imshow(picture, cmap="gray", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[], xlabel=f"{name}, error {100 * error:.1f} %")
    above.set_title("Unknown smear of a camera")


def main():
    figure = plt.figure(figsize=(12, 3.5), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[3, 1])
    axes = left.subplots(1, 3)
    for draw, ax in zip((stream, eeg, graph), axes, strict=True):
        draw(ax)
    camera(*right.subplots(2, 1))
    OUTPUT.parent.mkdir(exist_ok=True)
    figure.savefig(OUTPUT, dpi=90)
    print(f"{OUTPUT}: {OUTPUT.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
