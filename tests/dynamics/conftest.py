"""What the tests of the dynamics family share."""

import numpy as np
import pytest


@pytest.fixture(scope="module")
def noisy():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(300, 3))
    return X, X @ np.diag([0.9, 0.5, 0.1]) + 0.1 * rng.normal(size=(300, 3))
