"""Transport: rows of one distribution carried to another, as a diffusion."""

from ._light_bridge import LightSchrodingerBridge

__all__ = ["LightSchrodingerBridge"]
