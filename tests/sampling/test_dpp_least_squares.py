"""DPPLeastSquares: two phases, oracles, feature maps, domains, what is refused."""

import pickle

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    PolynomialFeatures,
    StandardScaler,
)

from subspace_learn import DPPLeastSquares
from subspace_learn.sampling import OracleError, ProductBasis


@pytest.fixture
def pool(rng):
    X = rng.normal(size=(300, 3))
    return X, X @ [1.0, -2.0, 0.5] + 3.0 + 0.1 * rng.normal(size=300)


def partly(y, rows):
    labels = np.full(y.shape, np.nan)
    labels[rows] = y[rows]
    return labels


def test_design_then_labels_gives_what_a_full_y_gives(pool):
    X, y = pool
    model = DPPLeastSquares(alpha=0, random_state=0)
    rows, weights = model.design(X)
    assert not hasattr(model, "coef_")
    assert len(rows) == len(weights) == 8
    two_phases = model.fit(X, partly(y, rows))
    at_once = DPPLeastSquares(alpha=0, random_state=0).fit(X, y)
    np.testing.assert_array_equal(at_once.indices_, rows)
    np.testing.assert_array_equal(at_once.coef_, two_phases.coef_)
    oracle = LinearRegression().fit(X[rows], y[rows], sample_weight=weights)
    np.testing.assert_allclose(at_once.coef_, oracle.coef_, rtol=1e-9)
    assert at_once.intercept_ == pytest.approx(oracle.intercept_, rel=1e-9)


def test_design_without_a_seed_is_kept_until_another_table_comes(pool):
    X, y = pool
    model = DPPLeastSquares()
    rows, _ = model.design(X)
    assert model.fit(X, partly(y, rows)).indices_ is rows
    assert model.fit(X, y).indices_ is rows
    assert model.fit(X[:200], y[:200]).indices_ is not rows


def test_new_design_forgets_the_fit_and_keeps_no_table(pool):
    X, y = pool
    model = DPPLeastSquares(random_state=0).fit(X, y)
    model.design(X[:200])
    with pytest.raises(NotFittedError):
        model.predict(X)
    many = np.tile(X, (50, 1))
    model.fit(many, np.tile(y, 50))
    assert len(pickle.dumps(model)) < 10_000


def test_labels_outside_the_design_are_not_used(pool, rng):
    X, y = pool
    model = DPPLeastSquares(random_state=0).fit(X, y)
    others = rng.normal(size=y.shape)
    others[model.indices_] = y[model.indices_]
    np.testing.assert_array_equal(DPPLeastSquares(random_state=0).fit(X, others).coef_, model.coef_)


def test_oracle_is_asked_once_for_each_row_of_the_design(pool):
    X, y = pool
    asked = []

    def oracle(row):
        assert row.shape == (1, 3)
        asked.append(int(np.flatnonzero((X == row).all(axis=1))[0]))
        return y[asked[-1]]

    model = DPPLeastSquares(n_points=40, random_state=0).fit(X, oracle)
    assert sorted(asked) == np.unique(model.indices_).tolist()
    wanted = DPPLeastSquares(n_points=40, random_state=0).fit(X, y)
    np.testing.assert_array_equal(model.coef_, wanted.coef_)


def test_failing_oracle_hands_back_what_was_bought_and_the_fit_can_go_on(pool):
    X, y = pool
    model = DPPLeastSquares(random_state=0)
    rows, weights = model.design(X)
    bought = 0

    def oracle(row):
        nonlocal bought
        if bought == 3:
            raise TimeoutError("the laboratory is closed")
        bought += 1
        return y[np.flatnonzero((X == row).all(axis=1))[0]]

    with pytest.raises(OracleError, match="after 3 of 8 labels: TimeoutError") as caught:
        model.fit(X, oracle)
    error = caught.value
    known = np.flatnonzero(np.isfinite(error.labels))
    np.testing.assert_array_equal(known, np.unique(rows)[:3])
    np.testing.assert_array_equal(error.labels[known], y[known])
    np.testing.assert_array_equal(error.indices, rows)
    np.testing.assert_array_equal(error.sample_weight, weights)
    labels = error.labels.copy()
    missing = np.setdiff1d(rows, known)
    labels[missing] = y[missing]
    wanted = DPPLeastSquares(random_state=0).fit(X, y)
    np.testing.assert_array_equal(model.fit(X, labels).coef_, wanted.coef_)


@pytest.mark.parametrize("label", [np.nan, "red", [1.0, 2.0]])
def test_label_that_is_no_finite_number_ends_the_fit(pool, label):
    X, _ = pool
    answers = iter([1.0, label])
    with pytest.raises(OracleError, match="after 1 of 8 labels"):
        DPPLeastSquares(random_state=0).fit(X, lambda row: next(answers))


def test_several_targets_are_fitted_as_one_by_one(pool):
    X, y = pool
    Y = np.column_stack([y, -y, y**2])
    model = DPPLeastSquares(random_state=0).fit(X, Y)
    assert model.coef_.shape == (3, 3)
    assert model.predict(X).shape == Y.shape
    for k in range(3):
        one = DPPLeastSquares(random_state=0).fit(X, Y[:, k])
        np.testing.assert_allclose(model.coef_[k], one.coef_, rtol=1e-10)
    several = DPPLeastSquares(random_state=0).fit(X, lambda row: Y[(X == row).all(axis=1)][0])
    np.testing.assert_allclose(several.coef_, model.coef_, rtol=1e-12)


def test_wrong_labels_are_refused(pool):
    X, y = pool
    model = DPPLeastSquares(random_state=0)
    for bad, match in [
        (np.full(300, np.nan), "NaN in every row"),
        (np.where(y > 0, y, np.nan), "no design was made"),
        (np.where(np.arange(300) == 7, np.inf, y), "infinity"),
        (None, "target y is None"),
        (y[:10], "inconsistent"),
    ]:
        with pytest.raises(ValueError, match=match):
            model.fit(X, bad)
    rows, _ = model.design(X)
    labels = partly(y, rows)
    labels[rows[0]] = np.nan
    with pytest.raises(ValueError, match="at 1 row"):
        model.fit(X, labels)


def test_wrong_sizes_and_measures_are_refused(pool):
    X, y = pool
    for settings, match in [
        ({"n_points": 3, "alpha": 0}, "at least 4"),
        ({"n_points": 3, "sampling": "volume"}, "at least 4"),
        ({"n_points": 5, "sampling": "dpp"}, "exactly 4"),
        ({"n_points": 301, "sampling": "volume_without_replacement"}, "at most 300"),
        ({"reference_measure": "uniform"}, "goes with"),
        ({"reference_measure": np.ones(7), "sampling": "volume"}, "shape"),
        ({"reference_measure": lambda X: -np.ones(len(X)), "sampling": "volume"}, "nonnegative"),
    ]:
        with pytest.raises(ValueError, match=match):
            DPPLeastSquares(**settings).fit(X, y)
    with pytest.raises(ValueError, match=r"[Nn]egative"):
        DPPLeastSquares().design(X, np.r_[-1.0, np.ones(299)])
    X = X.copy()
    X[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        DPPLeastSquares().design(X)


def test_dependent_features_are_left_out_with_a_word(pool, capsys):
    X, y = pool
    more = np.column_stack([X, X[:, 0] - X[:, 1], np.ones(300)])
    model = DPPLeastSquares(alpha=0, verbose=True, random_state=0).fit(more, y)
    assert "2 of 5 features are constant or depend" in capsys.readouterr().out
    assert model.kept_features_.tolist() == [0, 1, 2]
    assert model.coef_[3:].tolist() == [0, 0]
    assert model.score(more, y) > 0.95
    penalised = DPPLeastSquares(alpha=0.1, random_state=0).fit(more, y)
    assert penalised.coef_[3] != 0  # dependent features share what they have in common
    assert penalised.coef_[4] == 0
    by_hand = DPPLeastSquares(alpha=0.1, rcond=1e-8, random_state=0).fit(more, y)
    assert by_hand.coef_[3:].tolist() == [0, 0]


def test_penalty_is_that_of_ridge_in_standard_deviations_of_the_pool(pool):
    X, y = pool
    X = X * [1.0, 1e4, 1e-5] + [0.0, 3e5, 1.0]
    model = DPPLeastSquares(n_points=20, alpha=0.3, random_state=0).fit(X, y)
    w = model.sample_weight_ / model.sample_weight_.sum()
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    rows = model.indices_
    oracle = Ridge(alpha=0.3).fit(Z[rows], y[rows], sample_weight=w)
    # 1 + 1e-5 x keeps eleven digits of x
    np.testing.assert_allclose(model.predict(X), oracle.predict(Z), rtol=1e-9, atol=1e-9)
    assert model.alpha_ == 0.3


@pytest.mark.parametrize("alpha", ["loo", "evidence", 0.1])
def test_units_change_no_penalised_prediction_and_constants_pass_through(pool, alpha):
    X, y = pool
    y = y + np.sin(9 * X[:, 0])  # noise, so that there is a penalty
    settings = {"n_points": 20, "alpha": alpha, "random_state": 0}
    model = DPPLeastSquares(**settings).fit(X, y)
    other = DPPLeastSquares(**settings).fit(X * [1e-6, 1e6, 300.0] + 5.0, 1e7 - 1e-4 * y)
    assert model.alpha_ == pytest.approx(other.alpha_)
    assert model.alpha_ > 0
    moved = other.predict(X * [1e-6, 1e6, 300.0] + 5.0)
    # labels of 1e7 that differ by 1e-4 keep five digits of the difference
    np.testing.assert_allclose((1e7 - moved) / 1e-4, model.predict(X), atol=1e-3)


def test_labels_without_noise_are_fitted_exactly_and_noisy_ones_are_shrunk(pool, rng):
    X, _ = pool
    truth = X @ [2.0, -1.0, 300.0] + 7.0
    model = DPPLeastSquares(random_state=0).fit(X, truth)
    assert model.alpha_ == 0
    np.testing.assert_allclose(model.predict(X), truth, rtol=1e-10, atol=1e-9)
    both = np.c_[truth, rng.normal(size=300)]
    model = DPPLeastSquares(random_state=0).fit(X, both)
    assert model.alpha_[0] == 0
    assert model.alpha_[1] > 0.05  # nothing there to be found
    for sampling in ("repeated_dpp", "dpp"):  # four labels for four coefficients
        model = DPPLeastSquares(n_points=4, sampling=sampling, random_state=0).fit(X, both[:, 1])
        np.testing.assert_allclose(model.predict(X)[model.indices_], both[model.indices_, 1])


def test_a_wide_table_gets_a_design_of_fewer_rows_than_columns(rng):
    common = rng.normal(size=(200, 4))
    X = common @ rng.normal(size=(4, 500)) + 0.1 * rng.normal(size=(200, 500))
    y = common @ [3.0, 2.0, 1.0, 0.0] + 5.0
    model = DPPLeastSquares(n_points=16, random_state=0)
    rows, _ = model.design(X)
    assert len(rows) == 16
    assert model.fit(X, partly(y, rows)).score(X, y) > 0.9  # 16 labels, 4 directions that matter
    assert DPPLeastSquares(n_points=1, random_state=0).fit(X, y).coef_.tolist() == [0.0] * 500
    with pytest.raises(ValueError, match="alpha=0 needs at least 200"):
        DPPLeastSquares(n_points=16, alpha=0).design(X)


def test_the_best_of_many_designs_varies_least(pool):
    X, _ = pool
    phi = np.linalg.qr(np.c_[np.ones(300), X])[0] * 300**0.5
    variances = {1: [], 20: []}
    for n_candidates, found in variances.items():
        for seed in range(20):
            model = DPPLeastSquares(n_candidates=n_candidates, random_state=seed)
            rows, w = model.design(X)
            assert model.n_redraws_ == n_candidates - 1
            influence = np.linalg.solve(phi[rows].T @ (phi[rows] * w[:, None]), phi[rows].T * w)
            found.append(np.sum((phi @ influence) ** 2) / 300)  # predictions, labels of variance 1
    assert np.max(variances[20]) < np.median(variances[1])
    default = DPPLeastSquares(random_state=19)
    default.design(X)
    np.testing.assert_array_equal(default.indices_, rows)
    volume = DPPLeastSquares(sampling="volume", random_state=0)
    volume.design(X)
    assert volume.n_redraws_ == 0  # its law is what one asks for


@pytest.mark.parametrize("reference", ["uniform", lambda X: np.exp(X[:, 0]), np.arange(1.0, 301)])
def test_any_reference_measure_serves_volume_sampling(pool, reference):
    X, y = pool
    model = DPPLeastSquares(sampling="volume", reference_measure=reference, random_state=0)
    assert model.fit(X, y).score(X, y) > 0.95


def test_rows_of_weight_zero_are_never_asked_for(pool):
    X, y = pool
    weights = np.where(np.arange(300) < 100, 1.0, 0.0)
    for sampling in ("repeated_dpp", "dpp", "volume", "volume_without_replacement", "uniform"):
        model = DPPLeastSquares(sampling=sampling, random_state=0).fit(X, y, sample_weight=weights)
        assert model.indices_.max() < 100


def test_condition_that_cannot_be_met_is_told(pool):
    X, y = pool
    model = DPPLeastSquares(condition=0.01, max_redraws=3, random_state=0)
    with pytest.warns(ConvergenceWarning, match="None of 4 designs"):
        model.fit(X, y)
    assert model.n_redraws_ == 3
    model = DPPLeastSquares(n_points=40, condition=0.9, random_state=0).fit(X, y)
    assert 1 <= model.gram_condition_ < 100
    assert model.n_proposals_ > 0


@pytest.mark.parametrize("kind", ["legendre", "chebyshev", "hermite", "fourier"])
def test_named_bases_fit_smooth_functions_of_two_inputs(rng, kind):
    X = rng.uniform(-1, 1, size=(2000, 2))
    y = np.sin(np.pi * X[:, 0]) * np.cos(np.pi * X[:, 1])
    basis = ProductBasis(kind, degree=8)
    model = DPPLeastSquares(basis, n_points=200, random_state=0).fit(X, y)
    # least squares on all labels, with the same basis
    Phi = basis.fit_transform(X)
    best = np.sqrt(np.mean((y - Phi @ np.linalg.lstsq(Phi, y, rcond=None)[0]) ** 2))
    # fits with four times as many rows as features lose little; 1e-9 where the target is a product
    assert np.sqrt(np.mean((model.predict(X) - y) ** 2)) < 2 * best + 1e-9
    by_name = DPPLeastSquares(kind, random_state=0).fit(X, y)
    assert by_name.predict(X).shape == (2000,)


@pytest.mark.parametrize("sampling", ["repeated_dpp", "dpp", "volume", "christoffel"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_points_of_a_domain_are_drawn_and_fitted(sampling, fit_intercept):
    basis = ProductBasis("legendre", degree=4)
    n = None if sampling == "dpp" else 60
    model = DPPLeastSquares(
        basis, n_points=n, sampling=sampling, fit_intercept=fit_intercept, random_state=0
    )
    domain = [[0.0, 2.0], [-3.0, 1.0]]
    points, weights = model.design_points(domain=domain)
    assert points.shape == (15 if n is None else 60, 2)
    assert weights.shape == (len(points),)
    assert (points >= [0, -3]).all()
    assert (points <= [2, 1]).all()

    def f(x):
        return 1 + x[:, 0] ** 2 * x[:, 1] - x[:, 1] ** 4

    model.fit(points, f(points))
    new = np.random.default_rng(0).uniform([0, -3], [2, 1], size=(50, 2))
    np.testing.assert_allclose(model.predict(new), f(new), atol=1e-7)


def test_domains_that_cannot_be_drawn_from_are_refused():
    for model, match in [
        (DPPLeastSquares(), "product basis"),
        (DPPLeastSquares("legendre"), "needs a domain"),
        (DPPLeastSquares(PolynomialFeatures()), "product basis"),
    ]:
        with pytest.raises(ValueError, match=match):
            model.design_points()
    with pytest.raises(ValueError, match="needs a table"):
        DPPLeastSquares("legendre", sampling="volume_without_replacement").design_points(
            9, domain=[[0, 1]]
        )
    with pytest.raises(ValueError, match="at least 4"):
        DPPLeastSquares("legendre").design_points(3, domain=[[0, 1]])


def test_it_works_in_pipelines_grid_searches_and_with_any_transformer(pool):
    X, y = pool
    model = DPPLeastSquares(PolynomialFeatures(2, include_bias=False), random_state=0)
    assert model.fit(X, y).score(X, y) > 0.9
    search = GridSearchCV(
        make_pipeline(StandardScaler(), DPPLeastSquares(random_state=0)),
        {"dppleastsquares__sampling": ["repeated_dpp", "volume"]},
        cv=3,
    ).fit(X, y)
    assert search.best_score_ > 0.9


def test_data_frames_reach_the_oracle_and_the_feature_map(pool):
    pandas = pytest.importorskip("pandas")
    X, y = pool
    frame = pandas.DataFrame(X, columns=["a", "b", "c"], index=np.arange(300) + 1000)
    asked = []

    def oracle(row):
        asked.append(row.index[0])
        return y[row.index[0] - 1000]

    model = DPPLeastSquares(PolynomialFeatures(1, include_bias=False), random_state=0)
    model.fit(frame, oracle)
    assert set(asked) == set((model.indices_ + 1000).tolist())
    assert model.predict(frame).shape == (300,)
    assert list(model.feature_names_in_) == ["a", "b", "c"]
