"""Derivatives of any order, batched by torch.func, and narrow numbers through our layers."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: the deep extra is not tested")

from torch.func import functional_call, grad, jvp, stack_module_state, vmap

from subspace_learn.deep import HouseholderLinear, S4DLayer, S5Layer
from subspace_learn.deep._householder import orthonormal_columns
from subspace_learn.deep._state_space_layers import linear_scan


def layers():
    torch.manual_seed(0)
    sizes = {"d_state": 4, "dt_min": 0.05, "dt_max": 0.5, "bidirectional": True}
    return {
        "s4d": S4DLayer(3, **sizes).double(),
        "s5": S5Layer(3, **sizes).double(),
        "householder": HouseholderLinear(3, 3, 2).double(),
    }


each_layer = pytest.mark.parametrize("name", ["s4d", "s5", "householder"])


def scanned_by_a_loop(log_step, inputs):
    states = [inputs[:, 0]]
    for u in inputs[:, 1:].unbind(1):
        states.append(log_step.exp() * states[-1] + u)
    return torch.stack(states, 1)


def scan_input(dtype=torch.complex128):
    rng = torch.Generator().manual_seed(0)
    log_step = torch.complex(-torch.rand(3, generator=rng), 5 * torch.rand(3, generator=rng))
    inputs = torch.randn(2, 5, 3, dtype=torch.complex64, generator=rng)
    return log_step.to(dtype).requires_grad_(), inputs.to(dtype).requires_grad_()


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # by torch itself
def test_scan_and_its_derivatives_are_those_of_a_loop():
    given = scan_input()
    torch.testing.assert_close(linear_scan(*given), scanned_by_a_loop(*given))
    assert torch.autograd.gradcheck(linear_scan, given, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(linear_scan, given)


def test_second_derivatives_of_s5_are_those_of_a_loop(monkeypatch):
    layer = layers()["s5"]
    u = torch.randn(2, 6, 3, dtype=torch.float64)

    def curvatures():
        names, parameters = zip(*layer.named_parameters(), strict=True)
        first = torch.autograd.grad((layer(u) ** 2).sum(), parameters, create_graph=True)
        size = sum((g**2).sum() for g in first)
        return dict(zip(names, torch.autograd.grad(size, parameters), strict=True))

    found = curvatures()
    monkeypatch.setattr("subspace_learn.deep._state_space_layers.linear_scan", scanned_by_a_loop)
    for name, wanted in curvatures().items():
        # relative to the largest: sums of many terms of double precision
        torch.testing.assert_close(found[name], wanted, rtol=1e-9, atol=1e-9 * wanted.abs().max())


@each_layer
def test_gradients_of_single_samples_by_vmap_are_those_one_by_one(name):
    layer = layers()[name]
    u = torch.randn(4, 6, 3, dtype=torch.float64)
    parameters = dict(layer.named_parameters())

    def loss(parameters, u):
        return (functional_call(layer, parameters, (u[None],)) ** 2).sum()

    together = vmap(grad(loss), (None, 0))(parameters, u)
    for i in range(len(u)):
        one = torch.autograd.grad((layer(u[i : i + 1]) ** 2).sum(), list(parameters.values()))
        for key, wanted in zip(parameters, one, strict=True):
            torch.testing.assert_close(together[key][i], wanted, rtol=1e-9, atol=1e-9)


@each_layer
def test_several_nets_by_vmap_are_each_by_itself(name):
    nets = [layers()[name] for _ in range(3)]
    with torch.no_grad():
        for i, net in enumerate(nets):
            for parameter in net.parameters():
                parameter.mul_(1 + 0.1 * i)
    u = torch.randn(2, 6, 3, dtype=torch.float64)
    base = copy.deepcopy(nets[0])
    state = stack_module_state(nets)
    found = vmap(lambda p, b: functional_call(base, (p, b), (u,)))(*state)
    for net, value in zip(nets, found, strict=True):
        torch.testing.assert_close(value, net(u))


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # by torch itself
@each_layer
def test_forward_derivative_is_that_of_differences(name):
    layer = layers()[name]
    u, v = torch.randn(2, 2, 6, 3, dtype=torch.float64).unbind()
    change = jvp(layer, (u,), (v,))[1]
    torch.testing.assert_close(change, layer(u + v) - layer(u))  # linear, but for the bias


# --- 16 bits --------------------------------------------------------------------------------------

NARROW = [torch.bfloat16, torch.float16]


@each_layer
@pytest.mark.parametrize("n", [1, 40])
@pytest.mark.parametrize("dtype", NARROW)
def test_autocast_and_16_bits_are_close_to_single_precision(name, n, dtype):
    layer = layers()[name].float()
    u = torch.randn(n, 6, 3)
    wanted = layer(u)
    with torch.autocast("cpu", dtype=dtype):
        mixed = layer(u)
        again = layer(u.to(dtype))
        mixed.float().sum().backward()
    assert all(p.grad.isfinite().all() for p in layer.parameters())
    narrow = copy.deepcopy(layer).to(dtype)(u.to(dtype))
    assert narrow.dtype == dtype
    for found in (mixed, again, narrow):
        # a rounding of each factor, in units of the largest entry
        error = (found.float() - wanted).abs().max() / wanted.abs().max()
        assert error < 8 * torch.finfo(dtype).eps


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("shape", [(3, 3, None), (40, 50, 35), (50, 40, None)])
def test_isometry_of_16_bits_is_exact_to_their_rounding(dtype, shape):
    layer = HouseholderLinear(*shape).to(dtype)
    for vectors in (layer.left, layer.right):
        if vectors is not None:
            U = orthonormal_columns(vectors).double()
            eye = torch.eye(U.shape[1], dtype=torch.float64)
            assert (U.T @ U - eye).abs().max() < 2 * torch.finfo(dtype).eps
    few = torch.randn(2, shape[0], dtype=dtype)
    many = few.repeat(60, 1)
    torch.testing.assert_close(layer(many)[:2].float(), layer(few).float(), rtol=0, atol=0.1)
