"""Entropy of attributes inside clusters against SciPy, closed forms and its laws."""

import numpy as np
import pytest
from scipy.stats import entropy

from subspace_learn.functional.graph.attribute_graph import attribute_entropy


def test_entropy_is_the_weighted_sum_of_scipys(rng):
    codes, labels = rng.integers(0, 4, (60, 3)), rng.integers(0, 5, 60)
    wanted = sum(
        np.mean(labels == c) * entropy(np.bincount(codes[labels == c, a]), base=2)
        for c in range(5)
        for a in range(3)
    )
    assert attribute_entropy(codes, labels) == pytest.approx(wanted, rel=1e-12)


def test_names_of_values_and_clusters_do_not_matter(rng):
    codes, labels = rng.integers(0, 4, (60, 2)), rng.integers(0, 3, 60)
    words = np.array(["a", "b", "c", "d"])[codes]
    assert attribute_entropy(words, 10 - 3 * labels) == attribute_entropy(codes, labels)


def test_limits():
    codes = np.arange(16)
    assert attribute_entropy(codes, np.zeros(16, dtype=int)) == pytest.approx(4)  # log2 16
    assert attribute_entropy(codes, codes) == 0
    assert attribute_entropy(np.column_stack([codes, codes]), codes % 2) == pytest.approx(2 * 3)


def test_a_finer_partition_is_never_more_mixed(rng):
    """Concavity: conditioning on more cannot raise the entropy."""
    codes, labels = rng.integers(0, 4, (80, 2)), rng.integers(0, 3, 80)
    finer = 2 * labels + rng.integers(0, 2, 80)
    assert attribute_entropy(codes, finer) <= attribute_entropy(codes, labels) + 1e-12
