"""Light Schroedinger bridges: plans against the truth, colours of photographs, seconds."""

from __future__ import annotations

import time
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.datasets import load_sample_images

from subspace_learn.functional.transport.light_bridge import (
    LightBridge,
    conditional_draws,
    conditional_mean,
)
from subspace_learn.transport import LightSchrodingerBridge

from .common import Listing, Quality, Speed

COLOUR_EPS, N_PIXELS = 0.005, 10_000
N_OTT, N_POT = 2000, 1000  # more rows take them minutes


class Pairs(NamedTuple):
    """Unpaired rows, and rows of the source with the means of their true plan."""

    X: np.ndarray
    Y: np.ndarray
    query: np.ndarray
    mean: np.ndarray
    spread: float
    eps: float
    seed: int


def mixture(d, eps, seed, n=4000):
    """A normal source, and the target of a plan of five Gaussians: of the model class of ours."""
    rng = np.random.default_rng(seed)
    truth = LightBridge(
        np.full(5, -np.log(5)),
        2 * rng.standard_normal((5, d)),
        np.sqrt(rng.uniform(0.3, 1.0, (5, d))),
        np.zeros(d),
        eps,
    )
    X, other, query = (rng.standard_normal((m, d)) for m in (n, n, 1000))
    Y = conditional_draws(truth, other, rng.random(n), rng.standard_normal((n, d)))
    spread = float(Y.var(axis=0).sum())
    return Pairs(X, Y, query, conditional_mean(truth, query), spread, eps, seed)


def error(data, given):
    """Mean squared error of conditional means, per cent of the variance of the target."""
    return float(100 * np.mean(np.sum((given - data.mean) ** 2, axis=1)) / data.spread)


def labelled(X, Y):
    return np.concatenate([X, Y]), np.repeat([0, 1], [len(X), len(Y)])


def our_bridge(X, Y, eps, seed, n_components=10, **options):
    model = LightSchrodingerBridge(n_components, eps=eps, random_state=seed, **options)
    return model.fit(*labelled(X, Y))


def adam_bridge(data, n_steps, n_components=10):
    """The fit of the paper's authors: Adam on batches of 128 from random target rows, S = .1."""
    import torch

    torch.manual_seed(data.seed)
    X, Y = (torch.as_tensor(rows, dtype=torch.float32) for rows in (data.X, data.Y))
    eps, d = data.eps, X.shape[1]
    scaled = torch.full((n_components,), eps * np.log(1 / n_components), requires_grad=True)
    means = Y[torch.randperm(len(Y))[:n_components]].clone().requires_grad_()
    log_slopes = torch.full((n_components, d), float(np.log(0.1)), requires_grad=True)
    rate = {0.1: 1e-3, 1.0: 3e-3}[eps]
    optimizer = torch.optim.Adam([scaled, means, log_slopes], lr=rate)
    for _ in range(n_steps):
        x, y = X[torch.randint(len(X), (128,))], Y[torch.randint(len(Y), (128,))]
        slopes, weights = log_slopes.exp(), scaled / eps
        log_c = torch.logsumexp(weights + (0.5 * x**2 @ slopes.T + x @ means.T) / eps, dim=1)
        squares = ((y[:, None, :] - means) ** 2 / slopes).sum(dim=2) / eps
        constants = weights - 0.5 * log_slopes.sum(dim=1) - 0.5 * d * np.log(2 * np.pi * eps)
        loss = (log_c - torch.logsumexp(constants - 0.5 * squares, dim=1)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    parts = [p.detach().double().numpy() for p in (scaled / eps, means, (0.5 * log_slopes).exp())]
    return LightBridge(*parts, np.zeros(d), eps)


def ott_mean(data):
    """Entropic map of OTT from the dual potentials, on as many rows as it takes."""
    import jax.numpy as jnp
    from ott.geometry import pointcloud
    from ott.problems.linear import linear_problem
    from ott.solvers.linear import sinkhorn

    X, Y = (jnp.asarray(rows[:N_OTT], dtype=jnp.float32) for rows in (data.X, data.Y))
    geometry = pointcloud.PointCloud(X, Y, epsilon=2 * data.eps)  # its cost is |x - y|^2
    solved = sinkhorn.Sinkhorn(max_iterations=5000)(linear_problem.LinearProblem(geometry))
    return np.asarray(solved.to_dual_potentials().transport(jnp.asarray(data.query)))


def pot_map(X, Y, query, reg):
    """POT's continuous entropic map; its cost is |x - y|^2."""
    import ot

    model = ot.da.SinkhornTransport(
        reg_e=reg, method="sinkhorn_log", out_of_sample_map="continuous", max_iter=1000
    )
    return model.fit(Xs=X[:N_POT], Xt=Y[:N_POT]).transform(Xs=query)


def emd_map(X, Y, query, n):
    """POT's exact plan; a new row moves as its nearest row of the plan does."""
    import ot

    return ot.da.EMDTransport().fit(Xs=X[:n], Xt=Y[:n]).transform(Xs=query)


def linear_map(X, Y, query):
    """The optimal map between the Gaussians of the same means and covariances."""
    S0, S1 = np.cov(X.T), np.cov(Y.T)
    values, vectors = np.linalg.eigh(S0)
    root = (vectors * np.sqrt(values)) @ vectors.T
    back = (vectors / np.sqrt(values)) @ vectors.T
    values, vectors = np.linalg.eigh(root @ S1 @ root)
    map_ = back @ (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T @ back
    return Y.mean(axis=0) + (query - X.mean(axis=0)) @ map_


def quantile_map(X, Y, query):
    """Column by column: what matching of histograms does."""
    levels = np.linspace(0, 1, 1001)
    columns = [
        np.interp(q, *(np.quantile(rows, levels) for rows in (x, y)))
        for q, x, y in zip(query.T, X.T, Y.T, strict=True)
    ]
    return np.stack(columns, axis=1)


class Means:
    """What the two tables of means of a known plan share."""

    case_name = "eps"
    seeds = 3
    digits = 2
    transposed = True
    may_use = ("torch", "ott", "ot")

    def make_data(self, case, seed):
        return mixture(*case, seed, n=400 if self.quick else 4000)

    def methods(self, data):
        calls = {
            "LightSchrodingerBridge": lambda: our_bridge(
                data.X, data.Y, data.eps, data.seed
            ).transform(data.query)
        }
        if find_spec("torch") and not self.quick:
            calls["authors' Adam, 10,000 steps"] = lambda: conditional_mean(
                adam_bridge(data, 10_000), data.query
            )
        if find_spec("ott") and not self.quick:
            calls["OTT, Sinkhorn"] = lambda: ott_mean(data)
        if find_spec("ot") and not self.quick:
            calls["POT, continuous Sinkhorn"] = lambda: pot_map(
                data.X, data.Y, data.query, 2 * data.eps
            )
            calls["POT, exact, nearest row"] = lambda: emd_map(data.X, data.Y, data.query, 4000)
        calls["linear map"] = lambda: linear_map(data.X, data.Y, data.query)
        calls["mean of the target"] = lambda: np.broadcast_to(data.Y.mean(axis=0), data.mean.shape)
        return calls

    def score(self, data, result):
        return error(data, result)


class TwoColumns(Means, Quality):
    """Means of a known plan, two columns, 4000 rows in each domain: squared error, per cent.

    Per cent of the variance of the target. The truth is a plan of five Gaussians, so it lies in the
    model class of the first two methods, which have ten. OTT gets 2000 rows, POT's entropic map
    1000.
    """

    cases = {"1": (2, 1.0)}


class SixteenColumns(Means, Quality):
    """The same in sixteen columns: squared error, per cent of the variance of the target."""

    cases = {"1": (16, 1.0)}


class Fit(Speed):
    """Fit of a plan of ten Gaussians to 4000 + 4000 rows, eps 1; score: squared error, per cent."""

    param_names = ["columns"]
    params = [[16]]
    may_use = ("torch",)
    n_threads = 1

    def make_data(self, d):
        return mixture(d, 1.0, 0, n=400 if self.quick else 4000)

    def ours(self, data):
        return our_bridge(data.X, data.Y, data.eps, data.seed)

    def peers(self, data):
        if self.quick or not find_spec("torch"):
            return {}
        return {"authors' Adam, 10,000 steps": lambda: adam_bridge(data, 10_000)}

    def nbytes(self, data):
        return data.X.nbytes + data.Y.nbytes

    def score(self, data, result):
        bridge = result._bridge if isinstance(result, LightSchrodingerBridge) else result
        return error(data, conditional_mean(bridge, data.query))


class Colours(NamedTuple):
    """Pixels of two photographs in [0, 1], in random order, and the seed."""

    source: np.ndarray
    target: np.ndarray
    seed: int


def colours(seed, n=None):
    rng = np.random.default_rng(seed)
    pixels = [image.reshape(-1, 3) / 255.0 for image in load_sample_images().images]
    return Colours(*(rows[rng.permutation(len(rows))[:n]] for rows in pixels), seed)


def energy_distance(P, Q, n=6000):
    """``E|p - q| - E|p - p'| / 2 - E|q - q'| / 2``, times 1000, on n rows of each (unbiased)."""
    p, q = P[:n], Q[:n]
    own = [cdist(z, z).sum() / len(z) / (len(z) - 1) for z in (p, q)]
    return 1e3 * (cdist(p, q).mean() - 0.5 * sum(own))


def recolourings(data):
    """Name -> call that fits on random pixels of both photographs and recolours all others."""
    X, Y = data.source[:N_PIXELS], data.target[:N_PIXELS]
    query = data.source[N_PIXELS:]

    def ours(n_components, draw, **options):
        model = our_bridge(X, Y, COLOUR_EPS, data.seed, n_components, **options)
        return model.sample(query) if draw else model.transform(query)

    calls = {
        "sample, 20 components": lambda: ours(20, True),
        "sample, 50 components": lambda: ours(50, True),
        "sample, 10 components, full": lambda: ours(10, True, covariance_type="full"),
        "transform, 20 components": lambda: ours(20, False),
    }
    if find_spec("ot"):
        calls["POT, continuous Sinkhorn"] = lambda: pot_map(X, Y, query, 2 * COLOUR_EPS)
        calls["POT, exact on 2000, nearest"] = lambda: emd_map(X, Y, query, 2000)
    calls["quantiles of each channel"] = lambda: quantile_map(X, Y, query)
    calls["linear map"] = lambda: linear_map(X, Y, query)
    calls["untouched"] = lambda: query
    calls["other pixels of the target"] = lambda: data.target[N_PIXELS : 2 * N_PIXELS]
    return calls


class ColourTransfer(Quality):
    """Colours of one photograph given to another: energy distance to those of the target x 1000.

    scikit-learn's two photographs, 273,280 pixels; fitted on 10,000 pixels of each (POT's
    continuous map: 1000, exact plan: 2000), tried on pixels of both that no fit saw. eps is .005,
    a seventh of a standard deviation of a channel. The last row is what chance alone leaves.
    """

    cases = {"china, in the colours of flower": None}
    case_name = "photograph"
    seeds = 3
    digits = 2
    transposed = True
    may_use = ("ot",)

    def make_data(self, case, seed):
        return colours(seed, 3000 if self.quick else 50_000)

    def methods(self, data):
        if self.quick:
            model = our_bridge(data.source[:500], data.target[:500], COLOUR_EPS, 0, 3)
            return {"sample": lambda: model.sample(data.source[500:])}
        return recolourings(data)

    def score(self, data, result):
        return energy_distance(
            np.asarray(result), data.target[-6000:], 1000 if self.quick else 6000
        )


class ColourSeconds(Listing):
    """Seconds of one thread for the colours of a photograph: fit, and all 273,280 pixels.

    Medians of three, processor time.
    """

    n_threads = 1

    def rows(self):
        yield ["method", "fit, s", "all pixels, s"]
        data = colours(0, 4000 if self.quick else None)
        X, Y = data.source[:N_PIXELS], data.target[:N_PIXELS]
        for name, options in self.some(
            {
                "sample, 20 components": {"n_components": 20},
                "sample, 50 components": {"n_components": 50},
                "sample, 10 components, full": {"n_components": 10, "covariance_type": "full"},
            }.items()
        ):
            fits = [seconds(lambda o=options: our_bridge(X, Y, COLOUR_EPS, 0, **o)) for _ in "123"]
            model = fits[0][1]
            draws = [seconds(lambda m=model: m.sample(data.source)) for _ in "123"]
            yield [name, *(float(np.median([s for s, _ in runs])) for runs in (fits, draws))]


def seconds(call):
    """Processor seconds of a call, and its result."""
    begin = time.process_time()
    result = call()
    return time.process_time() - begin, result
