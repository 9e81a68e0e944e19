"""A classification layer whose class vectors are subspaces."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ._manifold_optimizer import GrassmannParameter
from ._perceptrons import layers

__all__ = ["GrassmannHead", "GrassmannNet"]


class GrassmannHead(torch.nn.Module):
    r"""Logits of features by their angles to one subspace per class.

    Class c owns a subspace with orthonormal basis :math:`S_c`, trained with
    :class:`RiemannianSGD`. With :math:`x = f / |f|` the logits are

    .. math:: \gamma |S_c^T x| = \gamma \cos \angle(f, \operatorname{span} S_c).

    Parameters
    ----------
    in_features : int
        Number d of features.
    n_classes : int
        Number of subspaces.
    n_components : int, default=8
        Their dimension k, at most d. At k = d all logits are gamma.
    gamma : float, default=25.0
        Scale of the logits, which lie in [0, gamma].

    Attributes
    ----------
    subspaces : GrassmannParameter of shape (n_classes, in_features, n_components)
        Orthonormal columns, from the uniform law at first.

    Raises
    ------
    ValueError
        If n_components is not in [1, in_features], or gamma is not positive.

    See Also
    --------
    RiemannianSGD : Trains it together with the layers before it.
    subspace_learn.grassmann.GrassmannClassifier : The same without layers before it, in NumPy.

    Notes
    -----
    A feature f and its negative get the same logits, also with k = 1: this is not the cosine
    classifier. Features should be free to be negative: put no ReLU right before the head. Costs
    2 B d C k flops for B rows.

    References
    ----------
    H. Wang, Z. Li, W. Zhang, "Get the Best of Both Worlds: Improving Accuracy and Transferability
    by Grassmann Class Representation", ICCV 2023, arXiv:2308.01547.

    Examples
    --------
    >>> import torch
    >>> from subspace_learn.deep import GrassmannHead
    >>> head = GrassmannHead(in_features=16, n_classes=3, n_components=4)
    >>> inside = head.subspaces[1] @ torch.ones(4)  # a feature in the subspace of class 1
    >>> logits = head(inside[None])
    >>> bool(torch.isclose(logits[0, 1], torch.tensor(25.0)))
    True
    """

    def __init__(
        self, in_features: int, n_classes: int, n_components: int = 8, gamma: float = 25.0
    ) -> None:
        super().__init__()
        if not 1 <= n_components <= in_features:
            raise ValueError(
                f"n_components={n_components} must lie in [1, in_features={in_features}]. Choose a "
                "smaller n_components, or a wider layer before the head."
            )
        if not gamma > 0:
            raise ValueError(f"gamma={gamma} must be positive.")
        self.in_features, self.n_classes = in_features, n_classes
        self.n_components, self.gamma = n_components, gamma
        self.subspaces = GrassmannParameter(torch.empty(n_classes, in_features, n_components))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw subspaces from the uniform law, by torch's generator."""
        self.subspaces.copy_(torch.linalg.qr(torch.randn_like(self.subspaces))[0])

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Logits of a batch.

        Parameters
        ----------
        features : torch.Tensor of shape (n_samples, in_features)
            Of any length; a zero row gets zero logits.

        Returns
        -------
        logits : torch.Tensor of shape (n_samples, n_classes)
            In [0, gamma].
        """
        x = torch.nn.functional.normalize(features, dim=1, eps=1e-12)
        # one product with all bases side by side; the norm has gradient 0 at 0
        stacked = self.subspaces.permute(1, 0, 2).reshape(self.in_features, -1)
        coordinates = (x @ stacked).unflatten(1, (self.n_classes, self.n_components))
        return self.gamma * torch.linalg.vector_norm(coordinates, dim=2)

    def extra_repr(self) -> str:
        """What ``print`` shows between the brackets.

        Returns
        -------
        text : str
            Sizes and scale.
        """
        return (
            f"in_features={self.in_features}, n_classes={self.n_classes}, "
            f"n_components={self.n_components}, gamma={self.gamma}"
        )


class GrassmannNet(torch.nn.Module):
    """A perceptron with a :class:`GrassmannHead`."""

    def __init__(
        self, sizes: Sequence[int], n_classes: int, n_components: int, gamma: float, activation: str
    ) -> None:
        super().__init__()
        self.features = layers(sizes, activation)
        self.head = GrassmannHead(sizes[-1], n_classes, n_components, gamma)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Logits of a batch."""
        return self.head(self.features(X))
