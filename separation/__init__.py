"""Music source separation: a song in, its stems out."""
