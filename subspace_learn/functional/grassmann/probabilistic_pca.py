"""A principal subspace as a Gaussian: its likelihood, and the moments it stands for."""

from __future__ import annotations

from math import log

import numpy as np

from ..._array import Array, array_namespace, move_like
from ...linalg.lowrank import LowRankMoments
from ...linalg.moments import Moments
from .grassmann_pca import EXACT_FEATURES, PrincipalSubspace, SecondMoments

__all__ = ["log_likelihood", "moments_of_model"]


def moments_of_model(subspace: PrincipalSubspace) -> SecondMoments:
    """Second moments of the probabilistic PCA model: what a fit tells about rows it did not keep.

    Parameters
    ----------
    subspace : PrincipalSubspace
        A fit.

    Returns
    -------
    moments : Moments or LowRankMoments
        Mean, weight, total and the components are exact; what was left out is spread evenly over
        the other directions (up to ``EXACT_FEATURES`` columns), or over none.
    """
    components, (k, d) = subspace.components, subspace.components.shape
    n_samples, values = int(subspace.weight), subspace.eigenvalues
    xp = array_namespace(components)
    if d > EXACT_FEATURES:
        root, basis = xp.sqrt(values), components.T
        return LowRankMoments(
            n_samples, subspace.weight, subspace.mean, root, basis, subspace.total
        )
    even = subspace.left_out / max(d - k, 1)
    scatter = components.T @ ((values - even)[:, None] * components)
    scatter = scatter + even * move_like(np.eye(d), scatter)
    return Moments(n_samples, subspace.weight, subspace.mean, scatter)


def log_likelihood(scores: Array, residuals: Array, subspace: PrincipalSubspace) -> Array:
    r"""Log-likelihood of rows under probabilistic PCA.

    The model is a Gaussian with covariance ``U diag(v) U^T + s (I - U U^T)``: variance
    ``max(v_j, s)`` along component j and the noise variance s in all other directions.

    Parameters
    ----------
    scores : array of shape (n_samples, n_components)
        Coordinates in the subspace.
    residuals : array of shape (n_samples,)
        Squared distances to it.
    subspace : PrincipalSubspace
        The fit.

    Returns
    -------
    log_likelihood : array of shape (n_samples,)
        In nats. Equal to ``sklearn.decomposition.PCA.score_samples``.

    Raises
    ------
    ValueError
        If a variance of the model is 0: it has no density then.

    References
    ----------
    M. E. Tipping, C. M. Bishop, "Mixtures of probabilistic principal component analysers", Neural
    Computation 11 (1999), appendix A.
    """
    k, d = subspace.components.shape
    noise = subspace.noise_variance
    xp = array_namespace(subspace.eigenvalues)
    variances = xp.clip(subspace.eigenvalues / subspace.degrees_of_freedom, min=noise)
    if float(variances[-1]) <= 0 or (k < d and noise <= 0):
        raise ValueError(
            f"The {k} components leave no variance in the other {d - k} directions (or have none "
            "themselves), so that the likelihood has no density. Give a smaller n_components; "
            "reconstruction_error ranks rows without a likelihood."
        )
    wide = xp.astype(scores, xp.float64, copy=False)
    distances = xp.sum(wide * wide / variances, axis=1)
    constant = d * log(2 * np.pi) + float(xp.sum(xp.log(variances)))
    if k < d:
        distances = distances + xp.astype(residuals, xp.float64, copy=False) / noise
        constant += (d - k) * log(noise)
    return -0.5 * (distances + constant)
