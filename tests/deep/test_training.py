"""Training: when it stops, what is kept, what callbacks and users see."""

from __future__ import annotations

import builtins
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: the deep extra is not tested")

from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import (
    Callback,
    EarlyStopping,
    EpochScoring,
    GradientNormClipping,
    LRScheduler,
)

from subspace_learn.deep import (
    AutoEncoder,
    DeepClassifier,
    DeepRegressor,
    GrassmannHead,
    GrassmannNetClassifier,
    LossCurveDisplay,
    Perceptron,
)
from tests.deep.modules import BlowsUp, NoGradientOnce, OneHidden, SubspaceNet

X, y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)


class Interrupts(Callback):
    """The user loses patience in the second epoch."""

    def on_batch_end(self, net, **kwargs):
        if len(net.history) == 2:
            raise SystemExit


# --- a loss that is not finite ------------------------------------------------------------------


def test_a_loss_that_is_not_finite_ends_training_and_the_best_state_is_kept():
    clf = DeepClassifier(BlowsUp, module__calls=9, lr=0.05, random_state=0)  # 3 batches an epoch
    with pytest.warns(ConvergenceWarning, match="not finite in epoch 4.*after epoch 3"):
        clf.fit(X, y)
    assert clf.n_iter_ == 3
    wanted = DeepClassifier(OneHidden, max_epochs=3, lr=0.05, random_state=0).fit(X, y)
    np.testing.assert_array_equal(clf.predict_proba(X), wanted.predict_proba(X))


def test_training_can_go_on_after_a_loss_that_was_not_finite():
    """Adam's averages of the gradient are as little finite as the parameters were."""

    clf = DeepClassifier(NoGradientOnce, lr=0.05, warm_start=True, max_epochs=4, random_state=0)
    with pytest.warns(ConvergenceWarning, match="not finite in epoch 3"):
        clf.fit(X, y)
    loss = clf.loss_curve_[-1]
    clf.fit(X, y)
    assert clf.n_iter_ == 6
    assert clf.loss_curve_[-1] < loss


def test_a_loss_that_is_not_finite_at_once_is_an_error():
    clf = DeepClassifier(BlowsUp, module__calls=2)
    with pytest.raises(ValueError, match=r"not finite in epoch 1, the first.*Lower lr"):
        clf.fit(X, y)
    assert not hasattr(clf, "net_")


def test_a_step_that_is_too_long_is_noticed_in_the_parameters():
    regressor = DeepRegressor(OneHidden, optimizer="sgd", lr=1e30, dtype="float32")
    with pytest.raises(ValueError, match="not finite in epoch 1"):
        regressor.fit(1e3 * X, X[:, 0] * 1e10)


def test_a_gradient_that_no_manifold_step_can_follow_counts_as_a_loss_that_is_not_finite():
    class Broken(GrassmannHead):
        def __init__(self, n_features, n_outputs):
            super().__init__(n_features, n_outputs, n_components=2)
            self.subspaces.register_hook(lambda gradient: gradient * float("nan"))

    with pytest.raises(ValueError, match="not finite in epoch 1"):
        DeepClassifier(Broken, optimizer="rsgd").fit(X, y)


def test_an_interrupt_leaves_the_earlier_fit():
    clf = DeepClassifier(OneHidden, max_epochs=3, warm_start=True, random_state=0).fit(X, y)
    before = clf.predict_proba(X)
    clf.net_.callbacks_.append(("interrupts", Interrupts()))
    clf.net_.history[:] = clf.net_.history[:1]
    with pytest.raises(SystemExit):
        clf.fit(X, y)
    assert clf.n_iter_ == 1
    np.testing.assert_array_equal(clf.predict_proba(X), before)


# --- rows set aside, early stopping -------------------------------------------------------------


def test_nothing_is_set_aside_unless_asked_for():
    clf = DeepClassifier(OneHidden, max_epochs=2).fit(X, y)
    assert sum(b["train_batch_size"] for b in clf.history_[-1]["batches"]) == 150
    assert clf.validation_loss_curve_ is None
    clf.set_params(validation_fraction=0.2).fit(X, y)
    assert sum(b.get("train_batch_size", 0) for b in clf.history_[-1]["batches"]) == 120
    assert sum(b.get("valid_batch_size", 0) for b in clf.history_[-1]["batches"]) == 30
    assert len(clf.validation_loss_curve_) == 2


def test_the_rows_set_aside_are_the_same_share_of_each_class():
    seen = {}

    class Keeps(Callback):
        def on_train_begin(self, net, X=None, y=None, **kwargs):
            seen["y"] = y

    DeepClassifier(OneHidden, max_epochs=1, validation_fraction=0.5, callbacks=[Keeps()]).fit(X, y)
    assert np.bincount(seen["y"]).tolist() == [25, 25, 25]


def test_early_stopping_keeps_the_best_epoch():
    rng = np.random.default_rng(0)
    noise = rng.permutation(y)  # nothing to learn: the loss on other rows rises soon
    clf = DeepClassifier(
        module__hidden_layer_sizes=(64,),
        lr=0.05,
        max_epochs=100,
        validation_fraction=0.3,
        early_stopping=True,
        n_iter_no_change=4,
        random_state=0,
    ).fit(X, noise)
    losses = clf.validation_loss_curve_
    best = int(np.argmin(losses)) + 1
    assert clf.n_iter_ == best + 4 < 100
    until = clone(clf).set_params(max_epochs=best, early_stopping=False).fit(X, noise)
    np.testing.assert_array_equal(clf.predict_proba(X), until.predict_proba(X))


def test_early_stopping_without_such_rows_watches_the_training_loss():
    clf = DeepClassifier(OneHidden, lr=3.0, early_stopping=True, n_iter_no_change=1, random_state=0)
    clf.fit(X, y)
    assert clf.loss_curve_[-1] >= min(clf.loss_curve_)
    assert clf.n_iter_ < 50


# --- callbacks ----------------------------------------------------------------------------------


def test_callbacks_of_skorch_see_what_they_expect():
    given = [
        EpochScoring("accuracy", lower_is_better=False, name="valid_accuracy"),
        EpochScoring("accuracy", lower_is_better=False, on_train=True, name="train_accuracy"),
        GradientNormClipping(0.1),
        ("schedule", LRScheduler("StepLR", step_size=5, gamma=0.5)),
    ]
    clf = DeepClassifier(OneHidden, lr=0.1, max_epochs=10, validation_fraction=0.2, random_state=0)
    clf.set_params(callbacks=given).fit(X, y)
    assert clf.history_[-1]["train_accuracy"] > 0.8
    assert clf.history_[-1]["valid_accuracy"] > 0.8
    assert clf.net_.optimizer_.param_groups[0]["lr"] == pytest.approx(0.025)
    assert not hasattr(given[0], "best_score_")  # copied before use
    clone(clf).fit(X, y)
    pickle.loads(pickle.dumps(clf))


def test_early_stopping_of_skorch_ends_training():
    stop = EarlyStopping(monitor="train_loss", patience=2, threshold=10.0)
    clf = DeepClassifier(OneHidden, callbacks=[stop], net_params={"predict_nonlinearity": None})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builtins, "print", lambda *args, **kwargs: None)
        assert clf.fit(X, y).n_iter_ == 3


def test_progress_is_shown_when_asked_for(capsys):
    DeepClassifier(OneHidden, max_epochs=2).fit(X, y)
    silent = capsys.readouterr()
    assert silent.out + silent.err == ""
    clf = DeepClassifier(OneHidden, max_epochs=2, verbose=1).fit(X, y)
    bar = capsys.readouterr().err
    assert "2/2" in bar
    assert "training loss=" in bar
    pickle.dumps(clf)
    clf.set_params(verbose=2, validation_fraction=0.2).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["epoch 1", "epoch 2"]
    assert "validation loss" in lines[0]


def test_a_criterion_of_its_own():
    loss = {"criterion": torch.nn.SmoothL1Loss, "criterion__beta": 0.5}
    params = {"net_params": loss, "max_epochs": 2, "random_state": 0}
    DeepRegressor(OneHidden, **params).fit(X, X[:, 0])
    with pytest.raises(ValueError, match="SmoothL1Loss returned one number"):
        DeepRegressor(OneHidden, **params).fit(X, X[:, 0], sample_weight=np.ones(150))
    params["net_params"] = {**loss, "criterion__reduction": "none"}
    DeepRegressor(OneHidden, **params).fit(X, X[:, 0], sample_weight=np.ones(150))


# --- modules and pictures -----------------------------------------------------------------------


def test_perceptrons_have_the_layers_that_are_asked_for():
    module = Perceptron(5, 2, hidden_layer_sizes=(7, 3), activation="tanh", dropout=0.1)
    kinds = [type(layer).__name__ for layer in module.layers]
    assert kinds == ["Linear", "Tanh", "Dropout", "Linear", "Tanh", "Dropout", "Linear"]
    linear = [layer for layer in module.layers if isinstance(layer, torch.nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [(5, 7), (7, 3), (3, 2)]
    coder = AutoEncoder(5, 2, hidden_layer_sizes=(4,))
    assert coder.decode(coder.encode(torch.zeros(3, 5))).shape == (3, 5)


def test_the_loss_curve_is_drawn():
    pytest.importorskip("matplotlib").use("Agg")
    clf = DeepClassifier(OneHidden, max_epochs=4, random_state=0).fit(X, y)
    display = LossCurveDisplay.from_estimator(clf)
    np.testing.assert_array_equal(display.ax_.lines[0].get_ydata(), clf.loss_curve_)
    clf.set_params(validation_fraction=0.2).fit(X, y)
    display = LossCurveDisplay.from_estimator(clf)
    np.testing.assert_array_equal(display.ax_.lines[1].get_ydata(), clf.validation_loss_curve_)
    assert display.ax_.get_yscale() == "log"


def test_manifolds_need_an_optimizer_that_stays_on_them():
    with pytest.raises(
        ValueError, match=r"1\.subspaces of SubspaceNet must stay.*optimizer='rsgd'"
    ):
        DeepClassifier(SubspaceNet).fit(X, y)
    clf = DeepClassifier(SubspaceNet, optimizer="rsgd", lr=0.05, random_state=0, dtype="float32")
    S = clf.fit(X, y).module_[1].subspaces.detach()
    torch.testing.assert_close(S.mT @ S, torch.eye(2).expand(3, 2, 2), atol=1e-6, rtol=0)
    twin = pickle.loads(pickle.dumps(clf.set_params(warm_start=True))).fit(X, y)
    S = twin.module_[1].subspaces.detach()  # still a point of the manifold, still known as one
    torch.testing.assert_close(S.mT @ S, torch.eye(2).expand(3, 2, 2), atol=1e-6, rtol=0)


# --- GrassmannNetClassifier ---------------------------------------------------------------------


def test_grassmann_net_reads_as_its_formula():
    clf = GrassmannNetClassifier((16, 8), n_components=3, gamma=10.0, dtype="float64")
    clf.set_params(max_epochs=5, random_state=0).fit(X, y)
    features, S = clf.transform(X), clf.subspaces_
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(S.transpose(0, 2, 1) @ S, np.tile(np.eye(3), (3, 1, 1)), atol=1e-12)
    logits = 10 * np.linalg.norm(np.einsum("nd,cdk->nck", features, S), axis=2)
    np.testing.assert_allclose(clf.decision_function(X), logits, rtol=1e-9)
    assert clf.get_feature_names_out().shape == (8,)


def test_grassmann_net_learns_digits(digits):
    X_train, X_test, y_train, y_test = digits
    clf = GrassmannNetClassifier(n_components=4, lr=0.05, max_epochs=10, random_state=0)
    assert clf.fit(X_train, y_train).score(X_test, y_test) > 0.93  # the sheet's own bound


def test_a_subspace_larger_than_the_features_is_refused():
    with pytest.raises(ValueError, match=r"n_components=5 must lie in \[1, in_features=4\]"):
        GrassmannNetClassifier((8, 4), n_components=5).fit(X, y)


@pytest.mark.parametrize("sizes", [(), (8, 0)])
def test_layers_that_cannot_be_built_are_refused(sizes):
    with pytest.raises(ValueError, match="Check hidden_layer_sizes"):
        GrassmannNetClassifier(sizes).fit(X, y)


@pytest.fixture
def digits():
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    X, y = load_digits(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    return train_test_split(X, y, test_size=0.4, random_state=0, stratify=y)
