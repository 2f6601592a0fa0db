"""Makes models for the repository out of weights that others publish."""
