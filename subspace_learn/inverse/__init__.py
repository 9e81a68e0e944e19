"""Inverse problems with an unknown instrument: sensors calibrated from the signals they see."""

from ._self_calibration import SelfCalibrationLS
from ._sensing import ConvolutionSensing, FourierSensing, HadamardSensing, check_adjoint

__all__ = [
    "ConvolutionSensing",
    "FourierSensing",
    "HadamardSensing",
    "SelfCalibrationLS",
    "check_adjoint",
]
