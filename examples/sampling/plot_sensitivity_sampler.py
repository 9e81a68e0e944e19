"""
Least absolute deviations on a twentieth of the rows
====================================================

A regression that minimises the sum of absolute residuals is a linear programme, slow for many rows.
Rows of a weighted sample give nearly the same answer, if the sample knows which rows matter. Here a
thousandth of the rows carries a feature that no other row has: a uniform sample is likely to
miss most of them.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import QuantileRegressor

from subspace_learn import SensitivitySampler
from subspace_learn.sampling import EmbeddingErrorDisplay, SampleScoreDisplay, SubsampledEstimator

rng = np.random.default_rng(0)
n = 6000
X = rng.standard_t(3, size=(n, 5))
rare = np.zeros(n)
rare[rng.choice(n, n // 1000, replace=False)] = 1.0
X = np.column_stack([X, rare])
y = X @ [1.0, -2.0, 0.5, 0.0, 3.0, 50.0] + rng.laplace(size=n)

# %%
# Scores of the rows
# ------------------
# Lewis weights for p = 1 of the columns of X, of y and of a constant, as a regression with
# intercept needs. Six rows stand out.

sampler = SensitivitySampler(300, p=1.0, append_constant=True, random_state=0).fit(X, y)
print(
    "rows with the rare feature in the sample:", int(rare[sampler.indices_].sum()), "of", n // 1000
)
SampleScoreDisplay.from_estimator(sampler)
plt.show()

# %%
# The regression, on all rows and on samples
# ------------------------------------------
# ``weights_`` belong to the absolute residuals: they are handed over as ``sample_weight``, which
# ``SubsampledEstimator`` does. A uniform sample without rare rows cannot know their coefficient;
# one with a single rare row rests on it alone.

start = time.perf_counter()
full = QuantileRegressor(alpha=0).fit(X, y)
seconds = time.perf_counter() - start
least = np.abs(y - full.predict(X)).sum()
print(f"all {n} rows: {seconds:.1f} s")

excess = {}
for score in ("uniform", "leverage", "lewis"):
    excess[score] = []
    for seed in range(20):
        sampler = SensitivitySampler(
            300, p=1.0, row_score=score, append_constant=True, random_state=seed
        )
        start = time.perf_counter()
        few = SubsampledEstimator(QuantileRegressor(alpha=0), sampler).fit(X, y)
        seconds = time.perf_counter() - start
        excess[score].append(np.abs(y - few.predict(X)).sum() / least - 1)
    print(
        f"{score:9s} 300 draws, {seconds:.2f} s: loss above the least "
        f"{np.median(excess[score]):.2%} (median of 20), {np.max(excess[score]):.2%} (worst)"
    )

# %%
# How many rows does a norm need?
# -------------------------------
# The embedding error is the largest relative change of the sum of absolute residuals over all
# coefficients, here as far as a search finds it.

A = np.column_stack([X, np.ones(n), y])[:2000]
samplers = {
    name: SensitivitySampler(p=1.0, row_score=name) for name in ("uniform", "leverage", "lewis")
}
display = EmbeddingErrorDisplay.from_samplers(samplers, A, sizes=[100, 200, 400, 800])
display.ax_.set_title("p = 1, 2000 rows, 8 columns; median and range of 5 samples", fontsize=10)
plt.show()
