"""Random matrix theory: signal and noise in tables, spectra of networks."""

from ..functional.random_matrix.analytic_shrinkage import analytic_eigenvalues
from ..functional.random_matrix.curvature import logistic_hvp, mlp_hvp, mlp_parameters
from ..functional.random_matrix.heavy_tail_spectrum import hill_exponent, pooled_eigenvalues
from ..functional.random_matrix.hessian_spectrum import hessian_spectrum, top_gap
from ..functional.random_matrix.noise_laws import (
    marchenko_pastur_cdf,
    marchenko_pastur_density,
    marchenko_pastur_edges,
    marchenko_pastur_median,
    marchenko_pastur_quantile,
    tracy_widom_cdf,
    tracy_widom_quantile,
    tracy_widom_sf,
)
from ..functional.random_matrix.rbns import (
    conformal_support,
    robustness_scores,
    rotated_directions,
)
from ..functional.random_matrix.spiked_model import (
    detection_threshold,
    hard_threshold,
    hard_threshold_over_median,
    population_eigenvalue,
    sample_eigenvalue,
    shrunk_spikes,
    squared_cosine,
)
from ._analytic_shrinkage import AnalyticShrinkage
from ._density_display import SpectralDensityDisplay
from ._displays import ScreeDisplay, ShrinkageDisplay, SpectrumDisplay
from ._heavy_tail_spectrum import HeavyTailSpectrum
from ._random_matrix_filter import RandomMatrixFilter
from ._robust_directions import RobustDirections

__all__ = [
    "AnalyticShrinkage",
    "HeavyTailSpectrum",
    "RandomMatrixFilter",
    "RobustDirections",
    "ScreeDisplay",
    "ShrinkageDisplay",
    "SpectralDensityDisplay",
    "SpectrumDisplay",
    "analytic_eigenvalues",
    "conformal_support",
    "detection_threshold",
    "hard_threshold",
    "hard_threshold_over_median",
    "hessian_spectrum",
    "hill_exponent",
    "logistic_hvp",
    "marchenko_pastur_cdf",
    "marchenko_pastur_density",
    "marchenko_pastur_edges",
    "marchenko_pastur_median",
    "marchenko_pastur_quantile",
    "mlp_hvp",
    "mlp_parameters",
    "pooled_eigenvalues",
    "population_eigenvalue",
    "robustness_scores",
    "rotated_directions",
    "sample_eigenvalue",
    "shrunk_spikes",
    "squared_cosine",
    "top_gap",
    "tracy_widom_cdf",
    "tracy_widom_quantile",
    "tracy_widom_sf",
]
