"""The ad hoc set: balanced, reproducible, apart in the space of the kernel, mistakes told."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.svm import SVC

from subspace_learn.quantum import QuantumKernel, make_ad_hoc_quantum


def test_ad_hoc_labels_are_balanced_and_reproducible():
    X, y = make_ad_hoc_quantum(41, random_state=5)
    assert X.shape == (41, 2)
    assert (X >= 0).all()
    assert (X < 2 * np.pi).all()
    assert np.bincount(y + 1).tolist() == [20, 0, 21]
    np.testing.assert_array_equal(make_ad_hoc_quantum(41, random_state=5)[0], X)


def test_ad_hoc_classes_are_apart_in_the_space_of_the_kernel():
    """A hyperplane there with the margin of the gap: no row is on the wrong side of it."""
    X, y = make_ad_hoc_quantum(120, gap=0.4, random_state=0)
    K = QuantumKernel().fit_transform(X)
    assert SVC(kernel="precomputed", C=1e6).fit(K, y).score(K, y) == 1.0


def test_ad_hoc_mistakes_are_told():
    for how, match in (
        ({"n_samples": 0}, "n_samples must be"),
        ({"n_features": 11}, "in 1 to 10"),
        ({"gap": 1.0}, "gap must be"),
        ({"gap": 0.999}, "hardly any angles"),
    ):
        with pytest.raises(ValueError, match=match):
            make_ad_hoc_quantum(**how)
