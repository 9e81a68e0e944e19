"""Dynamical systems from data: Koopman operators, and how far to believe them."""

from ._delay_dictionary import DelayDictionary
from ._dictionaries import FourierDictionary, HermiteDictionary, RBFDictionary
from ._koopman_edmd import KoopmanEDMD
from ._scorers import multi_step_score, residual_score

__all__ = [
    "DelayDictionary",
    "FourierDictionary",
    "HermiteDictionary",
    "KoopmanEDMD",
    "RBFDictionary",
    "multi_step_score",
    "residual_score",
]
