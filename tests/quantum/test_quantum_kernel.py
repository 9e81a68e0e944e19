"""The kernel in pipelines and searches, with shots, and what it says of its limits."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC

from subspace_learn.quantum import QuantumKernel, kernel_target_alignment, state_vectors


@pytest.fixture
def angles(rng):
    return rng.uniform(0, 2 * np.pi, size=(25, 3))


def test_defaults_are_the_map_of_the_paper(angles):
    K = QuantumKernel().fit_transform(angles)
    S = state_vectors(angles, feature_map="zz", reps=2, entanglement="full", scale=1.0)
    np.testing.assert_allclose(K, abs(S @ S.conj().T) ** 2, atol=1e-14)
    model = QuantumKernel().fit(angles)
    np.testing.assert_allclose(model.transform(angles), K, atol=1e-14)
    np.testing.assert_allclose(model.mean_overlap_, (K.sum() - 25) / (25 * 24), rtol=1e-12)


def test_scale_is_a_factor_of_the_columns(angles):
    given = QuantumKernel(scale=0.3).fit_transform(angles)
    np.testing.assert_allclose(given, QuantumKernel().fit_transform(0.3 * angles), atol=1e-13)


def test_search_over_the_scale_in_a_pipeline():
    X, y = load_wine(return_X_y=True)
    model = make_pipeline(
        MinMaxScaler((0, 2 * np.pi)), PCA(3), QuantumKernel(), SVC(kernel="precomputed")
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        search = GridSearchCV(model, {"quantumkernel__scale": [0.05, 1.0]}, cv=3).fit(X, y)
    small, large = search.cv_results_["mean_test_score"]
    assert small > 0.85 > large + 0.1


def test_shots_are_reproducible_and_near_the_exact_kernel(angles):
    exact = QuantumKernel().fit_transform(angles)
    model = QuantumKernel(shots=4000, random_state=3)
    drawn = model.fit_transform(angles)
    np.testing.assert_array_equal(
        drawn, QuantumKernel(shots=4000, random_state=3).fit_transform(angles)
    )
    assert np.linalg.eigvalsh(drawn).min() > -1e-12
    # a share has a deviation of at most 1 / (2 sqrt(shots)); the projection moves it no further
    assert abs(drawn - exact).max() < 6 / (2 * np.sqrt(4000))
    new = model.transform(angles[:4])
    np.testing.assert_array_equal(new, model.transform(angles[:4]))
    np.testing.assert_allclose(new * 4000, np.rint(new * 4000), atol=1e-9)
    assert abs(new - exact[:4]).max() < 6 / (2 * np.sqrt(4000))


def test_float32_is_near_float64(angles):
    given = QuantumKernel().fit_transform(angles.astype(np.float32))
    assert given.dtype == np.float32
    wanted = QuantumKernel().fit_transform(angles.astype(np.float32).astype(np.float64))
    # phases of up to 3 (pi + 2 pi)^2 = 270 radians, each with a rounding of 6e-8
    np.testing.assert_allclose(given, wanted, atol=2e-4)


def test_too_many_columns_are_refused_with_their_memory(rng):
    with pytest.raises(ValueError, match=r"10 rows and 40 columns need 1.8e\+14 bytes"):
        QuantumKernel().fit(rng.uniform(size=(10, 40)))
    with pytest.raises(ValueError, match="raise max_bytes"):
        QuantumKernel(max_bytes=1000).fit(rng.uniform(size=(10, 3)))


def test_a_kernel_near_the_identity_is_told(rng):
    with pytest.warns(UserWarning, match=r"mean overlap of two rows is .*Lower scale \(1\)"):
        QuantumKernel().fit(rng.uniform(0, 6, size=(20, 8)))


def test_wide_angles_are_told(rng):
    with (
        pytest.warns(UserWarning, match="beyond 4 pi"),
        pytest.warns(UserWarning, match="mean overlap"),
    ):
        QuantumKernel().fit(1e5 * rng.uniform(size=(20, 6)))
    with pytest.raises(ValueError, match="reads numbers as angles"):
        QuantumKernel().fit(1e150 * rng.uniform(size=(20, 6)))


def test_other_mistakes_are_told(angles):
    with pytest.raises(ValueError, match="qubits in 0 to 2"):
        QuantumKernel(entanglement=[(0, 5)]).fit(angles)
    with pytest.raises(ValueError, match="shots"):
        QuantumKernel(shots=0).fit(angles)
    with pytest.raises(ValueError, match="feature_map"):
        state_vectors(angles, feature_map="pauli")


def test_names_of_columns_are_those_of_rows(angles):
    names = QuantumKernel().fit(angles).get_feature_names_out()
    assert list(names[:2]) == ["quantumkernel0", "quantumkernel1"]
    assert len(names) == 25


def test_alignment_knows_the_ideal_kernel(xp):
    y = np.array(["a", "b", "b", "c", "a"])
    same = y[:, None] == y
    ideal = np.where(same, 1.0, -0.5)
    np.testing.assert_allclose(kernel_target_alignment(xp.asarray(7 * ideal), y), 1.0)
    binary = np.where(y == "a", 1, -1)
    K = np.exp(-0.1 * (np.arange(5)[:, None] - np.arange(5)) ** 2)
    wanted = binary @ K @ binary / (5 * np.linalg.norm(K))  # the formula of the paper
    np.testing.assert_allclose(kernel_target_alignment(xp.asarray(K), binary), wanted)


def test_alignment_refuses_what_is_no_kernel():
    for K, y, match in (
        (np.ones((2, 3)), [0, 1], "has shape"),
        (np.ones((2, 2)), [0, 0], "one class"),
        (np.full((2, 2), np.nan), [0, 1], "NaN"),
    ):
        with pytest.raises(ValueError, match=match):
            kernel_target_alignment(K, y)
