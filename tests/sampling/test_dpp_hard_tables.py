"""DPPLeastSquares on tables as users have them: near copies, stamps, units, text."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, PolynomialFeatures

from subspace_learn import DPPLeastSquares


@pytest.fixture
def pool(rng):
    X = rng.normal(size=(300, 3))
    return X, X @ [1.0, -2.0, 0.5] + 3.0 + 0.1 * rng.normal(size=300)


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
    wanted = model.fit(X, np.where(np.isin(np.arange(300), rows), y, np.nan)).coef_
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


def test_one_hot_columns_of_a_sparse_encoder_are_features(rng):
    words = rng.integers(0, 12, size=(300, 1)).astype(str)
    y = 250.0 * words[:, 0].astype(float)
    model = DPPLeastSquares(OneHotEncoder(), random_state=0).fit(words, y)  # it returns CSR
    np.testing.assert_allclose(model.predict(words), y, rtol=1e-10, atol=1e-9)


def test_parameters_that_were_set_since_ask_for_a_new_design(pool):
    X, y = pool
    model = DPPLeastSquares(n_points=10, random_state=0).fit(X, y)
    assert len(model.set_params(n_points=60).fit(X, y).indices_) == 60
    without = model.set_params(fit_intercept=False).fit(X, y)
    fresh = DPPLeastSquares(n_points=60, fit_intercept=False, random_state=0).fit(X, y)
    np.testing.assert_array_equal(without.coef_, fresh.coef_)
    model = DPPLeastSquares(PolynomialFeatures(1), random_state=0)
    rows, _ = model.design(X)
    labels = np.full(300, np.nan)
    labels[rows] = y[rows]
    assert len(model.set_params(verbose=0).fit(X, labels).indices_) == len(rows)
    with pytest.raises(ValueError, match="no design was made for this X with these parameters"):
        model.set_params(feature_map__degree=2).fit(X, labels)


def test_a_masked_reference_measure_is_refused(pool):
    hidden = np.ma.array(np.ones(300), mask=np.arange(300) < 4)
    model = DPPLeastSquares(sampling="volume", reference_measure=hidden)
    with pytest.raises(ValueError, match="reference_measure is a masked array with 4 masked"):
        model.fit(*pool)
