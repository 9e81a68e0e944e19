"""Unknown instruments and signals: formulas of the inverse family."""
