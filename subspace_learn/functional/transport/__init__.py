"""Transport between samples: formulas of the transport family."""
