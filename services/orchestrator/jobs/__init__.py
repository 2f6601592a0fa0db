"""Jobs: ordered, followed, ended."""
