"""Sound in files: identified, decoded, resampled, measured and encoded."""
