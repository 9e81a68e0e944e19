r"""Stochastic gradient descent whose parameters may live on a Grassmann or Stiefel manifold.

What a parameter lives on is its class, which survives ``deepcopy``, pickling and ``.to()``, where
an attribute hung on it would be lost. Steps are those of :mod:`subspace_learn.grassmann`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

from ..linalg.grassmann import exponential, polar_retraction, tangent_projection

__all__ = ["GrassmannParameter", "ManifoldParameter", "RiemannianSGD", "StiefelParameter"]

ROUNDING = 1e-3  # largest |U^T U - I| that is put right silently; float16 is off by as much


class ManifoldParameter(torch.nn.Parameter):
    """A parameter of shape (..., d, k) with orthonormal columns that a step has to keep so."""

    def __init__(self, data: torch.Tensor, requires_grad: bool = True) -> None:
        pass  # torch.nn.Parameter takes them in __new__

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        # torch's own would come back as a plain Parameter
        return type(self), (self.data, self.requires_grad)

    @staticmethod
    def stepped(point: torch.Tensor, direction: torch.Tensor, size: float) -> torch.Tensor:
        """Point reached from ``point`` against a direction of the surrounding space."""
        raise NotImplementedError


class GrassmannParameter(ManifoldParameter):  # numpydoc ignore=PR02
    r"""Orthonormal bases of subspaces, of which only the span means anything.

    Parameters
    ----------
    data : torch.Tensor of shape (..., d, k)
        Orthonormal columns.
    requires_grad : bool, default=True
        Whether it is trained.

    See Also
    --------
    RiemannianSGD : The optimizer that keeps the columns orthonormal.

    Examples
    --------
    >>> import torch
    >>> from subspace_learn.deep import GrassmannParameter, RiemannianSGD
    >>> U = GrassmannParameter(torch.eye(3)[:, :1])
    >>> optimizer = RiemannianSGD([U], lr=0.5)
    >>> (-U[1]).sum().backward()
    >>> optimizer.step()
    >>> U.detach().flatten()  # turned by 0.5 radians towards the second axis
    tensor([0.8776, 0.4794, 0.0000])
    """

    @staticmethod
    def stepped(point: torch.Tensor, direction: torch.Tensor, size: float) -> torch.Tensor:
        """Follow the geodesic against the tangent part of ``direction``.

        Parameters
        ----------
        point : torch.Tensor of shape (..., d, k)
            Orthonormal columns.
        direction : torch.Tensor of shape (..., d, k)
            Gradient in the surrounding space.
        size : float
            Step size.

        Returns
        -------
        point : torch.Tensor of shape (..., d, k)
            Orthonormal columns.
        """
        return exponential(point, -size * tangent_projection(point, direction))


class StiefelParameter(ManifoldParameter):  # numpydoc ignore=PR02
    r"""Orthonormal columns, each of which means something: a rotation of them is another point.

    Parameters
    ----------
    data : torch.Tensor of shape (..., d, k)
        Orthonormal columns.
    requires_grad : bool, default=True
        Whether it is trained.

    See Also
    --------
    RiemannianSGD : The optimizer that keeps the columns orthonormal.

    Examples
    --------
    >>> import torch
    >>> from subspace_learn.deep import RiemannianSGD, StiefelParameter
    >>> Q = StiefelParameter(torch.eye(2))
    >>> optimizer = RiemannianSGD([Q], lr=0.5)
    >>> (-2 * Q[0, 1]).sum().backward()
    >>> optimizer.step()
    >>> bool(torch.allclose(Q.T @ Q, torch.eye(2), atol=1e-6))
    True
    """

    @staticmethod
    def stepped(point: torch.Tensor, direction: torch.Tensor, size: float) -> torch.Tensor:
        """Step against the tangent part of ``direction``, and back by the polar factor.

        The tangent part is ``D - U (U^T D + D^T U) / 2``, of the metric of the surrounding space.

        Parameters
        ----------
        point : torch.Tensor of shape (..., d, k)
            Orthonormal columns.
        direction : torch.Tensor of shape (..., d, k)
            Gradient in the surrounding space.
        size : float
            Step size.

        Returns
        -------
        point : torch.Tensor of shape (..., d, k)
            Orthonormal columns.
        """
        inner = point.mT @ direction
        tangent = direction - point @ ((inner + inner.mT) / 2)
        return polar_retraction(point, -size * tangent)


class RiemannianSGD(torch.optim.Optimizer):
    r"""Gradient descent with momentum, for manifold and ordinary parameters in one optimizer.

    The momentum ``M <- momentum M + D`` is kept in the surrounding space. Then

    - an ordinary parameter takes the step ``p <- p - lr M``, as with ``torch.optim.SGD``;
    - a :class:`GrassmannParameter` follows a geodesic, ``S <- exp_S(-lr (M - S S^T M))``;
    - a :class:`StiefelParameter` steps along the tangent part of M and is brought back by the polar
      decomposition.

    One learning rate serves all, so that one schedule does.

    Parameters
    ----------
    params : iterable of torch.nn.Parameter, or of dict
        Parameters, or groups of them with options of their own.
    lr : float, default=0.01
        Step size; on a manifold an angle in radians per unit of gradient.
    momentum : float, default=0.9
        In [0, 1).
    weight_decay : float, default=0.0
        L2 penalty of the ordinary parameters. It does nothing on a manifold, where the norm is
        the same everywhere.

    Raises
    ------
    ValueError
        If an option is out of range, or a manifold parameter has no orthonormal columns.

    See Also
    --------
    GrassmannHead : A layer with such parameters.

    Notes
    -----
    The published step takes a singular value decomposition of every d x k tangent and a QR
    factorisation at each fifth step. Here eigenvectors of its k x k Gram matrix and one
    Newton-Schulz step do for both: the columns are orthonormal after every step.

    References
    ----------
    H. Wang, Z. Li, W. Zhang, "Get the Best of Both Worlds: Improving Accuracy and Transferability
    by Grassmann Class Representation", ICCV 2023, arXiv:2308.01547. The momentum is re-projected,
    not transported, as in the authors' code.

    Examples
    --------
    >>> import torch
    >>> from subspace_learn.deep import GrassmannHead, RiemannianSGD
    >>> net = torch.nn.Sequential(torch.nn.Linear(8, 6), GrassmannHead(6, 3, subspace_dim=2))
    >>> optimizer = RiemannianSGD(net.parameters(), lr=0.1)
    >>> torch.nn.functional.cross_entropy(net(torch.randn(5, 8)), torch.arange(5) % 3).backward()
    >>> optimizer.step()
    >>> S = net[1].subspaces
    >>> bool(torch.allclose(S.mT @ S, torch.eye(2), atol=1e-6))
    True
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.01,
        *,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
    ) -> None:
        if not lr >= 0 or not 0 <= momentum < 1 or not weight_decay >= 0:
            raise ValueError(
                f"RiemannianSGD needs lr >= 0, 0 <= momentum < 1 and weight_decay >= 0, but got "
                f"lr={lr}, momentum={momentum}, weight_decay={weight_decay}."
            )
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters; those on a manifold have to start there.

        Parameters
        ----------
        param_group : dict
            With "params", and options that differ from the optimizer's.
        """
        super().add_param_group(param_group)
        for parameter in self.param_groups[-1]["params"]:
            if isinstance(parameter, ManifoldParameter):
                _put_on_manifold(parameter)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step.

        Parameters
        ----------
        closure : callable, optional
            Evaluates the loss again.

        Returns
        -------
        loss : object
            What the closure returned, else None.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group)
        return loss

    def _move(self, parameter: torch.Tensor, group: dict[str, Any]) -> None:
        on_manifold = isinstance(parameter, ManifoldParameter)
        direction = parameter.grad
        if group["weight_decay"] and not on_manifold:
            direction = direction.add(parameter, alpha=group["weight_decay"])
        if group["momentum"]:
            state = self.state[parameter]
            if "momentum_buffer" in state:
                state["momentum_buffer"].mul_(group["momentum"]).add_(direction)
            else:
                state["momentum_buffer"] = direction.clone()
            direction = state["momentum_buffer"]
        if on_manifold:
            parameter.copy_(parameter.stepped(parameter.data, direction, group["lr"]))
        else:
            parameter.add_(direction, alpha=-group["lr"])


@torch.no_grad()
def _put_on_manifold(parameter: torch.Tensor) -> None:
    """Remove rounding from the columns, as of a module that was made in another precision."""
    shape = tuple(parameter.shape)
    if parameter.ndim < 2 or not 1 <= shape[-1] <= shape[-2]:
        raise ValueError(
            f"A manifold parameter needs shape (..., d, k) with 1 <= k <= d, but has {shape}."
        )
    gram = parameter.mT @ parameter
    gap = (gram - torch.eye(shape[-1], dtype=gram.dtype, device=gram.device)).abs().max()
    if not gap <= ROUNDING:
        raise ValueError(
            f"A {type(parameter).__name__} of shape {shape} has columns that are not orthonormal: "
            f"U^T U is off the identity by {float(gap):.1e}. Start from torch.linalg.qr(A)[0]."
        )
    parameter.copy_(polar_retraction(parameter.data, torch.zeros_like(parameter.data)))
