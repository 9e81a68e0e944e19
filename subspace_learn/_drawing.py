"""What all pictures share: colours that colour-blind readers tell apart, and axes to draw on."""

from __future__ import annotations

from typing import Any

__all__ = ["BLUE", "COLOURS", "GREEN", "VERMILION", "axes_or_new"]

# Okabe and Ito, 2008; their yellow is left out, too pale on white
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
BLUE, VERMILION, GREEN = COLOURS[:3]


def axes_or_new(ax: Any, size: tuple[float, float] = (6.0, 4.2)) -> Any:
    """Return ``ax``, or the axes of a new figure of this size in inches if it is None."""
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=size, layout="constrained")[1] if ax is None else ax
