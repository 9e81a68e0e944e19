"""Scores of maps and pools of maps: formulas of the metrics family."""
