"""Projection DPPs and volume sampling: laws by enumeration of every subset, draws against them."""

from itertools import combinations, product
from math import comb, factorial

import numpy as np
import pytest
from scipy.stats import chi2

from subspace_learn.functional.sampling.dpp import (
    dpp_draw,
    independent_rows,
    own_order,
    projection_dpp,
    row_law,
    volume_sample,
)

N, M = 7, 3
EXACT = 1e-12  # determinants of 3 x 3 matrices, some hundred of them added


@pytest.fixture
def Q(rng):
    return np.linalg.qr(rng.normal(size=(N, M)))[0]


def subset_law(Q, size):
    """Probability of each subset under volume sampling without replacement."""
    sets = list(combinations(range(len(Q)), size))
    volumes = np.array([np.linalg.det(Q[list(S)].T @ Q[list(S)]) for S in sets])
    return dict(zip(sets, volumes / comb(len(Q) - Q.shape[1], size - Q.shape[1]), strict=True))


def assert_frequencies_fit(counts, law, n_draws):
    """Chi-squared test at a level of 1e-4; the seed is fixed."""
    expected = {S: p * n_draws for S, p in law.items() if p * n_draws > 1e-9}
    assert set(counts) <= set(expected)
    statistic = sum((counts.get(S, 0) - e) ** 2 / e for S, e in expected.items())
    assert statistic < chi2.isf(1e-4, len(expected) - 1)


@pytest.mark.parametrize("method", ["rejection", "dense"])
def test_subsets_are_drawn_with_their_squared_determinants(Q, rng, method):
    law, n_draws = row_law(Q), 6000
    counts = {}
    for _ in range(n_draws):
        S = tuple(sorted(projection_dpp(law, rng, method=method).tolist()))
        counts[S] = counts.get(S, 0) + 1
    assert_frequencies_fit(counts, subset_law(Q, M), n_draws)


def test_determinants_sum_to_one_and_give_the_marginals_of_the_kernel(Q):
    law, K = subset_law(Q, M), Q @ Q.T
    assert sum(law.values()) == pytest.approx(1.0, abs=EXACT)
    for i, j in combinations(range(N), 2):
        both = sum(p for S, p in law.items() if i in S and j in S)
        assert both == pytest.approx(K[i, i] * K[j, j] - K[i, j] ** 2, abs=EXACT)
        assert sum(p for S, p in law.items() if i in S) == pytest.approx(K[i, i], abs=EXACT)


@pytest.mark.parametrize("size", [4, 5])
def test_volume_without_replacement_is_a_dpp_and_a_uniform_rest(Q, size):
    """The construction of the sampler, enumerated, against the determinants it should give."""
    dpp = subset_law(Q, M)
    built = dict.fromkeys(combinations(range(N), size), 0.0)
    for T, p in dpp.items():
        rest = [i for i in range(N) if i not in T]
        for R in combinations(rest, size - M):
            built[tuple(sorted(T + R))] += p / comb(N - M, size - M)
    wanted = subset_law(Q, size)
    assert sum(wanted.values()) == pytest.approx(1.0, abs=EXACT)
    for S, p in wanted.items():
        assert built[S] == pytest.approx(p, abs=EXACT)


def test_volume_without_replacement_is_drawn_from_that_law(Q, rng):
    law, n_draws, counts = row_law(Q), 6000, {}
    for _ in range(n_draws):
        S = tuple(sorted(volume_sample(law, 5, rng, replacement=False).tolist()))
        counts[S] = counts.get(S, 0) + 1
    assert_frequencies_fit(counts, subset_law(Q, 5), n_draws)


@pytest.mark.parametrize("optimal", [True, False])
def test_volume_with_replacement_is_drawn_from_its_law_by_enumeration(rng, optimal):
    Q = np.linalg.qr(rng.normal(size=(4, 2)))[0]
    nu = (Q**2).sum(axis=1) / 2 if optimal else np.array([0.4, 0.3, 0.2, 0.1])
    law = {}
    for S in product(range(4), repeat=3):
        gram = sum(np.outer(Q[i], Q[i]) / nu[i] for i in S)
        law[S] = np.linalg.det(gram) * np.prod(nu[list(S)])
    total = sum(law.values())
    # the normaliser is n! / (n - m)! for every reference measure
    assert total == pytest.approx(factorial(3) / factorial(1), abs=EXACT)
    law = {S: p / total for S, p in law.items()}
    prepared, counts, n_draws = row_law(Q), {}, 6000
    for _ in range(n_draws):
        S = tuple(volume_sample(prepared, 3, rng, reference=None if optimal else nu).tolist())
        counts[S] = counts.get(S, 0) + 1
    assert_frequencies_fit(counts, law, n_draws)


def test_number_of_proposals_is_m_times_the_harmonic_number(rng):
    Q = np.linalg.qr(rng.normal(size=(3000, 20)))[0]
    law = row_law(Q)
    draws = [dpp_draw(law, rng, method="rejection").n_proposals for _ in range(300)]
    expected = 20 * sum(1 / j for j in range(1, 21))
    # standard deviation of one draw about m pi / sqrt(6) = 26, of the mean 1.5
    assert np.mean(draws) == pytest.approx(expected, abs=6)


@pytest.mark.parametrize("method", ["rejection", "dense"])
def test_draw_does_not_depend_on_the_basis_nor_on_the_order_of_rows(rng, method):
    Q = np.linalg.qr(rng.normal(size=(500, 6)))[0]
    R = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    shuffle = rng.permutation(500)
    order = own_order(Q, np.ones(6))

    def draw(law):
        return projection_dpp(law, np.random.default_rng(5), method=method)

    wanted = draw(row_law(Q, order))
    np.testing.assert_array_equal(draw(row_law(Q @ R, order)), wanted)
    shuffled = draw(row_law(Q[shuffle], own_order(Q[shuffle], np.ones(6))))
    np.testing.assert_array_equal(shuffle[shuffled], wanted)


@pytest.mark.parametrize("method", ["rejection", "dense"])
def test_zero_rows_never_come_and_needed_rows_always(rng, method):
    Q = np.zeros((60, 4))
    Q[:20, :3] = np.linalg.qr(rng.normal(size=(20, 3)))[0]
    Q[40, 3] = 1.0
    for _ in range(50):
        rows = projection_dpp(Q, rng, method=method)
        assert 40 in rows
        assert len(set(rows.tolist())) == 4
        assert ((rows < 20) | (rows == 40)).all()


def test_one_column_and_a_square_matrix_are_drawn(rng):
    assert projection_dpp(np.array([[0.0], [1.0]]), rng).tolist() == [1]
    assert sorted(projection_dpp(np.eye(5), rng).tolist()) == [0, 1, 2, 3, 4]


def test_independent_rows_skip_those_without_weight(rng):
    rows = independent_rows(np.cumsum([0.0, 1.0, 0.0, 3.0, 0.0]), 4000, rng)
    counts = np.bincount(rows, minlength=5)
    assert counts[[0, 2, 4]].sum() == 0
    assert counts[3] / 4000 == pytest.approx(0.75, abs=4 * np.sqrt(0.75 * 0.25 / 4000))


def test_wrong_input_is_told(Q, rng):
    with pytest.raises(ValueError, match="orthonormal"):
        projection_dpp(2 * Q, rng)
    with pytest.raises(ValueError, match="orthonormal"):
        projection_dpp(np.empty((5, 0)), rng)
    with pytest.raises(ValueError, match="not known"):
        projection_dpp(Q, rng, method="fast")
    with pytest.raises(ValueError, match="at least 3"):
        volume_sample(Q, 2, rng)
    with pytest.raises(ValueError, match="at most 7"):
        volume_sample(Q, 8, rng, replacement=False)
    with pytest.raises(ValueError, match="0 at 1 row"):
        volume_sample(Q, 4, rng, reference=np.r_[0.0, np.ones(N - 1)])
    with pytest.raises(ValueError, match="shape"):
        volume_sample(Q, 4, rng, reference=np.ones(3))
    with pytest.raises(ValueError, match="nonnegative"):
        volume_sample(Q, 4, rng, reference=np.r_[-1.0, np.ones(N - 1)])


def test_columns_that_are_not_orthonormal_end_in_an_error_not_in_a_loop(rng):
    Q = np.ones((200, 2)) / np.sqrt(200)  # squared entries sum to 2, the rank is 1
    with pytest.raises(ValueError, match="orthonormal"):
        projection_dpp(Q, rng, method="rejection")
