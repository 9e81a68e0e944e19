"""A torch module inside a scikit-learn estimator: what the common checks do not ask."""

from __future__ import annotations

import copy
import pickle

import joblib
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: the deep extra is not tested")

import skorch
from sklearn.base import clone
from sklearn.cross_decomposition import CCA
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from subspace_learn.deep import DeepClassifier, DeepRegressor, DeepTransformer
from subspace_learn.linalg.grassmann import largest_principal_angle
from tests.deep.modules import FixedSizes, FlatOutput, OneHidden, WritesIntoItsInput, make_net

X, y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)
WORDS = np.array(["setosa", "versicolor", "virginica"])[y]
FULL = {"batch_size": None, "dtype": "float64", "random_state": 0}
LINEAR = {"module__hidden_layer_sizes": ()}
LBFGS = {"optimizer": torch.optim.LBFGS, "lr": 1.0, "max_epochs": 60}
LINE_SEARCH = {"optimizer__line_search_fn": "strong_wolfe"}


# --- oracles ------------------------------------------------------------------------------------


def test_a_linear_classifier_reaches_the_solution_of_logistic_regression():
    """The penalty of LogisticRegression is |w|^2 / (2 C) against a sum of losses, without the
    intercept; with C large it is negligible, and the data must then not be separable."""
    rng = np.random.default_rng(0)
    labels = np.where(rng.random(len(y)) < 0.2, rng.integers(0, 3, len(y)), y)
    given = DeepClassifier(**LINEAR, **LBFGS, **FULL, net_params=LINE_SEARCH).fit(X, labels)
    wanted = LogisticRegression(C=1e8, tol=1e-10, max_iter=10_000).fit(X, labels)
    # both stop at gradients of about 1e-7; the smallest curvature of the loss is about 1e-2
    np.testing.assert_allclose(given.predict_proba(X), wanted.predict_proba(X), atol=1e-4)


def test_a_linear_regressor_reaches_least_squares_also_with_weights():
    targets = X @ np.array([[1.0, 0.0], [-2.0, 1.0], [0.5, 0.0], [0.0, 3.0]]) + X[:, :2] ** 2
    weights = np.random.default_rng(0).integers(0, 4, len(X))
    params = {**LINEAR, **LBFGS, **FULL, "net_params": LINE_SEARCH}
    for y_, w in ((targets[:, 0], None), (targets, weights)):
        given = DeepRegressor(**params).fit(X, y_, sample_weight=w).predict(X)
        wanted = LinearRegression().fit(X, y_, sample_weight=w).predict(X)
        assert given.shape == y_.shape
        # LBFGS stops where the loss falls by less than 1e-9; its smallest curvature is near 1e-2
        np.testing.assert_allclose(given, wanted, atol=1e-3)


def test_a_linear_autoencoder_finds_the_principal_subspace():
    params = {"module__n_components": 2, **LINEAR, **LBFGS, **FULL, "net_params": LINE_SEARCH}
    coder = DeepTransformer(**params).fit(X)
    pca = PCA(2).fit(X)
    columns = np.linalg.qr(coder.module_.decoder[0].weight.detach().numpy())[0]
    assert largest_principal_angle(columns, pca.components_.T) < 1e-3
    error = np.mean((coder.inverse_transform(coder.transform(X)) - X) ** 2)
    wanted = np.mean((pca.inverse_transform(pca.transform(X)) - X) ** 2)
    assert error == pytest.approx(wanted, rel=1e-5)
    # codes are another basis of the same plane: all canonical correlations are 1
    codes = CCA(2).fit_transform(coder.transform(X), pca.transform(X))
    assert np.diag(np.corrcoef(*codes, rowvar=False)[:2, 2:]).min() > 0.999


def test_one_step_is_the_step_of_torch_by_hand():
    clf = DeepClassifier(
        OneHidden, optimizer="sgd", lr=0.5, batch_size=None, max_epochs=2, random_state=3
    )
    clf.set_params(dtype="float32")
    once = clone(clf).set_params(max_epochs=1).fit(X, y)
    module = copy.deepcopy(once.module_)
    loss = torch.nn.functional.cross_entropy(
        module(torch.tensor(X, dtype=torch.float32)), torch.tensor(y)
    )
    loss.backward()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter -= 0.5 * parameter.grad
    twice = clf.fit(X, y)
    assert twice.loss_curve_[0] == pytest.approx(once.loss_curve_[0], rel=1e-6)
    assert twice.loss_curve_[1] == pytest.approx(loss.item(), rel=1e-6)
    for a, b in zip(twice.module_.parameters(), module.parameters(), strict=True):
        # rows summed in another order: float32 rounding of numbers of order 1
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


def test_weights_in_batches_give_the_weighted_mean_in_the_long_run():
    """The mean gradient over the batches of an epoch is that of the weighted loss."""
    weights = np.random.default_rng(0).uniform(0.1, 3.0, len(X))
    clf = DeepClassifier(OneHidden, lr=1e-9, optimizer="sgd", max_epochs=1, random_state=0)
    clf.set_params(batch_size=50, dtype="float64").fit(X, y, sample_weight=weights)
    losses = -clf.predict_log_proba(X)[np.arange(len(y)), y]
    assert clf.loss_curve_[0] == pytest.approx(np.average(losses, weights=weights), rel=1e-6)


def test_float32_holds_to_its_own_rounding():
    """The common checks run in float64; these are the two that float32 cannot pass to 1e-7."""
    weights = np.random.default_rng(0).integers(0, 3, len(X))
    clf = DeepClassifier(OneHidden, optimizer="sgd", lr=0.1, batch_size=None, random_state=0)
    clf.set_params(dtype="float32")
    once = clone(clf).fit(X, y, sample_weight=weights).predict_proba(X)
    repeated = clf.fit(X.repeat(weights, axis=0), y.repeat(weights)).predict_proba(X)
    np.testing.assert_allclose(once, repeated, atol=1e-5)  # 50 steps of rounding of 6e-8 each
    rows = np.concatenate([clf.predict_proba(row[None]) for row in X])
    np.testing.assert_allclose(clf.predict_proba(X), rows, atol=1e-6)


# --- modules ------------------------------------------------------------------------------------


def test_parameters_of_the_module_are_searched_over_in_two_processes():
    search = GridSearchCV(
        make_pipeline(StandardScaler(), DeepClassifier(OneHidden, lr=0.05, random_state=0)),
        {
            "deepclassifier__module__hidden": [1, 6],
            "deepclassifier__max_epochs": [3, 15],
        },
        cv=3,
        n_jobs=2,
    ).fit(X, WORDS)
    assert search.best_score_ > 0.9
    hidden = search.best_params_["deepclassifier__module__hidden"]
    assert search.best_estimator_[-1].module_.first.out_features == hidden


def test_module_parameters_are_parameters():
    clf = DeepClassifier(OneHidden, module__hidden=7, lr=0.1)
    assert clf.get_params()["module__hidden"] == 7
    assert "module__hidden=7" in repr(clf)
    assert "hidden" in clf._repr_html_()
    copied = clone(clf).set_params(module__hidden=2, module__dropout=0.5)
    assert clf.get_params()["module__hidden"] == 7
    assert copied.fit(X, y).module_.first.out_features == 2
    assert copied.module_.dropout.p == 0.5


def test_a_module_without_sizes_and_a_function_that_makes_one_serve_too():
    assert DeepClassifier(FixedSizes, lr=0.05, random_state=0).fit(X, y).score(X, y) > 0.8
    clf = DeepClassifier(make_net, module__depth=2, max_epochs=2).fit(X, y)
    assert len(clf.module_) == 3


def test_a_last_batch_of_one_row_joins_the_one_before():
    clf = DeepClassifier(FixedSizes, batch_size=7, max_epochs=1).fit(X[:127:2], y[:127:2])
    sizes = [batch["train_batch_size"] for batch in clf.history_[-1]["batches"]]
    assert sizes == [7] * 8 + [8]  # batch normalisation would refuse one row


def test_from_module_is_the_constructor_and_checks_at_once():
    clf = DeepClassifier.from_module(OneHidden, {"hidden": 9}, lr=0.1)
    assert repr(clf) == repr(DeepClassifier(OneHidden, module__hidden=9, lr=0.1))
    with pytest.raises(ValueError, match=r"no parameter hiden .*n_features, n_outputs, hidden"):
        DeepClassifier.from_module(OneHidden, {"hiden": 9})
    with pytest.raises(TypeError, match="exists already"):
        DeepClassifier.from_module(OneHidden(4, 3))


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"module": FixedSizes()}, TypeError, r"exists already.*module=FixedSizes, module__x"),
        ({"module": OneHidden, "module__x": 1}, ValueError, "OneHidden has no parameter x"),
        ({"module": lambda: FixedSizes}, TypeError, "has to return a torch.nn.Module"),
        ({"module": FlatOutput}, ValueError, r"output of shape \(2,\).*\(n_samples, 3\)"),
        ({"device": "gpu"}, ValueError, "'gpu'"),
        ({"net_params": {"lr": 0.1}}, ValueError, "net_params sets lr"),
        ({"module__activation": "sine"}, ValueError, "activation='sine'"),
        ({"max_epochs": 0}, ValueError, "max_epochs"),
        ({"optimizer": "lbfgs"}, ValueError, "optimizer"),
    ],
)
def test_wrong_parameters_are_refused_with_advice(params, error, message):
    with pytest.raises(error, match=message):
        DeepClassifier(**params).fit(X, y)


def test_a_module_for_other_data_is_refused():
    with pytest.raises(ValueError, match=r"FixedSizes cannot take a batch of shape \(2, 3\)"):
        DeepClassifier(FixedSizes).fit(X[:, :3], y)
    with pytest.raises(TypeError, match="no method encode"):
        DeepTransformer(OneHidden).fit(X)


def test_images_and_sequences_are_refused_with_advice():
    images = X[:, :, None]
    for estimator in (DeepClassifier(OneHidden), DeepRegressor(), DeepTransformer()):
        with pytest.raises(
            ValueError, match=r"dim 3, of shape \(150, 4, 1\).*torch\.nn\.Unflatten"
        ):
            estimator.fit(torch.tensor(images), y)
    clf = DeepClassifier(OneHidden, max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match=r"DeepClassifier\.predict\(\) takes rows of a table"):
        clf.predict(images)


def test_a_keyword_that_is_no_parameter_is_refused():
    with pytest.raises(TypeError, match="module__hidden"):
        DeepClassifier(OneHidden, hidden=3)


def test_decode_is_asked_of_the_module():
    class Encoder(OneHidden):
        def encode(self, X):
            return self.first(X)

    assert not hasattr(DeepTransformer(Encoder), "inverse_transform")
    assert hasattr(DeepTransformer(), "inverse_transform")
    coder = DeepTransformer(Encoder, max_epochs=1).fit(X)
    assert coder.transform(X).shape == (150, 4)
    assert not hasattr(coder, "inverse_transform")


def test_a_module_that_writes_into_its_input_leaves_the_data_alone():
    given, asked = X.astype(np.float32), torch.tensor(X, dtype=torch.float32)
    before = given.copy()
    clf = DeepClassifier(WritesIntoItsInput, max_epochs=1, random_state=0).fit(given, y)
    wanted = clf.predict_proba(given)
    np.testing.assert_array_equal(given, before)
    clone(clf).fit(asked, torch.tensor(y))
    np.testing.assert_array_equal(clf.predict_proba(asked), wanted)
    np.testing.assert_array_equal(asked.numpy(), before)


def test_rows_of_any_precision_are_cast_to_that_of_the_module():
    whole = np.rint(4 * X)
    for dtype in ("float32", "float64"):
        clf = DeepClassifier(OneHidden, dtype=dtype, max_epochs=2, random_state=0)
        wanted = clone(clf).fit(whole, y)
        assert wanted.module_.first.weight.dtype == getattr(torch, dtype)
        for given in (np.float32, np.float64, np.int64):
            rows = whole.astype(given)
            found = clone(clf).fit(rows, y).predict_proba(rows)
            np.testing.assert_array_equal(found, wanted.predict_proba(whole))


# --- state --------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_net_and_leaves_the_generators_alone():
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    clf = DeepClassifier(OneHidden, module__dropout=0.5, max_epochs=3, random_state=0)
    once = clf.fit(X, y).predict_proba(X)
    torch.manual_seed(6)
    twice = clone(clf).fit(X, y).predict_proba(X)
    other = clone(clf).set_params(random_state=1).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(once, twice)
    assert np.abs(once - other).max() > 1e-3
    torch.manual_seed(5)
    assert torch.equal(torch.get_rng_state(), before[0])
    clf.fit(X, y)
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_a_copy_goes_on_as_the_original_does(copied):
    clf = DeepClassifier(OneHidden, max_epochs=3, warm_start=True, random_state=0).fit(X, y)
    twin = copied(clf)
    assert twin.net_.module is twin.module_
    np.testing.assert_array_equal(twin.predict_proba(X), clf.predict_proba(X))
    np.testing.assert_array_equal(twin.fit(X, y).predict_proba(X), clf.fit(X, y).predict_proba(X))
    assert clf.n_iter_ == 6


def test_joblib_brings_a_fit_back(tmp_path):
    clf = DeepClassifier(OneHidden, max_epochs=2).fit(X, y)
    joblib.dump(clf, tmp_path / "net.joblib")
    np.testing.assert_array_equal(
        joblib.load(tmp_path / "net.joblib").predict_proba(X), clf.predict_proba(X)
    )


def test_the_net_is_one_of_skorch():
    rows = X.astype(np.float32)
    clf = DeepClassifier(OneHidden, max_epochs=2).fit(rows, y)
    assert isinstance(clf.net_, skorch.NeuralNetClassifier)
    np.testing.assert_allclose(clf.net_.predict_proba(rows), clf.predict_proba(X), atol=1e-6)
    clf.net_.partial_fit(rows, y, epochs=1)  # by skorch's own loop and DataLoader
    assert clf.n_iter_ == 3


def test_labels_may_be_words_and_probabilities_are_double():
    clf = DeepClassifier(OneHidden, lr=0.05, random_state=0).fit(X, WORDS)
    assert clf.classes_.tolist() == ["setosa", "versicolor", "virginica"]
    assert set(clf.predict(X)) <= set(WORDS)
    proba = clf.predict_proba(X)
    assert proba.dtype == clf.decision_function(X).dtype == np.float64
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-15)
    far = clf.predict_log_proba(1e4 * X)
    assert np.isfinite(far).all()
    assert clf.predict_proba(1e4 * X).min() >= 0


def test_partial_fit_streams_and_knows_its_classes():
    clf = DeepClassifier(OneHidden, lr=0.05, random_state=0)
    with pytest.raises(ValueError, match="classes must be given in the first call"):
        clf.partial_fit(X, y)
    assert not hasattr(clf, "net_")
    order = np.random.default_rng(0).permutation(len(X))
    for rows in np.array_split(order, 10) * 6:
        clf.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
    assert clf.score(X, y) > 0.9
    assert clf.n_iter_ == 60
    before = clf.predict_proba(X)
    with pytest.raises(ValueError, match=r"not told of: \[7\]"):
        clf.partial_fit(X[:2], [0, 7])
    with pytest.raises(ValueError, match=r"classes=\[0 1\] are not those"):
        clf.partial_fit(X[:2], [0, 1], classes=[0, 1])
    np.testing.assert_array_equal(clf.predict_proba(X), before)


def test_warm_start_goes_on_with_the_new_rate():
    clf = DeepClassifier(OneHidden, max_epochs=5, lr=0.01, random_state=0, warm_start=True)
    clf.fit(X, y)
    loss = clf.loss_curve_[-1]
    clf.set_params(lr=0.03, weight_decay=0.1, max_epochs=2).fit(X, y)
    assert clf.n_iter_ == 7
    assert clf.loss_curve_[-1] < loss
    assert clf.net_.optimizer_.param_groups[0]["lr"] == 0.03
    assert clf.net_.optimizer_.param_groups[0]["weight_decay"] == 0.1
    with pytest.raises(ValueError, match="3 features"):
        clf.fit(X[:, :3], y)
    with pytest.raises(ValueError, match="not told of"):
        clf.fit(X, y + 1)
    regressor = DeepRegressor(max_epochs=1, warm_start=True).fit(X, X[:, 0])
    with pytest.raises(ValueError, match=r"shape \(n_samples,\)"):
        regressor.fit(X, X[:, :2])


def test_rows_of_weight_zero_may_hold_a_class_of_their_own():
    weights = np.where(y == 2, 0.0, 1.0)
    clf = DeepClassifier(OneHidden, max_epochs=2, random_state=0).fit(X, y, sample_weight=weights)
    assert clf.classes_.tolist() == [0, 1]


def test_cross_validation_passes_weights_on():
    scores = cross_val_score(
        DeepRegressor(OneHidden, lr=0.05, random_state=0),
        X,
        X[:, 0] * 2,
        params={"sample_weight": np.ones(len(X))},
        cv=3,
    )
    assert scores.shape == (3,)


def test_targets_of_a_regression_are_needed_and_finite():
    for bad, message in ((None, "requires y"), (np.full(150, np.nan), "NaN"), (y[:3], "inconsist")):
        with pytest.raises(ValueError, match=message):
            DeepRegressor().fit(X, bad)


def test_cuda_asked_for_and_absent_is_an_error():
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(ValueError, match=r"device='cuda' was asked for.*no CUDA device"):
        DeepClassifier(device="cuda").fit(X, y)


@pytest.mark.gpu
def test_cuda_gives_what_the_cpu_gives():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device: not run on a GPU")
    params = {"batch_size": None, "max_epochs": 20, "random_state": 0, "dtype": "float64"}
    wanted = DeepClassifier(OneHidden, device="cpu", **params).fit(X, y)
    state = torch.cuda.get_rng_state()
    given = DeepClassifier(OneHidden, device="cuda", **params).fit(X, y)
    assert torch.equal(torch.cuda.get_rng_state(), state)
    assert next(given.module_.parameters()).is_cuda
    np.testing.assert_allclose(given.predict_proba(X), wanted.predict_proba(X), rtol=1e-6)
    twin = pickle.loads(pickle.dumps(given))
    np.testing.assert_allclose(twin.predict_proba(X), wanted.predict_proba(X), rtol=1e-6)
    on_device = given.predict_proba(torch.tensor(X, device="cuda"))
    np.testing.assert_allclose(on_device, wanted.predict_proba(X), rtol=1e-6)
