"""Whatever torch trains, the estimators train: buffers, lazy and complex modules, codes, states."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: the deep extra is not tested")

from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.model_selection import cross_validate
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import GradientNormClipping
from torch import nn

from subspace_learn.deep import (
    DeepClassifier,
    DeepRegressor,
    DeepTransformer,
    EigenCAM,
    compensated,
)
from tests.deep.modules import OneHidden

X, y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)


class Masked(nn.Module):
    """Attention over the four columns, each seeing those before it: a mask of -inf."""

    def __init__(self, n_outputs):
        super().__init__()
        self.register_buffer("mask", torch.full((4, 4), -torch.inf).triu(1))
        self.lift = nn.Linear(1, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.last = nn.Linear(8, n_outputs)

    def forward(self, X):
        U = self.lift(X[:, :, None])
        return self.last(self.attention(U, U, U, attn_mask=self.mask)[0].mean(1))


class Lazy(nn.Sequential):
    def __init__(self, n_outputs):
        layers = nn.LazyLinear(6), nn.LazyBatchNorm1d(), nn.Tanh(), nn.LazyLinear(n_outputs)
        super().__init__(*layers)


class Complex(nn.Module):
    """Only complex parameters."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.W = nn.Parameter(torch.randn(n_features, n_outputs, dtype=torch.complex64))

    def forward(self, X):
        return (X.to(self.W.dtype) @ self.W).abs()


class WholeFirst(OneHidden):
    """Its first parameter is a whole number, which is not trained."""

    def __init__(self, n_features, n_outputs):
        super().__init__(n_features, n_outputs)
        first, last = self.first, self.last
        del self.first, self.last
        self.steps = nn.Parameter(torch.tensor(3), requires_grad=False)
        self.first, self.last = first, last


class Remembers(OneHidden):
    """Keeps a state that is no tensor."""

    seen = 0

    def forward(self, X):
        self.seen += self.training
        return super().forward(X)

    def get_extra_state(self):
        return {"seen": self.seen}

    def set_extra_state(self, state):
        self.seen = state["seen"]


class KeepsWhatItComputed(OneHidden):
    """Tensors with a history hang on it after each step."""

    def forward(self, X):
        self.cache = [super().forward(X)]
        return self.cache[0]


class NormedByHooks(nn.Sequential):
    def __init__(self, n_features, n_outputs):
        super().__init__(nn.utils.spectral_norm(nn.Linear(n_features, n_outputs)))


class Orthogonal(nn.Sequential):
    def __init__(self, n_features, n_outputs):
        first = nn.utils.parametrizations.orthogonal(nn.Linear(n_features, n_features, bias=False))
        super().__init__(first, nn.Tanh(), nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)))


class Words(nn.Module):
    def __init__(self, n_outputs):
        super().__init__()
        self.vectors = nn.Embedding(5, 6)
        self.last = nn.Linear(6, n_outputs)

    def forward(self, codes):
        return self.last(self.vectors(codes).mean(1))


def local_class():
    class InAFunction(OneHidden):
        pass

    return InAFunction


MODULES = [Masked, Lazy, Complex, WholeFirst, Remembers, KeepsWhatItComputed, NormedByHooks]
MODULES += [Orthogonal, local_class()]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_module_trains_goes_on_and_is_copied(module):
    clf = DeepClassifier(module, lr=0.05, max_epochs=30, warm_start=True, random_state=0)
    before = clf.fit(X, y).loss_curve_
    assert before[-1] < 0.8 * before[0]
    twin = copy.deepcopy(clf).fit(X, y)
    assert twin.loss_curve_[:30] == before
    np.testing.assert_array_equal(clf.fit(X, y).predict_proba(X), twin.predict_proba(X))
    assert clf.partial_fit(X, y).n_iter_ == 61
    assert clf.loss_curve_[-1] < before[0]


@pytest.mark.parametrize("module", MODULES[:-1], ids=lambda module: module.__name__)
def test_pickle_of_a_trained_module_says_the_same_and_goes_on_alike(module):
    clf = DeepClassifier(module, lr=0.05, max_epochs=2, warm_start=True, random_state=0).fit(X, y)
    twin = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(clf))))
    np.testing.assert_array_equal(twin.predict_proba(X), clf.predict_proba(X))
    np.testing.assert_array_equal(twin.fit(X, y).predict_proba(X), clf.fit(X, y).predict_proba(X))


def test_a_complex_parameter_keeps_its_imaginary_part_in_either_width():
    for dtype, kept in (("float32", torch.complex64), ("float64", torch.complex128)):
        W = DeepClassifier(Complex, max_epochs=1, dtype=dtype).fit(X, y).module_.W
        assert W.dtype == kept
        assert W.imag.abs().max() > 0.1


def test_state_of_the_best_epoch_comes_back_with_what_is_no_tensor():
    clf = DeepClassifier(Remembers, lr=3.0, early_stopping=True, n_iter_no_change=2, random_state=0)
    clf.fit(X, y)
    best = int(np.argmin(clf.loss_curve_)) + 1
    assert clf.module_.seen == 3 * best  # three batches an epoch


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_codes_reach_an_embedding(dtype):
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 5, (200, 3)).astype(dtype)
    classes = (codes == 4).any(axis=1)
    clf = DeepClassifier(Words, lr=0.05, max_epochs=60, random_state=0).fit(codes, classes)
    assert clf.score(codes, classes) > 0.95
    assert clf.partial_fit(codes, classes).n_iter_ == 61
    with pytest.raises(ValueError, match=r"whole numbers.*entry \(1, 2\) of X is 0\.5"):
        clf.predict([[0, 1, 2], [1, 1, 0.5]])
    smaller = compensated(clf, codes, n_components=1, bits=8)
    assert smaller.score(codes, classes) > 0.95
    maps = EigenCAM(clf, "vectors", channel_axis=-1).fit(codes).transform(codes)
    assert maps.shape == codes.shape


def test_a_module_that_takes_no_whole_numbers_either_is_refused_in_words():
    with pytest.raises(ValueError, match="Words cannot take a batch"):
        DeepClassifier(Words).fit(X, y)


# --- other processes ------------------------------------------------------------------------------


def local_classifier():
    class InAFunction(OneHidden):
        pass

    return DeepClassifier(InAFunction, lr=0.05, max_epochs=15, random_state=0)


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda net: VotingClassifier([("a", net), ("b", net)], voting="soft", n_jobs=2),
        lambda net: StackingClassifier([("a", net), ("b", net)], cv=2, n_jobs=2),
        lambda net: CalibratedClassifierCV(net, cv=2, n_jobs=2),
        lambda net: BaggingClassifier(net, 2, n_jobs=2, random_state=0),
    ],
    ids=["Voting", "Stacking", "Calibrated", "Bagging"],
)
def test_module_of_a_function_travels_to_workers_and_back(wrapped):
    assert wrapped(local_classifier()).fit(X, y).score(X, y) > 0.8


@pytest.mark.parametrize("module", [local_class(), Orthogonal, Masked])
def test_fits_come_back_from_cross_validation_in_workers(module):
    clf = DeepClassifier(module, lr=0.05, max_epochs=15, random_state=0)
    found = cross_validate(clf, X, y, cv=2, n_jobs=2, return_estimator=True)
    for fitted, score in zip(found["estimator"], found["test_score"], strict=True):
        assert abs(fitted.score(X, y) - score) < 0.2
        assert fitted.partial_fit(X, y).n_iter_ == 16


# --- precision, batches ---------------------------------------------------------------------------


@pytest.mark.parametrize("width", [np.float32, np.float64])
@pytest.mark.parametrize("cls", [DeepClassifier, DeepRegressor, DeepTransformer])
def test_net_has_the_width_of_the_rows(cls, width):
    net = cls(max_epochs=1).fit(X.astype(width), y)
    assert str(next(net.module_.parameters()).dtype) == f"torch.{width.__name__}"
    if cls is DeepTransformer:
        assert net.transform(X).dtype == width


@pytest.mark.parametrize(
    ("n_features", "batch_size", "largest"),
    [(784, 16, 16), (4, 7, 56), (100, 64, 81), (4, 400, 500)],
)
def test_predictions_of_small_rows_only_are_made_in_batches_above_batch_size(
    n_features, batch_size, largest
):
    rows = np.random.default_rng(0).standard_normal((500, n_features))
    labels = np.arange(500) % 3
    clf = DeepClassifier(OneHidden, batch_size=batch_size, max_epochs=1, random_state=0)
    clf.fit(rows, labels)
    once = clf.module_(torch.tensor(rows)).softmax(1).detach().numpy()
    sizes = []
    clf.module_.register_forward_pre_hook(lambda module, rows: sizes.append(len(rows[0])))
    np.testing.assert_allclose(clf.predict_proba(rows), once, rtol=1e-12)
    assert max(sizes) == largest
    assert sum(sizes) == 500


class Mixed(OneHidden):
    """Runs its layers in 16 bits."""

    def forward(self, X):
        with torch.autocast(X.device.type, dtype=torch.bfloat16):
            return super().forward(X)


def test_a_module_may_run_in_mixed_precision_also_with_weights():
    weights = np.random.default_rng(0).uniform(0.5, 2, len(y))
    clf = DeepClassifier(Mixed, lr=0.05, dtype="float32", random_state=0)
    clf.fit(X, y, sample_weight=weights)
    assert clf.score(X, y) > 0.9
    full = DeepClassifier(OneHidden, lr=0.05, dtype="float32", random_state=0)
    full.fit(X, y, sample_weight=weights)
    # 8 bits of mantissa leave about 1e-2 of a probability
    assert np.abs(clf.predict_proba(X) - full.predict_proba(X)).max() < 0.1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_of_a_criterion_may_be_of_any_width(dtype):
    weight = torch.tensor([1.0, 5.0, 2.0], dtype=torch.float64)
    given = nn.CrossEntropyLoss(weight=weight, reduction="none")
    for loss in (
        {"criterion": given},
        {"criterion__weight": weight, "criterion__reduction": "none"},
    ):
        params = {"max_epochs": 1, "lr": 1e-9, "batch_size": None, "dtype": dtype}
        loss.setdefault("criterion", nn.CrossEntropyLoss)
        clf = DeepClassifier(OneHidden, net_params=loss, random_state=0, **params).fit(X, y)
        rows = -clf.predict_log_proba(X)[np.arange(len(y)), y] * weight.numpy()[y]
        assert clf.loss_curve_[0] == pytest.approx(rows.mean(), rel=1e-5)
    assert given.weight.dtype == torch.float64  # the user's own stays as it is


@pytest.mark.parametrize(
    "name",
    ["callbacks__nope", "callbacks__nope__x", "callbacks__best_state", "callbacks__train_loss"],
)
def test_options_of_callbacks_that_are_not_there_are_refused_by_name(name):
    clf = DeepClassifier(
        callbacks=[("clip", GradientNormClipping(1.0)), GradientNormClipping(2.0)],
        net_params={name: None},
        max_epochs=1,
    )
    with pytest.raises(ValueError, match=f"sets {'__'.join(name.split('__')[:2])}, but"):
        clf.fit(X, y)
    clf.set_params(
        net_params={
            "callbacks__clip": None,
            "callbacks__GradientNormClipping__gradient_clip_value": 3,
        }
    ).fit(X, y)
    callbacks = dict(clf.net_.callbacks_)
    assert "clip" not in callbacks
    assert callbacks["GradientNormClipping"].gradient_clip_value == 3


def test_weights_of_a_loss_may_be_whole_numbers():
    def trained(dtype):
        weight = torch.tensor([1, 2, 5], dtype=dtype)
        clf = DeepClassifier(max_epochs=2, random_state=0, net_params={"criterion__weight": weight})
        return clf.fit(X, y).predict_proba(X)

    np.testing.assert_array_equal(trained(torch.int64), trained(torch.float64))
