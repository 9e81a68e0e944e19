"""Stacks in pieces: the same results in the same order, and BLAS left as it was."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from subspace_learn.functional.covariance.spd import in_pieces, pieces, threads


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


@pytest.mark.parametrize("n", [1, 30, 300])
def test_pieces_cover_the_stack_in_order(n):
    A = np.empty((57, n, n), dtype=np.float32)
    covered = np.concatenate([np.arange(57)[piece] for piece in pieces(A)])
    np.testing.assert_array_equal(covered, np.arange(57))


def test_other_libraries_get_the_whole_stack_at_once(xp):
    A = xp.asarray(np.zeros((40, 200, 200)))
    assert xp.name == "numpy" or pieces(A) == [slice(0, 40)]


@pytest.mark.parametrize("n_jobs", [None, 1, 2])
def test_results_come_back_in_order(rng, n_jobs):
    A = rng.standard_normal((57, 100, 100))
    rows = in_pieces(lambda a: a[:, 3], A, (100,), n_jobs)
    np.testing.assert_array_equal(rows, A[:, 3])


def test_threads_leave_blas_as_it_was_even_after_an_error():
    before = blas_threads()
    A = np.empty((57, 100, 100))
    with threads(A, 2) as run:
        assert set(blas_threads()) == {1}
        assert run(lambda x: x + 1, [1, 2, 3]) == [2, 3, 4]
    assert blas_threads() == before
    with pytest.raises(ZeroDivisionError), threads(A, 2) as run:
        run(lambda x: 1 / x, [1, 0])
    assert blas_threads() == before


def test_callers_that_overlap_leave_blas_as_it_was():
    before = blas_threads()
    A = np.empty((57, 100, 100))
    first, second = threads(A, 2), threads(A, 2)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)  # not in the order they came
    assert set(blas_threads()) == {1}
    second.__exit__(None, None, None)
    assert blas_threads() == before
