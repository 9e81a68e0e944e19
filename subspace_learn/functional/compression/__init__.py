"""Low-rank corrections and random subspaces: formulas of the compression family."""
