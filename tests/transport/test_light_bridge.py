"""LightSchrodingerBridge: domains, pipelines, units, weights, draws, and what it refuses."""

import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from subspace_learn.transport import LightSchrodingerBridge


def domains(rng, n=(300, 200), d=3):
    """Rows of two domains, mixed, in units that are not 1, and their labels."""
    source = 5 * rng.normal(size=(n[0], d)) + 20
    target = 8 * rng.normal(size=(n[1], d)) + np.where(rng.random((n[1], 1)) < 0.4, -30, 50)
    X, y = np.concatenate([source, target]), np.repeat(["before", "then"], n)
    order = rng.permutation(len(X))
    return X[order], y[order]


@pytest.fixture
def rows(rng):
    return domains(rng)


def fitted(rows, n_components=3, *, eps=20.0, random_state=0, **options):
    model = LightSchrodingerBridge(n_components, eps=eps, random_state=random_state, **options)
    return model.fit(*rows)


@pytest.mark.parametrize("kind", ["diag", "full"])
def test_transform_of_the_source_has_the_mean_of_the_target(rows, kind):
    X, y = rows
    model = fitted(rows, covariance_type=kind, tol=1e-9)
    moved = model.transform(X[y == "before"])
    # at the minimum the derivative by the means is 0: the first moments agree
    np.testing.assert_allclose(moved.mean(axis=0), X[y == "then"].mean(axis=0), atol=0.05)
    draws = model.sample(X[y == "before"], 50).reshape(-1, 3)
    spread = X[y == "then"].std(axis=0)
    np.testing.assert_allclose(draws.std(axis=0), spread, rtol=0.05)
    assert np.all(moved.std(axis=0) < spread)  # conditional means vary less


def test_attributes_are_the_plan_of_a_row_at_the_centre(rows):
    X, y = rows
    for kind in ("diag", "full"):
        model = fitted(rows, covariance_type=kind)
        np.testing.assert_allclose(model.center_, X[y == "before"].mean(axis=0))
        assert model.weights_.sum() == pytest.approx(1)
        assert np.all(np.diff(model.weights_) <= 0)
        mean = model.transform(model.center_[None])[0]
        np.testing.assert_allclose(mean, model.weights_ @ model.means_)
        C = model.covariances_
        C = C if kind == "full" else np.array([np.diag(c) for c in C])
        centred = X[:20] - model.means_[:, None, :]
        inner = np.einsum("kni,kij,knj->kn", centred, np.linalg.inv(C), centred)
        logs = np.log(model.weights_) - 0.5 * np.linalg.slogdet(2 * np.pi * C)[1]
        wanted = np.logaddexp.reduce(logs[:, None] - 0.5 * inner, axis=0)
        np.testing.assert_allclose(model.log_potential(X[:20]), wanted, rtol=1e-8)


def test_source_is_the_smaller_label_unless_named(rows):
    X, y = rows
    model = fitted(rows)
    assert model.domains_.tolist() == ["before", "then"]
    back = fitted(rows, source="then")
    assert back.domains_.tolist() == ["then", "before"]
    np.testing.assert_allclose(back.center_, X[y == "then"].mean(axis=0))
    same = fitted((X, np.where(y == "before", "then", "before")), source="then")
    np.testing.assert_array_equal(same.means_, model.means_)
    with pytest.raises(ValueError, match=r"source='now' is none of the labels.*before.*then"):
        fitted(rows, source="now")


def test_pipeline_and_grid_search_choose_components_behind_a_scaler(rows):
    X, y = rows
    pipe = make_pipeline(StandardScaler(), LightSchrodingerBridge(eps=0.05, random_state=0))
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    grid = GridSearchCV(pipe, {"lightschrodingerbridge__n_components": [1, 2]}, cv=folds)
    grid.fit(X, y)
    # the target has two parts, which one Gaussian cannot give
    assert grid.best_params_ == {"lightschrodingerbridge__n_components": 2}
    means = grid.cv_results_["mean_test_score"]
    assert means[1] > means[0] + 0.1
    scaler, bridge = (step for _, step in grid.best_estimator_.steps)
    back = scaler.inverse_transform(bridge.sample(scaler.transform(X[y == "before"])))
    target = X[y == "then"]
    assert np.mean(back[:, 0] > 10) == pytest.approx(np.mean(target[:, 0] > 10), abs=0.08)


def test_score_is_minus_the_loss_of_the_fit_and_falls_off_it(rows):
    model = fitted(rows)
    assert model.score(*rows) == pytest.approx(-model.loss_, rel=1e-12)
    held_out = domains(np.random.default_rng(99))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it may say that it has too many
        overfitted = fitted(rows, 40, tol=1e-6, max_iter=3000)
    assert overfitted.score(*rows) > model.score(*rows)
    assert overfitted.score(*held_out) < model.score(*held_out)


def test_folds_without_one_domain_are_refused_in_words(rows):
    X, y = rows
    order = np.argsort(y, kind="stable")
    pipe = LightSchrodingerBridge(2, eps=20.0, random_state=0)
    with pytest.raises(ValueError, match="StratifiedKFold"):
        cross_val_score(pipe, X[order], y[order], cv=3, error_score="raise")


@settings(max_examples=10, derandomize=True, deadline=None, database=None)
@given(st.integers(-100, 100), st.sampled_from(["diag", "full"]))
def test_units_change_nothing_but_units_if_eps_has_them_too(exponent, kind):
    X, y = domains(np.random.default_rng(4), (40, 30), 2)
    options = {"covariance_type": kind, "max_iter": 15, "tol": 0.0}
    c = 2.0**exponent
    with pytest.warns(ConvergenceWarning, match="n_iter_=15"):
        wanted = fitted((X, y), **options)
    with pytest.warns(ConvergenceWarning, match="n_iter_=15"):
        given_model = fitted((c * X, y), eps=20.0 * c * c, **options)
    np.testing.assert_allclose(given_model.transform(c * X) / c, wanted.transform(X), rtol=1e-6)
    np.testing.assert_allclose(given_model.covariances_ / c**2, wanted.covariances_, rtol=1e-5)
    # a density of the target in new units: d log c in the score
    shift = 2 * np.log(c)
    assert given_model.score(c * X, y) == pytest.approx(wanted.score(X, y) - shift, rel=1e-6)


@pytest.mark.parametrize(
    ("factor", "said"),
    [(1e-6, "nearly independent of the source"), (1e6, "nearly none")],
)
def test_eps_out_of_proportion_is_said_with_the_ratio(rng, factor, said):
    X, y = domains(rng, (60, 50))
    X = factor * (X / X.std())
    variance = np.mean([X[y == label].var(axis=0) for label in ("before", "then")])
    ratio = f"{1 / variance:.3g}"
    with pytest.warns(UserWarning, match=said) as caught:
        model = LightSchrodingerBridge(2, random_state=0, max_iter=2000).fit(X, y)
    assert any(f"is {ratio} times" in str(w.message) for w in caught)
    assert np.isfinite(model.transform(X)).all()
    if factor < 1:  # independent: the mean of the target, whatever the row
        spread = model.transform(X).std(axis=0)
        assert np.all(spread < 1e-3 * X.std())


def test_weights_are_repetitions_to_the_last_digit(rows, rng):
    X, y = rows
    weights = rng.integers(0, 3, size=len(X))
    index = rng.permutation(np.repeat(np.arange(len(X)), weights))
    given_model = fitted(rows)
    given_model.fit(X, y, sample_weight=weights)
    wanted = fitted((X[index], y[index]))
    np.testing.assert_array_equal(given_model.means_, wanted.means_)
    assert given_model.score(X, y, sample_weight=weights) == pytest.approx(
        wanted.score(X[index], y[index]), rel=1e-12
    )


def test_weights_are_routed_to_fit_and_score(rows, rng):
    X, y = rows
    weights = rng.integers(1, 4, size=len(X)).astype(float)
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    with sklearn.config_context(enable_metadata_routing=True):
        model = LightSchrodingerBridge(2, eps=20.0, random_state=0)
        model.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        given_scores = cross_val_score(model, X, y, cv=folds, params={"sample_weight": weights})
    wanted = [
        fitted((X[train], y[train]), 2)
        .fit(X[train], y[train], sample_weight=weights[train])
        .score(X[test], y[test], sample_weight=weights[test])
        for train, test in folds.split(X, y)
    ]
    np.testing.assert_allclose(given_scores, wanted, rtol=1e-12)


def test_draws_repeat_with_the_seed_and_differ_without(rows):
    X = rows[0][:30]
    model = fitted(rows)
    np.testing.assert_array_equal(model.sample(X), model.sample(X))
    assert not np.array_equal(model.sample(X), model.sample(X, random_state=1))
    np.testing.assert_array_equal(model.sample(X, random_state=1), model.sample(X, random_state=1))
    generator = np.random.default_rng(0)
    first = model.sample(X, random_state=generator)
    assert not np.array_equal(first, model.sample(X, random_state=generator))
    assert model.sample(X, 4).shape == (30, 4, 3)
    many = model.sample(X, 4000)
    spread = many.std(axis=1) / 4000**0.5
    assert np.all(np.abs(many.mean(axis=1) - model.transform(X)) < 5 * spread)


def test_paths_begin_at_the_rows_and_end_in_the_target(rows):
    X, y = rows
    source = X[y == "before"]
    model = fitted(rows)
    paths = model.sample_path(source, [0.0, 0.5, 1.0])
    assert paths.shape == (len(source), 3, 3)
    np.testing.assert_array_equal(paths[:, 0], source)
    target = X[y == "then"]
    # a share p of n rows has a standard error of at most .5 / sqrt(n): three of .029 and .035
    gap = np.mean(paths[:, 2, 0] > 10) - np.mean(target[:, 0] > 10)
    assert abs(gap) < 3 * (0.25 / 300 + 0.25 / 200) ** 0.5
    # halfway: the mean of the ends, and noise of variance eps / 4
    noise = paths[:, 1] - 0.5 * (paths[:, 0] + paths[:, 2])
    assert noise.var() == pytest.approx(20 / 4, rel=4 * (2 / noise.size) ** 0.5)


def test_simulated_drift_arrives_where_the_plan_says(rows):
    """Euler steps of the diffusion against exact draws."""
    model = fitted(rows)
    rng = np.random.default_rng(1)
    # a row from which both parts of the target are reached
    source = rows[0][rows[1] == "before"]
    between = source[np.argmin(np.abs(model.transform(source)[:, 0] - 10))]
    start = np.tile(between, (4000, 1))
    x, n_steps = start.copy(), 300
    for i in range(n_steps):
        noise = rng.normal(size=x.shape) * (20.0 / n_steps) ** 0.5
        x = x + model.drift(x, i / n_steps) / n_steps + noise
    ends = model.sample(start, random_state=2)
    left, wanted = (float(np.mean(z[:, 0] < 10)) for z in (x, ends))
    assert 0.2 < wanted < 0.8
    # two shares of 4000 draws: four standard errors of .011
    assert left == pytest.approx(wanted, abs=0.045)
    for part in (x, ends):
        part[:, 0] -= np.where(part[:, 0] < 10, -30, 50)
    np.testing.assert_allclose(x[:, 0].std(), ends[:, 0].std(), rtol=0.06)


def test_frames_keep_their_columns_and_float32_its_width(rows):
    X, y = rows
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = LightSchrodingerBridge(2, eps=20.0, random_state=0).set_output(transform="pandas")
    model.fit(frame, pd.Series(y))
    assert model.transform(frame).columns.tolist() == ["a", "b", "c"]
    assert model.sample(frame).columns.tolist() == ["a", "b", "c"]
    assert model.get_feature_names_out().tolist() == ["a", "b", "c"]
    small = fitted((X.astype(np.float32), y))
    rows32 = X[:5].astype(np.float32)
    times = [0.5, 1.0]
    for result in (
        small.transform(rows32),
        small.sample(rows32, 2),
        small.sample_path(rows32, times),
        small.drift(rows32, 0.5),
    ):
        assert result.dtype == np.float32
    assert small.log_potential(rows32).dtype == np.float64


def test_other_libraries_draw_the_same(rows, xp):
    X, y = rows
    wanted = fitted(rows, 2)
    model = fitted((xp.asarray(X), y), 2)
    some = xp.asarray(X[:20])
    for name, arguments in {
        "sample": (),
        "sample_path": ([0.2, 0.9],),
        "drift": (0.4,),
        "log_potential": (),
    }.items():
        given_array = getattr(model, name)(some, *arguments)
        assert xp.owns(given_array)
        np.testing.assert_allclose(
            xp.numpy(given_array), getattr(wanted, name)(X[:20], *arguments), rtol=1e-6, atol=1e-6
        )
    assert model.score(xp.asarray(X), y) == pytest.approx(wanted.score(X, y), rel=1e-9)
    for name in ("weights_", "means_", "covariances_", "center_"):
        assert xp.owns(getattr(model, name))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros(12), "two labels.*1 class .0.0."),
        (np.arange(12) % 3, "two labels.*3 classes .0, 1, 2."),
        (None, "requires y to be passed"),
        (np.where(np.arange(12) % 2 == 0, 1.0, np.nan), "NaN"),
        (np.arange(11) % 2, "inconsistent numbers of samples"),
    ],
)
def test_other_than_two_domains_are_refused(rng, y, message):
    X = rng.normal(size=(12, 2))
    with pytest.raises(ValueError, match=message):
        LightSchrodingerBridge(1).fit(X, y)


def test_a_domain_of_weight_zero_is_no_domain(rng):
    X, y = rng.normal(size=(12, 2)), np.arange(12) % 2
    with pytest.raises(ValueError, match="1 class"):
        LightSchrodingerBridge(1).fit(X, y, sample_weight=1.0 - y)


def test_more_components_than_different_target_rows_are_refused(rng):
    X, y = rng.normal(size=(30, 2)), np.repeat([0, 1], [20, 10])
    X[-5:] = X[-1]
    with pytest.raises(ValueError, match=r"n_components=7 .*n_samples = 6 of them.*label 1"):
        LightSchrodingerBridge(7).fit(X, y)


@pytest.mark.parametrize("eps", [0.0, -1.0, np.nan, "1"])
def test_eps_must_be_positive(rng, eps):
    X, y = rng.normal(size=(12, 2)), np.arange(12) % 2
    with pytest.raises(ValueError, match="eps"):
        LightSchrodingerBridge(1, eps=eps).fit(X, y)


def test_bad_rows_times_and_counts_are_refused(rows):
    X = rows[0][:4]
    model = fitted(rows)
    for times in ([0.5, 0.2], [-0.1], [1.1], [], [[0.5]], [np.nan]):
        with pytest.raises(ValueError, match="times"):
            model.sample_path(X, times)
    for t in (1.0, -0.1, np.nan):
        with pytest.raises(ValueError, match="outside"):
            model.drift(X, t)
    for n in (0, 1.5):
        with pytest.raises(ValueError, match="number of draws"):
            model.sample(X, n)
    with pytest.raises(ValueError, match="features"):
        model.transform(X[:, :2])
    with pytest.raises(ValueError, match="NaN"):
        model.sample(np.full((2, 3), np.nan))
    with pytest.raises(ValueError, match="both domains"):
        model.score(X, ["then"] * 4)
    with pytest.raises(ValueError, match="no others"):
        model.score(X, ["before", "then", "before", "later"])


def test_running_out_of_iterations_is_said(rows):
    with pytest.warns(ConvergenceWarning, match=r"n_iter_=2 .*max_iter"):
        model = fitted(rows, max_iter=2)
    assert model.n_iter_ == 2


def test_components_on_single_rows_are_said(rng):
    X, y = rng.normal(size=(24, 2)), np.arange(24) % 2
    with pytest.warns(UserWarning, match="of 10 components are a million times narrower"):
        LightSchrodingerBridge(10, eps=0.1, tol=1e-9, max_iter=5000, random_state=0).fit(X, y)


def test_defaults_find_the_parts_of_a_target(rng):
    """n_components=10, eps=1 on standardised rows: what a first try gives."""
    X = np.concatenate([rng.normal(size=(400, 2)), rng.normal(size=(400, 2)) * 0.3])
    X[400:] += np.array([[3, 3], [-3, 3], [0, -3]])[rng.integers(0, 3, 400)]
    y = np.repeat([0, 1], 400)
    model = LightSchrodingerBridge(random_state=0).fit(X, y)
    draws = model.sample(X[:400])
    nearest = np.linalg.norm(draws[:, None] - [[3, 3], [-3, 3], [0, -3]], axis=2)
    assert np.quantile(nearest.min(axis=1), 0.9) < 3 * 0.3
    assert np.all(np.abs(np.bincount(nearest.argmin(axis=1)) / 400 - 1 / 3) < 0.1)
