"""Published schemes that are no part of the package: what the tables compare ours with."""

from __future__ import annotations

import numpy as np

__all__ = ["fedpe_basis", "locally_scaled", "trust_region_basis"]


def fedpe_basis(parts, n_components, *, n_rounds=20, local_steps=30, rho=3.0, seed=None):
    """FedPE (Nguyen et al., INFOCOM 2023, algorithm 1): a plain mean of the clients' bases.

    Clients take gradient steps with a dual for the consensus and one for ``U^T U <= I``. The step
    is taken relative to the local curvature, and the duals start at 0. It depends on the bases that
    clients happen to choose.

    Parameters
    ----------
    parts : list of ndarray of shape (n_rows, n_features)
        Rows of each client, centred and scaled.
    n_components : int
        Dimension of the subspace.
    n_rounds, local_steps : int
        Rounds, and gradient steps of a client in each.
    rho : float
        Penalty of the distance to the consensus.
    seed : int, optional
        Of the random start.

    Returns
    -------
    basis : ndarray of shape (n_features, n_components)
        Orthonormal columns that span the consensus.
    """
    covariances = [part.T @ part / len(part) for part in parts]
    weights = np.array([len(part) for part in parts]) / sum(map(len, parts))
    largest = [np.linalg.eigvalsh(S)[-1] for S in covariances]
    shape = (parts[0].shape[1], n_components)
    Z, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal(shape))
    bases = [Z] * len(parts)
    duals = [np.zeros(shape)] * len(parts)
    bounds = [np.zeros((n_components, n_components))] * len(parts)
    for n_round in range(n_rounds):
        for i, S in enumerate(covariances):
            if n_round:
                duals[i] = duals[i] + rho * (bases[i] - Z)
            bases[i], bounds[i] = _fedpe_steps(
                S, Z, duals[i], bounds[i], rho, 1.0 / (6 * largest[i] + rho or 1.0), local_steps
            )
        Z = sum(w * U for w, U in zip(weights, bases, strict=True))
    return np.linalg.qr(Z)[0]


def _fedpe_steps(S, Z, dual, bound, rho, step, n_steps):
    """The gradient steps of one client in one round."""
    U, identity = Z, np.eye(Z.shape[1])
    for _ in range(n_steps):
        gram, image = U.T @ U, S @ U
        excess = np.clip(gram - identity, 0.0, None)
        pull = U @ ((bound + rho * excess**2) * 4 * excess)
        gradient = -4 * image + 2 * (image @ gram + U @ (U.T @ image))
        U = U - step * (gradient + dual + rho * (U - Z) + pull)
    return U, bound + rho * np.clip(U.T @ U - identity, 0.0, None) ** 2


def locally_scaled(parts):
    """Rows of each client standardised by its own mean and deviation, as published.

    It hides how clients differ, and new rows are scaled differently.

    Parameters
    ----------
    parts : list of ndarray of shape (n_rows, n_features)
        Rows of each client.

    Returns
    -------
    parts : list of ndarray
        Standardised; constant columns are centred only.
    """
    scaled = []
    for part in parts:
        gap = part - part[0]
        gap = gap - gap.mean(axis=0)
        deviation = gap.std(axis=0)
        scaled.append(gap / np.where(deviation > 0, deviation, 1.0))
    return scaled


def trust_region_basis(S, n_components, *, tol=1e-8, max_iter=200, seed=None):
    """Leading eigenvectors of S by a Riemannian trust-region method on the Grassmann manifold.

    Minimises ``-tr(U^T S U) / 2``, divided by the trace of S, with pymanopt.

    Parameters
    ----------
    S : ndarray of shape (n, n)
        Symmetric, positive semidefinite.
    n_components : int
        Number of eigenvectors, below n.
    tol : float
        Stop when the norm of the gradient is below this.
    max_iter : int
        Most outer iterations.
    seed : int, optional
        Of the random start.

    Returns
    -------
    basis : ndarray of shape (n, n_components)
        Orthonormal columns that span the eigenvectors.
    """
    import pymanopt
    from pymanopt.manifolds import Grassmann
    from pymanopt.optimizers import TrustRegions

    manifold, scale = Grassmann(len(S), n_components), np.trace(S)
    on_manifold = pymanopt.function.numpy(manifold)
    problem = pymanopt.Problem(
        manifold,
        on_manifold(lambda U: -0.5 * float(np.sum(U * (S @ U))) / scale),
        euclidean_gradient=on_manifold(lambda U: -S @ U / scale),
        euclidean_hessian=on_manifold(lambda U, H: -S @ H / scale),
    )
    start = np.random.default_rng(seed).standard_normal((len(S), n_components))
    optimizer = TrustRegions(
        max_iterations=max_iter, min_gradient_norm=tol, max_time=np.inf, verbosity=0
    )
    return optimizer.run(problem, initial_point=np.linalg.qr(start)[0]).point
