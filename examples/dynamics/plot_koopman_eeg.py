"""
Forecasting EEG: against persistence and autoregression
=======================================================

Real signals are noisy and no model of them is exact. Here one subject's EEG (PhysioNet, 21 motor
channels) is forecast from its delays, beside two baselines that cost nothing: the last value, and a
vector autoregression by least squares. The first half of the epochs is learned
from, the second half is forecast, and the residuals are taken there too.

Without the data a simulated network of damped, noisy oscillators serves.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import PolynomialFeatures

from subspace_learn import KoopmanEDMD
from subspace_learn.datasets import DatasetUnavailableError, fetch_motor_imagery
from subspace_learn.dynamics import DelayDictionary

DELAYS, AHEAD = 7, (1, 2, 5, 10)


def epochs():
    """Trajectories (n_epochs, n_times, n_channels) in units of their spread, rate, and a name."""
    try:
        bunch = fetch_motor_imagery(1)
        X, rate, name = bunch.data[:40, ::4], 160.0, "EEG of subject 1, six channels"
    except (DatasetUnavailableError, ImportError) as error:
        print(f"EEG cannot be had here ({error}); going on with simulated oscillators.")
        rng = np.random.default_rng(0)
        X, rate, name = np.zeros((40, 4, 480)), 160.0, "simulated oscillators"
        turn = 0.97 * np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
        for t in range(1, 480):
            X[:, :2, t] = X[:, :2, t - 1] @ turn.T
            X[:, 2:, t] = X[:, 2:, t - 1] @ np.linalg.matrix_power(turn, 2).T
            X[:, :, t] += rng.normal(size=(40, 4))
    X = np.swapaxes(X, 1, 2).astype(np.float64)
    return X / X[:20].std(), rate, name


X, rate, name = epochs()
train, test = X[:20], X[20:]
window = DELAYS + 1
print(f"{name}: {len(X)} epochs of {X.shape[1]} times, {X.shape[2]} channels")


def starts():
    """Every fifth window of the test epochs, with what follows it."""
    for epoch in test:
        for first in range(0, len(epoch) - window - max(AHEAD), 5):
            yield epoch[first : first + window + max(AHEAD)]


pieces = np.stack(list(starts()))
history, future = pieces[:, :window], pieces[:, window:]


def r2(forecast):
    """Share of the variance of the test signals explained, by steps ahead."""
    spread = np.sum((test - test.mean(axis=(0, 1))) ** 2) / test[..., 0].size
    errors = [np.mean(np.sum((forecast[:, k - 1] - future[:, k - 1]) ** 2, axis=1)) for k in AHEAD]
    return 1 - np.array(errors) / spread


table = {"persistence": r2(np.repeat(history[:, -1:], max(AHEAD), axis=1))}
flat = np.concatenate(
    [np.hstack([e[window - 1 - d : len(e) - 1 - d] for d in range(window)]) for e in train]
)
ahead = np.concatenate([e[window:] for e in train])
autoregression = LinearRegression().fit(flat, ahead)
past, path = history.copy(), []
for _ in range(max(AHEAD)):
    path.append(autoregression.predict(past[:, ::-1].reshape(len(past), -1)))
    past = np.concatenate([past[:, 1:], path[-1][:, None]], axis=1)
table["vector autoregression"] = r2(np.stack(path, axis=1))

rate_step = 1 / rate
models = {
    "KoopmanEDMD, delays": KoopmanEDMD(DelayDictionary(DELAYS), time_step=rate_step),
    "KoopmanEDMD, delays, rank 24": KoopmanEDMD(
        DelayDictionary(DELAYS), n_components=24, time_step=rate_step
    ),
    "KoopmanEDMD, squares of delays": KoopmanEDMD(
        DelayDictionary(DELAYS, dictionary=PolynomialFeatures(2)), alpha=1e-3, time_step=rate_step
    ),
}
for label, model in models.items():
    model.fit(list(train))
    table[label] = r2(model.simulate(history, max(AHEAD)))
print(f"{'R^2 on epochs left out':32s}" + "".join(f"{k:>8d}" for k in AHEAD) + "  steps ahead")
for label, row in table.items():
    print(f"{label:32s}" + "".join(f"{value:8.2f}" for value in row))

# %%
# A linear autoregression and EDMD on the same delays are the same predictor, and forecast alike: no
# gain is claimed. (The signals were band-passed, which makes the next few samples easy for both.)
# What EDMD adds are the eigenvalues (rhythms, with their decay) and their residuals. Those say that
# no rhythm of EEG is a property of the dynamics alone: noise enters at every step. Cutting the rank
# or adding squares of the delays does not help here.

model = models["KoopmanEDMD, delays, rank 24"]
held_out = model.held_out_residuals(list(test))
hertz = np.abs(model.continuous_eigenvalues_.imag) / (2 * np.pi)
print(f"residuals: median {np.median(model.residuals_):.2f} in sample, ", end="")
print(f"{np.median(held_out):.2f} on epochs left out")
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
left.plot(hertz, model.residuals_, "o", color="#0072B2", label="training epochs")
left.plot(hertz, held_out, "x", color="#D55E00", label="epochs left out")
left.set(xlabel="frequency (Hz)", ylabel="relative residual", title="KoopmanEDMD, delays, rank 24")
left.legend()
colors = ("0.5", "#000000", "#D55E00", "#009E73", "#CC79A7")
for (label, row), mark, color in zip(table.items(), "osd^v", colors, strict=True):
    right.plot(AHEAD, np.maximum(row, -0.5), marker=mark, color=color, label=label)
right.axhline(0, color="black", linewidth=0.8)
right.set(xlabel="steps ahead", ylabel="R^2 (below -0.5: drawn there)", title=name)
right.legend(fontsize=7)
plt.show()
