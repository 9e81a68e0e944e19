"""Eigen-CAM: rank one, invariances, signs, sizes, and the planted object."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from subspace_learn.functional.activations.eigen_cam import eigen_cam, mean_activation_map, resized


@pytest.fixture
def activations(rng):
    """Six images of 5 channels at 7 x 9 places, after a ReLU."""
    return np.maximum(rng.normal(size=(6, 5, 7, 9)) + 0.3, 0)


def normalized(L):
    L = np.maximum(L, 0)
    return (L - L.min()) / (L.max() - L.min())


def test_rank_one_gives_the_map_whatever_the_channels(rng, xp):
    m = rng.uniform(size=(4, 6, 5))
    a = rng.normal(size=(4, 8)) * 10.0 ** np.array([-200, -3, 0, 150])[:, None]
    given = eigen_cam(xp.asarray(a[:, :, None, None] * m[:, None]))
    assert xp.owns(given)
    wanted = np.stack([normalized(each) for each in m])
    np.testing.assert_allclose(xp.numpy(given), wanted, atol=1e-6)


@pytest.mark.parametrize("shape", [(5, 63), (80, 7)])
@pytest.mark.parametrize("center", [False, True])
def test_it_is_the_left_singular_vector(shape, center, rng, xp):
    """With fewer channels than places, and with more."""
    A = rng.normal(size=(3, *shape)) + 0.5
    given = xp.numpy(eigen_cam(xp.asarray(A), center=center))
    for image, found in zip(A, given, strict=True):
        M = image.T - (image.T.mean(axis=0) if center else 0)
        U, s, _ = np.linalg.svd(M)
        L = U[:, 0] * s[0]
        L *= np.sign(L @ (image**2).sum(axis=0))
        np.testing.assert_allclose(found, normalized(L), atol=1e-6)
        if center:
            score = PCA(1).fit_transform(image.T)[:, 0]
            alike = [normalized(score), normalized(-score)]
            assert min(np.abs(found - each).max() for each in alike) < 1e-6


@pytest.mark.parametrize("center", [False, True])
def test_channels_may_be_mixed_negated_and_scaled(activations, rng, center):
    wanted = eigen_cam(activations, center=center)
    Q = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    for other in (
        activations[:, rng.permutation(5)],
        np.einsum("dc,nchw->ndhw", Q, activations),
        -activations,
        1e-30 * activations,
    ):
        np.testing.assert_allclose(eigen_cam(other, center=center), wanted, atol=1e-9)


def test_positive_activations_have_a_map_without_a_sign(activations):
    """Perron and Frobenius: nothing is cut, whatever sign LAPACK chose."""
    for image, found in zip(activations, eigen_cam(activations), strict=True):
        L = np.abs(np.linalg.svd(image.reshape(5, -1).T)[0][:, 0])
        np.testing.assert_allclose(found.ravel(), (L - L.min()) / np.ptp(L), atol=1e-9)


def test_a_map_as_strong_on_both_sides_has_its_peak_up():
    A = np.array([-2.0, 2.0, 0.0, 0.0])[None, None]
    assert eigen_cam(A)[0].max() == 1
    A = np.array([-3.0, 1.0, 1.0, 1.0])[None, None]
    np.testing.assert_allclose(eigen_cam(A)[0], [1, 0, 0, 0])


@pytest.mark.parametrize("center", [False, True])
def test_constant_activations_have_empty_maps(center, xp):
    A = xp.asarray(np.ones((2, 3, 4, 5)) * np.array([1.0, 0.0])[:, None, None, None])
    np.testing.assert_array_equal(xp.numpy(eigen_cam(A, center=center)), np.zeros((2, 4, 5)))
    np.testing.assert_array_equal(xp.numpy(mean_activation_map(A)), np.zeros((2, 4, 5)))


def test_images_do_not_see_each_other(activations):
    maps = eigen_cam(activations)
    for k in range(6):
        np.testing.assert_allclose(eigen_cam(activations[k : k + 1])[0], maps[k], atol=1e-12)


def test_float32_stays_and_sizes_change(activations, xp):
    A = xp.asarray(activations.astype(np.float32))
    maps = eigen_cam(A, size=(14, 20))
    assert maps.shape == (6, 14, 20)
    assert maps.dtype == xp.namespace.float32
    assert mean_activation_map(A, size=(3, 3)).shape == (6, 3, 3)
    assert eigen_cam(xp.asarray(activations[:, :, 0]), size=(30,)).shape == (6, 30)


def test_resizing_agrees_with_torch(rng):
    torch = pytest.importorskip("torch")
    maps = rng.uniform(size=(2, 5, 7))
    for size in ((10, 14), (5, 7), (13, 9), (3, 2), (1, 1)):
        wanted = torch.nn.functional.interpolate(
            torch.tensor(maps)[:, None], size, mode="bilinear", align_corners=False
        )
        np.testing.assert_allclose(resized(maps, size), wanted[:, 0].numpy(), atol=1e-14)
    assert resized(rng.uniform(size=(2, 1, 1)), (3, 4)).shape == (2, 3, 4)


def test_mean_is_the_mean(activations):
    maps = mean_activation_map(activations)
    wanted = [normalized(image.mean(axis=0)) for image in activations]
    np.testing.assert_allclose(maps, wanted, atol=1e-12)


def test_a_planted_object_is_pointed_at(rng):
    """Channels fire in pattern inside a box and at random outside: the peak lies in the box."""
    n, hits = 60, {"eigen": 0, "mean": 0}
    for _ in range(n):
        row, column = rng.integers(0, 12, 2)
        box = np.zeros((16, 16), dtype=bool)
        box[row : row + 4, column : column + 4] = True
        pattern = np.maximum(rng.normal(size=12), 0)
        A = np.maximum(rng.normal(size=(12, 16, 16)) * 0.5, 0)
        A += pattern[:, None, None] * box * rng.uniform(0.7, 1.3, (16, 16))
        for name, maps in (("eigen", eigen_cam(A[None])), ("mean", mean_activation_map(A[None]))):
            hits[name] += box.ravel()[maps[0].argmax()]
    assert hits["eigen"] >= hits["mean"] - 3
    assert hits["eigen"] > 0.9 * n  # chance is 1 / 16


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (np.ones((3, 4)), "add an axis"),
        (np.ones((0, 3, 4, 4)), "none empty"),
        (np.ones((1, 3, 4, 4)) * 1j, "real"),
        (np.full((1, 3, 4, 4), np.nan), "NaN"),
    ],
)
def test_what_is_no_layer_is_refused(bad, match):
    with pytest.raises(ValueError, match=match):
        eigen_cam(bad)


@pytest.mark.parametrize("size", [(3,), (3, 0), (1, 2, 3)])
def test_sizes_that_do_not_fit_are_refused(size, activations):
    with pytest.raises(ValueError, match="one length"):
        eigen_cam(activations, size=size)
