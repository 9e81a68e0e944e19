"""Layers that map sequences to sequences by diagonal linear systems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log
from typing import Any

import numpy as np
import torch

from ..functional.sequence.state_space import causal_convolution, discretized, s4d_kernel
from ..functional.sequence.state_space_init import INITIALIZATIONS, s4d_init, s5_init
from ._autocast import without_autocast

__all__ = ["S4DLayer", "S5Layer", "linear_scan"]


class Modes(torch.nn.Module):
    """Eigenvalues and steps of diagonal systems, as real parameters that cannot be unstable."""

    def __init__(
        self, shape: tuple[int, ...], steps: tuple[int, ...], dt_min: float, dt_max: float
    ) -> None:
        super().__init__()
        if not 0 < dt_min <= dt_max:
            raise ValueError(
                f"dt_min={dt_min} and dt_max={dt_max} must be positive, the first not larger."
            )
        self.range = dt_min, dt_max
        self.log_decay = torch.nn.Parameter(torch.empty(shape))
        self.frequency = torch.nn.Parameter(torch.empty(shape))
        self.log_dt = torch.nn.Parameter(torch.empty(steps))

    @torch.no_grad()
    def reset(self, eigenvalues: np.ndarray) -> None:
        """Take these eigenvalues for every system, and draw steps."""
        self.log_decay.copy_(torch.from_numpy(np.log(-eigenvalues.real)))
        self.frequency.copy_(torch.from_numpy(eigenvalues.imag))
        self.log_dt.uniform_(*map(log, self.range))

    def forward(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Eigenvalues and steps in double precision: phases reach 1e4, too many for float32."""
        decay = self.log_decay.double().exp()
        return torch.complex(-decay, self.frequency.double()), self.log_dt.double().exp()


class S4DLayer(torch.nn.Module):
    r"""One diagonal state space model for each channel of a sequence.

    Channel h of the input u gives

    .. math:: x' = \Lambda x + 1 u_h, \quad y_h = 2 \Re(C_h x) + D_h u_h

    sampled at steps of :math:`\Delta_h` with u held between samples. Its kernel
    :math:`K_l = 2 \Re \sum_n C_n (e^{\Delta\lambda_n} - 1) \lambda_n^{-1} e^{l\Delta\lambda_n}` is
    convolved with the input by FFT. Real parts are :math:`-e^{\text{log_decay}}`, below 0 whatever
    training does.

    Parameters
    ----------
    d_model : int
        Number H of channels.
    d_state : int, default=32
        State size N of each channel, even; N / 2 complex modes are stored.
    init : {"legs", "lin", "inv", "ptd"}, default="legs"
        Where the modes start. "legs": normal part of the scaled Legendre memory. "ptd": the whole
        memory, perturbed and then diagonalised. "lin", "inv": formulas that resemble the first.
        See :func:`~subspace_learn.sequence.diagonal_init`.
    eps : float, default=0.1
        Norm of the perturbation of "ptd".
    dt_min, dt_max : float, default=1e-3, 1e-1
        Steps are drawn between them, uniformly in the logarithm: a channel remembers about
        1 / dt samples. Frequencies are in units of 1 / dt.
    bidirectional : bool, default=False
        Whether a second readout runs over the reversed sequence: y is then not causal.

    Attributes
    ----------
    modes : torch.nn.Module
        Holds ``log_decay`` and ``frequency``, (d_model, d_state / 2), and ``log_dt``, (d_model, 1).
        Train them at a smaller rate than the rest, and without weight decay.
    C : Parameter of shape (n_directions, d_model, d_state / 2, 2)
        Readouts, real and imaginary parts.
    D : Parameter of shape (d_model,)
        What goes straight through.

    Raises
    ------
    ValueError
        If d_state is odd, init is not known, the steps are not positive, or no stable perturbation
        without real eigenvalues was found (for d_state below 4, or a very small eps).

    See Also
    --------
    S5Layer : One system for all channels.
    SSMClassifier : Stacks these layers.
    subspace_learn.sequence.s4d_kernel : The kernel, without torch.

    Notes
    -----
    Costs O(B H L log L) for B sequences of length L and O(H N L) flops for the kernel, once for a
    batch and in double precision: the phases :math:`l \Delta \Im\lambda` reach 1e4, of which
    float32 would keep three digits. The input vector of each system is 1: it enters only by its
    product with C. Unlike the reference code, real parts are not clipped.

    With "legs" a channel has a spike in its frequency response near :math:`N^2 / (\pi \Delta)`
    (radians per sample: :math:`\Delta N^2 / \pi`, if that is below :math:`\pi`); "ptd" has none, at
    the price of a C of size 1e4 (N = 32) whose terms cancel.

    References
    ----------
    A. Gu, A. Gupta, K. Goel, C. Re, "On the Parameterization and Initialization of Diagonal State
    Space Models", NeurIPS 2022, arXiv:2206.11893, section 3.

    A. Yu, A. Nigmetov, D. Morozov, M. W. Mahoney, N. B. Erichson, "Robustifying State-space Models
    for Long Sequences via Approximate Diagonalization", ICLR 2024, arXiv:2310.01698, section 3.

    Examples
    --------
    >>> import torch
    >>> from subspace_learn.deep import S4DLayer
    >>> layer = S4DLayer(d_model=4, d_state=16)
    >>> layer(torch.zeros(2, 100, 4)).shape
    torch.Size([2, 100, 4])
    """

    def __init__(
        self,
        d_model: int,
        d_state: int = 32,
        *,
        init: str = "legs",
        eps: float = 0.1,
        dt_min: float = 1e-3,
        dt_max: float = 1e-1,
        bidirectional: bool = False,
    ) -> None:
        super().__init__()
        self.d_model, self.d_state = d_model, d_state
        _check_options(d_state, init)
        self.init, self.eps, self.bidirectional = init, eps, bidirectional
        self.modes = Modes((d_model, d_state // 2), (d_model, 1), dt_min, dt_max)
        self.C = torch.nn.Parameter(torch.empty(1 + bidirectional, d_model, d_state // 2, 2))
        self.D = torch.nn.Parameter(torch.empty(d_model))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw all parameters, by torch's generator."""
        n_systems = self.C.shape[0] * self.d_model
        values, C = s4d_init(n_systems, self.d_state, self.init, eps=self.eps, rng=_generator())
        self.modes.reset(values)
        self.C.copy_(_pairs(C).reshape(self.C.shape))
        self.D.normal_()

    def kernel(self, length: int) -> torch.Tensor:
        """Taps of the convolution.

        Parameters
        ----------
        length : int
            Their number, at least 1.

        Returns
        -------
        kernel : torch.Tensor of shape (n_directions, d_model, length)
            In float64, without D.
        """
        values, dt = self.modes()
        C = torch.view_as_complex(self.C.double())
        return s4d_kernel(values, torch.ones_like(values), C, dt, length)

    def forward(self, u: torch.Tensor) -> torch.Tensor:
        """Map sequences.

        Parameters
        ----------
        u : torch.Tensor of shape (n_sequences, length, d_model)
            Inputs; before them all was 0.

        Returns
        -------
        y : torch.Tensor of shape (n_sequences, length, d_model)
            Outputs. ``y[:, k]`` depends on ``u[:, :k + 1]`` alone, unless ``bidirectional``.
        """
        _check_input(self, u)
        wide = _wide(u)
        signal = u.to(wide).transpose(1, 2)
        kernel = self.kernel(u.shape[1]).to(wide)
        y = causal_convolution(signal, kernel[0])
        if self.bidirectional:
            y = y + causal_convolution(signal.flip(2), kernel[1]).flip(2)
        return (y.transpose(1, 2) + self.D * u).to(u.dtype)

    def extra_repr(self) -> str:
        """What ``print`` shows between the brackets.

        Returns
        -------
        text : str
            Sizes and initialisation.
        """
        return _described(self)


class S5Layer(torch.nn.Module):
    r"""One diagonal state space model for all channels of a sequence.

    .. math:: x' = \Lambda x + B u, \quad y = 2 \Re(C x) + D u

    with N / 2 complex modes, each with a step of its own, and u held between samples. The states of
    all times are found by a parallel scan.

    Parameters
    ----------
    d_model : int
        Number H of channels.
    d_state : int, default=32
        State size N, even; N / 2 complex modes are stored.
    init : {"legs", "lin", "inv", "ptd"}, default="legs"
        Where the modes start, as for :class:`S4DLayer`; B and C are normal in the basis of the
        memory.
    eps : float, default=0.1
        Norm of the perturbation of "ptd".
    dt_min, dt_max : float, default=1e-3, 1e-1
        Steps of the modes are drawn between them, uniformly in the logarithm. With "ptd" all start
        at the geometric mean: its modes nearly cancel, which different steps would undo.
    bidirectional : bool, default=False
        Whether a second readout runs over the reversed sequence: y is then not causal.

    Attributes
    ----------
    modes : torch.nn.Module
        Holds ``log_decay``, ``frequency`` and ``log_dt``, each (d_state / 2,). Train them and B at
        a smaller rate than the rest, and without weight decay.
    B : Parameter of shape (d_state / 2, d_model, 2)
        Inputs, real and imaginary parts; rows of length 1 at first.
    C : Parameter of shape (n_directions, d_model, d_state / 2, 2)
        Outputs, real and imaginary parts.
    D : Parameter of shape (d_model,)
        What goes straight through.

    Raises
    ------
    ValueError
        As for :class:`S4DLayer`.

    See Also
    --------
    S4DLayer : One system for each channel.
    SSMClassifier : Stacks these layers.

    Notes
    -----
    Costs O(B L N H) flops for the products with B and C and O(B L N log L) for the scan, which
    doubles the reach of the states in each of its log2(L) passes: since the eigenvalues do not
    change in time, :math:`x \leftarrow x + e^{2^j \Delta\lambda} S^{2^j} x` with the shift S is
    all. A loop over time would need fewer flops and L times the calls. Memory is O(B L N) also in
    training: the gradient is another scan, backwards.

    References
    ----------
    J. T. H. Smith, A. Warrington, S. W. Linderman, "Simplified State Space Layers for Sequence
    Modeling", ICLR 2023, arXiv:2208.04933, section 3.

    A. Yu, A. Nigmetov, D. Morozov, M. W. Mahoney, N. B. Erichson, "Robustifying State-space Models
    for Long Sequences via Approximate Diagonalization", ICLR 2024, arXiv:2310.01698, section 3.

    Examples
    --------
    >>> import torch
    >>> from subspace_learn.deep import S5Layer
    >>> layer = S5Layer(d_model=4, d_state=16, init="ptd")
    >>> layer(torch.zeros(2, 100, 4)).shape
    torch.Size([2, 100, 4])
    """

    def __init__(
        self,
        d_model: int,
        d_state: int = 32,
        *,
        init: str = "legs",
        eps: float = 0.1,
        dt_min: float = 1e-3,
        dt_max: float = 1e-1,
        bidirectional: bool = False,
    ) -> None:
        super().__init__()
        self.d_model, self.d_state = d_model, d_state
        _check_options(d_state, init)
        self.init, self.eps, self.bidirectional = init, eps, bidirectional
        n_modes = d_state // 2
        self.modes = Modes((n_modes,), (n_modes,), dt_min, dt_max)
        self.B = torch.nn.Parameter(torch.empty(n_modes, d_model, 2))
        self.C = torch.nn.Parameter(torch.empty(1 + bidirectional, d_model, n_modes, 2))
        self.D = torch.nn.Parameter(torch.empty(d_model))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw all parameters, by torch's generator."""
        rng = _generator()
        values, B, C = s5_init(self.d_model, self.d_state, self.init, eps=self.eps, rng=rng)
        self.modes.reset(values)
        if self.init == "ptd":
            self.modes.log_dt.fill_(sum(map(log, self.modes.range)) / 2)
        self.B.copy_(_pairs(B))
        self.C.copy_(_pairs(C))  # both directions alike at first
        self.D.normal_()

    def forward(self, u: torch.Tensor) -> torch.Tensor:
        """Map sequences.

        Parameters
        ----------
        u : torch.Tensor of shape (n_sequences, length, d_model)
            Inputs; before them all was 0.

        Returns
        -------
        y : torch.Tensor of shape (n_sequences, length, d_model)
            Outputs. ``y[:, k]`` depends on ``u[:, :k + 1]`` alone, unless ``bidirectional``.
        """
        _check_input(self, u)
        with without_autocast(u.device):  # there are no complex numbers in it
            return self._mapped(u.to(_wide(u))).to(u.dtype)

    def _mapped(self, u: torch.Tensor) -> torch.Tensor:
        values, dt = self.modes()
        B = discretized(values[:, None], torch.view_as_complex(self.B.double()), dt[:, None])[1]
        # complex products as real ones, parts side by side
        inputs = u @ torch.view_as_real(B).permute(1, 0, 2).flatten(1).to(u.dtype)
        inputs = torch.view_as_complex(inputs.unflatten(2, (-1, 2)))
        outputs = 2 * self.C * self.C.new_tensor([1.0, -1.0])
        outputs = outputs.flatten(2).transpose(1, 2).to(u.dtype)
        log_step = dt * values
        y = torch.view_as_real(linear_scan(log_step, inputs)).flatten(2) @ outputs[0]
        if self.bidirectional:
            back = linear_scan(log_step, inputs.flip(1)).flip(1)
            y = y + torch.view_as_real(back).flatten(2) @ outputs[1]
        return y + self.D * u

    def extra_repr(self) -> str:
        """What ``print`` shows between the brackets.

        Returns
        -------
        text : str
            Sizes and initialisation.
        """
        return _described(self)


class _Scan(torch.autograd.Function):
    """States of a recurrence, and its derivatives by scans too: of any order, and batched."""

    @staticmethod
    def forward(log_step: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        return _doubled(log_step, inputs)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[torch.Tensor, torch.Tensor], output: Any) -> None:
        ctx.save_for_backward(inputs[0], output)
        ctx.save_for_forward(inputs[0], output)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        log_step, states = ctx.saved_tensors
        back = linear_scan(log_step.conj(), grad.flip(-2)).flip(-2)
        slope = (states[..., :-1, :].conj() * back[..., 1:, :]).sum((-3, -2))
        return slope.to(log_step.dtype) * log_step.conj().exp(), back

    @staticmethod
    def jvp(ctx: Any, log_slope: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
        log_step, states = ctx.saved_tensors
        growth = (log_slope * log_step.exp())[..., None, None, :].to(states.dtype)
        before = torch.nn.functional.pad(states[..., :-1, :], (0, 0, 1, 0))
        return linear_scan(log_step, slope + growth * before)

    @staticmethod
    def vmap(
        info: Any, in_dims: Sequence[int | None], log_step: torch.Tensor, inputs: torch.Tensor
    ) -> tuple[torch.Tensor, int]:
        given = zip((log_step, inputs), in_dims, strict=True)
        parts = (
            part.expand(info.batch_size, *part.shape) if dim is None else part.movedim(dim, 0)
            for part, dim in given
        )
        return linear_scan(*parts), 0


linear_scan: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = _Scan.apply
r"""States :math:`x_k = e^z x_{k-1} + u_k` of all times; ``linear_scan(z, u)``.

z complex, (..., n_modes), u complex, (..., n_sequences, length, n_modes), as the states.
"""


def _doubled(log_step: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    """After pass j a state has taken in the last 2**j inputs."""
    states, reach = inputs.clone(memory_format=torch.contiguous_format), 1
    while reach < states.shape[-2]:
        decay = torch.exp(reach * log_step)[..., None, None, :].to(states.dtype)
        states[..., reach:, :] += states[..., :-reach, :] * decay
        reach *= 2
    return states


def _wide(u: torch.Tensor) -> torch.dtype:
    """A width in which there are FFTs and complex numbers."""
    return torch.promote_types(u.dtype, torch.float32)


def _check_options(d_state: int, init: str) -> None:
    if d_state < 2 or d_state % 2:
        raise ValueError(f"d_state={d_state} must be even and at least 2: modes come in pairs.")
    if init not in INITIALIZATIONS:
        raise ValueError(f"init={init!r} is not known here. Use one of {INITIALIZATIONS}.")


def _check_input(layer: S4DLayer | S5Layer, u: torch.Tensor) -> None:
    """Refuse what would be broadcast, or is no sequence."""
    if u.ndim != 3 or u.shape[2] != layer.d_model or 0 in u.shape:
        raise ValueError(
            f"{type(layer).__name__} maps sequences (n_sequences, length, d_model) with "
            f"d_model={layer.d_model}, at least one of at least one sample, but was given a tensor "
            f"of shape {tuple(u.shape)}."
        )


def _generator() -> np.random.Generator:
    """A generator of NumPy's, seeded by torch's."""
    return np.random.default_rng(int(torch.randint(2**62, ())))


def _pairs(values: np.ndarray) -> torch.Tensor:
    """Complex numbers as pairs, which optimizers, ``.to`` and pickles treat like any others."""
    return torch.view_as_real(torch.from_numpy(np.ascontiguousarray(values)))


def _described(layer: S4DLayer | S5Layer) -> str:
    return (
        f"d_model={layer.d_model}, d_state={layer.d_state}, init={layer.init!r}, "
        f"bidirectional={layer.bidirectional}"
    )
