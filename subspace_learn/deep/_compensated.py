"""EoRA in torch: the linear layers of a net compressed, each with a low-rank correction."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch

from .._base import warn
from ..functional.compression.eora import METHODS, compressed, eora_factors
from ._outputs import as_tensor, precision
from ._watching import evaluated, found_parts, rows_for, trained_module, watched

__all__ = ["CompensatedLinear", "compensated"]

Net = TypeVar("Net")


class CompensatedLinear(torch.nn.Module):
    r"""A compressed linear layer and what makes up for it.

    .. math:: y = \hat W x + B (A x) + b

    with :math:`\hat W` fixed, and B, A and b parameters that may be trained further.

    Parameters
    ----------
    compressed : torch.Tensor of shape (out_features, in_features)
        :math:`\hat W`.
    left : torch.Tensor of shape (out_features, n_components)
        B.
    right : torch.Tensor of shape (n_components, in_features)
        A.
    bias : torch.Tensor of shape (out_features,), default=None
        b; None adds nothing.

    Attributes
    ----------
    weight : torch.Tensor of shape (out_features, in_features)
        :math:`\hat W + B A`, made anew when asked for.
    errors : tuple of float
        Root mean square change of the outputs on the calibration rows, by compression and after
        the correction; () if `compensated` did not make the layer.

    See Also
    --------
    compensated : Puts such layers into a net.

    Examples
    --------
    >>> import torch
    >>> from subspace_learn.deep import CompensatedLinear
    >>> layer = CompensatedLinear(torch.zeros(2, 3), torch.ones(2, 1), torch.ones(1, 3))
    >>> layer(torch.ones(1, 3)).tolist()
    [[3.0, 3.0]]
    """

    compressed: torch.Tensor

    def __init__(
        self,
        compressed: torch.Tensor,
        left: torch.Tensor,
        right: torch.Tensor,
        bias: torch.Tensor | None = None,
    ) -> None:
        super().__init__()
        self.register_buffer("compressed", compressed.detach().clone())
        self.left, self.right = torch.nn.Parameter(left), torch.nn.Parameter(right)
        self.bias = None if bias is None else torch.nn.Parameter(bias.detach().clone())
        self.errors: tuple[float, ...] = ()

    @property
    def weight(self) -> torch.Tensor:
        """The whole matrix."""
        return self.compressed + self.left @ self.right

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Map rows.

        Parameters
        ----------
        X : torch.Tensor of shape (..., in_features)
            Rows.

        Returns
        -------
        Y : torch.Tensor of shape (..., out_features)
            Their images.
        """
        correction = X @ self.right.T @ self.left.T
        return torch.nn.functional.linear(X, self.compressed, self.bias) + correction

    def extra_repr(self) -> str:
        """What ``print`` shows between the brackets.

        Returns
        -------
        text : str
            Sizes.
        """
        n_out, n_in = self.compressed.shape
        return (
            f"in_features={n_in}, out_features={n_out}, n_components={len(self.right)}, "
            f"bias={self.bias is not None}"
        )


def compensated(
    net: Net,
    X: Any,
    *,
    n_components: int = 4,
    compressor: str | Callable[[Any], Any] = "quantize",
    bits: int = 2,
    method: str = "eora",
    calibration: str = "original",
    update_bias: bool = False,
    layers: Sequence[str] | None = None,
    batch_size: int = 256,
) -> Net:
    r"""Compress the linear layers of a net, and give back at low rank what their inputs need.

    Each ``torch.nn.Linear`` of weight W becomes a :class:`CompensatedLinear`: a cheaper
    :math:`\hat W`, and the B A of rank r with the smallest
    :math:`\sum_x \|(W - \hat W - B A) x\|^2` over its inputs x when the net is given X. No labels,
    no gradients.

    Parameters
    ----------
    net : torch.nn.Module, or fitted deep estimator
        Not changed.
    X : array or tensor of shape (n_samples, ...)
        Calibration rows, as the net takes them; tensors of whole numbers (tokens) are not cast.
    n_components : int, default=4
        Rank r of each correction; a layer with a smaller side gets that. 0 compresses only.
    compressor : {"quantize", "prune_2_4"} or callable, default="quantize"
        "quantize" rounds each row of W to 2^bits levels, "prune_2_4" zeroes the smaller two of each
        four neighbours. A callable takes W of shape (n_out, n_in) and returns its replacement.
    bits : int, default=2
        Of "quantize", at least 1.
    method : {"eora", "act", "svd"}, default="eora"
        "act" scales the columns of W by the mean sizes of the inputs, "svd" knows no inputs: the
        baselines.
    calibration : {"original", "sequential"}, default="original"
        Inputs of a layer as in the given net, or after the layers before it were replaced, which
        takes a pass for each layer.
    update_bias : bool, default=False
        Also correct the bias by the mean change, exactly; the low rank then serves what varies.
    layers : sequence of str, default=None
        Names of the layers to compress, as in ``named_modules()``. None means every
        ``torch.nn.Linear`` that is run, subclasses and parametrised ones left out.
    batch_size : int, default=256
        Rows that go through the net together.

    Returns
    -------
    net : torch.nn.Module, or fitted deep estimator
        A copy, of the kind that was given. An estimator predicts with the compressed module;
        `partial_fit`, or ``fit`` with ``warm_start``, trains corrections and biases further.

    Raises
    ------
    ValueError
        If a name is not that of a linear layer, there is none at all, an option is not known, a
        compressor returns another shape, or inputs are not finite.

    Warns
    -----
    UserWarning
        If layers are not run on X; they are left as they are.

    See Also
    --------
    subspace_learn.compression.EoRACompensator : The same for perceptrons of scikit-learn.
    subspace_learn.compression.eora_factors : The factors of one layer.

    Notes
    -----
    Only second moments of the inputs are kept, n_in^2 numbers a layer, in double precision. One
    pass over X and an eigenproblem of n_out a layer. :math:`\hat W` is stored in the precision of
    W: what is saved by its few levels has to be packed by the format that the model is stored in.

    Where it fails: as :class:`~subspace_learn.compression.EoRACompensator` does; compare with
    ``n_components=0`` and ``method="svd"``. Convolutions are not touched.

    References
    ----------
    S.-Y. Liu et al., "EoRA: Fine-tuning-free Compensation for Compressed LLM with Eigenspace
    Low-Rank Approximation", 2024, arXiv:2410.21271.

    Examples
    --------
    >>> import torch
    >>> from subspace_learn.deep import compensated
    >>> _ = torch.manual_seed(0)
    >>> net = torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.ReLU(), torch.nn.Linear(32, 4))
    >>> X = torch.randn(200, 16) * torch.linspace(0, 3, 16)
    >>> small = compensated(net, X, n_components=2)
    >>> small[0]
    CompensatedLinear(in_features=16, out_features=32, n_components=2, bias=True)
    >>> before, after = small[0].errors
    >>> after < before
    True
    """
    _check_options(n_components, method, calibration, batch_size)
    net = copy.deepcopy(net)
    module = trained_module(net, where="compensated()")
    X = rows_for(net, X, method="compensated")
    parts = _linear_layers(module, layers)

    def inputs_of(watched_parts: dict[str, torch.nn.Module]) -> dict[str, _Moments]:
        return _moments(module, watched_parts, X, batch_size, absolute=method == "act")

    moments = inputs_of(parts)
    left_out = sorted(set(parts) - set(moments))
    if left_out:
        warn(f"Not run on these rows, and so left as they are: {', '.join(left_out)}.")
    for name in list(moments):  # in the order in which they are run
        if calibration == "sequential":
            moments.update(inputs_of({name: parts[name]}))
        weight = parts[name].weight.detach()
        cheaper = compressed(weight, compressor, bits=bits)
        replacement = _replacement(
            parts[name], cheaper, moments.pop(name), n_components, method, update_bias
        )
        module = _replaced(module, parts[name], replacement)
    return _with_module(net, module)


class _Moments:
    """Running sums over the inputs of a layer, in double precision."""

    def __init__(self, n_in: int, device: torch.device, absolute: bool) -> None:
        self.absolute, self.n = absolute, 0
        self.gram = torch.zeros(n_in, n_in, dtype=torch.float64, device=device)
        self.sum, self.sizes = self.gram.new_zeros(n_in), self.gram.new_zeros(n_in)

    def add(self, inputs: torch.Tensor) -> None:
        """Take in a batch, (..., n_in)."""
        rows = inputs.detach().reshape(-1, inputs.shape[-1]).double()
        self.n += len(rows)
        self.gram += rows.T @ rows
        self.sum += rows.sum(0)
        if self.absolute:
            self.sizes += rows.abs().sum(0)


def _moments(
    module: torch.nn.Module,
    parts: dict[str, torch.nn.Module],
    X: Any,
    batch_size: int,
    *,
    absolute: bool,
) -> dict[str, _Moments]:
    """Moments of the inputs of those parts that are run, in that order."""
    device, dtype = precision(module)
    tokens = torch.is_tensor(X) and not X.is_floating_point()
    found: dict[str, _Moments] = {}
    for start in range(0, len(X), batch_size):
        rows = as_tensor(X[start : start + batch_size], device, None if tokens else dtype)
        with evaluated(module), watched(parts) as seen:
            module(rows)
        for name, runs in seen.items():
            for inputs, _ in runs:
                if name not in found:
                    found[name] = _Moments(inputs.shape[-1], inputs.device, absolute)
                found[name].add(inputs)
    broken = [name for name, each in found.items() if not bool(each.gram.isfinite().all())]
    if broken:
        raise ValueError(f"Inputs of {', '.join(broken)} are not finite on these rows.")
    return found


def _replacement(
    linear: Any,
    cheaper: torch.Tensor,
    moments: _Moments,
    n_components: int,
    method: str,
    update_bias: bool,
) -> CompensatedLinear:
    """A compressed layer, corrected."""
    weight = linear.weight.detach()
    n_components = min(n_components, *weight.shape)
    gram, mean = moments.gram / moments.n, moments.sum / moments.n
    # the change of the bias takes the mean change of the outputs away
    seen = gram - torch.outer(mean, mean) if update_bias else gram
    B, A = weight.new_zeros(len(weight), 0), weight.new_zeros(0, weight.shape[1])
    if n_components and method == "svd":
        B, A = eora_factors(weight, cheaper, n_components=n_components, method="svd")
    elif n_components:
        weighting = seen if method == "eora" else torch.diag(moments.sizes / moments.n) ** 2
        B, A = eora_factors(weight, cheaper, n_components=n_components, gram=weighting)
    missing = weight.double() - cheaper.double()
    rest = missing - B.double() @ A.double()
    bias = linear.bias
    if update_bias:
        bias = (rest @ mean).to(weight) + (0 if bias is None else bias.detach())
    layer = CompensatedLinear(cheaper, B, A, bias)
    changes = [(D @ H * D).sum().clamp(min=0).sqrt() for D, H in ((missing, gram), (rest, seen))]
    layer.errors = tuple(map(float, changes))
    return layer.train(linear.training)


def _linear_layers(module: torch.nn.Module, names: Sequence[str] | None) -> dict[str, Any]:
    found: dict[str, Any]
    if names is None:
        # a subclass may use its weight without being run, as in torch.nn.MultiheadAttention
        found = {n: part for n, part in module.named_modules() if type(part) is torch.nn.Linear}
        if not found:
            raise ValueError(f"{type(module).__name__} has no torch.nn.Linear to compress.")
        return found
    found = found_parts(module, list(names))
    others = {n: type(p).__name__ for n, p in found.items() if type(p) is not torch.nn.Linear}
    if others:
        raise ValueError(
            f"Only layers of type torch.nn.Linear can be compressed, but got {others}."
        )
    return found


def _replaced(
    module: torch.nn.Module, old: torch.nn.Module, new: torch.nn.Module
) -> torch.nn.Module:
    """The module with one part exchanged, wherever it is used; another one if it is all of it."""
    if module is old:
        return new
    for parent in list(module.modules()):
        # named_children() passes a child's second name over
        for name, child in list(parent._modules.items()):
            if child is old:
                setattr(parent, name, new)
    return module


def _with_module(net: Any, module: torch.nn.Module) -> Any:
    """The copy of a net, with this module inside; its optimizer follows the new parameters."""
    if isinstance(net, torch.nn.Module):
        return module
    inner = getattr(net, "net_", net)
    inner.module_ = inner.module = module
    inner.initialize_optimizer()
    return net


def _check_options(n_components: int, method: str, calibration: str, batch_size: int) -> None:
    if n_components < 0 or batch_size < 1:
        raise ValueError(
            f"n_components={n_components} must be 0 (no correction) or more, "
            f"batch_size={batch_size} 1 or more."
        )
    if method not in METHODS:
        raise ValueError(f"method={method!r} is not known here. Use one of {METHODS}.")
    if calibration not in ("original", "sequential"):
        raise ValueError(
            f"calibration={calibration!r} is not known here. Use 'original' or 'sequential'."
        )
