"""What an import costs: each test looks at the modules of a fresh interpreter."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from importlib import import_module

import pytest

import subspace_learn

NEVER_AT_IMPORT = ["numba", "torch", "skorch", "cupy", "dask", "distributed"]
NEVER_AT_IMPORT += ["matplotlib", "pandas", "polars"]
NOT_BY_THE_TOP = [*NEVER_AT_IMPORT, "sklearn", "scipy", "numpy", "array_api_compat", "pymanopt"]


def modules_loaded_by(statement):
    """Top-level modules that a fresh interpreter holds after ``statement``, beyond its own."""
    code = (
        "import json, sys; before = set(sys.modules)\n"
        f"{statement}\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in set(sys.modules) - before})))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout.splitlines()[-1]))


@functools.cache
def heavy_modules():
    """What our rooms must not load, less what scikit-learn loads itself (pandas, where found)."""
    ours_to_avoid = {*NEVER_AT_IMPORT, "pymanopt", "pyriemann", "mne", "pooch"}
    return ours_to_avoid - modules_loaded_by("import sklearn.base")


def test_importing_the_package_loads_a_table_of_names_and_nothing_else():
    loaded = modules_loaded_by("import subspace_learn; dir(subspace_learn)")
    assert "subspace_learn" in loaded
    assert sorted(loaded & set(NOT_BY_THE_TOP)) == []


@pytest.mark.parametrize("room", subspace_learn._ROOMS)
def test_importing_a_room_loads_no_heavy_library(room):
    loaded = modules_loaded_by(f"import subspace_learn.{room}")
    assert sorted(loaded & heavy_modules()) == []


@pytest.mark.parametrize("name", subspace_learn._HEADLINE)
def test_headline_name_is_loaded_on_first_use_without_heavy_libraries(name):
    loaded = modules_loaded_by(f"from subspace_learn import {name}")
    assert sorted(loaded & heavy_modules()) == []


@pytest.mark.parametrize("name", subspace_learn.__all__)
def test_public_name_resolves(name):
    assert getattr(subspace_learn, name) is not None


@pytest.mark.parametrize("name", subspace_learn._HEADLINE)
def test_headline_name_is_the_object_of_its_room(name):
    room = import_module(f"subspace_learn.{subspace_learn._HEADLINE[name]}")
    assert getattr(subspace_learn, name) is getattr(room, name)


@pytest.mark.parametrize(
    "room", sorted(set(subspace_learn._ROOMS) - set(subspace_learn._PROVISIONAL))
)
def test_room_lists_its_names_once_and_each_resolves(room):
    if room == "deep":
        pytest.importorskip("torch", reason="the classes that inherit from torch's need it")
    module = import_module(f"subspace_learn.{room}")
    assert len(set(module.__all__)) == len(module.__all__)
    namespace = {}
    exec(f"from subspace_learn.{room} import *", namespace)
    assert set(module.__all__) <= set(namespace)


def test_dir_lists_the_public_names():
    assert dir(subspace_learn) == sorted(subspace_learn.__all__)


def test_unknown_name_gives_attribute_error_that_names_it():
    with pytest.raises(AttributeError, match="NoSuchEstimator"):
        subspace_learn.NoSuchEstimator  # noqa: B018


def test_every_public_class_and_function_is_found_once():
    from subspace_learn._discovery import public_names

    paths = [found.path for found in public_names()]
    assert len(set(paths)) == len(paths)
    assert "subspace_learn.grassmann.GrassmannPCA" in paths
    assert "subspace_learn.ToDevice" in paths
