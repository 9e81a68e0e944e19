"""
State space layers: sequences, and one frequency that breaks them
=================================================================

A state space layer sends a sequence through linear systems whose memory is learnt. The usual start,
S4D, takes the eigenvalues of the normal part of a HiPPO matrix. Its frequency response has a
spike at the largest of them, and so a small wave of that frequency, which no training
sequence holds, is amplified more than all else. Perturbing the whole matrix before it is
diagonalised (PTD) gives a start without the spike.

First the spike itself, then what it does to a classifier of digits that sees one pixel after the
other, then brain waves, where a state space model is compared with covariances, whose features for
oscillations need no training.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from subspace_learn import AugmentedCovarianceClassifier
from subspace_learn.datasets import DatasetUnavailableError, fetch_ssvep
from subspace_learn.deep import S4DLayer, SSMClassifier

COLOURS = {"legs": "#D55E00", "ptd": "#0072B2", "logistic regression": "#666666"}
STYLES = {"legs": "-", "ptd": "--", "logistic regression": ":"}

# %%
# Frequency responses of new layers
# ---------------------------------
# All channels get the same step, small enough that the spike lies below half of the sampling
# rate. A response is the Fourier transform of a kernel; the median over 200 channels is drawn.

dt, length = 0.008, 2048
torch.manual_seed(0)
responses = {}
for init in ("legs", "ptd"):
    layer = S4DLayer(200, 32, init=init, dt_min=dt, dt_max=dt)
    with torch.no_grad():
        kernels = layer.kernel(length)[0].numpy()
    responses[init] = np.median(np.abs(np.fft.rfft(kernels)), axis=0)
omega = 2 * np.pi * np.fft.rfftfreq(length)
spike = omega[responses["legs"].argmax()]
for init, response in responses.items():
    print(f"{init}: response {response.max():.1f} at its peak, median {np.median(response):.3f}")

# %%
# Digits, pixel by pixel
# ----------------------
# 64 pixels, each held for 8 steps, so that a resonance has time to ring: its modes decay within
# 2 / dt = 250 steps. After training on clean images, a sinusoid at the frequency of the spike is
# added to the test images. Logistic regression on all pixels at once is the yardstick: it needs no
# order of the pixels and is not bothered.

X, y = load_digits(return_X_y=True)
X = X.astype("float32")  # nets have the precision of their rows
X = ((X - X.mean()) / X.std()).repeat(8, axis=1)
X, X_test, y, y_test = train_test_split(X, y, train_size=800, test_size=300, random_state=0)
models = {
    init: SSMClassifier(init=init, dt_min=dt, dt_max=dt, d_model=16, max_epochs=10, random_state=0)
    for init in ("legs", "ptd")
}
models["logistic regression"] = LogisticRegression(max_iter=1000)
amplitudes = np.array([0, 0.05, 0.1, 0.15, 0.2, 0.3])
phase = np.random.default_rng(0).uniform(0, 2 * np.pi, (len(X_test), 1))
wave = (X.max() - X.min()) * np.sin(spike * np.arange(512) + phase)
curves = {
    name: [model.score(X_test + a * wave, y_test) for a in amplitudes]
    for name, model in ((name, model.fit(X, y)) for name, model in models.items())
}
for name, curve in curves.items():
    print(f"{name}: {curve[0]:.2f} on clean images, {curve[2]:.2f} with a wave of 10 %")

# %%
# Robust at this frequency is not robust at all of them: slow waves, where both responses are large,
# hurt "ptd" as well (:doc:`/benchmarks`).

fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
for init, response in responses.items():
    left.semilogy(omega, response, STYLES[init], color=COLOURS[init], label=init)
left.set(
    xlabel="angular frequency (radians per sample)",
    ylabel="modulus of the response, median",
    title="New layers, 16 modes for each channel",
)
left.legend()
for name, curve in curves.items():
    right.plot(amplitudes, curve, STYLES[name], marker="o", color=COLOURS[name], label=name)
right.axhline(0.1, color="k", linewidth=0.8)
right.text(0.002, 0.115, "chance")
right.set(
    xlabel="amplitude of a wave at the spike, share of the range of pixels",
    ylabel="accuracy",
    ylim=(0, 1),
    title="Digits, 512 steps",
)
right.legend(loc="lower left", bbox_to_anchor=(0, 0.15))
plt.show()

# %%
# Flickering lights
# -----------------
# The recordings of :ref:`sphx_glr_auto_examples_covariance_plot_ssvep.py`: five frequencies, eight
# channels, and the session on which covariances did worst held out. The state space model learns
# from 400 sequences of 125 steps; all sessions of both persons are in :doc:`/benchmarks`.

try:
    data = fetch_ssvep(9)
except (DatasetUnavailableError, ImportError) as error:
    print(f"Nothing more to show without the recordings: {error}")
    raise SystemExit(0) from None
train, test = data.session != 4, data.session == 4
epochs = data.data / data.data[train].std(axis=(0, 2), keepdims=True)
sequences = epochs.transpose(0, 2, 1)  # time before channels
ssm = SSMClassifier("s5", max_epochs=20, dtype="float32", random_state=0).fit(
    sequences[train], data.target[train]
)
covariance = AugmentedCovarianceClassifier(order=6, lag=3, classifier="lr")
covariance.fit(epochs[train], data.target[train])
print(f"state space model: {ssm.score(sequences[test], data.target[test]):.2f}")
print(f"augmented covariance: {covariance.score(epochs[test], data.target[test]):.2f}")
