"""EigenCAM: the maps of functional.eigen_cam, taken out of a net that is left as it was."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: the deep extra is not tested")

from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from subspace_learn.deep import (
    DeepClassifier,
    EigenCAM,
    EigenCAMDisplay,
    SSMClassifier,
)
from subspace_learn.functional.activations.eigen_cam import eigen_cam, mean_activation_map
from tests.common_checks.sequences import Epochs, make_sequences
from tests.deep.modules import OneHidden

SIDE = 12


class ConvNet(torch.nn.Module):
    """Reads images of one channel; ``pool`` and all before it have places, ``last`` has none."""

    def __init__(self, n_outputs=3, flat=False):
        super().__init__()
        self.images = torch.nn.Unflatten(1, (1, SIDE, SIDE)) if flat else torch.nn.Identity()
        self.conv = torch.nn.Conv2d(1, 7, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(7)
        self.relu = torch.nn.ReLU()
        self.pool = torch.nn.MaxPool2d(2)
        self.dropout = torch.nn.Dropout(0.5)
        self.last = torch.nn.Linear(7 * (SIDE // 2) ** 2, n_outputs)

    def forward(self, X):
        h = self.pool(self.relu(self.norm(self.conv(self.images(X)))))
        return self.last(self.dropout(h).flatten(1))


class Attends(torch.nn.Module):
    """Patches of 3 x 3 pixels and a class token in front, as in a vision transformer."""

    def __init__(self):
        super().__init__()
        self.patch = torch.nn.Conv2d(1, 8, 3, stride=3)
        self.block = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.recurrent = torch.nn.LSTM(8, 5, batch_first=True)

    def forward(self, X):
        tokens = self.patch(X).flatten(2).mT
        tokens = self.block(torch.cat([tokens.mean(1, keepdim=True), tokens], dim=1))
        return self.recurrent(tokens)[0][:, 0]


def made(cls=ConvNet, **options):
    torch.manual_seed(0)
    return cls(**options)


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    X = 0.2 * rng.random((9, 1, SIDE, SIDE)).astype(np.float32)
    for image, (row, column) in zip(X[:, 0], rng.integers(0, SIDE - 3, (9, 2)), strict=True):
        image[row : row + 3, column : column + 3] += 1
    return X


def outputs_of(module, X, *names):
    """Outputs of the first layers in a row, in evaluation mode, called by hand."""
    module.eval()
    h, found = torch.tensor(X), {}
    with torch.no_grad():
        for name, part in module.named_children():
            h = found[name] = part(h)
            if set(names) <= set(found):
                return [found[name] for name in names]
    raise LookupError(names)


# --- oracles ------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", ["conv", "relu", "pool"])
@pytest.mark.parametrize("center", [False, True])
def test_maps_are_those_of_the_activations(images, layer, center):
    module = made()
    given = EigenCAM(module, layer, center=center, batch_size=4).fit_transform(images)
    wanted = eigen_cam(outputs_of(module, images, layer)[0].numpy(), center=center)
    # float32 activations of other batches: 1e-7 of the largest, over the gap of two eigenvalues
    np.testing.assert_allclose(given, wanted, rtol=0, atol=1e-4)
    assert given.dtype == np.float32


def test_a_centred_map_is_the_first_score_of_pca(images):
    module = made().double()
    activations = outputs_of(module, images.astype(np.float64), "relu")[0].numpy()
    given = EigenCAM(module, "relu", center=True).fit_transform(images)
    for heat, values in zip(given, activations, strict=True):
        M = values.reshape(7, -1).T
        score = PCA(1).fit_transform(M)[:, 0]
        score *= np.sign(score @ (M**2).sum(axis=1))
        score = np.maximum(score, 0)
        np.testing.assert_allclose(heat.ravel(), score / score.max(), rtol=0, atol=1e-9)


def test_the_baseline_is_the_mean_of_the_channels(images):
    module = made()
    given = EigenCAM(module, "relu", method="mean").fit_transform(images)
    wanted = mean_activation_map(outputs_of(module, images, "relu")[0].numpy())
    np.testing.assert_allclose(given, wanted, rtol=0, atol=1e-6)


def test_several_layers_are_averaged(images):
    module = made()
    a, b = outputs_of(module, images, "relu", "pool")
    given = EigenCAM(module, ["relu", "pool"], size=(24, 24)).fit_transform(images)
    wanted = (eigen_cam(a, size=(24, 24)) + eigen_cam(b, size=(24, 24))) / 2
    np.testing.assert_allclose(given, wanted, rtol=0, atol=1e-4)
    assert EigenCAM(module, ["pool", "relu"]).fit(images).map_shape_ == (SIDE // 2, SIDE // 2)


def test_a_random_last_layer_leaves_the_maps_as_they_are(images):
    """The map shows what is strong, not what decides: it cannot see what the layer after does."""
    module = made()
    cam = EigenCAM(module, "relu").fit(images)
    before = cam.transform(images)
    module.last.reset_parameters()
    np.testing.assert_array_equal(cam.transform(images), before)


# --- nets ---------------------------------------------------------------------------------------


def test_a_fitted_classifier_of_tables_is_looked_into(images):
    rows = images.reshape(len(images), -1).astype(np.float64)
    y = np.arange(9) % 3
    clf = DeepClassifier(ConvNet, module__flat=True, max_epochs=2, random_state=0).fit(rows, y)
    given = EigenCAM(clf, "pool").fit_transform(rows)
    np.testing.assert_array_equal(given, EigenCAM(clf.module_, "pool").fit_transform(rows))
    np.testing.assert_array_equal(given, EigenCAM(clf.net_, "pool").fit_transform(rows))
    frozen = clone(EigenCAM(FrozenEstimator(clf), "pool", flatten=True))
    table = make_pipeline(StandardScaler(), frozen).fit(rows).set_output(transform="default")
    assert table.transform(rows).shape == (9, 36)
    np.testing.assert_array_equal(frozen.fit(rows).transform(rows), given.reshape(9, 36))
    assert frozen.get_feature_names_out()[[0, 7]].tolist() == ["place0_0", "place1_1"]
    with pytest.raises(ValueError, match="features"):
        EigenCAM(clf, "pool").fit(rows[:, :-1])


def test_sequences_are_mapped_in_time():
    X, y = make_sequences()
    clf = SSMClassifier(d_model=5, d_state=4, n_layers=2, max_epochs=2, random_state=0)
    clf.set_params(dtype="float32").fit(X, y)
    cam = EigenCAM(clf, "blocks.1.layer", channel_axis=-1).fit(X)
    with torch.no_grad():
        u = clf.module_.blocks[0](clf.module_.encode(torch.tensor(X, dtype=torch.float32)))
        wanted = eigen_cam(clf.module_.blocks[1].layer(u).mT)
    given = cam.transform(X)
    assert given.shape == X.shape[:2]
    np.testing.assert_allclose(given, wanted, rtol=0, atol=1e-4)
    np.testing.assert_array_equal(cam.transform(Epochs(X.swapaxes(1, 2))), given)
    with pytest.raises(ValueError, match="Set size"):
        cam.transform(X[:, :20])
    cam.set_params(size=(30,)).fit(X)
    assert cam.transform(X[:, :20]).shape == (len(X), 30)


def test_tokens_are_put_back_on_their_grid(images):
    net = made(Attends)

    def grid(tokens):
        return tokens[:, 1:].unflatten(1, (4, 4))

    given = EigenCAM(net, "block", reshape=grid, channel_axis=-1).fit_transform(images)
    net.eval()
    with torch.no_grad():
        tokens = net.patch(torch.tensor(images)).flatten(2).mT
        tokens = net.block(torch.cat([tokens.mean(1, keepdim=True), tokens], dim=1))
    wanted = eigen_cam(tokens[:, 1:].mT.unflatten(2, (4, 4)))
    np.testing.assert_allclose(given, wanted, rtol=0, atol=1e-4)
    with pytest.raises(ValueError, match="returns a tuple"):
        EigenCAM(net, "recurrent").fit(images)
    hidden = EigenCAM(net, "recurrent", reshape=lambda found: found[0], channel_axis=-1)
    assert hidden.fit(images).map_shape_ == (17,)


def test_frozen_parameters_and_double_precision_serve_too(images):
    module = made().double().requires_grad_(False)
    maps = EigenCAM(module, "conv").fit_transform(torch.tensor(images))
    assert maps.dtype == np.float64
    np.testing.assert_allclose(maps, EigenCAM(module, "conv").fit_transform(images), atol=1e-12)


# --- the net is left alone ----------------------------------------------------------------------


def hooks(module):
    return sum(len(part._forward_hooks) for part in module.modules())


def test_hooks_and_modes_are_as_before_also_after_an_error(images):
    module = made().train()
    module.norm.eval()
    state = {name: value.clone() for name, value in module.state_dict().items()}
    modes = [part.training for part in module.modules()]
    cam = EigenCAM(module, "relu").fit(images)
    cam.transform(images)

    def fail(found):
        raise RuntimeError("of the user")

    with pytest.raises(RuntimeError, match="of the user"):
        EigenCAM(module, "relu", reshape=fail).fit(images)
    with pytest.raises(ValueError, match="failed on a batch of shape"):
        cam.transform(images[:, :, :4])  # too small for the last layer
    assert hooks(module) == 0
    assert [part.training for part in module.modules()] == modes
    for name, value in module.state_dict().items():  # batch statistics too
        torch.testing.assert_close(value, state[name], rtol=0, atol=0)
    assert all(parameter.grad is None for parameter in module.parameters())


def test_images_are_not_written_into(images):
    before = images.copy()

    class Writes(ConvNet):
        def forward(self, X):
            return super().forward(X.mul_(0.5))

    EigenCAM(made(Writes), "relu").fit_transform(images)
    np.testing.assert_array_equal(images, before)


def test_a_pickle_maps_alike(images):
    cam = EigenCAM(made(), "relu", size=(24, 24)).fit(images)
    again = pickle.loads(pickle.dumps(cam))
    np.testing.assert_array_equal(again.transform(images), cam.transform(images))


# --- errors -------------------------------------------------------------------------------------


def test_what_cannot_be_mapped_is_said(images):
    module = made()
    for layer, message in (
        ("convolution", r"no layer 'convolution'. Its layers: .*conv \(Conv2d\)"),
        (None, "no layer 'None'. Its layers"),
        ("last", r"shape \(1, 3\): no axis of places"),
    ):
        with pytest.raises(ValueError, match=message):
            EigenCAM(module, layer).fit(images)
    twice = torch.nn.Sequential(module.conv, module.relu, torch.nn.Conv2d(7, 1, 1), module.conv)
    with pytest.raises(ValueError, match="'0' was run 2 times"):
        EigenCAM(twice, "0").fit(images)
    with pytest.raises(NotFittedError, match="FrozenEstimator"):
        EigenCAM(DeepClassifier(OneHidden), "first").fit(images)
    with pytest.raises(TypeError, match=r"torch module or a fitted deep estimator.*NoneType"):
        EigenCAM(layer="conv").fit(images)
    with pytest.raises(ValueError, match="size"):
        EigenCAM(module, "conv", size=(4,)).fit(images)
    with pytest.raises(ValueError, match="minimum of 1"):
        EigenCAM(module, "conv").fit(torch.tensor(images[:0]))
    with pytest.raises(ValueError, match="NaN"):
        EigenCAM(module, "conv").fit(np.full_like(images, np.nan))
    with pytest.raises(NotFittedError):
        EigenCAM(module, "conv").transform(images)


# --- pictures -----------------------------------------------------------------------------------


def test_the_map_is_drawn_over_its_image(images):
    plt = pytest.importorskip("matplotlib.pyplot")
    cam = EigenCAM(made(), "pool").fit(images)
    display = EigenCAMDisplay.from_estimator(cam, images[:1])
    under, over = display.ax_.images
    np.testing.assert_array_equal(under.get_array(), images[0, 0])
    np.testing.assert_array_equal(over.get_array(), cam.transform(images[:1])[0])
    assert under.get_extent() == over.get_extent()
    colours = np.random.default_rng(0).random((SIDE, SIDE, 3))
    display = EigenCAMDisplay.from_estimator(cam, images[:1], image=colours)
    np.testing.assert_array_equal(display.ax_.images[0].get_array(), colours)
    with pytest.raises(ValueError, match="9 images"):
        EigenCAMDisplay.from_estimator(cam, images)
    plt.close("all")


def test_the_map_of_a_sequence_is_drawn_behind_it():
    plt = pytest.importorskip("matplotlib.pyplot")
    X, y = make_sequences()
    clf = SSMClassifier(d_model=5, d_state=4, n_layers=1, max_epochs=1, random_state=0).fit(X, y)
    cam = EigenCAM(clf, "blocks.0", channel_axis=-1).fit(X)
    display = EigenCAMDisplay.from_estimator(make_pipeline("passthrough", cam), X[:1])
    np.testing.assert_array_equal([line.get_ydata() for line in display.ax_.lines], X[0].T)
    np.testing.assert_array_equal(display.ax_.images[0].get_array(), cam.transform(X[:1]))
    flat = EigenCAM(clf, "blocks.0", channel_axis=-1, size=(5,), flatten=True).fit(X)
    with pytest.raises(ValueError, match="Give image"):
        EigenCAMDisplay.from_estimator(flat, X[:1])
    plt.close("all")
