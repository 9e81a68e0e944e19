"""Matrices and manifolds that two or more methods use: array-API code, batched where it can be."""

__all__ = ["eig", "grassmann", "krylov", "lowrank", "moments"]
