"""The fast transform beside scipy's matrix."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import hadamard

from subspace_learn.linalg.hadamard import walsh_hadamard


@pytest.mark.parametrize("n", [1, 2, 8, 64])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_it_is_the_hadamard_matrix_and_nearly_its_own_inverse(n, shape, rng, xp):
    x = 40.0 * rng.standard_normal((*shape, n))
    y = walsh_hadamard(xp.asarray(x))
    assert xp.owns(y)
    np.testing.assert_allclose(xp.numpy(y), x @ hadamard(n), atol=1e-11)
    np.testing.assert_allclose(xp.numpy(walsh_hadamard(y)) / n, x, atol=1e-12)


def test_complex_rows_are_transformed_part_by_part(rng, xp):
    x = rng.standard_normal((4, 16)) + 1j * rng.standard_normal((4, 16))
    np.testing.assert_allclose(
        xp.numpy(walsh_hadamard(xp.asarray(x))), x @ hadamard(16), atol=1e-13
    )


@pytest.mark.parametrize("n", [0, 3, 12])
def test_other_lengths_are_refused(n):
    with pytest.raises(ValueError, match="power of two"):
        walsh_hadamard(np.zeros((2, n)))
