"""Training: what is recorded, when it ends, which iterate is returned; streams; the split."""

import numpy as np
import pytest

from subspace_learn.functional.grassmann.grassmann_classifier import (
    Labelled,
    Objective,
    labelled_rows,
    objective,
)
from subspace_learn.functional.grassmann.grassmann_training import (
    Plan,
    Stream,
    _Choice,
    absorbed,
    class_starts,
    stratified_split,
    trained,
)
from subspace_learn.functional.grassmann.nearest_subspace import row_directions
from subspace_learn.linalg.grassmann import random_point

N, D, C, K = 60, 6, 3, 2
PLAN = Plan("rsgd", 30, 1e-3, 5, 16, 0.02, 0.9)
SOLVERS = ["conjugate_gradient", "trust_region", "rsgd"]


@pytest.fixture
def case(rng):
    """A random start and rows near one plane per class."""
    codes = np.arange(N) % C
    planes = random_point(D, K, rng, shape=(C,))
    rows = np.einsum("ndk,nk->nd", planes[codes], rng.normal(size=(N, K)))
    X, _ = row_directions(rows + 0.2 * rng.normal(size=(N, D)))
    return random_point(D, K, rng, shape=(C,)), Labelled(X, codes, np.ones(N), 8.0, 0.0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_training_lowers_the_objective_and_records_it(case, rng, solver):
    start, data = case
    result = trained(start, data, PLAN._replace(solver=solver, max_iter=50), rng)
    first, last = (float(objective(S, data).loss) for S in (start, result.subspaces))
    assert last < 0.5 * first
    assert result.validation_scores is None
    assert result.best_iter == result.n_iter
    if solver == "rsgd":
        assert len(result.losses) == result.n_iter
    else:
        assert len(result.losses) == result.n_iter + 1
        assert result.losses[0] == pytest.approx(first)
        assert result.losses[-1] == pytest.approx(last)


@pytest.mark.parametrize("solver", SOLVERS)
def test_no_iteration_returns_the_start(case, rng, solver):
    start, data = case
    result = trained(start, data, PLAN._replace(solver=solver, max_iter=0), rng)
    assert result.subspaces is start
    assert result.converged
    assert result.n_iter == 0


@pytest.mark.parametrize("solver", SOLVERS)
def test_returned_iterate_is_never_worse_on_the_validation_rows_than_the_start(case, rng, solver):
    start, data = case
    parts = [labelled_rows(data, rows) for rows in stratified_split(data.codes, 0.4, rng)]
    plan = PLAN._replace(solver=solver, learning_rate=0.5)
    result = trained(start, parts[0], plan, rng, validation=parts[1])
    assert result.validation_scores[result.best_iter] >= result.validation_scores[0]
    assert len(result.validation_scores) <= result.n_iter + 1
    again = trained(result.subspaces, parts[0], plan._replace(max_iter=0), rng, validation=parts[1])
    assert again.validation_scores == [result.validation_scores[result.best_iter]]
    losses = [float(objective(S, parts[1])[0]) for S in (start, result.subspaces)]
    assert losses[1] <= losses[0]


@pytest.mark.parametrize("solver", SOLVERS)
def test_patience_ends_training_on_validation_rows(case, rng, solver):
    start, data = case
    plan = PLAN._replace(solver=solver, max_iter=500, tol=0.0, n_iter_no_change=4)
    result = trained(start, data, plan, rng, validation=labelled_rows(data, np.arange(6)))
    assert result.converged
    assert result.n_iter <= 500
    if solver == "rsgd":
        assert result.n_iter - result.best_iter == 4


def test_rsgd_tells_when_it_has_not_converged(case, rng):
    result = trained(*case, PLAN._replace(max_iter=2, tol=0.0), rng)
    assert not result.converged
    assert result.n_iter == 2


@pytest.mark.parametrize("solver", SOLVERS)
def test_no_iterate_below_the_start_is_returned(case, rng, solver):
    """Steps much too long, and an objective that ranks the rows otherwise than accuracy does."""
    start, data = case
    noise = data._replace(codes=rng.permutation(data.codes), gamma=200.0)
    for rows in (data, noise):
        plan = PLAN._replace(solver=solver, learning_rate=30.0, max_iter=8)
        result = trained(start, rows, plan, rng)
        before, after = objective(start, rows), objective(result.subspaces, rows)
        assert after.loss <= before.loss
        assert after.accuracy >= before.accuracy


def test_accuracy_decides_between_iterates_of_falling_loss(case):
    """Of three iterates the last has the lowest loss, and fewer rows right than the start."""
    start, _ = case
    choice = _Choice(None)
    for i, (loss, accuracy) in enumerate([(3.0, 0.8), (2.0, 0.9), (1.0, 0.7)]):
        choice.look(start + i, i, Objective(loss, None, accuracy))
    assert choice.result(2, True, []).best_iter == 1


def test_every_iteration_is_reported(case, rng):
    lines = []
    result = trained(*case, PLAN._replace(max_iter=3, tol=0.0), rng, report=lines.append)
    assert len(lines) == 3
    assert lines[-1] == f"iteration 3: loss {result.losses[-1]:.6f}"


def test_streamed_batches_are_epochs(case, xp):
    start, data = case
    data = data._replace(
        X=xp.asarray(data.X), codes=xp.asarray(data.codes), weights=xp.asarray(data.weights)
    )
    first = xp.asarray(start)
    stream = Stream(first, first * 0, seed=3)
    losses = []
    for _ in range(20):
        stream, loss = absorbed(stream, data, PLAN)
        losses.append(loss)
    assert stream.n_batches == 20
    assert xp.owns(stream.subspaces)
    assert losses[-1] < 0.5 * losses[0]


def test_class_without_enough_rows_starts_where_it_is_told(case):
    start, data = case
    rows = [np.flatnonzero(data.codes == 0), np.array([1]), np.array([2, 2, 2])]
    found, ranks = class_starts(data, rows, start)
    assert ranks == [2, 1, 1]  # too few rows; enough, but one direction
    np.testing.assert_array_equal(found[1:], start[1:])
    assert not np.allclose(found[0], start[0])


def test_split_takes_the_same_share_of_each_class(rng):
    codes = np.repeat([0, 1, 2], [100, 40, 1])
    training, validation = stratified_split(codes, 0.25, rng)
    np.testing.assert_array_equal(np.sort(np.concatenate([training, validation])), np.arange(141))
    np.testing.assert_array_equal(np.bincount(codes[validation]), [25, 10])


def test_split_that_leaves_no_validation_row_raises(rng):
    with pytest.raises(ValueError, match=r"validation_fraction=0\.1"):
        stratified_split(np.array([0, 0, 1, 1]), 0.1, rng)
