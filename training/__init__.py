"""Training of the separation network (needs the `train` extra)."""
