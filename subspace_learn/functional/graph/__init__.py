"""Laplacians, multigrid and partitions: formulas of the graph family."""
