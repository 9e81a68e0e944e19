"""Laws of random matrices: formulas of the random_matrix family."""
