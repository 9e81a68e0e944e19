"""Dask for the tests of this folder: the schedulers, a cluster of two workers, data in chunks."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

dask = pytest.importorskip("dask", reason="Dask is not installed: pip install '.[distributed]'")
pytest.importorskip("distributed", reason="distributed is not installed")
pytest.importorskip("dask.array", reason="dask.array is not installed")


def cluster_of_two(**how):
    """Two workers in processes of their own, one thread each."""
    from distributed import LocalCluster

    quiet = {"dashboard_address": None, "silence_logs": 50}
    return LocalCluster(n_workers=2, threads_per_worker=1, processes=True, **quiet, **how)


@pytest.fixture(scope="session")
def _cluster():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ports in use, versions of tornado: not ours
        with cluster_of_two() as cluster:
            yield cluster


@pytest.fixture
def client(_cluster):
    """The current client, while a test runs."""
    from distributed import Client

    with Client(_cluster, set_as_default=True) as client:
        yield client


@pytest.fixture(params=["threads", "cluster"])
def scheduler(request):
    """Each way Dask runs what it is given: threads of this process, and the cluster."""
    if request.param == "cluster":
        yield request.getfixturevalue("client")
    else:
        with dask.config.set(scheduler="threads"):
            yield "threads"


@pytest.fixture
def table(rng):
    """Rows near a plane, not of unit scale and far from 0, and weights, some of them 0."""
    X = rng.normal(size=(700, 3)) @ rng.normal(size=(3, 8)) + 0.3 * rng.normal(size=(700, 8))
    weights = rng.uniform(0.5, 2.0, 700)
    weights[::7] = 0.0
    return 7.0 * (X + 3.0), weights


@pytest.fixture
def labels(table):
    X, _ = table
    middle = np.median(X[:, :2], axis=0)
    return np.array(["a", "b", "c"])[
        (X[:, 0] > middle[0]).astype(int) + (X[:, 1] > middle[1]).astype(int)
    ]


# Rows of the chunks of a table of 700: one, equal ones, very unequal ones.
CUTS = {"one": (700,), "equal": (140,) * 5, "unequal": (1, 12, 300, 7, 380)}


def in_chunks(X, sizes):
    """A Dask array whose chunks have so many rows."""
    import dask.array as da

    return da.from_array(X, chunks=(sizes, *X.shape[1:]))
