"""Choosing rows: which to label, and which few keep the norms of a large table."""

from ..functional.sampling.dpp import projection_dpp, volume_sample
from ..functional.sampling.dpp_least_squares import christoffel_function
from ..functional.sampling.leverage import leverage_scores
from ..functional.sampling.lewis_weights import lewis_weights
from ..functional.sampling.lp_sensitivity import lp_sensitivities
from ..functional.sampling.row_sampling import embedding_error
from ._displays import DesignDisplay, EmbeddingErrorDisplay, SampleScoreDisplay
from ._dpp_least_squares import DPPLeastSquares
from ._labels import OracleError
from ._product_basis import ProductBasis
from ._sensitivity_sampler import SensitivitySampler
from ._subsampled_estimator import SubsampledEstimator

__all__ = [
    "DPPLeastSquares",
    "DesignDisplay",
    "EmbeddingErrorDisplay",
    "OracleError",
    "ProductBasis",
    "SampleScoreDisplay",
    "SensitivitySampler",
    "SubsampledEstimator",
    "christoffel_function",
    "embedding_error",
    "leverage_scores",
    "lewis_weights",
    "lp_sensitivities",
    "projection_dpp",
    "volume_sample",
]
