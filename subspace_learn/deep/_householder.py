"""A linear layer that is an isometry on a subspace, by products of reflections."""

from __future__ import annotations

from typing import Any

import torch

from ._autocast import width_of_linear, without_autocast

__all__ = ["HouseholderLinear", "orthonormal_columns", "reflected"]

BLOCK = 32  # reflections applied together: 16 to 64 are equally fast on a CPU


class HouseholderLinear(torch.nn.Module):
    r"""A linear layer whose singular values are ones and zeros, whatever training does.

    .. math:: y = U_r V_r^T x + b

    with r orthonormal columns in U and in V, each the first columns of a product of r Householder
    reflections :math:`I - 2 v v^T / |v|^2`, whose vectors v are the parameters. Every step of an
    optimizer leaves it exact, to rounding.

    Parameters
    ----------
    in_features : int
        Length q of inputs.
    out_features : int
        Length p of outputs.
    n_components : int, default=None
        Rank r, in [1, min(p, q)]. None is the largest: the layer is then an isometry from the
        smaller side, and one of U and V, which would add nothing, is left out.
    bias : bool, default=True
        Whether b is added.

    Attributes
    ----------
    left : Parameter of shape (out_features, r), or None
        Vectors of the reflections of U, in columns; their lengths mean nothing.
    right : Parameter of shape (in_features, r), or None
        Those of V.
    signs : torch.Tensor of shape (r,)
        Fixed signs of the columns of U.
    weight : torch.Tensor of shape (out_features, in_features)
        The matrix, made anew when asked for.
    directions : torch.Tensor of shape (r, in_features)
        Orthonormal rows: a unit step of the input along any of them moves the output by 1, and the
        output does not see the rest. In the order of the singular values after `from_linear`.

    Raises
    ------
    ValueError
        If n_components is not in [1, min(in_features, out_features)].

    See Also
    --------
    StiefelParameter : Orthonormal columns kept by the optimizer instead.
    torch.nn.utils.parametrizations.orthogonal : Of any module. Slower by each of its maps, and a
        module with it cannot be pickled.

    Notes
    -----
    The product of reflections with vectors in the columns of Y is :math:`I - Y T Y^T`, where
    :math:`T^{-1}` is the upper triangle of :math:`Y^T Y` with half of its diagonal (compact WY). It
    is taken for 32 reflections at a time, and rows go from block to block without the matrix being
    made: 4 (p + q) r flops a row and 64 (p + q) r for all T, forwards. More than r rows are
    multiplied by the r columns, made once in the same way.

    r reflections reach every r orthonormal columns up to signs, which is what ``signs`` is for; an
    orthogonal matrix cannot change its determinant in training.

    References
    ----------
    Y. Song, J. Zhang, N. Sebe, W. Wang, "Householder Projector for Unsupervised Latent Semantics
    Discovery", ICCV 2023, arXiv:2307.08012, section 3; its code takes the packed vectors of LAPACK
    as they are, without the ones and signs, and so does not start from the given layer.

    R. Schreiber, C. Van Loan, "A storage-efficient WY representation for products of Householder
    transformations", SIAM Journal on Scientific and Statistical Computing 10 (1989).

    A. Mathiasen et al., "What if Neural Networks had SVDs?", NeurIPS 2020, arXiv:2009.13977,
    section 3: blocks as wide as a batch.

    Examples
    --------
    >>> import torch
    >>> from subspace_learn.deep import HouseholderLinear
    >>> layer = HouseholderLinear(8, 5, n_components=3)
    >>> torch.linalg.svdvals(layer.weight).round(decimals=4).tolist()
    [1.0, 1.0, 1.0, 0.0, 0.0]
    """

    signs: torch.Tensor

    def __init__(
        self,
        in_features: int,
        out_features: int,
        n_components: int | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__()
        largest = min(in_features, out_features)
        rank = largest if n_components is None else n_components
        if not 1 <= rank <= largest:
            raise ValueError(
                f"n_components={n_components} must lie in [1, {largest}], the smaller of "
                f"in_features={in_features} and out_features={out_features}."
            )
        self.in_features, self.out_features, self.n_components = in_features, out_features, rank
        on_left = rank < largest or out_features >= in_features
        on_right = rank < largest or not on_left
        left, right = torch.empty(out_features, rank), torch.empty(in_features, rank)
        self.left = torch.nn.Parameter(left) if on_left else None
        self.right = torch.nn.Parameter(right) if on_right else None
        self.bias = torch.nn.Parameter(torch.empty(out_features)) if bias else None
        self.register_buffer("signs", torch.ones(rank))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw vectors from a normal law by torch's generator; the bias is 0."""
        for vectors in (self.left, self.right):
            if vectors is not None:
                vectors.normal_()
        if self.bias is not None:
            self.bias.zero_()

    @classmethod
    @torch.no_grad()
    def from_linear(
        cls, linear: torch.nn.Linear, n_components: int | None = None
    ) -> HouseholderLinear:
        r"""Start from a trained layer: singular vectors are kept, singular values become 1.

        Parameters
        ----------
        linear : torch.nn.Linear
            Not changed.
        n_components : int, default=None
            Number of singular vectors kept, the largest first; None keeps all.

        Returns
        -------
        layer : HouseholderLinear
            Of the same dtype and device, with the bias of ``linear``; its weight is the nearest
            matrix with r singular values 1, :math:`U_r V_r^T`.

        Raises
        ------
        ValueError
            If the weight has a lower rank than ``n_components``: the directions would be arbitrary.
        """
        W = linear.weight.double()
        layer = cls(W.shape[1], W.shape[0], n_components, bias=linear.bias is not None)
        rank = layer.n_components
        U, values, Vt = torch.linalg.svd(W, full_matrices=False)
        rounding = max(W.shape) * torch.finfo(linear.weight.dtype).eps * values[0]
        found = int((values > rounding).sum())
        if found < rank:
            raise ValueError(
                f"The weight has rank {found}, so {rank - found} of {rank} directions would be "
                f"arbitrary. Set n_components to {found} or less."
            )
        layer.to(linear.weight)
        if layer.left is not None and layer.right is not None:
            (left, a), (right, b) = _reflections(U[:, :rank]), _reflections(Vt[:rank].T)
            layer.left.copy_(left)
            layer.right.copy_(right)
            layer.signs.copy_(a * b)
        else:
            polar = U @ Vt
            only: Any = layer.left if layer.right is None else layer.right
            vectors, signs = _reflections(polar if layer.right is None else polar.T)
            only.copy_(vectors)
            layer.signs.copy_(signs)
        if layer.bias is not None:
            layer.bias.copy_(linear.bias)
        return layer

    @property
    def weight(self) -> torch.Tensor:
        """The matrix."""
        if self.left is None:
            return self.directions
        U = orthonormal_columns(self.left)
        return U * self.signs if self.right is None else U @ self.directions

    @property
    def directions(self) -> torch.Tensor:
        """Inputs that come through, as rows."""
        if self.right is None:
            left: Any = self.left
            return torch.eye(self.in_features, out=torch.empty_like(left[: self.in_features]))
        return (orthonormal_columns(self.right) * self.signs).T

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Map rows.

        Parameters
        ----------
        X : torch.Tensor of shape (..., in_features)
            Rows.

        Returns
        -------
        Y : torch.Tensor of shape (..., out_features)
            Never longer than X, before the bias is added.
        """
        rows = X.reshape(-1, self.in_features)
        if len(rows) <= self.n_components:  # fewer flops than by way of the matrix
            Y = self._reflected(rows)
            Y = Y if self.bias is None else Y + self.bias
            return Y.reshape(*X.shape[:-1], self.out_features).to(width_of_linear(X))
        if self.left is None or self.right is None:
            return torch.nn.functional.linear(X, self.weight, self.bias)
        coordinates = X @ self.directions.T
        return torch.nn.functional.linear(coordinates, orthonormal_columns(self.left), self.bias)

    def _reflected(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows times the transposed matrix, which is not made."""
        if self.right is not None:
            rows = reflected(rows, self.right)[:, : self.n_components]
        rows = rows * self.signs
        if self.left is None:
            return rows
        longer = torch.nn.functional.pad(rows, (0, self.out_features - rows.shape[1]))
        return reflected(longer, self.left, back=True)

    def extra_repr(self) -> str:
        """What ``print`` shows between the brackets.

        Returns
        -------
        text : str
            Sizes.
        """
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"n_components={self.n_components}, bias={self.bias is not None}"
        )


def orthonormal_columns(vectors: torch.Tensor) -> torch.Tensor:
    """First columns of the product of reflections, as many as there are vectors.

    The order is that of the columns; a zero vector stands for the identity.
    """
    d, m = vectors.shape
    rows = torch.eye(m, d, dtype=vectors.dtype, device=vectors.device)
    return reflected(rows, vectors, back=True).T


def reflected(rows: torch.Tensor, vectors: torch.Tensor, *, back: bool = False) -> torch.Tensor:
    """Rows, (n, d), times the product of the reflections in the columns of vectors, (d, m).

    With ``back`` times its transpose, the reflections in the opposite order. At least in float32,
    also under autocast: what 16 bits leave of a reflection is no isometry.
    """
    d, m = vectors.shape
    n_blocks = -(-m // BLOCK)
    wide = torch.promote_types(torch.promote_types(rows.dtype, vectors.dtype), torch.float32)
    with without_autocast(vectors.device):
        # zero vectors fill the last block up
        V = torch.nn.functional.pad(vectors.to(wide).T, (0, 0, 0, n_blocks * BLOCK - m))
        V = V.reshape(n_blocks, BLOCK, d)
        T = _triangles(V @ V.mT)
        pairs = list(zip(V.unbind(), (T.mT if back else T).unbind(), strict=True))
        found = rows.to(wide)
        for v, t in reversed(pairs) if back else pairs:
            found = torch.addmm(found, found @ v.T @ t, v)
        return found.to(rows.dtype)


def _triangles(gram: torch.Tensor) -> torch.Tensor:
    """T of each block: the product of its reflections is I + V^T T V.

    The lengths of the vectors are on the diagonal of the Gram matrices, so that nothing has to be
    normalised; one too short for its square is no reflection.
    """
    squares = gram.diagonal(dim1=1, dim2=2)
    limits = torch.finfo(gram.dtype)
    halves = torch.where(squares > limits.tiny / limits.eps, squares / 2, 1)
    inverse = torch.triu(gram, 1) + torch.diag_embed(halves)
    eye = torch.eye(BLOCK, dtype=gram.dtype, device=gram.device)
    return torch.linalg.solve_triangular(inverse, -eye.expand_as(inverse), upper=True)


def _reflections(columns: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors and signs of which `orthonormal_columns` times signs gives these columns back.

    LAPACK leaves the vectors below the diagonal, with ones on it that are not stored; the diagonal
    holds the signs.
    """
    packed, tau = torch.geqrf(columns)
    vectors = torch.tril(packed, diagonal=-1)
    vectors.diagonal().fill_(1)
    vectors[:, tau == 0] = 0  # no reflection was needed
    return vectors, packed.diagonal().sign()
