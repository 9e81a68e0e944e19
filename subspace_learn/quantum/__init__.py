"""Quantum feature maps, simulated exactly: for teaching and as a fast reference.

On real tables a tuned RBF machine predicts as well or better: see the user guide.
"""

from ._ad_hoc import make_ad_hoc_quantum
from ._quantum_kernel import QuantumKernel, kernel_target_alignment, state_vectors
from ._variational_classifier import VariationalQuantumClassifier

__all__ = [
    "QuantumKernel",
    "VariationalQuantumClassifier",
    "kernel_target_alignment",
    "make_ad_hoc_quantum",
    "state_vectors",
]
