"""The public events of each account: how they are numbered, kept and read."""
