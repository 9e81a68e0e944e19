"""Spectra of networks: exponents of layers and outliers of Hessians, for doc/_tables.

python asv_benches/network_spectra_tables.py           # the whole page, 4 minutes
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from tables import spread, write_page
from threadpoolctl import threadpool_limits

from subspace_learn.random_matrix import (
    HeavyTailSpectrum,
    hessian_spectrum,
    hill_exponent,
    mlp_hvp,
    top_gap,
)


def plain_exponents(layers):
    """Hill's exponent of each whole matrix."""
    return [hill_exponent(np.linalg.svd(W, compute_uv=False) ** 2).alpha for W in layers]


def shapes(n_seeds=10):
    """Gaussian matrices, mean of 10 (targets: plain spread above 2.5, ours below .06)."""
    sizes = ((128, 128), (128, 256), (128, 512), (128, 1280), (512, 100))
    plain, ours = [], []
    for seed in range(n_seeds):
        rng = np.random.default_rng(seed)
        layers = [rng.standard_normal(size) for size in sizes]
        plain.append(plain_exponents(layers))
        ours.append(HeavyTailSpectrum(64).fit(layers).alpha_)
    names = (f"{m} x {n}" for m, n in sizes)
    rows = [("exponent", *names, "spread of means", "of one draw")]
    for name, alphas in (("plain Hill", plain), ("HeavyTailSpectrum(64)", ours)):
        mean = np.mean(alphas, axis=0)
        one = np.mean(np.ptp(alphas, axis=1))
        rows.append((name, *(f"{a:.2f}" for a in mean), f"{np.ptp(mean):.3f}", f"{one:.2f}"))
    return rows


# --- layers before and after training -----------------------------------------------------------


def perceptron(hidden, seed, X, y, max_iter, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the epochs that were not needed
        return MLPClassifier(hidden, max_iter=max_iter, random_state=seed, **options).fit(X, y)


def digits_layers(hidden, window, n_seeds=5):
    """Exponents of layers of perceptrons on digits, drawn, trained, trained on shuffled labels."""
    X, y = load_digits(return_X_y=True)
    found = {}
    for seed in range(n_seeds):
        parts = train_test_split(X / 16, y, random_state=seed)
        shuffled = np.random.default_rng(seed).permutation(parts[2])
        networks = {
            # steps that move nothing leave the weights as they were drawn
            "drawn": perceptron(
                hidden, seed, parts[0], parts[2], 1, solver="sgd", learning_rate_init=1e-12
            ),
            "trained": perceptron(hidden, seed, parts[0], parts[2], 200),
            "trained on shuffled labels": perceptron(hidden, seed, parts[0], shuffled, 200),
        }
        for name, network in networks.items():
            layers = [W for W in network.coefs_ if min(W.shape) >= window]
            fit = HeavyTailSpectrum(window).fit(layers)
            score = network.score(parts[1], parts[3])
            run = (fit.shapes_, plain_exponents(layers), fit.alpha_, fit.goodness_, score)
            found.setdefault(name, []).append(run)
    rows = [("layer", "weights", "plain Hill", "windows", "distance", "test accuracy")]
    for i, shape in enumerate(found["drawn"][0][0]):
        for name, runs in found.items():
            plain, ours, distance = ([run[k][i] for run in runs] for k in (1, 2, 3))
            accuracy = spread([run[4] for run in runs], 2)
            cells = (spread(plain, 2), spread(ours, 2), spread(distance, 2), accuracy)
            rows.append((f"{shape[0]} x {shape[1]}", name, *cells))
    return rows


def narrow_layers():
    """Exponents of a 64-32-512-10 perceptron on digits, windows of 10 x 10, 5 seeds."""
    return digits_layers((32, 512), 10)


def wide_layers():
    """Exponents of a 64-512-128-10 perceptron on digits, windows of 64 x 64, 5 seeds."""
    return digits_layers((512, 128), 64)


# --- Hessians -----------------------------------------------------------------------------------


def digits_of(n_classes, centred, per_class=60):
    X, y = load_digits(return_X_y=True)
    rows = np.concatenate([np.flatnonzero(y == k)[:per_class] for k in range(n_classes)])
    X = X[rows] / 16
    return (X - X.mean(axis=0) if centred else X), y[rows]


def stopped(X, y, width, seed, activation, loss):
    """A network trained until its loss falls below a number."""
    network = MLPClassifier(
        (width,), activation=activation, batch_size=50, learning_rate_init=0.003, random_state=seed
    )
    for _ in range(1000):
        if network.partial_fit(X, y, classes=np.unique(y)).loss_ < loss:
            break
    return network


def place_of_the_gap(hvp, n, n_classes):
    """After how many eigenvalues the widest gap lies, among the first 2 K + 2."""
    H = LinearOperator((n, n), matvec=lambda v: hvp(np.ravel(v)), dtype=float)
    values = eigsh(H, 2 * n_classes + 2, which="LA", return_components=False, tol=1e-4)
    return top_gap(np.sort(values)[::-1], 1.0)


def counts(n_classes, width, activation, centred, share, n_seeds):
    """Number of outliers of Hessian and Gauss-Newton matrix at a share of the loss of guessing."""
    X, y = digits_of(n_classes, centred)
    places = {False: [], True: []}
    for seed in range(n_seeds):
        network = stopped(X, y, width, seed, activation, share * np.log(n_classes))
        for gauss_newton, found in places.items():
            hvp, n = mlp_hvp(network, X, y, gauss_newton=gauss_newton)
            found.append(place_of_the_gap(hvp, n, n_classes))
            if seed == 0 and not gauss_newton:
                s = hessian_spectrum(hvp, n, n_steps=60, n_probes=3, rng=0)
    far = s.weights[np.abs(s.nodes) > 0.01 * s.nodes[-1]].sum()
    listed = [", ".join(map(str, found)) for found in places.values()]
    return n, *listed, f"{100 * far:.1f} %"


HEAD = ("parameters", "Hessian", "Gauss-Newton", "beyond 1 % of the first")


def hessians():
    """Place of the widest gap, digits of K classes, rectified units, pixels in [0, 1], 3 seeds."""
    rows = [("K", "width", "loss / log K", *HEAD)]
    for share in (0.5, 0.1, 0.01):
        for n_classes in (2, 3, 5, 10):
            for width in (32, 64, 128):
                found = counts(n_classes, width, "relu", False, share, 3)
                rows.append((n_classes, width, share, *found))
    return rows


def hessian_conditions():
    """The same for five classes, width 64, at half the loss of guessing: what makes the gap."""
    rows = [("activation", "pixels", *HEAD)]
    for activation in ("relu", "logistic", "tanh"):
        for centred in (False, True):
            found = counts(5, 64, activation, centred, 0.5, 5)
            rows.append((activation, "centred" if centred else "in [0, 1]", *found))
    return rows


if __name__ == "__main__":
    with threadpool_limits(1):
        write_page(
            "network_spectra",
            __doc__.splitlines()[0],
            shapes,
            narrow_layers,
            wide_layers,
            hessians,
            hessian_conditions,
        )
