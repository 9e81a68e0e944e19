"""Random matrix theory: signal and noise in tables, spectra of networks."""

from ._analytic_shrinkage import AnalyticShrinkage
from ._random_matrix_filter import RandomMatrixFilter

__all__ = [
    "AnalyticShrinkage",
    "RandomMatrixFilter",
]
