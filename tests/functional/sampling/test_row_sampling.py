"""Samples of rows: unbiasedness, probabilities, embedding errors, streams."""

import numpy as np
import pytest

from subspace_learn.functional.sampling.row_sampling import (
    METHODS_OF,
    SCORES,
    embedding_error,
    row_scores,
    sample_rows,
)
from subspace_learn.functional.sampling.row_stream import Coreset, absorbed

SETTINGS = {"tol": 0.01, "max_iter": 200}


@pytest.mark.parametrize("law", ["replacement", "bernoulli"])
@pytest.mark.parametrize("score", SCORES)
def test_weighted_norms_are_unbiased(rng, law, score):
    A, p = rng.standard_t(3, size=(300, 3)), 1.5
    scores = row_scores(A, score, p=p, method="auto", rng=rng, **SETTINGS)
    values = np.abs(A @ rng.normal(size=3)) ** p
    sums = []
    for _ in range(800):
        sample = sample_rows(scores, 40, rng, law=law)
        sums.append(sample.weights @ values[sample.indices])
    error = np.std(sums) / np.sqrt(len(sums))
    assert np.mean(sums) == pytest.approx(values.sum(), abs=4 * error)


def test_kept_probabilities_sum_to_the_size_and_stop_at_one(rng):
    scores = rng.pareto(0.5, size=200)
    scores[:5] = 0.0
    for size in (1, 10, 100, 190):
        kept = sample_rows(scores, size, rng, law="bernoulli").probabilities
        assert kept.sum() == pytest.approx(size, rel=1e-9)
        assert kept.max() <= 1
        inside = (kept > 0) & (kept < 1)
        ratio = kept[inside] / scores[inside]
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)
    whole = sample_rows(scores, 500, rng, law="bernoulli")
    np.testing.assert_array_equal(whole.indices, np.arange(5, 200))
    assert (whole.weights == 1).all()


def test_repeats_are_merged_by_adding_weights(rng):
    scores = rng.uniform(size=20)
    merged = sample_rows(scores, 100, np.random.default_rng(1))
    plain = sample_rows(scores, 100, np.random.default_rng(1), merge=False)
    assert len(plain.indices) == 100
    totals = np.bincount(plain.indices, plain.weights, minlength=20)
    np.testing.assert_allclose(merged.weights, totals[merged.indices], rtol=1e-12)


def test_embedding_error_for_least_squares_is_the_worst_over_directions(rng):
    A, w = rng.normal(size=(200, 3)), rng.uniform(0.5, 3, size=60)
    rows = np.arange(60)
    error = embedding_error(A, rows, w)
    x = rng.normal(size=(3, 20000))
    ratios = w @ (A[:60] @ x) ** 2 / np.sum((A @ x) ** 2, axis=0)
    assert np.abs(ratios - 1).max() <= error * (1 + 1e-12)
    assert np.abs(ratios - 1).max() == pytest.approx(error, rel=1e-2)
    assert embedding_error(A, np.arange(200), np.ones(200)) < 1e-12


@pytest.mark.parametrize("p", [1.0, 1.5, 3.0])
def test_search_for_bad_directions_finds_what_many_random_ones_find(rng, p):
    A, w = rng.standard_t(3, size=(300, 3)), np.full(50, 6.0)
    rows = np.arange(50)
    x = rng.normal(size=(3, 20000))
    ratios = w @ np.abs(A[:50] @ x) ** p / np.sum(np.abs(A @ x) ** p, axis=0)
    assert embedding_error(A, rows, w, p=p, rng=rng) > 0.95 * np.abs(ratios - 1).max()


def test_score_that_sees_a_rare_direction_keeps_it(rng):
    A = np.vstack([rng.normal(size=(2000, 5)) * [1, 1, 1, 1, 0], [[0, 0, 0, 0, 1.0]]])
    for score in SCORES:
        errors = []
        for seed in range(3):
            gen = np.random.default_rng(seed)
            # exact sensitivities of 2001 rows at p = 2 are leverage scores
            scores = row_scores(A, score, p=2.0, method="auto", rng=gen, **SETTINGS)
            sample = sample_rows(scores, 300, gen)
            errors.append(embedding_error(A, sample.indices, sample.weights))
        assert (np.median(errors) < 0.6) == (score != "uniform")


def test_buckets_of_a_stream_are_carries_of_binary_counting():
    def block(i):
        return Coreset(np.full((1, 1), i), None, np.ones(1), np.array([i]), 0, 0.0)

    def reduce(part):
        return part._replace(rows=part.rows[:1], weights=part.weights[:1] * len(part.rows))

    buckets = []
    for i in range(13):
        buckets = absorbed(buckets, block(i), reduce)
        assert len(buckets) == bin(i + 1).count("1")
    assert [part.level for part in buckets] == [3, 2, 0]
    assert sum(part.weights.sum() for part in buckets) == 13


def test_errors(rng):
    A = rng.normal(size=(20, 3))
    with pytest.raises(ValueError, match="Every score is 0"):
        sample_rows(np.zeros(4), 2, rng)
    for score, methods in METHODS_OF.items():
        for method in {"exact", "sketch", "approximate"} - set(methods):
            with pytest.raises(ValueError, match="does not go with"):
                row_scores(A, score, p=1.0, method=method, rng=rng, **SETTINGS)


@pytest.mark.parametrize("score", ["leverage", "root_leverage", "lewis", "sensitivity"])
def test_a_weight_scales_the_scores_of_its_row_and_no_weight_is_one(score, rng):
    """Weights of 2 throughout are two copies of the table: the shares of the rows stay."""
    A = rng.standard_normal((30, 3)) * [1.0, 4.0, 0.3]
    weights = np.where(np.arange(30) % 3 == 0, 4.0, 2.0)
    how = {"p": 1.0, "method": "auto", **SETTINGS}
    given = row_scores(A, score, rng=np.random.default_rng(0), weights=weights, **how)
    copies = np.repeat(np.arange(30), weights.astype(int))
    each = row_scores(A[copies], score, rng=np.random.default_rng(0), **how)
    wanted = np.bincount(copies, each)
    # iterated scores stop at a tolerance of a few thousandths, see SETTINGS
    np.testing.assert_allclose(given, wanted, rtol=0.02)
