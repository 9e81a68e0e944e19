"""Subspaces as points of a Grassmann manifold: formulas of the grassmann family."""
