"""The light bridge: its gradient, the closed form of one Gaussian, its paths, and laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from subspace_learn.functional.transport.light_bridge import (
    LightBridge,
    bridge_after,
    bridge_loss,
    brownian_bridge,
    conditional_draws,
    conditional_mean,
    drift,
    log_normalizer,
    log_potential,
    slopes,
)
from subspace_learn.functional.transport.light_bridge_fit import (
    Components,
    fitted_bridge,
    loss_and_gradient,
)
from subspace_learn.functional.transport.light_bridge_start import (
    distinct_rows,
    gaussian_slope_factor,
)

DEFAULTS = {
    "n_components": 2,
    "eps": 1.0,
    "full": False,
    "init": "kmeans",
    "n_init": 1,
    "tol": 1e-12,
    "max_iter": 500,
}


def some_bridge(rng, full, *, eps=0.7, K=3, d=2, rank=None):
    shape = (K, d, rank or d) if full else (K, d)
    return LightBridge(
        rng.normal(size=K) - 1.0,
        4.0 + 3 * rng.normal(size=(K, d)),
        rng.normal(size=shape) if full else np.exp(0.4 * rng.normal(size=shape)),
        3.0 + rng.normal(size=d),
        eps,
    )


def plan_density(bridge, x, Y):
    """Weights of the components at x by the formula of the paper, and the density of y given x."""
    S = slopes(bridge)
    S = np.array([np.diag(s) for s in S]) if S.ndim == 2 else S
    z, r = x - bridge.center, bridge.means - bridge.center
    exponents = [(z @ s @ z + 2 * m @ z) / (2 * bridge.eps) for s, m in zip(S, r, strict=True)]
    terms = bridge.log_weights + np.array(exponents)
    shares = np.exp(terms - logsumexp(terms))
    densities = [
        multivariate_normal(bridge.center + m + s @ z, bridge.eps * s).pdf(Y)
        for s, m in zip(S, r, strict=True)
    ]
    return shares, shares @ np.array(densities)


def to(xp, bridge):
    """The bridge in another library."""
    return bridge._replace(**{n: xp.asarray(getattr(bridge, n)) for n in bridge._fields[:4]})


# --- the loss ------------------------------------------------------------------------------------


@pytest.mark.parametrize("full", [False, True])
def test_gradient_is_that_of_differences_to_1e_8(full, rng, xp):
    K, r = 3, 4
    x, y = 2 * rng.normal(size=(30, r)), 3 * rng.normal(size=(25, r))
    p, q = (w / w.sum() for w in (rng.random(30), rng.random(25)))
    roots = np.exp(0.3 * rng.normal(size=(K, r)))
    if full:
        roots = np.tril(0.3 * rng.normal(size=(K, r, r)), -1) + roots[:, :, None] * np.eye(r)
    start = Components(rng.normal(size=K), rng.normal(size=(K, r)), roots)
    gradient = loss_and_gradient(start, *map(xp.asarray, (x, y, p, q)))[1]
    for name in Components._fields:
        value = getattr(start, name)
        for place in zip(*np.nonzero(value), strict=True):
            ends = []
            for step in (1e-5, -1e-5):
                moved = value.copy()
                moved[place] += step
                ends.append(loss_and_gradient(start._replace(**{name: moved}), x, y, p, q)[0])
            wanted = (ends[0] - ends[1]) / 2e-5
            # second-order differences with steps of 1e-5 are good to about 1e-9 here
            assert getattr(gradient, name)[place] == pytest.approx(wanted, rel=1e-8, abs=1e-8)


def test_loss_in_the_coordinates_of_the_fit_is_the_loss_by_hand(rng):
    x, y = rng.normal(size=(7, 2)), rng.normal(size=(5, 2))
    roots = np.exp(0.3 * rng.normal(size=(3, 2)))
    parts = Components(rng.normal(size=3), rng.normal(size=(3, 2)), roots)
    p, q = np.full(7, 1 / 7), np.full(5, 1 / 5)
    c = logsumexp(parts.log_weights + 0.5 * x**2 @ (roots**2).T + x @ parts.means.T, axis=1)
    gaps = (y[:, None, :] - parts.means) / roots
    v = logsumexp(
        parts.log_weights
        - np.log(roots).sum(axis=1)
        - 0.5 * (gaps**2).sum(axis=2)
        - np.log(2 * np.pi),
        axis=1,
    )
    given_loss = loss_and_gradient(parts, x, y, p, q)[0]
    assert given_loss == pytest.approx(c.mean() - v.mean(), rel=1e-12)


@pytest.mark.parametrize("full", [False, True])
def test_loss_does_not_depend_on_where_coordinates_begin(full, rng):
    bridge = some_bridge(rng, full)
    X, Y = rng.normal(size=(20, 2)) + 3, 2 * rng.normal(size=(15, 2))
    shift = np.array([30.0, -20.0])
    moved = bridge._replace(means=bridge.means + shift, center=bridge.center + shift)
    wanted = bridge_loss(bridge, X, Y)
    assert bridge_loss(moved, X + shift, Y + shift) == pytest.approx(wanted, rel=1e-10)


def test_loss_is_the_entropic_cost_of_gaussians(rng):
    """At the minimum ``-eps loss = E|x - y|^2 / 2 - eps E[H(y | x)]`` (strong duality)."""
    eps, X = 0.5, 2 * rng.normal(size=(300, 2))
    Y = 3 * rng.normal(size=(200, 2)) + 4
    p, q = np.full(300, 1 / 300), np.full(200, 1 / 200)
    fit = fitted_bridge(X, Y, p, q, rng=rng, **{**DEFAULTS, "n_components": 1, "eps": eps})
    S = slopes(fit.bridge)[0]
    v0, v1 = X.var(axis=0), Y.var(axis=0)
    cost = 0.5 * (((X.mean(0) - Y.mean(0)) ** 2).sum() + np.sum(v0 + v1 - 2 * S * v0))
    entropy = 0.5 * np.sum(np.log(2 * np.pi * np.e * eps * S))
    assert -eps * bridge_loss(fit.bridge, X, Y) == pytest.approx(cost - eps * entropy, rel=1e-8)


# --- one Gaussian --------------------------------------------------------------------------------


@pytest.mark.parametrize("eps", [0.01, 1.0, 10.0])
@pytest.mark.parametrize("full", [False, True])
def test_one_component_is_the_bridge_between_two_gaussians_to_1e_8(eps, full, rng):
    X = 2 * rng.normal(size=(500, 3)) @ rng.normal(size=(3, 3)) + 1
    Y = rng.normal(size=(400, 3)) @ rng.normal(size=(3, 3)) - 4
    p, q = (w / w.sum() for w in (rng.random(500), rng.random(400)))
    options = {**DEFAULTS, "n_components": 1, "eps": eps, "full": full}
    fit = fitted_bridge(X, Y, p, q, rng=rng, **options)
    S0, S1 = np.cov(X.T, aweights=p, ddof=0), np.cov(Y.T, aweights=q, ddof=0)
    S = slopes(fit.bridge)[0]
    if not full:
        S, S0, S1 = np.diag(S), np.diag(np.diag(S0)), np.diag(np.diag(S1))
    assert fit.converged
    np.testing.assert_allclose(S @ S0 @ S + eps * S, S1, atol=1e-8 * np.abs(S1).max())
    np.testing.assert_allclose(conditional_mean(fit.bridge, (p @ X)[None])[0], q @ Y, rtol=1e-8)


@settings(max_examples=30, derandomize=True, deadline=None, database=None)
@given(st.integers(0, 10**6), st.floats(1e-3, 1e3), st.integers(1, 5), st.integers(0, 5))
def test_gaussian_slope_solves_its_equation_whatever_the_ranks(seed, eps, rank, source_rank):
    rng = np.random.default_rng(seed)
    P = rng.normal(size=(5, rank)) * 10.0 ** rng.uniform(-2, 2, size=(5, 1))
    Q = rng.normal(size=(5, source_rank))
    S0, S1 = Q @ Q.T, P @ P.T
    B, inverse = gaussian_slope_factor(S0, S1, eps)
    assert B.shape == (5, rank)
    np.testing.assert_allclose(inverse @ B, np.eye(rank), atol=1e-6)
    S = B @ B.T
    scale = np.sqrt(np.diag(S1))
    wrong = (S @ S0 @ S + eps * S - S1) / scale[:, None] / scale
    np.testing.assert_allclose(wrong, 0, atol=1e-7)
    b, back = gaussian_slope_factor(np.diag(S0), np.diag(S1), eps)
    np.testing.assert_allclose(b**4 * np.diag(S0) + eps * b**2, np.diag(S1), rtol=1e-12)
    np.testing.assert_allclose(b * back, 1.0)


# --- the plan ------------------------------------------------------------------------------------


@pytest.mark.parametrize("full", [False, True])
def test_plan_is_that_of_the_paper_in_every_library(full, rng, xp):
    bridge, x = some_bridge(rng, full), rng.normal(size=2) + 3
    side = np.linspace(-40, 50, 451)
    Y = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    density = plan_density(bridge, x, Y)[1]
    cell = (side[1] - side[0]) ** 2
    assert density.sum() * cell == pytest.approx(1, abs=1e-6)
    X = xp.asarray(np.tile(x, (3, 1)))
    given_mean = xp.numpy(conditional_mean(to(xp, bridge), X))
    np.testing.assert_allclose(given_mean, np.tile(cell * density @ Y, (3, 1)), rtol=1e-6)
    # pi(y | x) = exp(x y / eps) v(y) / c(x), from the centre
    some = Y[::5003]
    gap = (some - bridge.center) @ (x - bridge.center) / bridge.eps
    log_c = xp.numpy(log_normalizer(to(xp, bridge), X))[0]
    log_v = xp.numpy(log_potential(to(xp, bridge), xp.asarray(some)))
    kept = density[::5003] > 1e-200
    np.testing.assert_allclose(
        (gap + log_v - log_c)[kept], np.log(density[::5003][kept]), rtol=1e-8, atol=1e-8
    )


@pytest.mark.parametrize("full", [False, True])
def test_draws_have_the_moments_of_the_plan(full, rng, xp):
    bridge, x = some_bridge(rng, full), rng.normal(size=2) + 3
    shares = plan_density(bridge, x, x[None])[0]
    n = 40_000
    X = xp.asarray(np.tile(x, (n, 1)))
    noise = xp.asarray(rng.random(n)), xp.asarray(rng.normal(size=(n, 2)))
    draws = xp.numpy(conditional_draws(to(xp, bridge), X, *noise))
    mean = conditional_mean(bridge, x[None])[0]
    S = slopes(bridge)
    S = np.array([np.diag(s) for s in S]) if S.ndim == 2 else S
    centers = bridge.means + (S @ (x - bridge.center))
    gaps = centers - mean
    wanted = np.einsum("k,kij->ij", shares, bridge.eps * S + gaps[:, :, None] * gaps[:, None, :])
    # four standard errors: of a mean, and (fourth moments of a mixture) generously of a variance
    spread = np.sqrt(np.trace(wanted))
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=4 * spread / n**0.5)
    np.testing.assert_allclose(np.cov(draws.T), wanted, atol=12 * spread**2 / n**0.5)


def test_slopes_without_full_rank_keep_their_directions(rng):
    bridge = some_bridge(rng, True, d=3, rank=1)
    X = rng.normal(size=(50, 3))
    draws = conditional_draws(bridge, X, rng.random(50), rng.normal(size=(50, 3)))
    gaps = [np.linalg.svd(draws - m, compute_uv=False) for m in bridge.means]
    assert all(len(g) == 3 for g in gaps)
    lines = bridge.factors[:, :, 0] / np.linalg.norm(bridge.factors[:, :, 0], axis=1)[:, None]
    off = [
        min(np.linalg.norm(g - (g @ u) * u) for u, g in zip(lines, y - bridge.means, strict=True))
        for y in draws
    ]
    np.testing.assert_allclose(off, 0, atol=1e-12)
    # on the line the density is that of one column
    one = some_bridge(rng, False, d=1)
    line = np.array([[0.6], [0.8]])
    wide = one._replace(
        means=one.means @ line.T,
        center=one.center @ line.T,
        factors=one.factors[:, None, :] * line,
    )
    y = rng.normal(size=(9, 1)) + 4
    np.testing.assert_allclose(log_potential(wide, y @ line.T), log_potential(one, y), rtol=1e-9)


# --- the process ---------------------------------------------------------------------------------


@pytest.mark.parametrize("full", [False, True])
def test_drift_at_the_start_is_the_mean_displacement(full, rng, xp):
    bridge, X = some_bridge(rng, full), rng.normal(size=(20, 2)) + 3
    wanted = conditional_mean(bridge, X) - X
    given_drift = xp.numpy(drift(to(xp, bridge), xp.asarray(X), 0.0))
    np.testing.assert_allclose(given_drift, wanted, atol=1e-12)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("t", [0.3, 0.9])
def test_drift_is_the_gradient_of_the_log_of_the_propagated_potential(full, t, rng):
    """``eps grad log E[psi(x + sqrt(eps (1 - t)) z)]``, psi the potential with its square back."""
    bridge, x = some_bridge(rng, full), rng.normal(size=2) + 3
    side = np.linspace(-30, 36, 1201)
    Y = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    log_psi = log_potential(bridge, Y) + ((Y - bridge.center) ** 2).sum(axis=1) / 2 / bridge.eps

    def log_h(at):
        return logsumexp(log_psi - ((Y - at) ** 2).sum(axis=1) / (2 * bridge.eps * (1 - t)))

    h = 1e-4
    wanted = [bridge.eps * (log_h(x + h * e) - log_h(x - h * e)) / 2 / h for e in np.eye(2)]
    np.testing.assert_allclose(drift(bridge, x[None], t)[0], wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("full", [False, True])
def test_what_is_left_of_what_is_left_is_left(full, rng):
    """After s of the rest after t comes the rest after t + s (1 - t)."""
    bridge, x = some_bridge(rng, full), rng.normal(size=(5, 2))
    once = bridge_after(bridge, 0.65)
    again = bridge_after(bridge, 0.0)
    tau = 0.65 / 0.35
    first = bridge_after(bridge, 0.4 / 1.4)
    second = bridge_after(first, (tau - 0.4) / (1 + tau - 0.4))
    for name in ("means", "log_weights"):
        np.testing.assert_allclose(getattr(second, name), getattr(once, name), rtol=1e-10)
        np.testing.assert_allclose(getattr(again, name), getattr(bridge, name), rtol=1e-12)
    np.testing.assert_allclose(slopes(second), slopes(once), atol=1e-10)
    np.testing.assert_allclose(conditional_mean(second, x), conditional_mean(once, x), rtol=1e-9)


def test_flow_of_the_mean_path_of_one_gaussian_ends_at_its_mean(rng):
    """One component: the drift is linear, so the mean of the paths follows it exactly."""
    bridge = some_bridge(rng, False, K=1)
    x = np.array([1.0, 2.0])
    path = solve_ivp(lambda t, z: drift(bridge, z[None], t)[0], (0, 1 - 1e-6), x, rtol=1e-9)
    np.testing.assert_allclose(path.y[:, -1], conditional_mean(bridge, x[None])[0], atol=1e-4)


def test_brownian_bridge_has_its_moments_and_its_ends(rng, xp):
    n, eps, times = 40_000, 0.6, [0.0, 0.25, 0.7, 1.0]
    start, end = np.tile([1.0, -2.0], (n, 1)), np.tile([4.0, 0.0], (n, 1))
    arrays = (xp.asarray(start), xp.asarray(end))
    normals = xp.asarray(rng.normal(size=(n, 4, 2)))
    paths = xp.numpy(brownian_bridge(*arrays, times, eps, normals))
    np.testing.assert_array_equal(paths[:, 0], start)
    np.testing.assert_array_equal(paths[:, 3], end)
    for i, t in ((1, 0.25), (2, 0.7)):
        spread = eps * t * (1 - t)
        error = 4 * (spread / n) ** 0.5
        wanted = start[0] + t * (end[0] - start[0])
        np.testing.assert_allclose(paths[:, i].mean(axis=0), wanted, atol=error)
        np.testing.assert_allclose(paths[:, i].var(axis=0), spread, rtol=4 * (2 / n) ** 0.5)
    first, second = paths[:, 1, 0] - 1.75, paths[:, 2, 0] - 3.1
    # Cov(x_s, x_t) = eps s (1 - t)
    assert np.mean(first * second) == pytest.approx(eps * 0.25 * 0.3, abs=4 * eps * 0.25 / n**0.5)


# --- the fit -------------------------------------------------------------------------------------


@settings(max_examples=15, derandomize=True, deadline=None, database=None)
@given(st.integers(0, 10**6), st.booleans(), st.integers(-40, 40))
def test_fit_scales_and_shifts_with_the_data(seed, full, exponent):
    """X times c, eps times c^2, any shift of the target: the plan is the same one in new units."""
    rng = np.random.default_rng(seed)
    X, Y = rng.normal(size=(40, 2)), rng.normal(size=(30, 2)) * [1, 3] + [2, 5]
    p, q = np.full(40, 1 / 40), np.full(30, 1 / 30)
    options = {**DEFAULTS, "full": full, "max_iter": 10, "eps": 0.5}
    wanted = fitted_bridge(X, Y, p, q, rng=np.random.default_rng(0), **options).bridge
    c, shift = 2.0**exponent, np.array([8.0, -4.0])
    options["eps"] = 0.5 * c * c
    scaled = fitted_bridge(
        c * X, c * (Y + shift), p, q, rng=np.random.default_rng(0), **options
    ).bridge
    before = conditional_mean(wanted, X)
    after = conditional_mean(scaled, c * X) / c - shift
    np.testing.assert_allclose(after, before, rtol=1e-6, atol=1e-6)


def test_components_of_the_truth_are_found(rng):
    """Two separate targets, one for each side of the source."""
    X = rng.normal(size=(3000, 1))
    Y = 0.1 * rng.normal(size=(3000, 1)) + np.where(rng.random((3000, 1)) < 0.3, -5.0, 5.0)
    p = np.full(3000, 1 / 3000)
    fit = fitted_bridge(X, Y, p, p, rng=rng, **{**DEFAULTS, "eps": 0.2})
    mean = conditional_mean(fit.bridge, np.array([[-2.0], [2.0]]))[:, 0]
    np.testing.assert_allclose(mean, [-5, 5], atol=0.3)
    # the threshold leaves 30 % of the source on the left
    left = np.mean(conditional_mean(fit.bridge, X) < 0)
    assert left == pytest.approx(np.mean(Y < 0), abs=0.02)


def test_full_slopes_turn_with_the_data(rng):
    X = rng.normal(size=(200, 2)) * [3, 1]
    Y = rng.normal(size=(150, 2)) * [1, 2] + 3
    turn = np.linalg.qr(rng.normal(size=(2, 2)))[0]
    p, q = np.full(200, 1 / 200), np.full(150, 1 / 150)
    options = {**DEFAULTS, "n_components": 1, "full": True}
    wanted = fitted_bridge(X, Y, p, q, rng=rng, **options).bridge
    turned = fitted_bridge(X @ turn, Y @ turn, p, q, rng=rng, **options).bridge
    given_mean = conditional_mean(turned, X @ turn) @ turn.T
    np.testing.assert_allclose(given_mean, conditional_mean(wanted, X), atol=1e-6)


def test_distinct_rows_add_weights_and_forget_the_order(rng):
    X = rng.integers(0, 3, size=(50, 2)).astype(np.float32)
    weights = rng.integers(0, 3, size=50).astype(float)
    rows, shares = distinct_rows(X, weights)
    assert shares.sum() == pytest.approx(1)
    assert len(np.unique(rows, axis=0)) == len(rows)
    repeated = np.repeat(X, weights.astype(int), axis=0)
    order = rng.permutation(len(repeated))
    again, same = distinct_rows(repeated[order], np.ones(len(repeated)))
    np.testing.assert_array_equal(again, rows)
    np.testing.assert_array_equal(same, shares)


@pytest.mark.parametrize("full", [False, True])
def test_a_constant_column_of_the_target_is_reached_exactly(full, rng):
    X = rng.normal(size=(60, 3))
    Y = np.column_stack([rng.normal(size=50), np.full(50, 0.1), rng.normal(size=50)])
    p, q = np.full(60, 1 / 60), np.full(50, 1 / 50)
    fit = fitted_bridge(X, Y, p, q, rng=rng, **{**DEFAULTS, "full": full})
    np.testing.assert_allclose(conditional_mean(fit.bridge, X)[:, 1], 0.1, rtol=1e-14)
    draws = conditional_draws(fit.bridge, X, rng.random(60), rng.normal(size=(60, 3)))
    np.testing.assert_allclose(draws[:, 1], 0.1, rtol=1e-14)


def test_the_best_of_several_starts_is_kept(rng):
    X, Y = rng.normal(size=(300, 2)), rng.normal(size=(300, 2)) + 4 * rng.integers(0, 3, (300, 2))
    p = np.full(300, 1 / 300)
    options = {**DEFAULTS, "n_components": 6, "init": "random", "eps": 0.1, "tol": 1e-3}

    def loss(seed, n_init):
        # one generator: the starts of n_init are those of the single fits in turn
        generator = np.random.default_rng(seed)
        fits = [
            fitted_bridge(X, Y, p, p, rng=generator, **{**options, "n_init": n_init})
            for _ in range(1 if n_init > 1 else 3)
        ]
        return min(bridge_loss(fit.bridge, X, Y) for fit in fits)

    assert loss(0, 3) == pytest.approx(loss(0, 1), rel=1e-12)
