"""GrassmannHead and RiemannianSGD: the sheet's formulas, and our NumPy geometry as the oracle."""

from __future__ import annotations

import copy
import io
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: the deep extra is not tested")

from pymanopt.manifolds import Stiefel

from subspace_learn.deep import GrassmannHead, GrassmannParameter, RiemannianSGD, StiefelParameter
from subspace_learn.functional.grassmann.grassmann_classifier import Labelled, objective
from subspace_learn.linalg.grassmann import (
    exponential,
    principal_angles,
    random_point,
    tangent_projection,
)

TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}


def points(rng, shape=(4,), d=9, k=3):
    return random_point(d, k, rng, shape=shape)


def defect(U):
    gram = U.detach().mT @ U.detach()
    return float((gram - torch.eye(U.shape[-1], dtype=U.dtype)).abs().max())


def descend(parameters, gradients, **options):
    """Take a step for each gradient of each parameter."""
    optimizer = RiemannianSGD(parameters, **options)
    for several in gradients:
        for parameter, gradient in zip(parameters, several, strict=True):
            parameter.grad = gradient.clone()
        optimizer.step()
    return optimizer


# --- the optimizer ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [GrassmannParameter, StiefelParameter])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_points_stay_on_the_manifold(kind, dtype, rng):
    U = kind(torch.tensor(points(rng), dtype=dtype))
    gradients = torch.tensor(rng.standard_normal((300, *U.shape)), dtype=dtype)
    descend([U], gradients[:, None], lr=0.3, momentum=0.9)
    assert defect(U) < TOLERANCE[dtype]


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_grassmann_steps_are_those_of_our_numpy_geometry(momentum, rng):
    start = points(rng)
    gradients = rng.standard_normal((5, *start.shape))
    S = GrassmannParameter(torch.tensor(start))
    descend([S], torch.tensor(gradients)[:, None], lr=0.1, momentum=momentum)
    wanted, buffer = start, np.zeros_like(start)
    for gradient in gradients:
        buffer = momentum * buffer + gradient
        wanted = exponential(wanted, -0.1 * tangent_projection(wanted, buffer))
    np.testing.assert_allclose(S.detach().numpy(), wanted, atol=1e-12)


def test_a_grassmann_step_is_the_published_one(rng):
    """S <- (S V cos(lr s) - U sin(lr s)) V^T with the thin SVD of the tangent."""
    start, D = points(rng), rng.standard_normal((4, 9, 3))
    S = GrassmannParameter(torch.tensor(start))
    descend([S], torch.tensor(D)[None, None], lr=0.2)
    U, s, Vt = np.linalg.svd(tangent_projection(start, D), full_matrices=False)
    V = Vt.transpose(0, 2, 1)
    angles = 0.2 * s[:, None, :]
    wanted = (start @ V * np.cos(angles) - U * np.sin(angles)) @ Vt
    np.testing.assert_allclose(S.detach().numpy(), wanted, atol=1e-13)
    turned = principal_angles(start, S.detach().numpy())
    np.testing.assert_allclose(turned, np.arccos(np.abs(np.cos(0.2 * s)))[:, ::-1], atol=1e-12)


def test_a_stiefel_step_is_that_of_pymanopt(rng):
    start, D = points(rng, ()), rng.standard_normal((9, 3))
    U = StiefelParameter(torch.tensor(start))
    descend([U], torch.tensor(D)[None, None], lr=0.2)
    manifold = Stiefel(9, 3, retraction="polar")
    tangent = manifold.euclidean_to_riemannian_gradient(start, D)
    wanted = manifold.retraction(start, -0.2 * tangent)
    np.testing.assert_allclose(U.detach().numpy(), wanted, atol=1e-13)


@pytest.mark.parametrize("momentum", [0.0, 0.8])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_ordinary_parameters_take_the_steps_of_torch(momentum, weight_decay, rng):
    start = torch.tensor(rng.standard_normal((4, 3)))
    gradients = torch.tensor(rng.standard_normal((6, 1, 4, 3)))
    ours, theirs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    options = {"lr": 0.1, "momentum": momentum, "weight_decay": weight_decay}
    descend([ours], gradients, **options)
    optimizer = torch.optim.SGD([theirs], **options)
    for (gradient,) in gradients:
        theirs.grad = gradient.clone()
        optimizer.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-14, atol=0)


def test_both_kinds_share_one_optimizer_and_one_schedule(rng):
    S, p = GrassmannParameter(torch.tensor(points(rng))), torch.nn.Parameter(torch.ones(2))
    optimizer = RiemannianSGD(
        [{"params": [S], "lr": 0.5}, {"params": [p], "weight_decay": 0.1}], lr=0.1
    )
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.step()  # no gradients: nothing moves
    schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.05]
    assert torch.equal(p, torch.ones(2))


def test_steps_find_a_principal_subspace(rng):
    """Minus the trace of S^T A S is least at the leading eigenvectors of A."""
    scales = np.array([5.0, 4.0, 3.0, 1.0, 0.5, 0.2])
    basis = random_point(6, 6, rng)
    A = torch.tensor(basis * scales @ basis.T)
    S = GrassmannParameter(torch.tensor(points(rng, (), 6, 3)))
    optimizer = RiemannianSGD([S], lr=0.01)
    for _ in range(400):
        optimizer.zero_grad()
        loss = optimizer.step(lambda: _backward(-torch.trace(S.mT @ A @ S)))
    assert loss.item() == pytest.approx(-12, abs=1e-9)
    assert principal_angles(S.detach().numpy(), basis[:, :3]).max() < 1e-5


def _backward(loss):
    loss.backward()
    return loss


@pytest.mark.parametrize("kind", [GrassmannParameter, StiefelParameter])
def test_a_copy_is_still_on_its_manifold(kind, rng):
    module = torch.nn.Module()
    module.point = kind(torch.tensor(points(rng)), requires_grad=False)
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    copies = [
        copy.deepcopy(module),
        pickle.loads(pickle.dumps(module)),
        torch.load(file, weights_only=False),
        copy.deepcopy(module).to(torch.float32),
    ]
    for found in copies:
        assert type(found.point) is kind
        assert not found.point.requires_grad
        assert next(found.parameters()) is found.point
        np.testing.assert_allclose(found.point.numpy(), module.point.numpy(), atol=1e-6)


def test_state_goes_on_where_it_was(rng):
    gradients = torch.tensor(rng.standard_normal((4, 1, 4, 9, 3)))
    start = torch.tensor(points(rng))
    whole, parts = GrassmannParameter(start.clone()), GrassmannParameter(start.clone())
    descend([whole], gradients, lr=0.1)
    state = descend([parts], gradients[:2], lr=0.1).state_dict()
    second = RiemannianSGD([parts], lr=0.7)
    second.load_state_dict(state)
    for (gradient,) in gradients[2:]:
        parts.grad = gradient.clone()
        second.step()
    torch.testing.assert_close(whole, parts)


def test_rounding_is_put_right_and_more_is_refused(rng):
    U = GrassmannParameter(torch.tensor(points(rng), dtype=torch.float32).double())
    assert defect(U) > 1e-9
    RiemannianSGD([U])
    assert defect(U) < 1e-14
    with pytest.raises(ValueError, match=r"not orthonormal: U\^T U is off the identity by 3"):
        RiemannianSGD([GrassmannParameter(2 * torch.eye(3))])
    with pytest.raises(ValueError, match=r"1 <= k <= d, but has \(2, 3\)"):
        RiemannianSGD([StiefelParameter(torch.ones(2, 3))])
    with pytest.raises(ValueError, match="momentum=1"):
        RiemannianSGD([U], momentum=1.0)


# --- the head -----------------------------------------------------------------------------------


@pytest.fixture
def head():
    torch.manual_seed(0)  # of this process only: the tests seed what they use
    head = GrassmannHead(9, 4, subspace_dim=3).double()
    RiemannianSGD(head.parameters())  # takes the rounding of float32 off the subspaces
    return head


def test_logits_are_those_of_the_sheet(head, rng):
    f = rng.standard_normal((20, 9))
    S = head.subspaces.detach().numpy()
    wanted = [
        [25 * np.linalg.norm(S[c].T @ row) / np.linalg.norm(row) for c in range(4)] for row in f
    ]
    np.testing.assert_allclose(head(torch.tensor(f)).detach().numpy(), wanted, rtol=1e-7)


def test_loss_and_gradient_are_those_of_the_numpy_classifier(rng):
    S, codes = points(rng), rng.integers(0, 4, 30)
    f = rng.standard_normal((30, 9))
    f /= np.linalg.norm(f, axis=1, keepdims=True)
    head = GrassmannHead(9, 4, subspace_dim=3, gamma=7.0).double()
    with torch.no_grad():
        head.subspaces.copy_(torch.tensor(S))
    loss = torch.nn.functional.cross_entropy(head(torch.tensor(f)), torch.tensor(codes))
    loss.backward()
    wanted, gradient, _ = objective(S, Labelled(f, codes, np.ones(30), 7.0, 0.0))
    assert loss.item() == pytest.approx(float(wanted), rel=1e-12)
    given = head.subspaces.grad.numpy()
    np.testing.assert_allclose(
        tangent_projection(S, given), tangent_projection(S, gradient), atol=1e-12
    )


def test_gradients_agree_with_differences(head, rng):
    f = torch.tensor(rng.standard_normal((5, 9)), requires_grad=True)
    assert torch.autograd.gradcheck(head, (f,))
    S = head.subspaces.detach().clone().requires_grad_(True)
    functional = torch.func.functional_call
    assert torch.autograd.gradcheck(lambda S: functional(head, {"subspaces": S}, (f.detach(),)), S)


def test_logits_know_neither_the_basis_nor_the_length_nor_the_sign(head, rng):
    f = torch.tensor(rng.standard_normal((20, 9)))
    wanted = head(f)
    Q = torch.tensor(random_point(3, 3, rng, shape=(4,)))
    turned = copy.deepcopy(head)
    with torch.no_grad():
        turned.subspaces.copy_(head.subspaces @ Q)
    torch.testing.assert_close(turned(f), wanted)
    torch.testing.assert_close(head(-3.7 * f), wanted)


def test_logits_lie_between_zero_and_gamma(head, rng):
    S = head.subspaces.detach()
    inside = S[1] @ torch.tensor(rng.standard_normal(3))
    assert head(inside[None])[0, 1].item() == pytest.approx(25, rel=1e-12)
    outside = torch.tensor(tangent_projection(S[1].numpy(), rng.standard_normal((9, 1))))[:, 0]
    outside.requires_grad_(True)
    logit = head(outside[None])[0, 1]
    logit.backward()
    assert logit.item() == pytest.approx(0, abs=1e-7)
    assert torch.isfinite(outside.grad).all()
    zero = torch.zeros(1, 9, dtype=torch.float64, requires_grad=True)
    head(zero).sum().backward()
    assert torch.isfinite(zero.grad).all()
    assert torch.isfinite(head.subspaces.grad).all()


def test_two_orthogonal_complements_share_the_square_of_gamma(rng):
    basis = torch.tensor(random_point(6, 6, rng))
    head = GrassmannHead(6, 2, subspace_dim=3).double()
    with torch.no_grad():
        head.subspaces.copy_(torch.stack([basis[:, :3], basis[:, 3:]]))
    logits = head(torch.tensor(rng.standard_normal((10, 6))))
    torch.testing.assert_close((logits**2).sum(1), torch.full((10,), 625.0, dtype=torch.float64))


def test_subspaces_that_are_the_whole_space_tell_nothing(rng):
    head = GrassmannHead(5, 3, subspace_dim=5)
    f = torch.tensor(rng.standard_normal((8, 5)), dtype=torch.float32)
    loss = torch.nn.functional.cross_entropy(head(f), torch.arange(8) % 3)
    assert loss.item() == pytest.approx(np.log(3), rel=1e-5)


def test_sizes_of_the_head_are_checked():
    for sizes in ((4, 3, 5), (4, 3, 0)):
        with pytest.raises(ValueError, match="must lie in"):
            GrassmannHead(*sizes)
    with pytest.raises(ValueError, match="gamma=0"):
        GrassmannHead(4, 3, 2, gamma=0)
    assert repr(GrassmannHead(4, 3, 2)) == (
        "GrassmannHead(in_features=4, n_classes=3, subspace_dim=2, gamma=25.0)"
    )
