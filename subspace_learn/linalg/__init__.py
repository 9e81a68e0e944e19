"""Matrices and manifolds that two or more methods use: array-API code, batched where it can be."""

__all__ = [
    "aggregation",
    "conjugate_gradients",
    "eig",
    "filtered_subspace",
    "grassmann",
    "grassmann_mean",
    "krylov",
    "lowrank",
    "lsqr",
    "moments",
    "nested_subspace",
    "polynomial_cycle",
    "product_descent",
    "spd",
    "spd_batches",
    "spd_checks",
    "spd_mean",
    "spd_newton",
    "spd_tangent",
    "trust_region",
]
