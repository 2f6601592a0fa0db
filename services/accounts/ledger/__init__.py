"""Credits on double-entry books, and the holds of jobs."""
