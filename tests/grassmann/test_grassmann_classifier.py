"""GrassmannClassifier: solvers, early stopping, streams, errors, its place in scikit-learn."""

import pickle
import warnings

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from subspace_learn import GrassmannClassifier, NearestSubspaceClassifier
from subspace_learn.linalg.grassmann import chordal_distance, projector, random_point

N, D, C, K = 150, 8, 3, 2
# Directions only, freely trained: the published form.
PLAIN = {"center": False, "standardize": False, "constant": 0.0, "alpha": 0.0}
SOLVERS = ["conjugate_gradient", "trust_region", "rsgd"]


@pytest.fixture
def table(rng):
    """Rows near one plane per class, of very different lengths, and their classes."""
    codes = np.arange(N) % C
    planes = random_point(D, K, rng, shape=(C,))
    rows = np.einsum("ndk,nk->nd", planes[codes], rng.normal(size=(N, K)))
    rows += 0.1 * rng.normal(size=(N, D))
    return rows * rng.lognormal(size=(N, 1)), np.array(["a", "b", "c"])[codes]


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X, y, test_size=0.5, random_state=0, stratify=y)


def fitted(X, y, **params):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return GrassmannClassifier(K, random_state=0, **{**PLAIN, **params}).fit(X, y)


# --- what it learns -------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("init", ["class_pca", "random"])
def test_planes_are_found_by_every_solver_from_every_start(table, solver, init):
    X, y = table
    rate = {"learning_rate": 0.05} if solver == "rsgd" else {}
    clf = fitted(X, y, solver=solver, init=init, max_iter=100, **rate)
    assert clf.score(X, y) > 0.95
    assert clf.subspaces_.shape == (C, D, K)
    np.testing.assert_allclose(
        np.swapaxes(clf.subspaces_, 1, 2) @ clf.subspaces_,
        np.eye(K) * np.ones((C, 1, 1)),
        atol=1e-13,
    )
    assert clf.loss_curve_[-1] < clf.loss_curve_[0]


def test_without_iterations_it_is_the_nearest_subspace_classifier(table):
    X, y = table
    for settings in ({}, {"center": True}, {"constant": 2.0}, {"constant": "auto"}):
        settings = {"constant": 0.0, "center": False, **settings}
        clafic = NearestSubspaceClassifier(K, **settings).fit(X, y)
        start = GrassmannClassifier(K, max_iter=0, standardize=False, **settings).fit(X, y)
        np.testing.assert_allclose(
            chordal_distance(start.subspaces_, clafic.subspaces_), 0, atol=1e-12
        )
        np.testing.assert_allclose(start.transform(X), clafic.transform(X), rtol=1e-12)


def test_large_alpha_stays_near_class_pca(table):
    X, y = table
    start = fitted(X, y, max_iter=0).subspaces_
    gaps = [
        float(np.max(chordal_distance(start, fitted(X, y, alpha=alpha).subspaces_)))
        for alpha in (0.0, 1e2, 1e4)
    ]
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 0.01


def test_signs_and_lengths_of_rows_do_not_matter(table, rng):
    X, y = table
    clf = fitted(X, y)
    scales = rng.lognormal(size=(N, 1)) * rng.choice([-1.0, 1.0], size=(N, 1))
    np.testing.assert_allclose(clf.predict_proba(scales * X), clf.predict_proba(X), rtol=1e-10)


def test_constant_tells_x_from_minus_x(rng):
    X = np.abs(rng.normal(size=(60, D))) * np.where(np.arange(60) % 2, 1.0, -1.0)[:, None]
    y = np.arange(60) % 2
    assert GrassmannClassifier(1, constant=1.0, alpha=1.0).fit(X, y).score(X, y) == 1.0
    blind = fitted(X, y)
    np.testing.assert_allclose(blind.predict_proba(-X), blind.predict_proba(X), rtol=1e-12)


def test_digits_beat_their_own_start(digits):
    X, X_test, y, y_test = digits
    clafic = NearestSubspaceClassifier(12, constant=0).fit(X, y).score(X_test, y_test)
    trained = (
        GrassmannClassifier(12, **{**PLAIN, "gamma": 50, "alpha": 10})
        .fit(X, y)
        .score(X_test, y_test)
    )
    assert trained >= clafic
    assert trained >= 0.985


@pytest.mark.parametrize("solver", SOLVERS)
def test_float32_rows_give_float32_subspaces_near_those_of_float64(table, solver):
    X, y = table
    narrow, wide = (fitted(X.astype(t), y, solver=solver, alpha=5.0) for t in ("f4", "f8"))
    assert narrow.subspaces_.dtype == narrow.transform(X.astype("f4")).dtype == np.float32
    np.testing.assert_allclose(narrow.loss_curve_[-1], wide.loss_curve_[-1], rtol=1e-3)


# --- results --------------------------------------------------------------------------------------


def test_results_belong_together(table):
    X, y = table
    clf = fitted(X, y, gamma=12.0)
    cosines = clf.transform(X)
    assert cosines.min() >= 0
    assert cosines.max() <= 1 + 1e-12
    np.testing.assert_allclose(clf.decision_function(X), 12.0 * cosines)
    np.testing.assert_allclose(clf.predict_proba(X).sum(axis=1), 1.0)
    np.testing.assert_allclose(np.exp(clf.predict_log_proba(X)), clf.predict_proba(X))
    assert (clf.classes_[np.argmax(cosines, axis=1)] == clf.predict(X)).all()
    assert list(clf.get_feature_names_out()) == [f"grassmannclassifier{c}" for c in range(C)]


def test_two_classes_give_one_decision(table):
    X, y = table
    X, y = X[y != "c"], y[y != "c"]
    clf = fitted(X, y)
    decision = clf.decision_function(X)
    assert decision.shape == (len(X),)
    assert ((decision > 0) == (clf.predict(X) == "b")).all()
    np.testing.assert_allclose(clf.predict_proba(X)[:, 1], 1 / (1 + np.exp(-decision)), rtol=1e-10)


def test_score_takes_weights(table):
    X, y = table
    clf = fitted(X, y, max_iter=0)
    wrong = clf.predict(X) != y
    assert clf.score(X, y, sample_weight=(~wrong).astype(float)) == 1.0


# --- solvers --------------------------------------------------------------------------------------


def test_full_batch_solvers_agree_on_the_minimum(table):
    X, y = table
    a, b = (fitted(X, y, solver=s, alpha=20.0, tol=1e-6) for s in SOLVERS[:2])
    assert a.loss_curve_[-1] == pytest.approx(b.loss_curve_[-1], abs=1e-9)
    np.testing.assert_allclose(chordal_distance(a.subspaces_, b.subspaces_), 0, atol=1e-4)


@pytest.mark.parametrize("solver", SOLVERS)
def test_random_state_decides_and_numpys_global_state_does_not(table, solver):
    X, y = table
    results = []
    for seed in (1, 2):
        np.random.seed(seed)  # noqa: NPY002
        before = np.random.get_state()[1].copy()  # noqa: NPY002
        results.append(fitted(X, y, solver=solver, init="random", max_iter=5).subspaces_)
        np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    np.testing.assert_array_equal(*results)


def test_too_few_iterations_warn(table):
    with pytest.warns(ConvergenceWarning, match="did not reach tol"):
        GrassmannClassifier(K, max_iter=2, tol=1e-9).fit(*table)


@pytest.mark.parametrize("solver", SOLVERS)
def test_verbose_prints_and_silence_is_silent(table, solver, capsys):
    fitted(*table, solver=solver, max_iter=2)
    assert capsys.readouterr().out == ""
    fitted(*table, solver=solver, max_iter=2, verbose=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert all(line.startswith("[GrassmannClassifier] iteration") for line in lines)


@pytest.mark.parametrize("solver", SOLVERS)
def test_early_stopping_returns_no_iterate_worse_than_the_start(digits, solver):
    X, _, y, _ = digits
    clf = GrassmannClassifier(
        8, solver=solver, early_stopping=True, random_state=0, max_iter=25, validation_fraction=0.2
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        clf.fit(X, y)
    assert clf.validation_scores_[clf.best_iter_] >= clf.validation_scores_[0]


@pytest.mark.parametrize("solver", ["conjugate_gradient", "rsgd"])
def test_weights_are_repetitions(table, solver):
    X, y = table
    counts = np.arange(N) % 3
    settings = {"solver": solver, "max_iter": 10}
    if solver == "rsgd":
        settings["batch_size"] = 1000
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        weighted = GrassmannClassifier(K, **PLAIN, **settings).fit(X, y, sample_weight=counts)
    repeated = fitted(np.repeat(X, counts, axis=0), np.repeat(y, counts), **settings)
    np.testing.assert_allclose(weighted.transform(X), repeated.transform(X), atol=1e-8)


# --- streams --------------------------------------------------------------------------------------


def test_stream_learns_and_knows_its_classes_from_the_first_call(table):
    X, y = table
    clf = GrassmannClassifier(K, **PLAIN, solver="rsgd", random_state=0, learning_rate=0.05)
    for _ in range(10):
        for rows in np.array_split(np.arange(N), 6):
            clf.partial_fit(X[rows], y[rows], classes=["c", "b", "a"])
    assert clf.classes_.tolist() == ["a", "b", "c"]
    assert clf.n_iter_ == len(clf.loss_curve_) == 60
    assert clf.score(X, y) > 0.95


def test_class_that_comes_later_starts_at_random_and_is_learnt(table):
    X, y = table
    early = y != "c"
    clf = GrassmannClassifier(K, **PLAIN, solver="rsgd", random_state=0, learning_rate=0.05)
    clf.partial_fit(X[early], y[early], classes=np.unique(y))
    assert clf.subspaces_.shape == (C, D, K)
    for _ in range(60):
        clf.partial_fit(X, y)
    assert clf.score(X, y) > 0.9


@pytest.mark.parametrize("cut", [1, 40, 150])
def test_stream_has_the_statistics_of_one_fit_however_rows_are_cut(table, cut):
    X, y = table
    X = 300 + X * np.logspace(-1, 2, D)
    w = np.linspace(0.5, 2.0, N)
    whole = GrassmannClassifier(K, solver="rsgd", max_iter=0).fit(X, y, sample_weight=w)
    clf = GrassmannClassifier(K, solver="rsgd", random_state=0)
    for rows in np.split(np.arange(N), np.arange(cut, N, cut)):
        clf.partial_fit(X[rows], y[rows], classes=np.unique(y), sample_weight=w[rows])
    np.testing.assert_allclose(clf.mean_, np.average(X, axis=0, weights=w), rtol=1e-12)
    for name in ("mean_", "scale_", "constant_"):
        np.testing.assert_allclose(getattr(clf, name), getattr(whole, name), rtol=1e-10)


def test_stream_goes_on_after_fit_and_after_pickling(table):
    X, y = table
    clf = fitted(X, y, solver="rsgd", max_iter=3)
    copy = pickle.loads(pickle.dumps(clf))
    n_iter = clf.n_iter_
    for estimator in (clf, copy):
        estimator.partial_fit(X[:50], y[:50])
    assert clf.n_iter_ == n_iter + 1
    np.testing.assert_array_equal(clf.subspaces_, copy.subspaces_)


def test_stream_needs_the_stochastic_solver():
    assert hasattr(GrassmannClassifier(solver="rsgd"), "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit"):
        GrassmannClassifier().partial_fit  # noqa: B018


def test_stream_refuses_classes_it_does_not_know(table):
    X, y = table
    clf = GrassmannClassifier(K, solver="rsgd", random_state=0)
    with pytest.raises(ValueError, match="classes must be given"):
        clf.partial_fit(X, y)
    with pytest.raises(ValueError, match=r"not announced: \['c'\]"):
        clf.partial_fit(X, y, classes=["a", "b"])
    clf.partial_fit(X, y, classes=["a", "b", "c"])
    before = clf.subspaces_
    for bad, message in ((["a", "b", "d"], "not those of the first call"), (None, "announced")):
        with pytest.raises(ValueError, match=message):
            clf.partial_fit(X[:2], ["a", "z"], classes=bad)
    assert clf.subspaces_ is before


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [GrassmannClassifier, NearestSubspaceClassifier])
class TestBadInput:
    """Both classifiers say what was given, what is needed and what to do."""

    def refused(self, cls, X, y, message, *, n_components=K, **params):
        with pytest.raises(ValueError, match=message):
            cls(n_components, **params).fit(X, y)

    def directions(self, cls):
        """Rows as directions from the origin, and no training."""
        plain = {**PLAIN, "max_iter": 0}
        return plain if cls is GrassmannClassifier else {"center": False, "constant": 0.0}

    def test_subspace_as_large_as_the_space(self, cls, table):
        for k in (D, D + 1):
            self.refused(
                cls,
                *table,
                f"n_components={k} must be below n_features=8",
                n_components=k,
                **self.directions(cls),
            )

    def test_class_with_too_few_rows(self, cls, table):
        X, y = table
        self.refused(cls, X[:7], y[:7], r"fewer \(in brackets\): 'b' \(2\)", n_components=3)

    def test_row_without_a_direction(self, cls, table):
        X, y = table
        X[4] = 0.0
        self.refused(
            cls, X, y, r"row 4 of X has none: it is zero.*constant", **self.directions(cls)
        )
        clf = cls(K, constant=1.0).fit(X, y)
        assert clf.predict(np.zeros((1, D))).shape == (1,)

    def test_row_that_is_the_mean(self, cls, table):
        X, y = table
        X[4] = np.delete(X, 4, axis=0).mean(axis=0)
        options = {**self.directions(cls), "center": True}
        self.refused(cls, X, y, "row 4 of X has none: it is the mean", **options)

    def test_new_row_without_a_direction(self, cls, table):
        clf = cls(K, **self.directions(cls)).fit(*table)
        with pytest.raises(ValueError, match="predict compares directions, and row 1"):
            clf.predict(np.stack([np.ones(D), np.zeros(D)]))

    def test_one_class(self, cls, table):
        X, _ = table
        self.refused(cls, X, np.zeros(N), "at least two classes")

    def test_labels_that_are_no_classes(self, cls, table):
        X, y = table
        self.refused(cls, X, np.linspace(0, 1, N), "[Uu]nknown label type")
        self.refused(cls, X, np.full(N, np.nan), "NaN")
        self.refused(cls, X, y[:-1], "inconsistent numbers of samples")

    def test_missing_values(self, cls, table):
        X, y = table
        X[0, 0] = np.nan
        self.refused(cls, X, y, "NaN")


def test_class_pca_needs_rows_that_span_the_subspace(table):
    X, y = table
    X[y == "b"] = np.outer(np.arange(1, 51), X[1])
    with pytest.raises(ValueError, match="class 'b' span fewer than n_components=2"):
        GrassmannClassifier(K, **PLAIN).fit(X, y)
    assert fitted(X, y, init="random", max_iter=3).n_iter_ == 3


def test_other_array_libraries_need_the_stochastic_solver(table, xp):
    X, y = table
    y = (y == "a").astype(int)
    if not xp.name == "numpy":
        with pytest.raises(ValueError, match="Use solver='rsgd'"):
            GrassmannClassifier(K).fit(xp.asarray(X), xp.asarray(y))


# --- scikit-learn ---------------------------------------------------------------------------------


def test_words_as_classes_beside_rows_of_any_library(table, xp):
    X, y = table
    clf = fitted(xp.asarray(X), y, solver="rsgd", max_iter=20)
    assert xp.owns(clf.subspaces_)
    found = clf.predict(xp.asarray(X))
    assert set(found) <= {"a", "b", "c"}
    assert clf.score(xp.asarray(X), y) == np.mean(found == y)


def test_streams_of_any_library(table, xp):
    X, y = table
    codes = np.unique(y, return_inverse=True)[1]
    results = []
    for convert in (np.asarray, xp.asarray):
        clf = GrassmannClassifier(K, solver="rsgd", random_state=0, batch_size=20)
        for rows in np.array_split(np.arange(N), 3):
            clf.partial_fit(convert(X[rows]), convert(codes[rows]), classes=convert(np.arange(C)))
        results.append(projector(xp.numpy(clf.subspaces_)))  # signs of columns mean nothing
    np.testing.assert_allclose(*results, atol=1e-10)


def test_grid_search_and_calibration_and_pipelines(table):
    X, y = table
    pipeline = make_pipeline(
        StandardScaler(), GrassmannClassifier(**{**PLAIN, "alpha": 1.0}, max_iter=50)
    )
    name = "grassmannclassifier__"
    grid = {f"{name}n_components": [1, 2], f"{name}gamma": [10, 25]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search = GridSearchCV(pipeline, grid, cv=3).fit(X, y)
        calibrated = CalibratedClassifierCV(clone(search.best_estimator_), cv=3).fit(X, y)
    assert search.best_params_[f"{name}n_components"] == 2
    assert calibrated.score(X, y) > 0.9


def test_weights_are_routed(table):
    X, y = table
    with sklearn.config_context(enable_metadata_routing=True):
        clf = GrassmannClassifier(K, **PLAIN, max_iter=0).set_fit_request(sample_weight=True)
        clf = clf.set_score_request(sample_weight=False)
        search = GridSearchCV(clf, {"gamma": [10.0]}, cv=3)
        search.fit(X, y, sample_weight=np.ones(N))
    assert search.best_score_ > 0.9


def test_batch_of_weight_zero_changes_nothing():
    X, y = load_iris(return_X_y=True)
    clf = GrassmannClassifier(2, solver="rsgd", random_state=0)
    clf.partial_fit(X[::2], y[::2], classes=[0, 1, 2])
    before = clf.subspaces_.copy(), clf.mean_.copy(), clf.n_iter_
    clf.partial_fit(X[1::2], y[1::2], sample_weight=np.zeros(75))
    np.testing.assert_array_equal(clf.subspaces_, before[0])
    np.testing.assert_array_equal(clf.mean_, before[1])
    assert clf.n_iter_ == before[2]


@pytest.mark.parametrize("unit", [1e-25, 1e25])
@pytest.mark.parametrize(
    "clf",
    [
        GrassmannClassifier(2),
        NearestSubspaceClassifier(2),
        NearestSubspaceClassifier(2, metric="residual", center=True),
    ],
    ids=str,
)
def test_classes_of_float32_rows_do_not_depend_on_their_unit(clf, unit):
    X, y = load_iris(return_X_y=True)
    expected = clone(clf).fit(X, y).predict(X)
    X = (X * unit).astype(np.float32)  # squares leave the range of float32
    found = clone(clf).fit(X, y)
    assert found.score(X, expected) >= 0.98  # rounding moves rows on a border
    assert np.isfinite(found.transform(X)).all()
