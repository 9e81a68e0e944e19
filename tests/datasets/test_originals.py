"""The whole conversion on the true originals: the results equal the shared files.

Needs two folders: SUBSPACE_LEARN_ORIGINALS with the files that ``_sources.SOURCES`` names (flat),
and SUBSPACE_LEARN_DATA with the converted ones.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import scipy.sparse as sp

from subspace_learn import datasets
from subspace_learn.datasets import _data_home, _sources


@pytest.fixture
def originals(monkeypatch):
    """Let a download copy the file from the folder of originals."""
    folder = os.environ.get("SUBSPACE_LEARN_ORIGINALS")
    if not folder:
        pytest.skip("originals are not here: set SUBSPACE_LEARN_ORIGINALS to their folder")

    class Copier:
        def __init__(self, **kwargs):
            pass

        def __call__(self, url, target, pooch):
            shutil.copyfile(Path(folder, unquote(url.rsplit("/", 1)[1])), target)

    pooch = pytest.importorskip("pooch")
    monkeypatch.setattr(pooch, "HTTPDownloader", Copier)
    return Path(folder)


def fetch(source, home):
    kind, name = source.split("/")
    if kind == "nsl_kdd":
        return datasets.fetch_nsl_kdd(name, data_home=home)
    if kind == "graphs":
        return datasets.fetch_attributed_graph(name, data_home=home)
    fetcher = datasets.fetch_ssvep if "ssvep" in name else datasets.fetch_motor_imagery
    return fetcher(int(name[-3:]), data_home=home)


@pytest.mark.parametrize("source", _sources.SOURCES)
def test_converted_original_equals_the_shared_file(source, originals, real_home, tmp_path):
    converted, shared = fetch(source, tmp_path), fetch(source, real_home)
    assert converted.keys() == shared.keys()
    for key in converted:
        a, b = converted[key], shared[key]
        if sp.issparse(a):
            assert (a != b).nnz == 0
        elif key == "data" and source.startswith("eeg/physionet"):
            # Stored as float32; filters of other SciPy builds may round the float64 differently.
            np.testing.assert_allclose(a, b, rtol=2e-6, atol=1e-5)
        else:
            np.testing.assert_equal(a, b)


@pytest.mark.parametrize("source", _sources.SOURCES)
def test_original_has_the_known_hash(source, originals):
    for remote in _sources.SOURCES[source]:
        path = originals / unquote(remote.url.rsplit("/", 1)[1])
        assert hashlib.sha256(path.read_bytes()).hexdigest() == remote.sha256


def test_every_converted_file_is_below_the_home(originals, tmp_path):
    fetch("graphs/lazega36_friend", tmp_path)
    assert sorted(path.name for path in _data_home.data_home(tmp_path).rglob("*.np?")) == [
        "adjacency.npz",
        "attributes.npz",
        "metadata.npy",
    ]
