"""Sequences: memories of fixed size for series of any length."""

from ..functional.sequence.approximate_diagonalization import perturb_then_diagonalize
from ..functional.sequence.hippo import (
    hippo_fout,
    hippo_legs,
    hippo_legt,
    hippo_operator,
    hippo_trajectory,
    normal_part,
)
from ..functional.sequence.state_space import (
    causal_convolution,
    diagonal_init,
    ptd_legs,
    s4d_kernel,
    s4d_recurrence,
    transfer_function,
)
from ._hippo_transformer import HiPPOTransformer

__all__ = [
    "HiPPOTransformer",
    "causal_convolution",
    "diagonal_init",
    "hippo_fout",
    "hippo_legs",
    "hippo_legt",
    "hippo_operator",
    "hippo_trajectory",
    "normal_part",
    "perturb_then_diagonalize",
    "ptd_legs",
    "s4d_kernel",
    "s4d_recurrence",
    "transfer_function",
]
