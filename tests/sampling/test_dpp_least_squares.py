"""DPPLeastSquares: two phases, oracles, feature maps, domains, what is refused."""

import pickle

import numpy as np
import pytest
from sklearn import config_context
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
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
    model = DPPLeastSquares(random_state=0)
    rows, weights = model.design(X)
    assert not hasattr(model, "coef_")
    assert len(rows) == len(weights) == 8
    two_phases = model.fit(X, partly(y, rows))
    at_once = DPPLeastSquares(random_state=0).fit(X, y)
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
        ({"n_points": 3}, "at least 4"),
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
    model = DPPLeastSquares(verbose=True, random_state=0).fit(more, y)
    assert "2 of 5 features are constant or depend" in capsys.readouterr().out
    assert model.kept_features_.tolist() == [0, 1, 2]
    assert model.coef_[3:].tolist() == [0, 0]
    assert model.score(more, y) > 0.95


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


@pytest.mark.parametrize("distance", [1e-6, 1e-8, 1e-10, 1e-12])
def test_columns_that_are_nearly_copies_get_a_design(pool, rng, distance):
    X, y = pool
    near = np.c_[X, X + distance * rng.normal(size=X.shape)]
    model = DPPLeastSquares(random_state=0)
    rows, _ = model.design(near)
    assert model.kept_features_.tolist() == [0, 1, 2, 3, 4, 5]  # a distance well above rounding
    assert len(rows) == 14
    phi = model._plan.phi
    assert np.isfinite(phi).all()
    # labels that are a combination of the features come back, in units of the distance
    assert model.fit(near, y).score(near, y) > 0.9
    coarse = DPPLeastSquares(rcond=1e-4, random_state=0).fit(near, y)
    assert coarse.kept_features_.tolist() == [0, 1, 2]
    np.testing.assert_allclose(coarse.coef_[:3], [1.0, -2.0, 0.5], atol=0.2)


def test_monomials_of_high_degree_get_a_design_or_are_left_out():
    x = np.linspace(0, 1, 400)[:, None]
    monomials = x ** np.arange(1, 30)
    model = DPPLeastSquares(random_state=0)
    model.design(monomials)
    assert 10 < len(model.kept_features_) < 29
    Q = model._plan.phi
    assert np.isfinite(Q).all()
    y = np.exp(-3 * x[:, 0])
    np.testing.assert_allclose(model.fit(monomials, y).predict(monomials), y, atol=1e-4)


@pytest.mark.parametrize(
    ("start", "width"), [(1.7e9, 0.2), (1.7e18, 2e8), (1.7e12, 0.1), (0.1, 0.0), (1e6, 1e-3)]
)
def test_times_since_an_epoch_are_features_and_constants_are_not(rng, start, width):
    """Seconds, nanoseconds, milliseconds: the threshold is the rounding of the stamp itself."""
    n = 20_000
    t = np.sort(rng.uniform(size=n))
    X = np.c_[start + width * t, rng.normal(size=n)]
    y = 5 * t + X[:, 1]
    model = DPPLeastSquares(random_state=0, n_points=60).fit(X, y)
    informative = np.ptp(X[:, 0]) > 100 * np.spacing(start)
    assert (0 in model.kept_features_) == informative
    # rounding of the stamps is noise of the feature
    blur = np.spacing(start) / width if informative else 1.0
    assert (model.score(X, y) > 0.99) == (informative and blur < 1e-2)


def test_a_stamp_and_the_same_stamp_in_other_units_are_one_feature(rng):
    t = 1.7e9 + rng.uniform(0, 0.2, 3000)
    X = np.c_[t, 1000 * t, rng.normal(size=3000)]  # rounded apart, 1e-6 of their spread
    model = DPPLeastSquares(random_state=0)
    model.design(X)
    assert model.kept_features_.tolist() == [0, 2]


def test_float32_leaves_out_what_is_rounding_of_float32(rng):
    X = rng.normal(size=(500, 3)).astype(np.float32)
    X = np.c_[X, X[:, 0] + np.float32(300) * X[:, 1], np.full(500, 0.1, np.float32)]
    model = DPPLeastSquares(random_state=0)
    rows, weights = model.design(X)
    assert model.kept_features_.tolist() == [0, 1, 2]
    wide = DPPLeastSquares(random_state=0)
    wide.design(X[:, :3].astype(np.float64))
    np.testing.assert_array_equal(rows, wide.indices_)
    np.testing.assert_allclose(weights, wide.sample_weight_, rtol=1e-5)


@pytest.mark.parametrize("factor", [300.0, 1e4, 1e-6, 1e6])
def test_units_of_a_column_change_no_design_and_no_prediction(pool, factor):
    X, y = pool
    scaled = X * [1.0, factor, 1.0]
    model = DPPLeastSquares(random_state=0).fit(X, y)
    other = DPPLeastSquares(random_state=0).fit(scaled, y)
    np.testing.assert_array_equal(other.indices_, model.indices_)
    np.testing.assert_allclose(other.coef_ * [1.0, factor, 1.0], model.coef_, rtol=1e-8)
    np.testing.assert_allclose(other.predict(scaled), model.predict(X), rtol=1e-8)


def test_rows_that_do_not_determine_the_fit_have_an_infinite_condition():
    X = np.zeros((40, 3))
    X[:3] = np.eye(3)  # a 0/1 table: most draws of uniform rows miss a column
    model = DPPLeastSquares(sampling="uniform", n_points=8, random_state=0)
    model.design(X)
    assert model.gram_condition_ == np.inf
    with pytest.warns(UserWarning, match="of 4 coefficients"):
        model.fit(X, X @ [1.0, 2.0, 3.0])
    assert np.isfinite(DPPLeastSquares(random_state=0).fit(X, X[:, 0]).gram_condition_)


def test_weights_are_repeated_rows(pool):
    X, y = pool[0][:40], pool[1][:40]
    weights = np.arange(40) % 4
    copies = np.repeat(np.arange(40), weights)
    for sampling in ("repeated_dpp", "dpp", "volume", "christoffel", "uniform"):
        settings = {"sampling": sampling, "sampler": "rejection", "random_state": 3}
        weighted = DPPLeastSquares(**settings).fit(X, y, sample_weight=weights)
        repeated = DPPLeastSquares(**settings).fit(X[copies], y[copies])
        np.testing.assert_array_equal(weighted.indices_, copies[repeated.indices_])
        np.testing.assert_allclose(weighted.sample_weight_, repeated.sample_weight_, rtol=1e-9)
        np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-7)


def test_feature_map_gets_the_table_as_it_was_given(rng):
    pandas = pytest.importorskip("pandas")
    n = 200
    X = pandas.DataFrame(
        {
            "size": rng.normal(size=n),
            "colour": rng.choice(["red", "green", "blue"], size=n),
            "age": np.where(np.arange(n) % 7, rng.normal(size=n), np.nan),
            "when": pandas.Timestamp("2026-01-01") + pandas.to_timedelta(np.arange(n), unit="h"),
        }
    )
    features = ColumnTransformer(
        [
            ("words", OneHotEncoder(drop="first", sparse_output=False), ["colour"]),
            ("numbers", SimpleImputer(), ["size", "age"]),
        ]
    )
    y = X["size"].to_numpy() * 3 + (X["colour"] == "red") * 5.0
    model = DPPLeastSquares(features, random_state=0)
    rows, _ = model.design(X)
    labels = np.full(n, np.nan)
    labels[rows] = y[rows]
    two_phases = model.fit(X, labels)
    np.testing.assert_array_equal(two_phases.indices_, rows)
    np.testing.assert_allclose(two_phases.predict(X), y, atol=1e-9)
    assert model.predict(X.iloc[:1]).shape == (1,)
    assert list(model.feature_names_in_) == list(X.columns)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(X[["colour", "size", "age", "when"]])
    texts = [f"{word} {word}" for word in X["colour"]]
    counted = DPPLeastSquares(
        make_pipeline(CountVectorizer(), FunctionTransformer(lambda counts: counts.toarray())),
        random_state=0,
    )
    np.testing.assert_allclose(
        counted.fit(texts, (X["colour"] == "red") * 5.0).predict(texts[:5]),
        (X["colour"][:5] == "red") * 5.0,
        atol=1e-9,
    )


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_a_global_container_changes_nothing(pool, container):
    pytest.importorskip(container)
    X, y = pool
    wanted = DPPLeastSquares("legendre", random_state=0).fit(X, y).predict(X)
    points = DPPLeastSquares("legendre", random_state=0).design_points(domain=[[0, 1]])[0]
    with config_context(transform_output=container):
        model = DPPLeastSquares("legendre", random_state=0)
        np.testing.assert_allclose(model.fit(X, y).predict(X), wanted, rtol=1e-10)
        np.testing.assert_array_equal(model.design_points(domain=[[0, 1]])[0], points)
        by_map = DPPLeastSquares(PolynomialFeatures(1, include_bias=False), random_state=0)
        assert by_map.fit(X, y).score(X, y) > 0.9


def test_missing_labels_may_be_of_any_kind_and_words_are_named(pool):
    pandas = pytest.importorskip("pandas")
    X, y = pool
    model = DPPLeastSquares(random_state=0)
    rows, _ = model.design(X)
    wanted = model.fit(X, partly(y, rows)).coef_
    for missing in (pandas.NA, None, pandas.NaT):
        labels = np.full(300, missing, dtype=object)
        labels[rows] = y[rows]
        np.testing.assert_array_equal(model.fit(X, labels).coef_, wanted)
        np.testing.assert_array_equal(model.fit(X, pandas.Series(labels)).coef_, wanted)
    labels[rows[2]] = "unclear"
    with pytest.raises(ValueError, match=f"'unclear' at row {rows[2]}"):
        model.fit(X, labels)
    with pytest.raises(ValueError, match="masked"):
        model.fit(X, np.ma.masked_array(y, y > 0))


def test_defaults_are_two_repeated_dpps_with_a_constant(pool):
    X, y = pool
    model = DPPLeastSquares(random_state=0).fit(X, y)
    assert len(model.indices_) == 8
    for half in (model.indices_[:4], model.indices_[4:]):
        assert len(set(half.tolist())) == 4
    leverage = np.einsum("ij,ij->i", *(2 * [np.linalg.qr(np.c_[np.ones(300), X])[0]]))
    # w = m mu / |q|^2
    np.testing.assert_allclose(model.sample_weight_, 4 / 300 / leverage[model.indices_], rtol=1e-9)
    assert len(DPPLeastSquares(sampling="dpp", random_state=0).fit(X, y).indices_) == 4
