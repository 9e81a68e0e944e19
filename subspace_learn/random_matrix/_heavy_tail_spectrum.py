"""HeavyTailSpectrum: tail exponents of weight matrices that can be compared across shapes."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import Tags

from .._array import Array, array_namespace, as_float, detached, is_array, is_complex
from .._base import Interval, StrOptions, SubspaceEstimator, fit_method, progress
from .._checks.columns import refuse_masked, refuse_what_is_no_number
from .._checks.magnitude import check_magnitude
from ..functional.random_matrix.heavy_tail_spectrum import hill_exponent, pooled_eigenvalues

__all__ = ["HeavyTailSpectrum"]


class HeavyTailSpectrum(SubspaceEstimator):
    r"""Tail exponent of the eigenvalues of weight matrices, free of their aspect ratio (FARMS).

    The eigenvalues of :math:`W^T W` of a trained layer are often fitted by a power law
    :math:`f(\lambda) \sim \lambda^{-\alpha}`; a smaller exponent is read as more training. Hill's
    estimate of a matrix of pure noise runs from 2 to 5 with its shape alone. Here eigenvalues are
    pooled over windows of one shape, so that layers can be compared.

    Parameters
    ----------
    window : int, default=None
        Rows of a window. None: the largest that fits, with its ``ratio``, into every matrix.
    ratio : float, default=1.0
        Columns over rows of a window, positive; never changed silently.
    n_windows : int, default=3
        Windows along each axis, evenly placed, overlapping where they must: ``n_windows ** 2`` in
        all. An axis along which the window fits exactly has one.
    xmin : {"median", "ks"}, default="median"
        Where the tail begins: at the median of the pooled eigenvalues, or where the fit is best.
    verbose : int, default=0
        Above 0, one line for each matrix is printed.

    Attributes
    ----------
    alpha_ : ndarray of shape (n_matrices,)
        Exponents, one for each matrix.
    goodness_ : ndarray of shape (n_matrices,)
        Kolmogorov distance of each tail to its power law; above about 0.1 it is no power law.
    xmin_ : ndarray of shape (n_matrices,)
        Where each tail begins.
    eigenvalues_ : list of ndarray
        Pooled squared singular values of each matrix, ascending.
    names_ : list of str
        Names of the matrices: keys of a mapping, else their numbers.
    shapes_ : list of tuple of int
        Shapes of the matrices.
    window_ : tuple of int
        Rows and columns of the windows.

    Raises
    ------
    ValueError
        If a window is larger than a matrix or has fewer places than ``n_windows``; if a matrix is
        complex, holds NaN or infinity, or too few positive eigenvalues.
    TypeError
        If W holds no matrices, or sparse ones.

    See Also
    --------
    RandomMatrixFilter : Signal and noise in a table of rows.

    Notes
    -----
    Costs ``n_windows^2`` symmetric eigenproblems of the short side of a window, in one batch.
    Exponents do not change when a matrix is multiplied by a number, nor (with ``ratio=1``) when it
    is transposed.

    Convolution kernels (out, in, height, width) are taken as one matrix (out, in) for each position
    and pooled over positions. The authors' code also cuts them into blocks and averages exponents;
    that is not done here.

    Where it fails: Hill's estimate gives a number for any spectrum. A bulk without a tail gives
    about 2 at ratio 1, and so does an untrained layer: look at ``goodness_``, and compare with the
    same network before training.

    References
    ----------
    Y. Hu, K. Goel, V. Killiakov, Y. Yang, "Eigenspectrum analysis of neural networks without aspect
    ratio bias", ICML 2025, arXiv:2506.06280.

    Examples
    --------
    >>> import numpy as np
    >>> from subspace_learn.random_matrix import HeavyTailSpectrum
    >>> rng = np.random.default_rng(0)
    >>> layers = [rng.normal(size=shape) for shape in ((128, 128), (128, 1280))]
    >>> HeavyTailSpectrum(64).fit(layers).alpha_.round(1)
    array([2.1, 2.1])
    """

    _parameter_constraints: dict = {
        "window": [Interval(Integral, 2, None, closed="left"), None],
        "ratio": [Interval(Real, 0, None, closed="neither")],
        "n_windows": [Interval(Integral, 1, None, closed="left")],
        "xmin": [StrOptions({"median", "ks"})],
        "verbose": ["verbose"],
    }

    def __init__(self, window=None, *, ratio=1.0, n_windows=3, xmin="median", verbose=0) -> None:
        self.window = window
        self.ratio = ratio
        self.n_windows = n_windows
        self.xmin = xmin
        self.verbose = verbose

    @fit_method
    def fit(self, W: Any, y: Any = None) -> HeavyTailSpectrum:
        """Fit a tail to each matrix of W.

        Parameters
        ----------
        W : array, list of arrays, mapping of arrays, or fitted scikit-learn MLP
            One matrix (n_rows, n_columns), or several: a list, a mapping such as torch's
            ``state_dict()``, of which entries with two or four axes count, or an estimator with
            ``coefs_``. NumPy, CuPy or torch. Four axes are a convolution kernel (out, in, height,
            width).
        y : None
            Ignored.

        Returns
        -------
        self : HeavyTailSpectrum
            Fitted.
        """
        matrices = _named_matrices(W)
        window = self._window_for(matrices)
        pooled, fits = [], []
        for number, (name, matrix) in enumerate(matrices.items(), 1):
            progress(self, f"matrix {number} of {len(matrices)}: {name!r}, {tuple(matrix.shape)}")
            down, across = (
                1 if side == part else self.n_windows
                for side, part in zip(matrix.shape[-2:], window, strict=True)
            )
            try:
                pooled.append(pooled_eigenvalues(matrix, window, (down, across)))
                fits.append(hill_exponent(pooled[-1], self.xmin))
            except ValueError as error:
                raise ValueError(f"Matrix {name!r}: {error}") from error
        self.window_, self.eigenvalues_ = window, pooled
        self.names_, self.shapes_ = list(matrices), [tuple(m.shape) for m in matrices.values()]
        self.alpha_ = np.array([fit.alpha for fit in fits])
        self.goodness_ = np.array([fit.goodness for fit in fits])
        self.xmin_ = np.array([fit.xmin for fit in fits])
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        return tags

    def _window_for(self, matrices: dict[str, Array]) -> tuple[int, int]:
        """Rows and columns of a window."""
        rows = self.window
        if rows is None:
            rows = min(
                min(m.shape[-2], int(m.shape[-1] / self.ratio + 1e-9)) for m in matrices.values()
            )
        columns = int(rows * self.ratio + 1e-9)
        if rows < 1 or columns < 1:
            raise ValueError(
                f"window={self.window}, ratio={self.ratio} make windows of {rows} x {columns}. "
                "Choose a larger window or a ratio nearer to 1."
            )
        return int(rows), columns


def _named_matrices(W: Any) -> dict[str, Array]:
    """Matrices (or stacks of them, for convolution kernels) by name, checked."""
    if hasattr(W, "coefs_"):
        W = W.coefs_
    if issparse(W):  # first: a dictionary of keys is a mapping too
        named = {"0": W}
    elif isinstance(W, Mapping):
        named = {str(name): part for name, part in W.items() if np.ndim(part) in (2, 4)}
    elif isinstance(W, list | tuple) and any(np.ndim(part) != 1 for part in W):
        named = {str(i): part for i, part in enumerate(W)}
    else:  # an array, or rows of numbers
        nothing = W is None or isinstance(W, str) or (isinstance(W, list | tuple) and not W)
        named = {} if nothing else {"0": W}
    if not named:
        raise TypeError(
            "W holds no matrices: give an array of two axes, a list or a mapping of such arrays, "
            "or a fitted MLP."
        )
    return {name: _checked_matrix(name, part) for name, part in named.items()}


def _checked_matrix(name: str, matrix: Any) -> Array:
    """A finite real matrix, or the stack of the positions of a convolution kernel."""
    if issparse(matrix):
        raise TypeError(
            f"Sparse data was passed for matrix {name!r}, but dense data is required: its windows "
            "are decomposed. Use '.toarray()'."
        )
    for refuse in (refuse_masked, refuse_what_is_no_number):
        refuse(matrix, name="HeavyTailSpectrum", input_name=f"matrix {name!r}")
    matrix = detached(matrix) if is_array(matrix) else np.asarray(matrix)
    if isinstance(matrix, np.ndarray) and matrix.dtype.kind not in "biufc":
        try:
            matrix = matrix.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise type(error)(f"Matrix {name!r} is not numeric: {error}") from error
    if 0 in matrix.shape[1:2]:
        raise ValueError(
            f"Matrix {name!r} has 0 feature(s) (shape={tuple(matrix.shape)}) while a minimum of 1 "
            "is required."
        )
    if matrix.ndim not in (2, 4) or 0 in matrix.shape:
        raise ValueError(
            f"Matrix {name!r} has shape {tuple(matrix.shape)}; needed are two axes, or four of a "
            "convolution kernel (out, in, height, width), none of them empty."
        )
    if is_complex(matrix):
        raise ValueError(f"Complex data not supported: matrix {name!r} has {matrix.dtype}.")
    matrix, xp = as_float(matrix), array_namespace(matrix)
    if not bool(xp.all(xp.isfinite(matrix))):
        raise ValueError(f"Matrix {name!r} contains NaN or infinity. Was the network diverging?")
    check_magnitude(
        matrix, name="HeavyTailSpectrum", input_name=f"Matrix {name!r}", like=np.float64
    )
    if matrix.ndim == 2:
        return matrix
    positions = matrix.shape[2] * matrix.shape[3]
    return xp.permute_dims(xp.reshape(matrix, (*matrix.shape[:2], positions)), (2, 0, 1))
