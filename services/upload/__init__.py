"""Uploads: a place for a song, its bytes, and the verdict whether it can be separated."""
