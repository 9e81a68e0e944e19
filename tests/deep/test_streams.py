"""What goes on from fit to fit: rates, weights, options; what ends a training; what is refused."""

from __future__ import annotations

import copy
import pickle
import signal
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: the deep extra is not tested")

from sklearn.datasets import load_iris
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback, EarlyStopping, EpochScoring, LRScheduler

from subspace_learn.deep import (
    DeepClassifier,
    DeepRegressor,
    GrassmannNetClassifier,
    SSMClassifier,
)
from tests.deep.modules import OneHidden

X, y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)


class Rates(Callback):
    """Writes down the learning rate of each epoch."""

    def on_epoch_begin(self, net, **kwargs):
        net.history.record("lr_used", net.optimizer_.param_groups[0]["lr"])


def rates(model):
    return model.history_[:, "lr_used"]


SCHEDULES = {
    "exponential": {"policy": "ExponentialLR", "gamma": 0.5},
    "steps": {"policy": "StepLR", "step_size": 2, "gamma": 0.1},
    "cosine": {"policy": "CosineAnnealingLR", "T_max": 6},
    "function": {"policy": "LambdaLR", "lr_lambda": [lambda n: 1 / (1 + n)]},
    "plateau": {
        "policy": "ReduceLROnPlateau",
        "patience": 0,
        "threshold": 1.0,
        "monitor": "train_loss",
    },
    "batches": {"policy": "StepLR", "step_size": 2, "gamma": 0.5, "step_every": "batch"},
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule_of_a_stream_is_that_of_one_fit(name):
    def model(**params):
        given = [("rates", Rates()), ("schedule", LRScheduler(**SCHEDULES[name]))]
        return DeepClassifier(OneHidden, lr=0.1, callbacks=given, random_state=0, **params)

    once = rates(model(max_epochs=6).fit(X, y))
    stream = model()
    for _ in range(6):
        stream.partial_fit(X, y, classes=[0, 1, 2])
    assert rates(stream) == pytest.approx(once, rel=1e-12)
    halves = model(max_epochs=3, warm_start=True).fit(X, y)
    halves = copy.deepcopy(halves).fit(X, y)
    assert rates(halves) == pytest.approx(once, rel=1e-12)
    assert once[-1] < 0.1


def test_exponential_rates_are_those_of_the_formula():
    given = [Rates(), LRScheduler("ExponentialLR", gamma=0.5)]
    clf = DeepClassifier(OneHidden, lr=0.1, callbacks=given, random_state=0)
    for _ in range(5):
        clf = pickle.loads(pickle.dumps(clf.partial_fit(X, y, classes=[0, 1, 2])))
    assert rates(clf) == pytest.approx([0.1, 0.05, 0.025, 0.0125, 0.00625])


def test_a_rate_set_by_hand_stays_and_a_new_lr_begins_anew():
    given = [Rates(), LRScheduler("ExponentialLR", gamma=0.5)]
    clf = DeepClassifier(OneHidden, lr=0.1, callbacks=given, max_epochs=2, warm_start=True)
    clf.fit(X, y)
    clf.set_params(lr=0.4).fit(X, y)
    assert rates(clf) == pytest.approx([0.1, 0.05, 0.4, 0.2])
    plain = DeepClassifier(OneHidden, lr=0.1, callbacks=[Rates()], max_epochs=1, warm_start=True)
    plain.fit(X, y).net_.optimizer_.param_groups[0]["lr"] = 0.03
    assert rates(plain.fit(X, y)) == [0.1, 0.03]


# --- weights --------------------------------------------------------------------------------------


def step_of_torch(module, rows, targets, factor, lr):
    loss = torch.nn.functional.cross_entropy(module(torch.tensor(rows)), torch.tensor(targets))
    gradients = torch.autograd.grad(factor * loss, list(module.parameters()))
    with torch.no_grad():
        for parameter, gradient in zip(module.parameters(), gradients, strict=True):
            parameter -= lr * gradient


def test_weights_of_a_stream_say_how_much_a_batch_counts():
    clf = DeepClassifier(OneHidden, optimizer="sgd", lr=0.1, batch_size=None, random_state=0)
    clf.partial_fit(X[::2], y[::2], classes=[0, 1, 2])
    module = copy.deepcopy(clf.module_)
    clf.partial_fit(X[1::2], y[1::2], sample_weight=np.full(75, 7.0))
    step_of_torch(module, X[1::2], y[1::2], 7.0, 0.1)
    for a, b in zip(clf.module_.parameters(), module.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_unit_of_the_weights_of_a_fit_does_nothing():
    weights = np.random.default_rng(0).uniform(0.1, 3, len(y))
    clf = DeepClassifier(OneHidden, optimizer="sgd", max_epochs=3, random_state=0)
    once = clf.fit(X, y, sample_weight=weights).predict_proba(X)
    np.testing.assert_allclose(clf.fit(X, y, 1e6 * weights).predict_proba(X), once, rtol=1e-9)


CLASSIFIERS = [
    DeepClassifier(OneHidden, max_epochs=5, random_state=0),
    GrassmannNetClassifier((6, 5), n_components=2, max_epochs=5, random_state=0),
    SSMClassifier(d_model=4, d_state=4, n_layers=1, max_epochs=3, random_state=0),
]


@pytest.mark.parametrize("clf", CLASSIFIERS, ids=lambda clf: type(clf).__name__)
def test_class_weight_is_a_weight_of_the_rows(clf):
    rows = np.r_[0:50, 50:70, 100:140]
    weights = np.random.default_rng(0).uniform(0.5, 2, len(rows))
    given = {0: 1.0, 1: 4.0, 2: 0.5}
    a, b = X[rows], y[rows]
    clf.set_params(class_weight=None)
    wanted = clf.fit(a, b, weights * np.array([1, 4, 0.5])[b]).predict_proba(a)
    found = clf.set_params(class_weight=given).fit(a, b, weights).predict_proba(a)
    np.testing.assert_allclose(found, wanted, rtol=1e-9)
    sums = np.bincount(b, weights)
    clf.set_params(class_weight=None)
    wanted = clf.fit(a, b, weights / sums[b]).predict_proba(a)
    found = clf.set_params(class_weight="balanced").fit(a, b, weights).predict_proba(a)
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_class_weights_that_mean_nothing_are_refused():
    clf = DeepClassifier(OneHidden, max_epochs=1)
    for bad in ({3: 1.0}, {0: -1.0}, {0: np.nan}):
        with pytest.raises(ValueError, match=r"class_weight=.*classes of y, which are \[0, 1, 2\]"):
            clf.set_params(class_weight=bad).fit(X, y)
    with pytest.raises(ValueError, match="Give one of them a weight"):
        clf.set_params(class_weight={0: 0, 1: 0, 2: 0}).fit(X, y)
    with pytest.raises(ValueError, match="balanced' needs the share of each class"):
        clf.set_params(class_weight="balanced").partial_fit(X, y, classes=[0, 1, 2])
    clf.set_params(class_weight={2: 0.0}).fit(X, y)
    assert clf.classes_.tolist() == [0, 1, 2]
    assert clf.predict_proba(X).shape == (150, 3)


# --- interrupts -----------------------------------------------------------------------------------


class InterruptedByUser(Callback):
    """Ctrl-C arrives while this callback is at work."""

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            press_ctrl_c()


def press_ctrl_c():
    signal.raise_signal(signal.SIGINT)


@pytest.fixture
def interruptible():
    """Ctrl-C raises, also where the shell that started the tests in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_in_a_callback_undoes_the_fit():
    clf = DeepClassifier(OneHidden, callbacks=[InterruptedByUser()], random_state=0)
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)
    assert not hasattr(clf, "net_")
    clf.set_params(callbacks=None, max_epochs=3, warm_start=True).fit(X, y)
    before = clf.predict_proba(X)
    clf.net_.callbacks_.append(("interrupted", InterruptedByUser()))
    clf.net_.history[:] = clf.net_.history[:1]
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)
    np.testing.assert_array_equal(clf.predict_proba(X), before)


class EndsItself(Callback):
    def on_batch_end(self, net, training, **kwargs):
        if training and len(net.history) == 2:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    "callback",
    [EndsItself(), EarlyStopping("train_loss", patience=2, threshold=10.0, sink=lambda text: None)],
    ids=lambda callback: type(callback).__name__,
)
def test_a_callback_that_ends_training_keeps_what_was_learned(callback):
    clf = DeepClassifier(OneHidden, callbacks=[callback], max_epochs=20, random_state=0).fit(X, y)
    assert clf.n_iter_ in (2, 3)


# --- options that would do nothing ----------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("iterator_train__num_workers", "iterator_train__shuffle", "iterator_valid__batch_size"),
        *("dataset__length", "module__hidden", "train_split", "warm_start", "optimizer__lr"),
        *("torch_load_kwargs", "compile", "use_caching", "history", "max_epochs"),
    ],
)
def test_option_of_the_net_that_would_do_nothing_is_refused_by_name(name):
    with pytest.raises(ValueError, match=rf"net_params sets {name}, which would do nothing"):
        DeepClassifier(OneHidden, net_params={name: 3}).fit(X, y)


def test_a_group_of_no_parameters_is_refused():
    groups = {"optimizer__param_groups": [("frist*", {"lr": 0.1})]}
    with pytest.raises(ValueError, match=r"'frist\*'.*first\.weight"):
        DeepClassifier(OneHidden, net_params=groups).fit(X, y)


@pytest.mark.parametrize(
    ("estimator", "change"),
    [
        (DeepClassifier(OneHidden), {"optimizer": "sgd"}),
        (DeepClassifier(OneHidden), {"callbacks": [EarlyStopping()]}),
        (DeepClassifier(OneHidden), {"module": None}),
        (DeepClassifier(OneHidden, module__hidden=4), {"module__hidden": 5}),
        (DeepClassifier(OneHidden, dtype="float32"), {"dtype": "float64"}),
        (DeepClassifier(OneHidden), {"net_params": {"criterion": torch.nn.MultiMarginLoss}}),
        (GrassmannNetClassifier((5, 4), n_components=2), {"momentum": 0.5}),
        (SSMClassifier(d_model=4, d_state=4), {"dropout": 0.5}),
    ],
    ids=lambda value: str(list(value)) if isinstance(value, dict) else type(value).__name__,
)
def test_change_that_a_net_which_is_there_would_ignore_is_refused(estimator, change):
    estimator.set_params(warm_start=True, max_epochs=1, random_state=0).fit(X, y)
    before = estimator.predict_proba(X)
    estimator.set_params(**change)
    for method in (estimator.fit, estimator.partial_fit):
        with pytest.raises(ValueError, match=rf"{next(iter(change))} of .* changed after its net"):
            method(X, y)
    np.testing.assert_array_equal(estimator.predict_proba(X), before)


def test_what_may_change_and_what_is_equal_is_not_refused():
    weight = np.array([1.0, 2.0, 1.0])
    loss = {"criterion": torch.nn.CrossEntropyLoss, "criterion__reduction": "none"}
    loss["criterion__weight"] = torch.tensor(weight)
    clf = DeepClassifier(OneHidden, net_params=loss, max_epochs=1, warm_start=True).fit(X, y)
    clf = pickle.loads(pickle.dumps(clf))
    clf.set_params(net_params={**loss, "criterion__weight": torch.tensor(weight)})
    clf.set_params(batch_size=10, max_epochs=2, verbose=0, early_stopping=True, weight_decay=0.1)
    assert clf.fit(X, y).n_iter_ == 3


def test_progress_may_be_asked_for_later(capsys):
    clf = DeepClassifier(OneHidden, max_epochs=1, warm_start=True).fit(X, y)
    clf.set_params(verbose=2).fit(X, y)
    assert capsys.readouterr().out.startswith("epoch 2: training loss")
    clf.set_params(verbose=0).fit(X, y)
    assert capsys.readouterr().out == ""


def test_scores_of_an_epoch_may_be_computed_without_a_cache():
    given = [
        EpochScoring("accuracy", name=name, on_train=on_train, use_caching=caching)
        for name, on_train, caching in (
            *(("train", True, False), ("valid", False, False), ("cached", False, True)),
        )
    ]
    clf = DeepClassifier(OneHidden, lr=0.05, validation_fraction=0.3, callbacks=given)
    last = clf.set_params(max_epochs=10, random_state=0).fit(X, y).history_[-1]
    assert last["valid"] == last["cached"] > 0.8
    assert last["train"] > 0.8


# --- words ----------------------------------------------------------------------------------------


class Epochs:
    def __init__(self, X):
        self.info, self.X = {"sfreq": 100.0}, X

    def __len__(self):
        return len(self.X)

    def get_data(self):
        return self.X


@pytest.mark.parametrize("estimator", [DeepClassifier(OneHidden), DeepRegressor()])
def test_input_that_is_no_table_is_refused_with_advice(estimator):
    for bad, match in (
        ({"a": X, "b": X}, r"one table.*dict with the entries 'a', 'b'.*np\.hstack"),
        (Epochs(X[:, :, None]), r"given Epochs.*SSMClassifier takes epochs"),
        ([[1.0, 2.0], [1.0], [1.0, 2.0, 3.0]], "rows of 1 to 3 numbers.*pad"),
    ):
        with pytest.raises(ValueError, match=match):
            estimator.fit(bad, y[:3])


def test_sequences_of_unequal_lengths_are_refused_with_advice():
    series = [np.zeros((5, 2)), np.zeros((7, 2))]
    with pytest.raises(ValueError, match=r"sequences of 5 to 7 times.*pad"):
        SSMClassifier().fit(series, [0, 1])


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_a_unit_in_which_nothing_is_learned_is_named(factor):
    with pytest.warns(UserWarning, match=r"of X is .* \(column \d\).*StandardScaler"):
        DeepClassifier(OneHidden, max_epochs=1).fit(factor * X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DeepClassifier(OneHidden, max_epochs=1).fit(100 * X, y)
