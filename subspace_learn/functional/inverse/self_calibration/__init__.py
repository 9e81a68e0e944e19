"""Gains of sensors and the signal together, by least squares: one solver a file."""
