"""Training of the separation network (needs the `train` extra): ``python -m training --help``, docs/training.md."""
