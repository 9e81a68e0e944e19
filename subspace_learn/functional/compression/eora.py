r"""EoRA: a low-rank term that makes up for the compression of a linear layer.

A layer y = W x was replaced by a cheaper :math:`\hat W`. Of what is missing,
:math:`D = W - \hat W`, rank r is given back where the inputs x of the layer are:
:math:`\min_{BA} \sum_x \|(D - B A) x\|^2`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..._array import Array, array_namespace, device_of, double
from ...linalg.eig import leading_eigenpairs

__all__ = [
    "METHODS",
    "activation_error",
    "activation_gram",
    "compressed",
    "eora_factors",
    "pruned_2_4",
    "quantized",
]

METHODS = ("eora", "act", "svd")


def eora_factors(
    weight: Array,
    compressed_weight: Array,
    activations: Array | None = None,
    n_components: int = 8,
    *,
    gram: Array | None = None,
    method: str = "eora",
) -> tuple[Array, Array]:
    r"""Low-rank factors B A to add to a compressed weight.

    With :math:`H = X^T X / N` of the inputs X, of all B A of rank r the one with the smallest
    :math:`\|(W - \hat W - B A) H^{1/2}\|_F`.

    Parameters
    ----------
    weight : array of shape (n_out, n_in)
        W.
    compressed_weight : array of shape (n_out, n_in)
        What replaces it.
    activations : array of shape (n_rows, n_in), default=None
        Inputs of the layer, not centred. May be None if ``gram`` is given, or for "svd".
    n_components : int, default=8
        Rank r, at most min(n_out, n_in).
    gram : array of shape (n_in, n_in), default=None
        H, if it is at hand: see :func:`activation_gram`.
    method : {"eora", "act", "svd"}, default="eora"
        "act" takes for H the squared means of the absolute inputs on a diagonal, "svd" the
        identity: the baselines of the paper.

    Returns
    -------
    B : array of shape (n_out, n_components)
        :math:`B^T B = A H A^T`: both halves carry the same weight.
    A : array of shape (n_components, n_in)
        In the library and float width of ``weight``.

    Raises
    ------
    ValueError
        If shapes do not fit, the rank is too large, inputs are not finite, there are none, or the
        method is not known.

    Notes
    -----
    The paper multiplies D by a square root of H, truncates an SVD and divides by the root again,
    which needs every eigenvalue of H to be above 0. Here U holds the leading eigenvectors of
    :math:`D H D^T`, the left singular vectors of :math:`D H^{1/2}`, and :math:`B A = U U^T D`: the
    same optimum, and nothing is divided by, so that dead inputs are no special case.
    O(n_out n_in (n_out + n_in)), in double precision. Singular values below
    about 1e-8 of the largest are not told apart.

    References
    ----------
    S.-Y. Liu et al., "EoRA: Fine-tuning-free Compensation for Compressed LLM with Eigenspace
    Low-Rank Approximation", 2024, arXiv:2410.21271, section 3.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> W, X = rng.normal(size=(6, 10)), rng.normal(size=(50, 10)) * np.arange(1, 11)
    >>> B, A = eora_factors(W, quantized(W, 2), X, n_components=2)
    >>> B.shape, A.shape
    ((6, 2), (2, 10))
    """
    if method not in METHODS:
        raise ValueError(f"method={method!r} is not known here. Use one of {METHODS}.")
    xp = array_namespace(weight, compressed_weight)
    _check_factors(weight, compressed_weight, n_components)
    D = double(weight) - double(compressed_weight)
    # more outputs than inputs: all that is missing lies in the span of the columns of D
    basis, core = xp.linalg.qr(D) if D.shape[0] > D.shape[1] else (None, D)
    if method == "svd":
        image = core
    elif method == "act":
        if activations is None:
            raise ValueError('method="act" needs activations: a gram does not hold mean sizes.')
        _check_activations(activations, D)
        image = core * xp.mean(xp.abs(double(activations)), axis=0) ** 2
    else:
        gram = activation_gram(activations) if gram is None else double(gram)
        if gram.shape != (D.shape[1], D.shape[1]):
            raise ValueError(
                f"The layer has {D.shape[1]} inputs, but the activations or the gram "
                f"{gram.shape[1]}."
            )
        image = core @ gram
    values, U = leading_eigenpairs(image @ xp.matrix_transpose(core), n_components)
    U = U if basis is None else basis @ U
    rows = xp.matrix_transpose(U) @ D
    # the share of each half; a direction that the activations do not see has value 0
    values = xp.maximum(values, xp.max(values) * 1e-16)
    scale = xp.where(values > 0, values, xp.ones_like(values)) ** 0.25
    B, A = U * scale, rows / scale[:, None]
    return xp.astype(B, weight.dtype), xp.astype(A, weight.dtype)


def activation_gram(activations: Array | None) -> Array:
    """Second moment :math:`H = X^T X / N` of the inputs of a layer, in double precision.

    Parameters
    ----------
    activations : array of shape (n_rows, n_in)
        Inputs, not centred: the bias of the layer stays.

    Returns
    -------
    H : array of shape (n_in, n_in)
        Symmetric.
    """
    if activations is None:
        raise ValueError("Neither activations nor a gram were given: EoRA needs one of them.")
    _check_activations(activations)
    X = double(activations)
    return array_namespace(X).matrix_transpose(X) @ X / X.shape[0]


def activation_error(weight: Array, compressed_weight: Array, activations: Array) -> float:
    r"""Root mean square change of the outputs of a layer, :math:`\|(W - \hat W) X^T\|_F / \sqrt N`.

    Parameters
    ----------
    weight : array of shape (n_out, n_in)
        W.
    compressed_weight : array of shape (n_out, n_in)
        What replaces it, compensation included.
    activations : array of shape (n_rows, n_in)
        Inputs.

    Returns
    -------
    error : float
        In units of the outputs.
    """
    xp = array_namespace(weight, compressed_weight, activations)
    change = double(activations) @ xp.matrix_transpose(double(weight) - double(compressed_weight))
    return float(xp.sum(change**2) / activations.shape[0]) ** 0.5


def compressed(
    weight: Array, compressor: str | Callable[[Array], Array] = "quantize", *, bits: int = 2
) -> Array:
    """Replace a weight by a cheaper one.

    Parameters
    ----------
    weight : array of shape (n_out, n_in)
        W.
    compressor : {"quantize", "prune_2_4"} or callable, default="quantize"
        :func:`quantized`, :func:`pruned_2_4`, or a function of a copy of W.
    bits : int, default=2
        Of "quantize".

    Returns
    -------
    compressed : array of shape (n_out, n_in)
        A copy.

    Raises
    ------
    ValueError
        If the name is not known, or a callable returns another shape or numbers that are not
        finite.
    """
    if compressor == "quantize":
        return quantized(weight, bits)
    if compressor == "prune_2_4":
        return pruned_2_4(weight)
    if not callable(compressor):
        raise ValueError(
            f"compressor={compressor!r} is not known here. Use 'quantize', 'prune_2_4' or a "
            "function."
        )
    xp = array_namespace(weight)
    replacement = compressor(xp.asarray(weight, copy=True))
    replacement = xp.asarray(replacement, dtype=weight.dtype, device=device_of(weight))
    if replacement.shape != weight.shape or not bool(xp.all(xp.isfinite(replacement))):
        raise ValueError(
            f"compressor={compressor!r} must return finite numbers of shape "
            f"{tuple(weight.shape)}, but gave shape {tuple(replacement.shape)}."
        )
    return replacement


def quantized(weight: Array, bits: int) -> Array:
    """Round each row to 2^bits equidistant levels, symmetric about 0 and without it.

    Parameters
    ----------
    weight : array of shape (n_out, n_in)
        W.
    bits : int
        At least 1.

    Returns
    -------
    quantized : array of shape (n_out, n_in)
        The largest entry of each row is a level.

    Examples
    --------
    >>> quantized(np.array([[-3.0, 0.4, 1.8, 2.9]]), 2)
    array([[-3.,  1.,  1.,  3.]])
    """
    xp = array_namespace(weight)
    half = 2 ** (bits - 1)
    step = xp.max(xp.abs(weight), axis=1, keepdims=True) / (half - 0.5)
    step = xp.where(step > 0, step, xp.ones_like(step))
    level = xp.clip(xp.floor(weight / step), -float(half), half - 1.0) + 0.5
    return xp.where(xp.any(weight != 0, axis=1, keepdims=True), level * step, weight)


def pruned_2_4(weight: Array) -> Array:
    """Keep the two largest of each four neighbouring inputs (2:4 sparsity), zero the others.

    Parameters
    ----------
    weight : array of shape (n_out, n_in)
        W; inputs that are left over at the end are kept.

    Returns
    -------
    pruned : array of shape (n_out, n_in)
        A copy.

    Examples
    --------
    >>> pruned_2_4(np.array([[1.0, -4.0, 2.0, 3.0, 5.0]]))
    array([[ 0., -4.,  0.,  3.,  5.]])
    """
    xp = array_namespace(weight)
    n_out, n_in = weight.shape
    whole = n_in // 4 * 4
    groups = xp.reshape(weight[:, :whole], (n_out, whole // 4, 4))
    size = xp.abs(groups)
    # rank of each entry in its group; among equals the earlier one counts as larger
    earlier = xp.asarray(np.tri(4, k=-1, dtype=bool), device=device_of(weight))
    larger = (size[..., None, :] > size[..., None]) | (
        (size[..., None, :] == size[..., None]) & earlier
    )
    kept = xp.sum(xp.astype(larger, xp.int64), axis=-1) < 2
    groups = xp.where(kept, groups, xp.zeros_like(groups))
    return xp.concat([xp.reshape(groups, (n_out, whole)), weight[:, whole:]], axis=1)


def _check_factors(weight: Array, compressed_weight: Array, n_components: int) -> None:
    if weight.ndim != 2 or weight.shape != compressed_weight.shape:
        raise ValueError(
            f"weight and compressed_weight must be matrices of one shape (n_out, n_in), but have "
            f"shapes {tuple(weight.shape)} and {tuple(compressed_weight.shape)}."
        )
    if not 1 <= n_components <= min(weight.shape):
        raise ValueError(
            f"n_components={n_components} must lie between 1 and {min(weight.shape)}, the smaller "
            f"side of a weight of shape {tuple(weight.shape)}."
        )


def _check_activations(activations: Array, D: Array | None = None) -> None:
    xp = array_namespace(activations)
    if activations.ndim != 2 or 0 in activations.shape:
        raise ValueError(
            "activations must have shape (n_rows, n_in) with at least one row, but have shape "
            f"{tuple(activations.shape)}. Unfold the patches of a convolution first."
        )
    if D is not None and activations.shape[1] != D.shape[1]:
        raise ValueError(
            f"The layer has {D.shape[1]} inputs, but the activations {activations.shape[1]}."
        )
    if not bool(xp.all(xp.isfinite(activations))):
        raise ValueError("activations contain NaN or infinity.")
