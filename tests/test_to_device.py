"""ToDevice: there and back, and what it says when there is no there."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from subspace_learn import GrassmannPCA, ToDevice
from subspace_learn._array import library_name


def cuda_is_here():
    torch = pytest.importorskip("torch")
    return torch.cuda.is_available()


def test_a_pipeline_over_numpy_runs_in_torch_and_comes_back():
    X = load_digits().data
    pipe = make_pipeline(ToDevice("cpu", library="torch"), GrassmannPCA(3), ToDevice("cpu"))
    out = pipe.fit_transform(X)
    assert library_name(pipe[1].components_) == "torch"
    assert library_name(out) == "numpy"
    np.testing.assert_allclose(out, GrassmannPCA(3).fit_transform(X), atol=1e-8)


def test_a_grid_search_over_numpy_runs_in_torch():
    X = load_digits().data
    pipe = make_pipeline(ToDevice("cpu", library="torch"), GrassmannPCA())
    search = GridSearchCV(pipe, {"grassmannpca__n_components": [1, 4]}, cv=2).fit(X)
    assert search.best_params_ == {"grassmannpca__n_components": 4}


def test_it_is_stateless_and_copies_nothing_on_the_spot():
    X, stateless = np.eye(3), ToDevice()
    assert stateless.transform(X) is X
    assert stateless.transform(np.eye(4)).shape == (4, 4)  # nothing was noted


def test_moving_to_torch_shares_no_memory_with_the_input():
    pytest.importorskip("torch")
    X = np.eye(3)
    moved = ToDevice("cpu", library="torch").fit_transform(X)
    moved[0, 0] = 5.0
    assert X[0, 0] == 1.0


def test_an_absent_gpu_is_reported_with_what_to_do():
    if cuda_is_here():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ValueError, match=r"finds no CUDA device\. Use device='cpu'"):
        ToDevice("cuda", library="torch").fit_transform(np.eye(2))


@pytest.mark.parametrize(("device", "library"), [("cuda", "numpy"), ("cpu", "cupy")])
def test_impossible_combinations_are_refused(device, library):
    with pytest.raises(ValueError, match="cannot hold arrays on device"):
        ToDevice(device, library=library).fit_transform(np.eye(2))


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", ""])
def test_unknown_devices_are_refused(device):
    with pytest.raises(ValueError, match="is not known here"):
        ToDevice(device).fit_transform(np.eye(2))


@pytest.mark.gpu
def test_to_the_gpu_and_back():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed: not run on a GPU")
    try:
        cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError:
        pytest.skip("no CUDA device: not run on a GPU")
    X = load_digits().data
    pipe = make_pipeline(ToDevice("cuda"), GrassmannPCA(3), ToDevice("cpu"))
    np.testing.assert_allclose(pipe.fit_transform(X), GrassmannPCA(3).fit_transform(X), atol=1e-8)
