"""Is a detector's threshold worth its promise, and which statistic ranks better: for doc/_tables.

python asv_benches/subspace_detector_tables.py                   # the whole page, 2 minutes
python asv_benches/subspace_detector_tables.py false_alarms      # one of the tables, printed only

Normal rows are the rows of one class, outliers those of all others. NSL-KDD: the 38 numeric
columns, signed logarithms, 6,000 rows drawn once. The subspace is the default,
``GrassmannPCA(n_components=0.9)``.
"""

from __future__ import annotations

import numpy as np
from sklearn import datasets
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tables import write_page

from subspace_learn import GrassmannPCA, SubspaceDetector
from subspace_learn.datasets import fetch_nsl_kdd

N_SPLITS = 50


def by_class(name, loader, words=None):
    """(name, normal rows, outliers) for each class as the normal one."""
    X, y = loader(return_X_y=True)
    for label in np.unique(y):
        yield f"{name} {words[label] if words else label}", X[y == label], X[y != label]


def nsl_kdd():
    data = fetch_nsl_kdd()
    chosen = np.random.default_rng(0).permutation(len(data.target))[:6000]
    X = data.data[chosen, :38].astype(float)
    X = np.sign(X) * np.log1p(np.abs(X))
    return X[data.target[chosen] == 0], X[data.target[chosen] == 1]


def diabetes():
    X, y = datasets.load_diabetes(return_X_y=True)
    return X[y < np.median(y)], X[y >= np.median(y)]


def off_a_plane(within=False):
    """600 rows near 5 of 30 dimensions; 200 outliers near 5 others, or far out within these."""
    rng = np.random.default_rng(0)
    basis, other = (np.linalg.qr(rng.normal(size=(30, 5)))[0].T for _ in range(2))
    normal = 3 * rng.normal(size=(600, 5)) @ basis + 0.5 * rng.normal(size=(600, 30))
    spread, plane = (7.5, basis) if within else (3.0, other)
    return normal, spread * rng.normal(size=(200, 5)) @ plane + 0.5 * rng.normal(size=(200, 30))


def off_one_axis():
    """The same normal rows; outliers that differ by six deviations in one feature."""
    normal, _ = off_a_plane()
    rng = np.random.default_rng(1)
    return normal, normal[:200] + 3.0 * np.eye(30)[rng.integers(30, size=200)]


def real_sets():
    yield from by_class("digits", datasets.load_digits)
    yield from by_class("wine", datasets.load_wine)
    yield from by_class("breast cancer", datasets.load_breast_cancer, ["malignant", "benign"])
    yield "NSL-KDD normal", *nsl_kdd()


def all_sets():
    """Sets under the name of their family."""
    for name, *rows in real_sets():
        yield name.rpartition(" ")[0], *rows
    for _, *rows in by_class("iris", datasets.load_iris):
        yield "iris", *rows
    yield "diabetes, low half", *diabetes()
    yield "made: another subspace", *off_a_plane()
    yield "made: far out within it", *off_a_plane(within=True)
    yield "made: one feature off", *off_one_axis()


def alarms(fitted, fresh, **options):
    """Share of alarms among rows that were not fitted."""
    return np.mean(SubspaceDetector(**options).fit(fitted).predict(fresh) == -1)


def false_alarms():
    """False alarms on held-out normal rows at a nominal .05: means of 50 random halves."""
    rows = [["normal rows", "rows fitted", "combined", "residual"]]
    rows[0] += ["combined, threshold of training rows", "residual, threshold of training rows"]
    settings = [
        {"statistic": statistic, "threshold_rows": rows}
        for rows in ("held_out", "training")
        for statistic in ("combined", "residual")
    ]

    def measured(name, pairs):
        shares = np.array([[alarms(*pair, **s) for s in settings] for pair in pairs])
        return [name, str(len(pairs[0][0])), *(f"{share:.3f}" for share in shares.mean(axis=0))]

    for name, normal, _ in real_sets():
        pairs = [train_test_split(normal, test_size=0.5, random_state=s) for s in range(N_SPLITS)]
        rows.append(measured(name, pairs))
    rng = np.random.default_rng(0)
    noise = [(rng.normal(size=(60, 200)), rng.normal(size=(500, 200))) for _ in range(N_SPLITS)]
    rows.append(measured("noise, 60 x 200", noise))
    return rows


def default_statistic():
    """AUC against the other classes: means of classes and of 5 halves, raw and standardised."""
    found = {}
    for name, normal, outliers in all_sets():
        for seed in range(5):
            fitted, fresh = train_test_split(normal, test_size=0.5, random_state=seed)
            X = np.vstack([fresh, outliers])
            is_outlier = np.r_[np.zeros(len(fresh)), np.ones(len(outliers))]
            areas = []
            for scaler in ("passthrough", StandardScaler()):
                for statistic in ("combined", "residual"):
                    detector = SubspaceDetector(
                        GrassmannPCA(n_components=0.9),
                        statistic=statistic,
                        threshold_rows="training",
                    )
                    detector = make_pipeline(scaler, detector).fit(fitted)
                    areas.append(roc_auc_score(is_outlier, -detector.score_samples(X)))
            found.setdefault(name, []).append(areas)
    table = {name: np.mean(areas, axis=0) for name, areas in found.items()}
    table["median of the sets"] = np.median(list(table.values()), axis=0)
    head = ["data", "combined", "residual", "combined, standardised", "residual, standardised"]
    return [head, *([name, *(f"{a:.3f}" for a in areas)] for name, areas in table.items())]


if __name__ == "__main__":
    write_page("subspace_detector", __doc__.splitlines()[0], false_alarms, default_statistic)
