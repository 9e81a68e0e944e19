"""State space layers and the classifier made of them."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: the deep extra is not tested")

from sklearn.base import clone

from subspace_learn.deep import S4DLayer, S5Layer, SSMClassifier
from subspace_learn.deep._state_space_layers import linear_scan
from subspace_learn.functional.sequence.state_space import s4d_kernel, s4d_recurrence
from tests.common_checks.sequences import Epochs, make_sequences

INITS = ("legs", "lin", "inv", "ptd")
BATCH, LENGTH, WIDTH, STATE = 3, 40, 4, 16
LAYERS = [S4DLayer, S5Layer]
each_layer = pytest.mark.parametrize("cls", LAYERS, ids=lambda cls: cls.__name__)


def made(cls, dtype=torch.float64, seed=0, **options):
    torch.manual_seed(seed)
    return cls(WIDTH, STATE, **options).to(dtype)


def sequences(dtype=torch.float64, seed=1, length=LENGTH):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(BATCH, length, WIDTH, generator=generator, dtype=torch.float64).to(dtype)


def numbers(parameter):
    """Complex values of a parameter that stores pairs."""
    pairs = parameter.detach().double().numpy()
    return pairs[..., 0] + 1j * pairs[..., 1]


def model_of(layer):
    """Eigenvalues and steps as NumPy arrays."""
    values, dt = layer.modes()
    return values.detach().numpy(), dt.detach().numpy()


# --- oracles ------------------------------------------------------------------------------------


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_kernel_is_that_of_numpy(init, dtype):
    """Both in double: float32 rounds the parameters, which both read, and then the result."""
    layer = made(S4DLayer, dtype, init=init)
    values, dt = model_of(layer)
    wanted = s4d_kernel(values, np.ones_like(values), numbers(layer.C)[0], dt, 500)
    given = layer.kernel(500)[0].detach()
    # terms of ptd are some 1e3 times their sum
    tol = 1e-12 if init != "ptd" else 1e-10
    np.testing.assert_allclose(given, wanted, rtol=0, atol=tol * np.abs(wanted).max())
    cast = given.to(dtype).double()
    tol = tol if dtype == torch.float64 else 1e-6
    np.testing.assert_allclose(cast, wanted, rtol=0, atol=tol * np.abs(wanted).max())


@pytest.mark.parametrize("init", INITS)
def test_convolution_is_the_recurrence(init):
    layer, u = made(S4DLayer, init=init), sequences()
    values, dt = model_of(layer)
    y = layer(u).detach().numpy() - layer.D.detach().numpy() * u.numpy()
    for h in range(WIDTH):
        system = values[h], np.ones(STATE // 2), numbers(layer.C)[0, h], dt[h, 0]
        for b in range(BATCH):
            wanted = s4d_recurrence(*system, u[b, :, h].numpy())
            size = np.abs(system[2]).max()
            np.testing.assert_allclose(y[b, :, h], wanted, rtol=0, atol=1e-13 * LENGTH * size)


@pytest.mark.parametrize("init", INITS)
def test_s5_is_its_recurrence(init):
    layer, u = made(S5Layer, init=init), sequences()
    values, dt = model_of(layer)
    B, C = numbers(layer.B), numbers(layer.C)[0]
    decay = np.exp(dt * values)
    enter = ((decay - 1) / values)[:, None] * B
    x = np.zeros((BATCH, STATE // 2), dtype=complex)
    y = layer(u).detach().numpy()
    for k in range(LENGTH):
        x = decay * x + u[:, k].numpy() @ enter.T
        wanted = 2 * (x @ C.T).real + layer.D.detach().numpy() * u[:, k].numpy()
        np.testing.assert_allclose(y[:, k], wanted, rtol=0, atol=1e-11 * np.abs(C).max())


def test_one_channel_of_s5_is_s4d():
    """A system of one input and output, with the same modes, steps and product of B and C."""
    torch.manual_seed(0)
    a, b = S4DLayer(1, STATE).double(), S5Layer(1, STATE).double()
    with torch.no_grad():
        for name, value in b.modes.named_parameters():
            value.copy_(a.modes.get_parameter(name)[0])
        ratio = torch.view_as_complex(a.C[0, 0]) / torch.view_as_complex(b.B[:, 0])
        b.C[0, 0] = torch.view_as_real(ratio)
        b.D.copy_(a.D)
    u = sequences()[:, :, :1]
    torch.testing.assert_close(a(u), b(u), rtol=0, atol=1e-12)


def test_float32_holds_to_its_own_rounding():
    for cls in LAYERS:
        for init in ("legs", "lin"):
            layer, u = made(cls, torch.float32, init=init), sequences(torch.float32)
            exact = copy.deepcopy(layer).double()(u.double())
            # sums of 40 terms of 6e-8 each
            gap = (layer(u).double() - exact).abs().max()
            assert gap <= 40 * 6e-8 * exact.abs().max()


def test_modes_of_a_memory_share_their_step():
    """They nearly cancel; modes of a normal matrix need not."""
    assert made(S5Layer, init="ptd").modes.log_dt.unique().item() == pytest.approx(np.log(0.01))
    assert len(made(S5Layer, init="legs").modes.log_dt.unique()) == STATE // 2


# --- laws ---------------------------------------------------------------------------------------


@each_layer
def test_output_does_not_depend_on_later_input(cls):
    layer, u = made(cls), sequences()
    changed = u.clone()
    changed[:, 25:] += 1
    y, other = layer(u), layer(changed)
    torch.testing.assert_close(y[:, :25], other[:, :25], rtol=0, atol=1e-12)
    assert (y[:, 25:] - other[:, 25:]).abs().max() > 0.1


@each_layer
def test_a_delayed_input_gives_the_delayed_output(cls):
    layer, u = made(cls), sequences()
    delayed = torch.cat([torch.zeros_like(u[:, :7]), u[:, :-7]], dim=1)
    wanted = torch.cat([torch.zeros_like(u[:, :7]), layer(u)[:, :-7]], dim=1)
    torch.testing.assert_close(layer(delayed), wanted, rtol=0, atol=1e-12)


@each_layer
def test_a_layer_is_linear_in_its_input(cls):
    layer, u, v = made(cls), sequences(), sequences(seed=2)
    torch.testing.assert_close(layer(2 * u - v), 2 * layer(u) - layer(v), rtol=0, atol=1e-11)


@each_layer
def test_two_directions_alike_commute_with_reversal(cls):
    layer, u = made(cls, bidirectional=True), sequences()
    with torch.no_grad():
        layer.C[1] = layer.C[0]
    torch.testing.assert_close(layer(u.flip(1)), layer(u).flip(1), rtol=0, atol=1e-11)


@each_layer
def test_a_finer_step_of_a_slower_input_changes_little(cls):
    """Steps are times: half the step and each sample given twice is the same held input."""
    layer, u = made(cls, init="lin"), sequences()
    y = layer(u)
    with torch.no_grad():
        layer.modes.log_dt -= np.log(2)
    torch.testing.assert_close(layer(u.repeat_interleave(2, 1))[:, 1::2], y, rtol=0, atol=1e-11)


# --- gradients and training -----------------------------------------------------------------------


@each_layer
@pytest.mark.parametrize("bidirectional", [False, True])
def test_gradients_are_those_of_finite_differences(cls, bidirectional):
    torch.manual_seed(0)
    layer = cls(2, 4, init="lin", dt_min=0.05, dt_max=0.2, bidirectional=bidirectional).double()
    u = torch.randn(2, 7, 2, dtype=torch.float64, requires_grad=True)
    names, values = zip(*layer.named_parameters(), strict=True)

    def call(u, *values):
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (u,))

    assert torch.autograd.gradcheck(call, (u, *values))


def test_the_scan_of_one_time_is_its_input():
    z, u = torch.tensor([-0.1 + 1j]), torch.randn(2, 1, 1, dtype=torch.complex64)
    torch.testing.assert_close(linear_scan(z, u), u)


@pytest.mark.parametrize("layer", ["s4d", "s5"])
def test_modes_stay_stable_under_steps_that_are_too_long(layer):
    X, y = make_sequences()
    clf = SSMClassifier(
        layer, d_model=4, d_state=8, n_layers=1, lr=0.3, state_lr=1.0, max_epochs=15, random_state=0
    ).fit(X, y)
    values, dt = clf.module_.blocks[0].layer.modes()
    assert (values.real < 0).all()
    assert (dt > 0).all()
    assert np.isfinite(clf.predict_proba(X)).all()


def test_modes_have_their_own_rate_and_no_decay():
    X, y = make_sequences()
    clf = SSMClassifier(d_model=4, d_state=8, max_epochs=1, weight_decay=0.1, random_state=0)
    still = clone(clf).set_params(state_lr=0.0).fit(X, y)
    moved = clf.fit(X, y)
    start = SSMClassifier(d_model=4, d_state=8, max_epochs=1, lr=1e-12, state_lr=0, random_state=0)
    start.fit(X, y)

    def modes(model):
        return model.module_.blocks[1].layer.modes

    for name, value in modes(start).named_parameters():
        torch.testing.assert_close(modes(still).get_parameter(name), value, rtol=0, atol=0)
        # one step of Adam moves each number by its rate
        gap = (modes(moved).get_parameter(name) - value).abs().max()
        assert gap.item() == pytest.approx(1e-3, rel=1e-2)
    again = clone(still).set_params(warm_start=True, max_epochs=1).fit(X, y)
    again.set_params(state_lr=0.0, lr=0.02).fit(X, y)
    rates = [group["lr"] for group in again.net_.optimizer_.param_groups]
    assert rates == [0.0, 0.02]
    decays = [group["weight_decay"] for group in again.net_.optimizer_.param_groups]
    assert decays == [0.0, 0.1]


@pytest.mark.parametrize("layer", ["s4d", "s5"])
@pytest.mark.parametrize("init", INITS)
def test_frequencies_are_told_apart_from_every_start(layer, init):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 120)
    rate = np.where(y, 0.5, 0.7)[:, None, None]
    X = np.sin(rate * np.arange(40)[:, None] + rng.uniform(0, 6, (120, 1, 2)))
    sizes = {"d_model": 8, "d_state": 16, "dt_min": 0.02, "dt_max": 0.5}
    clf = SSMClassifier(layer, init=init, **sizes, max_epochs=25, random_state=0)
    assert clf.fit(X[:80], y[:80]).score(X[80:], y[80:]) >= 0.9


# --- the rest -------------------------------------------------------------------------------------


@each_layer
def test_layers_are_pickled_copied_and_described(cls):
    layer, u = made(cls, init="ptd"), sequences()
    for copied in (pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer)):
        torch.testing.assert_close(copied(u), layer(u), rtol=0, atol=0)
    assert "init='ptd'" in repr(layer)
    assert {p.dtype for p in layer.parameters()} == {torch.float64}  # nothing is left complex


@each_layer
def test_the_same_seed_draws_the_same_layer(cls):
    a, b, other = made(cls, init="ptd"), made(cls, init="ptd"), made(cls, init="ptd", seed=1)
    torch.testing.assert_close(a.C, b.C, rtol=0, atol=0)
    assert not torch.equal(a.C, other.C)


@each_layer
@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"init": "hippo"}, "Use one of"),
        ({"dt_min": 0.0}, "positive"),
        ({"dt_min": 0.2, "dt_max": 0.1}, "not larger"),
        ({"d_state": 7}, "even"),
        ({"d_state": 0}, "even"),
        ({"d_state": 8, "init": "ptd", "eps": 1e6}, "smaller eps"),
        ({"d_state": 2, "init": "ptd"}, "real eigenvalue"),
    ],
)
def test_what_a_layer_cannot_be_is_said(cls, options, match):
    with pytest.raises(ValueError, match=match):
        cls(3, **options)


def test_real_epochs_of_mne_come_in_the_right_way_round():
    mne = pytest.importorskip("mne", reason="mne is not installed")
    X, y = make_sequences()
    info = mne.create_info(X.shape[2], 100.0, "eeg")
    epochs = mne.EpochsArray(X.swapaxes(1, 2), info, verbose=False)
    clf = SSMClassifier(d_model=4, d_state=4, max_epochs=2, random_state=0)
    wanted = clone(clf).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(clf.fit(epochs, y).predict_proba(epochs), wanted)
    assert clf.n_channels_ == X.shape[2]
    with pytest.raises(ValueError, match="channels"):
        clf.predict(Epochs(X))


def test_long_sequences_are_predicted_in_parts():
    """8192 rows go at once through a module; of sequences each time counts as one."""
    X, y = make_sequences()
    clf = SSMClassifier(d_model=4, d_state=4, max_epochs=1, random_state=0).fit(X, y)
    seen = []
    clf.module_.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].shape))
    long = np.tile(X, (1, 100, 1))
    assert clf.predict_proba(long).shape == (24, 2)
    assert max(shape[0] * shape[1] for shape in seen) <= 8192
    assert sum(shape[0] for shape in seen) == 24


@pytest.mark.parametrize("layer", [S4DLayer, S5Layer])
@pytest.mark.parametrize("shape", [(2, 9, 1), (2, 9, 4), (9, 3), (2, 0, 3)])
def test_what_is_no_sequence_of_the_channels_of_the_layer_is_refused(layer, shape):
    with pytest.raises(ValueError, match=r"d_model=3, .* of shape \(" + str(shape[0])):
        layer(3, 8)(torch.ones(shape))


def test_a_channel_in_another_unit_is_warned_of(rng):
    X, labels = 3 * rng.standard_normal((12, 20, 3)), np.arange(12) % 2
    clf = SSMClassifier(max_epochs=1, random_state=0)
    with pytest.warns(UserWarning, match="Channel 2 of X has a root mean square of .*1 of 3 here"):
        clf.fit(X * [1.0, 0.5, 1e-6], labels)
    X[:, :, 1] = 0.0  # a dead one is in no unit
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf.fit(X, labels)
