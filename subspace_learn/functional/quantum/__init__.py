"""Quantum circuits simulated exactly: formulas of the quantum family."""
