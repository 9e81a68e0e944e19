"""Dynamical systems from data: Koopman operators, and how far to believe them."""

from ..functional.dynamics.resdmd import LocalSpectrum
from ._delay_dictionary import DelayDictionary
from ._dictionaries import FourierDictionary, HermiteDictionary, RBFDictionary
from ._displays import ForecastDisplay, KoopmanSpectrumDisplay, SpectralMeasureDisplay
from ._koopman_edmd import KoopmanEDMD
from ._modes_display import KoopmanModesDisplay
from ._scorers import multi_step_score, residual_score

__all__ = [
    "DelayDictionary",
    "ForecastDisplay",
    "FourierDictionary",
    "HermiteDictionary",
    "KoopmanEDMD",
    "KoopmanModesDisplay",
    "KoopmanSpectrumDisplay",
    "LocalSpectrum",
    "RBFDictionary",
    "SpectralMeasureDisplay",
    "multi_step_score",
    "residual_score",
]
