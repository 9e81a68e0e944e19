"""Choosing rows: formulas of the sampling family."""
