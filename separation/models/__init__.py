"""What models are, where they lie, how they are checked, and what computes them."""
