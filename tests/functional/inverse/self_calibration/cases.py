"""Measurements with known gains and signals, for the tests of self-calibration."""

from __future__ import annotations

import numpy as np

from subspace_learn.functional.inverse.sensing import FourierStack, MatrixStack

MODELS = ("repeated", "diverse", "snapshots")


def gaussian(rng, *shape):
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / 2**0.5


def case(rng, model, m, n, p, *, kind="gaussian", phase=2.0, is_complex=True):
    """Noise-free measurements: (Y, stack, gains, signals); phases in [0, phase pi]."""
    d = rng.uniform(0.5, 1.5, m).astype(complex if is_complex else float)
    if is_complex:
        d *= np.exp(1j * np.pi * rng.uniform(0, phase, m))
    k = 1 if model == "snapshots" else p
    draw = gaussian if is_complex else lambda rng, *shape: rng.standard_normal(shape)
    if kind == "gaussian":
        stack = MatrixStack(draw(rng, k, m, n))
    else:
        stack = FourierStack(rng.choice([-1.0, 1.0], size=(k, n)), m)
    x = draw(rng, 1 if model == "repeated" else p, n)
    return np.array(np.broadcast_to(d * stack.apply(x), (p, m))), stack, d, x


def noisy(rng, Y, snr_db):
    noise = gaussian(rng, *Y.shape)
    return Y + noise * (np.linalg.norm(Y) / np.linalg.norm(noise) * 10 ** (-snr_db / 20))


def reference(m):
    return np.eye(1, m)[0]


def mean(m):
    return np.full(m, 1.0 / m)
