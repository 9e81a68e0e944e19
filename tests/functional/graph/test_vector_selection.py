"""Gaps, ladders and trials."""

import numpy as np
import pytest

from subspace_learn.functional.graph.vector_selection import (
    best_trial,
    eigengap_clusters,
    relative_gap,
    vector_ladder,
)


def test_gap_is_free_of_scale():
    values = np.array([0, 0.1, 0.2, 0.8])
    assert relative_gap(1e-5 * values, 3) == pytest.approx(relative_gap(values, 3)) == 0.75


def test_components_are_a_full_gap_and_repeated_zeros_none():
    assert relative_gap([0, 0, 0.3], 2) == 1
    assert relative_gap([0, 0, 0], 2) == 0


def test_eigengap_counts_components_and_says_why():
    proposal = eigengap_clusters(np.array([0, 0, 0, 0.2, 0.25, 0.3]))
    assert proposal.n_clusters == 3
    assert proposal.gap == 1
    assert proposal.reason.startswith("3 clusters: Laplacian eigenvalue 4 (0.2)")


def test_eigengap_looks_for_clusters_among_values_below_one():
    star = np.array([0.0, *[1.0] * 19, 2.0])
    assert eigengap_clusters(star).n_clusters == 1
    assert "no eigenvalue" in eigengap_clusters(star).reason


def test_ladder_holds_k_and_stays_within_what_there_is():
    for K in (1, 2, 5, 30):
        for most in (K, 2 * K, 10 * K):
            ladder = vector_ladder(K, most)
            assert ladder[0] == K
            assert ladder[-1] <= most
            assert ladder == sorted(set(ladder))
    assert vector_ladder(9, 4) == [4]


def test_first_of_equal_trials_is_kept():
    trials = [(0.0, 2), (0.0, 3), (4.0, 3), (4.0, 5)]
    choice = best_trial(trials, lambda trial: float(trial[1] == 3))
    assert (choice.shift, choice.n_components) == (0.0, 3)
    assert choice.information == {(0.0, 2): 0, (0.0, 3): 1, (4.0, 3): 1, (4.0, 5): 0}
