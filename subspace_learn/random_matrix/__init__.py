"""Random matrix theory: signal and noise in tables, spectra of networks."""

from ._analytic_shrinkage import AnalyticShrinkage
from ._density_display import SpectralDensityDisplay
from ._displays import ScreeDisplay, ShrinkageDisplay, SpectrumDisplay
from ._heavy_tail_spectrum import HeavyTailSpectrum
from ._random_matrix_filter import RandomMatrixFilter

__all__ = [
    "AnalyticShrinkage",
    "HeavyTailSpectrum",
    "RandomMatrixFilter",
    "ScreeDisplay",
    "ShrinkageDisplay",
    "SpectralDensityDisplay",
    "SpectrumDisplay",
]
