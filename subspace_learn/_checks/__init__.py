"""What X may be: one file for each kind of input, and what leaves the range of floats."""
