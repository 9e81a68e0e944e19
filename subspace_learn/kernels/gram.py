"""Gram matrix of a sparse table, row by row."""

from __future__ import annotations

import numpy as np

from . import jit

__all__ = ["csr_gram"]


@jit
def csr_gram(data, indices, indptr, weights, gram):
    """Add ``sum_i weights[i] x_i x_i^T`` to the upper triangle of ``gram`` (in place).

    The rows x_i come as CSR (``data``, ``indices`` sorted within rows, ``indptr``). Costs
    ``sum_i nnz_i^2 / 2`` multiply-adds instead of ``n d^2 / 2``. Shapes: (nnz,), (nnz,), (n + 1,),
    (n,), (d, d) float64. Serial: two threads would need a second (d, d) accumulator.
    """
    for i in range(indptr.size - 1):
        for a in range(indptr[i], indptr[i + 1]):
            scaled = weights[i] * np.float64(data[a])
            row = indices[a]
            for b in range(a, indptr[i + 1]):
                gram[row, indices[b]] += scaled * data[b]
