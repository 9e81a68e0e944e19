"""Torch modules, and the adapter that makes a scikit-learn estimator of any of them.

Needs the extra: ``pip install subspace-learn[deep]``. Estimators are importable without it and say
so when they are fitted; torch is loaded on first use.
"""

from importlib import import_module as _import_module

from ._base import BaseDeepEstimator
from ._classifier import DeepClassifier
from ._displays import LossCurveDisplay
from ._eigen_cam import EigenCAM
from ._eigen_cam_display import EigenCAMDisplay
from ._grassmann_net import GrassmannNetClassifier
from ._regressor import DeepRegressor
from ._requirements import require_torch as _require_torch
from ._ssm_classifier import SSMClassifier
from ._transformer import DeepTransformer

# What cannot be written without torch: classes that inherit from its own, functions of its modules.
_IN_TERMS_OF_TORCH = {
    "AutoEncoder": "_perceptrons",
    "CompensatedLinear": "_compensated",
    "GrassmannHead": "_grassmann_head",
    "GrassmannParameter": "_manifold_optimizer",
    "HouseholderLinear": "_householder",
    "Perceptron": "_perceptrons",
    "RiemannianSGD": "_manifold_optimizer",
    "S4DLayer": "_state_space_layers",
    "S5Layer": "_state_space_layers",
    "StiefelParameter": "_manifold_optimizer",
    "compensated": "_compensated",
}

__all__ = [
    "AutoEncoder",
    "BaseDeepEstimator",
    "CompensatedLinear",
    "DeepClassifier",
    "DeepRegressor",
    "DeepTransformer",
    "EigenCAM",
    "EigenCAMDisplay",
    "GrassmannHead",
    "GrassmannNetClassifier",
    "GrassmannParameter",
    "HouseholderLinear",
    "LossCurveDisplay",
    "Perceptron",
    "RiemannianSGD",
    "S4DLayer",
    "S5Layer",
    "SSMClassifier",
    "StiefelParameter",
    "compensated",
]


def __getattr__(name: str) -> object:
    if name not in _IN_TERMS_OF_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _require_torch()
    value = getattr(_import_module(f"{__name__}.{_IN_TERMS_OF_TORCH[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
