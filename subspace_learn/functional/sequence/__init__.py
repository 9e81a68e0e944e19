"""Memories of sequences and state spaces: formulas of the sequence family."""
