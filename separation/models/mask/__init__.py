"""Models that answer what share of each magnitude belongs to a stem."""
