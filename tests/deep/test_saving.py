"""What is saved of a net: no file of skops runs code, and weights are read without any."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: the deep extra is not tested")

from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from subspace_learn.deep import (
    DeepClassifier,
    DeepRegressor,
    DeepTransformer,
    GrassmannNetClassifier,
    SSMClassifier,
)
from subspace_learn.deep._net import ClassifierNet as Net
from tests.deep.modules import OneHidden

X, y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)
MODELS = [
    DeepClassifier(OneHidden, max_epochs=1),
    DeepRegressor(max_epochs=1),
    DeepTransformer(max_epochs=1),
    GrassmannNetClassifier((5, 4), n_components=2, max_epochs=1),
    SSMClassifier(d_model=4, d_state=4, n_layers=1, max_epochs=1),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
@pytest.mark.parametrize("within", [False, True])
def test_skops_refuses_a_net_with_advice(tmp_path, model, within):
    skops_io = pytest.importorskip("skops.io", reason="skops is not installed")
    model = make_pipeline(StandardScaler(), model) if within else model
    model.fit(X, y)
    with pytest.raises(TypeError, match=r"skops file.*weights_only=True.*joblib"):
        skops_io.dump(model, tmp_path / "model.skops")


class Attack:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def state_with_bytes(forged):
    """What skorch's nets leave in a file: bytes, to be unpickled."""
    return {
        "__cuda_dependent_attributes__": pickle.dumps({"module_": Attack(forged.path)}),
        "device": "cpu",
        "torch_load_kwargs": {"weights_only": False},
    }


# passes for a net of ours in a file
Forged = type("ClassifierNet", (), {"__getstate__": state_with_bytes, "__module__": Net.__module__})


def test_a_forged_file_of_skops_runs_nothing(tmp_path):
    skops_io = pytest.importorskip("skops.io", reason="skops is not installed")
    model, target = DeepClassifier(OneHidden), tmp_path / "written by the attacker"
    model.net_ = Forged()
    model.net_.path = target
    skops_io.dump(model, tmp_path / "model.skops")
    types = skops_io.get_untrusted_types(file=tmp_path / "model.skops")
    assert "subspace_learn.deep._net.ClassifierNet" in types
    loaded = skops_io.load(tmp_path / "model.skops", trusted=types)
    assert isinstance(loaded.net_, Net)
    assert not target.exists()


def test_weights_are_read_without_running_code(tmp_path):
    clf = DeepClassifier(OneHidden, lr=0.05, max_epochs=5, random_state=0).fit(X, y)
    torch.save(clf.module_.state_dict(), tmp_path / "weights.pt")
    other = DeepClassifier(OneHidden, max_epochs=1, random_state=1)
    other.partial_fit(X[:2], y[:2], classes=[0, 1, 2])
    other.module_.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    np.testing.assert_array_equal(other.predict_proba(X), clf.predict_proba(X))


def test_a_pickle_holds_each_number_once():
    wide = DeepClassifier(OneHidden, module__hidden=5000, optimizer="sgd", max_epochs=1)
    wide.fit(X, y)
    n = sum(p.numel() for p in wide.module_.parameters())
    assert len(pickle.dumps(wide)) < 1.1 * 8 * n + 20_000
