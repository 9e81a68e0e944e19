"""Matrices and manifolds that two or more families use: array-API code, batched where it can be.

Provisional, as :mod:`subspace_learn.functional` is.
"""
