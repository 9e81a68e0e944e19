"""Inverse problems with an unknown instrument: sensors calibrated from the signals they see."""

from ..functional.inverse.self_calibration.misfit import error_after_best_scalar
from ..functional.inverse.sensing import cosine_basis
from ._displays import GainDisplay, NoiseErrorDisplay, SingularGapDisplay
from ._self_calibration import SelfCalibrationLS
from ._sensing import ConvolutionSensing, FourierSensing, HadamardSensing, check_adjoint

__all__ = [
    "ConvolutionSensing",
    "FourierSensing",
    "GainDisplay",
    "HadamardSensing",
    "NoiseErrorDisplay",
    "SelfCalibrationLS",
    "SingularGapDisplay",
    "check_adjoint",
    "cosine_basis",
    "error_after_best_scalar",
]
