"""Maps of the activations of a network: formulas of the activations family."""
