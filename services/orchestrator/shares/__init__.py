"""Links by which others may listen."""
