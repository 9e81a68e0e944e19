"""Seeded generators of data with a known subspace: spikes, outliers, clients that differ."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from .._base import random_generator

__all__ = ["make_noniid_clients", "make_spiked_samples", "make_subspace_outliers"]


def make_spiked_samples(
    n_samples: int = 500,
    n_features: int = 20,
    *,
    spikes: Sequence[float] = (10.0, 5.0, 2.0),
    noise_variance: float = 1.0,
    mean: float | Sequence[float] | np.ndarray = 0.0,
    random_state: Any = None,
    return_basis: bool = False,
) -> Any:
    r"""Draw Gaussian rows with a spiked covariance.

    .. math:: x \sim N(\mu,\; \sum_i s_i u_i u_i^T + \sigma^2 I)

    with orthonormal :math:`u_i` drawn uniformly. The eigenvalues of the covariance are
    :math:`s_i + \sigma^2` and, for the other directions, :math:`\sigma^2`.

    Parameters
    ----------
    n_samples : int, default=500
        Number of rows.
    n_features : int, default=20
        Number of columns.
    spikes : sequence of float, default=(10.0, 5.0, 2.0)
        Variance :math:`s_i \ge 0` added along each direction; at most ``n_features`` of them.
    noise_variance : float, default=1.0
        Variance :math:`\sigma^2 \ge 0` of every direction.
    mean : float or array of shape (n_features,), default=0.0
        Mean of the rows.
    random_state : int, RandomState, Generator or None, default=None
        Source of randomness; an int gives the same data each time.
    return_basis : bool, default=False
        Also return the directions.

    Returns
    -------
    X : array of shape (n_samples, n_features)
        The rows.
    basis : array of shape (n_features, len(spikes))
        The directions :math:`u_i` as columns, in the order of ``spikes``; if ``return_basis``.

    Raises
    ------
    ValueError
        If a size is below 1, a variance is negative, or there are more spikes than features.

    Examples
    --------
    >>> from subspace_learn.datasets import make_spiked_samples
    >>> X, basis = make_spiked_samples(100, 8, spikes=(4.0,), random_state=0, return_basis=True)
    >>> X.shape, basis.shape
    ((100, 8), (8, 1))
    """
    _check_size("n_samples", n_samples)
    _check_size("n_features", n_features)
    _check_not_negative("noise_variance", noise_variance)
    variances = np.asarray(spikes, dtype=float)
    if variances.ndim != 1 or not np.all((variances >= 0) & np.isfinite(variances)):
        raise ValueError(f"spikes={spikes!r}: needed is a sequence of finite variances >= 0.")
    if len(variances) > n_features:
        raise ValueError(
            f"{len(variances)} spikes do not fit into {n_features} features: give fewer spikes or "
            "more features."
        )
    if np.shape(mean) not in ((), (n_features,)):
        raise ValueError(f"mean has shape {np.shape(mean)}; needed is a number or ({n_features},).")
    rng = random_generator(random_state)
    basis = _random_basis(rng, n_features, len(variances))
    scores = rng.standard_normal((n_samples, len(variances))) * np.sqrt(variances)
    noise = rng.standard_normal((n_samples, n_features)) * np.sqrt(noise_variance)
    X = np.asarray(mean, dtype=float) + scores @ basis.T + noise
    return (X, basis) if return_basis else X


def make_subspace_outliers(
    n_normal: int = 200,
    n_outliers: int = 20,
    n_features: int = 20,
    n_components: int = 3,
    *,
    noise: float = 0.1,
    random_state: Any = None,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Draw normal rows near a random subspace, and outliers that lie off it.

    With an orthonormal basis :math:`U` of the subspace and :math:`e \sim N(0, I)`

    .. math:: x = U z + \text{noise}\, e, \qquad
              x_{\text{out}} = \sqrt{k / (n - k)}\, (I - U U^T) w + \text{noise}\, e

    where :math:`z \sim N(0, I_k)`, :math:`w \sim N(0, I_n)`, :math:`k` is ``n_components`` and
    :math:`n` is ``n_features``. Both kinds have the same mean (zero) and the same expected squared
    norm :math:`k + n\,\text{noise}^2`, so only the subspace tells them apart: the expected squared
    distance from it is :math:`(n-k)\,\text{noise}^2` for normal rows, and :math:`k` more for
    outliers.

    Parameters
    ----------
    n_normal : int, default=200
        Number of normal rows.
    n_outliers : int, default=20
        Number of outliers; may be 0.
    n_features : int, default=20
        Number of columns.
    n_components : int, default=3
        Dimension of the subspace, below ``n_features``.
    noise : float, default=0.1
        Standard deviation of the noise in each column.
    random_state : int, RandomState, Generator or None, default=None
        Source of randomness; an int gives the same data each time.

    Returns
    -------
    X : array of shape (n_normal + n_outliers, n_features)
        The rows, shuffled.
    y : array of shape (n_normal + n_outliers,)
        1 for a normal row, -1 for an outlier.

    Raises
    ------
    ValueError
        If a size is out of its range or ``noise`` is negative.
    """
    _check_size("n_normal", n_normal)
    _check_size("n_outliers", n_outliers, least=0)
    _check_size("n_components", n_components)
    _check_size("n_features", n_features, least=n_components + 1)
    _check_not_negative("noise", noise)
    rng = random_generator(random_state)
    basis = _random_basis(rng, n_features, n_components)
    normal = rng.standard_normal((n_normal, n_components)) @ basis.T
    isotropic = rng.standard_normal((n_outliers, n_features))
    outliers = isotropic - isotropic @ basis @ basis.T
    outliers *= np.sqrt(n_components / (n_features - n_components))
    X = np.concatenate([normal, outliers])
    X += noise * rng.standard_normal(X.shape)
    y = np.repeat([1, -1], [n_normal, n_outliers])
    order = rng.permutation(len(y))
    return X[order], y[order]


def make_noniid_clients(
    n_clients: int = 5,
    rows_per_client: int | Sequence[int] = 200,
    n_features: int = 20,
    n_components: int = 3,
    *,
    heterogeneity: float = 1.0,
    random_state: Any = None,
    return_basis: bool = False,
) -> Any:
    r"""Draw the rows of clients that share a dominant subspace and differ in the rest.

    Rows of client :math:`c` follow, with :math:`h` for ``heterogeneity``,

    .. math:: x \sim N\bigl(h\, m_c,\; U \Lambda U^T + h^2\, V_c V_c^T + 0.1\, I\bigr)

    :math:`U` has ``n_components`` orthonormal columns that all clients share, with variances
    :math:`\Lambda` falling evenly from 10 to 5; :math:`V_c` has as many orthonormal columns,
    orthogonal to :math:`U`, drawn anew for each client; :math:`m_c \sim N(0, I)`. With
    ``heterogeneity=0`` all clients follow one law. Below
    :math:`\sqrt 5` the shared directions have the largest variance within every client.

    Parameters
    ----------
    n_clients : int, default=5
        Number of clients.
    rows_per_client : int or sequence of int, default=200
        Rows of each client.
    n_features : int, default=20
        Number of columns, at least twice ``n_components``.
    n_components : int, default=3
        Dimension of the shared subspace and of each client's own.
    heterogeneity : float, default=1.0
        Scale :math:`h \ge 0` of what is a client's own.
    random_state : int, RandomState, Generator or None, default=None
        Source of randomness; an int gives the same data each time.
    return_basis : bool, default=False
        Also return the shared directions.

    Returns
    -------
    X : array of shape (n_rows, n_features)
        The rows, one client after the other.
    groups : array of shape (n_rows,)
        The client of each row, 0 to ``n_clients - 1``.
    basis : array of shape (n_features, n_components)
        The shared directions :math:`U` as columns, if ``return_basis``.

    Raises
    ------
    ValueError
        If a size is out of its range or ``heterogeneity`` is negative.
    """
    _check_size("n_clients", n_clients)
    _check_size("n_components", n_components)
    _check_size("n_features", n_features, least=2 * n_components)
    _check_not_negative("heterogeneity", heterogeneity)
    rows = np.ravel(rows_per_client).tolist()
    if np.ndim(rows_per_client) == 0:
        rows *= n_clients
    if len(rows) != n_clients:
        raise ValueError(
            f"rows_per_client has {len(rows)} entries for {n_clients} clients: give one number, or "
            "one for each client."
        )
    for size in rows:
        _check_size("rows_per_client", size)
    rng = random_generator(random_state)
    basis = _random_basis(rng, n_features, n_components)
    scales = np.sqrt(np.linspace(10.0, 5.0, n_components))
    X = np.concatenate([_client_rows(rng, size, basis, scales, heterogeneity) for size in rows])
    groups = np.repeat(np.arange(n_clients), rows)
    return (X, groups, basis) if return_basis else (X, groups)


def _client_rows(
    rng: np.random.Generator,
    size: int,
    basis: np.ndarray,
    scales: np.ndarray,
    heterogeneity: float,
) -> np.ndarray:
    n_features, n_components = basis.shape
    mean = rng.standard_normal(n_features)
    free = rng.standard_normal(basis.shape)
    own = np.linalg.qr(free - basis @ (basis.T @ free))[0]
    shared = (rng.standard_normal((size, n_components)) * scales) @ basis.T
    private = mean + rng.standard_normal((size, n_components)) @ own.T
    noise = np.sqrt(0.1) * rng.standard_normal((size, n_features))
    return shared + heterogeneity * private + noise


def _random_basis(rng: np.random.Generator, n_features: int, n_components: int) -> np.ndarray:
    """Orthonormal columns; their span is uniform on the Grassmann manifold."""
    return np.linalg.qr(rng.standard_normal((n_features, n_components)))[0]


def _check_size(name: str, value: Any, least: int = 1) -> None:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name}={value!r}: needed is an integer of at least {least}.")


def _check_not_negative(name: str, value: Any) -> None:
    if not isinstance(value, Real) or not 0 <= float(value) < float("inf"):
        raise ValueError(f"{name}={value!r}: needed is a finite number >= 0.")
