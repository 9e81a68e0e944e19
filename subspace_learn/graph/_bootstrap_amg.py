"""BootstrapAMG: an algebraic multigrid solver that learns from its own smooth vectors."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .._base import (
    RANDOM_STATE,
    Interval,
    StrOptions,
    SubspaceEstimator,
    fit_method,
    progress,
    random_generator,
    warn,
)
from .._checks.magnitude import finite_result
from .._checks.system import check_right_hand_side, check_symmetric_matrix
from ..functional.graph.bootstrap_amg import COMPOSITIONS, SYMMETRIC_COMPOSITIONS, bootstrap_amg
from ..functional.graph.bootstrap_amg_solve import (
    MovedPreconditioner,
    grounded_system,
    moved_preconditioner,
    precondition,
    relative_residuals,
    solve_system,
)
from ..functional.graph.polynomial_cycle import SMOOTHERS

__all__ = ["BootstrapAMG"]

_ROUNDING = 1e2  # residuals of so many eps are rounding
_USELESS = 1e6  # times b: the rounding of a start whose residual is larger would stay


class BootstrapAMG(SubspaceEstimator):
    r"""Solve sparse symmetric positive definite systems and graph Laplacians by multigrid.

    A multigrid cycle :math:`B_r` is built on a vector :math:`w_{r-1}` that the cycles before it
    reduce badly; then the composite of :math:`B_1, \dots, B_r` is applied to A x = 0, and what is
    left of a random x is :math:`w_r`. This goes on until the error falls by `target_rate` per
    composite. The composite preconditions conjugate gradients.

    Parameters
    ----------
    target_rate : float, default=0.9
        Factor per composite, in the A-norm, that is good enough; in (0, 1). Most graphs reach 0.9
        with one hierarchy, and then one system is solved fastest. More hierarchies pay when many
        systems follow or iterations are dear; for the smooth vectors themselves take 1e-3.
    max_hierarchies : int, default=10
        At most so many.
    n_sweeps : int, default=15
        Composites applied to a random start to find the rate and the next vector. Rates of few
        sweeps are too low, since they start from a random mixture.
    composition : {"symmetrized", "multiplicative", "additive"}, default="symmetrized"
        Cycles one after the other and back, one after the other, or their mean. "multiplicative" is
        cheaper to fit; `solve` then uses the symmetrized composite of its hierarchies.
    cycle : {"V", "W"}, default="W"
        "V" is the paper's. "W" visits coarse levels more often, at most O(entries of A) work; on
        grids its rate hardly grows with their size.
    smoother : {"gauss_seidel", "chebyshev", "jacobi"}, default="gauss_seidel"
        One sweep of Gauss-Seidel on each side of the coarse correction, two steps of a Chebyshev
        polynomial, or two of damped Jacobi. The latter two are products with sparse matrices and
        may run in other libraries (`preconditioner_like`); "chebyshev" takes about as many
        iterations and as long as Gauss-Seidel.
    max_operator_complexity : float, default=3.0
        Bound of the stored entries of all levels over those of A, at least 1.5.
    random_state : int, RandomState, Generator or None, default=None
        Random starts.
    verbose : int, default=0
        Above 0, one line for each hierarchy is printed.

    Attributes
    ----------
    hierarchies_ : tuple of Hierarchy
        Matrices and prolongators of A with Laplacian parts grounded, and rows in another order,
        which is faster.
    hierarchy_ : Hierarchy
        The first of them.
    smooth_vectors_ : ndarray of shape (n, n_hierarchies + 1)
        Ones, then what each composite left; of A-norm 1 but for the first. Over singular components
        they are those of the grounded matrix.
    convergence_rates_ : ndarray of shape (n_hierarchies,)
        Rate with one hierarchy, with two, ...
    convergence_rate_ : float
        The last of them.
    converged_ : bool
        Whether `target_rate` was reached.
    n_levels_ : int
        Levels of the first hierarchy.
    operator_complexity_ : float
        Largest of the hierarchies.
    n_features_in_ : int
        Rows of A.

    Raises
    ------
    ValueError
        If A is empty, not square, not symmetric, not real or not finite, has a negative diagonal or
        is found to be indefinite; if it is dense and too full to be worth a sparse method.

    Warns
    -----
    ConvergenceWarning
        If `max_hierarchies` end above `target_rate`. The solver works all the same, slower.

    See Also
    --------
    HierarchyDisplay : Sizes of the levels and rates.
    pyamg.smoothed_aggregation_solver : Smoothed aggregation, better on smooth elliptic problems.
    scipy.sparse.linalg.cg : Takes `aspreconditioner`.

    Notes
    -----
    Singular Laplacians: components whose rows sum to zero (isolated vertices too) are recognised,
    and one diagonal entry of each is raised a little inside the preconditioner (see
    :func:`ground_laplacian`). `solve` then gives the least squares solution of least norm,
    :math:`A^+ b`. Other singular matrices, such as a normalised Laplacian, need a small multiple of
    the identity added.

    Rows are numbered anew inside, so that a graph numbered at random is nearly as fast as one whose
    neighbours lie together in memory. Work is done in float64; float32 comes back where A and b are
    float32. Time and memory of a hierarchy are O(entries of A); R hierarchies take some
    ``n_sweeps * R**2`` cycles to find.

    The prolongators are not smoothed, so that levels stay sparse on graphs with hubs. The price is
    a slower cycle than smoothed aggregation or Ruge-Stuben have on smooth elliptic problems, and
    one that slows down on larger grids unless ``cycle="W"``. On expanders levels fill in, and the
    cap leaves some out; a Jacobi preconditioner does there too.

    References
    ----------
    P. D'Ambra, S. Filippone, P. S. Vassilevski, "BootCMatch: a software package for bootstrap AMG
    based on graph weighted matching", ACM Transactions on Mathematical Software 44(4), 2018.

    P. D'Ambra, L. Cutillo, P. S. Vassilevski, "Bootstrap AMG for spectral clustering",
    Computational and Mathematical Methods 1, 2019, e1020.

    F. Manne, M. Halappanavar, "New effective multithreaded matching algorithms", IPDPS 2014
    (Suitor).

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> from subspace_learn.graph import BootstrapAMG
    >>> path = sp.diags_array([-np.ones(999), 2 * np.ones(1000), -np.ones(999)], offsets=[-1, 0, 1])
    >>> solver = BootstrapAMG(random_state=0).fit(path)
    >>> b = np.ones(1000)
    >>> x = solver.solve(b)
    >>> bool(np.linalg.norm(path @ x - b) <= 1e-8 * np.linalg.norm(b))
    True
    """

    _parameter_constraints: dict = {
        "target_rate": [Interval(Real, 0, 1, closed="neither")],
        "max_hierarchies": [Interval(Integral, 1, None, closed="left")],
        "n_sweeps": [Interval(Integral, 1, None, closed="left")],
        "composition": [StrOptions(set(COMPOSITIONS))],
        "cycle": [StrOptions({"V", "W"})],
        "smoother": [StrOptions({"gauss_seidel", *SMOOTHERS})],
        "max_operator_complexity": [Interval(Real, 1.5, None, closed="left")],
        "random_state": RANDOM_STATE,
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        target_rate=0.9,
        max_hierarchies=10,
        n_sweeps=15,
        composition="symmetrized",
        cycle="W",
        smoother="gauss_seidel",
        max_operator_complexity=3.0,
        random_state=None,
        verbose=0,
    ) -> None:
        self.target_rate = target_rate
        self.max_hierarchies = max_hierarchies
        self.n_sweeps = n_sweeps
        self.composition = composition
        self.cycle = cycle
        self.smoother = smoother
        self.max_operator_complexity = max_operator_complexity
        self.random_state = random_state
        self.verbose = verbose

    @fit_method
    def fit(self, A: Any, y: Any = None) -> BootstrapAMG:
        """Build the hierarchies.

        Parameters
        ----------
        A : sparse or dense matrix of shape (n, n)
            Symmetric positive definite, or a graph Laplacian, or a matrix some of whose connected
            components are.
        y : Ignored
            Not used, present for API consistency.

        Returns
        -------
        self : BootstrapAMG
            Itself.
        """
        A, self._names = check_symmetric_matrix(A, where=f"{type(self).__name__}.fit()")
        self._system, self._dtype = grounded_system(A), A.dtype
        self._matrix, self._composition = A.astype(np.float64), self.composition
        self._labels = self._system.in_given_order(self._system.labels)
        found = bootstrap_amg(
            self._system.matrix,
            target_rate=self.target_rate,
            max_hierarchies=self.max_hierarchies,
            n_sweeps=self.n_sweeps,
            composition=self.composition,
            cycle=self.cycle,
            smoother=self.smoother,
            max_operator_complexity=self.max_operator_complexity,
            rng=random_generator(self.random_state),
            progress=lambda line: progress(self, line),
        )
        if not found.converged:
            warn(
                f"{len(found.hierarchies)} hierarchies reduce the error by "
                f"{found.convergence_rates[-1]:.3g} per composite, not by "
                f"target_rate={self.target_rate}. Raise max_hierarchies, or target_rate; solve "
                "works, with more iterations.",
                ConvergenceWarning,
            )
        self.hierarchies_ = found.hierarchies
        self.hierarchy_ = found.hierarchies[0]
        vectors = self._system.in_given_order(found.smooth_vectors)
        self.smooth_vectors_ = vectors.astype(self._dtype, copy=False)
        self.convergence_rates_ = found.convergence_rates
        self.convergence_rate_ = float(found.convergence_rates[-1])
        self.converged_ = found.converged
        self.n_levels_ = len(self.hierarchy_.levels)
        self.operator_complexity_ = found.operator_complexity
        self.n_features_in_ = A.shape[0]
        return self

    def solve(
        self, b: Any, *, x0: Any = None, tol: float = 1e-8, max_iter: int = 500
    ) -> np.ndarray:
        """Solve A x = b by preconditioned conjugate gradients.

        Parameters
        ----------
        b : array of shape (n,) or (n, k)
            Right-hand sides; several share each pass over the matrices. After a fit to a DataFrame,
            a Series or DataFrame is brought into the order of its index.
        x0 : array like ``b``, default=None
            Where to start; None means zero, which columns with a residual above 1e6 of b get too.
        tol : float, default=1e-8
            Relative residual at which a column is done.
        max_iter : int, default=500
            Iterations at most.

        Returns
        -------
        x : ndarray like ``b``
            Over components where A is a Laplacian: the solution for b less its mean there, with
            mean zero (least squares, least norm).

        Raises
        ------
        ValueError
            If ``b`` or ``x0`` do not fit, or A is found to be indefinite.

        Warns
        -----
        ConvergenceWarning
            If the residual of what is returned, measured with A as it was given, is above ``tol``
            for some column: after ``max_iter`` iterations, or because the solution cannot be held
            any better (above 2 tol; where A or b is float32, above 1.2e-5). It says which residual
            was reached.
        UserWarning
            If ``b`` does not sum to zero over a component where A is a Laplacian: no x solves the
            system, and the least squares solution is returned. It says which share of ``b`` is out
            of reach.
        """
        check_is_fitted(self)
        where = f"{type(self).__name__}.solve()"
        if not tol > 0 or max_iter < 1:
            raise ValueError(
                f"{where}: tol={tol!r} must be above 0, max_iter={max_iter!r} at least 1."
            )
        n, names = self.n_features_in_, self._names
        b = check_right_hand_side(b, n, where=where, names=names)
        columns = b.astype(np.float64).reshape(len(b), -1)
        # lengths of very small columns would be 0; powers of two change no digit
        unit = np.exp2(np.frexp(np.abs(columns).max(axis=0, initial=0))[1].astype(np.float64))
        columns, start = columns / unit, None
        if x0 is not None:
            x0 = check_right_hand_side(x0, n, where=where, name="x0", names=names)
            if x0.shape != b.shape:
                raise ValueError(f"{where}: x0 has shape {x0.shape}, b has {b.shape}.")
            start = x0.astype(np.float64).reshape(columns.shape) / unit
            with np.errstate(over="ignore", invalid="ignore"):
                left = np.linalg.norm(self._matrix @ start - columns, axis=0)
            start = np.where(left <= _USELESS * np.linalg.norm(columns, axis=0), start, 0)
        with np.errstate(over="ignore", invalid="ignore"):  # said below, in words
            result = solve_system(
                self.hierarchies_,
                self._system,
                columns,
                composition=self._symmetric_composition(),
                tol=tol,
                max_iter=max_iter,
                X=start,
            )
            X = result.X * unit
        narrow = b.dtype == np.float32 and self._dtype == np.float32
        X = finite_result(X, name=type(self).__name__, method="solve")
        X = X.astype(np.float32 if narrow else np.float64, copy=False)
        self._warn_of_residuals(X, b, unit, result.converged, len(result.residuals) - 1, tol)
        return X.reshape(b.shape)

    def _warn_of_residuals(
        self,
        X: np.ndarray,
        b: np.ndarray,
        unit: np.ndarray,
        converged: np.ndarray,
        n_iter: int,
        tol: float,
    ) -> None:
        """Say how far from a solution the columns of X are, measured with A as it was given."""
        where, k = f"{type(self).__name__}.solve()", X.shape[1]
        B = b.astype(np.float64).reshape(X.shape) / unit
        residuals, unreachable = relative_residuals(
            self._matrix, X.astype(np.float64) / unit, B, self._labels
        )
        out = unreachable > max(_ROUNDING * float(np.finfo(b.dtype).eps), tol)
        if out.any():
            warn(
                f"{where}: {int(out.sum())} of {k} right-hand sides do not sum to zero over the "
                f"components where A is a Laplacian; up to {unreachable.max():.3g} of their length "
                "is out of reach, and the least squares solution is returned. Subtract the mean of "
                "b over each component if that is what you want, or add a multiple of the identity "
                "to A."
            )
        if not converged.all():
            warn(
                f"{where}: after {n_iter} iterations {int((~converged).sum())} of {k} right-hand "
                f"sides have relative residuals up to {residuals.max():.3g}, above tol={tol:.3g}. "
                "Raise max_iter or tol, or fit with a lower target_rate.",
                ConvergenceWarning,
            )
            return
        # a Laplacian in float32 is one up to its rounding alone
        eps = max(float(np.finfo(dtype).eps) for dtype in (X.dtype, self._dtype))
        high = residuals > max(_ROUNDING * eps, 2 * tol)
        if high.any():
            cure = "Give A and b in float64" if eps > 1e-10 else "The system is near singular"
            warn(
                f"{where}: {int(high.sum())} of {k} solutions, as returned in {X.dtype}, have "
                f"relative residuals up to {residuals.max():.3g}, above tol={tol:.3g}: the numbers "
                f"of A and x are too far apart for this precision. {cure}.",
                ConvergenceWarning,
            )

    def aspreconditioner(self, *, symmetric: bool = True) -> LinearOperator:
        """One composite from a zero start, for SciPy's iterative solvers.

        Parameters
        ----------
        symmetric : bool, default=True
            True refuses a composite that is not symmetric positive definite, which ``cg``,
            ``minres`` and ``lobpcg`` need; False allows it, for ``gmres`` or ``bicgstab``.

        Returns
        -------
        M : LinearOperator of shape (n, n)
            With ``matvec`` and ``matmat``; approximates the inverse of A, for singular Laplacians
            the pseudo-inverse. Float64.

        Raises
        ------
        ValueError
            If ``symmetric`` and the composition is "multiplicative" of several hierarchies.
        """
        check_is_fitted(self)
        composition = self._composition
        if symmetric and self._symmetric_composition() != composition:
            raise ValueError(
                f"The multiplicative composite of {len(self.hierarchies_)} hierarchies is not "
                "symmetric, which conjugate gradients and LOBPCG need. Set "
                'composition="symmetrized" before fit; or, for gmres and the like, ask for '
                "aspreconditioner(symmetric=False)."
            )

        def apply(X: np.ndarray) -> np.ndarray:
            columns = np.asarray(X, dtype=np.float64).reshape(len(X), -1)
            out = precondition(self.hierarchies_, self._system, columns, composition)
            return out.reshape(X.shape)

        n = self.n_features_in_
        adjoint = apply if symmetric else None
        return LinearOperator(
            (n, n), matvec=apply, matmat=apply, rmatvec=adjoint, rmatmat=adjoint, dtype=np.float64
        )

    def preconditioner_like(self, reference: Any) -> MovedPreconditioner:
        """One composite from a zero start, for arrays of another library or device.

        Parameters
        ----------
        reference : array
            CuPy, torch or NumPy: matrices are copied to its library and device, once.

        Returns
        -------
        M : callable
            Takes an array of shape (n,) or (n, k), float64, of the library of ``reference``, and
            gives what `aspreconditioner` does. With CuPy,
            ``cupyx.scipy.sparse.linalg.LinearOperator((n, n), matvec=M)`` goes into its ``cg``.

        Raises
        ------
        ValueError
            If the smoother is "gauss_seidel", which needs rows one after the other.
        TypeError
            If no sparse matrices of the library are known.
        """
        check_is_fitted(self)
        composition = self._symmetric_composition()
        return moved_preconditioner(self.hierarchies_, self._system, reference, composition)

    def _symmetric_composition(self) -> str:
        """The composition of the fit if it is symmetric, else the one made of the same cycles."""
        if self._composition in SYMMETRIC_COMPOSITIONS or len(self.hierarchies_) == 1:
            return self._composition
        return "symmetrized"

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False  # a matrix of a system is no table of independent rows
        tags.input_tags.pairwise = True
        tags.input_tags.sparse = True
        return tags
