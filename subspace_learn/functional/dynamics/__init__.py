"""Koopman operators from snapshots: formulas of the dynamics family."""
