"""Inverse problems with an unknown instrument: sensors calibrated from the signals they see."""

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
]
