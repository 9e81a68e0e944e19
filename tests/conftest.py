"""Fixtures shared by all tests: array libraries, seeds, and where the real data lie."""

from __future__ import annotations

import os
from pathlib import Path

import array_api_compat
import numpy as np
import pytest

import subspace_learn._array as array_layer

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
if SHARED_DATA.is_dir():
    os.environ.setdefault("SUBSPACE_LEARN_DATA", str(SHARED_DATA))


def _torch_cpu():
    torch = pytest.importorskip("torch")
    return array_api_compat.array_namespace(torch.empty(0)), "cpu"


def _array_api_strict():
    return pytest.importorskip("array_api_strict"), None


def _array_api_strict_on_another_device():
    """Its arrays refuse to become NumPy's by themselves, as those of a GPU do."""
    strict = pytest.importorskip("array_api_strict")
    return strict, strict.Device("device1")


def _cupy():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed: not run on a GPU")
    try:
        cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError:
        pytest.skip("no CUDA device: not run on a GPU")
    return array_api_compat.array_namespace(cupy.empty(0)), None


def _numpy():
    return array_api_compat.array_namespace(np.empty(0)), None


_LIBRARIES = {
    "numpy": _numpy,
    "array_api_strict": _array_api_strict,
    "array_api_strict on another device": _array_api_strict_on_another_device,
    "torch": _torch_cpu,
    "cupy": _cupy,
}


class Library:
    """An array library under test: makes its arrays from NumPy's and brings them back."""

    def __init__(self, name):
        self.name, self._id = name.partition(" ")[0], name
        self.namespace, self.device = _LIBRARIES[name]()

    def __repr__(self):
        return self._id

    def asarray(self, x):
        """NumPy array (or list) -> array of this library, same dtype, no shared memory."""
        return self.namespace.asarray(np.array(x), device=self.device, copy=True)

    def owns(self, x):
        """Whether ``x`` is an array of this library."""
        same = array_layer.library_name(x) == self.name
        return same and (self.device in (None, "cpu") or x.device == self.device)

    @staticmethod
    def numpy(x):
        """Array of this library -> NumPy."""
        return array_layer.to_numpy(x)


@pytest.fixture(
    params=[
        "numpy",
        "array_api_strict",
        "array_api_strict on another device",
        "torch",
        pytest.param("cupy", marks=pytest.mark.gpu),
    ]
)
def xp(request):
    """Each array library in turn: a test that takes ``xp`` runs once per library."""
    return Library(request.param)


@pytest.fixture
def rng():
    """A seeded generator; every random test takes its numbers from here."""
    return np.random.default_rng(20260101)
