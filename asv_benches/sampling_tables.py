"""Write the quality tables of the sampling family for the documentation; two minutes.

python asv_benches/sampling_tables.py   # writes doc/_tables/{dpp_least_squares,lp_sensitivity}.rst
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_diabetes

from subspace_learn.functional.sampling.dpp_least_squares import (
    design_rows,
    feature_space,
    phi_at,
    weighted_fit,
)
from subspace_learn.functional.sampling.lp_sensitivity import lp_sensitivities
from subspace_learn.functional.sampling.product_bases import basis_values, multi_indices
from subspace_learn.functional.sampling.row_sampling import (
    SCORES,
    embedding_error,
    row_scores,
    sample_rows,
)

TABLES = Path(__file__).resolve().parents[1] / "doc" / "_tables"
SCHEMES = (
    "uniform",
    "christoffel",
    "volume",
    "volume_without_replacement",
    "repeated_dpp",
)
DRAWS = 300


def list_table(title, header, rows):
    """A reStructuredText list-table."""
    lines = [f".. list-table:: {title}", "   :header-rows: 1", ""]
    for row in [header, *rows]:
        lines += [f"   {'*' if i == 0 else ' '} - {cell}" for i, cell in enumerate(row)]
    return "\n".join([*lines, "", ""])


def fits(space, phi, y, scheme, n):
    """Mean squared error on all rows, for each of the draws."""
    losses = np.empty(DRAWS)
    for seed in range(DRAWS):
        design = design_rows(space, n, np.random.default_rng(seed), scheme=scheme)
        i = design.indices
        c = weighted_fit(space, phi_at(space, i), y[i], design.weights).orthonormal
        losses[seed] = np.mean((y - phi @ c) ** 2)
    return losses


def best_loss(phi, y):
    return np.mean((y - phi @ np.linalg.lstsq(phi, y, rcond=None)[0]) ** 2)


def number(x):
    return f"{x:.3g}" if x < 100 else f"{x:.0f}"


def runge():
    m = 10
    x = ((np.arange(20000) + 0.5) / 10000 - 1)[:, None]
    y = 1 / (1 + 5 * x**2)
    F = basis_values(x, "legendre", multi_indices(1, m - 1, "total_degree"))
    space = feature_space(F, intercept=False)
    phi, rows = space.features(F), []
    best = best_loss(phi, y)
    for factor in (1, 1.5, 2, 3, 4):
        row = [f"{factor} m"]
        for scheme in SCHEMES:
            ratio = np.sqrt(fits(space, phi, y, scheme, round(factor * m)) / best)
            row.append(f"{number(np.sqrt(np.mean(ratio**2)))} ({number(np.median(ratio))})")
        rows.append(row)
    title = (
        "Runge function, ten Legendre polynomials, 300 draws: error over the best error, root mean "
        "square (median)"
    )
    return list_table(title, ["n", *SCHEMES], rows)


def diabetes():
    X, y = load_diabetes(return_X_y=True)
    y, space = y[:, None], feature_space(X)
    phi, rows = space.features(X), []
    best = best_loss(phi, y)
    for factor in (1, 2, 3, 5, 10):
        n = 11 * factor
        row = [f"{n} ({factor} m)"]
        for scheme in SCHEMES:
            losses = fits(space, phi, y, scheme, n) / best
            spread = np.std(losses) / np.sqrt(DRAWS)
            row.append(f"{number(losses.mean())} +- {spread:.2g}")
        rows.append(row)
    title = (
        "Diabetes (442 rows, m = 11), 300 draws: mean squared error on all rows over that of a fit "
        "to all labels, mean +- standard error"
    )
    return list_table(title, ["labels", *SCHEMES], rows)


def tables():
    rng = np.random.default_rng(0)
    heavy = rng.standard_t(3, size=(1000, 8))
    own = np.vstack([rng.standard_normal((996, 8)) * [1, 1, 1, 1, 0, 0, 0, 0], np.eye(8)[4:]])
    return {"heavy tails (Student t, 3)": heavy, "four rows own a direction each": own}


def embeddings():
    text = ""
    for name, A in tables().items():
        rows = []
        for p in (1.0, 1.5, 2.0, 3.0, 4.0):
            S = lp_sensitivities(A, p=p).sum()
            row = [f"{p:g} ({S:.1f})"]
            for score in SCORES:
                gen = np.random.default_rng(1)
                scores = row_scores(A, score, p=p, method="auto", tol=0.01, max_iter=200, rng=gen)
                errors = []
                for _ in range(20):
                    sample = sample_rows(scores, 300, gen)
                    error = embedding_error(A, sample.indices, sample.weights, p=p, n_directions=50)
                    errors.append(error)
                low, high = np.percentile(errors, [10, 90])
                row.append(f"{np.median(errors):.2f} ({low:.2f} to {high:.2f})")
            rows.append(row)
        title = (
            f"1,000 x 8, {name}; 300 draws: embedding error, median of 20 samples (10 % to 90 %); "
            "exact for p = 2, else a lower bound by search"
        )
        header = ["p (total S)", *(score.replace("_", " ") for score in SCORES)]
        text += list_table(title, header, rows) + "\n"
    return text


def main():
    TABLES.mkdir(exist_ok=True)
    (TABLES / "dpp_least_squares.rst").write_text(runge() + "\n" + diabetes(), encoding="utf-8")
    (TABLES / "lp_sensitivity.rst").write_text(embeddings(), encoding="utf-8")


if __name__ == "__main__":
    main()
