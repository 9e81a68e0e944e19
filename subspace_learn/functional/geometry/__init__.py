"""Fourier transforms of simplices: formulas of the geometry family."""
