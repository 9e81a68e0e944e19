r"""The linear system behind self-calibration, with columns of unit length.

``y_l = d A_l x_l`` for sensors with unknown gains d is bilinear in (d, x). With s = 1/d it is
linear and homogeneous, ``y_l s - A_l x_l = 0`` for l = 1, ..., p, or ``T z = 0`` for z = (s, x):

.. math:: T = \begin{pmatrix} \operatorname{diag}(y_1) & -A_1 \\ \vdots & \vdots \\
          \operatorname{diag}(y_p) & -A_p \end{pmatrix}

with the x-part block diagonal where each snapshot has a signal of its own. Solvers see ``T C^-1``
with C the lengths of the columns: without it LSQR takes many times more steps, and the smallest
singular vector favours the block of the smaller scale.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np

from ...._array import Array, array_namespace, conj, is_complex, move_like
from ..sensing import SensingStack

__all__ = [
    "BalancedSystem",
    "CalibrationOptions",
    "Spectrum",
    "normalised",
    "random_block",
    "solution",
]


class CalibrationOptions(NamedTuple):
    """What is asked of a calibration, checked against the measurements."""

    method: str = "ls"
    """"ls" or "svd"."""
    solver: str = "schur"
    """"schur" or "lsqr"."""
    shared_signal: bool = False
    """Whether all snapshots measure one signal."""
    normalization: Array | None = None
    """w of ``w^H s = 1``, (m,); None with method "svd" means unit mean of ``|s|^2``."""
    gain_basis: Array | None = None
    """B of ``d = B h``, (m, k)."""
    loss: str = "squared"
    """"squared", or "robust" against outliers."""
    sparsity: float = 0.0
    """Weight of ``sum |x|``, as a share of ``max |A^H y|``."""
    refine: int = 0
    """Alternating steps on the true misfit."""
    damp: float = 0.0
    """Weight of ``|x|``, relative to the columns of the system."""
    tol: float = 1e-10
    """Where iterations stop."""
    max_iter: int = 1000
    """Most steps of one run of LSQR."""


class Spectrum(NamedTuple):
    """The small end of the singular values of a balanced system."""

    values: np.ndarray
    """The smallest few, ascending."""
    null_dim: int
    """Dimension of the space of solutions, the one scalar that is never known included: 1 is
    good."""

    @property
    def ratio(self) -> float:
        """The second value over the first: below about 2 the solution is one of many directions."""
        first, second = self.values[0], self.values[min(1, len(self.values) - 1)]
        # what is below rounding tells nothing, and two zeros are no answer
        return float(second / max(first, 1e-15)) if self.null_dim == 1 else 1.0


class Solver(Protocol):
    """What a way of solving the system offers."""

    n_iter: int
    """Steps of an iterative solver so far, 1 for a direct one."""
    converged: bool
    """Whether every iteration so far reached its tolerance."""

    def constrained(self, w: Array) -> Array:
        """Return a multiple of ``argmin |T z|`` over ``w^H s = 1``.

        Parameters
        ----------
        w : array of shape (n_sensors,)
            Normalisation in balanced units.

        Returns
        -------
        z : array of shape (n_unknowns,)
            Balanced unknowns.
        """

    def smallest(self) -> Array:
        """Return the right singular vector of T with the smallest singular value.

        Returns
        -------
        z : array of shape (n_unknowns,)
            Unit length.
        """

    def spectrum(self, z: Array) -> Spectrum:
        """Return the small end of the singular values.

        Parameters
        ----------
        z : array of shape (n_unknowns,)
            The solution, from which an iterative solver starts.

        Returns
        -------
        spectrum : Spectrum
            Without penalties, if the system has none.
        """


class BalancedSystem:
    """``T C^-1`` as an operator on flat vectors (s, x).

    Parameters
    ----------
    Y : array of shape (p, m)
        Measurements in double precision, none of the m columns zero.
    stack : SensingStack
        The maps A_l: one for all snapshots, or p.
    shared_signal : bool
        Whether all snapshots measure the same signal.
    penalty : array of shape (q, n), default=None
        Weights of ``sum r^2 |x|^2``, added to the misfit; q = 1 for a shared signal, else p.
    n_measured : int, default=None
        How many of the measurements have a weight; None means all.
    """

    def __init__(
        self,
        Y: Array,
        stack: SensingStack,
        *,
        shared_signal: bool,
        penalty: Array | None = None,
        n_measured: int | None = None,
    ) -> None:
        xp = array_namespace(Y)
        self.stack, self.shared_signal = stack, shared_signal
        self.n_snapshots, self.n_sensors = Y.shape
        self.n_atoms = stack.shape[2]
        self.n_signals = 1 if shared_signal else self.n_snapshots
        self.s_scale = xp.linalg.vector_norm(Y, axis=0)
        energy = stack.column_energy() * (self.n_snapshots if shared_signal else 1)
        self.x_scale = energy**0.5
        self.Y = Y / self.s_scale
        if stack.is_complex and not is_complex(Y):
            self.Y = xp.astype(self.Y, xp.complex128)
        self.penalty = None if penalty is None else penalty / energy
        # looked up once: at 500 sensors the look-ups would cost as much as the transforms
        self.xp, self.Y_conj = xp, conj(self.Y)
        self.n_unknowns = self.n_sensors + self.n_signals * self.n_atoms
        self.n_equations = self.n_snapshots * self.n_sensors
        self.n_measured = self.n_equations if n_measured is None else n_measured

    def split(self, z: Array) -> tuple[Array, Array]:
        """Cut a flat vector into its two parts.

        Parameters
        ----------
        z : array of shape (n_unknowns,)
            Balanced unknowns.

        Returns
        -------
        s : array of shape (m,)
            Inverse gains.
        x : array of shape (q, n)
            Signals.
        """
        xp = self.xp
        m = self.n_sensors
        return z[:m], xp.reshape(z[m:], (self.n_signals, self.n_atoms))

    def joined(self, s: Array, x: Array) -> Array:
        """Put the two parts behind one another.

        Parameters
        ----------
        s : array of shape (m,)
            Inverse gains.
        x : array of shape (q, n)
            Signals.

        Returns
        -------
        z : array of shape (n_unknowns,)
            Of the dtype of x.
        """
        xp = self.xp
        s = s if s.dtype == x.dtype else xp.astype(s, x.dtype)
        return xp.concat([s, xp.reshape(x, (-1,))])

    def unscaled(self, z: Array) -> tuple[Array, Array]:
        """Undo the balancing.

        Parameters
        ----------
        z : array of shape (n_unknowns,)
            Balanced unknowns.

        Returns
        -------
        s : array of shape (m,)
            Inverse gains.
        x : array of shape (q, n)
            Signals, both in the units of the measurements.
        """
        s, x = self.split(z)
        return s / self.s_scale, x / self.x_scale

    def image(self, z: Array) -> Array:
        """Return ``T z``, the penalties behind it.

        Parameters
        ----------
        z : array of shape (n_unknowns,)
            Balanced unknowns.

        Returns
        -------
        r : array of shape (n_rows,)
            Flat.
        """
        xp = self.xp
        s, x = self.split(z)
        rows = xp.reshape(self.Y * s - self.stack.apply(x / self.x_scale), (-1,))
        if self.penalty is None:
            return rows
        return xp.concat([rows, xp.reshape(self.penalty**0.5 * x, (-1,))])

    def adjoint(self, r: Array) -> Array:
        """Return ``T^H r``.

        Parameters
        ----------
        r : array of shape (n_rows,)
            Flat.

        Returns
        -------
        z : array of shape (n_unknowns,)
            Flat.
        """
        xp = self.xp
        n_rows = self.n_equations
        R = xp.reshape(r[:n_rows], (self.n_snapshots, self.n_sensors))
        s = xp.sum(self.Y_conj * R, axis=0)
        x = self.stack.adjoint(R)
        if self.shared_signal:
            x = xp.sum(x, axis=0, keepdims=True)
        x = x / -self.x_scale
        if self.penalty is not None:
            x = x + self.penalty**0.5 * xp.reshape(r[n_rows:], x.shape)
        return self.joined(s, x)

    def null_dim_by_counting(self) -> int:
        """Count the dimension that the space of solutions has at least.

        Returns
        -------
        null_dim : int
            Unknowns minus equations, at least 1.
        """
        return max(1, self.n_unknowns - self.n_measured)


def random_block(system: BalancedSystem, n_columns: int) -> Array:
    """Start of an iteration: seeded, the same in every library.

    Parameters
    ----------
    system : BalancedSystem
        Says how long, of which library, and whether complex.
    n_columns : int
        How many vectors.

    Returns
    -------
    block : array of shape (n_unknowns, n_columns)
        Standard normal.
    """
    rng = np.random.default_rng(0)
    shape = (system.n_unknowns, n_columns)
    block: Any = rng.standard_normal(shape)
    if is_complex(system.Y):
        block = block + 1j * rng.standard_normal(shape)
    return move_like(block, system.Y)


def solution(solver: Solver, system: BalancedSystem, options: CalibrationOptions) -> Array:
    """Solve for the balanced unknowns, up to a factor.

    Parameters
    ----------
    solver : Solver
        Of this system.
    system : BalancedSystem
        Says what is balanced.
    options : CalibrationOptions
        Method and normalisation.

    Returns
    -------
    z : array of shape (n_unknowns,)
        Balanced unknowns.
    """
    if options.method == "svd":
        return solver.smallest()
    return solver.constrained(options.normalization / system.s_scale)


def normalised(s: Array, x: Array, w: Array | None) -> tuple[Array, Array]:
    """Fix the scalar: ``w^H s = 1``, else unit mean of ``|s|^2`` and the first s positive.

    Parameters
    ----------
    s : array of shape (m,)
        Inverse gains.
    x : array of shape (q, n)
        Signals.
    w : array of shape (m,) or None
        Normalisation.

    Returns
    -------
    s : array of shape (m,)
        Inverse gains.
    x : array of shape (q, n)
        Signals.
    """
    xp = array_namespace(x)
    if w is not None:
        factor = xp.sum(conj(w) * s)
    else:
        first = s[0] / xp.abs(s[0])
        factor = first * xp.mean(xp.abs(s) ** 2) ** 0.5
    return s / factor, x / factor
