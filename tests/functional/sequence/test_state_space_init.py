"""Initial parameters of state space layers: whose model they are."""

from __future__ import annotations

import numpy as np
import pytest

from subspace_learn.functional.sequence.approximate_diagonalization import perturb_then_diagonalize
from subspace_learn.functional.sequence.hippo import hippo_legs
from subspace_learn.functional.sequence.state_space import transfer_function
from subspace_learn.functional.sequence.state_space_init import (
    INITIALIZATIONS,
    memory_modes,
    s4d_init,
    s5_init,
)

N = 16
ONES = np.ones(N // 2)


def test_ptd_starts_as_the_perturbed_memory_with_a_random_readout():
    values, C = s4d_init(3, N, "ptd", rng=np.random.default_rng(0))
    again = np.random.default_rng(0)
    A, B = hippo_legs(N)
    near = A + perturb_then_diagonalize(A, 0.1, rng=again, pairs_only=True).perturbation
    omega = np.concatenate([np.linspace(-100, 100, 41), values.imag])
    for c, row in zip(C, again.normal(size=(3, N)), strict=True):
        wanted = [row @ np.linalg.solve(1j * w * np.eye(N) - near, B) for w in omega]
        given = transfer_function(values, ONES, c, omega)
        np.testing.assert_allclose(given, wanted, rtol=0, atol=1e-13 * np.abs(c).max())


def test_legs_resonates_where_ptd_does_not():
    """The spike of S4D at the largest frequency, about n^2 / pi, for random readouts too."""
    omega = np.linspace(0, 200, 4001)
    largest = {}
    for init in ("legs", "ptd"):
        values, C = s4d_init(20, N, init, rng=np.random.default_rng(1))
        response = [np.abs(transfer_function(values, ONES, c, omega)) for c in C]
        high = omega > 40  # beyond the frequencies that the memory follows
        largest[init] = np.median([r[high].max() / r[~high].max() for r in response])
    assert largest["legs"] > 2
    assert largest["ptd"] < 1


def test_modes_of_both_kinds_make_real_states(rng):
    state = rng.normal(size=N)
    for init in ("legs", "ptd"):
        values, to_modes, from_modes = memory_modes(N, init)
        assert (values.real < 0).all()
        assert (values.imag > 0).all()
        back = 2 * (from_modes @ (to_modes @ state)).real
        np.testing.assert_allclose(back, state, rtol=0, atol=1e-10)  # condition 7e2


@pytest.mark.parametrize("init", INITIALIZATIONS)
def test_shapes_sizes_and_seeds(init):
    values, B, C = s5_init(5, N, init, rng=np.random.default_rng(0))
    assert (values.shape, B.shape, C.shape) == ((8,), (8, 5), (5, 8))
    np.testing.assert_allclose(np.linalg.norm(B, axis=1), 1)
    again = s5_init(5, N, init, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(C, again[2])
    for make in (s4d_init, s5_init):
        assert np.isfinite(make(3, 4, init, rng=np.random.default_rng(0))[1]).all()
        for odd in (0, 5):
            with pytest.raises(ValueError, match="even"):
                make(3, odd, init, rng=np.random.default_rng(0))


def test_lin_and_inv_have_readouts_of_unit_mean_square():
    for init in ("lin", "inv"):
        _, C = s4d_init(1000, N, init, rng=np.random.default_rng(0))
        assert np.mean(np.abs(C) ** 2) == pytest.approx(1, abs=0.05)  # 8000 draws: sd 0.011
