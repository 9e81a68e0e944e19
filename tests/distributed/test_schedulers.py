"""What runs where is Dask's business: any scheduler, a dying worker, one with little memory."""

from __future__ import annotations

import os
import signal
import time
import warnings

import numpy as np
import pytest

from subspace_learn import (
    GrassmannPCA,
    KoopmanEDMD,
    NearestSubspaceClassifier,
    RandomMatrixFilter,
    SubspaceDetector,
)

from .conftest import CUTS, cluster_of_two, in_chunks


def test_every_scheduler_gives_one_fit(table, labels, scheduler):
    X, weights = table
    cut = CUTS["unequal"]
    lazy, w = in_chunks(X, cut), in_chunks(weights, cut)
    found = GrassmannPCA(n_components=3).fit(lazy, sample_weight=w)
    wanted = GrassmannPCA(n_components=3).fit(X, sample_weight=weights)
    np.testing.assert_allclose(found.components_, wanted.components_, atol=1e-12)
    assert np.array_equal(found.transform(lazy).compute().shape, (700, 3))
    found, wanted = RandomMatrixFilter(n_components=2).fit(lazy), RandomMatrixFilter(n_components=2)
    np.testing.assert_allclose(found.covariance_, wanted.fit(X).covariance_, rtol=1e-10)
    found, wanted = SubspaceDetector().fit(lazy), SubspaceDetector().fit(X)
    assert found.offset_ == pytest.approx(wanted.offset_, rel=1e-10)
    assert np.array_equal(found.predict(lazy).compute(), wanted.predict(X))
    found = NearestSubspaceClassifier(2).fit(lazy, in_chunks(labels, cut))
    wanted = NearestSubspaceClassifier(2).fit(X, labels)
    np.testing.assert_allclose(found.subspaces_, wanted.subspaces_, atol=1e-12)
    found, wanted = KoopmanEDMD().fit(lazy), KoopmanEDMD().fit(X)
    np.testing.assert_allclose(found.koopman_matrix_, wanted.koopman_matrix_, atol=1e-10)


# --- a worker that dies ---------------------------------------------------------------------------


def rows(number, flag=None):
    """A chunk of rows, made where it is asked for; the worker dies once if ``flag`` says so."""
    if flag is not None and not os.path.exists(flag):
        with open(flag, "w"):
            pass
        os.kill(os.getpid(), signal.SIGKILL)
    rng = np.random.default_rng(number)
    return 7.0 * (rng.normal(size=(500, 3)) @ np.ones((3, 6)) + rng.normal(size=(500, 6)) + 2.0)


def lazy_rows(n_chunks, flag=None, dying=None):
    import dask.array as da
    from dask import delayed

    make = delayed(rows, pure=False)
    parts = [make(i, flag if i == dying else None) for i in range(n_chunks)]
    return da.concatenate([da.from_delayed(p, shape=(500, 6), dtype=float) for p in parts])


@pytest.mark.slow
def test_a_worker_that_is_killed_in_the_middle_of_a_fit_changes_nothing(tmp_path):
    import dask
    from distributed import Client

    X = lazy_rows(12)
    with dask.config.set(scheduler="threads"):
        wanted = GrassmannPCA(n_components=2).fit(X)
    flag = str(tmp_path / "dead")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what tornado and distributed say of the dead
        with cluster_of_two() as cluster, Client(cluster) as client:
            pids = set(client.run(os.getpid).values())
            found = GrassmannPCA(n_components=2).fit(lazy_rows(12, flag, dying=7))
            until = time.monotonic() + 20
            while len(now := set(client.run(os.getpid).values())) < 2 and time.monotonic() < until:
                time.sleep(0.2)
    assert os.path.exists(flag), "no worker was killed"
    assert now != pids, "the workers are those that were there before"
    for name in ("components_", "explained_variance_", "mean_"):
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), rtol=1e-13)
    assert found.n_samples_seen_ == 6000


# --- memory ---------------------------------------------------------------------------------------


def peak_memory():
    """Most bytes that this process has held at once."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def import_all():
    """Load what tasks need, so that its memory is not counted as that of the data."""
    from dask import array

    assert array.ones(4, chunks=2).sum().compute(scheduler="synchronous") == 4
    GrassmannPCA(n_components=2).partial_fit(many_rows(0, 4000))


def many_rows(number, n_rows):
    """Rows that cost less to make than to sum: some thousand, over and over."""
    some = 7.0 * np.random.default_rng(number).normal(size=(1000, 40)) + 3.0
    return np.resize(some, (n_rows, 40))


@pytest.mark.slow
def test_a_worker_holds_a_chunk_and_statistics_whatever_the_size_of_the_table():
    """Data of four times the memory that a worker may have, made when asked for."""
    import dask.array as da
    from dask import delayed
    from distributed import Client

    limit, chunk = 480 * 2**20, 16 * 2**20
    n_rows, n_chunks = chunk // 320, 4 * limit // chunk
    make = delayed(many_rows, pure=False)
    parts = [
        da.from_delayed(make(i, n_rows), shape=(n_rows, 40), dtype=float) for i in range(n_chunks)
    ]
    X = da.concatenate(parts)
    assert X.nbytes == pytest.approx(4 * limit, rel=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with cluster_of_two(memory_limit=limit) as cluster, Client(cluster) as client:
            client.run(import_all)
            before = client.run(peak_memory)
            model = GrassmannPCA(n_components=2).fit(X)
            after = client.run(peak_memory)
    assert model.n_samples_seen_ == n_rows * n_chunks
    assert before.keys() == after.keys(), "a worker was restarted: it used too much memory"
    for worker, peak in after.items():
        # a chunk, the next one, blocks of products, some statistics of 13 kB; all is 60 chunks each
        assert peak - before[worker] < 6 * chunk, f"{(peak - before[worker]) / chunk:.1f} chunks"


# --- grid search ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_grid_search_runs_on_the_cluster_by_joblib(table, labels, client):
    import joblib
    from sklearn.model_selection import GridSearchCV

    X, _ = table
    search = GridSearchCV(NearestSubspaceClassifier(), {"n_components": [1, 2, 3]}, cv=3)
    with joblib.parallel_config(backend="dask"):
        search.fit(X, labels)
    here = GridSearchCV(NearestSubspaceClassifier(), {"n_components": [1, 2, 3]}, cv=3)
    here.fit(X, labels)
    assert search.best_params_ == here.best_params_
    np.testing.assert_allclose(
        search.cv_results_["mean_test_score"], here.cv_results_["mean_test_score"]
    )


def test_a_fit_runs_inside_a_task_of_a_worker(table, client):
    """An estimator that is itself sent to a worker, as joblib's backend does."""
    X, _ = table
    found = client.submit(GrassmannPCA(n_components=2).fit, X).result()
    np.testing.assert_allclose(found.components_, GrassmannPCA(n_components=2).fit(X).components_)
