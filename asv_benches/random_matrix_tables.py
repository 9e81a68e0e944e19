"""What the random matrix tools find, beside their targets and peers, for doc/_tables.

python asv_benches/random_matrix_tables.py             # the whole page, 3 minutes
python asv_benches/random_matrix_tables.py shield      # one section, printed only

Seeds are fixed, parameters are chosen on training rows, and spreads over seeds are given.
"""

from __future__ import annotations

import argparse
import os
import warnings
from pathlib import Path

import numpy as np
from sklearn.covariance import OAS, EmpiricalCovariance, LedoitWolf
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine, make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedKFold, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from subspace_learn import RandomMatrixFilter
from subspace_learn.datasets import fetch_nsl_kdd
from subspace_learn.functional.curvature import mlp_hvp
from subspace_learn.functional.heavy_tail_spectrum import hill_exponent
from subspace_learn.functional.hessian_spectrum import top_gap
from subspace_learn.random_matrix import AnalyticShrinkage, HeavyTailSpectrum

OUTPUT = Path(__file__).resolve().parents[1] / "doc" / "_tables" / "random_matrix.rst"


def table(title, header, rows):
    """Lines of a list-table."""
    lines = [f".. list-table:: {title}", "   :header-rows: 1", ""]
    for row in (header, *rows):
        first, *others = (str(cell) for cell in row)
        lines += [f"   * - {first}", *(f"     - {cell}" for cell in others)]
    return [*lines, ""]


def spread(values, scale=1.0, digits=1):
    """Mean and standard deviation over seeds."""
    values = scale * np.asarray(values)
    return f"{values.mean():.{digits}f} ± {values.std():.{digits}f}"


# --- spikes -------------------------------------------------------------------------------------


def planted(n, p, seed, tails=None):
    """Rows with population eigenvalues 10, 5, 3, 1.5 along the axes, and the covariance."""
    d = np.ones(p)
    d[:4] = (10, 5, 3, 1.5)
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((n, p)) if tails is None else rng.standard_t(tails, (n, p))
    if tails is not None:
        noise *= ((tails - 2) / tails) ** 0.5
    return noise * d**0.5, np.diag(d)


def loss(covariance, truth):
    return np.linalg.norm(covariance - truth) / np.linalg.norm(truth)


def oracle(X, truth):
    """Best eigenvalues for the sample's eigenvectors."""
    vectors = np.linalg.eigh(np.cov(X.T))[1]
    return vectors * np.einsum("ij,ij->j", vectors, truth @ vectors) @ vectors.T


def loss_section(n_seeds=20):
    rows = []
    targets = {"400, 200": ".226", "200, 200": ".308", "200, 400": ".305"}
    for n, p, tails in ((400, 200, None), (200, 200, None), (200, 400, None), (400, 200, 5)):
        losses = []
        for seed in range(n_seeds):
            X, truth = planted(n, p, seed, tails)
            models = (LedoitWolf(), OAS(), AnalyticShrinkage(), RandomMatrixFilter())
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of the heavy tails
                fits = [model.fit(X).covariance_ for model in models]
            losses.append([loss(fit, truth) for fit in (*fits, oracle(X, truth))])
        name = f"{n}, {p}"
        ours = np.median(losses, axis=0)
        target = targets.get(name, "") if tails is None else ""
        rows.append(
            [
                name + (f", t{tails} noise" if tails else ""),
                *(f"{value:.3f}"[1:] for value in ours),
                target,
            ]
        )
    return table(
        f"Relative Frobenius loss, spikes 10, 5, 3, 1.5; medians of {n_seeds} draws",
        (
            "n, p",
            "LedoitWolf",
            "OAS",
            "AnalyticShrinkage",
            "RandomMatrixFilter",
            "oracle",
            "target",
        ),
        rows,
    )


def level_section():
    rows = []
    for n, p in ((200, 100), (100, 200), (400, 40), (100, 100)):
        for noise in ("median", "mle"):
            model = RandomMatrixFilter(noise=noise, significance=0.05, on_empty="ignore")
            found = []
            for seed in range(300):
                model.fit(np.random.default_rng(seed).standard_normal((n, p)))
                found.append((model.n_spikes_ > 0, model.noise_variance_))
            found = np.array(found)
            rows.append(
                [f"{n}, {p}", noise, f"{found[:, 0].mean():.3f}", spread(found[:, 1], digits=3)]
            )
    return table(
        "White noise, 300 draws, significance .05 (target: false spikes in [.02, .09])",
        ("n, p", "noise", "draws with a spike", "noise variance (truth 1)"),
        rows,
    )


def unequal(kind, seed, n=400, p=200):
    """Three spikes of 20, 10 and 6 times the mean variance of a noise that is not white."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((n, p))
    if kind == "unequal features":
        noise *= np.exp(rng.normal(0, 0.7, p))
    elif kind == "unequal rows":
        noise *= np.exp(rng.normal(0, 0.7, n))[:, None]
    elif kind == "t3 tails":
        noise = rng.standard_t(3, (n, p))
    basis = np.linalg.qr(rng.standard_normal((p, 3)))[0]
    scale = np.mean(noise**2) ** 0.5
    return noise + scale * rng.standard_normal((n, 3)) * np.sqrt([20, 10, 6]) @ basis.T


def departures_section(n_seeds=5):
    options = {
        "default": {},
        "features": {"standardize": "features"},
        "samples": {"standardize": "samples"},
        "both": {"standardize": "both"},
        "permutation": {"edge": "permutation"},
        "both, permutation": {"standardize": "both", "edge": "permutation"},
    }
    rows = []
    for kind in ("white", "unequal features", "unequal rows", "t3 tails"):
        cells = [kind]
        for given in options.values():
            counts, warned = [], 0
            for seed in range(n_seeds):
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    model = RandomMatrixFilter(random_state=0, **given).fit(unequal(kind, seed))
                counts.append(model.n_spikes_)
                warned += bool(caught)
            low, high = min(counts), max(counts)
            cells.append(f"{low} to {high}; warned {warned}" if high > low else f"{low}; {warned}")
        rows.append(cells)
    return table(
        f"Number of spikes found (3 are planted) and how often a fit warned, {n_seeds} draws",
        ("noise", *options),
        rows,
    )


# --- EigenShield --------------------------------------------------------------------------------


def digits_rows():
    X, y = load_digits(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def nsl_rows(n_rows=6000):
    data = fetch_nsl_kdd("train")
    rng = np.random.default_rng(0)
    rows = rng.choice(len(data.target), n_rows, replace=False)
    numeric = np.log1p(np.abs(data.data[rows][:, :38].astype(float)))
    return StandardScaler().fit_transform(numeric), (data.target[rows] != 0).astype(int)


def embedding(X, y, seed, p=256, n_fragile=6):
    """Rows turned into p dimensions with noise, and weak class codes along fragile directions."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.standard_normal((p, X.shape[1] + n_fragile)))[0]
    content, fragile = axes[:, : X.shape[1]], axes[:, X.shape[1] :]
    codes = rng.standard_normal((int(y.max()) + 1, n_fragile))
    scale = np.linspace(5, 8, n_fragile)  # stronger than the content: spikes that stand apart
    message = scale * (0.3 * codes[y] + rng.standard_normal((len(y), n_fragile)))
    noise = 0.3 * rng.standard_normal((len(y), p))
    return X @ content.T + message @ fragile.T + noise, fragile


def attacked(X, y, weights, intercept, size, subspace=None):
    """Rows moved by ``size`` against a linear classifier, best within a subspace (exact)."""
    if subspace is not None:
        moves = weights @ subspace @ subspace.T
    else:
        moves = weights
    margins = X @ weights.T + intercept
    own = np.arange(len(y)), y
    best, step = np.full(len(y), np.inf), np.zeros_like(X)
    for label in range(len(weights)):
        direction = moves[label] - moves[y]
        length = np.linalg.norm(direction, axis=1)
        length[length == 0] = np.inf
        need = np.where(y == label, np.inf, (margins[own] - margins[:, label]) / length)
        closer = need < best
        best[closer] = need[closer]
        step[closer] = (direction / length[:, None])[closer]
    return X + size * step


def linear(classifier, columns, mean):
    """Weights and intercepts in the input space, one row for each class."""
    coef, intercept = classifier.coef_, classifier.intercept_
    if len(coef) == 1:
        coef, intercept = np.vstack([-coef, coef]) / 2, np.concatenate([-intercept, intercept]) / 2
    weights = coef @ columns
    return weights, intercept - weights @ mean


def shielded(X, y, seed, fragile_move=8.0):
    """Accuracies: plain, spikes only, spikes that are robust; clean and under three attacks."""
    Z, fragile = embedding(X, y, seed)
    Z, Z_test, y, y_test = train_test_split(Z, y, test_size=0.5, random_state=seed, stratify=y)
    rng = np.random.default_rng(seed + 1)
    # what the defender saw of the disturbance: random moves in the fragile subspace, training rows
    pairs = Z + fragile_move * rng.standard_normal((len(Z), fragile.shape[1])) @ fragile.T / 2
    p = Z.shape[1]
    options = {"on_empty": "raise", "significance": 0.01}
    models = {"no filter": (np.eye(p), Z.mean(axis=0))}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # digits are not noise
        plain = RandomMatrixFilter(**options).fit(Z)
        share = 1 - fragile.shape[1] / plain.n_spikes_
        shield = RandomMatrixFilter(**options, selector="rbns", quantile=share)
        shield.fit(Z, X_perturbed=pairs)
    models["spikes"] = (plain.components_, plain.mean_)
    models["spikes, RbNS"] = (shield.components_, shield.mean_)
    results = {}
    for name, (columns, mean) in models.items():
        classifier = LogisticRegression(max_iter=3000).fit((Z - mean) @ columns.T, y)
        weights, intercept = linear(classifier, columns, mean)
        knows = attacked(Z_test, y_test, weights, intercept, 2.0)
        inside = attacked(Z_test, y_test, weights, intercept, fragile_move, fragile)
        noisy = Z_test + 6.0 / p**0.5 * rng.standard_normal(Z_test.shape)
        results[name] = [
            np.mean(np.argmax(rows @ weights.T + intercept, axis=1) == y_test)
            for rows in (Z_test, noisy, inside, knows)
        ]
    return results, (plain.n_spikes_, int(shield.support_.sum()))


def shield_section(n_seeds=5):
    lines = []
    for name, rows_of in (("Digits", digits_rows), ("NSL-KDD", nsl_rows)):
        if name == "NSL-KDD" and not os.environ.get("SUBSPACE_LEARN_DATA"):
            continue
        X, y = rows_of()
        runs, counts = zip(*(shielded(X, y, seed) for seed in range(n_seeds)), strict=True)
        rows = [
            [model, *(spread([run[model][i] for run in runs], 100) for i in range(4))]
            for model in runs[0]
        ]
        found, kept = np.mean(counts, axis=0)
        title = (
            f"{name}, embedded in 256 dimensions: accuracy in %, {n_seeds} seeds "
            f"(on average {found:.0f} spikes found, {kept:.0f} kept)"
        )
        header = ("features", "clean", "noise", "attack in the fragile subspace", "attacker knows")
        lines += table(title, header, rows)
    return lines


def overlap_section(n_seeds=20):
    overlaps = []
    for seed in range(n_seeds):
        rng = np.random.default_rng(seed)
        basis = np.linalg.qr(rng.standard_normal((80, 6)))[0]
        Z = rng.standard_normal((500, 6)) * np.sqrt([40, 20, 10, 28, 14, 7])
        X = Z @ basis.T + rng.standard_normal((500, 80))
        moves = rng.standard_normal((500, 6)) * [0.1, 0.1, 0.1, 3, 3, 3]
        model = RandomMatrixFilter(selector="rbns", quantile=0.5)
        model.fit(X, X_perturbed=X + moves @ basis.T)
        overlaps.append(np.sum((model.components_ @ basis[:, :3]) ** 2) / 3)
    return [
        f"Planted factors, three robust and three fragile (500 x 80, {n_seeds} draws): overlap of "
        f"what is kept with the robust ones {spread(overlaps, digits=3)}, smallest "
        f"{min(overlaps):.3f} (target: above .85).",
        "",
    ]


# --- likelihoods --------------------------------------------------------------------------------


def likelihood_section():
    loaders = {
        "wine": load_wine,
        "breast cancer": load_breast_cancer,
        "diabetes": load_diabetes,
        "digits": load_digits,
    }
    models = {
        "sample": EmpiricalCovariance(),
        "LedoitWolf": LedoitWolf(),
        "OAS": OAS(),
        "AnalyticShrinkage": AnalyticShrinkage(),
        "RandomMatrixFilter": RandomMatrixFilter(on_empty="ignore"),
        "the same, mle": RandomMatrixFilter(on_empty="ignore", noise="mle"),
    }
    rows = []
    for name, load in loaders.items():
        X = load().data
        X = X[:, X.std(axis=0) > 0.5] if name == "digits" else X
        for n_train in (2 * X.shape[1], None):
            scores = {model: [] for model in models}
            for seed, (train, test) in enumerate(
                RepeatedKFold(n_splits=5, n_repeats=2, random_state=0).split(X)
            ):
                if n_train is not None:
                    train = np.random.default_rng(seed).choice(train, n_train, replace=False)
                scaler = StandardScaler().fit(X[train])
                if (scaler.var_ == 0).any():
                    continue
                for model, estimator in models.items():
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")  # real tables are not white noise
                        fitted = estimator.fit(scaler.transform(X[train]))
                    scores[model].append(fitted.score(scaler.transform(X[test])))
            size = f"{n_train or 4 * len(X) // 5} x {X.shape[1]}"
            rows.append([f"{name}, {size}", *(spread(scores[model]) for model in models)])
    return table(
        "Mean Gaussian log-likelihood of held-out rows, training rows standardized; 10 folds",
        ("table, training rows", *models),
        rows,
    )


# --- networks -----------------------------------------------------------------------------------


def shapes_section(n_seeds=10):
    shapes = ((128, 128), (128, 256), (128, 512), (128, 1280), (512, 100))
    plain, ours = [], []
    for seed in range(n_seeds):
        rng = np.random.default_rng(seed)
        layers = [rng.standard_normal(shape) for shape in shapes]
        plain.append([hill_exponent(np.linalg.svd(W, compute_uv=False) ** 2).alpha for W in layers])
        ours.append(HeavyTailSpectrum(64).fit(layers).alpha_)
    rows = []
    for name, alphas in (("plain Hill", plain), ("HeavyTailSpectrum(64)", ours)):
        mean = np.mean(alphas, axis=0)
        one = np.mean(np.ptp(alphas, axis=1))
        rows.append([name, *(f"{a:.2f}" for a in mean), f"{np.ptp(mean):.3f}", f"{one:.2f}"])
    header = ("exponent", *(f"{m} x {n}" for m, n in shapes), "spread of means", "of one draw")
    return table(
        f"Gaussian matrices, mean of {n_seeds} (targets: plain spread above 2.5, ours below .06)",
        header,
        rows,
    )


def hessian_section():
    rows = []
    for k in (2, 4, 8):
        for width in (8, 16, 32):
            counts, shares, top = [], [], []
            for seed in range(3):
                X, y = make_blobs(300, 10, centers=k, cluster_std=3.0, random_state=seed)
                X = StandardScaler().fit_transform(X)
                model = MLPClassifier((width,), activation="tanh", alpha=1e-4, solver="lbfgs")
                model.set_params(max_iter=10, random_state=seed)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    model.fit(X, y)
                hvp, n = mlp_hvp(model, X, y)
                values = np.linalg.eigvalsh(np.stack([hvp(e) for e in np.eye(n)]))[::-1]
                counts.append(top_gap(values, 1.0))
                shares.append(np.mean(np.abs(values) < 0.01 * values[0]))
                top.append(values[: 2 * k])
            rows.append(
                [
                    k,
                    width,
                    n,
                    ", ".join(map(str, counts)),
                    f"{100 * np.mean(shares):.0f} %",
                    f"{np.mean([np.sum(v > v[0] / 10) for v in top]):.0f} of {2 * k}",
                ]
            )
    return table(
        "Hessian of a tanh network on k Gaussian clusters, all eigenvalues, three seeds",
        (
            "k",
            "width",
            "parameters",
            "place of the widest gap",
            "below 1 % of the top",
            "above 10 %",
        ),
        rows,
    )


SECTIONS = {
    "level": level_section,
    "loss": loss_section,
    "departures": departures_section,
    "likelihood": likelihood_section,
    "overlap": overlap_section,
    "shield": shield_section,
    "shapes": shapes_section,
    "hessian": hessian_section,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {list(SECTIONS)}")
    names = parser.parse_args().names
    with threadpool_limits(1):
        lines = [line for name in names or SECTIONS for line in SECTIONS[name]()]
    print("\n".join(lines))
    if not names:
        OUTPUT.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
