"""Covariance matrices of signals and their geometry: formulas of the covariance family."""
